"""The voice gate: how much of a recording is speech, told on this machine, so that silence is neither sent to anybody nor paid for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.core.providers.hearing_child import LEAST_SPEECH_S
from secondme.core.providers.hearing_process import HearingProcess, is_installed
from secondme.core.providers.sound_files import kind_of

if TYPE_CHECKING:
    from secondme.core.messages import Sound

log = get_logger(__name__)

_TIMEOUT_S = 20.0
"""Ten minutes of speech take six seconds of processor time."""


async def seconds_of_speech(sound: Sound, *, max_seconds: float = 7200.0, timeout_s: float = _TIMEOUT_S) -> float | None:
    """Seconds in which somebody speaks; below `LEAST_SPEECH_S` nobody does. None when that cannot be told: `secondme[hearing]` is not
    installed, the recording cannot be read or is longer than `max_seconds`, or it took too long. In a child of its own, which has ended
    afterwards; nothing is sent to anybody."""
    kind = kind_of(sound.data)
    if kind is None or not is_installed():
        return None
    child: HearingProcess | None = None
    try:
        async with asyncio.timeout(timeout_s):
            child = await HearingProcess.start()
            await child.tell({"do": "measure", "demuxer": kind.demuxer, "max_seconds": max_seconds}, sound.data)
            answer = await child.answer()
    except (UnavailableError, TimeoutError) as error:
        log.info("voice_gate_failed", error=type(error).__name__)
        return None
    finally:
        if child is not None:
            await child.kill()
    return None if "failed" in answer else float(answer["speech"])


def is_silence(speech_s: float | None) -> bool:
    """True when nobody speaks, as far as that is known."""
    return speech_s is not None and speech_s < LEAST_SPEECH_S
