"""How long is a sound? Pure: Ogg, MP3, ADTS and AMR are walked packet by packet, so that the length is counted and not believed.

Sources: RFC 3533, RFC 7845 and RFC 6716 (Ogg, Opus), ISO 11172-3 and 13818-3 (MP3), ISO 13818-7 (ADTS), RFC 4867 (AMR).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from secondme.core.media.shape import MISMATCH, Enough, Shape, need

_OPUS_RATE = 48_000
_AMR_FRAME_S = 0.02
_AMR = (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0)
_AMR_WIDE = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
_MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_LOW = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES = (44_100, 48_000, 32_000)
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_LACE = 255
_MOST_PACKETS = 400_000
"""Ten minutes of the shortest that there are, 2.5 ms, are 240,000."""
_OGG_HEADS = 2
"""Packets before the first sound. Vorbis has a third, which lasts no longer than a sound."""


def ogg(data: bytes, enough: Enough) -> Shape:
    """One Opus or Vorbis stream. The longer of what its clock says and what its packets last."""
    place, packets, last, counted, inside = 0, 0, 0, 0.0, False
    serial, head = data[14:18], _OggHead(0, 0, 0.0)
    while place < len(data):
        need(data[place : place + 5] == b"OggS\0", MISMATCH)
        need(place + 27 <= len(data) and data[place + 14 : place + 18] == serial)
        (granule,) = struct.unpack_from("<q", data, place + 6)
        need(granule >= -1)
        segments = data[place + 27 : place + 27 + data[place + 26]]
        place += 27 + data[place + 26]
        need(place + sum(segments) <= len(data))
        for size in segments:
            if not inside:
                if packets == 0:
                    head = _ogg_head(data[place : place + size])
                elif packets >= _OGG_HEADS and size:
                    counted += head.packet_s or _opus_s(data[place], data[place + 1] if size > 1 else 0)
                packets += 1
                need(packets <= _MOST_PACKETS)
            inside = size == _LACE
            place += size
        last = max(last, granule)
        if head.rate and max(counted, (last - head.skip) / head.rate) > enough.seconds:
            break
    need(packets > _OGG_HEADS)
    seconds = max(counted, (last - head.skip) / head.rate)
    need(seconds > 0)
    return Shape("audio", "audio/ogg", duration_s=seconds)


@dataclass(frozen=True, slots=True)
class _OggHead:
    rate: int
    """Ticks per second."""
    skip: int
    """Ticks before the sound."""
    packet_s: float
    """The least that one packet lasts; zero when each says it itself."""


def _ogg_head(packet: bytes) -> _OggHead:
    """What the first packet says about the others."""
    if packet.startswith(b"OpusHead"):
        need(len(packet) >= 19)  # noqa: PLR2004  RFC 7845, 5.1
        return _OggHead(_OPUS_RATE, struct.unpack_from("<H", packet, 10)[0], 0.0)
    need(packet.startswith(b"\x01vorbis") and len(packet) >= 30)  # noqa: PLR2004  the identification header
    (rate,) = struct.unpack_from("<I", packet, 12)
    need(8_000 <= rate <= 192_000)  # noqa: PLR2004  what microphones do
    return _OggHead(rate, 0, (1 << (packet[28] & 0xF)) / 4 / rate)


def _opus_s(toc: int, count: int) -> float:
    """How long one packet lasts (RFC 6716, 3.1)."""
    config = toc >> 3
    if config < 12:  # noqa: PLR2004  SILK
        frame_ms = (10.0, 20.0, 40.0, 60.0)[config & 3]
    elif config < 16:  # noqa: PLR2004  hybrid
        frame_ms = (10.0, 20.0)[config & 1]
    else:
        frame_ms = (2.5, 5.0, 10.0, 20.0)[config & 3]
    frames = (1, 2, 2, count & 0x3F)[toc & 3]
    return min(120.0, frame_ms * frames) / 1000


def mp3(data: bytes, enough: Enough) -> Shape:
    """MPEG layer 3, behind a tag or not."""
    place, end, counted, frames = 0, len(data), 0.0, 0
    if data.startswith(b"ID3"):
        need(len(data) > 10 and max(data[6:10]) < 0x80)  # noqa: PLR2004  four times seven bits
        place = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]) + (10 if data[5] & 0x10 else 0)
    if data[-128:-125] == b"TAG":
        end -= 128
    while place < end and data[place] == 0:
        place += 1
    while place + 4 <= end:
        size, seconds = _mp3_frame(data[place : place + 4])
        place += size
        counted += seconds
        frames += 1
        if counted > enough.seconds:
            break
    need(frames > 1)
    return Shape("audio", "audio/mpeg", duration_s=counted)


def _mp3_frame(head: bytes) -> tuple[int, float]:
    """How many bytes one frame has, and how long it lasts."""
    version, layer, rate, index = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 2 & 3, head[2] >> 4
    need(head[0] == 0xFF and head[1] >= 0xE0 and layer == 1 and version != 1, MISMATCH)  # noqa: PLR2004  in step
    need(rate < len(_MP3_RATES) and 0 < index < len(_MP3_KBPS))
    hertz = _MP3_RATES[rate] >> (0 if version == 3 else 1 if version == 2 else 2)  # noqa: PLR2004  MPEG 1, 2, 2.5
    kbps, factor, samples = (_MP3_KBPS[index], 144, 1152) if version == 3 else (_MP3_KBPS_LOW[index], 72, 576)  # noqa: PLR2004
    return factor * kbps * 1000 // hertz + (head[2] >> 1 & 1), samples / hertz


def adts(data: bytes, enough: Enough) -> Shape:
    """AAC as a bare stream."""
    place, counted, frames = 0, 0.0, 0
    while place + 7 <= len(data):
        need(data[place] == 0xFF and data[place + 1] & 0xF6 == 0xF0, MISMATCH)  # noqa: PLR2004  in step
        rate = data[place + 2] >> 2 & 0xF
        size = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
        need(size >= 7 and rate < len(_AAC_RATES))  # noqa: PLR2004  the header itself
        counted += 1024 * ((data[place + 6] & 3) + 1) / _AAC_RATES[rate]
        place += size
        frames += 1
        if counted > enough.seconds:
            break
    need(frames > 1)
    return Shape("audio", "audio/aac", duration_s=counted)


def amr(data: bytes, enough: Enough) -> Shape:
    """AMR, narrow or wide."""
    wide = data.startswith(b"#!AMR-WB\n")
    sizes, place, frames = (_AMR_WIDE, 9, 0) if wide else (_AMR, 6, 0)
    while place < len(data):
        need(data[place] & 0x83 == 0, MISMATCH)  # the padding bits
        place += 1 + sizes[data[place] >> 3 & 0xF]
        frames += 1
        if frames * _AMR_FRAME_S > enough.seconds:
            break
    need(frames)
    return Shape("audio", "audio/amr", duration_s=frames * _AMR_FRAME_S)
