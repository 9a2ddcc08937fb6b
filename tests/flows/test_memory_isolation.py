"""Whatever is asked, by whomever, however alike people talk and are called: of the past a prompt holds the words of the person who asks, and of
nobody else; through words, facts, meaning and AutoMem together."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

import pytest
from fakes.automem import TOKEN, FakeAutoMem, automem
from fakes.embeddings_api import KEY, embeddings_api
from fakes.size import sized
from fakes.town import Town

from secondme.core.ids import ContactId
from secondme.core.memory.automem import contact_key
from secondme.core.memory.facts import Spoken
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Admission, Composed, Speaker, Usage

COUNT, EACH = sized(50, 22), 14
WORDS = (  # noqa: SIM905
    "ferry dog sister birthday train harbour doctor guitar holiday pizza bicycle garden wedding office kitchen piano river market "
    "called moved leaves bought lost found meets plays noon Monday March nine seven"
).split()
HOSTILE = (
    "p1/../p2",
    "../p3",
    "P1",
    "p1 ",
    "p01",
    "p1%2Fp2",
    "ｐ1",  # noqa: RUF001  a full-width one
    "p1' OR '1'='1",
    "p1*",
    "p1\u202e",
    "local:p1",
)
"""Contacts whose ids are much like p1's."""
CANARY = re.compile(r"zq(\d+)x")


@dataclass
class Crowd:
    """Many people with the same words in other orders; every message, and every fact, has its contact's canary."""

    town: Town
    chance: Random
    contacts: list[ContactId] = field(default_factory=list)
    own: dict[ContactId, set[int]] = field(default_factory=dict)
    """Whose canaries a contact may see: its own, and those of the contacts that are the same person."""

    async def arrives(self, who: str) -> None:
        number, contact = len(self.contacts), ContactId(f"local:{who}")
        if who not in HOSTILE:  # memory would have to do with those all the same
            await self.town.let_in(who)
        said = []
        for at in range(EACH):
            text = f"zq{number}x my {self.chance.choice(['sister', 'dog'])} is called Zq{number}x. {self.some_words(5)}"
            speaker = self.chance.choice([Speaker.CONTACT, Speaker.OWNER, Speaker.CLONE])
            said.append(Spoken(f"m{at}", self.town.clock.now_ms() - (400 - at * 20) * 86_400_000, speaker, text))
        messages = [MemoryMessage(each.message_id, each.at_ms, each.speaker.value, each.text) for each in said]
        await self.town.services.memory_keeper.remember(contact, messages, said)
        self.contacts.append(contact)
        self.own[contact] = {number}

    async def are_one(self, one: int, other: int) -> None:
        first, second = self.contacts[one], self.contacts[other]
        await self.town.services.contacts.link(first, second)
        self.own[first] = self.own[second] = self.own[first] | self.own[second]

    def some_words(self, most: int) -> str:
        return " ".join(self.chance.choices(WORDS, k=self.chance.randint(1, most)))

    def question(self) -> str:
        """Often with what only somebody else said, or is called."""
        other = self.chance.randrange(len(self.contacts))
        more = ["", f"zq{other}x", f"Zq{other}x?", f"what did {self.contacts[other]} say?", f"{self.contacts[other]}\0../*"]
        return f"{self.some_words(4)} {self.chance.choice(more)} {self.some_words(3)}?"

    def seen(self, text: str) -> set[int]:
        return {int(number) for number in CANARY.findall(text.lower())}


@pytest.fixture
async def server() -> AsyncIterator[FakeAutoMem]:
    async with automem() as running:
        yield running


@pytest.fixture
async def crowd(town_with: Callable[..., Town], server: FakeAutoMem) -> AsyncIterator[Crowd]:
    """Everybody is remembered, embedded and archived; AutoMem gives everybody's rows for everybody's."""
    async with AsyncExitStack() as open_:
        api = await open_.enter_async_context(embeddings_api())
        vendors = {"embeddings": "openai", "embedding_base_url": api.url, "embedding_api_key": KEY}
        chosen = {**vendors, "automem_url": server.url, "automem_token": TOKEN, "budget_tokens": 2000}
        town = town_with(
            limits__messages=100_000,
            pairing__max_prompts_per_hour=1000,
            **{f"memory__{name}": value for name, value in chosen.items()},
        )
        crowd = Crowd(town, Random(23))
        for who in (*(f"p{number}" for number in range(COUNT - len(HOSTILE))), *HOSTILE):
            await crowd.arrives(who)
        for one in range(0, 9, 3):
            await crowd.are_one(one, one + 1)
        keeper = town.services.memory_keeper
        assert keeper.meaning is not None
        assert keeper.archive is not None
        while await keeper.meaning.step():
            pass
        for contact in crowd.contacts:
            await keeper.archive_sessions(contact)
        await keeper.archive.flush()
        tags = [f"contact:{contact_key(contact)}" for contact in crowd.contacts]
        server.extra_rows = [{**row, "tags": tags} for row in list(server.memories.values())[:: len(server.memories) // 40]]
        yield crowd
        await town.services.close()


async def recalls(crowd: Crowd, count: int) -> int:
    """How many of so many random recalls found something; each found only what it may."""
    memory, desk, found = crowd.town.services.memory, crowd.town.services.memory_desk, 0
    for at in range(count):
        contact, question = crowd.chance.choice(crowd.contacts), crowd.question()
        shown = {f"m{crowd.chance.randrange(EACH)}"}
        items = (await memory.recall(contact, question, shown=shown)).items
        seen = set().union(*(crowd.seen(item.text) for item in items))
        assert seen <= crowd.own[contact], (contact, question)
        assert not shown & {item.message_id for item in items}
        found += bool(items)
        if at % 10 == 0:
            told = [each.text for each in await desk.search(contact, question, 150)]
            told += [f"{each.text} {each.value}" for each in await desk.facts(contact, question)]
            assert set().union(*map(crowd.seen, told)) <= crowd.own[contact]
    return found


async def test_a_recall_finds_what_this_person_said_and_nobody_else(crowd: Crowd) -> None:
    assert await recalls(crowd, sized(2_000, 200)) > sized(1_800, 160)


@pytest.mark.slow  # minutes; two hundred recalls are in the suite
async def test_thousands_of_recalls_find_nothing_of_anybody_else(crowd: Crowd) -> None:
    assert await recalls(crowd, sized(10_000, 1_500)) > sized(9_000, 1_300)


async def test_a_prompt_has_the_past_of_who_asks_and_of_nobody_else(crowd: Crowd) -> None:
    town, with_past = crowd.town, 0
    town.model.script = lambda _: Composed("Let me see.", Usage(10, 5))
    plain = [contact for contact in crowd.contacts if re.fullmatch(r"local:p(0|[1-9]\d*)", contact)]
    for _ in range(40):
        contact = crowd.chance.choice(plain)
        town.model.prompts.clear()
        assert await town.writes(contact.partition(":")[2], crowd.question()) is Admission.QUEUED
        assert await town.work() == ["answered"]
        system = "\n".join(block.text for block in town.model.prompts[-1].system)
        block = system.partition("<memory>\n")[2].partition("\n</memory>")[0]
        assert crowd.seen(system) <= crowd.own[contact]
        with_past += bool(crowd.seen(block))
    assert with_past > 32
    await who_is_forgotten_or_parted(crowd)


async def who_is_forgotten_or_parted(crowd: Crowd) -> None:
    """Nobody sees anything of who was forgotten; who is parted from the other account has their own."""
    services, (one, other, third) = crowd.town.services, crowd.contacts[:3]
    question = f"{' '.join(WORDS[:8])} zq0x zq1x zq2x?"

    async def seen(contact: ContactId) -> set[int]:
        return set().union(
            *(crowd.seen(item.text) for item in (await services.memory.recall(contact, question, shown=set())).items)
        )

    assert (await seen(one), await seen(third)) == ({0, 1}, {2})
    await services.contacts.unlink(other)
    assert (await seen(one), await seen(other)) == ({0}, {1})
    await services.contacts.forget(one)
    assert (await seen(one), await seen(other), await seen(third)) == (set(), {1}, {2})
