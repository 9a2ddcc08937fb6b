"""What a rehearsal lets one say: nothing of too little, only what is clear of some, and no number without its interval and its anchors."""

import json
import re
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearse.rehearsals import IDS, Rehearsal
from rehearse.writers import ANA, BEN, GENERIC, some

from secondme.core.rehearse.report_text import blind_verdict, lines
from secondme.core.rehearse.verdict import RehearsalReport, _place, told

RANKING = re.compile(r"farther|closer|as far|better|worse|more often|less often|difference|in 100|wins|passes", re.IGNORECASE)
NEAR = replace(ANA, comma=0.3, laughs=0.1)
"""A friend who writes much like the owner."""
MIXED = replace(ANA, words=ANA.words[:4] + BEN.words[:3], comma=0.3)
"""The owner's manner, and some of somebody else's words."""


def text(report: RehearsalReport) -> str:
    return "\n".join(lines(report))


@pytest.mark.parametrize(
    ("bursts", "owns", "why"), [(19, 300, "few_bursts"), (70, 99, "few_messages"), (1, 300, "few_bursts"), (0, 300, "few_messages")]
)
def test_of_too_little_there_is_no_number_and_why(bursts: int, owns: int, why: str) -> None:
    report = Rehearsal((bursts,), owns=owns).by(GENERIC).report()
    [variant] = report.variants
    assert (variant.headline, variant.why, variant.told, variant.word, variant.strips) == ("none", why, None, "", ())
    assert (report.itself, report.people) == (None, None)
    assert not RANKING.search("\n".join(lines(report)))
    assert "share" not in json.dumps(report.to_json())
    assert all(not advice.code for advice in variant.advice)


@settings(max_examples=8)
@given(st.lists(st.integers(0, 19), min_size=1, max_size=4), st.sampled_from([ANA, BEN, GENERIC]), st.integers(0, 99))
def test_no_number_below_twenty_bursts(counts: list[int], writer: object, seed: int) -> None:
    """Of a run, and of one contact of a larger run."""
    report = Rehearsal(counts, seed=seed, past=20, others=20).by(writer).report()
    said = text(report)
    if sum(counts) < 20:
        assert not RANKING.search(said)
        assert "you " not in said.replace("you write", "")
    assert all(advice.why == "few_bursts" for advice in report.variants[0].advice)
    assert "secondme contacts mode" not in said


@pytest.mark.parametrize(("writer", "words"), [(GENERIC, "clearly not you"), (ANA, "c")])
def test_of_twenty_to_fifty_nine_only_what_is_clear_is_said(writer: object, words: str) -> None:
    for bursts in (20, 45):
        report = Rehearsal((bursts,)).by(writer).by(writer, 5).report()
        said = text(report)
        assert f"told from you by a small program    {words}" in said
        assert "you, other answers                  c" in said
        assert not RANKING.search(said.replace("more often than", ""))
        assert "share" not in json.dumps(report.to_json())
        assert f"A and B are not compared: both answered {bursts} bursts, and it takes 60." in said.replace("\n", " ")


def test_from_sixty_on_a_number_stands_between_the_anchors() -> None:
    report = Rehearsal((60,), friend=NEAR).by(GENERIC).report()
    [variant] = report.variants
    for each in (variant.told, report.itself, report.people):
        assert each is not None
        assert each.n == 60
        assert each.low < each.share <= each.high
    assert variant.told.share > 0.9
    assert report.itself.low < 0.5 < report.itself.high
    assert report.itself.share < report.people.share < variant.told.share
    assert (variant.word, variant.place, variant.headline) == ("clearly_not_you", "farther", "style")
    assert "=> Farther from you than the people you write to are." in text(report)
    assert Rehearsal((60,)).by(ANA).report().variants[0].place == "closer"
    assert Rehearsal((60,), friend=GENERIC).by(GENERIC).report().variants[0].place == "overlaps"


@pytest.mark.parametrize(("others", "shown"), [(53, False), (54, True)])
def test_an_anchor_of_too_few_is_said_to_be_one(others: int, shown: bool) -> None:
    report = Rehearsal((60,), others=others).by(ANA).report()
    assert (report.itself is not None) == shown
    assert report.itself_pairs == others
    assert (f"you, other answers                  too little to say: {others} for 60 answers" in "\n".join(lines(report))) != shown


def test_when_much_is_held_back_that_is_the_news() -> None:
    rehearsal = Rehearsal((80,)).by(ANA).become(slice(0, 17), outcome="held", reason="prompt_leak")
    report = rehearsal.report()
    assert report.variants[0].headline == "held"
    said = text(report)
    assert said.index("17 of 80 answers would have been left to you.") < said.index("told from you")
    assert "=>" not in said
    assert "Held back 17 (17 prompt_leak)" in said
    assert "draft (more than one answer in five would not have left)" in said.replace("\n  ", " ")
    assert Rehearsal((80,)).by(ANA).become(slice(0, 16), outcome="held").report().variants[0].headline == "style"


def test_whether_a_machine_writes_is_honesty_and_not_style() -> None:
    rehearsal = Rehearsal((65,)).by(ANA)
    rehearsal.bursts[:4] = [burst.model_copy(update={"asks_if_machine": True}) for burst in rehearsal.bursts[:4]]
    rehearsal.become(slice(0, 1), outcome="held")
    report = rehearsal.report()
    assert report.variants[0].told.n == report.itself.n == 61
    assert "4 bursts asked whether a machine writes: 3 answered." in text(report)


def test_what_copies_is_never_clearly_the_owner() -> None:
    past = some(ANA, 120, 1000)
    rehearsal = Rehearsal((50,), past=120).answered(lambda count: Random(1).sample(past, count))
    report = rehearsal.report()
    [variant] = report.variants
    assert variant.word == "cannot_say"
    assert "It repeats your old answers" in text(report)
    assert [(advice.code, advice.why) for advice in variant.advice] == [("draft", "copied")]


def test_an_owner_who_has_changed_is_no_measure_of_not_being_them() -> None:
    """Their other answers are told from these as well: they were written at another time."""
    rehearsal = Rehearsal((59,)).by(GENERIC)
    rehearsal.owner = BEN
    report = rehearsal.report()
    assert report.itself.word == report.variants[0].told.word == "clearly_not_you"
    assert report.variants[0].word == "cannot_say"


def test_small_talk_has_a_number_of_its_own() -> None:
    rehearsal = Rehearsal((120,)).by(GENERIC, route="substantive")
    own = some(ANA, 60, 77)
    for at in range(60):
        rehearsal.become(slice(at, at + 1), route="phatic", reply=tuple(own[at].split("\n")))
    report = rehearsal.report()
    [variant] = report.variants
    assert (variant.small_talk.n, variant.rest.n) == (60, 60)
    assert variant.small_talk.share < 0.75 < variant.rest.share
    assert "small talk, by the small model" in text(report)
    [alone] = Rehearsal((60,)).by(GENERIC, route="phatic").report().variants
    assert (alone.small_talk, alone.rest) == (None, None)


@pytest.mark.parametrize(
    ("writer", "friend", "changes", "blind", "code", "why"),
    [
        (GENERIC, NEAR, {}, None, "draft", "plain"),
        (GENERIC, GENERIC, {}, (20, 40), "draft", "plain"),
        (MIXED, ANA, {}, None, "draft", "told"),
        (MIXED, NEAR, {}, (20, 40), "draft_or_small_talk", "overlaps"),
        (ANA, BEN, {}, None, "draft_or_small_talk", "no_blind_test"),
        (ANA, BEN, {}, (20, 39), "draft_or_small_talk", "no_blind_test"),
        (ANA, BEN, {}, (21, 40), "draft_or_small_talk", "no_blind_test"),
        (ANA, BEN, {}, (20, 40), "auto", "not_told"),
        (ANA, BEN, {"new_facts": 1}, (20, 40), "draft", "new_facts"),
        (ANA, BEN, {"outcome": "held"}, (20, 40), "draft", "held"),
    ],
)
def test_advice_is_by_the_table_and_per_contact(
    writer: object, friend: object, changes: dict, blind: tuple | None, code: str, why: str
) -> None:
    rehearsal = Rehearsal((60, 19), friend=friend).by(writer, **changes)
    report = rehearsal.report(blind={0: blind} if blind else None)
    assert [
        (advice.contact, advice.code, advice.why) for advice in sorted(report.variants[0].advice, key=lambda each: -each.bursts)
    ] == [
        (IDS[0], code, why),
        (IDS[1], "", "few_bursts"),
    ]
    said = text(report)
    assert f"    secondme contacts mode {IDS[0]} {'auto' if code == 'auto' else 'draft'}\n" in said
    assert IDS[1] not in said


def test_no_advice_for_whom_the_owner_wrote_little() -> None:
    rehearsal = Rehearsal((30, 30), owns=60).by(ANA)
    report = rehearsal.report()
    assert report.variants[0].told is not None
    assert {(advice.code, advice.why, advice.clone) for advice in report.variants[0].advice} == {("", "few_messages", None)}


def test_two_variants_are_compared_only_by_the_paired_test() -> None:
    rehearsal = Rehearsal((64,)).by(GENERIC).by(ANA, 98).by(GENERIC, 97)
    rehearsal.become(slice(64, 69), outcome="held")
    report = rehearsal.report()
    first, equal, third = report.contrasts
    assert (first.first, first.second, first.pairs, first.difference) == (0, 1, 59, None)
    assert (equal.pairs, equal.difference.is_decided) == (64, False)
    assert third.difference is None
    said = text(report).replace("\n", " ")
    assert "A and B are not compared: both answered 59 bursts, and it takes 60." in said
    assert re.search(r"A \d+, C \d+, difference -?\d+ \(-?\d+ to -?\d+\): not decided", said)
    decided = text(Rehearsal((60,)).by(GENERIC).by(ANA, 98).report()).replace("\n", " ")
    assert re.search(r"A \d+, B \d+, difference \d+ \(\d+ to \d+\): decided, B is told less often \(p < \.001\)\.", decided)


def test_the_json_holds_no_words_of_anybody() -> None:
    rehearsal = Rehearsal((40, 30)).by(ANA).by(BEN).become(slice(3, 9), outcome="held", reason="advice")
    told = json.dumps(rehearsal.report().to_json(), ensure_ascii=False)
    assert json.loads(told)["variants"][0]["comparison"]["held"] == 6
    words = {*ANA.words, *BEN.words, ANA.emoji, BEN.emoji, "jaja", "haha", "Mia", "Berg", "Otto"}
    assert [word for word in words if word in told] == []
    assert set(json.loads(told)) == {
        "bursts", "contacts", "since", "until", "seed", "ownMessages", "itself", "itselfPairs", "people", "peoplePairs", "variants", "contrasts",
    }  # fmt: skip


def test_the_same_again_says_the_same() -> None:
    first, again = (Rehearsal((60,)).by(NEAR) for _ in range(2))
    again.bursts.reverse()
    assert first.report().to_json() == again.report().to_json()


def test_lines_fit_a_terminal() -> None:
    rehearsal = (
        Rehearsal((60, 5, 5, 5)).by(GENERIC).by(NEAR, route="phatic").become(slice(0, 40), outcome="held", reason="prompt_leak")
    )
    assert max(map(len, lines(rehearsal.report()))) <= 80


def test_told_is_an_interval_around_a_share() -> None:
    assert told([1.0] * 19) is None
    assert told([1.0] * 20).word == "clearly_not_you"
    assert told([0.5] * 20).word == "cannot_say"
    assert told([0.5] * 60).word == "clearly_you"
    assert [told([1.0] * n, bursts).has_number for n, bursts in ((59, 0), (60, 0), (54, 60), (54, 59))] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("clone", "people", "place"),
    [(55, 33, "farther"), (45, 40, "overlaps"), (38, 42, "overlaps"), (30, 52, "closer"), (40, 40, "overlaps")],
)
def test_where_the_clone_stands_is_by_intervals_that_do_not_meet(clone: int, people: int, place: str) -> None:
    assert _place(told([clone / 60] * 60), told([people / 60] * 60)) == place


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            (14, 0, 20, 0, 0),
            (
                "You were right in 14 of 20. Chance is 10. 95 % interval 48-85 %: this cannot tell the clone from you, nor show that it can."
                " By guessing alone: p = .058."
            ),
        ),
        (
            (12, 5, 21, 3, 1),
            (
                "You were right in 12 of 21 and had no idea in 5, which count as half: 14.5. Chance is 10.5. 95 % interval 48-85 %: this cannot tell"
                " the clone from you, nor show that it can. By guessing alone: p = .095. 3 could not be told because they were the same."
                " 1 that you remembered is not counted."
            ),
        ),
        (
            (20, 0, 20, 0, 2),
            (
                "You were right in 20 of 20. Chance is 10. 95 % interval 84-100 %: you can tell the clone from you. By guessing alone: p < .001."
                " 2 that you remembered are not counted."
            ),
        ),
        (
            (20, 0, 40, 0, 0),
            (
                "You were right in 20 of 40. Chance is 20. 95 % interval 35-65 %: you could not tell the clone from you, and it passes this test."
                " By guessing alone: p = .563."
            ),
        ),
        ((0, 0, 0, 4, 0), "Nothing was left to tell apart. 4 could not be told because they were the same."),
    ],
)
def test_a_blind_test_in_words(result: tuple[int, int, int, int, int], words: str) -> None:
    assert blind_verdict(*result) == words


def test_a_blind_test_below_forty_items_is_never_passed() -> None:
    for n in range(1, 61):
        for right in range(n + 1):
            said = blind_verdict(right, 0, n, 0, 0)
            assert f"You were right in {right} of {n}. Chance is {n / 2:g}." in said
            assert "passes" not in said or (n >= 40 and right < 0.6 * n)
            assert ("you can tell" in said) == ("p < " in said or float(f"0{said.rpartition('= ')[2][:4]}") < 0.05)
