"""What is opened, and what is refused in one clear sentence: encodings, zips of every kind, files that are no files."""

import os
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from remember.exports.chats import read, written

from secondme.core.errors import DataError, NotFoundError
from secondme.core.exports.export_file import Bounds, ExportFile
from secondme.core.exports.importer import WHATSAPP

CHAT = "30.12.21, 20:03 - Anna: hé 😀\n30.12.21, 20:04 - Sam: ho\n"


def packed(*entries: tuple[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return made.getvalue()


def lines(path: Path, bounds: Bounds | None = None) -> list[str]:
    return list(ExportFile(path, WHATSAPP, bounds).check().lines())


def refusal(path: Path, bounds: Bounds | None = None) -> str:
    """The code of the one error that reading it ends with."""
    with pytest.raises(DataError) as refused:
        lines(path, bounds)
    assert "\n" not in refused.value.message
    assert path.name in refused.value.message
    return refused.value.code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_in_its_three_ways_is_read(encoding: str, tmp_path: Path) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert lines(written(tmp_path, mark + CHAT.encode(encoding))) == CHAT.splitlines()


@pytest.mark.parametrize(
    "content",
    [
        CHAT.encode("latin-1", "replace"),
        CHAT.encode("utf-16-le"),
        CHAT.encode("utf-32"),
        b"\xff\xfe" + b"\x00\xd8" * 4,
        b"\x1f\x8b\x08\x00\xff",
        b"%PDF\x00",
        b"ok \xf0\x9f",
    ],
)
def test_every_other_encoding_is_refused(content: bytes, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, content)) == "wrong_encoding"


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    assert lines(written(tmp_path, "a\u2028b\x0bc\rd\r\n\n\ne")) == ["a\u2028b\x0bc\rd", "", "", "e"]
    assert lines(written(tmp_path, "")) == []


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert refusal(tmp_path / "pipe.txt") == "not_a_file"
    assert refusal(tmp_path) == "not_a_file"
    assert refusal(Path("/dev/zero")) == "not_a_file"
    with pytest.raises(NotFoundError, match=r"no file gone\.txt"):
        lines(tmp_path / "gone.txt")


def test_a_file_beyond_its_bounds_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, CHAT * 1000)
    assert refusal(path, Bounds(file_bytes=10_000)) == "file_too_large"
    assert refusal(written(tmp_path, "x" * 2_000_000), Bounds()) == "line_too_long"
    assert refusal(written(tmp_path, packed(("_chat.txt", CHAT * 1000)), "a.zip"), Bounds(file_bytes=10_000)) == "file_too_large"


@pytest.mark.parametrize(
    "entries",
    [
        [("_chat.txt", CHAT)],
        [("00000001-PHOTO.jpg", b"\xff\xd8"), ("notes.txt", "no"), ("_chat.txt", CHAT)],
        [("WhatsApp Chat mit Anna.txt", CHAT), ("DOC-20211231-WA0001.txt", "no")],
        [("WhatsApp Chat - Anna/_chat.txt", CHAT), ("__MACOSX/._chat.txt", "no")],
        [("anna.txt", CHAT), ("IMG-20211231-WA0001.jpg", "no")],
    ],
)
def test_the_chat_is_found_among_its_media(entries: list[tuple[str, str | bytes]], tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert lines(written(tmp_path, packed(*entries, method=method), "export.zip")) == CHAT.splitlines()


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "no_chat_in_archive"),
        ([("photo.jpg", "x")], "no_chat_in_archive"),
        ([("a.txt", CHAT), ("b.txt", CHAT)], "no_chat_in_archive"),
        ([("one/_chat.txt", CHAT), ("two/_chat.txt", CHAT)], "no_chat_in_archive"),
        ([("../_chat.txt", CHAT)], "hostile_archive"),
        ([("_chat.txt", CHAT), ("/etc/passwd", "x")], "hostile_archive"),
        ([("_chat.txt", CHAT), ("a\\..\\..\\b", "x")], "hostile_archive"),
        ([("C:/x.txt", CHAT)], "hostile_archive"),
        ([("_chat.txt", "x\n" * 30_000_000)], "hostile_archive"),
    ],
    ids=["empty", "media only", "two texts", "two chats", "dots", "absolute", "backslashes", "drive", "bomb"],
)
def test_a_zip_without_one_honest_chat_is_refused(entries: list[tuple[str, str]], code: str, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, packed(*entries), "export.zip")) == code
    assert list(tmp_path.iterdir()) == [tmp_path / "export.zip"]  # and nothing was unpacked


def test_a_zip_that_is_encrypted_or_packed_otherwise_is_refused(tmp_path: Path) -> None:
    whole = bytearray(packed(("_chat.txt", CHAT)))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(written(tmp_path, bytes(whole), "a.zip")) == "encrypted_archive"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert refusal(written(tmp_path, packed(("_chat.txt", CHAT), method=method), "a.zip")) == "broken_archive"


def test_a_broken_zip_is_refused_wherever_it_is_broken(tmp_path: Path) -> None:
    import random

    whole = packed(("_chat.txt", CHAT * 50), ("photo.jpg", os.urandom(500)))
    rng = random.Random(7)
    codes = set()
    for _ in range(400):
        broken = bytearray(whole[: rng.randrange(30, len(whole) + 1)])
        for _ in range(rng.randrange(4)):
            broken[rng.randrange(4, len(broken))] = rng.randrange(256)
        try:
            lines(written(tmp_path, bytes(broken), "a.zip"))
        except DataError as error:
            codes.add(error.code)
    assert "broken_archive" in codes


def test_a_table_of_contents_out_of_proportion_is_not_read(tmp_path: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 60 << 20, 4, 0)
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.seek(4 + (60 << 20))
        file.write(end)
    assert refusal(path) == "hostile_archive"


def test_a_damaged_text_in_a_zip_is_found_before_anything_is_kept(tmp_path: Path) -> None:
    whole = bytearray(packed(("_chat.txt", CHAT * 50), method=zipfile.ZIP_STORED))
    whole[whole.index(b"Sam")] = ord("P")
    with pytest.raises(DataError, match="broken zip"):
        read(tmp_path, bytes(whole))
