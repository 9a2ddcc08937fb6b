"""Speech to text by OpenAI's API, which many servers speak: `POST /v1/audio/transcriptions`. Recordings are sent to them as they came.

Sources: OpenAI's API reference, "Create transcription" and "List models"; servers of Whisper answer in the older shape, `verbose_json`, which
says how sure they are.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.files import table
from secondme.core.providers.hearing_gates import RawTranscription, Segment, judge
from secondme.core.providers.json_server import JsonAnswer, JsonServer, Upload
from secondme.core.providers.sound_files import SoundKind, kind_of, opus_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from secondme.core.config.models import HearingSettings
    from secondme.core.messages import HearingOutcome, Sound
    from secondme.core.ports import Transcriber

_OPENAI = "https://api.openai.com"
_PATH = "/v1/audio/transcriptions"
_ANSWER_BYTES = 8 << 20
"""Two hours of segments with their tokens take 2 MB."""
_MODELS_S, _MODELS_BYTES = 10.0, 4 << 20
_MOST_SEGMENTS = 20_000
_LONGEST_S = 86_400.0
_OK, _BAD_REQUEST, _FORBIDDEN, _NO_PAGE, _NO_METHOD, _UNPROCESSABLE, _RATE_LIMITED, _FAILED = 200, 400, 403, 404, 405, 422, 429, 500
_NO_KEY = frozenset({401, 403})
_REFUSED = frozenset({400, 413, 415, 422})
"""About this recording: too large, of a kind that the server cannot read, or damaged."""
_NO_CREDIT = re.compile(r"insufficient.quota|exceeded your current quota|billing|\bcredit", re.IGNORECASE)
_MAY_BE_CREDIT = frozenset({400, 402, 403, 429})
_NO_MODEL = re.compile(
    r"model.not.found|invalid.model|unknown.model|no.such.model|model.{0,80}(?:does not exist|not found)", re.IGNORECASE
)
_CODE = re.compile("[a-z]{2,3}", re.ASCII)
_SUFFIXES = {
    "audio/ogg": ".ogg",
    "audio/opus": ".ogg",
    "application/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp3": ".mp3",
    "audio/mp4": ".m4a",
    "audio/m4a": ".m4a",
    "audio/x-m4a": ".m4a",
    "audio/aac": ".aac",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/wave": ".wav",
    "audio/flac": ".flac",
    "audio/webm": ".webm",
    "audio/amr": ".amr",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}
"""Of a file whose bytes say nothing. Servers tell the format by the name."""


class OpenAiAudio:
    """Transcriptions from a server that speaks OpenAI's API: the vendor's own, or the one at `hearing.base_url`. One call a recording."""

    def __init__(self, settings: HearingSettings) -> None:
        """Raises ConfigError for an address that is none, CredentialsError without a key where the vendor itself is asked."""
        self.name = f"openai/{settings.model}"
        self._model = settings.model
        self._timeout_s = settings.timeout_s
        self._server = _server(settings)
        self._is_whisper = "whisper" in settings.model.casefold() or not _is_openai(settings)
        self._refused: set[str] = set()
        """What this server does not want to be asked for; it is left out from then on."""

    async def transcribe(self, sound: Sound, languages: Sequence[str] = ()) -> HearingOutcome:
        """As the port says. A server of Whisper detects the language by itself unless a single one is known: forced into one of two it
        translates what is said in the other."""
        kind = _kind(sound)
        hints = tuple(each for each in languages if _CODE.fullmatch(each))
        while True:
            fields = self._fields(hints)
            upload = Upload(f"recording{kind.suffix}", kind.mime, sound.data, fields)
            answer = await self._server.call("POST", _PATH, body=upload, timeout_s=self._timeout_s, limit_bytes=_ANSWER_BYTES)
            if answer.status == _OK:
                return judge(_read(answer.value, sound), provider="openai", model=self._model, hints=hints)
            unwanted = _unwanted(answer, fields)
            if unwanted is None:
                raise _refusal(answer, self._model)
            self._refused.add(unwanted)  # so that this ends

    async def close(self) -> None:
        """As the port says."""
        await self._server.close()

    def _fields(self, hints: tuple[str, ...]) -> dict[str, str | list[str]]:
        fields: dict[str, str | list[str]] = {"model": self._model, "response_format": "json"}
        if self._is_whisper and "response_format" not in self._refused:
            fields["response_format"] = "verbose_json"
        if len(hints) == 1 and "language" not in self._refused:
            fields["language"] = hints[0]
        elif len(hints) > 1 and not self._is_whisper and "languages[]" not in self._refused:
            fields["languages[]"] = list(hints)
        return fields


def transcriber(settings: HearingSettings, models: Path) -> Transcriber:
    """What `hearing.provider` names, whether hearing is on or not; `models` is where weights are kept. Nothing is loaded or asked yet.
    Raises ConfigError, CredentialsError."""
    match settings.provider:
        case "openai":
            return OpenAiAudio(settings)
        case "local":
            from secondme.core.providers.local_whisper import LocalWhisper  # noqa: PLC0415  only who chose it has it

            return LocalWhisper(settings, models)


async def shutdown_date(settings: HearingSettings) -> date | None:
    """The day on which the vendor switches the model off; None when the server does not say, or has no such page. Raises as
    `OpenAiAudio.transcribe`."""
    server = _server(settings)
    try:
        answer = await server.call("GET", "/v1/models", timeout_s=_MODELS_S, limit_bytes=_MODELS_BYTES)
    finally:
        await server.close()
    if answer.status in {_NO_PAGE, _NO_METHOD}:
        return None
    if answer.status != _OK:
        raise _refusal(answer, settings.model)
    rows = answer.value.get("data") if isinstance(answer.value, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("id") == settings.model:
            return _day(row.get("shutdown_date"))
    return None


def _server(settings: HearingSettings) -> JsonServer:
    return JsonServer(
        settings.base_url or _OPENAI,
        _headers(settings),
        name="The server that understands speech",
        code="hearing",
        setting="hearing.api_key",
    )


def _headers(settings: HearingSettings) -> dict[str, str]:
    fix = "secondme config set hearing.api_key"
    if settings.api_key is None:
        if settings.base_url:
            return {}
        raise CredentialsError("no_hearing_key", "No key for understanding speech is set.", fix)
    key = settings.api_key.get_secret_value()
    if not key.isascii() or not key.isprintable():
        raise CredentialsError("hearing_key_refused", "The key for understanding speech has characters that no key has.", fix)
    return {"authorization": f"Bearer {key}"}


def _is_openai(settings: HearingSettings) -> bool:
    host = urlsplit(settings.base_url or _OPENAI).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def _kind(sound: Sound) -> SoundKind:
    """How the file is called, by its bytes, else by its type. Raises DataError for what is neither a sound by the one nor by the other."""
    mime = sound.mime.partition(";")[0].strip().casefold()
    kind = kind_of(sound.data)
    if kind is None and sound.data and mime in _SUFFIXES:
        return SoundKind(_SUFFIXES[mime], mime, "")
    if kind is None:
        raise DataError("recording_refused", "This is no recording of a kind that is known.")
    return kind


def _unwanted(answer: JsonAnswer, fields: dict[str, str | list[str]]) -> str | None:
    """The optional field that the server refuses the request for; None when it is about something else."""
    if answer.status not in {_BAD_REQUEST, _UNPROCESSABLE}:
        return None
    said = _said(answer)
    if fields["response_format"] != "json" and re.search("response.?format|verbose.?json", said, re.IGNORECASE):
        return "response_format"
    named = next((name for name in ("languages[]", "language") if name in fields), None)
    return named if named and "language" in said.casefold() else None


def _refusal(answer: JsonAnswer, model: str) -> SecondmeError:
    """What an answer other than a transcription means. The server's words are looked at and never repeated."""
    status, said = answer.status, _said(answer)
    who = f"The server that understands speech refused the request ({status})."
    if status in _MAY_BE_CREDIT and (
        status not in {_BAD_REQUEST, _FORBIDDEN, _RATE_LIMITED} or answer.is_spent or _NO_CREDIT.search(said)
    ):
        return CredentialsError(
            "hearing_no_credit", "The account for understanding speech has no credit.", "Add credit to the account."
        )
    if status in _NO_KEY:
        fix = "secondme config set hearing.api_key"
        return CredentialsError("hearing_key_refused", f"The key for understanding speech was refused ({status}).", fix)
    if status in _REFUSED and not _NO_MODEL.search(said):
        return DataError("recording_refused", f"The server that understands speech does not take this recording ({status}).")
    if status == _FAILED:
        return UnavailableError("hearing_failed", "The server that understands speech failed at a recording (500).")
    if answer.is_later:
        code = "hearing_rate_limited" if status == _RATE_LIMITED else "hearing_unavailable"
        return UnavailableError(
            code, f"The server that understands speech is not ready ({status}).", retry_after_s=answer.retry_after_s
        )
    if status == _NO_PAGE or _NO_MODEL.search(said):
        words = f"The server that understands speech knows no such model or page ({status}): {model}."
        return ConfigError("hearing_model_unknown", words, "Check hearing.model and hearing.base_url.")
    return ConfigError("hearing_request_refused", who, "secondme config show hearing")


def _said(answer: JsonAnswer) -> str:
    return json.dumps(answer.value)[:4096]


def _read(value: Any, sound: Sound) -> RawTranscription:  # a stranger's JSON
    """What the answer says, in either shape. Raises UnavailableError when it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise UnavailableError("hearing_unreadable", "The server that understands speech does not answer properly.")
    return RawTranscription(
        value["text"], _duration(value, sound), _languages(value), _number(value.get("language_probability")), _segments(value)
    )


def _duration(value: dict[str, Any], sound: Sound) -> float:  # as above
    usage = value.get("usage")
    counted = usage.get("seconds") if isinstance(usage, dict) else None
    for each in (value.get("duration"), counted, sound.duration_s, opus_seconds(sound.data)):
        number = _number(each)
        if number is not None and 0 < number <= _LONGEST_S:
            return number
    return 0.0


def _languages(value: dict[str, Any]) -> tuple[str, ...] | None:  # as above
    """The codes of the languages that were found; none: no language was; None: nothing is said of it."""
    several, one = value.get("languages"), value.get("language")
    if isinstance(several, list):
        if not several:
            return ()
        found = tuple(filter(None, map(_language, several)))
        return found or None
    code = _language(one)
    return (code,) if code else None


def _language(value: Any) -> str:  # as above
    """The code of a language that is given by its code, with or without a country, or by its English name."""
    if isinstance(value, dict):
        value = value.get("code", value.get("language"))
    if not isinstance(value, str):
        return ""
    plain = value.strip().casefold()
    code = re.split("[-_]", plain)[0]
    return table("providers", "languages")["codes"].get(plain) or (code if _CODE.fullmatch(code) else "")


def _segments(value: dict[str, Any]) -> tuple[Segment, ...]:  # as above
    rows = value.get("segments")
    if not isinstance(rows, list):
        return ()
    found = []
    for row in rows[:_MOST_SEGMENTS]:
        if isinstance(row, dict) and isinstance(row.get("text", ""), str):
            start, end = _number(row.get("start")) or 0.0, _number(row.get("end")) or 0.0
            facts = (_number(row.get(name)) for name in ("avg_logprob", "no_speech_prob", "compression_ratio"))
            found.append(Segment(row.get("text", ""), start, end, *facts))
    return tuple(found)


def _number(value: Any) -> float | None:  # as above
    """A number, or what is one in quotes; None for all else, for infinity too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _day(value: Any) -> date | None:  # as above
    """A day, as a date or in Unix seconds."""
    try:
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
        number = _number(value)
        return None if number is None else datetime.fromtimestamp(number, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
