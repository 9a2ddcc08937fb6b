"""Drafts beside their questions: what each answers, whose it is, why it waits, from which job. The command line, the screen, the owner's chat and the API
show the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.clock import EPOCH, rfc3339
from secondme.core.errors import NotFoundError
from secondme.core.gateway.trace_messages import became, held_because
from secondme.core.ids import ContactId
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.errors import DataError
    from secondme.core.gateway.store import TraceStore
    from secondme.core.records import ApprovedContact, Turn
    from secondme.core.send.drafts import Draft, Drafts
    from secondme.core.store.history import HistoryStore

AskedKind = Literal["text", "voice", "picture", "file"]

LONGEST_ASKED = 2000
"""Characters of one message that are shown."""
_MOST_ASKED = 20
"""Messages of one draft's that are shown, the newest."""
_MOST_SEARCHED = 1000
"""Contacts, those approved last, among whose traces is looked for what became of a draft."""
_ID = re.compile(r"[0-9a-f]{4,64}", re.ASCII)
_LINE = re.compile(r"\[(voice message|audio|photo|sticker)\b")


@dataclass(frozen=True, slots=True)
class AskedMessage:
    """One message of a contact's that a draft answers, cleaned and at most 2,000 characters long."""

    id: str
    text: str
    at: datetime
    kind: AskedKind


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft and what one needs to know to decide about it."""

    draft: Draft
    asked: tuple[AskedMessage, ...]
    """The oldest first; empty when nobody asked, or what they wrote is not kept any more."""
    contact: ApprovedContact | None
    """None when they are not approved any more, or their record cannot be read."""
    job_name: str
    """What its job is called; empty without one, and for one that is gone."""
    why: str
    """Why it waits, in a sentence."""

    @property
    def name(self) -> str:
        """What its contact is called, safe to show; else the id."""
        return (self.contact.shown_name if self.contact is not None else "") or self.draft.contact_id


class DraftViews:
    """Looks up what belongs to drafts, and to those that are gone. Reads, never writes."""

    def __init__(
        self,
        drafts: Drafts,
        history: HistoryStore,
        pairing: PairingStore,
        traces: TraceStore,
        job_names: Callable[[Sequence[str]], Awaitable[dict[str, str]]],
    ) -> None:
        self.drafts = drafts
        """Where they are decided about."""
        self._traces = traces
        self._history = history
        self._pairing = pairing
        self._job_names = job_names

    async def waiting(self) -> tuple[list[DraftView], list[DataError]]:
        """Every draft, the oldest first, and what could not be read."""
        drafts, corrupt = await self.drafts.waiting()
        return await self.of(drafts), corrupt

    async def find(self, reference: str) -> DraftView:
        """The one draft whose id is `reference`, or begins with it. Raises NotFoundError: `draft_gone`, saying what became of it, where its
        trace knows."""
        (view,) = await self.of([await self.found(self.drafts.find(reference), reference)])
        return view

    async def found(self, decision: Awaitable[Draft], reference: str) -> Draft:
        """What `decision`, which is about the draft `reference`, comes to. Raises as that, and as `find` for a draft that is gone."""
        try:
            return await decision
        except NotFoundError as error:
            raise (await self._gone(reference)) or error from None

    async def _gone(self, reference: str) -> NotFoundError | None:
        """What became of a draft that is gone; None when nobody knows, or several are called so."""
        if not _ID.fullmatch(reference):
            return None
        listing = await self._pairing.listing()
        approved = [ContactId(each.contact_id) for each in listing.approved[:_MOST_SEARCHED]]
        stages = await self._traces.of_reply(reference, approved)
        names = {name for stage in stages for name in stage.replies if name.startswith(reference)}
        ends = [(stage.at, words) for stage in stages if (words := became(stage.stage, stage.facts))]
        if len(names) != 1 or not ends:
            return None
        at, words = ends[-1]
        return NotFoundError("draft_gone", f"That draft is gone: {words} ({rfc3339(at)}).", "secondme drafts list")

    async def asked(self, draft: Draft) -> tuple[AskedMessage, ...]:
        """What the contact wrote that `draft` answers."""
        return (await self._asked([draft]))[draft.id]

    async def of(self, drafts: Sequence[Draft]) -> list[DraftView]:
        """The drafts, in their order, with what belongs to them. A few round trips, however many there are."""
        asked = await self._asked(drafts)
        contacts = await self._pairing.approved_among({draft.contact_id for draft in drafts})
        names = await self._job_names(sorted({draft.job for draft in drafts if draft.job}))
        return [
            DraftView(
                draft=draft,
                asked=asked[draft.id],
                contact=contacts.get(draft.contact_id),
                job_name=safe_text(names.get(draft.job or "", "")),
                why=held_because(draft.reason, draft.fault, draft.job, safe_text(names.get(draft.job or "", "")), own=draft.own),
            )
            for draft in drafts
        ]

    async def _asked(self, drafts: Sequence[Draft]) -> dict[str, tuple[AskedMessage, ...]]:
        answered = {draft.contact_id for draft in drafts if draft.answers}
        turns = await self._history.since(sorted(answered), EPOCH) if answered else {}
        return {draft.id: _asked_by(draft, turns.get(draft.contact_id, ())) for draft in drafts}


def _asked_by(draft: Draft, turns: Sequence[Turn]) -> tuple[AskedMessage, ...]:
    wanted = set(draft.answers)
    found = [turn for turn in turns if turn.type == "incoming" and turn.id in wanted]
    return tuple(
        AskedMessage(turn.id, safe_text(turn.shown[:LONGEST_ASKED]), turn.timestamp, _kind_of(turn))
        for turn in found[-_MOST_ASKED:]
    )


def _kind_of(turn: Turn) -> AskedKind:
    lines, _ = turn.parts
    if not lines:
        return "text"
    match = _LINE.match(lines[0])
    kinds: dict[str, AskedKind] = {"voice message": "voice", "audio": "voice", "photo": "picture", "sticker": "picture"}
    return kinds[match[1]] if match else "file"
