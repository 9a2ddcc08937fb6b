"""Sound of any kind into a voice note: decoded and encoded by PyAV, which comes with `secondme[sound]`, in a confined child."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.media.child import ChildProgram, run_child
from secondme.core.media.confinement import DONE
from secondme.core.media.ogg import BARS, MOST_BYTES, DamagedSoundError, voice_note
from secondme.core.providers.sound_files import speakable

if TYPE_CHECKING:
    from secondme.core.messages import VoiceNote

_MOST_GIVEN = 64 * 1024 * 1024
"""Ten minutes of a WAV file at 48,000 samples a second."""
TOO_LONG = "sound_too_long"
ENCODER = ChildProgram("secondme.core.media.sound_encoder", ("av",), timeout_s=30, most_bytes=BARS + MOST_BYTES)
"""For a minute of speech it takes half a second."""
_PYAV = "av"
_RIFF_BYTES, _UNKNOWN = 8, 0x7F000000
"""Sizes about which nobody knew yet, when a file was written as it was made, are this and more."""


async def as_voice_note(data: bytes) -> VoiceNote:
    """The sound in `data` as a voice note: as it is where it is one, else encoded.

    Raises DataError: `speech_needs_sound_extra` where it would have to be encoded and PyAV is not installed, `not_a_voice_note` when it is
    no whole sound that could be; UnavailableError when the system has no room for it.
    """
    try:
        return voice_note(data)
    except DamagedSoundError:
        raise
    except DataError as error:
        found = speakable(data)
        if found is None:
            raise
        kind = found.demuxer
        if kind == "wav" and len(data) - _RIFF_BYTES < _said_size(data) < _UNKNOWN:
            raise DamagedSoundError("not_a_voice_note", "The sound is cut off.") from error
        if find_spec(_PYAV) is None:
            words = f"The voice is no Ogg with one Opus stream, but {kind}; without PyAV it cannot be made one."
            raise DataError("speech_needs_sound_extra", words, "pip install 'secondme[sound]'") from error
    return await _encoded(data, kind)


def _said_size(data: bytes) -> int:
    """How many bytes a WAV file says that it has behind its first eight."""
    return int.from_bytes(data[4:_RIFF_BYTES], "little")


async def _encoded(data: bytes, kind: str) -> VoiceNote:
    if len(data) > _MOST_GIVEN:
        raise DataError("not_a_voice_note", "The sound is too long.")
    answer = await run_child(ENCODER, data, kind)
    if answer is None or answer.outcome != DONE or len(answer.payload) <= BARS:
        why = "is too long" if answer is not None and answer.outcome == TOO_LONG else "cannot be decoded"
        raise DataError("not_a_voice_note", f"The sound {why}.")
    return voice_note(answer.payload[BARS:], answer.payload[:BARS])
