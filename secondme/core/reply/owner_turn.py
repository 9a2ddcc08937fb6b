"""The owner's own questions to the clone: one turn with the owner's persona and rights; or words for a contact, to be approved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.enums import Thinking, Tier
from secondme.core.errors import DataError
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, ModelOutcome, ModelRefused, Prompt, ToolTurn, Usage, Utterance
from secondme.core.records import ApprovedContact
from secondme.core.reply.checks import CUT, THOUGHTS, Fault, Instructions, find_fault, tidy
from secondme.core.reply.disclosure import asks_if_machine
from secondme.core.reply.prompt import Briefing, ask_prompt, build_prompt, may_be_said, suggest_prompt
from secondme.core.reply.store import SELF
from secondme.core.reply.thoughts import has_thoughts
from secondme.core.reply.tool_loop import ToolUse
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import tzinfo

    from secondme.core.config.loader import Settings
    from secondme.core.ports import Clock, Memory
    from secondme.core.reply.budget import Budget
    from secondme.core.reply.store import ContextStore
    from secondme.core.reply.tool_loop import ToolLoop
    from secondme.core.reply.voice import Voice, Voices

_LONGEST = 32_000
_THINKING_TOKENS = 16_000
_NOBODY = "local:somebody"


@dataclass(frozen=True, slots=True)
class OwnerAnswer:
    """The clone's answer to its owner."""

    text: str
    persona: str
    usage: Usage
    fault: str = ""
    """What the checks found, in words for a contact; it cannot be sent as it is."""


class OwnerTurn:
    """Where the owner's own turns are taken."""

    def __init__(
        self,
        budget: Budget,
        contexts: ContextStore,
        voices: Voices,
        settings: Settings,
        zone: tzinfo,
        clock: Clock,
    ) -> None:
        self._budget = budget
        self._contexts = contexts
        self._voices = voices
        self._settings = settings
        self._zone = zone
        self._clock = clock
        self.tools: ToolLoop | None = None
        """What it may use while it answers; None: nothing."""
        self.memory: Memory | None = None
        """What of a contact's past belongs into words for them; None: nothing does."""
        self._account: str | None = None
        self._tries = 2

    def ask_once(self, budget: Budget, account: str) -> None:
        """From now on each answer is one call, which `budget` pays for under the name of `account`."""
        self._budget, self._account, self._tries = budget, account, 1

    async def answer(
        self, words: str, *, thinking: Thinking | None = None, persona: str | None = None, turn: ToolTurn | None = None
    ) -> OwnerAnswer:
        """The answer to the owner's `words`. No contact's words are read for it, and nothing is stored but what it cost, and what tools did
        that `turn` may use (None: none).

        Raises DataError when there is nothing to answer or nothing was answered, UnavailableError, CredentialsError, ConfigError.
        """
        voice = await self._voices.for_owner(persona)
        fault: Fault | None = None
        use = ToolUse()
        for _ in range(self._tries):
            prompt = ask_prompt(
                self._owner,
                voice,
                _bounded(words),
                local_time=from_ms(self._clock.now_ms()).astimezone(self._zone),
                max_tokens=self._tokens(thinking),
                thinking=thinking,
                fault=fault.kind.value if fault else "",
            )
            text, usage, fault = await self._ask(SELF, prompt, turn, use)
            if fault is None:
                return OwnerAnswer(text, voice.id, usage)
        if fault is CUT:
            often = "" if self._tries == 1 else " twice"
            raise DataError("cut_short", f"The answer was cut short{often}.", "Ask for less, or raise model.max_tokens.")
        raise DataError("no_answer", "The model wrote down its thoughts, and no answer.", "Ask in other words.")

    async def write_to(self, contact: ApprovedContact, words: str, *, thinking: Thinking | None = None) -> OwnerAnswer:
        """Words for `contact`, as the owner asked for them in `words`; nothing is sent. Raises as `answer`."""
        who = ContactId(contact.contact_id)
        context = await self._contexts.of(who, self._settings.model.history_turns)
        voice, recent = await self._voices.of(contact, context), context.turns
        briefing = replace(self._briefing(contact, voice, words), asked_if_machine=False)  # those are the owner's words
        briefing = await self._remembering(briefing, words, frozenset(turn.id for turn in recent))
        usage, text, fault = Usage(), "", None
        for _ in range(self._tries):
            tried = replace(briefing, fault=fault.kind.value) if fault else briefing
            prompt = suggest_prompt(tried, recent, _bounded(words), max_tokens=self._tokens(thinking), thinking=thinking)
            text, usage, fault = await self._ask(who, prompt)
            spoken = (words, *(turn.content for turn in recent))
            fault = fault or await self._judge(text, prompt, tried, spoken, frozenset(context.members))
            if fault is None:
                break
        return OwnerAnswer(text, voice.persona.id, usage, fault.kind.value if fault else "")

    async def try_voice(self, words: str, *, persona: str | None = None, contact: ApprovedContact | None = None) -> OwnerAnswer:
        """What a contact who wrote `words` would be answered in this voice; nobody is sent anything. Raises as `answer`.

        Without `contact` it is somebody whom nothing is known about.
        """
        if contact is None:
            now = from_ms(self._clock.now_ms())
            voice = await self._voices.for_stranger(persona)
            contact = ApprovedContact(contact_id=_NOBODY, phone_number="", approved_at=now, approved_by="", tier=Tier.STANDARD)
        else:
            voice = await self._voices.of(contact, await self._contexts.of(ContactId(contact.contact_id), 1))
        briefing = self._briefing(contact, voice, words)
        if contact.contact_id != _NOBODY:
            briefing = await self._remembering(briefing, words, frozenset())
        prompt = build_prompt(briefing, (Utterance("user", _bounded(words)),), max_tokens=self._settings.model.max_tokens)
        text, usage, fault = await self._ask(SELF, prompt)
        fault = fault or await self._judge(text, prompt, briefing, (words,), frozenset({contact.contact_id}))
        return OwnerAnswer(text, voice.persona.id, usage, fault.kind.value if fault else "")

    async def _remembering(self, briefing: Briefing, words: str, shown: frozenset[str]) -> Briefing:
        """The briefing, with what was said before and has to do with `words`."""
        if self.memory is None:
            return briefing
        found = await self.memory.recall(ContactId(briefing.contact.contact_id), words, shown=shown)
        return replace(briefing, memories=found.items)

    def _briefing(self, contact: ApprovedContact, voice: Voice, words: str) -> Briefing:
        return Briefing(
            owner=self._owner,
            persona=voice.persona,
            contact=contact,
            relationship=voice.relationship,
            style=voice.style,
            examples=voice.examples(words),
            local_time=from_ms(self._clock.now_ms()).astimezone(self._zone),
            asked_if_machine=asks_if_machine([words]),
        )

    async def _judge(
        self, text: str, prompt: Prompt, briefing: Briefing, spoken: tuple[str, ...], who: frozenset[str]
    ) -> Fault | None:
        told = Instructions(
            system=tuple(block.text for block in prompt.system),
            own_words=(*may_be_said(briefing), *spoken),
            asked_if_machine=briefing.asked_if_machine,
            contact_ids=who,
        )
        return await asyncio.to_thread(find_fault, text, told)

    @property
    def _owner(self) -> str:
        return safe_name(self._settings.persona.name) or "the owner"

    def _tokens(self, thinking: Thinking | None) -> int:
        return self._settings.model.max_tokens + (_THINKING_TOKENS if thinking else 0)

    async def _ask(
        self, who: str, prompt: Prompt, turn: ToolTurn | None = None, use: ToolUse | None = None
    ) -> tuple[str, Usage, Fault | None]:
        """The model's words, what the last call cost, and whether they are cut short or no words at all."""

        def ask(tried: Prompt) -> Awaitable[ModelOutcome]:
            return self._budget.ask(self._account or who, tried, classification="asked")

        if self.tools is None or turn is None:
            outcome = await ask(prompt)
        else:
            outcome = await self.tools.run(prompt, turn, ask, use or ToolUse())
        if not isinstance(outcome, Composed):
            reason = outcome.reason if isinstance(outcome, ModelRefused) else "tool_use"
            fix = "Raise model.max_tokens." if reason == CUT.detail else "Ask in other words."
            raise DataError("no_answer", f"The model did not answer ({reason.replace('_', ' ')}).", fix)
        text = tidy(safe_text(outcome.text), self._owner).strip()
        if not text:
            raise DataError("no_answer", "The model answered nothing that can be shown.", "Ask in other words.")
        return text, outcome.usage, CUT if outcome.is_cut else THOUGHTS if has_thoughts(text) else None


def _bounded(words: str) -> str:
    words = words.strip()
    if not words:
        raise DataError("empty_message", "There is nothing to answer.", "Say something with --message.")
    if len(words) > _LONGEST:
        raise DataError("long_message", f"A message has at most {_LONGEST:,} characters.")
    return words
