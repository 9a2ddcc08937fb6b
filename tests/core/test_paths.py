"""Where things live: ours alone, under one roof, within what a socket's name may hold."""

import os
from pathlib import Path

import pytest

from secondme.core.config.paths import find_places


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
