"""Are names at this machine's terminals readable ids that nobody else has, and do old ones stay?"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.channels.local.channel import mail_path
from secondme.channels.local.names import FILE, LocalNames, readable
from secondme.channels.local.protocol import contact_of
from secondme.core.errors import DataError, UnavailableError
from secondme.core.ids import is_contact_id


def names(directory: Path) -> LocalNames:
    return LocalNames(directory, lambda contact: mail_path(directory, contact).exists())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("María José", "local:maria-jose"),
        ("MARÍA  JOSÉ ", "local:maria-jose"),
        ("Anna", "local:anna"),
        ("Sam Smith Jr.", "local:sam-smith-jr"),
        ("Zoë O'Neil", "local:zoe-o-neil"),
        ("Straße", "local:strasse"),
        ("Nguyễn Thị", "local:nguyen-thi"),
        ("Łukasz", "local:lukasz"),
    ],
)
def test_an_id_can_be_read_and_typed(tmp_path: Path, name: str, wanted: str) -> None:
    assert names(tmp_path).id_of(name) == wanted
    assert names(tmp_path).id_of(name) == wanted


@pytest.mark.parametrize(
    "name", ["Иван", "\u0430nna", "anna 🎉", "../etc", "local:anna", "~anna", "각하", "x" * 65, "a\nb", "$(reboot)"]
)
def test_a_name_that_has_no_plain_form_keeps_the_hash(tmp_path: Path, name: str) -> None:
    assert readable(name) == ""
    assert names(tmp_path).id_of(name) == contact_of(name)


def test_no_two_names_are_one_contact(tmp_path: Path) -> None:
    typed = ["María José", "maria jose", "maria-jose", "Maria Jose", "maria-jose-2", "María-José", "maria.jose"]
    found = {name: names(tmp_path).id_of(name) for name in typed}
    assert found["María José"] == "local:maria-jose"
    assert found["Maria Jose"] == found["maria jose"]  # capitals aside
    assert len(set(found.values())) == len(typed) - 1
    assert {name: names(tmp_path).id_of(name) for name in reversed(typed)} == found


def test_a_plain_name_that_was_written_to_is_nobody_elses(tmp_path: Path) -> None:
    mail_path(tmp_path, "local:maria-jose").touch()
    assert names(tmp_path).id_of("María José") == "local:maria-jose-2"
    assert names(tmp_path).id_of("maria-jose") == "local:maria-jose"


def test_who_was_written_to_under_an_older_version_keeps_the_id(tmp_path: Path) -> None:
    old = contact_of("María José")
    mail_path(tmp_path, old).touch()
    assert old.startswith("local:~")
    assert names(tmp_path).id_of("María José") == old


def test_who_is_forgotten_is_in_the_file_no_more(tmp_path: Path) -> None:
    here = names(tmp_path)
    here.id_of("María José")
    here.id_of("Anna")
    names(tmp_path).forget("local:maria-jose")  # by a command, while the gateway runs
    here.id_of("Ben")
    assert "maria" not in (tmp_path / FILE).read_text()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_read_is_left_and_gives_nobody_another_ones_id(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(UnavailableError):
        names(tmp_path).id_of("María José")
    assert (tmp_path / FILE).read_text() == "{"
    with pytest.raises(DataError):
        names(tmp_path).id_of("\u200b")


@settings(deadline=None, database=None, max_examples=200)
@given(st.text(max_size=80))
def test_what_is_readable_is_a_part_of_an_id(name: str) -> None:
    try:
        slug = readable(name)
    except DataError:
        return
    assert slug == "" or (is_contact_id(f"local:{slug}-99") and not slug.startswith("~") and len(slug) <= 32)
