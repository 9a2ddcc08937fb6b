"""Conversations as the owner sees them: who talks, what of it is not over, what was said."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.enums import State
from secondme.core.errors import DataError
from secondme.core.gateway.owner_messages import approved_of
from secondme.core.gateway.trace_messages import in_words
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from secondme.core.admit.control_store import ControlStore
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.gateway.store import ConversationDetail, ConversationState, ConversationStates, Passed
    from secondme.core.records import Pause
    from secondme.core.send.drafts import Draft, Drafts

_MOST_REMARKS = 3
_SILENT = frozenset({"begun", "answered", "sent"})
"""Stages that the reply itself shows."""
_URGENT = frozenset({"held", "unanswered", "rate_limited", "inbox_full", "stale"})

Concern = Literal["drafts", "sending", "begun", "paused", "queued", "last", "over"]


@dataclass(frozen=True, slots=True)
class ConversationStand:
    """What of a conversation is not over, in words of ours that quote nobody; `over` with empty words when nothing is open."""

    concern: Concern
    words: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """What became of a message. `is_urgent`: the owner may have to act."""

    words: str
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in a list."""

    contact: ApprovedContact
    state: ConversationState
    drafts: int
    pause: Pause | None
    stand: ConversationStand


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Some conversations, the newest word on top. `following` asks for those below; empty at the end."""

    rows: tuple[ConversationRow, ...]
    following: str
    unreadable: int


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """One conversation, whole."""

    contact: ApprovedContact
    detail: ConversationDetail
    drafts: tuple[Draft, ...]
    pause: Pause | None
    remarks: dict[str, tuple[Remark, ...]]
    """Message id -> what became of it."""


class ConversationDesk:
    """Reads conversations. Command line, API and screen all come here."""

    def __init__(
        self,
        states: ConversationStates,
        pairing: PairingStore,
        control: ControlStore,
        drafts: Drafts,
    ) -> None:
        self._states = states
        self._pairing = pairing
        self._control = control
        self._drafts = drafts

    async def ranked(self, search: str = "", *, limit: int = 100, before: str = "") -> ConversationPage:
        """At most `limit` conversations of approved contacts that `search` fits, the newest word on top and who never spoke at the end. `before`:
        those below the one that an earlier page's `following` means. Raises DataError for another `before`.
        """
        mark = _mark(before) if before else None
        wanted: dict[str, ApprovedContact] = {}
        async for found in self._pairing.slices(State.APPROVED):
            for _, each in found.entries:
                if isinstance(each, ApprovedContact) and (not search or each.is_like(search)):
                    wanted[each.contact_id] = each
        newest = await self._states.newest_ms([ContactId(each) for each in wanted])
        places = [(-newest.get(each, 0), each) for each in wanted]
        below = places if mark is None else [place for place in places if place > mark]
        order = [each for _, each in heapq.nsmallest(limit + 1, below)]
        chosen = [ContactId(each) for each in order[:limit]]
        states = await self._states.of(chosen)
        pauses = await self._control.contact_pauses(chosen)
        drafts, unreadable = await self._drafts.waiting()
        counts = Counter(draft.contact_id for draft in drafts)
        rows = tuple(
            ConversationRow(
                wanted[each], states[each], counts[each], pauses.get(each), stand_of(counts[each], states[each], pauses.get(each))
            )
            for each in chosen
        )
        following = f"{newest.get(chosen[-1], 0)}/{chosen[-1]}" if len(order) > len(chosen) and chosen else ""
        return ConversationPage(rows, following, len(unreadable))

    async def open(self, contact: str) -> OpenConversation:
        """One conversation. Raises NotFoundError when the contact was not approved, DataError when its record cannot be read."""
        approved = await approved_of(self._pairing, contact)
        who = ContactId(approved.contact_id)
        detail = await self._states.detail(who)
        drafts, _ = await self._drafts.waiting()
        own = tuple(draft for draft in drafts if draft.contact_id == who)
        return OpenConversation(approved, detail, own, await self._control.contact_pause(who), remarks_of(detail))


def stand_of(drafts: int, state: ConversationState | None, pause: Pause | None) -> ConversationStand:
    """What of a conversation is not over: what waits for the owner first, then what is under way, then what keeps it from being."""
    if drafts:
        return ConversationStand("drafts", "a draft waits for you" if drafts == 1 else f"{drafts} drafts wait for you")
    if state is not None and state.unsent:
        return ConversationStand("sending", "a message is on its way")
    if state is not None and state.is_begun:
        return ConversationStand("begun", in_words("begun", {}))
    if pause is not None:
        return ConversationStand("paused", "paused")
    if state is not None and state.queued:
        return ConversationStand("queued", _one_line(in_words("waiting", {"reason": state.waiting or "queued"})))
    if state is not None and state.newest is not None and state.last is not None and state.newest.type == "incoming":
        return ConversationStand("last", _one_line(in_words(state.last.stage, state.last.facts)))
    return ConversationStand("over")


def remarks_of(detail: ConversationDetail) -> dict[str, tuple[Remark, ...]]:
    """Message id -> what became of it, where the messages do not show that themselves. What is true of several that came together is said of
    the last of them."""
    place = {turn.id: number for number, turn in enumerate(detail.turns)}
    waiting = {mail.message_id for mail in detail.mail}
    found: dict[str, list[Remark]] = {}
    for passed in detail.stages:
        known = [message for message in passed.messages if message in place]
        if known and _tells(passed) and not (passed.stage == "put_off" and waiting & set(known)):
            remark = Remark(_one_line(in_words(passed.stage, passed.facts)), passed.stage in _URGENT)
            found.setdefault(max(known, key=place.__getitem__), []).append(remark)
    remarks = {message: list(dict.fromkeys(lines))[-_MOST_REMARKS:] for message, lines in found.items()}
    if detail.mail:
        why = in_words("begun", {}) if detail.is_begun else in_words("waiting", {"reason": detail.waiting or "queued"})
        remarks.setdefault(detail.mail[-1].message_id, []).append(Remark(_one_line(why), is_urgent=True))
    return {message: tuple(lines) for message, lines in remarks.items()}


def _tells(passed: Passed) -> bool:
    """True for what the owner cannot see from the messages themselves."""
    if passed.stage == "composed":
        return bool(passed.facts.get("fault") or passed.facts.get("refused"))
    return passed.stage not in _SILENT and passed.facts.get("reason") not in {"gathering", "queued"}


def _one_line(words: str) -> str:
    return " ".join(safe_text(words).split())


def _mark(before: str) -> tuple[int, str]:
    """The place of a conversation in the order, as `following` says it."""
    at, _, contact = before.partition("/")
    if not (at.isascii() and at.isdigit() and contact):
        raise DataError("bad_place", "There is no such page.", "Give back what the page before it said.")
    return -int(at), contact
