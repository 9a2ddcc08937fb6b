"""Files for the media tests: harmless ones of every kind, and bombs. Pictures come from Pillow, sounds are put together by hand."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

from PIL import Image

MB = 1024 * 1024
SIZE = (64, 48)


def picture(kind: str, size: tuple[int, int] = SIZE, frames: int = 1, **options: object) -> bytes:
    """A picture as a program would write it."""
    shots = [Image.new("RGB", size, (number * 20 % 256, 99, 200)) for number in range(frames)]
    out = io.BytesIO()
    more = {"save_all": True, "append_images": shots[1:]} if frames > 1 else {}
    shots[0].save(out, kind, **more, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, tail: bytes = b"") -> bytes:
    """A PNG whose pixels are one row, whatever it claims."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND") + tail


def jpeg(width: int, height: int) -> bytes:
    """A real JPEG with another size written into its frame header."""
    raw = bytearray(picture("JPEG"))
    place = raw.index(b"\xff\xc0")
    struct.pack_into(">HH", raw, place + 5, height, width)
    return bytes(raw)


def gif(width: int, height: int, frames: int, *, tail: bytes = b"") -> bytes:
    """A GIF of many tiny frames on one screen."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0" * 6 + frame * frames + b"\x3b" + tail


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for kind, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int) -> tuple[bytes, bytes]:
    """A WebP's canvas."""
    return b"VP8X", b"\x02\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def page(number: int, granule: int, *packets: bytes, serial: int = 7, flags: int = 0) -> bytes:
    """One page of an Ogg stream; every packet ends in it."""
    table = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qIIIB", granule, serial, number, 0, len(table))
    return head + table + b"".join(packets)


OPUS_HEAD = b"OpusHead\x01\x01" + struct.pack("<HIhB", 312, 48_000, 0, 0)


def opus(seconds: float, *, granule: int | None = None, toc: int = 0x08, serials: tuple[int, ...] = (7,)) -> bytes:
    """A voice message of 20 ms packets."""
    count = int(seconds * 50)
    pages = [page(0, 0, OPUS_HEAD, flags=2), page(1, 0, b"OpusTags" + b"\0" * 8)]
    for number, start in enumerate(range(0, count, 50), 2):
        packets = [bytes([toc]) + b"x" * 40] * min(50, count - start)
        end = 312 + (start + len(packets)) * 960 if granule is None else granule
        pages.append(page(number, end, *packets, serial=serials[number % len(serials)]))
    return b"".join(pages)


def mp3(seconds: float, *, tag: bytes = b"") -> bytes:
    """Silence of 128 kbit/s frames at 44.1 kHz."""
    return tag + (b"\xff\xfb\x90\x00" + b"\0" * 413) * round(seconds * 44_100 / 1152)


def adts(seconds: float) -> bytes:
    """AAC frames of 100 bytes at 44.1 kHz."""
    size = 100
    head = bytes([0xFF, 0xF1, 0x50, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
    return (head + b"\0" * (size - 7)) * round(seconds * 44_100 / 1024)


def amr(seconds: float) -> bytes:
    """AMR frames of 12.2 kbit/s."""
    return b"#!AMR\n" + (b"\x3c" + b"\0" * 31) * round(seconds * 50)


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box of an MP4 file."""
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + kind + content


def movie(
    seconds: float, *, kind: bytes = b"soun", size: tuple[int, int] = (640, 480), samples: int | None = None, each: int = 20
) -> bytes:
    """An M4A (`soun`) or MP4 (`vide`) file; `samples` and `each` (ms) are what its table says."""
    scale = 1000
    clock = struct.pack(">IIIII", 0, 0, 0, scale, round(seconds * scale))
    count = round(seconds * 1000 / each) if samples is None and each else samples or 0
    entry = box(b"avc1", b"\0" * 24, struct.pack(">HH", *size), b"\0" * 50) if kind == b"vide" else box(b"mp4a", b"\0" * 28)
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        box(b"stts", struct.pack(">IIII", 0, 1, count, each)),
    )
    media = box(b"mdia", box(b"mdhd", clock, b"\0" * 4), box(b"hdlr", b"\0" * 8, kind, b"\0" * 13), box(b"minf", table))
    return (
        box(b"ftyp", b"M4A \0\0\0\0")
        + box(b"mdat", b"\0" * 100)
        + box(b"moov", box(b"mvhd", clock, b"\0" * 80), box(b"trak", media))
    )


def archive(*, size: int = MB) -> bytes:
    """A zip whose one file is far larger than it looks."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bomb", b"\0" * size)
    return out.getvalue()


HARMLESS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("image", lambda: picture("PNG")),
    "animated png": ("image", lambda: picture("PNG", frames=5)),
    "jpeg": ("image", lambda: picture("JPEG")),
    "progressive jpeg": ("image", lambda: picture("JPEG", size=(400, 300), progressive=True, quality=95)),
    "jpeg with previews": ("image", lambda: picture("MPO", frames=3)),
    "jpeg of 39 megapixels": ("image", lambda: picture("JPEG", size=(7800, 5000))),
    "gif": ("image", lambda: picture("GIF")),
    "animated gif": ("image", lambda: picture("GIF", frames=9)),
    "webp": ("image", lambda: picture("WEBP")),
    "lossless webp": ("image", lambda: picture("WEBP", lossless=True)),
    "animated webp": ("image", lambda: picture("WEBP", frames=9)),
    "webp of 39 megapixels": ("image", lambda: picture("WEBP", size=(7800, 5000), method=0)),
    "voice": ("audio", lambda: opus(12)),
    "mp3": ("audio", lambda: mp3(30)),
    "mp3 behind a tag": ("audio", lambda: mp3(30, tag=b"ID3\x04\0\0\0\0\x02\0" + b"\0" * 256)),
    "aac": ("audio", lambda: adts(20)),
    "amr": ("audio", lambda: amr(20)),
    "m4a": ("audio", lambda: movie(45)),
    "mp4": ("video", lambda: movie(45, kind=b"vide", each=40)),
}


def _nested(depth: int, kind: bytes = b"moov") -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(kind, inner)
    return inner


def _claims(claimed: float, **facts: int) -> bytes:
    return movie(claimed, **facts)  # type: ignore[arg-type]


def bombs() -> Iterator[tuple[str, str, str, Callable[[], bytes]]]:  # noqa: PLR0915  a table
    """Name, the family it claims, the code it must be refused with, and how to make it."""
    large, long, bad, other = "media_too_many_pixels", "media_too_long", "media_unreadable", "media_mismatch"
    ftyp = box(b"ftyp", b"M4A \0\0\0\0")
    zeros = zlib.compress(b"\0" * 64 * MB, 9)
    yield "png of 2^31 by 2^31", "image", large, lambda: png(2**31 - 1, 2**31 - 1)
    yield "png of 50,000 by 50,000", "image", large, lambda: png(50_000, 50_000)
    yield "png of 40 million and one", "image", large, lambda: png(40_000_001, 1)
    yield "png without width", "image", bad, lambda: png(0, 10)
    yield "png with a zTXt bomb", "image", bad, lambda: png(9, 9, chunk(b"zTXt", b"a\0\0" + zeros))
    yield "png with an iTXt bomb", "image", bad, lambda: png(9, 9, chunk(b"iTXt", b"a\0\x01\0en\0a\0" + zeros))
    yield "png with an iCCP bomb", "image", bad, lambda: png(9, 9, chunk(b"iCCP", b"a\0\0" + zeros))
    yield (
        "png with 200 zTXt bombs",
        "image",
        bad,
        lambda: png(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 900_000)) * 200),
    )
    yield "png of a million frames", "image", large, lambda: png(100, 100, chunk(b"acTL", struct.pack(">II", 1_000_000, 0)))
    yield "png of 5,000 tiny frames", "image", bad, lambda: png(1, 1, chunk(b"acTL", struct.pack(">II", 5_000, 0)))
    yield "png of a million chunks", "image", bad, lambda: png(9, 9, chunk(b"tEXt") * 1_000_000)[:-12]
    yield "png whose chunk is 4 GB", "image", bad, lambda: png(9, 9)[:33] + b"\xff\xff\xff\xffIDAT"
    yield "png cut in half", "image", bad, lambda: picture("PNG")[:70]
    yield "png without pixels", "image", bad, lambda: png(9, 9)[:33] + chunk(b"IEND")
    yield "jpeg of 65,535 by 65,535", "image", large, lambda: jpeg(65_535, 65_535)
    yield "jpeg of 8,000 by 5,001", "image", large, lambda: jpeg(8_000, 5_001)
    yield "jpeg without height", "image", bad, lambda: jpeg(640, 0)
    yield (
        "jpeg of 1,000 scans",
        "image",
        bad,
        lambda: picture("JPEG")[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 1000 + b"\xff\xd9",
    )
    yield "jpeg of nothing but fill", "image", bad, lambda: b"\xff\xd8" + b"\xff" * (10 * MB)
    yield "jpeg of nothing but markers", "image", bad, lambda: b"\xff\xd8\xff" + b"\xe0\x00\x02\xff" * (4 * MB)
    yield "jpeg cut in half", "image", bad, lambda: picture("JPEG")[:400]
    yield (
        "jpeg with two sizes",
        "image",
        bad,
        lambda: picture("JPEG").replace(b"\xff\xc0", b"\xff\xc0\0\x0b\x08\0\x01\0\x01\x01\x01\x11\0\xff\xc0"),
    )
    yield "gif of 65,535 by 65,535", "image", large, lambda: gif(65_535, 65_535, 1)
    yield "gif of 5,000 frames", "image", large, lambda: gif(500, 500, 5_000)
    yield "gif of 100,000 tiny frames", "image", bad, lambda: gif(1, 1, 100_000)
    yield "gif of 9 million empty blocks", "image", bad, lambda: gif(9, 9, 1)[:-1] + b"\x21\xfe\x00" * 3_000_000
    yield (
        "gif of 10 million bytes in blocks of one",
        "image",
        bad,
        lambda: gif(9, 9, 1)[:-1] + b"\x21\xfe" + b"\x01\x00" * 1 + b"\x01x" * (9 * MB),
    )
    yield (
        "gif with a frame beside its screen",
        "image",
        bad,
        lambda: gif(9, 9, 1).replace(b"\0\0\x01\0\x01\0\0", b"\xff\xff\xff\xff\x01\0\0"),
    )
    yield "gif cut in half", "image", bad, lambda: picture("GIF", frames=5)[:300]
    yield "webp of 16 million by 16 million", "image", large, lambda: riff(canvas(1 << 24, 1 << 24))
    yield (
        "webp of 16,383 by 16,383",
        "image",
        large,
        lambda: riff((b"VP8L", b"\x2f" + (16_382 | 16_382 << 14).to_bytes(4, "little") + b"\0" * 9)),
    )
    yield "webp of 900 frames", "image", large, lambda: riff(canvas(600, 600), *[(b"ANMF", b"\0" * 24)] * 900)
    yield "webp of 50,000 frames", "image", bad, lambda: riff(canvas(1, 1), *[(b"ANMF", b"\0" * 24)] * 50_000)
    yield "webp of empty chunks", "image", bad, lambda: riff(*[(b"EXIF", b"")] * 1_000_000)
    yield (
        "webp that says two sizes",
        "image",
        bad,
        lambda: riff(canvas(9, 9), (b"VP8L", b"\x2f" + (99 | 99 << 14).to_bytes(4, "little") + b"\0" * 9)),
    )
    yield "voice with an absurd clock", "audio", long, lambda: opus(2, granule=2**62)
    yield "voice with a clock before zero", "audio", bad, lambda: opus(2, granule=-99)
    yield "voice that says one second and lasts an hour", "audio", long, lambda: opus(3600, granule=48_000)
    yield (
        "voice of 4 million packets of one byte",
        "audio",
        long,
        lambda: opus(2, granule=960) + page(9, 960, *[b"\x08"] * 250) * 16_000,
    )
    yield "voice of empty packets", "audio", bad, lambda: page(0, 0, OPUS_HEAD) + page(1, 0, *[b""] * 255) * 70_000
    yield "ogg of two streams", "audio", bad, lambda: opus(9, serials=(7, 8))
    yield "ogg of something else", "audio", bad, lambda: page(0, 0, b"\x80theora" + b"\0" * 40) + page(1, 9, b"x", b"x", b"x")
    yield "ogg cut in half", "audio", bad, lambda: opus(9)[:9_000]
    yield "mp3 of 11 minutes", "audio", long, lambda: mp3(661)
    yield "mp3 whose tag is larger than the file", "audio", bad, lambda: b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + mp3(1)
    yield "amr of 11 minutes", "audio", long, lambda: amr(661)
    yield "amr of 20 million empty frames", "audio", long, lambda: b"#!AMR\n" + b"\x7c" * (19 * MB)
    yield "m4a of 11 minutes", "audio", long, lambda: movie(661)
    yield "m4a whose table lasts longer than its header", "audio", long, lambda: _claims(1, samples=2**31, each=0)
    yield "m4a whose samples last nothing", "audio", long, lambda: _claims(1, samples=100_000, each=0)
    yield "mp4 of 65,535 by 65,535", "video", large, lambda: movie(2, kind=b"vide", size=(65_535, 65_535))
    yield "mp4 of 100,000 boxes in each other", "video", bad, lambda: ftyp + _nested(100_000 // 100)
    yield "mp4 of a million boxes in a row", "video", bad, lambda: ftyp + box(b"free") * 1_000_000
    yield "mp4 whose box is larger than the file", "video", bad, lambda: ftyp + b"\0\0\0\x01moov" + b"\xff" * 8
    yield "mp4 whose box is smaller than itself", "video", bad, lambda: ftyp + b"\0\0\0\x04moov"
    yield "mp4 in fragments", "video", bad, lambda: movie(2, kind=b"vide") + box(b"moof", b"\0" * 8)
    yield "mp4 cut in half", "video", bad, lambda: movie(9, kind=b"vide")[:200]
    yield "mp4 of four billion tracks", "video", bad, lambda: ftyp + box(b"moov", box(b"trak") * 4000)
    yield "zip", "image", other, archive
    yield "zip that is called a voice message", "audio", other, archive
    yield "png with a zip behind it", "image", other, lambda: picture("PNG") + archive()
    yield "jpeg with a zip behind it", "image", other, lambda: picture("JPEG") + archive()
    yield "gif with a zip behind it", "image", other, lambda: picture("GIF") + archive()
    yield "webp with a zip in a chunk at its end", "image", other, lambda: riff(canvas(9, 9), (b"EXIF", archive()))
    yield "voice with a zip behind it", "audio", other, lambda: opus(2) + archive()
    yield "mp4 with a zip in a box at its end", "video", other, lambda: movie(2, kind=b"vide") + box(b"free", archive())
    yield "png that is a PDF too", "image", other, lambda: png(9, 9, chunk(b"tEXt", b"a\0%PDF-1.7\n"))
    yield "jpeg with a web page behind it", "image", other, lambda: picture("JPEG") + b"<script>alert(1)</script>"
    yield "gif that is a script", "image", other, lambda: gif(9, 9, 1, tail=b"=1;alert(1)")
    yield "voice that is a picture", "audio", other, lambda: picture("PNG")
    yield "picture that is a voice message", "image", other, lambda: opus(2)
    yield "video that is sound only", "video", other, lambda: movie(2)
    yield "program", "image", other, lambda: b"\x7fELF" + b"\0" * 999
    yield "nothing", "image", bad, lambda: b""
    yield "one byte", "audio", other, lambda: b"\xff"
    yield "20 MB of zeros", "image", other, lambda: b"\0" * (20 * MB)
    yield "svg", "image", other, lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>"
