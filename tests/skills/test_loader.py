"""A skill's folder: what is taken, what is refused and where, and that everything in it counts for the digest."""

import itertools
import os
import socket
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from skills.folders import CODE, lay, skill_files

from secondme.skills.hints import hints
from secondme.skills.loader import MOST_BYTES, MOST_PARSED, SkillFolder, digest_of, parse, read_folder, signature_of


def read(tmp_path: Path, files: dict[str, str | bytes], name: str = "parcel") -> SkillFolder:
    return read_folder(lay(tmp_path / name, files))


def texts(folder: SkillFolder) -> list[str]:
    return [each.text for each in folder.problems]


def test_a_whole_skill_is_read(tmp_path: Path) -> None:
    folder = read(tmp_path, {**skill_files("parcel"), "references/more.md": "More."})
    assert texts(folder) == []
    assert folder.manifest is not None
    assert (folder.name, folder.description, folder.instructions, len(folder.files)) == ("parcel", "Where it is.", "Use it.", 4)
    assert folder.digest == digest_of(folder.files)


def test_instructions_alone_are_a_skill(tmp_path: Path) -> None:
    folder = read(tmp_path, {"SKILL.md": skill_files("parcel")["SKILL.md"]})
    assert (texts(folder), folder.manifest) == ([], None)


SKILL = "---\nname: parcel\ndescription: Where it is.\n---\nUse it.\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ".: there is neither SKILL.md nor manifest.json"),
        ({"SKILL.md": "no front matter"}, "SKILL.md:1: `name` is missing"),
        ({"SKILL.md": "---\nname: parcel\n---\n"}, "SKILL.md:1: `description` is missing"),
        ({"SKILL.md": "---\nname: other\ndescription: x\n---\n"}, "SKILL.md:2: it is called 'other', its folder 'parcel'"),
        ({"SKILL.md": "---\nname: parcel\ndescription: x\nversion: 1\n---\n"}, "SKILL.md:4: `version` is not known"),
        ({"SKILL.md": "---\nname: parcel\ndescription: " + "x" * 1025 + "\n---\n"}, "SKILL.md:3: `description` is longer than 1024"),
        ({"SKILL.md": "---\nname: parcel\ndescription: x\ncompatibility: " + "x" * 501 + "\n---\n"}, "SKILL.md:4: `compatibility` is longer"),
        ({"SKILL.md": "---\nname: parcel\ndescription: [a, b]\n---\n"}, "SKILL.md:3: `description` is one text"),
        ({"SKILL.md": "---\nname: parcel\ndescription: x\nmetadata: [a]\n---\n"}, "SKILL.md:4: `metadata` is a map"),
        ({"SKILL.md": "---\nname: parcel\ndescription: *a\n---\n"}, "SKILL.md:3:"),
        ({"SKILL.md": "---\nname: &a parcel\ndescription: x\n---\n"}, "SKILL.md:2: anchors and aliases"),
        ({"SKILL.md": "---\nname: !!python/object parcel\ndescription: x\n---\n"}, "SKILL.md:2: tags (!) are not used"),
        ({"SKILL.md": "---\nname: parcel\n"}, "SKILL.md:1: the front matter has no second line"),
        ({"SKILL.md": b"---\nname: \xff\n---\n"}, "SKILL.md:2: it is not UTF-8 (at line 2)"),
        ({**skill_files("parcel"), "manifest.json": "{"}, "manifest.json:1: it is not JSON"),
        (skill_files("parcel", code="def where(:"), "skill.py:1: it is not Python"),
        (skill_files("parcel", code="x = 1"), "skill.py: it has no function where, which manifest.json names"),
        (skill_files("parcel", code="async def where(input, ask): ..."), "skill.py: it has no function where"),
        (skill_files("parcel", health="ping"), "skill.py: it has no function ping"),
        (skill_files("parcel", code="(" * 10_000), "skill.py"),
        ({key: text for key, text in skill_files("parcel").items() if key != "skill.py"}, "manifest.json: it has tools, and there is no skill.py"),
        (skill_files("clock"), "manifest.json:2: it is called 'clock', its folder 'parcel'"),
        ({**skill_files("parcel"), "A.md": "x", "a.md": "y"}, "a.md: it and A.md are one file elsewhere"),
        ({**skill_files("parcel"), "big.bin": b"x" * (MOST_BYTES + 1)}, ".: it is larger than 4.2 MB"),
        ({**skill_files("parcel"), **{f"f{number}": "x" for number in range(200)}}, ".: there are more than 200 files"),
        ({**skill_files("parcel"), "a/b/c/d/e/f/g/h.txt": "x"}, "there are more than 6 levels of folders"),
        ({**skill_files("parcel"), "x" * 201: "x"}, "its name cannot be used"),
        ({**skill_files("parcel"), "a\\b": "x"}, "its name cannot be used"),
        ({**skill_files("parcel"), "a\u202eb": "x"}, "its name cannot be used"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, files: dict[str, str | bytes], words: str) -> None:
    (tmp_path / "parcel").mkdir()
    if any(len(name) > 200 for name in files):
        files = {name if len(name) <= 200 else "y" * 120 + "/" + "z" * 120: text for name, text in files.items()}
    found = texts(read(tmp_path, files))
    assert any(words in each for each in found), found


@pytest.mark.parametrize("piece", ["a,\n", "[],"])
def test_code_of_any_length_is_judged_with_little_memory(piece: str) -> None:
    code = f"{CODE}\na = [\n{piece * (MOST_BYTES // len(piece) - 1000)}]\n"
    files = {name: text.encode() for name, text in skill_files("parcel", code=code).items()}
    tracemalloc.start()
    folder = parse("parcel", files)
    assert "is longer than is looked through here" in str(hints(folder.files))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts(folder) == []
    assert peak < 50_000_000


def test_a_function_is_looked_for_in_long_code_too() -> None:
    files = {name: text.encode() for name, text in skill_files("parcel", code="#" * MOST_PARSED + "\n").items()}
    assert texts(parse("parcel", files)) == ["skill.py: it has no function where, which manifest.json names"]


@pytest.mark.parametrize("name", ["Parcel", "parcel_x", "-parcel", "parcel-", "par--cel", "pär", "p" * 65, "par cel"])
def test_a_folder_s_name_is_the_skill_s(name: str) -> None:
    assert any("is no name of a skill" in each for each in texts(parse(name, {"SKILL.md": SKILL.encode()})))


def plant_link(root: Path) -> None:
    (root / "leak.txt").symlink_to("/etc/passwd")


def plant_directory_link(root: Path) -> None:
    (root / "more").symlink_to(root.parent)


def plant_hard_link(root: Path) -> None:
    (root.parent / "secret").write_text("canary")
    (root / "leak.txt").hardlink_to(root.parent / "secret")


def plant_fifo(root: Path) -> None:
    os.mkfifo(root / "pipe")


def plant_socket(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "sock"))


def let_others_write(root: Path) -> None:
    (root / "skill.py").chmod(0o666)


def let_others_write_the_folder(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub").chmod(0o777)


@pytest.mark.parametrize(
    "plant",
    [plant_link, plant_directory_link, plant_hard_link, plant_fifo, plant_socket, let_others_write, let_others_write_the_folder],
)
def test_what_is_no_plain_file_of_ours_is_refused(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    root = lay(tmp_path / "parcel", skill_files("parcel"))
    plant(root)
    folder = read_folder(root)
    assert len(folder.problems) == 1
    assert folder.files == {}


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    lay(tmp_path / "real", skill_files("parcel"))
    (tmp_path / "parcel").symlink_to(tmp_path / "real")
    assert "cannot be read" in texts(read_folder(tmp_path / "parcel"))[0]


def test_what_python_leaves_behind_and_what_is_hidden_does_not_count(tmp_path: Path) -> None:
    before = read(tmp_path, skill_files("parcel")).digest
    lay(tmp_path / "parcel", {"__pycache__/skill.pyc": b"x", ".git/config": "x", ".DS_Store": "x"})
    assert read_folder(tmp_path / "parcel").digest == before


def test_names_count_in_one_form(tmp_path: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "né.md"), unicodedata.normalize("NFD", "né.md")
    one = read(tmp_path / "a", {**skill_files("parcel"), composed: "x"})
    other = read(tmp_path / "b", {**skill_files("parcel"), apart: "x"})
    assert one.digest == other.digest


FILES = st.dictionaries(st.text("ab/.", min_size=1, max_size=4), st.binary(max_size=6), max_size=4)


@settings(max_examples=sized(300, 100))
@given(FILES, FILES)
def test_two_skills_have_one_digest_only_when_they_are_equal(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (digest_of(one) == digest_of(other)) is (one == other)


@settings(max_examples=sized(200, 70), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(["SKILL.md", "manifest.json", "skill.py"]))
def test_any_bytes_in_any_file_are_judged(raw: bytes, path: str) -> None:
    files = {name: text.encode() for name, text in skill_files("parcel").items()}
    folder = parse("parcel", {**files, path: raw})
    assert all(each.words for each in folder.problems)


def test_a_look_without_reading_sees_every_change(tmp_path: Path) -> None:
    root = lay(tmp_path / "parcel", skill_files("parcel"))
    seen = [signature_of(root)]
    (root / "skill.py").write_text(CODE + "#")
    seen.append(signature_of(root))
    (root / "new.md").write_text("x")
    seen.append(signature_of(root))
    (root / "new.md").rename(root / "newer.md")
    seen.append(signature_of(root))
    (root / "newer.md").unlink()
    seen.append(signature_of(root))
    assert all(before != after for before, after in itertools.pairwise(seen))
    assert signature_of(root) == seen[-1]
    assert signature_of(tmp_path / "nowhere") == ()
