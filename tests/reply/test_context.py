"""Which turns are shown: the newest that fit, in order, each once, without holes; and how they become utterances."""

# ruff: noqa: RUF001 - texts of many scripts

import time
import unicodedata
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.messages import Utterance
from secondme.core.records import Mail, Turn
from secondme.core.reply.context import CLIPPED, OPENING, clip, estimate_tokens, keywords, merge, overlap, select

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLENTY = 1_000_000


def turn(at: int, text: str = "", *, minutes: float | None = None, role: Literal["user", "assistant"] = "user") -> Turn:
    """Turn number `at`, a minute after the one before it unless told otherwise."""
    when = T0 + timedelta(minutes=at if minutes is None else minutes)
    return Turn(
        id=f"m{at}", role=role, content=text or f"words {at}", timestamp=when, type="incoming" if role == "user" else "outgoing"
    )


def mail(at: int, text: str = "now") -> Mail:
    return Mail(message_id=f"m{at}", contact_id="c", channel_id="local", normalized_contact_id="c", content=text, timestamp=T0)


def ids(turns: list[Turn]) -> list[str]:
    return [each.id for each in turns]


def test_the_burst_is_not_among_the_turns_before_it() -> None:
    history = [turn(0), turn(1, role="assistant"), turn(2), turn(3)]
    assert ids(select(history, [mail(2), mail(3)], budget_tokens=PLENTY)) == ["m0", "m1"]


def test_a_reply_on_its_way_is_shown_although_it_comes_after_the_burst() -> None:
    history = [turn(0), turn(1), turn(2, "on its way", role="assistant", minutes=90)]
    assert ids(select(history, [mail(1)], budget_tokens=PLENTY)) == ["m0", "m2"]


def test_a_burst_that_the_history_has_lost_takes_nothing_away() -> None:
    assert ids(select([turn(0), turn(1)], [mail(9)], budget_tokens=PLENTY)) == ["m0", "m1"]


def test_a_turn_that_stands_there_twice_is_shown_once() -> None:
    assert ids(select([turn(0), turn(1), turn(0), turn(1)], [], budget_tokens=PLENTY)) == ["m0", "m1"]


def test_a_turn_without_words_is_left_out() -> None:
    assert ids(select([turn(0), turn(1, " \n "), turn(2)], [], budget_tokens=PLENTY)) == ["m0", "m2"]


def test_a_budget_of_nothing_shows_nothing() -> None:
    assert select([turn(0)], [], budget_tokens=0) == []


def chunks(second: str) -> list[Turn]:
    """Two talks, half an hour apart; the second begins with `second`."""
    first = [turn(at, "shall we book the flight to Lisbon", minutes=at) for at in range(6)]
    return first + [turn(6 + at, text, minutes=36 + at) for at, text in enumerate([second, *["dinner at eight"] * 5])]


def test_the_older_talk_stays_away_as_a_whole_when_it_does_not_fit() -> None:
    history = chunks("dinner tonight")
    assert ids(select(history, [], budget_tokens=150)) == [f"m{at}" for at in range(6, 12)]
    assert len(select(history, [], budget_tokens=PLENTY)) == 12


def test_a_pause_alone_is_no_new_subject() -> None:
    kept = select(chunks("the flight to Lisbon is cheap"), [], budget_tokens=150)
    assert 5 <= len(kept) < 12, "one talk, cut where the budget ends"
    assert ids(kept)[-1] == "m11"


def test_a_new_subject_alone_is_no_pause() -> None:
    history = [turn(at, word) for at, word in enumerate(["flight Lisbon"] * 5 + ["dinner tonight"] * 5)]
    assert len(select(history, [], budget_tokens=estimate_tokens("dinner tonight") * 7)) == 7


@pytest.mark.parametrize(
    ("before", "after"),
    [("поедем завтра в Берлин на поезде", "а поезд в Берлин дорогой"), ("明天我们去北京旅游吧", "北京的旅游景点很多"), ("来週の旅行の予定を決めよう", "旅行の予定は大丈夫"),
     ("รถไฟไปเชียงใหม่เมื่อไหร่", "รถไฟเชียงใหม่เต็มแล้ว"), ("نسافر غدا إلى القاهرة", "القاهرة مدينة جميلة"), ("부산 여행 기차표 샀어", "기차표는 부산역에서"), ("कल दिल्ली की ट्रेन पकड़नी", "दिल्ली ट्रेन लेट")],
)  # fmt: skip
def test_a_subject_is_known_in_any_script(before: str, after: str) -> None:
    history = [turn(at, before, minutes=at) for at in range(6)] + [turn(6, after, minutes=60)]
    together = select(history, [], budget_tokens=estimate_tokens(after) + 5, min_messages=1)
    assert overlap(keywords(before), keywords(after)) >= 0.25
    assert ids(together) == ["m6"]
    assert len(select(history, [], budget_tokens=PLENTY)) == 7


@pytest.mark.parametrize(
    "text",
    [
        "about them because that would",
        "aber dann haben wir auch",
        "pero también porque cuando",
        "потому что когда тоже",
        "ok hi yo",
        "👍 12 34",
    ],
)
def test_words_that_every_text_has_are_no_keywords(text: str) -> None:
    assert keywords(text) == frozenset()


def test_case_and_accents_make_no_other_subject() -> None:
    assert keywords("ÉCOLE Straße") == keywords("ecole STRASSE") == {"ecole", "strasse"}


def test_five_messages_are_shown_whatever_they_cost() -> None:
    history = [turn(at, "long " * 90) for at in range(20)]
    assert ids(select(history, [], budget_tokens=1)) == [f"m{at}" for at in range(15, 20)]


def test_a_lively_talk_is_shown_as_far_as_the_budget_goes() -> None:
    history = [turn(at, "x" * 80) for at in range(40)]
    assert len(select(history, [], budget_tokens=20 * estimate_tokens("x" * 80))) == 20


turns = st.lists(
    st.builds(
        lambda number, role, text, gap: (number, role, text, gap),
        st.integers(0, 30), st.sampled_from(["user", "assistant"]), st.text(max_size=700), st.floats(0, 60),
    ),
    max_size=30,
)  # fmt: skip


def built(source: list[tuple[int, str, str, float]]) -> list[Turn]:
    minutes, history = 0.0, []
    for number, role, text, gap in source:
        minutes += gap
        history.append(
            turn(
                number,
                text.encode("utf-8", "replace").decode() or " ",
                minutes=minutes,
                role="user" if role == "user" else "assistant",
            )
        )
    return history


def candidates(history: list[Turn], burst: list[Mail]) -> list[str]:
    """What may be shown at all, said the slow way: each id once, nothing of the burst."""
    waiting = {each.message_id for each in burst}
    return list(dict.fromkeys(each.id for each in history if each.id not in waiting and each.content.strip()))


@given(turns, st.sets(st.integers(0, 30), max_size=3), st.integers(0, 800), st.integers(0, 8))
def test_an_unbroken_run_of_the_newest_in_order_each_once(
    source: list[tuple[int, str, str, float]], burst: set[int], budget: int, least: int
) -> None:
    history, mails = built(source), [mail(at) for at in sorted(burst)]
    shown = select(history, mails, budget_tokens=budget, min_messages=least)
    possible = candidates(history, mails)
    assert ids(shown) == possible[len(possible) - len(shown) :]
    assert all(len(each.content) <= 500 for each in shown)


@given(turns, st.integers(0, 800), st.integers(0, 8))
def test_the_budget_is_kept_but_for_the_least_number(source: list[tuple[int, str, str, float]], budget: int, least: int) -> None:
    history = built(source)
    shown = select(history, [], budget_tokens=budget, min_messages=least)
    possible = candidates(history, [])
    if len(shown) > least:
        assert sum(estimate_tokens(each.content) for each in shown) <= budget
    elif budget:
        assert len(shown) == min(least, len(possible)) or sum(estimate_tokens(each.content) for each in shown) <= budget
    if budget:
        assert len(shown) >= min(least, len(possible))


@given(turns, st.integers(1, 400), st.integers(0, 400))
def test_more_budget_never_shows_less(source: list[tuple[int, str, str, float]], budget: int, more: int) -> None:
    history = built(source)
    assert len(select(history, [], budget_tokens=budget)) <= len(select(history, [], budget_tokens=budget + more))


@given(turns, st.lists(st.text(max_size=20), max_size=3))
def test_roles_alternate_and_the_contact_is_first(source: list[tuple[int, str, str, float]], burst: list[str]) -> None:
    history = built(source)
    merged = merge([*history, *(mail(99, text) for text in burst)])
    assert [each.role for each in merged] == [("user", "assistant")[at % 2] for at in range(len(merged))]
    said = [each.content for each in history] + burst
    opened = [OPENING] if history and history[0].role == "assistant" else []
    assert "\n".join(each.text for each in merged) == "\n".join(opened + said)


def test_the_burst_comes_last_and_whole() -> None:
    long = "word " * 400
    merged = merge(
        [*select([turn(0), turn(1, role="assistant"), turn(2, "hi")], [mail(2)], budget_tokens=99), mail(2, long), mail(3, "and")]
    )
    assert merged[-1] == Utterance("user", f"{long}\nand")


def test_what_the_owner_said_first_is_not_lost() -> None:
    merged = merge([turn(0, "are you coming", role="assistant"), mail(1, "yes")])
    assert merged == [Utterance("user", OPENING), Utterance("assistant", "are you coming"), Utterance("user", "yes")]
    assert merge([turn(0, "are you coming", role="assistant"), mail(1, "yes")], "") == [Utterance("user", "yes")]


def test_a_long_turn_is_shortened_and_says_so() -> None:
    (shown,) = select([turn(0, "a" * 600)], [], budget_tokens=PLENTY)
    assert shown.content == "a" * (500 - len(CLIPPED)) + CLIPPED
    assert (shown.id, shown.timestamp) == ("m0", T0)
    (whole,) = select([turn(0, "a" * 500)], [], budget_tokens=PLENTY)
    assert whole.content == "a" * 500


@pytest.mark.parametrize("visible", ["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "é", "क्षि", "각", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️"])
def test_no_visible_character_is_cut_through(visible: str) -> None:
    for lead in range(len(visible) + 2):
        kept = clip("a" * lead + visible * 400, 200).removesuffix(CLIPPED)
        assert kept.startswith("a" * lead)
        assert len(kept[lead:]) % len(visible) == 0


@given(st.text(), st.integers(0, 60))
def test_a_clipped_text_is_no_longer_than_it_may_be(text: str, most: int) -> None:
    assert len(clip(text, most)) <= most or clip(text, most) == text
    assert len(clip(text, most)) <= max(most, 0) or len(text) <= most


def test_marks_without_end_are_cut_through_at_last() -> None:
    assert len(clip("a" + "\u0301" * 10_000, 100)) <= 100
    assert unicodedata.combining("\u0301")


@pytest.mark.parametrize(
    ("latin", "other"),
    [("privet", "привет"), ("nihaoma", "你好吗吗你好吗"), ("salam", "سلام!"), ("namaste", "नमस्ते."), ("aa", "👍👍")],
)
def test_other_scripts_cost_more_than_latin(latin: str, other: str) -> None:
    assert estimate_tokens(other) > estimate_tokens(latin)


@given(st.text(), st.text())
def test_an_estimate_has_a_floor_and_grows_with_its_text(one: str, other: str) -> None:
    assert 10 <= estimate_tokens(one) <= estimate_tokens(one + other) <= estimate_tokens(one) + estimate_tokens(other)


def test_a_hundred_turns_are_selected_quickly() -> None:
    words = [
        "dinner",
        "restaurant",
        "Anna",
        "holiday",
        "flight",
        "Berlin",
        "überraschung",
        "привет",
        "завтра",
        "ужин",
        "明天吃饭",
        "football",
        "tickets",
    ]
    rng = Random(1)
    history = [turn(at, " ".join(rng.choices(words, k=12)), minutes=at * 11) for at in range(100)]
    times = []
    for _ in range(7):
        began = time.process_time()
        select(history, [mail(99)], budget_tokens=1500)
        times.append((time.process_time() - began) * 1e6)
    print(f"\nselect, 100 turns with a pause before each: {min(times):.0f} µs")
    assert min(times) < 100_000
