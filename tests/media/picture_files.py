"""Picture files of every kind, built in code. Each is made when it is asked for."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, TiffImagePlugin

Make = Callable[[], bytes]

SECRET = b"hunter2-secret"
"""In every metadata that a file can have: no copy may contain it."""
LATITUDE, ORIENTATION, GPS_IFD, MAKE = 2, 0x0112, 0x8825, 0x010F
RED, GREEN, BLUE, WHITE, YELLOW = (220, 20, 20), (20, 180, 20), (20, 20, 220), (255, 255, 255), (230, 220, 30)
GREY = (128, 128, 128)
CORNERS = (RED, GREEN, BLUE, YELLOW)
"""Top left, top right, bottom left, bottom right."""


def corners(width: int = 96, height: int = 64) -> Image.Image:
    """A picture whose corners say which way up it is."""
    image = Image.new("RGB", (2, 2))
    image.putdata(list(CORNERS))
    return image.resize((width, height), Image.Resampling.NEAREST)


def seen_corners(image: Image.Image) -> list[tuple[int, int, int]]:
    """The named colour that each quarter's middle is nearest to."""
    named = (*CORNERS, WHITE, (0, 0, 0), GREY)
    width, height = image.size
    places = [(width * x // 4, height * y // 4) for y in (1, 3) for x in (1, 3)]
    pixels = [image.convert("RGB").getpixel(place) for place in places]
    return [min(named, key=lambda colour: sum((a - b) ** 2 for a, b in zip(colour, pixel, strict=True))) for pixel in pixels]  # type: ignore[arg-type]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int = 1) -> bytes:
    """A place, a maker's name, an orientation."""
    found = Image.Exif()
    found[ORIENTATION] = orientation
    found[MAKE] = SECRET.decode()
    rationals = tuple(TiffImagePlugin.IFDRational(number, 1) for number in (48, 8, 12))
    found.get_ifd(GPS_IFD)[LATITUDE] = rationals
    found.get_ifd(GPS_IFD)[1] = "N"
    return found.tobytes()


def with_metadata(kind: str, orientation: int = 1) -> bytes:
    """Everything that `kind` can say beside its pixels."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>' + SECRET + b"</a></x:xmpmeta>"
    options: dict[str, Any] = {"exif": exif(orientation)}
    if kind == "JPEG":
        options |= {"comment": SECRET, "xmp": xmp, "icc_profile": b"\0" * 128 + SECRET, "quality": 95}
    if kind == "WEBP":
        options |= {"xmp": xmp, "icc_profile": b"\0" * 128 + SECRET, "lossless": True}
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_text("GPS", SECRET.decode(), zip=True)
        options |= {"pnginfo": text}
    if kind == "GIF":
        options = {"comment": SECRET}
    return encoded(corners(), kind, **options)


def transparent(mode: str) -> Image.Image:
    """Red on the left, nothing on the right, where the hidden colour is black."""
    image = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 48, 64))
    if mode == "P":
        return image.convert("P")
    return image.convert(mode)


def palette_with_transparency() -> bytes:
    image = Image.new("P", (96, 64), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (0, 0, 48, 64))
    return encoded(image, "PNG", transparency=0)


def animation(kind: str, frames: int = 9) -> bytes:
    """Frame by frame another colour: at one third it is green, before red, after blue."""
    third = frames // 3
    images = [Image.new("RGB", (64, 64), GREEN if number == third else RED if number < third else BLUE) for number in range(frames)]
    images = [image.transpose(Image.Transpose.ROTATE_90) for image in images]
    for number, image in enumerate(images):  # frames that are all alike are merged
        image.putpixel((0, 0), (number, number, number))
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(images[0], kind, save_all=True, append_images=images[1:], duration=50, loop=0, **options)


def encoded_frames(kind: str, size: tuple[int, int], frames: int) -> bytes:
    """So many frames, each of them new everywhere."""
    images = [Image.radial_gradient("L").rotate(number * 7).resize(size) for number in range(frames)]
    options: dict[str, Any] = {"WEBP": {"quality": 30, "method": 0}, "AVIF": {"speed": 10}}.get(kind, {})
    return encoded(images[0], kind, save_all=True, append_images=images[1:], duration=50, **options)


def mpo() -> bytes:
    return encoded(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), BLUE)])


def padded_mpo() -> bytes:
    first, second = encoded(corners(), "JPEG", quality=95), encoded(Image.new("RGB", (96, 64), BLUE), "JPEG")
    return first + b"\0" + second


def jpeg(**options: Any) -> bytes:
    return encoded(corners(), "JPEG", **{"quality": 95, **options})


def samsung() -> bytes:
    """A trailer as Samsung's phones write: blocks, a directory, its length."""
    block = b"\x00\x00\x30\x0aImage_UTC_Data1612345678901"
    directory = b"SEFH" + struct.pack("<III", 107, 1, 0x0A300000) + struct.pack("<II", len(block), len(block))
    return jpeg() + block + directory + struct.pack("<I", len(directory)) + b"SEFT"


def motion_photo() -> bytes:
    return jpeg() + b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00\x00\x10\x00mdat" + SECRET * 300


def jpeg_and_zip() -> bytes:
    file = io.BytesIO(jpeg())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("evil.js", SECRET)
    return file.getvalue()


def png_and_html() -> bytes:
    return encoded(corners(), "PNG") + b"<script>" + SECRET + b"</script>"


def cmyk(*, adobe: bool) -> bytes:
    """Red as ink. Adobe's are inverted, and say so in a segment of their own; Pillow writes them so."""
    data = encoded(Image.new("CMYK", (96, 64), (10, 240, 240, 0)), "JPEG", quality=95)
    if adobe:
        return data
    start = data.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", data, start + 2)
    return data[:start] + data[start + 2 + length :]


def sixteen_bits() -> bytes:
    """Light on the left, dark on the right."""
    row = struct.pack("<96H", *[0xE000] * 48, *[0x2000] * 48)
    return encoded(Image.frombytes("I;16", (96, 64), row * 64), "PNG")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, pixels: bytes | None = None) -> bytes:
    """A PNG that says it is so large; what it has of pixels is another matter."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    rows = zlib.compress(b"\0" * 1000) if pixels is None else pixels
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """So many zero bytes, compressed."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()


def gif_of_frames(frames: int, width: int = 2, height: int = 2) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes((*RED, *BLUE))
    frame = b"\x21\xf9\x04\x04\x05\x00\x00\x00," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return screen + frame * frames + b";"


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is so large and whose only frame is 96 by 64."""
    lossy = encoded(corners(), "WEBP", quality=80)[12:]
    extended = (
        b"VP8X" + struct.pack("<I", 10) + b"\x00\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    body = b"WEBP" + extended + lossy
    return b"RIFF" + struct.pack("<I", len(body)) + body


def apng_of_frames(frames: int) -> bytes:
    """Its counter says so many; it has one."""
    return png(16, 16, png_chunk(b"acTL", struct.pack(">II", frames, 0)), pixels=zlib.compress(bytes(16 * 49)))


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header says that it is larger."""
    data = bytearray(jpeg())
    place = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, place + 5, height, width)
    return bytes(data)


def progressive_scans(scans: int) -> bytes:
    """A large progressive JPEG whose last scan comes again and again."""
    data = encoded(Image.new("L", (6000, 6000), 90), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + b"\xff\xd9"


def tiff() -> bytes:
    return encoded(corners(), "TIFF")
