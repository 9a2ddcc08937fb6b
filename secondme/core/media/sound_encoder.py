"""The program that makes a voice note of any sound. It reads what a vendor or a stranger's program made, so it is confined before it looks."""

from __future__ import annotations

import array
import io
import itertools
import math
import sys
from fractions import Fraction
from importlib import import_module
from typing import Any

from secondme.core.media.confinement import DONE, answer, confine, receive
from secondme.core.media.ogg import bars

_MEMORY_BYTES, _CPU_S = 1 << 30, 20
_LONGEST_S = 600
_RATE, _FRAME, _BITS_PER_S = 48_000, 960, 24_000
"""20 ms a packet; at 24 kbit/s no listener and no machine understands less than of the original."""
_EVERY = 6
"""Of 48,000 samples a second, 8,000 say how loud it is."""
_NOT_DECODED, _TOO_LONG = "sound_unreadable", "sound_too_long"
_PYAV = "av"
_SILENCE = 96


class TooLongError(Exception):
    """More than ten minutes."""


def main() -> None:
    """Be the program: the argument is the kind of file; the answer is the heights of the waveform and the voice note."""
    av = import_module(_PYAV)
    _converted(av, _wave(_SILENCE), "wav")  # what is loaded late is loaded before nothing can be
    data = receive()
    confine(_MEMORY_BYTES, _CPU_S, with_threads=True)
    try:
        file, loudness = _converted(av, data, sys.argv[-1])
    except TooLongError:
        answer(_TOO_LONG)
    except (av.error.FFmpegError, ValueError, IndexError, MemoryError):
        answer(_NOT_DECODED)
    else:
        answer(DONE, bars(loudness) + file)


def _wave(samples: int) -> bytes:
    """A little silence."""
    size = (2 * samples).to_bytes(4, "little")
    head = b"RIFF" + (36 + 2 * samples).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x01\0"
    return head + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little") + b"\x02\0\x10\0data" + size + bytes(2 * samples)


def _converted(av: Any, data: bytes, kind: str) -> tuple[bytes, list[float]]:  # PyAV has no types where it is not installed
    """The file, and how loud each of its packets is."""
    made, loudness = io.BytesIO(), list[float]()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE, frame_size=_FRAME)
    with av.open(io.BytesIO(data), format=kind) as source, av.open(made, "w", format="ogg") as target:
        stream = target.add_stream("libopus", rate=_RATE, layout="mono", options={"application": "voip", "frame_duration": "20"})
        stream.bit_rate = _BITS_PER_S
        sound = source.streams.audio[0]
        sound.codec_context.thread_count = 1
        for frame in itertools.chain(_frames(source, sound), (None,)):
            for piece in resampler.resample(frame):
                if len(loudness) * _FRAME > _LONGEST_S * _RATE:
                    raise TooLongError
                samples = array.array("h", bytes(piece.planes[0])[: 2 * piece.samples])[::_EVERY]
                piece.pts, piece.time_base = len(loudness) * _FRAME, Fraction(1, _RATE)
                loudness.append(math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples))))
                target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return made.getvalue(), loudness or [0.0]


def _frames(source: Any, sound: Any) -> Any:  # as above
    """Frames one by one, their times left to be counted anew: an engine's own may begin anywhere."""
    for frame in source.decode(sound):
        frame.pts = None
        yield frame
