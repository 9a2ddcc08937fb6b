"""Conversations: who talks, what was said, and the owner writing there as themselves."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.auth import caller_of
from secondme.core.api.dependencies import Can, Named, answers
from secondme.core.clock import from_ms
from secondme.core.enums import ReplyMode, Tier
from secondme.core.gateway.conversation_desk import Concern, ConversationRow, OpenConversation, Remark
from secondme.core.records import CamelModel, OutboxRow, Turn
from secondme.core.text import safe_text

conversations = APIRouter(prefix="/api/conversations", tags=["conversations"])

_MOST_SHOWN = 2000
"""Characters of a message in a conversation."""
_MOST_PREVIEW = 200
"""Characters of the newest one in a list."""

Speaker = Literal["contact", "owner", "clone"]
_SPEAKERS: dict[str, Speaker] = {"incoming": "contact", "fromMe": "owner", "outgoing": "clone"}


class ConversationTurn(CamelModel):
    """One message, at most 2,000 characters of it (200 in a list)."""

    id: str
    by: Speaker
    text: schemas.Shown
    at: schemas.Moment

    @classmethod
    def of(cls, turn: Turn, most: int = _MOST_SHOWN) -> Self:
        """The shape of a turn."""
        return cls(id=turn.id, by=_SPEAKERS[turn.type], text=turn.shown[:most], at=turn.timestamp)


class RemarkShape(CamelModel):
    """What became of a message. `urgent`: you may have to act."""

    words: str
    urgent: bool


class RemarkedTurn(ConversationTurn):
    """One message, and what became of it."""

    remarks: list[RemarkShape]


class Unsent(CamelModel):
    """A message that is on its way and has not left."""

    id: str
    by: Literal["owner", "clone"]
    text: schemas.Shown

    @classmethod
    def of(cls, row: OutboxRow) -> Self:
        """The shape of a row."""
        return cls(id=row.row_id, by="owner" if row.kind == "own" else "clone", text=row.text[:_MOST_SHOWN])


class Stands(CamelModel):
    """What of a conversation is not over; `over` and no words when nothing is."""

    concern: Concern
    words: str


class ConversationShape(CamelModel):
    """A conversation in the list."""

    contact_id: str
    display_name: schemas.Shown | None
    channel_id: schemas.Shown | None
    tier: Tier
    mode: ReplyMode
    pause: schemas.ContactPause | None
    drafts: int
    newest: ConversationTurn | None
    stands: Stands

    @classmethod
    def of(cls, row: ConversationRow) -> Self:
        """The shape of a row."""
        contact, newest = row.contact, row.state.newest
        return cls(
            contact_id=contact.contact_id,
            display_name=contact.shown_name or None,
            channel_id=contact.channel_id,
            tier=contact.tier,
            mode=contact.mode,
            pause=schemas.ContactPause.of(contact.contact_id, row.pause) if row.pause is not None else None,
            drafts=row.drafts,
            newest=ConversationTurn.of(newest, _MOST_PREVIEW).model_copy(update={"at": from_ms(row.state.at_ms)})
            if newest is not None
            else None,
            stands=Stands(concern=row.stand.concern, words=row.stand.words),
        )


class ConversationList(CamelModel):
    """Conversations, the newest word on top; who never spoke is at the end."""

    conversations: list[ConversationShape]
    following: str | None
    """Give it as `before` for those below; null at the end."""
    unreadable: int
    """Drafts that cannot be read; they were left as they are."""


class ConversationWhole(CamelModel):
    """One conversation: the newest 100 messages of seven days at most."""

    contact_id: str
    display_name: schemas.Shown | None
    channel_id: schemas.Shown | None
    tier: Tier
    mode: ReplyMode
    pause: schemas.ContactPause | None
    turns: list[RemarkedTurn]
    """The oldest first."""
    waiting: list[RemarkedTurn]
    """Messages that nobody answered yet; most are among the turns too."""
    unsent: list[Unsent]
    drafts: list[str]
    """Ids of drafts for this contact."""

    @classmethod
    def of(cls, told: OpenConversation, turns: list[Turn]) -> Self:
        """The shape of a conversation, with these turns of it."""
        contact, detail, remarks = told.contact, told.detail, told.remarks
        return cls(
            contact_id=contact.contact_id,
            display_name=contact.shown_name or None,
            channel_id=contact.channel_id,
            tier=contact.tier,
            mode=contact.mode,
            pause=schemas.ContactPause.of(contact.contact_id, told.pause) if told.pause is not None else None,
            turns=[_with_remarks(ConversationTurn.of(turn), remarks.get(turn.id, ())) for turn in turns],
            waiting=[
                _with_remarks(
                    ConversationTurn(id=mail.message_id, by="contact", text=mail.shown[:_MOST_SHOWN], at=mail.timestamp),
                    remarks.get(mail.message_id, ()),
                )
                for mail in detail.mail
            ],
            unsent=[Unsent.of(row) for row in detail.unsent],
            drafts=[draft.id for draft in told.drafts],
        )


class OwnMessageRequest(schemas.RequestBody):
    """What you write."""

    text: Annotated[str, Field(min_length=1, max_length=16_000)]


class OwnMessageTaken(CamelModel):
    """What became of it. `already_done`: it was on its way before, for this key."""

    outcome: Literal["queued", "already_done"]
    row_ids: list[str]
    """Its messages, as they stand in `unsent` until they have left."""


@conversations.get("", responses=answers())
async def list_conversations(
    can: Can,
    search: Annotated[str, Query(max_length=128, description="Only who has this in name, number or id.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str, Query(max_length=160, description="`following` of the page above.")] = "",
) -> ConversationList:
    """Who talks, the newest word on top, with what of it is not over."""
    page = await can.conversations.ranked(search, limit=limit, before=before)
    return ConversationList(
        conversations=[ConversationShape.of(row) for row in page.rows], following=page.following or None, unreadable=page.unreadable
    )


@conversations.get("/{contact}", responses=answers(404))
async def show_conversation(
    can: Can,
    contact: Named,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    before: Annotated[str, Query(max_length=256, description="The id of a message: only what was said before it.")] = "",
) -> ConversationWhole:
    """One conversation, the oldest first: the `limit` newest messages, or those before a message. Nothing when that is not kept any more."""
    told = await can.conversations.open(contact)
    turns = told.detail.turns
    if before:
        place = next((at for at, turn in enumerate(turns) if turn.id == before), 0)
        turns = turns[:place]
    return ConversationWhole.of(told, turns[-limit:])


@conversations.post("/{contact}/messages", status_code=202, responses=answers(404, 409))
async def write_as_owner(
    can: Can,
    request: Request,
    response: Response,
    contact: Named,
    words: OwnMessageRequest,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=128, description="The same call again does nothing, for a week.")
    ] = None,
) -> OwnMessageTaken:
    """You write to a contact as yourself: your words leave next, as they stand, and the clone is silent there as behind a message from your own
    phone. 409 `killed` while the kill switch is on; a pause holds nothing back."""
    once = f"own:{caller_of(request).name}:{contact}:{idempotency_key}" if idempotency_key else ""
    taken = await can.owner_messages.write(contact, words.text, once=once)
    if taken.outcome == "already_done":
        response.status_code = 200
    return OwnMessageTaken(outcome=taken.outcome, row_ids=list(taken.row_ids))


def _with_remarks(said: ConversationTurn, remarks: tuple[Remark, ...]) -> RemarkedTurn:
    shapes = [RemarkShape(words=safe_text(each.words), urgent=each.is_urgent) for each in remarks]
    return RemarkedTurn(**said.model_dump(), remarks=shapes)
