"""Speech by a program of the owner's own, with real programs."""

import asyncio
import logging
import os
import shlex
import sys
from pathlib import Path

import pytest
from fakes import opus
from fakes.process import eventually

from secondme.core.config.models import SpeechSettings
from secondme.core.errors import ConfigError, DataError, SecondmeError, UnavailableError
from secondme.core.providers.elevenlabs import speech_engine
from secondme.core.providers.speech_command import SpeechCommand

CANARY = "zqSpokenCanaryzq"
SOUND = opus.silence(0.4)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.ogg"
    path.write_bytes(SOUND)
    return path


def engine(command: str, timeout_s: float = 20) -> SpeechCommand:
    made = speech_engine(SpeechSettings(provider="command", command=command, timeout_s=timeout_s))
    assert isinstance(made, SpeechCommand)
    return made


def sh(script: str) -> str:
    return shlex.join(["/bin/sh", "-c", script])


async def failure(command: str, timeout_s: float = 20) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await engine(command, timeout_s).speak(f"say {CANARY}")
    assert CANARY not in f"{caught.value!r} {caught.value.fix}"
    return caught.value


async def test_the_program_is_given_the_text_and_its_sound_comes_back_as_it_is(sound: Path, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    speaking = engine(sh(f'cat > {heard}; echo "$SPEECH_LANGUAGE $0" >> {heard}; cat {sound}') + " 'two words'")
    assert await speaking.speak("Grüße, 世界 \ud83d!", "de") == SOUND
    assert heard.read_text() == "Grüße, 世界 ?!de two words\n"
    await speaking.close()
    assert await speaking.speak("again") == SOUND


async def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    error = await failure(f"echo x; touch {tmp_path}/made $(touch {tmp_path}/made) > {tmp_path}/made")
    assert error.code == "speech_no_sound"
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("head", [b"OggS", b"RIFF\x24\0\0\0WAVE", b"ID3\x04", b"\xff\xfb", b"\xff\xf3", b"fLaC"])
async def test_sound_is_told_by_its_bytes(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "sound").write_bytes(head + bytes(100))
    assert (await engine(f"cat {tmp_path}/sound").speak("x")).startswith(head)


@pytest.mark.parametrize(
    ("script", "kind", "code"),
    [
        ("exit 3", UnavailableError, "speech_command_failed"),
        ("cat $0; exit 1", UnavailableError, "speech_command_failed"),
        ("kill -SEGV $$", UnavailableError, "speech_command_failed"),
        ("exit 0", DataError, "speech_no_sound"),
        ("cat", DataError, "speech_no_sound"),
        ("echo '<html>'", DataError, "speech_no_sound"),
        ("printf OggS; cat /dev/zero", DataError, "speech_too_large"),
    ],
)
async def test_what_is_no_whole_sound_is_an_error_of_its_cause(
    sound: Path, script: str, kind: type[SecondmeError], code: str
) -> None:
    error = await failure(shlex.join(["/bin/sh", "-c", script, str(sound)]))
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(
    "command", ["", "  ", "'", "/nonexistent/program", "no-such-program-xyz", "/etc/hostname", "/tmp", "'a\0b'"]
)
async def test_a_command_that_is_none_is_the_owners_to_mend(command: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await engine(command).speak("x")
    assert (caught.value.code, caught.value.fix) == ("speech_command_unusable", "secondme config set speech.command")


async def test_a_program_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    error = await failure(sh(f"sleep 1000 & echo $! > {child}; sleep 1000"), timeout_s=0.5)
    assert (type(error), error.code) == (UnavailableError, "speech_timeout")
    await eventually(lambda: not Path(f"/proc/{child.read_text().strip()}").exists() or "Z" in status(child))


def status(pid: Path) -> str:
    try:
        return Path(f"/proc/{pid.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


async def test_a_cancelled_call_leaves_nothing(tmp_path: Path) -> None:
    own = tmp_path / "own"
    speaking = asyncio.create_task(engine(sh(f"echo $$ > {own}.new; mv {own}.new {own}; exec sleep 1000")).speak("x"))
    await eventually(own.exists)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    assert not Path(f"/proc/{own.read_text().strip()}").exists()  # noqa: ASYNC240


async def test_a_program_left_behind_is_not_waited_for(sound: Path) -> None:
    assert await engine(sh(f"cat {sound}; sleep 1000 &"), timeout_s=60).speak("x") == SOUND


async def test_neither_what_it_says_nor_the_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    program = f"import sys; sys.stderr.write({CANARY!r}); print({CANARY!r}); sys.exit(4)"
    with caplog.at_level(logging.DEBUG):
        await failure(shlex.join([sys.executable, "-c", program]))
    assert CANARY not in caplog.text
