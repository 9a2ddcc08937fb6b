"""Who is a name? One person however it is written, and nobody else."""

import unicodedata
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.channels.local.protocol import contact_of
from secondme.core.errors import DataError
from secondme.core.ids import contact_id

NAMES = [
    "anna",
    "José Ángel",
    "Zoë",
    "ÅSA",
    "müller",
    "Ñandú",
    "Σίσυφος",
    "Έλλη",
    "Иван Йорк",
    "Straße",
    "ΐος",
    "Nguyễn Thị",
    "각하",
]


def variant(name: str, rng: Random) -> str:
    """The same name in other capitals, another Unicode form, with space around it."""
    cased = "".join(rng.choice([str.upper, str.lower, str.title])(character) for character in name)
    formed = unicodedata.normalize(rng.choice(["NFC", "NFD"]), cased)
    return rng.choice(["", " ", "\t", "\u00a0", "\n"]) + formed + rng.choice(["", "  ", "\u3000"])


def test_five_hundred_variants_of_a_name_are_one_contact() -> None:
    rng, ids = Random(6), {}
    for name in NAMES:
        ids[name] = {contact_of(variant(name, rng)) for _ in range(500)}
    print({"names": len(NAMES), "variants each": 500, "ids": sum(map(len, ids.values()))})
    assert {name: len(found) for name, found in ids.items()} == dict.fromkeys(NAMES, 1)
    assert len(set.union(*ids.values())) == len(NAMES)


LOOKALIKES = [
    "anna",
    "\u0430nna",
    "anná",
    "ann a",
    "anna.",
    "anna-",
    "anna_",
    "a.nna",
    "4nna",
    "ann\u0430",
    "ànna",
    "~anna",
    "local:anna",
]


def test_names_that_only_look_alike_are_different_contacts() -> None:
    assert len({contact_of(name) for name in LOOKALIKES}) == len(LOOKALIKES)


def test_a_hashed_id_cannot_be_written_as_a_name() -> None:
    hashed = contact_of("Zoë")
    assert contact_of(hashed.removeprefix("local:")) != hashed
    assert contact_of(hashed) != hashed


@settings(deadline=None, database=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_two_names_share_an_id_only_when_they_differ_in_case_form_or_outer_space(one: str, other: str) -> None:
    def folded(name: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())

    try:
        ids = [contact_of(one), contact_of(other)]
    except DataError:
        return
    assert (ids[0] == ids[1]) == (folded(one) == folded(other))
    assert [contact_id(each) for each in ids] == ids


@pytest.mark.parametrize("name", ["", " ", "\n\t", "\u200b", "\x1b", "\u202e\u202c", "\ufeff"])
def test_a_name_of_nothing_visible_is_refused(name: str) -> None:
    with pytest.raises(DataError):
        contact_of(name)
