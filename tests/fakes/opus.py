"""Ogg files with Opus in them, written page by page: silent packets of known length, and every fault that a page can have."""

import struct
from dataclasses import dataclass, replace

SERIAL = 0x5EC0
SKIPPED = 312
PACKET_S = 0.02
_SILENT_20_MS = bytes([1 << 3])
"""Configuration 1: SILK, narrowband, 20 ms; one frame of no bytes, which every decoder takes for silence."""
_POLYNOMIAL = 0x04C11DB7


def crc(data: bytes) -> int:
    """As RFC 3533 words it, bit by bit: what the product's quick way is compared with."""
    found = 0
    for byte in data:
        found ^= byte << 24
        for _ in range(8):
            found = ((found << 1) ^ _POLYNOMIAL if found & 0x80000000 else found << 1) & 0xFFFFFFFF
    return found


@dataclass(frozen=True)
class Page:
    """One page; `crc` replaces the right checksum."""

    flags: int
    granule: int
    number: int
    segments: bytes
    body: bytes
    serial: int = SERIAL
    crc: int | None = None

    def encoded(self) -> bytes:
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, self.flags, self.granule, self.serial, self.number, 0, len(self.segments))
        data = head + self.segments + self.body
        return data[:22] + struct.pack("<I", crc(data) if self.crc is None else self.crc) + data[26:]


def lacing(size: int) -> bytes:
    return b"\xff" * (size // 255) + bytes([size % 255])


def page(packets: list[bytes], granule: int, number: int, flags: int = 0) -> Page:
    """A page of whole packets."""
    return Page(flags, granule, number, b"".join(lacing(len(each)) for each in packets), b"".join(packets))


def head(channels: int = 1, skipped: int = SKIPPED, version: int = 1, mapping: int = 0) -> bytes:
    return struct.pack("<8sBBHIhB", b"OpusHead", version, channels, skipped, 16_000, 0, mapping)


def tags(vendor: bytes = b"somebody's encoder", *comments: bytes) -> bytes:
    listed = b"".join(struct.pack("<I", len(each)) + each for each in comments)
    return b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(comments)) + listed


def pages(
    packets: list[bytes], samples: int = 960, *, first: bytes = head(), second: bytes = tags(), each: int = 10, cut: int = 0
) -> list[Page]:
    """The pages of a stream whose packets have `samples` samples each, `each` packets a page; `cut` are not heard at the end."""
    made = [page([first], 0, 0, 2), page([second], 0, 1)]
    for start in range(0, len(packets), each):
        some = packets[start : start + each]
        made.append(page(some, (start + len(some)) * samples, len(made)))
    made[-1] = replace(made[-1], flags=made[-1].flags | 4, granule=made[-1].granule - cut)
    return made


def file(made: list[Page]) -> bytes:
    return b"".join(each.encoded() for each in made)


def silence(seconds: float = 1.0, **more: object) -> bytes:
    """A voice note in which nobody speaks, of so many seconds and what is skipped."""
    count = round(seconds / PACKET_S)
    return file(pages([_SILENT_20_MS] * (count + 1), cut=960 - SKIPPED, **more))  # type: ignore[arg-type]  # as `pages`


def read_pages(data: bytes) -> list[Page]:
    """The pages of a file that is known to be good."""
    found = []
    while data:
        _, _, flags, granule, serial, number, found_crc, count = struct.unpack_from("<4sBBqIIIB", data)
        segments = data[27 : 27 + count]
        end = 27 + count + sum(segments)
        found.append(Page(flags, granule, number, segments, data[27 + count : end], serial, found_crc))
        data = data[end:]
    return found
