"""Sound files by their first bytes: what kind a recording is, what its file is called, and how long one with Opus says it is.

Sources: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg), RFC 9559 (Matroska), ISO/IEC 14496-12 (MP4), RFC 9639 (FLAC), RFC 4867 (AMR).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_OPUS_HZ = 48_000
_OPUS_HEAD, _HEAD_BYTES = b"OpusHead", 512
_GRANULE_AT, _PAGE_HEAD_BYTES = 6, 27
_SYNC, _LAYER_BITS, _ADTS_LAYER, _LAYER_1 = 0xE0, 0x06, 0, 0x06
"""Of the two bytes that a frame of MPEG audio begins with: eleven set bits, and the layer, which AAC's frames say is none. Nobody has files of
layer I; text in UTF-16 begins like one."""


@dataclass(frozen=True, slots=True)
class SoundKind:
    """How a kind of file is named: for servers that tell it by name and type, and for the decoder, which never guesses."""

    suffix: str
    mime: str
    demuxer: str
    """FFmpeg's name. Guessing would also find playlists, which name files and addresses to open."""


OGG = SoundKind(".ogg", "audio/ogg", "ogg")
_WAV = SoundKind(".wav", "audio/wav", "wav")
_FLAC = SoundKind(".flac", "audio/flac", "flac")
_MP3 = SoundKind(".mp3", "audio/mpeg", "mp3")
_AAC = SoundKind(".aac", "audio/aac", "aac")
_AMR = SoundKind(".amr", "audio/amr", "amr")
_M4A = SoundKind(".m4a", "audio/mp4", "mov")
_MP4 = SoundKind(".mp4", "video/mp4", "mov")
_WEBM = SoundKind(".webm", "audio/webm", "matroska")


def kind_of(data: bytes) -> SoundKind | None:
    """What kind of file `data` is by its bytes, whatever anybody calls it; None for what is no sound that we know."""
    match data[:4]:
        case b"OggS":
            return OGG
        case b"RIFF" if data[8:12] == b"WAVE":
            return _WAV
        case b"fLaC":
            return _FLAC
        case b"\x1a\x45\xdf\xa3":
            return _WEBM
        case b"#!AM":
            return _AMR
        case _:
            pass
    if data[4:8] == b"ftyp":
        return _M4A if data[8:11] == b"M4A" else _MP4
    if data[:3] == b"ID3":
        return _MP3
    if len(data) > 1 and data[0] == 0xFF and data[1] & _SYNC == _SYNC and data[1] & _LAYER_BITS != _LAYER_1:  # noqa: PLR2004  the sync word's first byte
        return _AAC if data[1] & _LAYER_BITS == _ADTS_LAYER else _MP3
    return None


def speakable(data: bytes) -> SoundKind | None:
    """The kind of a file that can be sent as a voice note, or be made one: Ogg, WAV, MP3 or FLAC. None for any other.

    Never asked of a name or a header: servers say `audio/mpeg` of whatever they send.
    """
    kind = kind_of(data)
    return kind if kind in {OGG, _WAV, _MP3, _FLAC} else None


def opus_seconds(data: bytes) -> float | None:
    """How long a file of Ogg with Opus says that it is, by the position of its last page; None for any other, and for one that is cut."""
    head = data.find(_OPUS_HEAD, 0, _HEAD_BYTES)
    last = data.rfind(b"OggS")
    if kind_of(data) is not OGG or head < 0 or last < 1 or last + _PAGE_HEAD_BYTES > len(data) or head + 12 > len(data):
        return None
    (skipped,) = struct.unpack_from("<H", data, head + 10)
    (position,) = struct.unpack_from("<q", data, last + _GRANULE_AT)
    return max(0, position - skipped) / _OPUS_HZ if position > 0 else None
