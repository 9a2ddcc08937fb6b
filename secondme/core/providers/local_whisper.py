"""Speech to text on this machine: Whisper, run by faster-whisper (`secondme[hearing]`) in a child of its own. Nothing leaves it.

The child is started by the first recording, takes one at a time, and ends when it is idle for five minutes, when a recording takes too long,
and when whoever asked does not wait any more.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, DataError, UnavailableError
from secondme.core.messages import NothingHeard
from secondme.core.providers.hearing_child import LEAST_SPEECH_S
from secondme.core.providers.hearing_gates import RawTranscription, Segment, judge
from secondme.core.providers.hearing_process import COMMAND, IDLE_S, HearingProcess, is_installed, not_installed
from secondme.core.providers.sound_files import kind_of
from secondme.core.providers.speech_models import checked_model, is_on_offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.config.models import HearingSettings
    from secondme.core.messages import HearingOutcome, Sound

_THREADS = 2
_BEAM = 5
"""As good as 1 on clean speech and better on the rest, for a third more time."""
_LOAD_S = 60.0
"""Loading takes two seconds, on a disk that sleeps some more."""


class LocalWhisper:
    """Transcriptions of this machine's own. One instance serves everybody; others wait while it listens."""

    def __init__(self, settings: HearingSettings, models: Path, *, idle_s: float = IDLE_S) -> None:
        """`models` is where weights are kept. Raises ConfigError when `secondme[hearing]` is not installed, or `hearing.model` names nothing
        that can run here."""
        if not is_installed():
            raise not_installed()
        self.name = f"local/{_model_name(settings.model)}"
        self._settings, self._models, self._idle_s = settings, models, idle_s
        self._child: HearingProcess | None = None
        self._in_use = asyncio.Lock()

    async def transcribe(self, sound: Sound, languages: Sequence[str] = ()) -> HearingOutcome:
        """As the port says. It takes at most `hearing.timeout_s`, or as long as the recording itself where that is more; waiting for others'
        recordings and loading the model are not counted."""
        kind = kind_of(sound.data)
        if kind is None:
            raise _unreadable()
        order = {
            "do": "transcribe",
            "demuxer": kind.demuxer,
            "max_seconds": self._settings.max_seconds,
            "languages": list(languages),
        }
        async with self._in_use:
            is_done = False
            try:
                facts, answer = await self._heard(order, sound.data)
                is_done = True
            finally:
                if not is_done:
                    await self._end()
        return self._judge(facts, answer, tuple(languages))

    async def close(self) -> None:
        """As the port says. What is being listened to is listened to first."""
        async with self._in_use:
            await self._end()

    async def _heard(self, order: dict[str, Any], data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        """As `_ask`, of a child that is there. One that had work before may just be ending by itself: then of another one."""
        was_there = self._child is not None
        try:
            return await self._ask(await self._ready(), order, data)
        except UnavailableError as error:
            if not was_there or error.code != "hearing_crashed":
                raise
            await self._end()
            return await self._ask(await self._ready(), order, data)

    async def _ready(self) -> HearingProcess:
        """A child that has loaded the model. Raises ConfigError for a model that is missing, damaged, or none."""
        if self._child is not None and not self._child.is_over:
            return self._child
        await self._end()
        folder = await asyncio.to_thread(checked_model, self._settings.model, self._models)
        self._child = await HearingProcess.start(COMMAND, idle_s=self._idle_s)
        threads = min(_THREADS, os.cpu_count() or 1)
        try:
            async with asyncio.timeout(_LOAD_S):
                await self._child.tell({"do": "load", "model": str(folder), "threads": threads, "beam": _BEAM})
                answer = await self._child.answer()
        except TimeoutError as error:
            raise UnavailableError("hearing_timeout", "The model that understands speech was not loaded in time.") from error
        if "failed" in answer:
            raise ConfigError("speech_model_unusable", f"{folder} is no model that can be loaded.", "Check hearing.model.")
        return self._child

    async def _ask(self, child: HearingProcess, order: dict[str, Any], data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        """How long the recording and the speech in it are, and what was made of it. Raises DataError, UnavailableError."""
        try:
            async with asyncio.timeout(self._settings.timeout_s) as limit:
                await child.tell(order, data)
                facts = await child.answer()
                if "failed" in facts:
                    return facts, {}
                own_s = float(facts["seconds"])
                limit.reschedule(asyncio.get_running_loop().time() + max(own_s, self._settings.timeout_s))
                return facts, await child.answer()
        except TimeoutError as error:
            raise UnavailableError("hearing_timeout", "A recording was not understood in time on this machine.") from error

    def _judge(self, facts: dict[str, Any], answer: dict[str, Any], hints: tuple[str, ...]) -> HearingOutcome:
        match facts.get("failed"):
            case None:
                pass
            case "too_long":
                raise DataError(
                    "recording_too_long", f"The recording is longer than hearing.max_seconds ({self._settings.max_seconds})."
                )
            case _:
                raise _unreadable()
        seconds, speech = float(facts["seconds"]), float(facts["speech"])
        if speech < LEAST_SPEECH_S:
            return NothingHeard("silence", seconds)
        segments = tuple(Segment(**each) for each in answer["segments"])
        raw = RawTranscription(
            " ".join(each.text.strip() for each in segments),
            seconds,
            (answer["language"],),
            answer["language_probability"],
            segments,
            speech,
            is_of_one_language=bool(answer["is_of_one_language"]),
        )
        return judge(raw, provider="local", model=_model_name(self._settings.model), hints=hints)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.kill()


def _model_name(model: str) -> str:
    """As the owner and the ledger know it: of a folder its last part."""
    return model if is_on_offer(model) else Path(model).name or model


def _unreadable() -> DataError:
    return DataError("recording_refused", "This is no recording that can be read.")
