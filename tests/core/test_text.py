"""Nothing a stranger writes is obeyed by a terminal or missed by an eye."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secondme.core.text import clip_utf8, safe_name, safe_text

ESCAPES = [
    "\x1b[31m", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x1b]8;;http://evil\x1b\\", "\x1b[6n", "\x1b[2J", "\x9b31m", "\x9d0;x\x9c",
    "\x1bP+q\x1b\\", "\x1b_x\x1b\\", "\x08\x08", "\r", "\x00", "\x7f", "\x85", "\x90", "\x1b", "\x0b", "\x0c",
]  # fmt: skip
HIDDEN = [
    "\u202e", "\u202a", "\u202d", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\u2028", "\u2029",
    "\ufff9", "\U000e0041", "\U000e0001", "\ud800", "\udfff", "\u2064", "\u206f",
]  # fmt: skip
MARKUP = ["[bold]x[/bold]", "[link=http://evil]x[/link]", "[/]", "[red", "*x*", "`x`", "<b>", "[@click=app.quit]x[/]"]
CORPUS = [*ESCAPES, *HIDDEN, *MARKUP, "Zoë 👩‍👩‍👧 مرحبا שלום", "e\u0301", "a\n\tb", "x" * 70_000]
hostile = st.lists(st.text() | st.sampled_from(CORPUS[:-1]), max_size=12).map("".join)


def _is_obeyed_or_missed(char: str) -> bool:
    if char in "\n\t":
        return False
    kind = unicodedata.category(char)
    return kind in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(char) in {
        "LRE",
        "RLE",
        "LRO",
        "RLO",
        "PDF",
        "LRI",
        "RLI",
        "FSI",
        "PDI",
    }


@pytest.mark.parametrize("payload", [*ESCAPES, *HIDDEN])
def test_no_escape_and_no_hidden_character_survives_and_the_words_around_it_do(payload: str) -> None:
    for clean in (safe_text(f"an{payload}na"), safe_name(f"an{payload}na")):
        assert not any(map(_is_obeyed_or_missed, clean))
        assert not set(clean) & set("\u200b\u2060\ufeff\x1b\x9b\x07\u200e\u200f\u061c")
        assert clean.startswith("an")
        assert clean.endswith("na")


@given(hostile)
@example("".join(CORPUS))
def test_safe_text_is_repeatable_never_longer_and_free_of_what_a_terminal_obeys(value: str) -> None:
    clean = safe_text(value)
    assert safe_text(clean) == clean
    assert len(clean) <= len(value)
    assert not any(map(_is_obeyed_or_missed, clean))


@given(hostile)
@example("".join(CORPUS))
@example("e\u0301" * 64)
@example("\u0958" * 40)  # NFC makes two characters of one
@example("\ufb2c" * 64)  # and three of this one
@example(" " * 600 + "x")
@example("x" * 63 + " y" * 10)
def test_safe_name_is_repeatable_one_line_of_at_most_64_characters(value: str) -> None:
    name = safe_name(value)
    assert safe_name(name) == name
    assert len(name) <= 64
    assert not set(name) & set("\n\t\r")
    assert name == name.strip()
    assert unicodedata.is_normalized("NFC", name)
    assert not any(map(_is_obeyed_or_missed, name))


@pytest.mark.parametrize("value", ["", " ", "\u200b\u200b", "\x1b", "\u202e\n\t", "\U000e0041"])
def test_a_name_with_nothing_to_see_is_empty(value: str) -> None:
    assert safe_name(value) == ""


@pytest.mark.parametrize("value", ["Zoë", "مرحبا", "שלום", "李雷", "O'Neil-Smith", "[bold]Anna[/]", "👩🏽‍🚀"])
def test_a_persons_name_is_left_as_it_is(value: str) -> None:
    assert safe_name(value) == value


def test_newlines_and_tabs_of_a_text_stay() -> None:
    assert safe_text("a\n\tb") == "a\n\tb"
    assert safe_name("a\n\tb  c") == "a b c"


@given(st.text(), st.integers(0, 50))
def test_a_clipped_text_fits_is_a_beginning_and_is_never_cut_inside_a_character(value: str, limit: int) -> None:
    clipped = clip_utf8(value, limit)
    whole = value.encode("utf-8", "replace").decode("utf-8")
    assert len(clipped.encode()) <= limit
    assert whole.startswith(clipped)
    assert len(whole.encode()) <= limit or len(clipped.encode()) > limit - 4
    assert clip_utf8(clipped, limit) == clipped


INVISIBLE = [
    " ", "\t", "\u00a0", "\u2000", "\u2003", "\u202f", "\u205f", "\u3000", "\u1680", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f",
    "\u202a", "\u202e", "\u2060", "\u2065", "\u2066", "\u2069", "\ufeff", "\u00ad", "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800",
    "\u0301", "\u0308", "\u20dd", "\u0903", "\u17b4", "\u17b5", "\ufe0f", "\ufe00", "\U000e0041", "\U000e0100", "\U0001d159", "\U0001d173",
    "\u061c", "\u2028", "\n", "\x00", "\x1b", "\ufff9",
]  # fmt: skip


@given(st.lists(st.sampled_from(INVISIBLE), max_size=40).map("".join))
def test_a_name_without_any_visible_character_is_none(name: str) -> None:
    assert safe_name(name) == ""


@given(
    st.lists(st.sampled_from(INVISIBLE), max_size=8),
    st.sampled_from(["A", "\u00e9", "\u4eca", "7", "!", "\U0001f600", "\U0001fae8", "\u0627", "\u0939"]),
)
def test_one_visible_character_is_a_name(around: list[str], visible: str) -> None:
    half = len(around) // 2
    name = safe_name("".join(around[:half]) + visible + "".join(around[half:]))
    assert unicodedata.normalize("NFD", visible)[0] in unicodedata.normalize(
        "NFD", name
    )  # an accent that follows may have joined it


@given(hostile)
def test_whatever_is_a_name_shows_something(value: str) -> None:
    name = safe_name(value)
    assert name == "" or any(
        unicodedata.category(char)[0] in "LNPSC" and char not in "\u3164\u2800\u115f\u1160\uffa0" for char in name
    )
