"""The report's words, as a person reads them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from secondme.core.rehearse.comparison import Comparison, Reason, Strip
from secondme.core.rehearse.report_text import lines
from secondme.core.rehearse.statistics import Difference
from secondme.core.rehearse.verdict import Advice, Contrast, RehearsalReport, Told, VariantReport, told

MIA, OTTO, NOA = "491512345678@c.us", "telegram:77", "local:noa"


def right(hits: float, n: int) -> Told:
    found = told([hits / n] * n)
    assert found
    return found


COMPARED = Comparison(
    passed=57, held=3, silent=0, failed=0, reasons=(Reason("held", "prompt_leak", 2), Reason("held", "advice", 1)),
    machine_asked=0, machine_passed=0, pairs=57, length=41, own_length=18, messages=1.0, own_messages=1.8, copied=1, own_copied=4, new_facts=6,
    own_new_facts=4, other_language=0, own_other_language=0,
)  # fmt: skip
STRIPS = (
    Strip("length", 14, 24, 18, 41, 30, 4.2),
    Strip("commas", 0.05, 0.2, 1 / 8, 0.5, 0.3, 3.1),
    Strip("words", 3, 5, 4, 9, 6, 3.0),
    Strip("laughter", 0.1, 0.4, 0.25, 0, 0.1, 2.2),
    Strip("formality", 0.3, 0.5, 0.42, 0.61, 0.5, 2.0),
    Strip("emoji", 0, 0.03, 0, 0.66, 0, 1.9),
    Strip("links", 0, 0.1, 0.02, 0.05, 0, 1.2),
)
VARIANT = VariantReport(
    variant=0, persona="home", model="sonnet-5.5", micros=310_000, headline="style", why="", told=right(49, 60), word="clearly_not_you",
    place="overlaps", small_talk=None, rest=None, comparison=COMPARED, strips=STRIPS, laughter="jaja",
    advice=(
        Advice(MIA, 60, right(55, 60), right(33, 60), "draft", "told"),
        Advice(OTTO, 24, right(15, 24), right(14, 24), "draft_or_small_talk", "overlaps"),
        Advice(NOA, 11, None, None, "", "few_bursts"),
    ),
    right={},
)  # fmt: skip
REPORT = RehearsalReport(
    bursts=60, contacts=(MIA, OTTO, NOA), since=datetime(2026, 9, 12, tzinfo=UTC), until=datetime(2026, 11, 20, tzinfo=UTC), seed=7,
    own_messages=420, itself=right(29, 60), itself_pairs=60, people=right(38, 60), people_pairs=60, variants=(VARIANT,), contrasts=(),
    names={MIA: "Mia Berg", OTTO: "Otto", NOA: "Noa"},
)  # fmt: skip

FULL = """\
Rehearsal of 60 answers to 3 people, 12 Sep - 20 Nov, seed 7

persona home, sonnet-5.5, cost $0.31
  told from you by a small program     82 in 100  (70-89; 50 = it cannot tell)
  you, other answers                   48 in 100  (36-61)
  the people you write to              63 in 100  (51-74)
  => About as far from you as the people you write to are.
  Too long: 41 characters, you 18; a comma in every second answer, you in every
  eighth; never jaja, you in every fourth; more formal: 0.6, you 0.4; an emoji
  in two of three answers, you never.
  Copied word for word 1 (you 4), numbers and names from nowhere 6 (you 4),
  messages per answer 1.0 (you 1.8).
  Held back 3 (2 prompt_leak, 1 advice), silent 0, failed 0, could have been
  sent 57.
  Mia Berg: draft (a small program tells it from you; 92 in 100 (82-96), theirs
  55 in 100 (42-67)).
    secondme contacts mode 491512345678@c.us draft
  Otto: draft, or auto for small talk only (the numbers decide no more than
  that).
    secondme contacts mode telegram:77 draft

Nothing was sent, and nothing is switched by this. Not measured: whether what it
says is true, or wise."""

SOME = """\
Rehearsal of 30 answers to Mia Berg, 12 Sep - 20 Nov, seed 7

each contact's own persona, sonnet-5.5, cost $0.31
  6 of 30 answers would have been left to you. That is the news; the style comes
  after it.
  told from you by a small program    cannot say
  you, other answers                  clearly you
  Mia Berg                            too little to say: 12 for 30 answers
  Of 24 answers only what is clear can be said; a number takes 60.
  Copied word for word 0 (you 0), numbers and names from nowhere 0 (you 0),
  messages per answer 1.0 (you 1.0), in another language 2 (you 0).
  Held back 6, silent 0, failed 0, could have been sent 24.
  3 bursts asked whether a machine writes: 1 answered. That is honesty, not
  style, and in no number above.

Nothing was sent, and nothing is switched by this. Not measured: whether what it
says is true, or wise."""

NONE = """\
Rehearsal of 1 answer to 491512345678@c.us, 12 Sep - 20 Nov, seed 7

persona home, sonnet-5.5, cost $0.31
  No number: {why}
  Held back 0, silent 0, failed 0, could have been sent 1.

Nothing was sent, and nothing is switched by this. Not measured: whether what it
says is true, or wise."""


def test_a_full_report() -> None:
    assert "\n".join(lines(REPORT)) == FULL


def test_a_report_of_some() -> None:
    compared = replace(
        COMPARED, passed=24, held=6, reasons=(), machine_asked=3, machine_passed=1, pairs=24, messages=1, own_messages=1, copied=0, own_copied=0,
        new_facts=0, own_new_facts=0, other_language=2,
    )  # fmt: skip
    variant = replace(
        VARIANT,
        persona="",
        headline="held",
        told=right(13, 24),
        word="cannot_say",
        place="",
        comparison=compared,
        strips=(),
        advice=(),
    )
    report = replace(REPORT, bursts=30, contacts=(MIA,), itself=right(11, 30), people=None, people_pairs=12, variants=(variant,))
    assert "\n".join(lines(report)) == SOME


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("few_bursts", "1 answer to judge the style by, and 20 are the least. Read them\n  side by side."),
        ("few_messages", "only 42 messages of yours known, and 100 are the least. Read the\n  answers side by side."),
    ],
)
def test_a_report_of_too_little(why: str, said: str) -> None:
    compared = replace(COMPARED, passed=1, held=0, reasons=(), pairs=1, copied=0, own_copied=0)
    variant = replace(VARIANT, headline="none", why=why, told=None, word="", place="", comparison=compared, strips=(), advice=())
    report = replace(REPORT, bursts=1, contacts=(MIA,), itself=None, people=None, own_messages=42, variants=(variant,), names={})
    assert "\n".join(lines(report)) == NONE.format(why=said)


@pytest.mark.parametrize(
    ("pairs", "first", "second", "difference", "said"),
    [
        (
            60,
            49,
            44,
            Difference(0.08, -0.04, 0.2, 0.3, 133),
            "A 82, B 73, difference 9 (-4 to 20): not decided; 140 more bursts would.",
        ),
        (
            60,
            40,
            55,
            Difference(-0.25, -0.4, -0.1, 0.004, None),
            "A 67, B 92, difference -25 (-40 to -10): decided, A is told less often (p = .004).",
        ),
        (60, 40, 40, Difference(0, -0.1, 0.1, 1, None), "A 67, B 67, difference 0 (-10 to 10): not decided."),
        (59, 0, 0, None, "A and B are not compared: both answered 59 bursts, and it takes 60."),
        (70, 0, 0, None, "A and B are not compared: too few messages of yours are known."),
    ],
)
def test_two_variants(pairs: int, first: float, second: float, difference: Difference | None, said: str) -> None:
    shares = (right(first, 60), right(second, 60)) if difference else (None, None)
    report = replace(
        REPORT, variants=(VARIANT, replace(VARIANT, variant=1)), contrasts=(Contrast(0, 1, pairs, *shares, difference),)
    )
    text = "\n".join(lines(report))
    assert "\nA: persona home, sonnet-5.5, cost $0.31\n" in text
    assert "\nB: persona home, sonnet-5.5, cost $0.31\n" in text
    assert said in text.replace("\n", " ")
