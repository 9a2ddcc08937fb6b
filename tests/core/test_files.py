"""Private files: ours alone, whole or not there, and locked for one."""

import os
import stat
from pathlib import Path

import pytest

from secondme.core.config.paths import find_places
from secondme.core.errors import ConfigError
from secondme.core.files import hold, is_held, private_dir, read_private, refuse_planted, replacement, write_private


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_directory_and_every_parent_made_for_it_is_closed_to_others(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        private_dir(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(old)
    assert [_mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_an_open_directory_is_closed_and_its_files_stay(tmp_path: Path) -> None:
    there = tmp_path / "open"
    there.mkdir()
    there.chmod(0o777)
    (there / "file").write_text("x")
    assert private_dir(private_dir(there)) == there
    assert (_mode(there), (there / "file").read_text()) == (0o700, "x")


def test_a_parent_that_was_there_before_is_not_touched(tmp_path: Path) -> None:
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(0o755)
    private_dir(parent / "mine")
    assert _mode(parent) == 0o755


def test_a_file_or_a_dead_link_where_a_directory_should_be_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere" / "at all")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "dead"):
        with pytest.raises(ConfigError) as caught:
            private_dir(path)
        assert str(path) in caught.value.message
        assert caught.value.fix
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    foreign.chmod(0o755)
    os.chown(foreign, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        private_dir(foreign)
    assert (_mode(foreign), foreign.stat().st_uid) == (0o755, 12345)


@pytest.mark.skipif(os.getuid() == 0, reason="root may enter everything")
def test_a_directory_that_cannot_be_made_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        private_dir(Path("/proc/1/secondme"))


@pytest.mark.parametrize("over", [True, False])
def test_a_file_that_was_not_written_to_its_end_leaves_nothing(tmp_path: Path, *, over: bool) -> None:
    path = tmp_path / "file"
    with pytest.raises(TypeError), replacement(path, over=over) as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    write_private(path, "whole")
    with pytest.raises(FileExistsError), replacement(path, over=False) as file:
        file.write(b"another")
    assert ([each.name for each in tmp_path.iterdir()], read_private(path), _mode(path)) == (["file"], "whole", 0o600)


def test_a_pipe_in_the_place_of_a_private_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(OSError, match="Not a file"):
        read_private(tmp_path / "pipe")


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    first = hold(tmp_path / "lock")
    assert first is not None
    assert (hold(tmp_path / "lock", 0.05), is_held(tmp_path / "lock")) == (None, True)
    os.close(first)
    assert is_held(tmp_path / "lock") is False


def test_everything_is_below_one_home_and_nothing_is_created_by_looking(tmp_path: Path) -> None:
    home = tmp_path / "home"
    places = find_places(home)
    found = [
        places.config_file,
        places.personas,
        places.store,
        places.local_mail,
        places.gateway_lock,
        places.store_socket,
        places.local_socket,
        places.logs,
    ]
    assert [path for path in found if not path.is_relative_to(home)] == []
    assert not home.exists()


def test_a_home_that_is_a_link_or_relative_or_begins_with_a_tilde_is_one_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert find_places(Path("x/../y")).config == tmp_path / "y"
    assert find_places(Path("~/there")).config == tmp_path / "user" / "there"
    assert find_places(tmp_path / "link").config == tmp_path / "link"


@pytest.mark.parametrize("length", [20, 60, 100, 200, 1000])
def test_a_socket_has_a_name_that_fits_however_long_the_home_is(length: int) -> None:
    places = find_places(Path("/tmp") / ("ä" * (length // 2)))
    sockets = [places.store_socket, places.local_socket]
    assert [path for path in sockets if len(os.fsencode(path)) > 103] == []
    assert len(set(sockets)) == 2
    assert sockets == [find_places(places.config).store_socket, find_places(places.config).local_socket]


def test_two_long_homes_share_no_socket() -> None:
    first, second = (find_places(Path("/tmp") / ("x" * 200 + letter)).store_socket for letter in "ab")
    assert first.parent != second.parent
    assert str(os.getuid()) in first.parent.name


@pytest.mark.parametrize("planted", ["a link to a directory of ours", "a link to nowhere", "a file", "an open directory"])
def test_what_somebody_else_made_in_a_directory_of_everybodys_is_refused(tmp_path: Path, planted: str) -> None:
    shared, ours = tmp_path / "tmp", tmp_path / "ours"
    shared.mkdir()
    shared.chmod(0o1777)
    ours.mkdir(mode=0o755)
    place = shared / "secondme-sockets"
    match planted:
        case "a link to a directory of ours":
            place.symlink_to(ours)
        case "a link to nowhere":
            place.symlink_to(shared / "nowhere")
        case "a file":
            place.write_text("x")
        case _:
            place.mkdir()
            place.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        refuse_planted(place)
    assert (caught.value.code, bool(caught.value.fix)) == ("planted_directory", True)
    if planted != "an open directory":  # ours: it is closed before it is used
        with pytest.raises(ConfigError):
            private_dir(place)
    assert (_mode(ours), list(ours.iterdir()), (shared / "nowhere").exists()) == (0o755, [], False)


def test_a_link_in_a_directory_of_ours_is_followed(tmp_path: Path) -> None:
    """A home may be moved to another disk, with a link in its old place."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    assert private_dir(tmp_path / "home") == tmp_path / "home"


def test_a_home_with_a_long_name_refuses_sockets_in_a_planted_directory(tmp_path: Path) -> None:
    places = find_places(tmp_path / ("x" * 120))
    place = places.store_socket.parent
    assert (place.parent, place.exists()) == (Path("/tmp"), False)
    place.symlink_to(tmp_path)
    try:
        for socket in ("store_socket", "local_socket", "api_socket"):
            with pytest.raises(ConfigError):
                getattr(places, socket)
    finally:
        place.unlink()
    assert private_dir(places.store_socket.parent) == place
    place.rmdir()
