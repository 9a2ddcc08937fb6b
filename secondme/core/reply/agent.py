"""The agent: voice, conversation and the burst become a prompt; the model's words become a reply that may leave, a draft, or none.

asked whether it is a machine? -> admit, or hand over
a machine that answers us?     -> silence, or a draft
    router: small talk or not      -> the small model answers in the same voice, or the large one does
    checks                         -> what must not leave is composed once more; after that it is the owner's
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.errors import ConfigError, CredentialsError, DataError, UnavailableError
from secondme.core.ids import mask_contact_id
from secondme.core.log import get_logger
from secondme.core.messages import (
    PICTURE_REFUSED,
    Composed,
    KnownPerson,
    ModelOutcome,
    ModelRefused,
    ModelSize,
    Prompt,
    ShownPictures,
    Utterance,
)
from secondme.core.reply.checks import CUT, Fault, FaultKind, Instructions, find_fault, prepare, tidy
from secondme.core.reply.context import merge, select
from secondme.core.reply.disclosure import asks_if_machine
from secondme.core.reply.machines import WINDOW_TURNS, is_automatic, is_too_fast
from secondme.core.reply.prompt import Briefing, build_prompt, may_be_said
from secondme.core.reply.router import BurstKind, Route, Router
from secondme.core.reply.tool_loop import ToolUse
from secondme.core.retry import Breaker
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from secondme.core.config.loader import Settings
    from secondme.core.ports import Clock, Memory, Pictures
    from secondme.core.records import Burst, Mail, Turn
    from secondme.core.reply.collaborators import Contexts, Outages, Purse, VoiceSource
    from secondme.core.reply.store import ReplyContext
    from secondme.core.reply.tool_loop import ToolLoop
    from secondme.core.reply.voice import Voice

_LEFT_ALONE = ("model_down", "The model has failed too often and is left alone for a moment.")


@dataclass(frozen=True, slots=True)
class Reply:
    """Words for a contact. `hold` names why they are the owner's to send; `fault` what speaks against them as they are."""

    text: str
    hold: str = ""
    fault: str = ""
    by_line: bool = False
    """True when each line is a message of its own, as this owner writes."""
    facts: dict[str, Any] | None = None
    """How it came about, for the trace; quotes nobody."""


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing to say, and why: `handed_over` to the owner, `automatic` words, or what the model came to instead of words."""

    reason: str
    facts: dict[str, Any] | None = None


log = get_logger(__name__)

_SMALL_TALK_TOKENS = 512
_TURN_LIMIT = 4000
"""Characters of one message of the burst that the model sees."""
_LONG = 1500
"""Characters from which the checks take more than a moment, and a thread."""
_ROUTING = "routing"
_OWN_BUDGET = frozenset({"over_budget", "over_contact_budget"})
_HONESTY = frozenset({FaultKind.DENIAL, FaultKind.NOT_ADMITTED})
_ASKED = Route(BurstKind.SUBSTANTIVE, "asked_if_machine", "rules")


class Agent:
    """Composes replies."""

    def __init__(
        self,
        budget: Purse,
        outages: Outages,
        contexts: Contexts,
        voices: VoiceSource,
        settings: Settings,
        zone: tzinfo,
        clock: Clock,
    ) -> None:
        self._budget = budget
        self._outages = outages
        self._clock = clock
        self._contexts = contexts
        self._voices = voices
        self._settings = settings
        self._zone = zone
        self._warming = asyncio.Lock()
        self._is_warm = False
        self._has_outages = False
        """An outage was written down, as far as this process knows."""
        self._breaker = Breaker(clock, *_LEFT_ALONE, most=10, pause_s=15.0)
        self.tools: ToolLoop | None = None
        """What it may use while it composes; None: nothing."""
        self.memory: Memory | None = None
        """What was said before its conversation begins; None: it knows nothing of that."""
        self.pictures: Pictures | None = None
        """What contacts sent to be looked at; None: the model is shown no picture."""
        self.router = Router(clock)

    async def warm(self) -> None:
        """The checks are ready. Their tables take 8 MB and a third of a second, once; a process that answers nobody does without. Repeatable."""
        async with self._warming:
            if not self._is_warm:
                await asyncio.to_thread(prepare)
                self._is_warm = True

    async def compose_reply(self, burst: Burst) -> Reply | NoReply:
        """The owner's next words to this burst, safe to show and never empty; or that there are none.

        Raises UnavailableError (ask again later), CredentialsError and ConfigError (a human must act first). Repeatable.
        """
        if not self._is_warm:
            await self.warm()
        texts = [mail.content for mail in burst.mail]
        asked = asks_if_machine([mail.spoken for mail in burst.mail if not mail.forwarded])
        if asked and self._settings.disclosure.policy == "handover":
            return NoReply("handed_over")
        context = await self._look_up(burst)
        voice, history = await self._voices.of(burst.contact, context), self._recent(burst, context)
        if is_automatic(history, burst.mail):
            return NoReply("automatic")
        spoken = "\n".join(mail.spoken for mail in burst.mail)
        route = _ASKED if asked else await self.router.route(texts, lambda prompt: self._ask(burst, prompt, _ROUTING))
        briefing = Briefing(
            owner=safe_name(self._settings.persona.name) or "the owner",
            persona=voice.persona,
            contact=burst.contact,
            relationship=voice.relationship,
            style=voice.style,
            examples=voice.examples(spoken),
            lessons=[(each.wrote, each.real, each.because) for each in burst.contact.lessons or ()],
            local_time=from_ms(burst.now_ms).astimezone(self._zone),
            asked_if_machine=asked,
        )
        quotable = await self._quotable(burst, history)
        said = select(history[-self._settings.model.history_turns :], burst.mail, budget_tokens=self._settings.model.history_tokens)
        shown = await self._look(burst, said)
        turns = self._turns(burst, said, quotable, shown)
        facts: dict[str, Any] = {"route": route.kind.value, "reason": route.reason, "by": route.by, "persona": voice.persona.id}
        if self.memory is not None and route.kind is not BurstKind.PHATIC:
            known = frozenset(turn.id for turn in said) | {mail.message_id for mail in burst.mail}
            person = KnownPerson(context.members, burst.contact.names)
            found = await self.memory.recall(burst.token.contact_id, spoken, shown=known, person=person)
            briefing = replace(briefing, memories=found.items)
            facts |= found.facts
        small = route.kind is BurstKind.PHATIC
        if shown.pictures:
            facts["pictures"] = len(shown.pictures)
        try:
            reply = await self._compose(burst, context, briefing, turns, voice, facts, small=small)
        except DataError as error:
            if error.code != PICTURE_REFUSED or self.pictures is None:
                raise
            # One of them may be why. Without them it is tried once; they are never sent again, or this contact would never be answered.
            log.warning("pictures_refused", contact=mask_contact_id(burst.token.contact_id), pictures=len(shown.pictures))
            facts |= {"pictures": 0, "pictures_refused": len(shown.pictures)}
            reply = await self._compose(
                burst, context, briefing, self._turns(burst, said, quotable, ShownPictures()), voice, facts, small=small
            )
            await self.pictures.refuse(burst.token.contact_id, shown)
        if any(each.reading and each.reading.is_unclear for mail in burst.mail for each in mail.attachments):
            reply = self._doubt(reply)
        limits = self._settings.limits
        is_fast = is_too_fast(history, limits.fast_exchanges and max(limits.fast_exchanges, limits.messages))
        return replace(reply, hold="machine") if is_fast and isinstance(reply, Reply) and not reply.hold else reply

    async def _compose(
        self,
        burst: Burst,
        context: ReplyContext,
        briefing: Briefing,
        turns: list[Utterance],
        voice: Voice,
        facts: dict[str, Any],
        *,
        small: bool,
    ) -> Reply | NoReply:
        """The model's words, composed once more when the first ones must not leave; then held, with what is wrong with them."""
        settings = self._settings.model
        size = ModelSize.SMALL if small else ModelSize.LARGE
        who = frozenset(context.members)
        max_tokens = min(_SMALL_TALK_TOKENS, settings.max_tokens) if small else settings.max_tokens
        text, fault, use = "", None, ToolUse()
        for attempt in (1, 2):
            tried = replace(briefing, fault=fault.kind.value) if fault else briefing
            prompt = build_prompt(tried, turns, max_tokens=max_tokens, size=size)
            may_use = not small and not briefing.asked_if_machine
            outcome = await self._ask_with_tools(burst, context, prompt, use, may_use=may_use)
            facts |= {"model": outcome.usage.model, "attempts": attempt} | ({"tools": use.calls} if use.calls else {})
            if isinstance(outcome, ModelRefused) and outcome.reason != CUT.detail:
                return NoReply(outcome.reason, facts)
            words = outcome if isinstance(outcome, Composed) else Composed("", is_cut=True)
            text = tidy(safe_text(words.text), briefing.owner).strip()
            if not text and not words.is_cut:
                return NoReply("empty", facts)
            fault = CUT if words.is_cut else await self._judge(who, briefing, prompt, (*map(_text, turns), *use.told), text)
            if fault is None:
                return Reply(text, by_line=voice.splits, facts=facts)
            if fault is CUT:
                max_tokens = settings.max_tokens
            log.warning("reply_unfit", contact=mask_contact_id(burst.token.contact_id), fault=fault.kind.value, attempt=attempt)
        assert fault is not None
        facts["fault"] = fault.kind.value
        if not text:
            return NoReply(fault.kind.value, facts)
        hold = "disclosure" if fault.kind in _HONESTY else "unfit"
        return Reply(text, hold=hold, fault=fault.kind.value, by_line=voice.splits, facts=facts)

    async def _judge(
        self, who: frozenset[str], briefing: Briefing, prompt: Prompt, spoken: tuple[str, ...], text: str
    ) -> Fault | None:
        told = Instructions(
            system=tuple(block.text for block in prompt.system),
            own_words=(*may_be_said(briefing), *spoken),
            asked_if_machine=briefing.asked_if_machine,
            contact_ids=who,
        )
        if len(text) > _LONG:
            return await asyncio.to_thread(find_fault, text, told)
        return find_fault(text, told)

    async def _look_up(self, burst: Burst) -> ReplyContext:
        """Everything that is known of the contact, in one look."""
        most = max(self._settings.model.history_turns, WINDOW_TURNS)
        context = await self._contexts.of(burst.token.contact_id, most, burst.mail[-1])
        self._has_outages = self._has_outages or context.has_outages
        return context

    def _recent(self, burst: Burst, context: ReplyContext) -> list[Turn]:
        since = from_ms(burst.now_ms) - timedelta(hours=self._settings.model.history_hours)
        return [turn for turn in context.turns if turn.timestamp > since]

    async def _quotable(self, burst: Burst, history: list[Turn]) -> dict[str, Turn | Mail]:
        """Our own copies of what the burst may quote, by their ids."""
        known: dict[str, Turn | Mail] = {turn.id: turn for turn in history} | {mail.message_id: mail for mail in burst.mail}
        if any(mail.reply_to and mail.reply_to not in known for mail in burst.mail):
            known |= {turn.id: turn for turn in await self._contexts.said(burst.token.contact_id)}
        return known

    async def _look(self, burst: Burst, said: list[Turn]) -> ShownPictures:
        """What the model is shown beside the words: pictures of the burst, those that it quotes, and those of a moment ago."""
        if self.pictures is None:
            return ShownPictures()
        since = from_ms(burst.now_ms) - timedelta(minutes=self._settings.sight.remember_minutes)
        written = [mail.message_id for mail in burst.mail if mail.attachments] + [
            mail.reply_to for mail in burst.mail if mail.reply_to
        ]
        recent = [turn.id for turn in reversed(said) if turn.media and turn.timestamp > since]
        wanted = list(dict.fromkeys([*written, *recent]))
        return await self.pictures.look(burst.token.contact_id, wanted) if wanted else ShownPictures()

    def _turns(self, burst: Burst, said: list[Turn], quotable: dict[str, Turn | Mail], shown: ShownPictures) -> list[Utterance]:
        """What was said, newest last, and then the burst, whole, with the pictures."""
        newest = (mail.model_copy(update={"content": _bounded(mail)}) for mail in burst.mail)
        turns = merge([*said, *newest], quotable=quotable, shown=shown.numbers)
        return [*turns[:-1], replace(turns[-1], pictures=shown.pictures)]

    def _doubt(self, reply: Reply | NoReply) -> Reply | NoReply:
        """A reply to words that may be wrong is the owner's to send, where they want it so."""
        is_owners = self._settings.hearing.unclear == "draft" and isinstance(reply, Reply) and not reply.hold
        return replace(reply, hold="unclear") if is_owners and isinstance(reply, Reply) else reply

    async def _ask_with_tools(
        self, burst: Burst, context: ReplyContext, prompt: Prompt, use: ToolUse, *, may_use: bool
    ) -> ModelOutcome:
        """The model's words; on the way to them it may use what this contact may cause. Small talk needs nothing."""
        purpose = "small talk" if prompt.size is ModelSize.SMALL else "reply"
        if self.tools is None or not may_use:
            return await self._ask(burst, prompt, purpose)
        turn = replace(await self.tools.turn_of(burst), has_skills=context.has_skills)
        if any(each.pictures for each in prompt.turns):  # nobody has read what may be written in them
            turn = replace(turn, is_tainted=True)
        return await self.tools.run(prompt, turn, lambda tried: self._ask(burst, tried, purpose), use)

    async def _ask(self, burst: Burst, prompt: Prompt, purpose: str) -> ModelOutcome:
        self._breaker.check()
        who = burst.token.contact_id
        try:
            outcome = await self._budget.ask(who, prompt, classification=purpose, messageId=burst.mail[-1].message_id)
        except UnavailableError as error:
            if error.code not in _OWN_BUDGET:
                self._breaker.failed()
            raise
        except DataError:
            self._breaker.succeeded()
            raise
        except (CredentialsError, ConfigError) as error:
            self._breaker.succeeded()  # the service answers; what it says is for a human
            if purpose != _ROUTING:
                self._has_outages = True
                with contextlib.suppress(UnavailableError):
                    await self._outages.begin(error, prompt.size, who, self._clock.now_ms())
            raise
        self._breaker.succeeded()
        if purpose != _ROUTING and self._has_outages:
            self._has_outages = False  # what is left is seen again with the next context
            stale_ms = self._settings.queue.stale_after_hours * 3_600_000
            with contextlib.suppress(UnavailableError):
                await self._outages.end(prompt.size, who, self._clock.now_ms(), stale_ms=stale_ms)
        return outcome


def _bounded(mail: Mail) -> str:
    """What a message says, at most so much of it that a reply can be about; a voice message is heard to its end."""
    notes, typed = mail.parts
    return "\n".join([*notes, typed[:_TURN_LIMIT]] if typed else notes)


def _text(turn: Utterance) -> str:
    return turn.text
