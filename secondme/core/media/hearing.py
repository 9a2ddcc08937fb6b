"""One recording, listened to: within the owner's limits, paid for, and with nothing in it that nobody said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from secondme.core.errors import DataError, UnavailableError
from secondme.core.media.ogg import voice_note
from secondme.core.media.voice_gate import is_silence
from secondme.core.messages import NothingHeard, Sound, Transcription
from secondme.core.providers.hearing_process import is_installed
from secondme.core.providers.speech_models import is_fetched, is_on_offer
from secondme.core.records import MediaReading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.config.models import HearingSettings
    from secondme.core.ids import ContactId
    from secondme.core.ports import Meter, Transcriber
    from secondme.core.records import MailAttachment

_START_S = 10.0
"""A local engine ends by itself at its time-out; it may need so long to load its model."""
_BYTES_PER_S = 2000
"""Of a voice message as chat platforms make them. Where nobody knows how long one is, it is charged by its size."""


def is_on(settings: HearingSettings, models: Path) -> bool:
    """True when recordings are listened to: the owner wants it, or it is left to us and there is somebody to ask."""
    if settings.is_wanted is not None:
        return settings.is_wanted
    return is_installed() and (
        is_fetched(settings.model, models) if is_on_offer(settings.model) else Path(settings.model).expanduser().is_dir()
    )


def seconds_of(data: bytes) -> float | None:
    """How long a voice message really is; None for recordings of other kinds, which have to be decoded to know it."""
    try:
        return voice_note(data).seconds
    except DataError:
        return None


class Hearing:
    """Listens. `speech` says how many seconds of a recording are speech, or None where that cannot be told on this machine."""

    def __init__(
        self,
        transcriber: Callable[[], Transcriber],
        settings: HearingSettings,
        meter: Meter,
        speech: Callable[[Sound], Awaitable[float | None]],
        languages: Callable[[ContactId], Awaitable[Sequence[str]]],
    ) -> None:
        self._make = transcriber
        self._transcriber: Transcriber | None = None
        self._settings = settings
        self._meter = meter
        self._speech = speech
        self._languages = languages

    def refuses(self, attachment: MailAttachment) -> MediaReading | None:
        """Why it is not even fetched: what its sender's platform says of its length."""
        too_long = (attachment.duration_s or 0) > self._settings.max_seconds
        return MediaReading(stage="not_heard", why="too_long", seconds=attachment.duration_s) if too_long else None

    async def listen(self, who: ContactId, data: bytes, mime: str) -> tuple[MediaReading, dict[str, Any]]:
        """What was said in it, or why nothing was heard, and how that came about, for the trace: numbers and names of engines, no words.

        Raises UnavailableError to be asked again later, CredentialsError and ConfigError when a human must act first, DataError when it
        will never be understood. Nothing is charged then.
        """
        seconds = seconds_of(data)
        if seconds is not None and seconds > self._settings.max_seconds:
            return MediaReading(stage="not_heard", why="too_long", seconds=seconds), {}
        sound = Sound(data, mime, seconds)
        speech = await self._speech(sound)
        if is_silence(speech):
            return MediaReading(stage="heard_nothing", why="silence", seconds=seconds), {}
        estimate = min(float(self._settings.max_seconds), seconds or max(1.0, len(data) / _BYTES_PER_S))
        charge = await self._meter.charge(who, estimate)
        if isinstance(charge, str):
            return MediaReading(stage="not_heard", why=charge, seconds=seconds), {}
        used, name = 0.0, ""
        try:
            engine = self._engine()
            name = engine.name
            outcome = await self._ask(engine, who, sound)
            used = seconds or outcome.duration or estimate
        finally:
            micros = await self._meter.settle(charge, used, model=name, classification="hearing")
        return self._reading(outcome, used), {"by": name, "micros": micros}

    async def close(self) -> None:
        """As the engine's."""
        if self._transcriber is not None:
            await self._transcriber.close()

    def _engine(self) -> Transcriber:
        """The engine, made when it is first needed: what it lacks keeps nothing else from running."""
        if self._transcriber is None:
            self._transcriber = self._make()
        return self._transcriber

    async def _ask(self, engine: Transcriber, who: ContactId, sound: Sound) -> Transcription | NothingHeard:
        languages = await self._languages(who) or self._settings.hints
        try:
            async with asyncio.timeout(self._patience_s(sound)):
                return await engine.transcribe(sound, languages)
        except TimeoutError as error:
            raise UnavailableError("hearing_timeout", "The recording was not understood in time.") from error

    def _patience_s(self, sound: Sound) -> float:
        """How long is waited. An engine on this machine may take as long as the recording is."""
        if self._settings.provider == "openai":
            return self._settings.timeout_s
        return max(self._settings.timeout_s, sound.duration_s or self._settings.max_seconds) + _START_S

    def _reading(self, outcome: Transcription | NothingHeard, seconds: float) -> MediaReading:
        match outcome:
            case Transcription():
                if (
                    outcome.duration > self._settings.max_seconds
                ):  # a platform's claim was wrong; what was paid for is used all the same
                    seconds = outcome.duration
                return MediaReading(
                    stage="heard",
                    text=outcome.text,
                    is_unclear=not outcome.is_clear,
                    language=outcome.language,
                    seconds=round(seconds, 1),
                    confidence=None if outcome.confidence is None else round(outcome.confidence, 2),
                )
            case NothingHeard(reason):
                stage = "heard_nothing" if reason == "silence" else "not_heard"
                return MediaReading(stage=stage, why=reason, seconds=round(seconds, 1))
            case _:
                assert_never(outcome)
