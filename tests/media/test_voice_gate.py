"""How much of a recording is speech: told by `secondme[hearing]`, and unknown without it."""

import asyncio
import os
from pathlib import Path

import pytest

from secondme.core.media.accuracy import read_set, read_sound
from secondme.core.media.voice_gate import is_silence, seconds_of_speech
from secondme.core.messages import Sound
from secondme.core.providers.hearing_process import is_installed

NOTES = Path(__file__).parent / "notes"
with_extra = pytest.mark.skipif(not is_installed(), reason="secondme[hearing] is not installed: nox -s media-extras")


def note(name: str) -> Sound:
    return Sound((NOTES / name).read_bytes(), "audio/ogg")


@pytest.mark.skipif(is_installed(), reason="this is what happens without the extra")
async def test_without_the_extra_nobody_knows() -> None:
    assert await seconds_of_speech(note("lj001-0002.ogg")) is None


@pytest.mark.parametrize(("speech_s", "expected"), [(None, False), (0.0, True), (0.29, True), (0.3, False), (9.0, False)])
def test_less_than_a_word_is_silence(speech_s: float | None, *, expected: bool) -> None:
    assert is_silence(speech_s) is expected


@with_extra
async def test_who_speaks_is_heard() -> None:
    for name in ("lj001-0002.ogg", "thorsten-04.ogg"):
        speech = await seconds_of_speech(note(name))
        assert speech is not None
        assert 1.0 < speech < 2.1


@with_extra
async def test_what_cannot_be_told_is_unknown() -> None:
    data = note("lj001-0002.ogg").data
    assert await seconds_of_speech(Sound(b"hello", "audio/ogg")) is None
    assert await seconds_of_speech(Sound(b"OggS" + bytes(500), "audio/ogg")) is None
    assert await seconds_of_speech(Sound(data, "audio/ogg"), max_seconds=1) is None
    assert await seconds_of_speech(Sound(data, "audio/ogg"), timeout_s=0.001) is None


def children() -> list[str]:
    """The processes that this one has started and that are left."""
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return listed.read_text().split() if listed.exists() else []


@with_extra
async def test_who_does_not_wait_leaves_nothing_running() -> None:
    before = children()
    asking = asyncio.create_task(seconds_of_speech(note("lj001-0002.ogg")))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert children() == before


@with_extra
@pytest.mark.heavy
@pytest.mark.skipif("VOICE_NOTES" not in os.environ, reason="VOICE_NOTES names no folder of recordings")
async def test_no_recording_of_speech_is_taken_for_silence() -> None:
    spoken = [each for each in read_set(Path(os.environ["VOICE_NOTES"])) if each.text]
    lost = [each.path.name for each in spoken if is_silence(await seconds_of_speech(read_sound(each.path)))]
    assert lost == []
