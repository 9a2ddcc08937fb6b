"""Drafts: replies that wait for the owner, each beside what it answers."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.dependencies import Can, answers
from secondme.core.api.problems import refusal_of
from secondme.core.enums import Tier
from secondme.core.errors import SecondmeError
from secondme.core.gateway.draft_views import DraftView
from secondme.core.records import CamelModel
from secondme.core.send.drafts import DraftAction, DraftOutcome

drafts = APIRouter(prefix="/api/drafts", tags=["drafts"])

_Reference = Annotated[str, Path(alias="draft", min_length=4, max_length=64, pattern="^[0-9a-f]+$", examples=["3f2a9c"])]


class AskedShape(CamelModel):
    """One message that a draft answers."""

    id: str
    text: schemas.Shown
    """At most 2,000 characters of it."""
    at: schemas.Moment
    kind: Literal["text", "voice", "picture", "file"]


class DraftShape(CamelModel):
    """One held reply, and what one needs to know to decide about it."""

    id: str
    contact_id: str
    channel_id: str
    display_name: schemas.Shown | None
    tier: Tier | None
    """Null when the contact is not approved any more."""
    reason: str
    why: str
    """Why it waits, in a sentence."""
    fault: str
    """What the checks found; empty when it can be sent as it is."""
    may_send: bool
    """False when it leaves only in your own words."""
    own: bool
    """True when its words are yours: you wrote it anew, or yourself."""
    held_at: schemas.Moment
    expires_at: schemas.Moment | None
    """When it is dropped, if nobody decides about it."""
    texts: list[schemas.Shown]
    answers: list[str]
    asked: list[AskedShape]
    """What the contact wrote that it answers, the oldest first; empty for a job's."""
    job: str | None
    """The job that wrote it; null for a reply, and for what was ordered."""
    job_name: schemas.Shown | None
    overtaken: bool
    """True when something was said in its conversation since a job wrote it."""

    @classmethod
    def of(cls, view: DraftView) -> Self:
        """The shape of a draft."""
        draft, contact = view.draft, view.contact
        return cls(
            id=draft.id,
            contact_id=draft.contact_id,
            channel_id=draft.channel_id,
            display_name=(contact.shown_name or None) if contact is not None else None,
            tier=contact.tier if contact is not None else None,
            reason=draft.reason,
            why=view.why,
            fault=draft.fault,
            may_send=draft.may_send,
            own=draft.own,
            held_at=draft.held_at,
            expires_at=draft.expires_at,
            texts=list(draft.texts),
            answers=list(draft.answers),
            asked=[AskedShape.model_validate(each, from_attributes=True) for each in view.asked],
            job=draft.job,
            job_name=view.job_name or None,
            overtaken=draft.overtaken,
        )


class DraftList(CamelModel):
    """Everything that waits, the oldest first."""

    drafts: list[DraftShape]
    unreadable: int
    """Records that cannot be read; they were left as they are."""


class DraftWords(schemas.RequestBody):
    """What a draft shall say."""

    text: Annotated[str, Field(min_length=1, max_length=16_000)]


class DraftBulk(schemas.RequestBody):
    """One decision about many drafts."""

    action: DraftAction
    drafts: Annotated[list[Annotated[str, Field(min_length=4, max_length=64)]], Field(min_length=1, max_length=200)]
    anyway: bool = False
    """Send a job's, too, behind which something was said since it was written."""


class DraftSettled(CamelModel):
    """What became of a draft."""

    id: str
    contact_id: str
    outcome: str


class DraftResult(CamelModel):
    """What became of one draft in a decision about many: an outcome, or an error."""

    id: str
    contact_id: str | None = None
    outcome: Literal["sent", "dropped"] | None = None
    error: schemas.Trouble | None = None

    @classmethod
    def of(cls, settled: DraftOutcome, action: DraftAction) -> Self:
        """The shape of an outcome."""
        if settled.draft is not None:
            return cls(id=settled.draft.id, contact_id=settled.draft.contact_id, outcome="sent" if action == "send" else "dropped")
        said = refusal_of(settled.error or SecondmeError("internal_error", "This is a bug."))
        return cls(id=settled.reference, error=schemas.Trouble(code=said.code, message=said.message, fix=said.fix))


class DraftResults(CamelModel):
    """One result for each draft, in the order asked for."""

    results: list[DraftResult]


@drafts.get("", responses=answers())
async def list_drafts(can: Can) -> DraftList:
    """Every draft that has not expired."""
    waiting, corrupt = await can.drafts.waiting()
    return DraftList(drafts=[DraftShape.of(view) for view in await can.draft_views.of(waiting)], unreadable=len(corrupt))


@drafts.post("/bulk", responses=answers(), response_model_exclude_none=True)
async def decide_drafts(can: Can, bulk: DraftBulk) -> DraftResults:
    """One decision about many drafts. One that fails does not keep the others from being decided; when the store fails, the rest is not tried."""
    outcomes = await can.drafts.decide(bulk.drafts, bulk.action, anyway=bulk.anyway)
    return DraftResults(results=[DraftResult.of(each, bulk.action) for each in outcomes])


@drafts.get("/{draft}", responses=answers(404))
async def show_draft(can: Can, draft: _Reference) -> DraftShape:
    """One draft, by its id or the beginning of it."""
    return DraftShape.of(await can.draft_views.find(draft))


@drafts.patch("/{draft}", responses=answers(404))
async def edit_draft(can: Can, draft: _Reference, words: DraftWords) -> DraftShape:
    """The draft says these words, which are the owner's own. It still waits."""
    edited = await can.draft_views.found(can.drafts.edit(draft, words.text), draft)
    (view,) = await can.draft_views.of([edited])
    return DraftShape.of(view)


@drafts.post("/{draft}/send", responses=answers(404, 409))
async def send_draft(
    can: Can,
    draft: _Reference,
    anyway: Annotated[bool, Query(description="A job's, too, behind which something was said since it was written.")] = False,  # noqa: FBT002  a query's
) -> DraftSettled:
    """The draft is on its way, through the same checks as any other reply. 409 `overtaken` for one of a job's behind which something was said."""
    sent = await can.draft_views.found(can.drafts.send(draft, anyway=anyway), draft)
    return DraftSettled(id=sent.id, contact_id=sent.contact_id, outcome="sent")


@drafts.delete("/{draft}", responses=answers(404))
async def drop_draft(can: Can, draft: _Reference) -> DraftSettled:
    """The draft is gone for good."""
    dropped = await can.draft_views.found(can.drafts.drop(draft), draft)
    return DraftSettled(id=dropped.id, contact_id=dropped.contact_id, outcome="dropped")
