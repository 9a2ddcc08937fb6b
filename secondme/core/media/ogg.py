"""Ogg files with one Opus stream, the form in which chat platforms take voice notes: read whole, measured, and marked as made by a machine.

Nothing is decoded. Sources: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg), RFC 6716 section 3 (what an Opus packet's first bytes say).
"""

from __future__ import annotations

import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from secondme.core.errors import DataError
from secondme.core.messages import VoiceNote

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES = 16 << 20
"""The largest sound that WhatsApp takes; Telegram takes more."""
BARS = 64
VENDOR = b"secondme"
MARKS = (b"SYNTHETIC=1", b"PRODUCER=secondme")
"""What a file says of itself: a machine speaks (Regulation (EU) 2024/1689, Art. 50(2), asks for a mark that machines can read)."""

_MAGIC = b"OggS"
_PAGE = struct.Struct("<4sBBqIIIB")
"""Magic, version, flags, granule position, serial number, page number, checksum, how many segments."""
_CHECKSUM = slice(22, 26)
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_LACED = 255
_NO_PACKET_ENDS = -1
_HEAD = struct.Struct("<8sBBHIhB")
"""Magic, version, channels, samples to skip, rate of the original, gain, mapping."""
_HEAD_MAGIC, _TAGS_MAGIC = b"OpusHead", b"OpusTags"
_MAJOR = 0xF0
"""Of the version; what differs below it can be read all the same."""
_RATE = 48_000
"""Samples a second that granule positions count, whatever the original had."""
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)
"""Samples of one frame, by the low bits of a packet's configuration."""
_FIRST_HYBRID, _FIRST_CELT = 12, 16
_LONGEST_PACKET = 5760
"""Samples: 120 ms."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LOWEST, _HIGHEST = 4, 100
"""A bar is never flat: apps draw a voice note without heights as broken."""


class DamagedSoundError(DataError):
    """A part of it is missing or wrong: what could still be made of it is not what was said."""


@dataclass(frozen=True, slots=True)
class OggPage:
    """A page as it stands in the file, its checksum known to be right."""

    flags: int
    granule: int
    serial: int
    number: int
    segments: bytes
    body: bytes

    @property
    def is_last(self) -> bool:
        """True for the page that ends its stream."""
        return bool(self.flags & _LAST)

    def encoded(self, number: int) -> bytes:
        """The page as bytes, as the `number`th of its stream."""
        head = _PAGE.pack(_MAGIC, 0, self.flags, self.granule, self.serial, number, 0, len(self.segments))
        data = bytearray(head + self.segments + self.body)
        data[_CHECKSUM] = struct.pack("<I", checksum(bytes(data)))
        return bytes(data)


def voice_note(data: bytes, waveform: bytes = b"") -> VoiceNote:
    """The voice note in `data`, its tags replaced by `MARKS`, with the length that it really has: that of its packets, cut as the stream
    says. Without a `waveform` one is guessed from the sizes of packets. Raises DataError when it is not one whole Opus stream of one
    channel, or larger than `MOST_BYTES`; DamagedSoundError, which is one, when it is not whole."""
    pages = _pages(data)
    rest = _audio_pages(pages)
    skipped = _samples_to_skip(pages[0])
    sizes, samples = _measured(rest)
    if samples <= skipped:
        _refuse("nothing is heard in it")
    marked = [pages[0], _tags_page(pages[0].serial), *rest]
    file = b"".join(page.encoded(number) for number, page in enumerate(marked))
    return VoiceNote(file, (samples - skipped) / _RATE, waveform or bars(sizes))


def checksum(data: bytes) -> int:
    """Ogg's: CRC-32 with its bits the other way round, from zero. zlib's does the work, which is a hundred times as fast as Python."""
    mirrored = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def bars(loudness: Sequence[float]) -> bytes:
    """`BARS` heights from 4 to 100 that follow `loudness`, which has at least one number and none below zero."""
    edges = [len(loudness) * bar // BARS for bar in range(BARS + 1)]
    parts = [loudness[start : max(end, start + 1)] for start, end in itertools.pairwise(edges)]
    means = [sum(part) / len(part) for part in parts]
    least, most = min(means), max(means)
    if most <= least:
        return bytes([(_LOWEST + _HIGHEST) // 2] * BARS)
    return bytes(_LOWEST + round((_HIGHEST - _LOWEST) * (mean - least) / (most - least)) for mean in means)


def _refuse(why: str, kind: type[DataError] = DataError) -> NoReturn:
    raise kind("not_a_voice_note", f"This is no voice note that could be sent: {why}.")


def _pages(data: bytes) -> list[OggPage]:
    """The pages of one stream from its first to its last, with nothing between or behind them."""
    if len(data) > MOST_BYTES:
        _refuse("it is too large")
    pages: list[OggPage] = []
    at = 0
    while at < len(data):
        page, at = _page_at(data, at)
        if page.serial != (pages or [page])[0].serial or bool(page.flags & _FIRST) != (not pages):
            _refuse("it has more streams than one")
        if pages and (pages[-1].is_last or page.number != (pages[-1].number + 1) & 0xFFFFFFFF):
            _refuse("a part of it is missing", DamagedSoundError)
        pages.append(page)
    if not pages or not pages[-1].is_last:
        _refuse("its end is missing" if pages else "it is empty", DamagedSoundError)
    return pages


def _page_at(data: bytes, at: int) -> tuple[OggPage, int]:
    """The page that begins there, and where it ends."""
    if not at and not data.startswith(_MAGIC):
        _refuse("it is no Ogg file")
    if len(data) - at < _PAGE.size:
        _refuse("it is cut off", DamagedSoundError)
    magic, version, flags, granule, serial, number, crc, count = _PAGE.unpack_from(data, at)
    if magic != _MAGIC or version != 0:
        _refuse("something else is in it", DamagedSoundError)
    body_at = at + _PAGE.size + count
    segments = data[at + _PAGE.size : body_at]
    end = body_at + sum(segments)
    if len(segments) < count or end > len(data):
        _refuse("it is cut off", DamagedSoundError)
    page = bytearray(data[at:end])
    page[_CHECKSUM] = bytes(4)
    if checksum(bytes(page)) != crc:
        _refuse("it is damaged", DamagedSoundError)
    return OggPage(flags, granule, serial, number, segments, data[body_at:end]), end


def _samples_to_skip(page: OggPage) -> int:
    """How many samples at the beginning are not heard, by the page with the head."""
    if len(page.body) < _HEAD.size or sum(segment < _LACED for segment in page.segments) != 1 or page.segments[-1] == _LACED:
        _refuse("it has no head")
    magic, version, channels, skipped, _, _, mapping = _HEAD.unpack_from(page.body)
    if magic != _HEAD_MAGIC or version & _MAJOR:
        _refuse("it is no Opus")
    if channels != 1 or mapping != 0:
        _refuse("it has more channels than one")
    return int(skipped)


def _audio_pages(pages: Sequence[OggPage]) -> Sequence[OggPage]:
    """The pages behind the tags. Those are one packet, of any number of pages, and what is heard begins on a page of its own."""
    tags = bytearray()
    for at, page in enumerate(pages[1:], 1):
        if bool(page.flags & _CONTINUED) != bool(tags):
            break
        tags += page.body
        ends = [index for index, segment in enumerate(page.segments) if segment < _LACED]
        if ends and ends[0] == len(page.segments) - 1 and tags.startswith(_TAGS_MAGIC):
            return pages[at + 1 :]
        if ends:
            break
    _refuse("it has no tags")


def _tags_page(serial: int) -> OggPage:
    comments = b"".join(struct.pack("<I", len(mark)) + mark for mark in MARKS)
    packet = _TAGS_MAGIC + struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<I", len(MARKS)) + comments
    return OggPage(0, 0, serial, 1, bytes([len(packet)]), packet)  # shorter than 255 bytes: one segment


def _measured(pages: Sequence[OggPage]) -> tuple[list[int], int]:
    """The size of each packet, and how many samples they have, those at the end that the last page takes away not counted."""
    sizes: list[int] = []
    total, begin, before = 0, 0, 0
    packet = bytearray()
    for page in pages:
        if bool(page.flags & _CONTINUED) != bool(packet):
            _refuse("a packet of it is missing", DamagedSoundError)
        at, on_page, has_end = 0, 0, False
        for segment in page.segments:
            packet += page.body[at : at + segment]
            at += segment
            if segment < _LACED:
                on_page += _samples(packet)
                sizes.append(len(packet))
                has_end = True
                packet.clear()
        if not has_end and page.granule == _NO_PACKET_ENDS:
            continue
        if not total and not page.is_last:
            begin = page.granule - on_page  # of a stream that was recorded from its middle, not 0
        total += on_page
        heard = page.granule - begin
        if begin < 0 or heard > total or heard < (before if page.is_last else total):
            _refuse("its times are wrong")
        before = heard
    if packet or not sizes:
        _refuse("it is cut off", DamagedSoundError)
    return sizes, before


def _samples(packet: bytearray) -> int:
    """How many samples a packet has, by its first two bytes."""
    if not packet:
        _refuse("a packet of it is empty")
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < _FIRST_HYBRID:
        frame = _SILK[configuration & 3]
    elif configuration < _FIRST_CELT:
        frame = _HYBRID[configuration & 1]
    else:
        frame = _CELT[configuration & 3]
    if code < 3:  # noqa: PLR2004  one frame, or two of them
        return frame * (1 if code == 0 else 2)
    frames = packet[1] & 0x3F if len(packet) > 1 else 0
    if not 0 < frames * frame <= _LONGEST_PACKET:
        _refuse("a packet of it is none")
    return frames * frame
