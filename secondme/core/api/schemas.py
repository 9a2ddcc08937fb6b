"""What goes over the wire, field by field. Names are camelCase, times RFC 3339 in UTC, what is not known is left out."""

from datetime import datetime
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from secondme.core.admit.control_store import EverybodyPaused
from secondme.core.admit.pairing import Decision
from secondme.core.clock import from_ms, rfc3339
from secondme.core.enums import Tier
from secondme.core.errors import SecondmeError
from secondme.core.gateway.status import ChannelReport
from secondme.core.records import CamelModel, Invite, Pause, Record
from secondme.core.text import safe_text

_YEAR_MINUTES = 525_600

Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Shown = Annotated[str, AfterValidator(safe_text)]
"""Words that a stranger may have chosen, without what a terminal would obey."""
Minutes = Annotated[float, Field(strict=True, ge=1, le=_YEAR_MINUTES, allow_inf_nan=False)]
Note = Annotated[str, Field(max_length=500)]
Reference = Annotated[str, Field(max_length=128)]


class RequestBody(CamelModel):
    """The base of what a caller sends: unknown keys are refused, so that a misspelt one is not a silent default."""

    model_config = ConfigDict(extra="forbid")


class Approval(RequestBody):
    """How a contact is approved."""

    tier: Tier = Tier.STANDARD
    notes: Note = ""


class Denial(RequestBody):
    """Why a contact is denied. It is told nothing."""

    reason: Note = ""


class Edit(RequestBody):
    """What changes about an approved contact; what is left out stays. Empty notes remove them."""

    tier: Tier | None = None
    notes: Note | None = None


class Bulk(RequestBody):
    """One decision about many contacts."""

    action: Literal["approve", "deny"]
    contact_ids: Annotated[list[Reference], Field(min_length=1, max_length=1000)]
    tier: Tier = Tier.STANDARD
    notes: Note = ""
    reason: Note = ""


class NewInvite(RequestBody):
    """A code to hand over."""

    name: Annotated[str, Field(max_length=64)] = ""
    tier: Tier = Tier.STANDARD
    ttl_minutes: Minutes = 1440


class HowLong(RequestBody):
    """How long a pause lasts; until somebody resumes when it is left out."""

    minutes: Minutes | None = None


class Trouble(CamelModel):
    """What went wrong. `code` is stable; `message` and `fix` are for people."""

    code: str
    message: str
    fix: str

    @classmethod
    def of(cls, error: SecondmeError) -> Self:
        """The shape of an error."""
        return cls(code=error.code, message=error.message, fix=error.fix)


class Problem(CamelModel):
    """Every answer that is not a success."""

    error: Trouble


class Person(CamelModel):
    """What every contact has."""

    contact_id: str
    phone_number: Shown
    display_name: Shown | None = None
    profile_pic_url: Shown | None = None
    channel_id: Shown | None = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """The shape of a record."""
        return cls.model_validate({name: getattr(record, name) for name in _shared(cls, type(record))})


class Pending(Person):
    """Somebody who waits. The code is what they were shown."""

    code: str
    first_line: Shown | None = None
    """What they wrote first, where `pairing.keep_first_line` is on."""
    requested_at: Moment
    expires_at: Moment
    status: Literal["pending"] = "pending"


class Approved(Person):
    """Somebody who was approved."""

    approved_at: Moment
    approved_by: Shown
    tier: Tier
    notes: Shown | None = None
    status: Literal["approved"] = "approved"


class Denied(Person):
    """Somebody who was denied, until `expires_at`."""

    denied_at: Moment
    denied_by: Shown
    reason: Shown | None = None
    expires_at: Moment
    status: Literal["denied"] = "denied"


@cache
def _shared(shape: type[Person], record: type[Record]) -> tuple[str, ...]:
    """The fields of both; not the status, which the list says that a record is in."""
    return tuple(name for name in shape.model_fields if name in record.model_fields and name != "status")


class Counts(CamelModel):
    """How many there are in each state."""

    pending: int
    approved: int
    denied: int
    invites: int


class People(CamelModel):
    """Records of this list that cannot be read hide nobody else: they are in `errors`."""

    errors: list[Trouble]
    following: str | None = None
    """With `limit`: give it as `after` for those behind; left out at the end."""
    stats: Counts


class PendingList(People):
    """Who waits, the one whose request ends first first."""

    contacts: list[Pending]


class ApprovedList(People):
    """Who was approved, newest first."""

    contacts: list[Approved]


class DeniedList(People):
    """Who was denied, newest first."""

    contacts: list[Denied]


class Decided(CamelModel):
    """What one decision came to."""

    contact_id: str
    outcome: Literal["approved", "already_approved", "denied", "already_denied", "revoked", "unblocked", "edited"]
    display_name: Shown | None = None
    tier: Tier | None = None
    notes: Shown | None = None
    """Of one that was edited, as they are now."""

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The shape of a decision."""
        return cls(
            contact_id=decision.contact_id,
            outcome=decision.outcome,
            display_name=decision.display_name or None,
            tier=Tier(decision.tier) if decision.tier else None,
        )


class Result(CamelModel):
    """What became of one contact in a bulk decision: an outcome, or an error."""

    contact_id: str
    outcome: Literal["approved", "already_approved", "denied", "already_denied"] | None = None
    error: Trouble | None = None


class Results(CamelModel):
    """One result for each contact, in the order asked for."""

    results: list[Result]


class Invited(CamelModel):
    """A single-use code. Whoever sends it first is approved."""

    code: str
    name: Shown | None = None
    tier: Tier
    created_at: Moment
    expires_at: Moment
    links: dict[str, str]
    """Channel -> what opens a chat there with the code typed; of those that are connected and have such links."""

    @classmethod
    def of(cls, invite: Invite, links: dict[str, str]) -> Self:
        """The shape of an invite."""
        return cls(
            code=invite.code,
            name=invite.name,
            tier=invite.tier,
            created_at=invite.created_at,
            expires_at=invite.expires_at,
            links=links,
        )


class InviteList(CamelModel):
    """Invites that nobody used. Records that cannot be read hide no other: they are in `errors`."""

    invites: list[Invited]
    errors: list[Trouble]


class InviteCancelled(CamelModel):
    """An invite that opens nothing any more."""

    code: str
    outcome: Literal["cancelled"] = "cancelled"


class Stopped(CamelModel):
    """Nobody is answered since `since`. `killed`: by the kill switch, which only DELETE /api/kill lifts."""

    since: Moment
    until: Moment | None = None
    killed: bool

    @classmethod
    def of(cls, stopped: EverybodyPaused | None) -> Self | None:
        """The shape of a pause of everybody; None: there is none."""
        if stopped is None:
            return None
        until = from_ms(stopped.until_ms) if stopped.until_ms else None
        return cls(since=from_ms(stopped.since_ms), until=until, killed=stopped.killed)


class ContactPause(CamelModel):
    """Whether one contact is paused, and why."""

    contact_id: str
    paused: bool
    paused_at: Moment | None = None
    reason: Literal["manual", "fromMe", "rate_limit", "legacy"] | None = None
    until: Moment | None = None

    @classmethod
    def of(cls, contact: str, pause: Pause | None) -> Self:
        """The shape of a pause; None: there is none."""
        if pause is None:
            return cls(contact_id=contact, paused=False)
        return cls(contact_id=contact, paused=True, paused_at=pause.paused_at, reason=pause.reason, until=pause.until)


class AllPauses(CamelModel):
    """Who is not answered: everybody, and single contacts."""

    everybody: Stopped | None = None
    contacts: list[ContactPause]


PauseOutcome = Literal["paused", "resumed", "not_paused"]


class EverybodySteered(CamelModel):
    """What a pause of everybody or its end came to, and how it stands now."""

    contact: Literal["ALL"] = "ALL"
    outcome: PauseOutcome
    everybody: Stopped | None = None


class ContactSteered(ContactPause):
    """What a contact's pause or its end came to, and how it stands now."""

    contact: str
    outcome: PauseOutcome


class KillSwitch(CamelModel):
    """Whether the kill switch is on, and since when."""

    killed: bool
    since: Moment | None = None


class ChannelList(CamelModel):
    """Every channel there is, linked or not."""

    channels: list[ChannelReport]


class ChannelSteered(CamelModel):
    """What became of one channel."""

    id: str
    outcome: Literal["paused", "resumed", "not_paused", "starting", "disconnected"]
    """`starting`: whether it gets connected, its state says."""


class AddressBookEntry(CamelModel):
    """Somebody whom a platform knows. The number is empty where the platform does not tell it."""

    contact_id: str
    display_name: Shown
    phone_number: Shown


class AddressBook(CamelModel):
    """Whom a platform knows, approved or not."""

    contacts: list[AddressBookEntry]


class SettingsReloaded(CamelModel):
    """Settings that had changed, by name."""

    taken: list[str]
    """They count from now on."""
    waiting: list[str]
    """They count when the gateway has started anew."""


class GatewayRestarted(CamelModel):
    """The gateway starts anew, under the same process id."""

    outcome: Literal["restarting", "already_restarting"]
    pid: int


class Health(CamelModel):
    """Whether the gateway can work. No secrets, no names. `degraded`: it works, but a channel does not."""

    status: Literal["ok", "degraded", "unavailable"]
    store: Literal["ok", "down"]
    gateway: Literal["ready", "stopping"]
    channels: dict[str, str]
