"""`/api/drafts`: replies that wait for the owner, to read, send, write anew or drop."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from secondme.core.api.routing import Can, answers
from secondme.core.api.shapes import Asked, Moment, Shape, Shown
from secondme.core.send.drafts import Draft

drafts = APIRouter(prefix="/api/drafts", tags=["drafts"])

_Reference = Annotated[str, Path(alias="draft", min_length=4, max_length=64, pattern="^[0-9a-f]+$", examples=["3f2a9c"])]


class DraftShape(Shape):
    """One held reply."""

    id: str
    contact_id: str
    channel_id: str
    reason: str
    fault: str
    """What the checks found; empty when it can be sent as it is."""
    held_at: Moment
    texts: list[Shown]
    answers: list[str]

    @classmethod
    def of(cls, draft: Draft) -> "DraftShape":
        """As it goes over the wire."""
        return cls(
            id=draft.id,
            contact_id=draft.contact_id,
            channel_id=draft.channel_id,
            reason=draft.reason,
            fault=draft.fault,
            held_at=draft.held_at,
            texts=list(draft.texts),
            answers=list(draft.answers),
        )


class DraftList(Shape):
    """Everything that waits, the oldest first."""

    drafts: list[DraftShape]
    unreadable: int
    """Records that cannot be read; they were left as they are."""


class DraftWords(Asked):
    """What a draft shall say."""

    text: Annotated[str, Field(min_length=1, max_length=16_000)]


class DraftSettled(Shape):
    """What became of a draft."""

    id: str
    contact_id: str
    outcome: str


@drafts.get("", responses=answers())
async def list_drafts(can: Can) -> DraftList:
    """Every draft that has not expired."""
    waiting, corrupt = await can.drafts.waiting()
    return DraftList(drafts=[DraftShape.of(draft) for draft in waiting], unreadable=len(corrupt))


@drafts.get("/{draft}", responses=answers(404))
async def show_draft(can: Can, draft: _Reference) -> DraftShape:
    """One draft, by its id or the beginning of it."""
    return DraftShape.of(await can.drafts.find(draft))


@drafts.patch("/{draft}", responses=answers(404))
async def edit_draft(can: Can, draft: _Reference, words: DraftWords) -> DraftShape:
    """The draft says these words, which are the owner's own. It still waits."""
    return DraftShape.of(await can.drafts.edit(draft, words.text))


@drafts.post("/{draft}/send", responses=answers(404, 409))
async def send_draft(can: Can, draft: _Reference) -> DraftSettled:
    """The draft is on its way, through the same checks as any other reply."""
    sent = await can.drafts.send(draft)
    return DraftSettled(id=sent.id, contact_id=sent.contact_id, outcome="sent")


@drafts.delete("/{draft}", responses=answers(404))
async def drop_draft(can: Can, draft: _Reference) -> DraftSettled:
    """The draft is gone for good."""
    dropped = await can.drafts.drop(draft)
    return DraftSettled(id=dropped.id, contact_id=dropped.contact_id, outcome="dropped")
