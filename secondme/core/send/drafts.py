"""Drafts: held replies as the owner sees them, and what they can do with one: send, write anew, drop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.draft_faults import only_in_own_words
from secondme.core.errors import BusyError, DataError, NotFoundError, SecondmeError
from secondme.core.ids import ContactId, new_id
from secondme.core.records import NewRow
from secondme.core.send.split import split_reply
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.send.store import DraftStore

_LONGEST = 16_000
"""Characters of a draft that the owner writes."""
_PREFIX = 4
"""Characters of an id that are enough to name a draft, when no other begins so."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One held reply."""

    id: str
    contact_id: ContactId
    channel_id: str
    reason: str
    fault: str
    """What the checks found; empty when the draft can be sent as it is."""
    held_at: datetime
    texts: tuple[str, ...]
    """Its messages, in order."""
    answers: tuple[str, ...]
    """Ids of the messages it answers."""
    speak: bool = False
    """True when it is to be spoken."""
    job: str | None = None
    """The job that wrote it, unasked."""
    overtaken: bool = False
    """True when something was said in its conversation since a job wrote it."""
    expires_at: datetime | None = None
    """When it is dropped, if nobody decides about it."""
    own: bool = False
    """True when its words are the owner's own."""

    @property
    def may_send(self) -> bool:
        """False when it leaves only written anew, in the owner's own words."""
        return not self.fault

    @property
    def text(self) -> str:
        """All of it, as the owner would edit it."""
        return "\n\n".join(self.texts)


DraftAction = Literal["send", "drop"]


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """What became of one of many: it was sent or dropped, as asked for, or `error` says why not."""

    reference: str
    draft: Draft | None = None
    error: SecondmeError | None = None


class Drafts:
    """The owner's decisions about drafts. CLI, API, screen and the owner's chat all come here."""

    def __init__(self, store: DraftStore) -> None:
        self._store = store

    async def waiting(self) -> tuple[list[Draft], list[DataError]]:
        """Every draft, the oldest first, and what could not be read."""
        held, corrupt = await self._store.held()
        rows: dict[tuple[str, str], list[int]] = {}
        for at, each in enumerate(held):
            rows.setdefault((each.row.contact_id, each.row.reply_id), []).append(at)
        newest = await self._store.newest_turns({ContactId(each.row.contact_id) for each in held if each.row.basis is not None})
        drafts = []
        for places in rows.values():
            items = [held[at] for at in places]
            first = items[0]
            drafts.append(
                Draft(
                    id=first.row.reply_id,
                    contact_id=ContactId(first.row.contact_id),
                    channel_id=first.row.channel_id,
                    reason=first.reason,
                    fault=next((item.row.fault for item in items if item.row.fault), ""),
                    held_at=first.held_at,
                    texts=tuple(item.row.text for item in items),
                    answers=first.row.answers,
                    speak=first.row.speak,
                    job=first.row.job,
                    overtaken=first.row.basis is not None and first.row.basis != newest[ContactId(first.row.contact_id)],
                    expires_at=self._store.ends(first),
                    own=first.own,
                )
            )
        return sorted(drafts, key=lambda draft: draft.held_at), corrupt

    async def find(self, reference: str) -> Draft:
        """The one draft whose id is `reference`, or begins with it. Raises NotFoundError."""
        drafts, _ = await self.waiting()
        found = [draft for draft in drafts if draft.id == reference] or [
            draft for draft in drafts if len(reference) >= _PREFIX and draft.id.startswith(reference)
        ]
        if len(found) != 1:
            what = "No draft has" if not found else "Several drafts have"
            raise NotFoundError("no_such_draft", f"{what} that id.", "secondme drafts list")
        return found[0]

    async def send(self, reference: str, *, anyway: bool = False) -> Draft:
        """The draft is on its way, through the same checks as any other reply.

        Raises NotFoundError when it is gone or expired; BusyError while its contact is paused or not approved, for a draft with a
        fault (that one has to be written anew), and for one of a job's when something was said since, unless it is sent `anyway`, or jobs have
        written to people often enough.
        """
        draft = await self.find(reference)
        if not draft.may_send:
            raise BusyError("unfit", only_in_own_words(draft.fault), f"Write it anew: secondme drafts edit {draft.id[:8]}")
        await self._store.release(draft.contact_id, draft.channel_id, draft.id, anyway=anyway)
        return draft

    async def edit(self, reference: str, text: str) -> Draft:
        """The draft says `text`, the owner's own words; nothing speaks against it any more. It still waits. Raises NotFoundError, DataError."""
        draft = await self.find(reference)
        rows = _rows(text, draft.id, draft.contact_id, draft.channel_id, draft.answers)
        kept = await self._kept(draft.id)
        rows = [row.model_copy(update=kept) for row in rows]
        if draft.speak and len(rows) == 1:
            rows = [rows[0].model_copy(update={"speak": True})]
        await self._store.revise(draft.contact_id, draft.id, rows)
        return await self.find(draft.id)

    async def _kept(self, reply: str) -> dict[str, object]:
        """What stays of a draft, whatever it says: the job that it comes from, behind which turn it was written, and when it ends."""
        held, _ = await self._store.held()
        row = next((each.row for each in held if each.row.reply_id == reply), None)
        names = ("kind", "job", "occurrence", "category", "basis", "until")
        return {} if row is None else {name: getattr(row, name) for name in names}

    async def drop(self, reference: str) -> Draft:
        """The draft is gone for good. Raises NotFoundError."""
        draft = await self.find(reference)
        await self._store.discard(draft.contact_id, draft.channel_id, draft.id)
        return draft

    async def decide(self, references: Sequence[str], action: DraftAction, *, anyway: bool = False) -> list[DraftOutcome]:
        """What became of each draft, in the order asked for; one named twice is decided about once. One that fails does not keep the others
        from being decided; once the store fails, the rest is not tried and fails with it. Never raises SecondmeError."""
        outcomes: list[DraftOutcome] = []
        down: SecondmeError | None = None
        for reference in dict.fromkeys(references):
            if down is None:
                try:
                    decide = self.drop(reference) if action == "drop" else self.send(reference, anyway=anyway)
                    outcomes.append(DraftOutcome(reference, await decide))
                    continue
                except (BusyError, DataError, NotFoundError) as error:
                    outcomes.append(DraftOutcome(reference, error=error))
                    continue
                except SecondmeError as error:
                    down = error
            outcomes.append(DraftOutcome(reference, error=down))
        return outcomes

    async def suggest(
        self, contact: ContactId, channel: str, text: str, *, fault: str = "", until: datetime | None = None, once: str = ""
    ) -> str | None:
        """Words for a contact wait for the owner, at most until then; the draft's id. None when there was one for `once` within a week.

        `fault`: what speaks against them as they are; then they have to be written anew before they can be sent. Raises NotFoundError when
        the contact was not approved, BusyError while enough of what was ordered waits for it, DataError.
        """
        reply = new_id()
        rows = [row.model_copy(update={"fault": fault, "until": until}) for row in _rows(text, reply, contact, channel, ())]
        return reply if await self._store.suggest(contact, reply, rows, once=once) else None


def _rows(text: str, reply: str, contact: ContactId, channel: str, answers: Sequence[str]) -> list[NewRow]:
    texts = split_reply(safe_text(text[:_LONGEST]))
    if not texts:
        raise DataError("empty_draft", "A draft needs words.", "To get rid of it: secondme drafts drop")
    unique = new_id()[:8]  # a row that was sent before under this id must not be taken for this one
    return [
        NewRow(
            row_id=f"{reply}-{unique}-{number}",
            reply_id=reply,
            contact_id=contact,
            channel_id=channel,
            kind="reply",
            text=part,
            answers=tuple(answers),
        )
        for number, part in enumerate(texts)
    ]
