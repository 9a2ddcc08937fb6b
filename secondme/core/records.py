"""What is stored, field by field. The JSON is the predecessor's: camelCase names, times in Unix milliseconds.

Decoding validates strictly and refuses garbage; it never repairs. Unknown fields are ignored so that a newer version's records
can be read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel

from secondme.core.clock import from_ms, to_ms
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import DataError
from secondme.core.messages import Attachment, AttachmentKind, describe
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId


_LATEST_MS = 253_402_300_799_000  # the last second of the year 9999, where datetime ends


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LATEST_MS or value != int(value):
        raise ValueError("not a Unix time in milliseconds")
    return from_ms(int(value))


Moment = Annotated[datetime, BeforeValidator(_moment), PlainSerializer(to_ms, return_type=int)]
"""Aware UTC inside, Unix milliseconds on the wire."""


class CamelModel(BaseModel):
    """The base of everything that leaves the program: frozen, camelCase outside; names that it does not know are passed over."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=AliasGenerator(alias=to_camel), extra="ignore")


class Record(CamelModel):
    """The base of everything stored."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def decode(cls, raw: str | bytes, key: str) -> Self:
        """The record that `raw` (JSON) holds. Raises DataError naming `key` when it is not one; nothing is changed."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            raise DataError(
                "corrupt_record",
                f"The record {key} cannot be read; it was left as it is.",
                f"Look at it with: redis-cli GET '{key}'",
            ) from error

    def encode(self) -> str:
        """The record as JSON, unset fields left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    def to_dict(self) -> dict[str, Any]:  # JSON has no closer type
        """The record as JSON values, unset fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class PairingRequest(Record):
    """A stranger at the door. `PAIRING:pending:{contactId}`, gone at `expires_at`."""

    contact_id: str
    phone_number: str
    display_name: str | None = None
    profile_pic_url: str | None = None
    channel_id: str | None = None
    code: str
    requested_at: Moment
    status: Literal["pending", "approved", "denied", "expired"]
    approved_by: str | None = None
    approved_at: Moment | None = None
    expires_at: Moment
    first_line: str | None = None
    """What they wrote first, safe to show, where it is kept: apart, in a FirstMessage. Whoever lists requests puts it here."""


class FirstMessage(Record):
    """What somebody wrote who waits. `PAIRING:first:{contactId}`, gone with the request."""

    line: str
    """At most 200 characters, safe to show."""
    id: str = ""
    """The platform's id of the message; empty when there is nothing in it to answer: no words, or a bare command."""
    at: Moment
    normalized_contact_id: str
    thread: str = ""
    expires_s: int = 0


SpeechChoice = Literal["auto", "always", "never"]
"""Whether a contact is answered by voice: as the settings say, always, or never."""


class Lesson(Record):
    """What the owner taught the clone about one of its answers to a contact."""

    wrote: str
    """What it wrote in a rehearsal."""
    real: str
    """What the owner had really answered."""
    because: str
    """What parts the two, in our words."""
    at: Moment
    """When the owner had answered: a rehearsal of an earlier moment knows nothing of it."""


class ApprovedContact(Record):
    """Somebody who was approved. `PAIRING:approved:{contactId}`, until revoked."""

    contact_id: str
    phone_number: str
    display_name: str | None = None
    profile_pic_url: str | None = None
    channel_id: str | None = None
    approved_at: Moment
    approved_by: str
    tier: Tier
    notes: str | None = None
    reply_mode: ReplyMode | None = None
    """The owner's word for this contact; None: the tier decides."""
    persona: str | None = None
    """Id of the persona the owner chose for this contact."""
    speech: SpeechChoice | None = None
    """The owner's word about spoken replies to this contact; None: as the settings say."""
    lessons: tuple[Lesson, ...] | None = None
    """What the owner taught about answers to this contact, oldest first; None: nothing."""
    now_called: str | None = None
    """The name that the contact goes by since, when it is another one: shown beside the approved one, never instead of it."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is and was called."""
        return tuple(name for name in (self.display_name, self.now_called) if name)

    @property
    def shown_name(self) -> str:
        """The approved name, and the present one beside it; empty when no name is known."""
        name = safe_name(self.display_name or "")
        return f"{name} (now called {safe_name(self.now_called)})" if self.now_called else name

    @property
    def mode(self) -> ReplyMode:
        """What happens to this contact's messages."""
        return self.reply_mode or default_mode(self.tier)

    def is_like(self, search: str, tier: Tier | None = None) -> bool:
        """True when the name, number or id contains `search`, case aside, and the tier is `tier`, if one is wanted."""
        if tier is not None and self.tier is not tier:
            return False
        needle = search.strip().casefold()
        return any(needle in each.casefold() for each in (self.display_name or "", self.phone_number, self.contact_id))


def default_mode(tier: Tier) -> ReplyMode:
    """What happens to messages where the owner said nothing but the tier."""
    return ReplyMode.DRAFT if tier is Tier.RESTRICTED else ReplyMode.AUTO


def strictest(contacts: Sequence[ApprovedContact]) -> tuple[Tier, ReplyMode | None]:
    """What holds of a person with these contacts, of whom there is one at least: the lowest tier, and the strictest of what happens to their
    messages; None where the tier alone says it and not each contact has the owner's word. `strictest` in common.lua says the same to scripts,
    which keep all records of a person so."""
    tier = min((each.tier for each in contacts), key=_STRICTEST_TIER.index)
    mode = min((each.mode for each in contacts), key=_STRICTEST_MODE.index)
    is_said = all(each.reply_mode is not None for each in contacts)
    return tier, mode if is_said or mode is not default_mode(tier) else None


_STRICTEST_TIER = (Tier.RESTRICTED, Tier.STANDARD, Tier.TRUSTED)
_STRICTEST_MODE = (ReplyMode.OFF, ReplyMode.OBSERVE, ReplyMode.DRAFT, ReplyMode.AUTO)


class DeniedContact(Record):
    """Somebody who was denied. `PAIRING:denied:{contactId}`, until `expires_at`."""

    contact_id: str
    phone_number: str
    display_name: str | None = None
    channel_id: str | None = None
    denied_at: Moment
    denied_by: str
    reason: str | None = None
    expires_at: Moment


class Invite(Record):
    """A single-use code that the owner hands over out of band. `PAIRING:invites:{code}`, gone at `expires_at`."""

    code: str
    name: str | None = None
    tier: Tier
    created_at: Moment
    expires_at: Moment


class MediaReading(Record):
    """What became of an attachment: it was heard or seen, or it was not, and why."""

    stage: Literal["heard", "heard_nothing", "not_heard", "seen", "not_seen"]
    text: str = ""
    """What was said, whole, or what can be seen, in a sentence; one line, and a machine's words about a stranger's file."""
    why: str = ""
    """In snake_case, where there are no words."""
    is_unclear: bool = False
    """Its words may be wrong."""
    language: str = ""
    seconds: float | None = None
    confidence: float | None = None
    width: int = 0
    height: int = 0


class MailAttachment(Record):
    """What came with a message, as its sender's platform claims, and what was made of it since."""

    kind: AttachmentKind
    mime: str = ""
    size_bytes: int | None = None
    duration_s: int | None = None
    file_name: str = ""
    handle: str = ""
    view_once: bool = False
    reading: MediaReading | None = None
    tried_at: Moment | None = None
    """When it was first tried to read it."""
    failures: int = 0
    """How often a server broke over it."""

    @property
    def line(self) -> str:
        """The line that stands for it in a conversation, with what was heard or seen."""
        claimed = Attachment(self.kind, self.mime, self.size_bytes, self.duration_s, self.file_name, is_view_once=self.view_once)
        reading = self.reading
        if reading is None:
            return describe(claimed)
        return describe(claimed, reading.text, _SAID[reading.stage] or ("unclear" if reading.is_unclear else ""))


_SAID = {
    "heard": "",
    "heard_nothing": "nobody speaks in it",
    "not_heard": "could not be listened to",
    "seen": "",
    "not_seen": "could not be looked at",
}


class Turn(Record):
    """One message of a conversation, in the predecessor's key order. A member of `HISTORY:{contactId}`."""

    id: str
    role: Literal["user", "assistant"]
    content: str
    timestamp: Moment
    type: Literal["incoming", "outgoing", "fromMe"]
    forwarded: bool | None = None
    """Passed on: somebody else's words."""
    reply_to: str | None = None
    """The id of the message that it quotes."""
    expires_at: Moment | None = None
    """When the chat forgets it, and we with it."""
    media: int | None = None
    """How many of the first lines stand for what came with it: those are ours, and only what follows is what was typed."""
    sources: tuple[str, ...] | None = None
    """Digests of the export files that gave it, oldest first; none when it was kept as it was said. Last: scripts change it as text."""

    @property
    def parts(self) -> tuple[list[str], str]:
        """The lines that stand for what came with it, and what was typed."""
        return _parts(self.content, self.media or 0)

    @property
    def shown(self) -> str:
        """As its owner is shown it: `🎤 12 s "see you at six"`, `🖼 A red car.`, and what was typed."""
        return _shown(*self.parts)


class OwnMessage(Record):
    """One message that the owner wrote to a contact with their own hands, and what it answered. A value of `STYLE:own:{contactId}`."""

    id: str
    at: Moment
    text: str
    before: str = ""
    """What the contact had said since the owner's last message, newest last, at most 500 characters; empty when nothing."""
    follows: bool = False
    """True when it continues the owner's message before it: within 90 s, and nobody spoke in between."""
    sources: tuple[str, ...] | None = None
    """As a turn's."""


class Mail(Record):
    """One message that waits for an answer. An element of `INBOX:{contactId}`."""

    message_id: str
    contact_id: str
    channel_id: str
    normalized_contact_id: str
    contact_name: str | None = None
    content: str
    """The words, behind a line in brackets for each attachment."""
    timestamp: Moment
    attachments: tuple[MailAttachment, ...] = ()
    reply_to: str = ""
    quoted: str = ""
    """The quoted words, where the platform vouches for them."""
    forwarded: bool = False
    thread: str = ""
    expires_s: int = 0

    @property
    def parts(self) -> tuple[list[str], str]:
        """As a turn's."""
        return _parts(self.content, len(self.attachments))

    @property
    def shown(self) -> str:
        """As a turn's."""
        return _shown(*self.parts)

    @property
    def spoken(self) -> str:
        """Everything its sender said, by voice and by hand, without a word of ours."""
        heard = [each.reading.text for each in self.attachments if each.reading and each.reading.stage == "heard"]
        return "\n".join([*heard, self.parts[1]]).strip()

    @property
    def is_spoken(self) -> bool:
        """True when some of it is a voice message."""
        return any(each.kind is AttachmentKind.VOICE for each in self.attachments)


_LINE = re.compile(r'\[(voice message|audio|photo|sticker)(?:, ([^:\]]{1,60}))?: "([^"]*)"\]')


def _shown(lines: list[str], typed: str) -> str:
    """Lines that quote nobody stay as they are."""
    told = []
    for line in lines:
        kind, about, words = match.groups() if (match := _LINE.fullmatch(line)) else ("", "", "")
        if kind in {"voice message", "audio"}:
            told.append(f'🎤 {about or ""} "{words}"'.replace("  ", " "))
        else:
            told.append(f"🖼 {words}" if kind else line)
    return "\n".join([*told, typed] if typed else told)


def _parts(content: str, media: int) -> tuple[list[str], str]:
    lines = content.split("\n", media)
    return lines[:media], lines[media] if len(lines) > media else ""


class NewRow(Record):
    """One message that shall leave. The store gives it its times."""

    row_id: str
    """Chosen by us and given to the channel, so that a resend of the same row collapses where the platform can."""
    reply_id: str
    contact_id: str
    channel_id: str
    kind: Literal["reply", "prompt", "notice", "welcome", "owner", "own"]
    """`owner`: to the owner's own chat. `own`: words that the owner wrote to a contact themselves."""
    text: str
    attempts: int = 0
    answers: tuple[str, ...] = ()
    """Ids of the messages this row answers."""
    fault: str = ""
    """What speaks against it: the kind of fault the checks found. It cannot leave as it is, only written anew by the owner."""
    thread: str = ""
    """The topic that what it answers stood in."""
    expires_s: int = 0
    """Seconds after which its chat forgets what is said in it; 0: never."""
    speak: bool = False
    """True when it is to be spoken, if that can be done when it leaves."""
    until: Moment | None = None
    """When its words are worth nothing any more: a draft of them is dropped then, if not before."""
    job: str | None = None
    """The job that wrote it, and at which `occurrence`."""
    occurrence: Moment | None = None
    category: str | None = None
    """What kind of unasked-for words it is; grants are given for one."""
    basis: str | None = None
    """The id of the newest turn that was known when a job wrote it: behind another one it is overtaken."""
    scheduled: bool = False
    """True for what nobody asked for just now: to the owner too it leaves only while the kill switch is off."""


class OutboxRow(NewRow):
    """One message that waits to leave. An element of `OUTBOX:{contactId}`."""

    composed_at: Moment
    typing_from: Moment
    due_at: Moment
    released: bool = False
    """True when the owner approved it: no mode and no tier holds it again."""


class HeldReply(Record):
    """A reply that did not leave and waits for the owner. An element of `HELD:{contactId}`."""

    row: OutboxRow
    reason: Literal[
        "tier",
        "mode",
        "paused",
        "rate_limit",
        "machine",
        "ambiguous",
        "undeliverable",
        "disclosure",
        "unfit",
        "unclear",
        "agent",
        "proactive",
    ]
    held_at: Moment
    own: bool = False
    """True for the owner's own words: nothing the clone says takes their place."""


class Pause(Record):
    """Why a contact is not answered. `PAUSE:{contactId}`; `until` unset means until somebody resumes."""

    paused_at: Moment
    reason: Literal["manual", "fromMe", "rate_limit", "legacy"]
    until: Moment | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A contact's turn to be worked on, as taken from the stream."""

    entry: str
    contact_id: ContactId
    channel_id: str


@dataclass(frozen=True, slots=True)
class Burst:
    """A contact's burst of messages, leased to one worker under one fence."""

    token: Token
    now_ms: int
    """The store's time when it was begun, Unix ms."""
    fence: int
    attempt: int
    defers: int
    """How often trouble put it off since it last succeeded: the next try waits longer. Waiting that was planned does not count."""
    last_reply_ms: int | None
    contact: ApprovedContact
    mail: tuple[Mail, ...]

    @property
    def channel_id(self) -> str:
        """Where the burst came from, and where the reply goes."""
        return self.mail[0].channel_id


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that a burst passed, `after_ms` after it was begun. `facts` are JSON values that quote nobody."""

    name: str
    after_ms: int
    facts: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    """Id of the one that passed it; empty: all of them."""

    def to_json(self, burst: Burst) -> str:
        """As a line of the contact's trace, by the store's clock."""
        messages = [self.message] if self.message else [mail.message_id for mail in burst.mail]
        return json.dumps({"stage": self.name, "at": burst.now_ms + self.after_ms, "messages": messages, **self.facts})


class UnreadableBurstError(DataError):
    """A burst was begun, but the contact's record, or its mail (`is_mail`), cannot be read. `fence` lets the caller defer it."""

    def __init__(self, error: DataError, fence: int, *, is_mail: bool) -> None:
        super().__init__(error.code, error.message, error.fix)
        self.fence = fence
        self.is_mail = is_mail
