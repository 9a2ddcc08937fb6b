"""Ids and codes."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import DataError
from secondme.core.ids import (
    channel_id,
    code_of,
    contact_id,
    is_contact_id,
    mask_contact_id,
    message_id,
    new_code,
    new_id,
    other_form,
    reply_id,
)

ID_LETTERS = string.ascii_letters + string.digits + "~._+@:-"


@given(st.text(alphabet=ID_LETTERS, min_size=3, max_size=128).filter(lambda value: value != "ALL"))
def test_a_well_formed_contact_id_is_kept_exactly(value: str) -> None:
    assert contact_id(value) == value


@given(st.text().filter(lambda value: not 3 <= len(value) <= 128 or set(value) - set(ID_LETTERS)))
def test_every_other_contact_id_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(DataError) as caught:
        contact_id(value)
    assert (caught.value.code, caught.value.message) == ("bad_contact_id", "That is not a contact id.")


@pytest.mark.parametrize("value", ["ab", "whatsapp", "a_1", "x" * 32])
def test_a_channel_id_is_a_short_lower_case_word(value: str) -> None:
    assert channel_id(value) == value


@pytest.mark.parametrize("value", ["", "a", "1a", "Ab", "a-b", "a:b", "a b", "ä1", "ab\n", "x" * 33])
def test_anything_else_is_no_channel_id(value: str) -> None:
    with pytest.raises(DataError):
        channel_id(value)


@given(st.text())
def test_a_message_id_is_safe_in_a_key_and_the_same_each_time(native: str) -> None:
    safe = message_id(native)
    assert safe == message_id(native)
    assert 1 <= len(safe) <= 128
    assert all("!" <= char <= "~" for char in safe)


@given(st.lists(st.text(max_size=300), unique=True, max_size=20))
def test_different_native_ids_stay_different(natives: list[str]) -> None:
    assert len({message_id(native) for native in natives}) == len(natives)


@given(st.text())
def test_a_code_is_six_ascii_digits_around_white_space_and_nothing_else(text: str) -> None:
    stripped = text.strip()
    is_code = len(stripped) == 6 and all(char in "0123456789" for char in stripped)
    assert code_of(text) == (stripped if is_code else None)


@given(st.integers(0, 999_999), st.text(alphabet=" \t\r\n\u2003", max_size=3))
def test_six_digits_are_a_code_with_their_leading_zeros(number: int, space: str) -> None:
    assert code_of(f"{space}{number:06d}{space}") == f"{number:06d}"


def test_codes_are_six_digits_evenly_spread() -> None:
    codes = [new_code() for _ in range(20_000)]
    first = [sum(code[0] == digit for code in codes) for digit in string.digits]
    assert {len(code) for code in codes} == {6}
    assert min(first) > 1700  # 2,000 expected; seven standard deviations
    assert max(first) < 2300
    assert len(set(codes)) > 19_500


def test_new_ids_are_never_the_same() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_reply_id_depends_on_the_contact_and_the_first_message_only() -> None:
    assert reply_id("local:anna", "m1") == reply_id("local:anna", "m1")
    others = {
        reply_id("local:anna", "m1"),
        reply_id("local:anna", "m2"),
        reply_id("local:ann", "am1"),
        reply_id("local:anna\nm1", ""),
    }
    assert len(others) == 4


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("49151234567@c.us", "4915****67@c.us"),
        ("1234@c.us", "1****@c.us"),
        ("telegram:123456789", "telegram:1234****89"),
        ("local:anna", "local:a****"),
        ("x", "x****"),
        ("", "****"),
    ],
)
def test_a_masked_id_keeps_enough_to_recognise_and_too_little_to_call(value: str, masked: str) -> None:
    assert mask_contact_id(value) == masked


@given(st.text(alphabet=string.digits, min_size=3, max_size=30), st.sampled_from(["", "@c.us", "@lid"]))
def test_a_masked_id_never_shows_two_thirds_of_a_number(digits: str, host: str) -> None:
    shown = mask_contact_id(digits + host).removesuffix(host).replace("*", "")
    assert len(shown) <= max(1, len(digits) * 2 // 3)


def test_all_is_everybody_and_so_no_contact_id() -> None:
    assert not is_contact_id("ALL")
    with pytest.raises(DataError):
        contact_id("ALL")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5511987654321", "551187654321"),
        ("5215512345678", "525512345678"),
        ("5491155512345", "541155512345"),
        ("4915112345678", ""),
    ],
)
def test_a_number_has_at_most_one_other_national_form(one: str, other: str) -> None:
    assert other_form(one) == other
    assert other_form(other) == (one if other else "")
