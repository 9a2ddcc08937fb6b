"""Archives: a plain zip is a skill, everything odd is refused before a byte of it is written."""

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.size import sized
from hypothesis import given, settings
from hypothesis import strategies as st
from skills.folders import skill_files

from secondme.core.errors import DataError
from secondme.skills.archive import read_zip
from secondme.skills.loader import parse


def packed(path: Path, fill: Callable[[zipfile.ZipFile], None]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        fill(archive)
    return path


def put(archive: zipfile.ZipFile, *, below: str = "") -> None:
    for path, text in skill_files("parcel").items():
        archive.writestr(f"{below}{path}", text)


@pytest.mark.parametrize("below", ["", "parcel/"])
def test_a_plain_zip_is_a_skill(tmp_path: Path, below: str) -> None:
    name, files = read_zip(packed(tmp_path / "parcel.zip", lambda archive: put(archive, below=below)))
    assert (name, parse(name, files).problems) == ("parcel", ())


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("parcel/leak")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def device(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("parcel/sda")
    entry.external_attr = (stat.S_IFBLK | 0o666) << 16
    archive.writestr(entry, "")


def named(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(zipfile.ZipInfo(name), "x")


def bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("parcel/zeros", b"\0" * 3_000_000)


def many(archive: zipfile.ZipFile) -> None:
    for number in range(201):
        archive.writestr(f"parcel/{number}", "x")


def large(archive: zipfile.ZipFile) -> None:
    archive.writestr("parcel/zeros", b"\0" * 5_000_000)


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("parcel/a.md", "x")
    archive.writestr("parcel/A.md", "y")


@pytest.mark.parametrize(
    "fill",
    [link, device, bomb, many, large, twice, *map(named, ("../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:evil", "a//b", "./a", "a\x01b", "x" * 201))],
    ids=lambda fill: fill.__name__,
)  # fmt: skip
def test_everything_odd_is_refused(tmp_path: Path, fill: Callable[[zipfile.ZipFile], None]) -> None:
    def filled(archive: zipfile.ZipFile) -> None:
        put(archive, below="parcel/")
        fill(archive)

    with pytest.raises(DataError) as told:
        read_zip(packed(tmp_path / "parcel.zip", filled))
    assert told.value.code == "bad_skill_archive"
    assert [path.name for path in tmp_path.iterdir()] == ["parcel.zip"]


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    path = packed(tmp_path / "parcel.zip", lambda archive: archive.writestr("parcel/SKILL.md", b"a" * 5000))
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(DataError):
        read_zip(path)


def test_a_file_without_a_name_is_a_refusal(tmp_path: Path) -> None:
    path = packed(tmp_path / "parcel.zip", lambda archive: archive.writestr("parcel/SKILL.md", b"a"))
    raw = bytearray(path.read_bytes())
    raw[raw.rfind(b"PK\x01\x02") + 46] = 0  # a name ends where a zero is
    path.write_bytes(raw)
    with pytest.raises(DataError):
        read_zip(path)


@settings(max_examples=sized(150, 50), deadline=None)
@given(st.data())
def test_any_damage_is_a_refusal_or_a_skill(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        put(archive, below="parcel/")
    raw = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("zip") / "parcel.zip"
    path.write_bytes(raw)
    try:
        name, files = read_zip(path)
    except DataError:
        return
    parse(name, files)
