"""How large is a picture? Pure: PNG, JPEG, GIF and WebP are walked block by block to their very end; no pixel is decoded.

Walked to the end because a header may lie and because what stands behind the end is a second file. Sources: W3C PNG 3, ITU T.81, GIF89a,
RFC 9649.
"""

from __future__ import annotations

import struct
import zlib

from secondme.core.media.shape import MISMATCH, Enough, Shape, need

_PNG_TEXT_BYTES = 1024 * 1024
"""Of all compressed text and colour profiles of one PNG, unpacked. Real ones have a few kB."""
_MOST_SCANS = 64
"""Of a progressive JPEG. Each is a pass over the whole picture; cameras make 10."""
_MOST_PREVIEWS = 8
_MOST_PARTS = 20_000
"""Chunks or segments of one picture. 20 MB in chunks of 8 kB are 2,500."""
_MOST_FILL = 1_024
"""Bytes between two segments of a JPEG that mean nothing. Real ones have none, or one."""
_MOST_BLOCKS = 200_000
"""Sub-blocks of a GIF: 20 MB in full ones are 82,000."""
_MOST_FRAMES = 1_000
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA


def png(data: bytes, enough: Enough) -> Shape:
    """A PNG, animated ones included."""
    need(data[8:16] == b"\0\0\0\x0dIHDR")
    width, height = struct.unpack_from(">II", data, 16)
    place, frames, text, has_pixels = 8, 1, 0, False
    for _ in range(_MOST_PARTS):
        need(place + 12 <= len(data))
        (size,) = struct.unpack_from(">I", data, place)
        kind, content = data[place + 4 : place + 8], place + 8
        place = content + size + 4
        need(place <= len(data))
        if kind == b"IEND":
            break
        has_pixels = has_pixels or kind == b"IDAT"
        if kind == b"acTL":
            need(size == 8)  # noqa: PLR2004  two counters
            frames = max(frames, struct.unpack_from(">I", data, content)[0])
        elif kind in {b"zTXt", b"iTXt", b"iCCP"}:
            text += _unpacked(data[content : content + size], _PNG_TEXT_BYTES)
            need(text <= _PNG_TEXT_BYTES)
    need(has_pixels and kind == b"IEND")
    need(place == len(data), MISMATCH)
    return _picture("image/png", width, height, frames, enough)


def _unpacked(chunk: bytes, most: int) -> int:
    """How many bytes a compressed chunk becomes, counted up to just above `most`. Plain text counts as it is."""
    name, _, rest = chunk.partition(b"\0")
    for start in range(min(len(rest), 2 + 2 * len(name) + 64)):  # the stream starts behind a flag, a method and two short names
        if rest[start : start + 1] == b"\x78":
            try:
                return len(zlib.decompressobj().decompress(rest[start:], most + 1))
            except zlib.error:
                continue
    return len(rest)


def jpeg(data: bytes, enough: Enough) -> Shape:
    """A JPEG. Further JPEGs behind it are taken (phones store previews there), anything else is not."""
    width, height, place = _one_jpeg(data, 0)
    for _ in range(_MOST_PREVIEWS):
        if place == len(data):
            break
        need(data.startswith(b"\xff\xd8\xff", place), MISMATCH)
        *_, place = _one_jpeg(data, place)
    need(place == len(data), MISMATCH)
    return _picture("image/jpeg", width, height, 1, enough)


def _one_jpeg(data: bytes, place: int) -> tuple[int, int, int]:
    """Width and height of the JPEG at a place, and the place behind it."""
    width = height = scans = parts = 0
    place += 2
    while True:
        place = data.find(b"\xff", place)
        need(place >= 0)
        start = place
        while data[place : place + 1] == b"\xff":
            place += 1
            need(place - start <= _MOST_FILL)
        need(place < len(data))
        marker = data[place]
        place += 1
        if marker == _EOI:
            need(scans)
            return width, height, place
        if scans and (marker == 0 or marker in _LONE):
            continue  # inside the picture
        need(marker >= 0xC0 and marker != _SOI)  # noqa: PLR2004  the first marker there is
        need(place + 2 <= len(data))
        (size,) = struct.unpack_from(">H", data, place)
        need(size >= 2 and place + size <= len(data))  # noqa: PLR2004  the length itself
        if marker in _SOF:
            need(size >= 8 and not width)  # noqa: PLR2004  one frame header
            height, width = struct.unpack_from(">HH", data, place + 3)
        scans += marker == _SOS
        parts += 1
        need(scans <= _MOST_SCANS and parts <= _MOST_PARTS)
        place += size


def gif(data: bytes, enough: Enough) -> Shape:
    """A GIF."""
    need(len(data) > 13)  # noqa: PLR2004  the screen descriptor's end
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    need(width and height)
    place, frames, spare = 13 + _palette(flags), 0, _MOST_BLOCKS
    while True:
        need(place < len(data))
        block = data[place]
        place += 1
        if block == 0x3B:  # noqa: PLR2004  the trailer
            break
        if block == 0x21:  # noqa: PLR2004  an extension
            place, spare = _blocks(data, place + 1, spare)
        else:
            need(block == 0x2C and place + 10 <= len(data))  # noqa: PLR2004  a frame
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, place)
            need(left + wide <= width and top + high <= height)
            place, spare = _blocks(data, place + 10 + _palette(flags), spare)
            frames += 1
            need(frames <= _MOST_FRAMES)
            if frames * width * height > enough.pixels:
                break
    need(frames)
    need(place == len(data) or frames * width * height > enough.pixels, MISMATCH)
    return _picture("image/gif", width, height, frames, enough)


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, place: int, spare: int) -> tuple[int, int]:
    """The place behind a row of sub-blocks, and how many more the file may have."""
    while True:
        need(place < len(data) and spare)
        spare -= 1
        size = data[place]
        place += 1 + size
        if not size:
            return place, spare


def webp(data: bytes, enough: Enough) -> Shape:
    """A WebP."""
    (size,) = struct.unpack_from("<I", data, 4)
    need(size + 8 <= len(data))
    need(size + 8 + size % 2 >= len(data), MISMATCH)
    width = height = frames = parts = 0
    place, end = 12, size + 8
    while place < end:
        need(place + 8 <= end and parts < _MOST_PARTS)
        kind, (length,) = data[place : place + 4], struct.unpack_from("<I", data, place + 4)
        content = place + 8
        need(content + length <= end)
        wide, high = _webp_size(kind, data[content : content + min(length, 30)])
        if not parts:  # the canvas, or the only picture there is
            width, height = wide, high
        need(wide <= width and high <= height)
        frames += kind == b"ANMF"
        need(frames <= _MOST_FRAMES)
        parts += 1
        place = content + length + length % 2
    return _picture("image/webp", width, height, max(1, frames), enough)


def _webp_size(kind: bytes, head: bytes) -> tuple[int, int]:
    """What a chunk says about width and height; zeros when it is no chunk that does."""
    if kind == b"VP8X":
        need(len(head) >= 10)  # noqa: PLR2004  two 24-bit numbers behind the flags
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"ANMF":
        need(len(head) >= 16)  # noqa: PLR2004  position and size, 24 bits each
        place = [int.from_bytes(head[start : start + 3], "little") for start in (0, 3, 6, 9)]
        return place[0] * 2 + place[2] + 1, place[1] * 2 + place[3] + 1
    if kind == b"VP8 ":
        need(len(head) >= 10 and head[3:6] == b"\x9d\x01\x2a")  # noqa: PLR2004  the key frame's header
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    if kind == b"VP8L":
        need(len(head) >= 5 and head[0] == 0x2F)  # noqa: PLR2004  the lossless header
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return 0, 0


def _picture(mime: str, width: int, height: int, frames: int, enough: Enough) -> Shape:
    need(width and height)
    shape = Shape("image", mime, width, height, frames)
    need(frames <= _MOST_FRAMES or shape.pixels > enough.pixels)
    return shape
