"""The text of a PDF, or why there is none."""

import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media.programs import children

from secondme.core.errors import DataError
from secondme.core.media.documents import DocumentReader

UNREADABLE, NO_TEXT = "document_unreadable", "document_has_no_text"
needs_extra = pytest.mark.skipif(find_spec("pypdf") is None, reason="the extra `documents` is not installed")


def pdf(*pages: str) -> bytes:
    """A PDF of one line a page, as small as one can be."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, words in enumerate(pages):
        shown = b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % words.encode("cp1252") if words else b""
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown))
    file, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(places) + 1, table)
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start)
    return bytes(file)


def rewritten(change: Callable[[Any], object], *pages: str) -> bytes:
    """As another program writes it, after `change`."""
    import pypdf  # the extra

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(*pages)))
    change(writer)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


async def outcome(data: bytes) -> str:
    """`ok`, or the code of the refusal; nothing else is allowed to come of it."""
    before = children()
    try:
        result = "ok" if await DocumentReader().read(data) else "nothing"
    except DataError as error:
        result = error.code if error.message and error.fix else repr(error)
    assert children() <= before
    return result


@needs_extra
@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        (["Menu: fish soup, 4 \N{EURO SIGN}"], "Menu: fish soup, 4 \N{EURO SIGN}"),
        (["one", "", "three"], "one\n\nthree"),
        ([str(number) * 3 for number in range(12)], "\n\n".join(str(number) * 3 for number in range(10))),
        (["a" * 5_000, "b" * 5_000], "a" * 5_000 + "\n\n" + "b" * 2_998),
        ([r"hidden \002\033[31mred"], "hidden [31mred"),
    ],
    ids=["one page", "an empty page", "twelve pages", "long", "what a terminal obeys"],
)
async def test_it_is_read_as_far_as_it_is_shown(pages: list[str], expected: str) -> None:
    assert await DocumentReader().read(pdf(*pages)) == expected


@needs_extra
@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
async def test_one_that_anybody_may_read_is_read(algorithm: str) -> None:
    data = rewritten(lambda writer: writer.encrypt("", "owner", algorithm=algorithm), "open to all")
    assert await DocumentReader().read(data) == "open to all"


@needs_extra
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", UNREADABLE),
        (lambda: b"hello", UNREADABLE),
        (lambda: b"%PDF-1.4\n", UNREADABLE),
        (lambda: b"\0" * 2_000 + pdf("too far down"), UNREADABLE),
        (lambda: pdf("too large") + b"\0" * (32 << 20), "document_too_large"),
        (lambda: pdf("", ""), NO_TEXT),
        (lambda: pdf("   "), NO_TEXT),
        (lambda: rewritten(lambda writer: writer.encrypt("secret", algorithm="RC4-128"), "closed"), "document_encrypted"),
    ],
)
async def test_why_there_is_no_text(make: Callable[[], bytes], code: str) -> None:
    assert await outcome(make()) == code


async def test_without_the_extra_it_says_what_is_missing() -> None:
    if find_spec("pypdf") is not None:
        pytest.skip("the extra `documents` is installed")
    with pytest.raises(DataError) as caught:
        await DocumentReader().read(pdf("hello"))
    assert (caught.value.code, "secondme[documents]" in caught.value.fix) == ("document_needs_extra", True)


@needs_extra
@pytest.mark.heavy
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_document_is_refused_or_read(data: st.DataObject) -> None:
    import asyncio

    content = bytearray(pdf("one", "two", "three"))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    assert asyncio.run(outcome(bytes(content))) in {"ok", UNREADABLE, NO_TEXT, "document_encrypted"}
