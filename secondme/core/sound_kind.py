"""What kind of sound file some bytes are. Never asked of a name or a header: servers say `audio/mpeg` of whatever they send."""

_KINDS = ((b"OggS", "ogg"), (b"ID3", "mp3"), (b"fLaC", "flac"))
_SYNC, _LAYER_3 = 0xFF, {0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3}
"""The first byte of a frame of MPEG audio, and its second for layer III: MPEG 1, 2 and 2.5, with and without a checksum."""


def sound_kind(data: bytes) -> str:
    """`ogg`, `mp3`, `wav` or `flac`; empty for anything else. Only its beginning is looked at."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if len(data) > 1 and data[0] == _SYNC and data[1] in _LAYER_3:
        return "mp3"
    return next((kind for magic, kind in _KINDS if data.startswith(magic)), "")
