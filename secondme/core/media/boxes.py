"""What is in an MP4, M4A or 3GP file, and how long does it last? Pure: only the boxes that say so are entered, and held against each other.

Source: ISO 14496-12. A fragmented file does not say how long it is, and is turned down.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.media.shape import MISMATCH, Enough, Shape, TurnedDownError, need

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BOXES = 4_096
_MOST_TRACKS = 8
_LEAST_SAMPLE_S = 0.01
"""No audio codec of a phone stores less than this in one sample: a table that says so lies about the length."""
_UNKNOWN = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Track:
    kind: bytes
    seconds: float
    width: int
    height: int


def mp4(data: bytes, enough: Enough) -> Shape:
    """A file with a picture track is a video, one with sound only is audio."""
    del enough
    top = list(_boxes(data, 0, len(data)))
    need(top and top[0].kind == b"ftyp", MISMATCH)
    need(not any(box.kind in {b"moof", b"sidx"} for box in top))
    movie = _only(top, b"moov")
    inner = list(_boxes(data, movie.start, movie.end))
    need(not any(box.kind == b"mvex" for box in inner))
    claimed = _clock(data, _only(inner, b"mvhd"))
    tracks = [_track(data, box) for box in inner if box.kind == b"trak"]
    need(0 < len(tracks) <= _MOST_TRACKS)
    seconds = max(claimed, *(track.seconds for track in tracks))
    pictures = [track for track in tracks if track.kind == b"vide"]
    if not pictures:
        need(any(track.kind == b"soun" for track in tracks))
        return Shape("audio", "audio/mp4", duration_s=seconds)
    width, height = max(track.width for track in pictures), max(track.height for track in pictures)
    need(width and height)
    return Shape("video", "video/mp4", width, height, duration_s=seconds)


def _track(data: bytes, trak: _Box) -> _Track:
    inside = list(_boxes(data, trak.start, trak.end))
    media = list(_within(data, _only(inside, b"mdia")))
    handler = _only(media, b"hdlr")
    kind = data[handler.start + 8 : min(handler.start + 12, handler.end)]
    header = _only(media, b"mdhd")
    table = list(_within(data, _only(list(_within(data, _only(media, b"minf"))), b"stbl")))
    ticks, samples = _times(data, _only(table, b"stts"))
    seconds = max(_clock(data, header), ticks / _scale(data, header))
    if kind == b"soun":
        seconds = max(seconds, samples * _LEAST_SAMPLE_S)
    width, height = (0, 0) if kind != b"vide" else _size(data, _only(table, b"stsd"))
    return _Track(kind, seconds, width, height)


def _times(data: bytes, box: _Box) -> tuple[int, int]:
    """The sum of all sample durations, and the number of samples."""
    need(box.end - box.start >= 8)  # noqa: PLR2004  flags and a count
    (count,) = struct.unpack_from(">I", data, box.start + 4)
    need(box.start + 8 + count * 8 <= box.end)
    ticks = samples = 0
    for number, each in struct.iter_unpack(">II", memoryview(data)[box.start + 8 : box.start + 8 + count * 8]):
        ticks += number * each
        samples += number
    return ticks, samples


def _size(data: bytes, box: _Box) -> tuple[int, int]:
    """The largest picture that a sample description speaks of."""
    need(box.end - box.start >= 8)  # noqa: PLR2004  flags and a count
    width = height = 0
    for entry in _boxes(data, box.start + 8, box.end):
        need(entry.end - entry.start >= 28)  # noqa: PLR2004  up to the height
        wide, high = struct.unpack_from(">HH", data, entry.start + 24)
        width, height = max(width, wide), max(height, high)
    return width, height


def _clock(data: bytes, box: _Box) -> float:
    """The duration that an mvhd or mdhd box claims, in seconds."""
    wide = data[box.start] == 1
    need(box.end - box.start >= (32 if wide else 20))
    (duration,) = struct.unpack_from(">Q" if wide else ">I", data, box.start + (24 if wide else 16))
    need(duration not in _UNKNOWN)
    return float(duration) / _scale(data, box)


def _scale(data: bytes, box: _Box) -> int:
    wide = data[box.start] == 1
    need(box.end - box.start >= (32 if wide else 20))
    scale: int = struct.unpack_from(">I", data, box.start + (20 if wide else 12))[0]
    need(scale)
    return scale


def _only(boxes: list[_Box], kind: bytes) -> _Box:
    found = [box for box in boxes if box.kind == kind]
    need(len(found) == 1 and found[0].end > found[0].start)
    return found[0]


def _within(data: bytes, box: _Box) -> Iterator[_Box]:
    return _boxes(data, box.start, box.end)


def _boxes(data: bytes, place: int, end: int) -> Iterator[_Box]:
    """The boxes between two places, which they fill exactly. Nothing is entered."""
    for _ in range(_MOST_BOXES):
        if place == end:
            return
        need(place + 8 <= end, MISMATCH)
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            need(place + 16 <= end)
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        elif size == 0:
            size = end - place
        need(size >= head and place + size <= end)
        yield _Box(kind, place + head, place + size)
        place += size
    raise TurnedDownError
