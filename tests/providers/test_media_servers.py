"""Servers of other makers that speak OpenAI's transcription call and ElevenLabs' speech, as they really are: `nox -s third-party` brings them."""

import json
import os
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from secondme.core.config.models import HearingSettings, SpeechSettings
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.media.encode import as_voice_note
from secondme.core.messages import HearingOutcome, NothingHeard, Sound, Transcription
from secondme.core.providers.elevenlabs import ElevenLabs
from secondme.core.providers.openai_audio import OpenAiAudio, shutdown_date

NOTES = Path(__file__).parents[1] / "media" / "notes"
NOTE = Sound((NOTES / "thorsten-04.ogg").read_bytes(), "audio/ogg; codecs=opus")
WHISPER, MODEL, AIMOCK = (os.environ.get(name, "") for name in ("FASTER_WHISPER_SERVER", "SPEECH_MODEL", "AIMOCK"))
"""The program, a folder with Whisper's base model, and npm's `node_modules`."""
with_whisper = pytest.mark.skipif(not (WHISPER and MODEL), reason="FASTER_WHISPER_SERVER and SPEECH_MODEL name no server")
with_aimock = pytest.mark.skipif(not AIMOCK, reason="AIMOCK names no server")
FIXTURES: dict[str, dict[str, Any]] = {
    "gpt-transcribe": {
        "transcription": {"text": "Your plan worked.", "languages": [{"code": "de"}], "usage": {"type": "duration", "seconds": 2}}
    },
    "gpt-transcribe-silent": {"transcription": {"text": "Thank you.", "languages": []}},
    "whisper-1": {
        "transcription": {
            "text": "Your plan worked.",
            "language": "english",
            "duration": 2.04,
            "segments": [{"id": 0, "text": "Your plan worked.", "start": 0, "end": 2.04}],
        }
    },
    "busy": {"error": {"message": "Slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 7},
    "spent": {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "status": 429},
    "keyless": {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}, "status": 401},
    "broken": {"error": {"message": "Oops", "type": "server_error"}, "status": 500},
    "large": {"error": {"message": "Maximum content size limit exceeded"}, "status": 413},
}

SPOKEN: dict[str, dict[str, Any]] = {
    "eleven_flash_v2_5": {"audio": b64encode(NOTE.data).decode(), "format": "opus"},
    "eleven_busy": {"error": {"message": "busy", "type": "rate_limit_error"}, "status": 429},
    "eleven_keyless": {"error": {"message": "no", "type": "authentication_error"}, "status": 401},
    "eleven_broken": {"error": {"message": "no", "type": "server_error"}, "status": 500},
}


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    """The server listens on this machine only; afterwards it is gone."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    try:
        deadline = time.monotonic() + 100
        while not _listens(port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not get ready"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def whisper() -> Iterator[str]:
    port = _free_port()
    with running([WHISPER, MODEL, "--host", "127.0.0.1", "--port", str(port)], port) as url:
        yield url


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, path = _free_port(), tmp_path_factory.mktemp("aimock") / "fixtures.json"
    rows = [{"match": {"model": model, "endpoint": "transcription"}, "response": response} for model, response in FIXTURES.items()]
    rows += [{"match": {"model": model, "endpoint": "elevenlabs-tts"}, "response": response} for model, response in SPOKEN.items()]
    path.write_text(json.dumps({"fixtures": rows}), "utf-8")
    with running([str(Path(AIMOCK) / ".bin" / "llmock"), "--port", str(port), "--fixtures", str(path)], port) as url:
        yield url


async def transcribed(url: str, sound: Sound = NOTE, languages: tuple[str, ...] = (), **more: object) -> HearingOutcome:
    provider = OpenAiAudio(HearingSettings(**{"base_url": url, "api_key": SecretStr("sk-x"), **more}))  # type: ignore[arg-type]
    if str(more.get("model", "")).startswith("gpt-"):
        provider._is_whisper = False  # as at the vendor's own address
    try:
        return await provider.transcribe(sound, languages)
    finally:
        await provider.close()


@with_whisper
async def test_a_server_of_whisper_says_what_was_said_and_how_sure_it_is(whisper: str) -> None:
    for languages in ((), ("de",), ("de", "en")):
        heard = await transcribed(whisper, languages=languages)
        assert isinstance(heard, Transcription)
        assert (heard.text, heard.language) == ("Euer Plan hat ja toll geklappt.", "de")
        assert heard.duration == pytest.approx(2.04, abs=0.05)
        assert heard.confidence == pytest.approx(0.73, abs=0.05)


@with_whisper
async def test_a_server_of_whisper_fails_at_garbage(whisper: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        await transcribed(whisper, Sound(b"OggS" + bytes(500), "audio/ogg"))
    assert caught.value.code == "hearing_failed"
    assert await shutdown_date(HearingSettings(base_url=whisper)) is None
    assert isinstance(await transcribed(whisper), Transcription)


@with_aimock
async def test_the_vendors_contract_is_read_in_both_shapes(aimock: str) -> None:
    heard = await transcribed(aimock, model="gpt-transcribe")
    assert heard == Transcription("Your plan worked.", "de", 2.0, None, "openai", "gpt-transcribe")
    heard = await transcribed(aimock, model="whisper-1")
    assert heard == Transcription("Your plan worked.", "en", 2.04, None, "openai", "whisper-1")
    assert await transcribed(aimock, model="gpt-transcribe-silent") == NothingHeard("no_language", pytest.approx(2.04, abs=0.05))


@with_aimock
@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("busy", UnavailableError, "hearing_rate_limited"),
        ("spent", CredentialsError, "hearing_no_credit"),
        ("keyless", CredentialsError, "hearing_key_refused"),
        ("broken", UnavailableError, "hearing_failed"),
        ("large", DataError, "recording_refused"),
        ("unknown", ConfigError, "hearing_model_unknown"),
    ],
)
async def test_the_vendors_refusals_have_their_cause(aimock: str, model: str, kind: type[SecondmeError], code: str) -> None:
    with pytest.raises(SecondmeError) as caught:
        await transcribed(aimock, model=model)
    assert (type(caught.value), caught.value.code) == (kind, code)
    if model == "busy":
        assert getattr(caught.value, "retry_after_s", None) == 7


async def spoken(url: str, model: str) -> bytes:
    engine = ElevenLabs(SpeechSettings(base_url=url, api_key=SecretStr("sk-x"), voice_id="v", model=model))
    try:
        return await engine.speak("Your plan worked.", "en")
    finally:
        await engine.close()


@with_aimock
async def test_what_elevenlabs_speaks_is_a_voice_note(aimock: str) -> None:
    note = await as_voice_note(await spoken(aimock, "eleven_flash_v2_5"))
    assert (note.seconds, b"SYNTHETIC=1" in note.data) == (pytest.approx(2.04, abs=0.05), True)


@with_aimock
@pytest.mark.parametrize(
    ("model", "kind"),
    [("eleven_busy", UnavailableError), ("eleven_keyless", CredentialsError), ("eleven_broken", UnavailableError)],
)
async def test_what_elevenlabs_refuses_has_its_cause(aimock: str, model: str, kind: type[SecondmeError]) -> None:
    with pytest.raises(kind):
        await spoken(aimock, model)
