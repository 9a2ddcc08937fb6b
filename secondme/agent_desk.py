"""The desk where the clone is asked, from a terminal, a script or a program: the answer, told to the owner, or kept as a draft for a contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from secondme.core.admit.pairing import channel_of
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.messages import Origin, ToolTurn
from secondme.core.send.split import split_reply

if TYPE_CHECKING:
    from secondme.core.api.agent_routes import AgentRequest, AgentResult
    from secondme.core.enums import Thinking
    from secondme.core.messages import OwnerAddress
    from secondme.core.records import ApprovedContact
    from secondme.core.reply.owner_turn import OwnerAnswer, OwnerTurn
    from secondme.services import Services

Outcome = Literal["answered", "composed", "sent", "waiting", "draft", "already_done"]
"""`composed`: for a contact, and kept nowhere. `waiting`: for the owner's own chat, later. `already_done`: nobody was asked."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked, and what becomes of the answer."""

    words: str
    to: ApprovedContact | Literal["self"] | None
    """A draft for this contact, a message to the owner, or the answer alone."""
    turn: ToolTurn
    """Whose rights tools have."""
    thinking: Thinking | None = None
    persona: str | None = None
    once: str = ""
    """Done once for this word within a week; empty: each time."""
    valid_for: timedelta | None = None
    is_there: bool = False
    """The owner waits for it: it comes also at night and under the kill switch."""
    is_trial: bool = False
    """Nothing is sent or kept."""


@dataclass(frozen=True, slots=True)
class AskResult:
    """What became of it."""

    outcome: Outcome
    to: str | None
    answer: OwnerAnswer | None = None
    """None when it was done before."""
    draft_id: str = ""
    channel_id: str = ""
    row_ids: tuple[str, ...] = ()
    wait_s: float = 0.0
    """Seconds until a message to the owner leaves at the soonest."""


async def ask(services: Services, clone: OwnerTurn, wanted: Ask) -> AskResult:
    """Ask `clone`, and do with the answer what is wanted. Repeatable with `once`; then nothing is paid again either.

    Raises NotFoundError without a chat of the owner's, before anything is asked, and as `OwnerTurn.answer`, `Drafts.suggest`.
    """
    to = wanted.to if wanted.to is None or wanted.to == "self" else wanted.to.contact_id
    if wanted.once and not wanted.is_trial and await services.draft_store.is_done(wanted.once):
        return AskResult("already_done", to)
    if wanted.to is not None and wanted.to != "self":
        return await _write(services, clone, wanted, wanted.to)
    chat = await _own_chat(services) if wanted.to == "self" else None
    answer = await clone.answer(wanted.words, thinking=wanted.thinking, persona=wanted.persona, turn=wanted.turn)
    if chat is None or wanted.is_trial:
        return AskResult("answered", to, answer)
    return await _tell(services, wanted, chat, answer)


async def _write(services: Services, clone: OwnerTurn, wanted: Ask, contact: ApprovedContact) -> AskResult:
    """A draft for a contact."""
    who = ContactId(contact.contact_id)
    answer = await clone.write_to(contact, wanted.words, thinking=wanted.thinking)
    if wanted.is_trial:
        return AskResult("composed", who, answer)
    until = None if wanted.valid_for is None else services.clock.now() + wanted.valid_for
    channel = contact.channel_id or channel_of(who)
    draft = await services.drafts.suggest(who, channel, answer.text, fault=answer.fault, until=until, once=wanted.once)
    return AskResult("already_done", who) if draft is None else AskResult("draft", who, answer, draft_id=draft)


async def _tell(services: Services, wanted: Ask, chat: OwnerAddress, answer: OwnerAnswer) -> AskResult:
    """The answer is on its way to the owner. What nobody waits for waits for the morning, and falls to the kill switch."""
    texts, channel, wait_s = split_reply(answer.text), chat.channel_id, 0.0
    if wanted.is_there and not wanted.once:
        rows = [await services.notes.say(channel, chat.contact_id, text) for text in texts]
    else:
        wait_s = 0.0 if wanted.is_there else services.until_awake_s()
        rows = await services.notes.schedule(channel, chat.contact_id, texts, after_s=wait_s, once=wanted.once)
    if not rows:
        return AskResult("already_done", "self")
    outcome: Outcome = "sent" if chat.is_open and not wait_s else "waiting"
    return AskResult(outcome, "self", answer, channel_id=channel, row_ids=tuple(rows), wait_s=wait_s)


async def _own_chat(services: Services) -> OwnerAddress:
    """Where the owner's own chat is: one that is connected, else one that will be. Raises NotFoundError without any."""
    chats = await services.own_chats()
    if not chats:
        raise NotFoundError("no_owner_chat", "No channel knows a chat of your own.", "secondme channels connect telegram")
    return chats[0]


class AgentDesk:
    """Asks Claude as a script does: nobody is there to allow what changes something."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ask(self, wanted: AgentRequest, once: str) -> AgentResult:
        """As `ask`. Raises NotFoundError for somebody who is not an approved contact, DataError for a contact's persona."""
        to = wanted.to if wanted.to in {"none", "self"} else await self._contact(wanted.to)
        if wanted.persona is not None and to not in {"none", "self"}:
            raise DataError("bad_request", "A contact's persona is chosen for them.", "secondme persona use NAME --contact ID")
        from secondme.core.api.agent_routes import AgentResult
        from secondme.core.reply.tool_loop import ToolLimits

        asked_for = Ask(
            wanted.message,
            None if to == "none" else to,  # type: ignore[arg-type]  # one of both, or a contact
            ToolTurn(Origin.SCRIPT),
            thinking=wanted.thinking,
            persona=wanted.persona,
            once=once,
            valid_for=None if wanted.valid_hours is None else timedelta(hours=wanted.valid_hours),
        )
        async with self._services.asking_claude(self._services.toolbox, ToolLimits()) as clone:
            asked = await ask(self._services, clone, asked_for)
        answer = asked.answer
        return AgentResult(
            outcome=asked.outcome,
            to=asked.to,
            text=None if answer is None else answer.text,
            fault=None if answer is None else answer.fault or None,
            draft_id=asked.draft_id or None,
            channel_id=asked.channel_id or None,
            row_ids=list(asked.row_ids) or None,
        )

    async def _contact(self, reference: str) -> ApprovedContact:
        """Whole ids only: a program that guesses names would write to the wrong one."""
        for contact in (await self._services.listing()).approved:
            if contact.contact_id == reference:
                return contact
        raise NotFoundError("unknown_contact", "No approved contact has this id.", "secondme contacts list")
