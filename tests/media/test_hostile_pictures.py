"""Whatever a file is, the outcome is a copy or a refusal, and within the child's limits."""

import io
import os
from collections.abc import Callable
from functools import partial

import pytest
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media import picture_files as files
from media.programs import children
from PIL import Image

from secondme.core.errors import DataError
from secondme.core.media.pictures import PictureCleaner, jpeg_size

UNREADABLE, TOO_LARGE, NOT_SUPPORTED = "picture_unreadable", "picture_too_large", "picture_not_supported"


async def outcome(data: bytes) -> str:
    """`ok`, or the code of the refusal; nothing else is allowed to come of it."""
    before = children()
    result = "ok"
    try:
        picture = await PictureCleaner(256).clean(data)
    except DataError as error:
        result = error.code if error.message and error.fix else repr(error)
    else:
        assert jpeg_size(picture.data) == (picture.width, picture.height)
        assert files.SECRET not in picture.data
    assert children() <= before
    return result


HOSTILE: dict[str, tuple[files.Make, str]] = {
    "nothing": (lambda: b"", NOT_SUPPORTED),
    "text": (lambda: b"hello" * 99, NOT_SUPPORTED),
    "TIFF": (files.tiff, NOT_SUPPORTED),
    "BMP": (lambda: files.encoded(files.corners(), "BMP"), NOT_SUPPORTED),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', NOT_SUPPORTED),
    "video": (lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 99, NOT_SUPPORTED),
    "TIFF behind a JPEG's first bytes": (lambda: b"\xff\xd8\xff" + files.tiff(), UNREADABLE),
    "too many bytes": (lambda: files.jpeg() + b"\0" * (32 << 20), TOO_LARGE),
    "PNG of no width": (partial(files.png, 0, 10), UNREADABLE),
    "PNG of 41 megapixels": (partial(files.png, 6500, 6400), TOO_LARGE),
    "PNG of two thousand million lines": (partial(files.png, 1, 2**31 - 1), TOO_LARGE),
    "PNG larger than any integer": (partial(files.png, 2**31 - 1, 2**31 - 1), TOO_LARGE),
    "PNG with a text that is a bomb": (
        lambda: files.png(16, 16, files.png_chunk(b"zTXt", b"a\0\0" + files.zeros(16 << 20))),
        UNREADABLE,
    ),
    "PNG with a profile that is a bomb": (
        lambda: files.png(16, 16, files.png_chunk(b"iCCP", b"a\0\0" + files.zeros(16 << 20))),
        UNREADABLE,
    ),
    "JPEG of 121 megapixels": (partial(files.jpeg_of_size, 11_000, 11_000), TOO_LARGE),
    "JPEG of no width": (partial(files.jpeg_of_size, 0, 64), UNREADABLE),
    "progressive JPEG that takes too much memory": (
        lambda: files.jpeg_of_size(10_000, 9_000).replace(b"\xff\xc0", b"\xff\xc2"),
        TOO_LARGE,
    ),
    "GIF of many frames": (partial(files.gif_of_frames, 50_000), "ok"),
    "GIF of many large frames": (partial(files.gif_of_frames, 1_000, 6_000, 6_000), "ok"),
    "GIF of 4 thousand million pixels": (partial(files.gif_of_frames, 1, 65_535, 65_535), TOO_LARGE),
    "APNG that says it has many frames": (partial(files.apng_of_frames, 2**31 - 1), "ok"),
    "WebP of 268 megapixels": (partial(files.webp_canvas, 16_384, 16_384), TOO_LARGE),
    "WebP whose canvas is not its picture": (partial(files.webp_canvas, 5_000, 5_000), UNREADABLE),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_files_are_refused_or_harmless(kind: str) -> None:
    make, expected = HOSTILE[kind]
    assert await outcome(make()) == expected


SLOW: dict[str, tuple[files.Make, str]] = {
    "progressive JPEG of many scans": (partial(files.progressive_scans, 2_000), UNREADABLE),
    "PNG with pixels that are a bomb": (lambda: files.png(16, 16, pixels=files.zeros(256 << 20)), "ok"),
    "PNG with a text that is a large bomb": (
        lambda: files.png(16, 16, files.png_chunk(b"zTXt", b"a\0\0" + files.zeros(1 << 30))),
        UNREADABLE,
    ),
    "PNG with many texts": (
        lambda: files.png(16, 16, *[files.png_chunk(b"zTXt", b"a\0\0" + files.zeros(1 << 20))] * 2_000),
        UNREADABLE,
    ),
    "GIF of a million frames": (partial(files.gif_of_frames, 1_000_000), "ok"),
    "APNG of many large frames": (lambda: files.encoded_frames("PNG", (3000, 3000), 12), "ok"),
    "GIF of many large whole frames": (lambda: files.encoded_frames("GIF", (3000, 3000), 12), "ok"),
    "WebP of many large frames": (lambda: files.encoded_frames("WEBP", (2000, 2000), 24), "ok"),
    "AVIF of many large frames": (lambda: files.encoded_frames("AVIF", (2000, 2000), 12), "ok"),
}


LONG_MADE = {"PNG with a text that is a large bomb", *(f"{kind} of many large frames" for kind in ("APNG", "WebP", "AVIF"))}
"""To make one takes 3 to 6 s. A smaller bomb is refused above, and of the kinds with many large frames CI has a GIF."""


@pytest.mark.heavy
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in LONG_MADE else kind for kind in SLOW])
async def test_what_takes_long_is_stopped(kind: str) -> None:
    make, expected = SLOW[kind]
    assert await outcome(make()) == expected


VALID: dict[str, files.Make] = {
    "JPEG": partial(files.with_metadata, "JPEG", 6),
    "progressive": partial(files.jpeg, progressive=True),
    "PNG": partial(files.with_metadata, "PNG"),
    "GIF": partial(files.animation, "GIF"),
    "WebP": partial(files.animation, "WEBP"),
    "APNG": partial(files.animation, "PNG"),
    "AVIF": partial(files.with_metadata, "AVIF"),
}


def noisy(kind: str) -> bytes:
    """Whose pixels are most of its bytes."""
    return files.encoded(Image.merge("RGB", [Image.effect_noise((64, 64), 90) for _ in range(3)]), kind)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_half_a_picture_is_none(kind: str) -> None:
    data = noisy(kind)
    assert [await outcome(data[: len(data) * share // 10]) for share in (5, 9)] == [UNREADABLE, UNREADABLE]


@pytest.mark.slow  # a child for each of hundreds of files
@pytest.mark.parametrize("kind", VALID)
async def test_a_file_cut_anywhere_is_refused_or_harmless(kind: str) -> None:
    data = VALID[kind]()
    step = max(1, len(data) // 100)
    assert {await outcome(data[:end]) for end in range(0, len(data), step)} <= {"ok", UNREADABLE, NOT_SUPPORTED}


@st.composite
def changed(draw: Callable[..., object]) -> bytes:
    """A valid file with some of its bytes changed, taken out or doubled."""
    data = bytearray(VALID[str(draw(st.sampled_from(sorted(VALID))))]())
    for _ in range(int(str(draw(st.integers(1, 8))))):
        place = int(str(draw(st.integers(0, len(data) - 1))))
        size = int(str(draw(st.integers(1, 8))))
        how = draw(st.sampled_from(["change", "cut", "double"]))
        if how == "change":
            new = draw(st.binary(min_size=size, max_size=size))
            assert isinstance(new, bytes)
            data[place : place + size] = new
        elif how == "cut" and len(data) > size + 1:
            del data[place : place + size]
        else:
            data[place:place] = data[place : place + size]
    return bytes(data)


@pytest.mark.slow  # a child for each of hundreds of files
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=changed())
def test_a_damaged_file_is_refused_or_harmless(data: bytes) -> None:
    import asyncio

    assert asyncio.run(outcome(data)) in {"ok", UNREADABLE, TOO_LARGE, NOT_SUPPORTED}


@pytest.mark.heavy
@pytest.mark.parametrize(
    "start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\1\0\0WEBPVP8X", b"\0\0\0\x1cftypavif"]
)
async def test_noise_that_starts_like_a_picture_is_refused(start: bytes) -> None:
    assert {await outcome(start + os.urandom(2_000)) for _ in range(sized(20, 4))} <= {UNREADABLE, TOO_LARGE}


async def test_the_copy_is_what_somebody_else_reads_too() -> None:
    picture = await PictureCleaner(256).clean(files.jpeg_and_zip())
    assert Image.open(io.BytesIO(picture.data)).size == (picture.width, picture.height)
    assert b"PK" not in picture.data[-64:]
