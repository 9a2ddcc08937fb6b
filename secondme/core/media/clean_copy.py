"""The child that makes a clean copy of a picture: anything on standard input, a JPEG of our own or the code of a refusal on standard output.

Nothing of the file survives but what the picture shows: the copy is drawn anew, and a new drawing has no metadata. Colour profiles are
dropped unread, for a reader of them is one more to attack: saturated colours come out a little paler. A truncated picture is refused, even
when most of it is there: grey where a face should be would be described as if it had been sent. Only what is behind the last pixel may be
missing, and an animation its end.
"""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from PIL import Image

from secondme.core.media.confinement import DONE, answer, confine, receive

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

UNREADABLE, TOO_LARGE = "picture_unreadable", "picture_too_large"
NEEDS_HEIC, NOT_SUPPORTED = "picture_needs_heic", "picture_not_supported"
_MEMORY_BYTES, _CPU_S = 256 << 20, 6
"""Address space, and ten times the time that 48 megapixels take."""
_MORE = {"webp": (384 << 20, _CPU_S), "avif": (384 << 20, _CPU_S), "heic": (768 << 20, 15)}
"""For decoders that hold several copies of the picture: a photo of 48 megapixels takes 660 MB as HEIC, 385 of them really, and two seconds; one
of a camera with ten bits a sample 3.6."""
_PIXELS, _MOST_PIXELS = 40_000_000, {"jpeg": 120_000_000, "heic": 50_000_000}
"""A JPEG is made smaller while it is decoded; everything else is decoded whole first."""
_ANIMATION_PIXELS = 30_000_000
"""Of all frames before the one that is taken: each is drawn upon those before it."""
_MOST_FRAMES = 2_000
"""Of a GIF, where they are counted one by one."""
_BAND_PIXELS = 1_000_000
_QUALITIES = (85, 70, 50, 30)
_MOST_BYTES = 3_000_000
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation (CIPA DC-008, 4.6.5): what turns the picture upright."""
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_READERS = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "heic": ("pillow_heif", "HeifImageFile"),
}
"""By kind: who reads it. Asked by name, so that no other reader of the library can be reached, and none that a second picture in a file asks for."""
_NEEDED_LATER = ("copy", "PIL.ImageColor", "PIL.ImagePalette", "PIL.TiffImagePlugin")
"""What the library imports when a picture asks for it, which is too late."""


class RefusedPictureError(Exception):
    """There will be no copy of this file. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def main() -> None:
    """Copy the picture on standard input. Its longest edge is the last argument."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = _PIXELS // 2  # asked by the reader of WebP only, which takes twice as many; ours are applied to all
    Image.preinit()
    for name in _NEEDED_LATER:
        importlib.import_module(name)
    data = receive()
    try:
        kind = kind_of(data)
        reader = _reader(kind)
        confine(*_MORE.get(kind, (_MEMORY_BYTES, _CPU_S)), with_threads=kind == "heic")
        answer(DONE, _copy(reader, kind, data, int(sys.argv[-1])))
    except RefusedPictureError as error:
        answer(error.code)
    except (MemoryError, Image.DecompressionBombError):
        answer(TOO_LARGE)
    except Exception:  # noqa: BLE001  whatever a decoder thinks of it
        answer(UNREADABLE)


def kind_of(data: bytes) -> str:
    """What the first bytes say it is. Raises RefusedPictureError when that is nothing we read."""
    for kind, magic in (("jpeg", b"\xff\xd8\xff"), ("png", b"\x89PNG\r\n\x1a\n"), ("gif", b"GIF87a"), ("gif", b"GIF89a")):
        if data.startswith(magic):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        size = min(int.from_bytes(data[:4]), 256)
        brands = {data[8:12], *(data[place : place + 4] for place in range(16, size, 4))}
        if brands & _AVIF_BRANDS:
            return "avif"
        if brands & _HEIC_BRANDS:
            return "heic"
    raise RefusedPictureError(NOT_SUPPORTED)


def _reader(kind: str) -> type[ImageFile]:
    """Its reader, imported. Raises RefusedPictureError when it is not installed."""
    module, name = _READERS[kind]
    if find_spec(module) is None:
        raise RefusedPictureError(NEEDS_HEIC)
    found: Any = importlib.import_module(module)
    if not getattr(found, "SUPPORTED", True):  # the library can be built without
        raise RefusedPictureError(NOT_SUPPORTED)
    if kind == "heic":
        found.options.DECODE_THREADS = 1
    if kind == "avif":
        found.DEFAULT_MAX_THREADS = 1
    reader: type[ImageFile] = getattr(found, name)
    return reader


def _copy(reader: type[ImageFile], kind: str, data: bytes, edge: int) -> bytes:
    """The JPEG. Raises RefusedPictureError, or whatever the decoder raises."""
    image = reader(io.BytesIO(data))
    width, height = image.size
    if width * height > _MOST_PIXELS.get(kind, _PIXELS) or _coefficient_bytes(image) > _MEMORY_BYTES:
        raise RefusedPictureError(TOO_LARGE)
    if kind == "jpeg" and max(width, height) > edge:
        share = edge / max(width, height)
        image.draft(None, (max(1, round(width * share)), max(1, round(height * share))))
    if wanted := _wanted_frame(image, kind, data):
        try:
            image.seek(wanted)
            image.load()
        except (EOFError, OSError, SyntaxError, ValueError):  # it has fewer than it says, or not all are whole
            image = reader(io.BytesIO(data))
    image.load()
    upright = _TURNS.get(_orientation(image))
    copy = _shrunk(image, edge)
    return _encoded(copy if upright is None else copy.transpose(upright))


def _coefficient_bytes(image: ImageFile) -> int:
    """What a progressive JPEG takes while it is decoded, whatever the size of the result: two bytes for each sample of each component."""
    layers = getattr(image, "layer", [])
    if not layers or "progressive" not in image.info:
        return 0
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    samples = sum(layer[1] * layer[2] for layer in layers) / max(1, across * down)
    return int(2 * image.width * image.height * samples)


def _wanted_frame(image: ImageFile, kind: str, data: bytes) -> int:
    """Of an animation the one at one third: the first is often empty, the last a title. Of a HEIC, whose pictures are no frames, its first."""
    if kind == "heic" or (kind == "gif" and data.count(b"\0,") > _MOST_FRAMES):  # what every frame but the first begins with
        return 0
    return min(int(getattr(image, "n_frames", 1)) // 3, _ANIMATION_PIXELS // max(1, image.width * image.height))


def _orientation(image: Image.Image) -> int:
    """1 when there is none, or none that can be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  damaged metadata is no reason to refuse a picture
        return 1


def _shrunk(image: Image.Image, edge: int) -> Image.Image:
    """In RGB on white, its longest edge at most `edge`. Band by band, so that no second picture of full size is ever in memory."""
    width, height = image.size
    factor = max(1, max(width, height) * 2 // (edge * 3))  # the rest is done by a better filter
    rows = factor * max(1, _BAND_PIXELS // (width * factor))
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        band = _on_white(image.crop((0, top, width, min(height, top + rows))))
        small.paste(band.reduce(factor), (0, top // factor))
    share = min(1.0, edge / max(width, height))
    size = max(1, round(width * share)), max(1, round(height * share))
    return small.resize(size, Image.Resampling.LANCZOS, (0, 0, width / factor, height / factor))


def _on_white(band: Image.Image) -> Image.Image:
    if band.mode.startswith("I"):  # 16 bits a pixel; wider ones have no file among those we read
        return band.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if band.has_transparency_data:
        band = band.convert("RGBA")
        white = Image.new("RGB", band.size, "white")
        white.paste(band, mask=band.getchannel("A"))
        return white
    return band.convert("RGB")


def _encoded(picture: Image.Image) -> bytes:
    """As JPEG, the coarser the more there is in it: a model takes no file of any size."""
    file = io.BytesIO()
    for quality in _QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= _MOST_BYTES:
            break
    return file.getvalue()
