"""Speech from ElevenLabs. Every text that is spoken is sent to them.

Source: ElevenLabs' API reference, "Create speech", "Get voice", "Get user subscription" and "Error messages".
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.providers.json_server import JsonAnswer, JsonServer
from secondme.core.providers.messages_api import retry_after
from secondme.core.providers.sound_files import speakable

if TYPE_CHECKING:
    from secondme.core.config.models import SpeechSettings
    from secondme.core.ports import SpeechEngine

log = get_logger(__name__)

_FORMAT = "opus_48000_32"
"""Ogg with one Opus stream of one channel: what platforms take as a voice note as it is."""
_MOST_BYTES = 5 << 20
"""2,000 characters, the most that is ever spoken, are two minutes: half a megabyte."""
_REFUSAL_BYTES = 64 * 1024
_FACTS_BYTES = 1 << 20
_OK, _NOT_FOUND, _TOO_LARGE, _FLOOD = 200, 404, 413, 429
_LONGEST_WAIT_S = 3600.0
_BUSY_S = 1.0
"""As many calls as the plan allows are under way; the first of them is over in about that time."""
_KEY = frozenset({"invalid_api_key", "missing_api_key", "needs_authorization", "missing_permissions", "detected_unusual_activity"})
_CREDIT = frozenset({"quota_exceeded", "insufficient_credits", "payment_required"})
_VOICE = frozenset({"voice_not_found", "invalid_voice_id", "voice_does_not_exist"})
_TOO_LONG = frozenset({"max_character_limit_exceeded", "text_too_long"})
_ALL_AT_ONCE = "too_many_concurrent_requests"
_SETTINGS = frozenset(
    {"model_not_found", "model_can_not_do_text_to_speech", "unsupported_output_format", "output_format_not_allowed"}
)
_KEY_FIX, _VOICE_FIX = "secondme config set speech.api_key", "secondme config set speech.voice_id"


class ElevenLabs:
    """One voice and one model, as `speech.*` names them. It is asked once: who calls again decides when."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Raises CredentialsError without a key, ConfigError without a voice and for an address that is none."""
        key = settings.api_key.get_secret_value() if settings.api_key is not None else ""
        if not key or not key.isascii() or not key.isprintable():
            raise CredentialsError("no_speech_key", "No key for ElevenLabs is set, or it has characters that no key has.", _KEY_FIX)
        if not settings.voice_id:
            raise ConfigError("no_speech_voice", "No voice is set.", _VOICE_FIX)
        self._voice, self._model = settings.voice_id, settings.model
        self._timeout_s = settings.timeout_s
        self.name = f"elevenlabs/{settings.model}"
        self._server = _SpeechServer(
            settings.base_url, {"xi-api-key": key}, name="ElevenLabs", code="speech", setting="speech.api_key"
        )

    async def speak(self, text: str, language: str = "") -> bytes:
        """As the port says, within `speech.timeout_s`."""
        body = {"text": text.encode("utf-8", "replace").decode(), "model_id": self._model}
        if language and not _knows_no_language(self._model):
            body["language_code"] = language
        path = f"/v1/text-to-speech/{quote(self._voice, safe='')}"
        return await self._server.sound(path, body, self._timeout_s)

    async def voice_exists(self) -> bool:
        """False when the vendor knows no such voice. Raises as `speak`."""
        answer = await self._asked(f"/v1/voices/{quote(self._voice, safe='')}")
        if answer.status == _OK:
            return True
        refusal = _refusal(answer.status, answer.value, answer.retry_after_s)
        if answer.status == _NOT_FOUND or refusal.code == "speech_voice_unknown":
            return False
        raise refusal

    async def quota_left(self) -> int | None:
        """How many characters the account may still have spoken; None where the vendor does not say. Raises as `speak`."""
        answer = await self._asked("/v1/user/subscription")
        if answer.status != _OK:
            raise _refusal(answer.status, answer.value, answer.retry_after_s)
        facts = answer.value if isinstance(answer.value, dict) else {}
        limit, used = facts.get("character_limit"), facts.get("character_count")
        return max(0, limit - used) if type(limit) is int and type(used) is int else None

    async def close(self) -> None:
        """As the port says."""
        await self._server.close()

    async def _asked(self, path: str) -> JsonAnswer:
        return await self._server.call("GET", path, timeout_s=self._timeout_s, limit_bytes=_FACTS_BYTES)


class _SpeechServer(JsonServer):
    """The vendor's server, whose best answers are no JSON."""

    async def sound(self, path: str, body: dict[str, str], timeout_s: float) -> bytes:
        """The sound file that came back, whole. Raises what its absence means."""
        import httpx  # noqa: PLC0415  tenths of a second: only who speaks pays

        headers = {**self._headers, "accept": "*/*"}
        try:
            async with asyncio.timeout(timeout_s):
                client = await self._connected()
                params = {"output_format": _FORMAT}
                request = client.build_request("POST", self._base + path, params=params, json=body, headers=headers)
                answer = await client.send(request, stream=True)
                try:
                    data = await self._read(answer, _MOST_BYTES if answer.is_success else _REFUSAL_BYTES)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise UnavailableError("speech_timeout", f"{self._what} did not answer in time.") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError) as error:
            log.info("speech_unreached", error=type(error).__name__)
            raise UnavailableError("speech_unreachable", f"{self._what} cannot be reached.") from error
        if answer.status_code == _OK and speakable(data):
            return data
        refusal = _refusal(answer.status_code, _object(data), _wait_s(retry_after(answer.headers)))
        log.info("speech_refused", status=answer.status_code, code=refusal.code)
        raise refusal


def speech_engine(settings: SpeechSettings) -> SpeechEngine:
    """What `speech.provider` names. Nothing is started or asked yet. Raises ConfigError, CredentialsError."""
    match settings.provider:
        case "elevenlabs":
            return ElevenLabs(settings)
        case "command":
            from secondme.core.providers.speech_command import SpeechCommand  # noqa: PLC0415  only who chose it has it

            return SpeechCommand(settings)


def _knows_no_language(model: str) -> bool:
    """True for models that find the language themselves, and refuse one that is named."""
    return "multilingual" in model or "monolingual" in model


def _refusal(status: int, said: Any, wait_s: float | None) -> SecondmeError:  # a stranger's JSON
    """What an answer other than sound means. Nothing of it is quoted but its status: it may repeat the text."""
    word = _status_word(said)
    if word in _CREDIT or status == 402:  # noqa: PLR2004  payment required
        fix = "Add credit to the account at ElevenLabs, or wait for the next month."
        return CredentialsError("speech_no_credit", "ElevenLabs says that the account has nothing left to speak with.", fix)
    if word in _VOICE:
        return ConfigError("speech_voice_unknown", "ElevenLabs knows no voice by this id.", _VOICE_FIX)
    if word in _TOO_LONG or status == _TOO_LARGE:
        return DataError("speech_text_too_long", "The text is longer than ElevenLabs speaks at once.")
    if word in _KEY or status in {401, 403}:
        return CredentialsError("speech_key_refused", f"ElevenLabs refused the key ({status}).", _KEY_FIX)
    if status == _FLOOD or word == _ALL_AT_ONCE:
        wait_s = _BUSY_S if word == _ALL_AT_ONCE and wait_s is None else wait_s
        return UnavailableError("speech_busy", "ElevenLabs has too much to do.", retry_after_s=wait_s)
    if word in _SETTINGS or status in {404, 405, 422} or 300 <= status < 400:  # noqa: PLR2004  redirects
        fix = "Check speech.model and speech.base_url: secondme config show"
        return ConfigError("speech_request_refused", f"ElevenLabs does not take such requests ({status}).", fix)
    if 400 <= status < 500 and status not in {408, 409, 425}:  # noqa: PLR2004  the request's fault
        return DataError("speech_refused", f"ElevenLabs does not speak this text ({status}).")
    if status < 300:  # noqa: PLR2004  a yes without what was asked for
        return UnavailableError("speech_no_sound", "ElevenLabs answered without a sound.")
    return UnavailableError("speech_failed", f"ElevenLabs failed ({status}).", retry_after_s=wait_s)


def _status_word(said: Any) -> str:  # as above
    """The vendor's word for what is wrong, like `quota_exceeded`; newer answers call it `code`."""
    detail = said.get("detail") if isinstance(said, dict) else None
    if not isinstance(detail, dict):
        return ""
    return next((detail[name] for name in ("status", "code") if isinstance(detail.get(name), str)), "")


def _wait_s(wanted_s: float | None) -> float | None:
    return None if wanted_s is None else min(wanted_s, _LONGEST_WAIT_S)


def _object(data: bytes) -> Any:  # as above
    try:
        return json.loads(data) if len(data) <= _REFUSAL_BYTES else None
    except (ValueError, RecursionError):
        return None
