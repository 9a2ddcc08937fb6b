"""Speech from ElevenLabs, against a local server that words its answers as the vendor does and fails as told."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fakes.elevenlabs_api import KEY, VOICE, ElevenLabsApi, elevenlabs_api, refusal
from fakes.json_vendor import BROKEN, DEEP, MOVED, PACKED, Fault
from pydantic import SecretStr

from secondme.core.config.models import SpeechSettings
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.media.ogg import voice_note
from secondme.core.providers.elevenlabs import ElevenLabs, speech_engine

CANARY = "zqSpokenCanaryzq"
Connect = Callable[..., ElevenLabs]


@pytest.fixture
async def api() -> AsyncIterator[ElevenLabsApi]:
    async with elevenlabs_api() as server:
        yield server


@pytest.fixture
async def connect(api: ElevenLabsApi) -> AsyncIterator[Connect]:
    made: list[ElevenLabs] = []

    def make(**more: Any) -> ElevenLabs:
        settings = {"base_url": api.url, "api_key": SecretStr(KEY), "voice_id": VOICE, **more}
        engine = speech_engine(SpeechSettings(**settings))
        assert isinstance(engine, ElevenLabs)
        made.append(engine)
        return engine

    yield make
    for each in made:
        await each.close()


async def failure(engine: ElevenLabs) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await engine.speak(f"say {CANARY}")
    told = f"{caught.value!r} {caught.value.message} {caught.value.fix} {caught.value.__cause__!r}"
    assert KEY not in told
    assert CANARY not in told
    return caught.value


async def test_speech_comes_back_byte_by_byte_and_is_a_voice_note(api: ElevenLabsApi, connect: Connect) -> None:
    sound = await connect().speak("Grüße 🌍", "de")
    assert sound == api.sound
    assert voice_note(sound).seconds == pytest.approx(0.5)


async def test_the_vendor_is_asked_as_its_reference_says(api: ElevenLabsApi, connect: Connect) -> None:
    engine = connect()
    await engine.speak("Hallo", "de")
    await engine.speak("Hello")
    await connect(model="eleven_multilingual_v2").speak("half \ud83d of it", "de")
    first = api.requests[0]
    assert (first.method, first.path, first.params) == (
        "POST",
        f"/v1/text-to-speech/{VOICE}",
        (("output_format", "opus_48000_32"),),
    )
    assert (first.headers["xi-api-key"], first.headers["accept-encoding"]) == (KEY, "identity")
    assert api.bodies == [
        {"text": "Hallo", "model_id": "eleven_flash_v2_5", "language_code": "de"},
        {"text": "Hello", "model_id": "eleven_flash_v2_5"},
        {"text": "half ? of it", "model_id": "eleven_multilingual_v2"},
    ]
    assert engine.name == "elevenlabs/eleven_flash_v2_5"


@pytest.mark.parametrize("head", [b"ID3\x04", b"\xff\xfb\x90", b"RIFF\x24\0\0\0WAVE", b"OggS"])
async def test_what_kind_of_sound_it_is_does_not_matter_here(api: ElevenLabsApi, connect: Connect, head: bytes) -> None:
    api.sound = head + bytes(100)
    assert await connect().speak("x") == api.sound


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (refusal(401, "invalid_api_key"), CredentialsError, "speech_key_refused"),
        (refusal(401, "missing_permissions"), CredentialsError, "speech_key_refused"),
        (refusal(403, "something_new"), CredentialsError, "speech_key_refused"),
        (refusal(401, "quota_exceeded"), CredentialsError, "speech_no_credit"),
        (Fault(402, b""), CredentialsError, "speech_no_credit"),
        (refusal(400, "voice_not_found"), ConfigError, "speech_voice_unknown"),
        (refusal(404, "voice_not_found"), ConfigError, "speech_voice_unknown"),
        (refusal(400, "max_character_limit_exceeded"), DataError, "speech_text_too_long"),
        (Fault(413, b"<html>"), DataError, "speech_text_too_long"),
        (refusal(400, "model_not_found"), ConfigError, "speech_request_refused"),
        (refusal(400, "something_new"), DataError, "speech_refused"),
        (Fault(400, b"\xff"), DataError, "speech_refused"),
        (Fault(422, b'{"detail": [{"loc": ["body", "language_code"], "msg": "no"}]}'), ConfigError, "speech_request_refused"),
        (Fault(404, b"<html>"), ConfigError, "speech_request_refused"),
        (MOVED, ConfigError, "speech_request_refused"),
        (refusal(429, "too_many_concurrent_requests"), UnavailableError, "speech_busy"),
        (refusal(429, "system_busy"), UnavailableError, "speech_busy"),
        (Fault(429, b""), UnavailableError, "speech_busy"),
        (Fault(408, b""), UnavailableError, "speech_failed"),
        (Fault(500, b"<html>"), UnavailableError, "speech_failed"),
        (Fault(503, b'{"detail": 7}'), UnavailableError, "speech_failed"),
        (Fault(500, b"x" * 100_000), UnavailableError, "speech_unreadable"),
        (Fault(200, b""), UnavailableError, "speech_no_sound"),
        (Fault(204, b""), UnavailableError, "speech_no_sound"),
        (Fault(200, b'{"detail": "no"}'), UnavailableError, "speech_no_sound"),
        (refusal(200, "quota_exceeded"), CredentialsError, "speech_no_credit"),
        (refusal(200, "voice_not_found"), ConfigError, "speech_voice_unknown"),
        (Fault(206, b"OggS" + bytes(50)), UnavailableError, "speech_no_sound"),
        (BROKEN, UnavailableError, "speech_no_sound"),
        (DEEP, UnavailableError, "speech_no_sound"),
        (PACKED, UnavailableError, "speech_unreadable"),
        (Fault(200, b"OggS" + bytes(6_000_000)), UnavailableError, "speech_unreadable"),
    ],
    ids=lambda value: f"{value.status} {value.body[:40]!r}" if isinstance(value, Fault) else None,
)
async def test_what_is_no_sound_is_an_error_of_its_cause_and_asked_once(
    api: ElevenLabsApi, connect: Connect, fault: Fault, kind: type[SecondmeError], code: str
) -> None:
    api.faults = [fault]
    error = await failure(connect())
    assert (type(error), error.code, len(api.requests)) == (kind, code, 1)
    assert await connect().speak("x") == api.sound


@pytest.mark.parametrize("cut_at", [0, 4, 100])
async def test_an_answer_that_is_cut_off_is_no_speech(api: ElevenLabsApi, connect: Connect, cut_at: int) -> None:
    api.cut_at = cut_at
    error = await failure(connect())
    assert (type(error), error.code) == (UnavailableError, "speech_unreachable")


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        (refusal(429, "too_many_concurrent_requests"), 1.0),
        (refusal(429, "too_many_concurrent_requests", retry_after="7"), 7.0),
        (refusal(429, "system_busy"), None),
        (refusal(503, "x", retry_after="30"), 30.0),
        (refusal(503, "x", retry_after="inf"), 3600.0),
        (refusal(503, "x", retry_after="nan"), 0.0),
        (refusal(503, "x", retry_after="soon"), None),
    ],
)
async def test_when_to_ask_again_is_the_vendors_word(
    api: ElevenLabsApi, connect: Connect, fault: Fault, wait_s: float | None
) -> None:
    api.faults = [fault]
    error = await failure(connect())
    assert isinstance(error, UnavailableError)
    assert error.retry_after_s == wait_s


async def test_a_wrong_key_and_a_missing_one_are_a_humans_to_mend(connect: Connect) -> None:
    assert (await failure(connect(api_key=SecretStr("another")))).code == "speech_key_refused"
    for key in (None, SecretStr(""), SecretStr("schlüssel"), SecretStr("a\nb")):
        with pytest.raises(CredentialsError) as caught:
            connect(api_key=key)
        assert caught.value.code == "no_speech_key"
    with pytest.raises(ConfigError):
        connect(voice_id="")
    with pytest.raises(ConfigError):
        connect(base_url="no address")


async def test_nobody_listening_is_unavailable(connect: Connect) -> None:
    assert (await failure(connect(base_url="http://127.0.0.1:9"))).code == "speech_unreachable"


async def test_a_server_that_says_nothing_is_given_up(api: ElevenLabsApi, connect: Connect) -> None:
    api.hold.clear()
    error = await failure(connect(timeout_s=0.05))
    assert (type(error), error.code) == (UnavailableError, "speech_timeout")


async def test_a_cancelled_call_ends_at_once(api: ElevenLabsApi, connect: Connect) -> None:
    api.hold.clear()
    speaking = asyncio.create_task(connect().speak("x"))
    await api.arrived.wait()
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking


async def test_closed_it_opens_again(api: ElevenLabsApi, connect: Connect) -> None:
    engine = connect()
    await engine.close()
    await engine.speak("x")
    await engine.close()
    await engine.close()
    assert await engine.speak("x") == api.sound


async def test_neither_words_nor_key_are_logged(api: ElevenLabsApi, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        api.faults = [refusal(400, "something_new"), Fault(500, CANARY.encode()), None]
        for _ in range(2):
            await failure(connect())
        await connect().speak(CANARY)
    assert CANARY not in caplog.text
    assert KEY not in caplog.text


async def test_the_doctor_learns_whether_the_voice_is_there(api: ElevenLabsApi, connect: Connect) -> None:
    assert await connect().voice_exists() is True
    assert await connect(voice_id="another").voice_exists() is False
    api.faults = [Fault(404, b"<html>")]
    assert await connect().voice_exists() is False
    for fault, code in ((refusal(401, "invalid_api_key"), "speech_key_refused"), (Fault(500, b"{}"), "speech_failed")):
        api.faults = [fault]
        with pytest.raises(SecondmeError) as caught:
            await connect().voice_exists()
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"character_count": 1200, "character_limit": 10_000}, 8800),
        ({"character_count": 12_000, "character_limit": 10_000}, 0),
        ({"character_limit": 10_000}, None),
        ({"character_count": True, "character_limit": "many"}, None),
        ([1], None),
    ],
)
async def test_the_doctor_learns_what_may_still_be_spoken(
    api: ElevenLabsApi, connect: Connect, said: object, left: int | None
) -> None:
    api.subscription = json.loads(json.dumps(said))
    assert await connect().quota_left() == left
    api.faults = [Fault(401, b"{}")]
    with pytest.raises(CredentialsError):
        await connect().quota_left()
