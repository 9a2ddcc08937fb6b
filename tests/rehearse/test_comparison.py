# ruff: noqa: RUF001  texts of many scripts
"""What is counted beside the judge's word."""

from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearse.rehearsals import IDS, Rehearsal
from rehearse.writers import ANA, BEN, GENERIC, some

from secondme.core.rehearse.comparison import Comparison, Reason, compare, matched, new_facts, paired, strip
from secondme.core.rehearse.features import FEATURES
from secondme.core.rehearse.records import PastBurst, RehearsedAnswer
from secondme.core.rehearse.report_text import notable

AT = datetime(2026, 10, 1, tzinfo=UTC)
OUTCOMES = st.sampled_from(["passed", "held", "silent", "failed", None])


def burst(number: int, real: str, asked: str = "how are you?", contact: str = "a", **more: bool) -> PastBurst:
    return PastBurst(
        id=f"b{number}", contact=contact, at=AT + timedelta(hours=number), asked=(asked,), real=tuple(real.split("\n")), **more
    )


def reply(number: int, text: str, outcome: str = "passed", **more: int | str) -> RehearsedAnswer:
    return RehearsedAnswer(burst=f"b{number}", variant=0, outcome=outcome, reply=tuple(text.split("\n")), **more)


@given(st.lists(st.tuples(OUTCOMES, st.booleans()), max_size=30), st.integers(0, 9))
def test_what_became_of_the_answers_adds_up_to_the_bursts(became: list[tuple[str | None, bool]], seed: int) -> None:
    """Also of those that were never asked, of answers that were written again, and of answers to bursts of another run."""
    bursts = [burst(at, "yes", asks_if_machine=asks) for at, (_, asks) in enumerate(became)]
    answers = [reply(at, "no", outcome, reason="why") for at, (outcome, _) in enumerate(became) if outcome]
    answers = [*(each.model_copy(update={"outcome": "failed"}) for each in answers[:3]), *answers, reply(99, "no")]
    found = compare(bursts, answers, {})
    assert found.passed + found.held + found.silent + found.failed == len(bursts)
    counts = {outcome: sum(each == outcome for each, _ in became) for outcome in ("passed", "held", "silent", "failed", None)}
    assert (found.passed, found.held, found.silent) == (counts["passed"], counts["held"], counts["silent"])
    assert found.pairs == sum(outcome == "passed" and not asks for outcome, asks in became)
    assert found.machine_asked == sum(asks for _, asks in became)
    assert found.machine_passed == sum(outcome == "passed" and asks for outcome, asks in became)
    assert [each.burst.id for each in paired(Random(seed).sample(bursts, len(bursts)), answers)] == [
        each.burst.id for each in paired(bursts, answers)
    ]


def test_why_answers_did_not_pass_is_counted_most_frequent_first() -> None:
    answers = [reply(0, "x", "held", reason="advice"), reply(1, "x", "held", reason="prompt_leak"), reply(2, "", "silent")]
    answers.append(reply(3, "x", "held", reason="prompt_leak"))
    found = compare([burst(at, "yes") for at in range(4)], answers, {})
    assert found.reasons == (Reason("held", "prompt_leak", 2), Reason("held", "advice", 1), Reason("silent", "", 1))


@pytest.mark.parametrize(("held", "often"), [(0, False), (2, False), (3, True)])
def test_more_than_one_in_five_held_is_often(held: int, often: bool) -> None:
    answers = [reply(at, "x", "held" if at < held else "failed" if at > 9 else "passed") for at in range(30)]
    assert compare([burst(at, "yes") for at in range(30)], answers, {}).is_held_often is often


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ("Ok, nos vemos ❤️", True),
        ("ok,  nos   VEMOS ❤", True),
        ("vale\nnos vemos 👍🏽", True),
        ("VALE NOS VEMOS 👍", True),
        ("nos vemos 👍", True),
        ("vale", True),
        ("vale ok", False),
        ("the answer before", True),
        ("the answer to this", False),
        ("the answer after", False),
        ("said to another", False),
    ],
)
def test_copied_is_what_the_owner_once_answered_word_for_word(text: str, copied: bool) -> None:
    bursts = [burst(0, "the answer before"), burst(1, "the answer to this"), burst(2, "the answer after")]
    own = {"a": ["ok, nos vemos ❤️", "vale\nnos vemos 👍"], "b": ["said to another"]}
    assert compare(bursts, [reply(1, text)], own).copied == copied
    assert compare([bursts[0], burst(1, text), bursts[2]], [reply(1, "x y")], own).own_copied == copied


def test_a_parrot_is_caught() -> None:
    past = some(ANA, 200, 1)
    stolen = Random(3).choices(past, k=60)
    bursts = [burst(at, text) for at, text in enumerate(some(ANA, 60, 2))]
    found = compare(bursts, [reply(at, text.upper()) for at, text in enumerate(stolen)], {"a": past})
    assert found.copied >= 0.95 * 60
    assert found.is_copying
    assert not compare(bursts, [reply(at, each) for at, each in enumerate(some(ANA, 60, 4))], {"a": past}).is_copying


def test_lengths_messages_languages_and_facts_stand_beside_the_owners() -> None:
    bursts = [burst(at, "sí\nclaro que sí", "¿vienes mañana a la fiesta con nosotros?") for at in range(3)]
    answers = [
        reply(0, "yes of course I will be there with you"),
        reply(1, "sí, y con los otros", new_facts=2, own_new_facts=1),
        reply(2, "ok\nok\nok"),
    ]
    found = compare(bursts, answers, {})
    assert (found.length, found.own_length) == (median([38, 19, 8]), 15)
    assert (found.messages, found.own_messages) == (pytest.approx(5 / 3), 2)
    assert (found.other_language, found.own_other_language) == (1, 0)
    assert (found.new_facts, found.own_new_facts) == (2, 1)


@pytest.mark.parametrize(("new", "own", "inventing"), [(0, 0, False), (2, 0, False), (3, 0, True), (8, 4, False), (9, 4, True)])
def test_more_than_twice_the_owners_facts_from_nowhere_is_inventing(new: int, own: int, inventing: bool) -> None:
    assert compare([burst(0, "x")], [reply(0, "y", new_facts=new, own_new_facts=own)], {}).is_inventing is inventing


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        ("at 5 then", "", 1),
        ("at 5 then", "by 5 pm", 0),
        ("at 5 then", "15 or 50", 1),
        ("17:30 then, and 17.30", "", 1),
        ("09:30", "come at 9.30", 0),
        ("at 5:00", "at 5?", 0),
        ("٥ و 12", "5", 1),
        ("两点半见，3号", "", 1),
        ("Ask Marta", "", 1),
        ("ask Marta and Marta", "marta said", 0),
        ("Tomorrow then. Fine! Good\nSee you", "", 0),
        ("so I said OK, I'm in NASA", "", 0),
        ("with Anna's dog", "Anna", 0),
        ("позвони Анну", "где Анна?", 0),
        ("позвони Маше", "где Анна?", 1),
        ("with Al", "also", 1),
        ("mañana en Ávila, con (Pepe)", "", 2),
        ("und dann mit dem Hund in das Haus, das ist nicht der Bahnhof 7", "", 1),
        ("", "", 0),
        ("שלום דני", "", 0),
    ],
)
def test_facts_from_nowhere(text: str, shown: str, count: int) -> None:
    assert new_facts(text, shown) == count


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_was_shown_is_new(text: str, more: str) -> None:
    assert new_facts(text, f"{more} {text}") == 0
    assert new_facts(text, "") >= 0


def test_partners_are_of_the_same_contact_and_none_twice() -> None:
    bursts = [burst(at, "x", contact="ab"[at % 2]) for at in range(10)]
    texts = {"a": [f"a{at}" for at in range(9)], "b": [f"b{at}" for at in range(3)]}
    found = matched(bursts, texts, 1)
    assert found == matched(bursts, texts, 1)
    assert [text[0] for text in found[::2] if text] == ["a"] * 5
    assert sorted(text for text in found[1::2] if text) == ["b0", "b1", "b2"]
    assert len(set(found)) == 9  # eight texts and nothing


def test_strips_show_habits_between_the_owners_ups_and_downs() -> None:
    own = {IDS[0]: some(ANA, 150, 5)}
    clone = Rehearsal().by(GENERIC)
    strips = strip(paired(clone.bursts, clone.answers), own, {IDS[0]: some(BEN, 60, 6)}, seed=1)
    assert sorted(each.feature for each in strips) == sorted(feature.name for feature in FEATURES)
    assert [each.gap for each in strips] == sorted((each.gap for each in strips), reverse=True)
    by_name = {each.feature: each for each in strips}
    commas = by_name["commas"]
    assert commas.low <= commas.real <= commas.high < 0.4 < commas.clone
    assert commas.gap > 1
    assert (commas.say(commas.clone), commas.say(0)) == ("in nine of ten answers", "never")
    assert by_name["length"].say(by_name["length"].real).endswith(" characters")
    assert by_name["length"].contact is not None
    assert by_name["length"].contact > by_name["length"].high
    assert by_name["links"].gap == 0


def test_the_owner_is_within_their_own_ups_and_downs() -> None:
    apart = told = 0
    for seed in range(12):
        itself = Rehearsal((40,), seed=seed).by(ANA, 500 + seed)
        strips = strip(paired(itself.bursts, itself.answers), {IDS[0]: some(ANA, 150, 900 + seed)}, {}, seed=seed)
        apart += sum(each.gap > 1 for each in strips)
        told += len(notable(strips))
        assert all(each.contact is None for each in strips)
    assert apart <= 0.1 * 12 * 23  # one in twenty is expected
    assert told <= 3


def test_without_anything_there_is_nothing_to_count() -> None:
    empty = compare([], [], {})
    assert (empty.pairs, empty.length, empty.messages) == (0, 0, 0)
    assert isinstance(empty, Comparison)
    assert (empty.is_held_often, empty.is_copying, empty.is_inventing) == (False, False, False)
    assert strip([], {}, {}, seed=1) == ()
