"""Speech to text by OpenAI's API, against a local server that speaks it and fails as told."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fakes.json_vendor import BROKEN, DEEP, MOVED, PACKED, Fault
from fakes.transcription_api import KEY, NOTE, SPOKEN, TranscriptionApi, segment, transcription_api
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from secondme.core.config.models import HearingSettings
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.messages import HearingOutcome, NothingHeard, Sound, Transcription
from secondme.core.ports import Transcriber
from secondme.core.providers.openai_audio import OpenAiAudio, _language, _read, shutdown_date, transcriber

SOUND = Sound(NOTE, "audio/ogg; codecs=opus")
HUGE = Fault(200, b'{"text": "' + b"very private " * 1_000_000 + b'"}')
PLAIN = Fault(200, SPOKEN.encode(), {"content-type": "text/plain"})
PAGE = Fault(200, b"<html>hello</html>", {"content-type": "text/html"})
LISTED = Fault(200, b'["a very private sentence"]')
WORDLESS = Fault(200, b'{"text": ["a very private sentence"]}')
Connect = Callable[..., OpenAiAudio]


@pytest.fixture
async def api() -> AsyncIterator[TranscriptionApi]:
    async with transcription_api() as server:
        yield server


def settings(api: TranscriptionApi, **more: Any) -> HearingSettings:
    return HearingSettings(**{"base_url": api.url, "api_key": SecretStr(KEY), **more})


@pytest.fixture
async def connect(api: TranscriptionApi) -> AsyncIterator[Connect]:
    made: list[OpenAiAudio] = []

    def make(**more: Any) -> OpenAiAudio:
        made.append(OpenAiAudio(settings(api, **more)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def as_vendor(provider: OpenAiAudio) -> OpenAiAudio:
    """It takes the server for OpenAI's own, whose address no test can have."""
    provider._is_whisper = "whisper" in provider._model
    return provider


async def failure(provider: Transcriber, sound: Sound = SOUND) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await provider.transcribe(sound)
    said = f"{caught.value!r} {caught.value.message} {caught.value.fix}"
    assert KEY not in said
    assert "private" not in said
    return caught.value


def fields(api: TranscriptionApi) -> list[dict[str, Any]]:
    return [{name: value for name, value in body.items() if name != "file"} for body in api.bodies]


async def test_the_older_shape_says_how_sure_it_is(connect: Connect) -> None:
    heard = await connect().transcribe(SOUND)
    assert heard == Transcription(SPOKEN, "en", 4.2, 0.819, "openai", "gpt-transcribe")


async def test_the_newer_shape_is_read_too(api: TranscriptionApi, connect: Connect) -> None:
    api.shape = {"languages": ["de", "en"]}
    provider = as_vendor(connect())
    assert await provider.transcribe(SOUND) == Transcription(SPOKEN, "de", 4, None, "openai", "gpt-transcribe")
    assert provider.name == "openai/gpt-transcribe"
    api.shape = {"languages": []}
    assert await provider.transcribe(SOUND) == NothingHeard("no_language", 4)
    assert fields(api) == [{"model": ["gpt-transcribe"], "response_format": ["json"]}] * 2


async def test_a_recording_is_sent_as_it_came_with_the_key_in_a_header_only(api: TranscriptionApi, connect: Connect) -> None:
    await connect().transcribe(SOUND)
    (asked,) = api.requests
    assert (asked.method, asked.path, asked.params) == ("POST", "/v1/audio/transcriptions", ())
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["file"] == [("recording.ogg", "audio/ogg", NOTE)]


@pytest.mark.parametrize("address", ["", "/", "/v1", "/v1/", "/v1/audio/transcriptions"])
async def test_an_address_is_taken_as_people_copy_it(api: TranscriptionApi, connect: Connect, address: str) -> None:
    await connect(base_url=api.url + address).transcribe(SOUND)
    assert api.requests[0].path == "/v1/audio/transcriptions"


@pytest.mark.parametrize(
    ("model", "is_vendor", "hints", "sent"),
    [
        ("gpt-transcribe", True, (), {}),
        ("gpt-transcribe", True, ("de",), {"language": ["de"]}),
        ("gpt-transcribe", True, ("de", "en"), {"languages[]": ["de", "en"]}),
        ("gpt-transcribe", True, ("no code", "de", "DE"), {"language": ["de"]}),
        ("whisper-1", True, ("de",), {"language": ["de"]}),
        ("whisper-1", True, ("de", "en"), {}),
        ("base", False, ("de", "en"), {}),
        ("base", False, ("de",), {"language": ["de"]}),
    ],
)
async def test_a_server_is_told_what_languages_it_can_be_told(
    api: TranscriptionApi, connect: Connect, model: str, hints: tuple[str, ...], sent: dict[str, Any], *, is_vendor: bool
) -> None:
    provider = connect(model=model)
    await (as_vendor(provider) if is_vendor else provider).transcribe(SOUND, hints)
    (found,) = fields(api)
    assert {name: value for name, value in found.items() if name.startswith("language")} == sent
    assert found["response_format"] == ["json" if model == "gpt-transcribe" else "verbose_json"]


NO_VERBOSE = Fault(400, b'{"error": {"message": "not compatible", "param": "response_format", "code": "unsupported_value"}}')
NO_LANGUAGES = Fault(422, b'{"detail": [{"loc": ["body", "languages"], "msg": "extra fields not permitted"}]}')
NO_LANGUAGE = Fault(400, b'{"error": {"message": "Invalid language \'xx\'", "param": "language"}}')


async def test_a_server_without_the_older_shape_is_asked_for_it_once(api: TranscriptionApi, connect: Connect) -> None:
    api.takes_verbose = False
    provider = connect()
    for _ in range(2):
        heard = await provider.transcribe(SOUND)
        assert isinstance(heard, Transcription)
        assert (heard.text, heard.confidence) == (SPOKEN, None)
    assert [each["response_format"] for each in fields(api)] == [["verbose_json"], ["json"], ["json"]]


@pytest.mark.parametrize(
    ("fault", "hints", "name"), [(NO_LANGUAGES, ("de", "en"), "languages[]"), (NO_LANGUAGE, ("xx",), "language")]
)
async def test_a_server_that_takes_no_hint_is_asked_without(
    api: TranscriptionApi, connect: Connect, fault: Fault, hints: tuple[str, ...], name: str
) -> None:
    api.faults = [fault]
    provider = as_vendor(connect())
    for _ in range(2):
        assert isinstance(await provider.transcribe(SOUND, hints), Transcription)
    assert [name in each for each in fields(api)] == [True, False, False]


async def test_a_server_that_wants_nothing_is_asked_a_last_time(api: TranscriptionApi, connect: Connect) -> None:
    api.faults = [NO_VERBOSE, NO_LANGUAGE, NO_VERBOSE]
    provider = connect()
    with pytest.raises(DataError):
        await provider.transcribe(SOUND, ("de",))
    assert fields(api)[-1] == {"model": ["gpt-transcribe"], "response_format": ["json"]}


REPEATED = b'{"error": {"message": "a very private sentence", "code": null}}'


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(400, REPEATED), DataError, "recording_refused"),
        (Fault(413, b"<html>private"), DataError, "recording_refused"),
        (Fault(415, b""), DataError, "recording_refused"),
        (Fault(422, REPEATED), DataError, "recording_refused"),
        (Fault(401, b'{"error": {"message": "no such key: ' + KEY.encode() + b'"}}'), CredentialsError, "hearing_key_refused"),
        (Fault(403, REPEATED), CredentialsError, "hearing_key_refused"),
        (Fault(402, b""), CredentialsError, "hearing_no_credit"),
        (Fault(429, b'{"error": {"code": "insufficient_quota"}}'), CredentialsError, "hearing_no_credit"),
        (Fault(403, b'{"error": {"message": "Your credit balance is too low"}}'), CredentialsError, "hearing_no_credit"),
        (Fault(400, b'{"error": {"code": "billing_hard_limit_reached"}}'), CredentialsError, "hearing_no_credit"),
        (Fault(404, b"<html>private"), ConfigError, "hearing_model_unknown"),
        (Fault(404, b'{"error": {"code": "model_not_found"}}'), ConfigError, "hearing_model_unknown"),
        (Fault(400, b'{"error": {"message": "The model `x` does not exist"}}'), ConfigError, "hearing_model_unknown"),
        (Fault(405, b""), ConfigError, "hearing_request_refused"),
        (MOVED, ConfigError, "hearing_request_refused"),
        (Fault(429, REPEATED), UnavailableError, "hearing_rate_limited"),
        (Fault(500, REPEATED), UnavailableError, "hearing_failed"),
        (Fault(408, b""), UnavailableError, "hearing_unavailable"),
        (Fault(502, b"<html>private"), UnavailableError, "hearing_unavailable"),
        (Fault(503, REPEATED), UnavailableError, "hearing_unavailable"),
        (BROKEN, UnavailableError, "hearing_unreadable"),
        (DEEP, UnavailableError, "hearing_unreadable"),
        (HUGE, UnavailableError, "hearing_unreadable"),
        (PACKED, UnavailableError, "hearing_unreadable"),
        (PLAIN, UnavailableError, "hearing_unreadable"),
        (PAGE, UnavailableError, "hearing_unreadable"),
        (LISTED, UnavailableError, "hearing_unreadable"),
        (WORDLESS, UnavailableError, "hearing_unreadable"),
        (Fault(200, b""), UnavailableError, "hearing_unreadable"),
        (Fault(204, b""), UnavailableError, "hearing_unreadable"),
    ],
)
async def test_what_keeps_from_words_is_an_error_of_its_cause_after_one_call(
    api: TranscriptionApi, connect: Connect, fault: Fault, kind: type[SecondmeError], code: str
) -> None:
    api.faults = [fault] * 3
    error = await failure(connect())
    assert (type(error), error.code, len(api.requests)) == (kind, code, 1)


@pytest.mark.parametrize(("wanted", "told"), [("7", 7.0), ("1e9", 86_400.0), ("-3", 0.0), ("soon", None)])
async def test_a_busy_server_says_when(api: TranscriptionApi, connect: Connect, wanted: str, told: float | None) -> None:
    api.faults = [Fault(429, b"{}", {"retry-after": wanted})]
    error = await failure(connect())
    assert isinstance(error, UnavailableError)
    assert error.retry_after_s == told


async def test_nobody_listening_is_unavailable() -> None:
    provider = OpenAiAudio(HearingSettings(base_url="http://127.0.0.1:9"))
    assert (await failure(provider)).code == "hearing_unreachable"
    await provider.close()


async def test_an_answer_that_is_cut_is_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"text": "a very priv')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        provider = OpenAiAudio(HearingSettings(base_url=f"http://{host}:{port}"))
        assert (await failure(provider)).code == "hearing_unreachable"
        await provider.close()


async def test_a_server_that_says_nothing_is_not_waited_for(api: TranscriptionApi, connect: Connect) -> None:
    api.hold.clear()
    assert (await failure(connect(timeout_s=0.05))).code == "hearing_timeout"


async def test_a_cancelled_call_ends_at_once(api: TranscriptionApi, connect: Connect) -> None:
    api.hold.clear()
    asking = asyncio.create_task(connect().transcribe(SOUND))
    await api.arrived.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_closed_provider_opens_again(connect: Connect) -> None:
    provider = connect()
    first = await provider.transcribe(SOUND)
    await provider.close()
    assert await provider.transcribe(SOUND) == first


@pytest.mark.parametrize(
    ("data", "mime", "name"),
    [
        (b"OggS", "audio/mpeg", ("recording.ogg", "audio/ogg")),
        (b"ID3\4", "audio/ogg", ("recording.mp3", "audio/mpeg")),
        (b"RIFF\0\0\0\0WAVE", "", ("recording.wav", "audio/wav")),
        (b"\0\0\0\x1cftypM4A ", "audio/mp4", ("recording.m4a", "audio/mp4")),
        (b"\0\0\0\x1cftypisom", "video/mp4", ("recording.mp4", "video/mp4")),
        (b"\x1a\x45\xdf\xa3", "", ("recording.webm", "audio/webm")),
        (b"\xff\xfb\x90", "", ("recording.mp3", "audio/mpeg")),
        (b"who knows", "audio/ogg; codecs=opus", ("recording.ogg", "audio/ogg")),
        (b"who knows", "Audio/X-M4A", ("recording.m4a", "audio/x-m4a")),
    ],
)
async def test_the_file_is_called_what_it_is(
    api: TranscriptionApi, connect: Connect, data: bytes, mime: str, name: tuple[str, str]
) -> None:
    api.faults = [Fault(200, b'{"text": "hello"}')]
    await connect().transcribe(Sound(data, mime))
    assert api.bodies[0]["file"] == [(*name, data)]


@pytest.mark.parametrize("sound", [Sound(b"", "audio/ogg"), Sound(b"%PDF", "application/pdf"), Sound(b"#EXTM3U", "")])
async def test_what_is_no_sound_is_sent_to_nobody(api: TranscriptionApi, connect: Connect, sound: Sound) -> None:
    error = await failure(connect(), sound)
    assert (type(error), error.code, api.requests) == (DataError, "recording_refused", [])


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("english", "en"),
        ("German", "de"),
        ("haitian creole", "ht"),
        ("de", "de"),
        ("pt-BR", "pt"),
        ("zh_TW", "zh"),
        ("yue", "yue"),
        ({"code": "fr"}, "fr"),
        ("", ""),
        ("klingonese", ""),
        (None, ""),
        (7, ""),
        (["de"], ""),
    ],
)
def test_a_language_has_its_code(said: object, code: str) -> None:
    assert _language(said) == code


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["en", "1e400", "-0.5"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "start", "avg_logprob", "seconds", "code"]), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = ["text", "language", "languages", "duration", "usage", "segments", "language_probability"]


@given(st.dictionaries(st.sampled_from(NAMES), ODD))
def test_whatever_a_server_answers_is_words_or_no_answer(value: dict[str, Any]) -> None:
    value = json.loads(json.dumps(value))
    try:
        raw = _read(value, SOUND)
    except UnavailableError:
        assert not isinstance(value.get("text"), str)
    else:
        assert raw.text == value["text"]
        assert 0 <= raw.duration <= 86_400


async def test_what_a_server_of_whisper_is_unsure_of_was_not_heard(api: TranscriptionApi, connect: Connect) -> None:
    api.shape = {"segments": [segment(SPOKEN, logprob=-1.2)]}
    assert await connect().transcribe(SOUND) == NothingHeard("unsure", 4.2)
    api.shape = {"segments": [segment(SPOKEN, logprob=-0.6)]}
    heard: HearingOutcome = await connect().transcribe(SOUND)
    assert isinstance(heard, Transcription)
    assert (heard.confidence, heard.is_clear) == (0.549, False)


def test_a_key_is_needed_where_the_vendor_itself_is_asked(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        transcriber(HearingSettings(), tmp_path)
    assert (caught.value.code, caught.value.fix) == ("no_hearing_key", "secondme config set hearing.api_key")
    with pytest.raises(CredentialsError):
        OpenAiAudio(HearingSettings(api_key=SecretStr("sk-\n")))
    with pytest.raises(ConfigError):
        OpenAiAudio(HearingSettings(base_url="ftp://there"))
    assert transcriber(HearingSettings(base_url="http://127.0.0.1:8000"), tmp_path).name == "openai/gpt-transcribe"


@pytest.mark.parametrize(
    ("base", "is_whisper"),
    [
        (None, False),
        ("https://eu.api.openai.com/v1", False),
        ("https://api.groq.com/openai/v1", True),
        ("http://127.0.0.1:8000", True),
        ("https://openai.com.example", True),
    ],
)
def test_a_server_that_is_not_the_vendors_is_taken_for_one_of_whisper(base: str | None, *, is_whisper: bool) -> None:
    assert OpenAiAudio(HearingSettings(base_url=base, api_key=SecretStr(KEY)))._is_whisper is is_whisper


@pytest.mark.parametrize(
    ("model", "models", "day"),
    [
        ("whisper-1", None, date(2027, 2, 26)),
        ("gpt-transcribe", None, None),
        ("unknown", None, None),
        ("m", {"data": [{"id": "m", "shutdown_date": 1_803_600_000}]}, date(2027, 2, 26)),
        ("m", {"data": [{"id": "m", "shutdown_date": "2027-02-26T00:00:00Z"}]}, date(2027, 2, 26)),
        ("m", {"data": [{"id": "m", "shutdown_date": "soon"}]}, None),
        ("m", {"data": [{"id": "m", "shutdown_date": 1e300}]}, None),
        ("m", {"data": [7, None, {"name": "m"}]}, None),
        ("m", {"data": "none"}, None),
        ("m", ["m"], None),
    ],
)
async def test_the_day_a_model_ends_is_known_where_the_server_says_so(
    api: TranscriptionApi, model: str, models: Any, day: date | None
) -> None:
    api.models = models or api.models
    assert await shutdown_date(settings(api, model=model)) == day


async def test_a_server_without_a_list_of_models_says_nothing_of_an_end(api: TranscriptionApi) -> None:
    api.faults = [Fault(404, b"<html>"), Fault(405, b""), Fault(401, b"{}")]
    assert await shutdown_date(settings(api)) is None
    assert await shutdown_date(settings(api)) is None
    with pytest.raises(CredentialsError):
        await shutdown_date(settings(api))


async def test_neither_key_nor_words_are_in_the_log(
    api: TranscriptionApi, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await connect().transcribe(SOUND)
    api.faults = [Fault(500, REPEATED), BROKEN, Fault(401, KEY.encode())]
    for _ in range(3):
        await failure(connect())
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert KEY not in said
    assert "private" not in said
    assert "lake" not in said


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = "import sys, secondme.core.providers.openai_audio; sys.exit(bool({'httpx', 'av', 'numpy', 'faster_whisper'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
