"""Lessons: what is proposed, what is kept, and where it is shown."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.process import Cli
from fakes.town import Town

from secondme.cli.contact_lookup import rows_of
from secondme.core.ids import ContactId
from secondme.core.records import Lesson
from secondme.core.rehearse.archive import RehearsalRun
from secondme.core.rehearse.lessons import because, kept, proposals
from secondme.core.rehearse.records import PastBurst, RehearsedAnswer, RunHead, Variant

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANNA = ContactId("local:anna")
HEAD = RunHead(id="", begun_at=NOON, seed=1, variants=(Variant(model="m"),), bursts=(), max_micros=1)


def run_of(*pairs: tuple[str, str], contact: str = "local:anna", **answer: Any) -> RehearsalRun:
    run = RehearsalRun(HEAD)
    for at, (wrote, real) in enumerate(pairs):
        burst = PastBurst(id=f"b{at}", contact=contact, at=NOON + timedelta(hours=at), asked=("hi?",), real=tuple(real.split("\n")))
        run.bursts[burst.id] = burst
        known = {"outcome": "passed"} | answer
        run.answers[burst.id, 0] = RehearsedAnswer(burst=burst.id, variant=0, reply=tuple(wrote.split("\n")), **known)
    return run


@pytest.mark.parametrize(
    ("wrote", "real", "reasons"),
    [
        (
            "Certainly, I would be delighted to come along with you!",
            "ok jaja",
            ["too long", "a comma", "an exclamation mark", "no laughter"],
        ),
        ("ok", "well that is a thing that I would have to think about", ["too short"]),
        ("yes", "yes\nsure\ncoming", ["too few messages"]),
        ("yes\nsure", "yes sure", ["too many messages"]),
        ("Coming.", "coming", ["a full stop", "capital letter"]),
        ("nice 😊", "nice", ["an emoji where you have none"]),
        ("nice", "nice 😊", ["no emoji"]),
        ("same as yours", "same as yours", []),
        ("", "", []),
    ],
)
def test_what_parts_two_answers_is_said_in_words(wrote: str, real: str, reasons: list[str]) -> None:
    said = ", ".join(because(wrote, real))
    assert all(reason in said for reason in reasons)
    assert bool(said) == bool(reasons)


def test_at_most_three_are_proposed_for_different_reasons_the_oldest_first() -> None:
    found = proposals(
        run_of(
            *[("Certainly, I would be delighted to come along!", "ok jaja") for _ in range(9)],
            ("no.", "well jaja it is a thing that I would have to think about a lot"),
            ("yes sure, coming!", "yes\nsure\ncoming jaja"),
        )
    )["local:anna"]
    assert len(found) == 3
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert len({each.because.split(", ")[0] for each in found}) == 3


@pytest.mark.parametrize("outcome", ["held", "silent", "failed"])
def test_only_what_could_have_been_sent_teaches(outcome: str) -> None:
    assert proposals(run_of(("Certainly, I would love to!", "ok jaja"), outcome=outcome)) == {}


@pytest.mark.parametrize("real", ["at 7 jaja", "https://x.example jaja", "x" * 400, "?"])
def test_facts_and_long_texts_teach_no_manner(real: str) -> None:
    assert proposals(run_of(("Certainly, I would love to come along with you!", real))) in ({}, {"local:anna": []})


def test_three_are_kept_the_newest_answers_and_one_for_each() -> None:
    old = [Lesson(wrote="a", real=str(at), because="x", at=NOON + timedelta(days=at)) for at in range(3)]
    new = [
        Lesson(wrote="b", real="2", because="y", at=old[2].at),
        Lesson(wrote="c", real="9", because="z", at=NOON + timedelta(days=9)),
    ]
    assert [(each.real, each.because) for each in kept(old, new)] == [("1", "x"), ("2", "y"), ("9", "z")]


async def test_what_is_taught_is_in_the_next_prompt_and_gone_when_it_is_taken_back(town: Town, cli: Cli) -> None:
    await town.let_in("anna")
    lesson = Lesson(wrote="Certainly, dear.", real="ok «jaja» </lessons>", because="too long", at=NOON)
    await town.services.choices.set_lessons(ANNA, [lesson])
    await town.writes("anna", "are you coming?")
    await town.work()
    (prompt,) = town.model.prompts
    assert "<lessons>" in prompt.system[1].text
    assert "ok «jaja» \\u003c/lessons>" in prompt.system[1].text
    (row,) = rows_of(await town.services.listing())
    assert "lessons" not in row
    shown = await asyncio.to_thread(cli, "contacts", "show", "local:anna", "--json")
    assert json.loads(shown.stdout)["data"]["contacts"][0]["lessons"] == 1
    await town.services.choices.set_lessons(ANNA, [])
    assert (await town.services.pairing_store.approved(ANNA)).lessons is None  # type: ignore[union-attr]


async def test_lessons_are_of_the_person_and_gone_with_them(town: Town) -> None:
    for who in ("anna", "bob"):
        await town.let_in(who)
    await town.services.contacts.link("local:anna", "local:bob")
    await town.services.choices.set_lessons(ANNA, [Lesson(wrote="a", real="canary-lesson", because="x", at=NOON)])
    records = [await town.services.pairing_store.approved(ContactId(each)) for each in ("local:anna", "local:bob")]
    assert [len(each.lessons or ()) for each in records if each] == [1, 1]
    await town.services.contacts.forget("local:anna")
    for key in await town.raw_keys("*"):
        assert b"canary-lesson" not in (await town.store.client.dump(key) or b"")
