"""Generated pasts in which every message can be recognised wherever it turns up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import cast

from secondme.core.clock import SystemClock
from secondme.core.config.loader import Settings, load
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, ModelOutcome, Prompt, Speaker
from secondme.core.records import ApprovedContact
from secondme.core.rehearse.bursts import Candidate, candidates
from secondme.core.rehearse.past import Past, PastMessage
from secondme.core.rehearse.purse import Estimate
from secondme.core.rehearse.records import Variant
from secondme.core.rehearse.rehearsal import Rehearsal, World
from secondme.core.remember.store import RelationshipState
from secondme.core.remember.style import Measure, measure
from secondme.core.remember.style.own_messages import own_messages
from secondme.core.reply.budget import Prices
from secondme.core.reply.personas import PersonaLibrary
from secondme.core.store.persons import PersonStore

ANNA, PHONE = ContactId("local:anna"), ContactId("telegram:7")
LATE = "🦩"
"""Stands only in what the owner writes in the second half."""
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def canary(at: int) -> str:
    """The mark of the message that was said as the `at`th."""
    letters = "".join(chr(97 + at // 26**place % 26) for place in range(3))
    return f"kanari{letters}x"


def conversation(seed: int, count: int, *, members: int = 1, dense: bool = True) -> list[PastMessage]:
    """So many messages, each with its mark; `dense`: several in each minute, as exports without seconds have them."""
    chance, at = Random(seed), NOON
    said = []
    for number in range(count):
        at += timedelta(seconds=chance.choice([0, 0, 0, 20, 60] if dense else [5, 40, 300, 4000]))
        speaker = chance.choice([Speaker.CONTACT, Speaker.OWNER, Speaker.OWNER if chance.random() < 0.9 else Speaker.CLONE])
        late = f" {LATE}{LATE}" if speaker is Speaker.OWNER and number >= count // 2 else ""
        said.append(
            PastMessage(
                contact=chance.choice([ANNA, PHONE][:members]),
                id=f"m{number:04d}",
                at=at.replace(second=0) if dense else at,
                speaker=speaker,
                text=f"about {canary(number)} and the {chance.choice(['garden', 'train', 'dinner'])}{late}",
            )
        )
    return said


@dataclass(frozen=True)
class Told:
    """What was composed at one place: every byte that the model was told, and what the checks let a reply repeat."""

    prompts: list[Prompt]
    may_be_said: str

    @property
    def everything(self) -> str:
        return repr(self.prompts) + self.may_be_said


class TwiceAsked(Estimate):
    """The first try is cut short, so that there is a second prompt."""

    async def ask(self, who: str, prompt: Prompt, **facts: object) -> ModelOutcome:
        await super().ask(who, prompt, **facts)
        return (
            Composed("", is_cut=True) if len([each for each in self.prompts if each.size == prompt.size]) == 1 else Composed("ok")
        )


def settings_of(**flags: object) -> Settings:
    return load({"persona.name": "Sam", **flags}, {}).settings


def approved(who: ContactId) -> ApprovedContact:
    return ApprovedContact(
        contact_id=who, phone_number="", display_name="Anna", approved_at=NOON, approved_by="test", tier=Tier.STANDARD
    )


def measures_of(past: Past) -> list[Measure]:
    return [measure(each) for each in own_messages(past.turns)]


def world_of(past: Past, directory: Path, *, measures: list[Measure] | None = None, library: Path | None = None) -> World:
    directory.mkdir(parents=True, exist_ok=True)
    return World(
        contacts={each: approved(each) for each in past.members},
        channels=dict.fromkeys(past.members, "local"),
        relationships=dict.fromkeys(past.members, RelationshipState()),
        personas={},
        measures=measures_of(past) if measures is None else measures,
        library=PersonaLibrary(library or directory / "personas"),
        settings=settings_of(),
        zone=UTC,
        clock=SystemClock(),
        persons=cast("PersonStore", None),
        directory=directory,
    )


def all_of(past: Past) -> list[Candidate]:
    return candidates(past, 0)


async def told_at(world: World, chosen: list[Candidate], spy: list[str]) -> list[Told]:
    """What is composed at each of `chosen`, in their order. `spy` collects what may be said (see `spied`)."""
    told = []
    settings = world.settings
    rehearsed = Rehearsal(world, chosen, [Variant(model=settings.model.name)])
    async with rehearsed._memory() as memory:
        for candidate in chosen:
            purse = TwiceAsked(Prices(settings.budget), settings.model, {})
            spy.clear()
            await memory.grow(candidate.moment)
            await rehearsed._compose(candidate, Variant(model=settings.model.name), purse, memory)
            told.append(Told(purse.prompts, "".join(spy)))
    return told


def cut_off(candidate: Candidate) -> Candidate:
    """The same burst in a world that ends before its answer."""
    past, end = candidate.past, candidate.answer.position
    shorter = Past(past.members, past.messages[:end])
    return replace(candidate, past=shorter, answer=replace(candidate.answer, position=end))
