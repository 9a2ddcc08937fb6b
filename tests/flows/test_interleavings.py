"""Nothing of one contact enters a request for another, however what they say and what the owner does is shuffled."""

import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from fakes.model import ScriptedModel
from fakes.size import sized
from fakes.town import Town

from secondme.core.admit.store import ContactChoices
from secondme.core.enums import Relationship, ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, ModelOutcome, Prompt, Usage
from secondme.core.records import Burst
from secondme.core.remember.store import RelationshipStore
from secondme.core.reply.store import PersonaUse

WHO = ["anna", "ben", "cara", "dina", "emil"]
STEPS = sized(10_000, 700)
CANARY = re.compile(r"canary-(\w+)")


class Crowd:
    """Five contacts, each with words, a name and notes that nobody else may be told."""

    def __init__(self, town: Town, model: ScriptedModel, seed: int) -> None:
        self.town, self.model, self.rng = town, model, Random(seed)
        self.done: Counter[str] = Counter()
        self.answering = ""
        model.script = model.router = self.answer
        self.choices, self.relationships = ContactChoices(town.store), RelationshipStore(town.store)

    def answer(self, prompt: Prompt) -> ModelOutcome:
        told = "\n".join([*(block.text for block in prompt.system), *(turn.text for turn in prompt.turns)])
        assert set(CANARY.findall(told)) <= {self.answering}, (self.answering, set(CANARY.findall(told)))
        self.done["requests"] += 1
        return Composed(f"canary-{self.answering} said and done {self.rng.randrange(999)}", Usage(10, 5))

    async def let_in(self) -> None:
        for who in WHO:
            await self.town.writes(who, "hello", display_name=f"canary-{who}")
            await self.town.owner.approve(f"local:{who}", Tier.STANDARD, notes=f"canary-{who} owes money")
        await self.town.deliver()

    async def step(self) -> None:
        """One thing happens, to one of them."""
        who = self.rng.choice(WHO)
        contact = ContactId(f"local:{who}")
        what = self.rng.choices(
            ["writes", "works", "delivers", "owner", "learns", "relates", "chooses", "mode", "resumes", "corrects", "draft"],
            [30, 30, 10, 4, 6, 3, 3, 3, 14, 2, 2],
        )[0]
        self.done[what] += 1
        await getattr(self, what)(who, contact)

    async def writes(self, who: str, *_: str) -> None:
        text = f"what about canary-{who}, {self.rng.choice(['tonight', 'at noon', 'the money'])} {self.rng.randrange(99)}?"
        await self.town.writes(who, text)

    async def delivers(self, *_: str) -> None:
        await self.town.deliver()

    async def owner(self, who: str, _: ContactId) -> None:
        await self.town.writes(who, f"canary-{who} from my own hand {self.rng.randrange(99)}", from_me=True)

    async def learns(self, _: str, contact: ContactId) -> None:
        await self.town.learner.learn(contact)

    async def relates(self, _: str, contact: ContactId) -> None:
        await self.relationships.set_by_owner(contact, self.rng.choice([None, *Relationship]))

    async def chooses(self, *_: str) -> None:
        await PersonaUse(self.town.store).set("default", self.rng.choice(["one", "two"]))

    async def mode(self, _: str, contact: ContactId) -> None:
        await self.choices.set_mode(contact, self.rng.choice([None, ReplyMode.AUTO, ReplyMode.DRAFT]))

    async def resumes(self, _: str, contact: ContactId) -> None:
        await self.town.control.resume(contact)

    async def corrects(self, who: str, _: ContactId) -> None:
        await self.town.writes(who, f"canary-{who} corrected", edit_of=f"m{self.rng.randrange(200)}")

    async def draft(self, *_: str) -> None:
        for draft in (await self.town.drafts.waiting())[0]:
            await self.town.drafts.edit(draft.id, f"canary-{draft.contact_id.partition(':')[2]} edited")

    async def works(self, *_: str) -> None:
        """Work on whoever has a token; the prompts in between may name only them."""
        for token in await self.town.tokens(count=1):
            burst = await self.town.inbox.begin(token, "w")
            if not isinstance(burst, Burst):
                continue
            self.answering = token.contact_id.partition(":")[2]
            verdict = await self.town.gateway.answer(burst)
            rows = getattr(verdict, "rows", None)
            if rows is None:
                await self.town.inbox.defer(token, "w", burst.fence, delay_s=0, reason="later", forgive=True)
            else:
                await self.town.inbox.finish(burst, "w", rows, hold=verdict.hold, stages=verdict.stages)  # type: ignore[union-attr]
            self.answering = ""


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_of_one_contact_is_in_a_request_for_another(
    town_with: Callable[..., Town], model: ScriptedModel, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    town = town_with(limits__messages=1_000_000)
    crowd = Crowd(town, model, seed)
    town.setup.places.personas.mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        (town.setup.places.personas / f"{name}.md").write_text(f"---\nname: {name}\n---\nVoice {name}.\n")
    await crowd.let_in()
    for _ in range(STEPS // 2):
        await crowd.step()
    for contact, text, _ in town.channel.raw:
        assert set(CANARY.findall(text)) <= {contact.partition(":")[2]}
    with capsys.disabled():
        print(f"\ninterleavings: {STEPS // 2:,} steps, {crowd.done['requests']} requests, 0 with somebody else's words")
    assert crowd.done["requests"] > STEPS // 20
