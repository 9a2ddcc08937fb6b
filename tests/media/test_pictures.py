"""Every kind of picture that people send becomes a plain JPEG that shows the same, and says nothing else."""

import io
import subprocess
import sys
from functools import partial
from importlib.util import find_spec

import pytest
from media import picture_files as files
from media.picture_files import GREEN, GREY, RED, WHITE, Make
from media.programs import LYING
from PIL import Image

from secondme.core.errors import DataError, UnavailableError
from secondme.core.media.child import ChildProgram
from secondme.core.media.clean_copy import kind_of
from secondme.core.media.pictures import PictureCleaner, jpeg_size
from secondme.core.messages import Picture

_MARKS = (files.SECRET, b"Exif", b"http://ns.adobe.com", b"ICC_PROFILE", b"GPS", b"xmp", b"MPF")
_HALVES = [RED, WHITE, RED, WHITE]
has_heic = pytest.mark.skipif(find_spec("pillow_heif") is None, reason="the extra `heic` is not installed")


async def clean(data: bytes, max_edge: int = 256) -> Picture:
    return await PictureCleaner(max_edge).clean(data)


def opened(picture: Picture) -> Image.Image:
    """The copy as somebody else reads it: plain, and as it says it is."""
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (picture.width, picture.height))
    assert not image.getexif()
    assert not [mark for mark in _MARKS if mark in picture.data]
    return image


UPRIGHT: dict[str, Make] = {
    "JPEG": partial(files.with_metadata, "JPEG"),
    "PNG": partial(files.with_metadata, "PNG"),
    "GIF": partial(files.with_metadata, "GIF"),
    "WebP": partial(files.with_metadata, "WEBP"),
    "AVIF": partial(files.with_metadata, "AVIF"),
    "progressive": partial(files.jpeg, progressive=True),
    "one byte behind its end": lambda: files.jpeg() + b"\0",
    "Samsung's trailer": files.samsung,
    "motion photo": files.motion_photo,
    "MPO": files.mpo,
    "padded MPO": files.padded_mpo,
    "JPEG and ZIP": files.jpeg_and_zip,
    "PNG and HTML": files.png_and_html,
    "bytes behind the end of a PNG": lambda: files.encoded(files.corners(), "PNG") + b"\0" * 999,
    "interlaced by Pillow's quantiser": lambda: files.encoded(files.corners().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    "two colours a bit": lambda: files.encoded(files.corners().quantize(4), "PNG", bits=2),
}


@pytest.mark.parametrize("kind", UPRIGHT)
async def test_it_shows_the_same_and_says_nothing_else(kind: str) -> None:
    assert files.seen_corners(opened(await clean(UPRIGHT[kind]()))) == list(files.CORNERS)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_it_is_upright(orientation: int) -> None:
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    sensor = files.corners() if stored is None else files.corners().transpose(stored)
    data = files.encoded(sensor, "JPEG", quality=95, exif=files.exif(orientation))
    image = opened(await clean(data))
    assert (image.size, files.seen_corners(image)) == ((96, 64), list(files.CORNERS))


OTHER: dict[str, tuple[Make, list[tuple[int, int, int]]]] = {
    "CMYK": (partial(files.cmyk, adobe=True), [RED] * 4),
    "RGBA": (lambda: files.encoded(files.transparent("RGBA"), "PNG"), _HALVES),
    "RGBA WebP": (lambda: files.encoded(files.transparent("RGBA"), "WEBP", lossless=True), _HALVES),
    "palette with transparency": (files.palette_with_transparency, _HALVES),
    "GIF with transparency": (lambda: files.encoded(files.transparent("RGBA"), "GIF"), _HALVES),
    "LA": (lambda: files.encoded(files.transparent("RGBA").convert("LA"), "PNG"), [GREY, WHITE, GREY, WHITE]),
    "16 bits": (files.sixteen_bits, [WHITE, (0, 0, 0), WHITE, (0, 0, 0)]),
    "1 bit": (
        lambda: files.encoded(files.transparent("RGBA").getchannel("A").convert("1"), "PNG"),
        [WHITE, (0, 0, 0), WHITE, (0, 0, 0)],
    ),
    "grey JPEG": (lambda: files.encoded(Image.new("L", (64, 64), 128), "JPEG"), [GREY] * 4),
    "animated GIF": (partial(files.animation, "GIF"), [GREEN] * 4),
    "animated WebP": (partial(files.animation, "WEBP"), [GREEN] * 4),
    "animated PNG": (partial(files.animation, "PNG"), [GREEN] * 4),
    "animated AVIF": (partial(files.animation, "AVIF"), [GREEN] * 4),
    "an animation that was cut off": (lambda: files.animation("GIF")[:-1], [GREEN] * 4),
    "one of two frames": (partial(files.animation, "GIF", 2), [GREEN] * 4),
}


@pytest.mark.parametrize("kind", OTHER)
async def test_colours_become_those_of_a_screen_on_white(kind: str) -> None:
    make, colours = OTHER[kind]
    assert files.seen_corners(opened(await clean(make()))) == colours


async def test_ink_without_a_word_of_who_inverted_it_is_read_as_the_library_does() -> None:
    data = files.cmyk(adobe=False)
    expected = files.seen_corners(Image.open(io.BytesIO(data)))
    assert files.seen_corners(opened(await clean(data))) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (1, 1)),
        ((256, 256), (256, 256)),
        ((257, 100), (256, 100)),
        ((1000, 500), (256, 128)),
        ((500, 1000), (128, 256)),
        ((40_000, 3), (256, 1)),
        ((3, 40_000), (1, 256)),
        ((1201, 801), (256, 171)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_the_longest_edge_is_bounded_and_nothing_is_enlarged(
    kind: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert opened(await clean(files.encoded(Image.new("RGB", size, RED), kind))).size == expected


@pytest.mark.heavy
async def test_what_is_too_much_for_a_model_is_written_coarser() -> None:
    noise = Image.merge("RGB", [Image.effect_noise((2576, 2576), 200) for _ in range(3)])
    picture = await clean(files.encoded(noise, "JPEG", quality=95), 2576)
    assert (picture.width, picture.height) == (2576, 2576)
    assert len(picture.data) <= 3_000_000


@has_heic
@pytest.mark.parametrize("orientation", [1, 6])
async def test_heic_is_read_with_the_extra(orientation: int) -> None:
    import pillow_heif  # the extra

    stored = files.corners() if orientation == 1 else files.corners().transpose(Image.Transpose.ROTATE_90)
    file = io.BytesIO()
    pillow_heif.from_pillow(stored).save(file, quality=90, exif=files.exif(orientation))
    image = opened(await clean(file.getvalue()))
    assert (image.size, files.seen_corners(image)) == ((96, 64), list(files.CORNERS))


async def test_heic_without_the_extra_says_what_is_missing() -> None:
    """A program that is told of no other package than Pillow finds the extra only where it lies beside it."""
    if find_spec("pillow_heif") is not None:
        pytest.skip("the extra `heic` is installed")
    with pytest.raises(DataError) as caught:
        await clean(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99)
    assert (caught.value.code, "secondme[heic]" in caught.value.fix) == ("picture_needs_heic", True)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "avif"),
        (b"\0\0\0\x1cftypmsf1\0\0\0\0msf1hevc", "heic"),
        (b"\0\0\0\x14ftypavis\0\0\0\0avis", "avif"),
    ],
)
def test_what_a_container_holds_is_told_by_its_brands(start: bytes, kind: str) -> None:
    assert kind_of(start) == kind


@pytest.mark.heavy
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
async def test_48_megapixels(options: dict[str, object]) -> None:
    data = files.encoded(files.corners(8064, 6048), "JPEG", quality=90, **options)
    image = opened(await clean(data, 1568))
    assert (image.size, files.seen_corners(image)) == ((1568, 1176), list(files.CORNERS))


def _minimal(*, app: bytes = b"", tail: bytes = b"") -> bytes:
    plain = files.encoded(files.corners(), "JPEG")
    return plain[:20] + app + plain[20:] + tail


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (_minimal(), (96, 64)),
        (_minimal(app=b"\xff\xe1\0\x04ab"), (0, 0)),
        (_minimal(app=b"\xff\xfe\0\x04ab"), (0, 0)),
        (_minimal(app=b"\xff\xe0\0\x10Secret words \0"), (0, 0)),
        (_minimal(tail=b"PK"), (0, 0)),
        (_minimal(tail=_minimal()), (0, 0)),
        (_minimal()[:-1], (0, 0)),
        (_minimal()[:-2], (0, 0)),
        (_minimal()[:300], (0, 0)),
        (_minimal()[1:], (0, 0)),
        (b"", (0, 0)),
        (files.jpeg(progressive=True), (0, 0)),
    ],
)
def test_a_copy_is_read_once_more_before_it_is_believed(data: bytes, size: tuple[int, int]) -> None:
    assert jpeg_size(data) == size


@pytest.mark.parametrize(
    "lie", ["metadata", "too large", "no size", "own code", "too long", "cut off", "no word", "memory", "exit"]
)
async def test_a_child_that_was_taken_over_is_not_believed(lie: str) -> None:
    with pytest.raises(DataError) as caught:
        await PictureCleaner(256, LYING).clean(lie.encode())
    assert caught.value.code == "picture_unreadable"


async def test_a_child_that_cannot_start_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UnavailableError) as caught:
        await clean(files.jpeg())
    assert caught.value.code == "no_media_child"


async def test_a_library_that_cannot_be_imported_is_no_fault_of_the_picture() -> None:
    with pytest.raises(UnavailableError):
        await PictureCleaner(256, ChildProgram("secondme.core.media.no_such_program", (), timeout_s=20, most_bytes=99)).clean(
            files.jpeg()
        )


def test_no_picture_library_is_in_this_process() -> None:
    code = "import sys, secondme.core.media.pictures, secondme.core.media.documents; print([*{'PIL', 'pypdf', 'pillow_heif'} & {*sys.modules}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
