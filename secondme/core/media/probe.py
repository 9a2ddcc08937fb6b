"""The child that reads a stranger's file: bytes on stdin, one line of JSON on stdout, and nothing else is possible.

`python -I -m secondme.core.media.probe SECONDS PIXELS`. It bounds itself before it reads: memory, processor time, no file written, none opened.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

from secondme.core.media import boxes, pictures, sounds
from secondme.core.media.shape import MISMATCH, UNREADABLE, Enough, Shape, TurnedDownError, need

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_BYTES = 512 * 1024 * 1024
_CPU_S = 2
_INPUT_BYTES = 64 * 1024 * 1024
"""More than anybody hands in; the parent counts."""
_ZIP_END, _ZIP_END_BYTES, _ZIP_COMMENT = b"PK\x05\x06", 22, 65_535
_PDF_WITHIN = 1024
"""Where readers of PDF look for its beginning."""
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}


def look(data: bytes, enough: Enough) -> Shape:
    """The shape of the one known thing that `data` is. Raises TurnedDownError."""
    need(data)
    reader = _reader(data)
    need(reader is not None and not _is_archive(data) and b"%PDF-" not in data[:_PDF_WITHIN], MISMATCH)
    assert reader is not None
    try:
        return reader(data, enough)
    except (struct.error, IndexError):  # cut off in the middle of something
        raise TurnedDownError from None


def _reader(data: bytes) -> Callable[[bytes, Enough], Shape] | None:
    """Who knows a file that begins like this."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return pictures.webp
    if data[4:8] == b"ftyp":
        return boxes.mp4
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:  # noqa: PLR2004  ADTS: the layer is zero
        return sounds.adts
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:  # noqa: PLR2004  MPEG layer 3
        return sounds.mp3
    known: dict[bytes, Callable[[bytes, Enough], Shape]] = {
        b"\x89PNG\r\n\x1a\n": pictures.png,
        b"\xff\xd8\xff": pictures.jpeg,
        b"GIF87a": pictures.gif,
        b"GIF89a": pictures.gif,
        b"OggS": sounds.ogg,
        b"ID3": sounds.mp3,
        b"#!AMR\n": sounds.amr,
        b"#!AMR-WB\n": sounds.amr,
    }
    return next((reader for magic, reader in known.items() if data.startswith(magic)), None)


def _is_archive(data: bytes) -> bool:
    """True when a reader of archives would find one at the end, whatever stands before it."""
    tail = data[-(_ZIP_END_BYTES + _ZIP_COMMENT) :]
    place = tail.rfind(_ZIP_END)
    if place < 0 or place + _ZIP_END_BYTES > len(tail):
        return False
    comment = int.from_bytes(tail[place + 20 : place + 22], "little")
    return place + _ZIP_END_BYTES + comment <= len(tail)


def agree(data: bytes, shape: Shape) -> None:
    """Nothing when a second reader sees the same picture. Raises TurnedDownError: two readers that disagree are two files in one."""
    from PIL import Image  # noqa: PLC0415  after the limits are set

    Image.MAX_IMAGE_PIXELS = None  # our own limit was applied
    warnings.simplefilter("ignore")
    with Image.open(io.BytesIO(data), formats=(_FORMATS[shape.mime],)) as picture:  # the header only
        need(picture.size == (shape.width, shape.height), MISMATCH)


def _load() -> None:
    """Everything of the second reader that can be needed is in memory: no file can be opened later."""
    from PIL import Image, MpoImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415  MPO: a JPEG with previews behind it

    Image.preinit()


def main() -> None:
    """Look at stdin and say what is there."""
    for limit, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):
            if (
                sys.platform != "darwin"
            ):  # macOS cannot bound memory this way; the pixel limit was applied before anything is decoded
                raise
    enough = Enough(pixels=int(sys.argv[2]), seconds=float(sys.argv[1]))
    _load()
    data = sys.stdin.buffer.read(_INPUT_BYTES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    try:
        shape = look(data, enough)
        if shape.family == "image" and shape.pixels <= enough.pixels:
            agree(data, shape)
        said = asdict(shape)
    except TurnedDownError as error:
        said = {"code": error.code}
    except Exception:  # noqa: BLE001  whatever the library thinks of it
        said = {"code": UNREADABLE}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
