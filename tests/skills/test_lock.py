"""What was approved: a file that is never guessed at, and copies of which nothing may be changed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from skills.folders import lay, skill_files

from secondme.core.errors import ConfigError
from secondme.core.tools.permissions import Audience
from secondme.skills.loader import SkillFolder, read_folder
from secondme.skills.lock import SkillApproval, SkillLock, Snapshots

DIGEST = f"sha256:{'a' * 64}"


def test_an_approval_is_kept_0600(tmp_path: Path) -> None:
    lock = SkillLock(tmp_path / "skills.lock")
    assert lock.read() == {}
    approval = SkillApproval(digest=DIGEST, permissions=("storage",), audience="trusted", auto=("write",))
    lock.change(lambda approvals: approvals.__setitem__("parcel", approval))
    assert SkillLock(tmp_path / "skills.lock").read() == {"parcel": approval}
    assert approval.reach is Audience.TRUSTED
    assert lock.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "skills": {}}',
        '{"version": 1, "skills": {"parcel": {"digest": "x"}}}',
        json.dumps({"version": 1, "skills": {"parcel": {"digest": DIGEST, "audience": "everybody"}}}),
        json.dumps({"version": 1, "skills": {"parcel": {"digest": DIGEST, "sudo": True}}}),
    ],
)
def test_what_is_no_such_file_approves_nothing_and_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "skills.lock"
    path.write_text(text)
    path.chmod(0o600)
    for act in (lambda: SkillLock(path).read(), lambda: SkillLock(path).change(lambda approvals: approvals.clear())):
        with pytest.raises(ConfigError) as told:
            act()
        assert told.value.code == "bad_skills_lock"
    assert path.read_text() == text


def test_a_file_that_others_can_read_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "skills.lock"
    path.write_text('{"version": 1, "skills": {}}')
    path.chmod(0o644)
    with pytest.raises(ConfigError):
        SkillLock(path).read()


@pytest.fixture
def folder(tmp_path: Path) -> SkillFolder:
    return read_folder(lay(tmp_path / "parcel", {**skill_files("parcel"), "references/a.md": "A"}))


def test_a_copy_is_what_was_approved_and_can_only_be_read(tmp_path: Path, folder: SkillFolder) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    assert snapshots.load("parcel", folder.digest) is None
    snapshots.keep(folder)
    snapshots.keep(folder)
    copy = snapshots.load("parcel", folder.digest)
    assert copy is not None
    assert (copy.files, copy.digest) == (folder.files, folder.digest)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "snapshots" / folder.digest[7:]).rglob("*")}
    assert modes == {0o400, 0o500}


def change_a_byte(root: Path) -> None:
    (root / "skill.py").chmod(0o600)
    (root / "skill.py").write_text("def where(input, ask): return 'evil'\n")


def add_a_file(root: Path) -> None:
    root.chmod(0o700)
    (root / "more.py").write_text("x")


def rename_a_file(root: Path) -> None:
    root.chmod(0o700)
    (root / "skill.py").rename(root / "skil.py")


def remove_a_file(root: Path) -> None:
    root.chmod(0o700)
    (root / "SKILL.md").unlink()


def let_others_write(root: Path) -> None:
    (root / "skill.py").chmod(0o666)


def swap_for_a_link(root: Path) -> None:
    root.chmod(0o700)
    (root / "skill.py").rename(root.parent / "elsewhere.py")
    (root / "skill.py").symlink_to(root.parent / "elsewhere.py")


def swap_the_folder(root: Path) -> None:
    root.rename(root.parent / "other")
    root.symlink_to(root.parent / "other")


@pytest.mark.parametrize(
    "change", [change_a_byte, add_a_file, rename_a_file, remove_a_file, let_others_write, swap_for_a_link, swap_the_folder]
)
def test_a_copy_that_was_touched_is_none(tmp_path: Path, folder: SkillFolder, change: Callable[[Path], None]) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    snapshots.keep(folder)
    change(tmp_path / "snapshots" / folder.digest[7:])
    assert snapshots.load("parcel", folder.digest) is None


def test_a_copy_is_made_anew_where_a_touched_one_stands(tmp_path: Path, folder: SkillFolder) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    snapshots.keep(folder)
    change_a_byte(tmp_path / "snapshots" / folder.digest[7:])
    snapshots.keep(folder)
    assert snapshots.load("parcel", folder.digest) is not None


def test_copies_that_nobody_needs_go(tmp_path: Path, folder: SkillFolder) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    snapshots.keep(folder)
    (tmp_path / "snapshots" / "left").mkdir()
    snapshots.forget({folder.digest})
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == [folder.digest[7:]]
    snapshots.forget(set())
    assert list((tmp_path / "snapshots").iterdir()) == []
