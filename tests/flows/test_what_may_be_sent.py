"""Three hundred steps at random, of contacts, their owner and the clone, beside a model in plain Python that knows what may be sent:
what leaves, and what waits for the owner, is exactly that.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from fakes.model import ScriptedModel
from fakes.size import sized
from fakes.town import Town

from secondme.core.admit.store import ContactChoices
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import BusyError
from secondme.core.ids import ContactId
from secondme.core.queue.worker import Answered
from secondme.core.records import Burst

STEPS = 300
MOST_ORDERED = 3
NAMES = ["anna", "bob", "cleo"]
WISHES = [None, None, ReplyMode.AUTO, ReplyMode.AUTO, ReplyMode.DRAFT, ReplyMode.OBSERVE, ReplyMode.OFF]


@dataclass
class Waiting:
    """A reply that is on its way, or waits for the owner."""

    text: str
    own: bool = False
    """The owner wrote it anew: no newer words take its place."""
    ordered: bool = False
    released: bool = False


@dataclass
class Person:
    """What the model knows of a contact."""

    tier: Tier = Tier.STANDARD
    wish: ReplyMode | None = None
    paused: bool = False
    inbox: list[str] = field(default_factory=list)
    composing: tuple[ReplyMode, str, int] | None = None
    """Under which mode, in answer to what, and how many messages; gone when the owner spoke meanwhile."""
    outbox: list[Waiting] = field(default_factory=list)
    held: list[Waiting] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def mode(self) -> ReplyMode:
        return self.wish or (ReplyMode.DRAFT if self.tier is Tier.RESTRICTED else ReplyMode.AUTO)


class Walk:
    """The town and the model of it, step by step."""

    def __init__(self, town: Town, rng: Random) -> None:
        self.town, self.rng = town, rng
        self.people = {name: Person() for name in NAMES}
        self.bursts: dict[str, tuple[Burst, Answered]] = {}
        self.silenced = False
        self.said = 0
        self.taken: Counter[str] = Counter()

    def is_silent(self, person: Person) -> bool:
        return self.silenced or person.paused

    async def step(self) -> None:
        name = self.rng.choice(NAMES)
        (doing,) = self.rng.choices(list(STEPS_WEIGHED), list(STEPS_WEIGHED.values()))
        self.taken[doing.__name__] += 1
        await doing(self, name, self.people[name])

    async def agrees(self) -> None:
        """The town is as the model says."""
        drafts, corrupt = await self.town.drafts.waiting()
        assert corrupt == []
        for name, person in self.people.items():
            who = f"local:{name}"
            assert self.town.channel.texts(who) == person.seen
            assert sorted(draft.text for draft in drafts if draft.contact_id == who) == sorted(each.text for each in person.held)
        assert len(self.town.channel.raw) == sum(len(person.seen) for person in self.people.values())

    # What contacts and the owner do

    async def writes(self, name: str, person: Person) -> None:
        self.said += 1
        text = f"is it number {self.said}?"
        await self.town.writes(name, text)
        if person.mode in {ReplyMode.AUTO, ReplyMode.DRAFT} and not self.is_silent(person):
            person.inbox.append(text)

    async def owner_writes(self, name: str, person: Person) -> None:
        self.said += 1
        await self.town.writes(name, f"I am here myself {self.said}", from_me=True)
        person.paused, person.inbox, person.outbox, person.composing = True, [], [], None
        person.held = [each for each in person.held if each.own]

    async def owner_wishes(self, name: str, person: Person) -> None:
        person.wish = self.rng.choice(WISHES)
        await ContactChoices(self.town.store).set_mode(ContactId(f"local:{name}"), person.wish)

    async def owner_trusts(self, name: str, person: Person) -> None:
        person.tier = self.rng.choice(list(Tier))
        await self.town.owner.edit(f"local:{name}", tier=person.tier)

    async def owner_pauses(self, name: str, person: Person) -> None:
        person.paused = True
        await self.town.control.pause(ContactId(f"local:{name}"), None)

    async def owner_resumes(self, name: str, person: Person) -> None:
        person.paused = False
        await self.town.control.resume(ContactId(f"local:{name}"))

    async def owner_silences(self, _name: str, _person: Person) -> None:
        self.silenced = True
        await (self.town.control.kill() if self.rng.random() < 0.5 else self.town.control.pause_channel("local"))

    async def owner_lifts(self, _name: str, _person: Person) -> None:
        self.silenced = False
        await self.town.control.resume(None, unkill=True)
        await self.town.control.resume_channel("local")

    # What is done with drafts

    async def draft_is(self, name: str, person: Person) -> None:
        """A draft of this contact is sent, dropped, or written anew; or one is ordered."""
        drafts = [each for each in (await self.town.drafts.waiting())[0] if each.contact_id == f"local:{name}"]
        verb = self.rng.choice(["send", "send", "send", "drop", "edit", "order"])
        if verb == "order" or not drafts:
            self.said += 1
            given = ContactId(f"local:{name}"), "local", f"ordered {self.said}"
            if sum(each.ordered for each in person.held) == MOST_ORDERED:
                with pytest.raises(BusyError):
                    await self.town.drafts.suggest(*given)
            else:
                await self.town.drafts.suggest(*given)
                person.held.append(Waiting(given[2], ordered=True))
            return
        draft = self.rng.choice(drafts)
        known = next(each for each in person.held if each.text == draft.text)
        if verb == "edit":
            self.said += 1
            await self.town.drafts.edit(draft.id, f"anew {self.said}")
            known.text, known.own = f"anew {self.said}", True
        elif verb == "drop":
            await self.town.drafts.drop(draft.id)
            person.held.remove(known)
        elif self.is_silent(person):
            with pytest.raises(BusyError):
                await self.town.drafts.send(draft.id)
        else:
            await self.town.drafts.send(draft.id)
            person.held.remove(known)
            person.outbox.append(Waiting(known.text, released=True))

    # What the clone does

    async def clone_begins(self, _name: str, _person: Person) -> None:
        """A worker takes up what waits and composes; it is not done yet."""
        await self.town.inbox.wake()
        for token in await self.town.tokens():
            burst = await self.town.inbox.begin(token, "w")
            if not isinstance(burst, Burst):
                continue
            verdict = await self.town.gateway.answer(burst)
            assert isinstance(verdict, Answered)
            name = token.contact_id.removeprefix("local:")
            person = self.people[name]
            assert not self.is_silent(person)
            assert [mail.content for mail in burst.mail] == person.inbox
            person.composing = (person.mode, person.inbox[-1], len(person.inbox))
            self.bursts[name] = burst, verdict

    async def clone_finishes(self, _name: str, _person: Person) -> None:
        for name, (burst, verdict) in self.bursts.items():
            rows, hold = verdict.rows, verdict.hold
            done = await self.town.inbox.finish(burst, "w", rows, hold=hold, why=verdict.why, stages=verdict.stages)
            assert done is (self.people[name].composing is not None), name
            if not done:
                await self.town.inbox.defer(burst.token, "w", None, delay_s=0, reason="handed_back", forgive=True)
            self.note_finished(self.people[name])
        self.bursts.clear()

    def note_finished(self, person: Person) -> None:
        if person.composing is None:
            return
        mode, text, count = person.composing
        person.composing = None
        del person.inbox[:count]
        if mode not in {ReplyMode.AUTO, ReplyMode.DRAFT}:
            return
        person.held = [each for each in person.held if each.own]
        (person.held if mode is ReplyMode.DRAFT else person.outbox).append(Waiting(f"re: {text}"))

    async def clone_sends(self, _name: str, _person: Person) -> None:
        await self.town.deliver()
        for person in self.people.values():
            for reply in person.outbox:
                if self.is_silent(person) or not (reply.released or person.mode is ReplyMode.AUTO):
                    person.held.append(Waiting(reply.text))
                else:
                    person.seen.append(reply.text)
            person.outbox.clear()


Doing = Callable[[Walk, str, Person], Any]
STEPS_WEIGHED: dict[Doing, int] = {
    Walk.writes: 9,
    Walk.clone_begins: 9,
    Walk.clone_finishes: 9,
    Walk.clone_sends: 6,
    Walk.draft_is: 9,
    Walk.owner_writes: 3,
    Walk.owner_wishes: 2,
    Walk.owner_trusts: 1,
    Walk.owner_pauses: 1,
    Walk.owner_resumes: 6,
    Walk.owner_silences: 1,
    Walk.owner_lifts: 6,
}


@pytest.mark.parametrize("seed", range(sized(10, 3)))
async def test_only_what_may_be_sent_is_sent(
    town_with: Callable[..., Town], model: ScriptedModel, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    town = town_with(limits__messages=100_000)
    for name in NAMES:
        await town.let_in(name)
    walk = Walk(town, Random(seed))
    for _ in range(STEPS):
        await walk.step()
        await walk.agrees()
    sent = [len(person.seen) for person in walk.people.values()]
    with capsys.disabled():
        print(f"\nrandom walk {seed}: {STEPS} steps, {sum(sent)} sent, {len(model.prompts)} composed, 0 outside the model")
    assert sum(sent) >= 5
    assert len(walk.taken) == len(STEPS_WEIGHED)
