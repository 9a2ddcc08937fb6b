"""What passes between the channels, the gateway and the model: messages, attachments, outcomes of sending, prompts and answers.

Frozen records without behaviour, and how long a prompt is. An attachment's handle is opaque: only the channel that made it can download what it stands for.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from secondme.core.enums import Thinking, Tier
from secondme.core.format import size
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.text import safe_name


class AttachmentKind(StrEnum):
    """What an attachment is, in the words a person would use for it."""

    PHOTO = "photo"
    VOICE = "voice message"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACT = "contact card"
    POLL = "poll"
    EVENT = "event"
    OTHER = "message that secondme cannot read"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a message. Every field but `kind` is what the sender's platform claims, and may be wrong."""

    kind: AttachmentKind
    mime: str = ""
    size_bytes: int | None = None
    duration_s: int | None = None
    file_name: str = ""
    """Or what else it is called: a place, a person on a card, the question of a poll."""
    handle: str = ""
    """What the channel needs to download it, at most 4,096 characters; empty when there is nothing to download."""
    is_view_once: bool = False
    """To be looked at once: it has no handle, and no caption is kept."""

    def to_dict(self) -> dict[str, Any]:  # JSON has no closer type
        """As JSON values in camelCase, unset fields left out."""
        facts = {
            "kind": self.kind.value,
            "mime": self.mime,
            "sizeBytes": self.size_bytes,
            "durationS": self.duration_s,
            "fileName": self.file_name,
            "handle": self.handle,
            "viewOnce": self.is_view_once or None,
        }
        return {name: value for name, value in facts.items() if value not in {None, ""}}


def describe(attachment: Attachment, words: str = "", note: str = "") -> str:
    """`[voice message, 12 s]`, `[document "menu.pdf", 120 kB]`: what a model or a person is told instead of the thing itself; with what was
    heard or seen in it, `[voice message, 12 s: "see you at six"]`, and a note about that. One line, whatever stands in `words`."""
    said = attachment.kind.value
    if attachment.file_name:
        said += f' "{safe_name(attachment.file_name)}"'
    if attachment.duration_s is not None:
        said += f", {_length(attachment.duration_s)}"
    elif attachment.size_bytes is not None and attachment.kind is AttachmentKind.DOCUMENT:
        said += f", {size(attachment.size_bytes)}"
    if attachment.is_view_once:
        said += ", view once"
    if note:
        said += f", {note}"
    if words:
        said += f': "{" ".join(words.split()).translate(_NO_END)}"'
    return f"[{said}]"


_NO_END = str.maketrans('"[]', "'()")
"""What could end the brackets or the quotation that somebody's words stand in."""


def told(text: str, attachments: tuple[Attachment, ...]) -> str:
    """What a conversation remembers of a message: a line in brackets for each attachment, then its words. Empty when there is neither."""
    return "\n".join(part for part in (*map(describe, attachments), text) if part.strip())


_LINE = re.compile(
    rf'\[(?P<kind>{"|".join(re.escape(kind.value) for kind in AttachmentKind)})(?: ".*?")?(?:, [^:\]\n]{{1,60}})?(?:: "(?P<words>[^"\n]*)")?\]'
)


def split_told(content: str) -> tuple[list[str], str]:
    """What was said in the recordings of a message as `told` told it, and what was typed. Nothing to decide by: anybody can type such lines."""
    lines, heard = content.split("\n"), []
    while lines and (line := _LINE.fullmatch(lines[0])):
        lines.pop(0)
        if line["words"] and AttachmentKind(line["kind"]) in {AttachmentKind.VOICE, AttachmentKind.AUDIO}:
            heard.append(line["words"])
    return heard, "\n".join(lines).strip()


def _length(seconds: int) -> str:
    minutes, rest = divmod(max(0, seconds), _MINUTE_S)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ChatKind(StrEnum):
    """What kind of conversation a message belongs to. Only DIRECT is a contact's; OWNER goes to the owner's chat, all else is ignored."""

    DIRECT = "direct"
    OWNER = "owner"
    """The owner's chat with this program itself. The channel has authenticated the owner: never by a name or by what is written."""
    GROUP = "group"
    BROADCAST = "broadcast"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message as a channel understood it. Identity comes from the channel's authenticated sender, never from the text."""

    channel_id: ChannelId
    contact_id: ContactId
    normalized_contact_id: str
    """The cross-channel identity: E.164 digits where the channel proves them, else the contact id."""
    message_id: MessageId
    text: str
    sent_at: datetime
    """Aware UTC, by the sender's platform."""
    display_name: str = ""
    phone_number: str = ""
    kind: ChatKind = ChatKind.DIRECT
    from_me: bool = False
    """True when the owner wrote it with their own hands, on their own device."""
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = ""
    """The platform's id of the message that this one quotes."""
    edit_of: str = ""
    """The id of the message that this one corrects. A correction changes what was said; it is never a message to answer."""
    aliases: tuple[ContactId, ...] = ()
    """Other ids of the same person, as far as the platform itself vouches for them. Who is denied under one is denied under all."""
    backlog: bool = False
    """True for what the platform replays from before we listened (history sync, offline messages): nobody is prompted for it."""
    revokes: str = ""
    """The id of the message that its sender took back. Such a message has no words."""
    is_forwarded: bool = False
    """Somebody else's words, passed on, as the platform says: not how its sender writes."""
    quoted: str = ""
    """The words that `reply_to` stands for, where the platform itself vouches for them; at most 500 characters."""
    album: str = ""
    """Messages of one contact with the same album were sent as one; at most 100 of them."""
    thread: str = ""
    """The platform's id of the topic that it stands in; the answer goes there too."""
    expires_s: int = 0
    """Seconds after which the chat forgets it, and we with it; 0: never."""
    is_time_claimed: bool = False
    """True where only the sender says when it was sent."""
    is_late: bool = False
    """True for what was sent a day ago or more, by the gateway's clock."""


class Admission(StrEnum):
    """What became of a message at the gate. Only QUEUED leads to a reply."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    """Seen before; nothing was changed."""
    PAUSED = "paused"
    """In the history, not to be answered: this contact is paused."""
    KILLED = "killed"
    """In the history, not to be answered: the kill switch is on, or everybody is paused."""
    RATE_LIMITED = "rate_limited"
    """In the history; the contact wrote too much and is now paused."""
    INBOX_FULL = "inbox_full"
    """In the history; too much is waiting already."""
    SET_ASIDE = "set_aside"
    """Among the dead letters, not to be answered: a record of this contact is broken, and the owner was told."""
    TAKEN_OVER = "taken_over"
    """The owner spoke: the contact is paused and waiting replies are dropped."""
    OWN_ECHO = "own_echo"
    """The platform showed us what we sent ourselves."""
    REVOKED = "revoked"
    """Its sender took it back: it is in no history and waits for no answer any more."""
    CORRECTED = "corrected"
    """An edit: the history and what still waits say the new words. Nothing new to answer."""
    COMMAND = "command"
    """From the owner's own chat: done, and answered there."""
    OBSERVED = "observed"
    """In the history, not to be answered: the owner only wants this contact observed."""
    OFF = "off"
    """Nothing was written: the owner wants nothing to do with what this contact writes."""
    IGNORED = "ignored"
    """Not a direct message, or there is nothing in it to answer."""
    STRANGER = "stranger"
    """Nobody who was approved; nothing was written. Pairing decides what happens next."""
    DENIED = "denied"
    """In the cooldown after a denial; nothing was written, nothing is said."""


class Challenge(StrEnum):
    """What became of a stranger at the door."""

    PROMPTED = "prompted"
    """A request exists and the contact is told its code."""
    REQUESTED = "requested"
    """A request exists; the contact is told nothing (silent mode, or too many prompts this hour)."""
    ALREADY_PENDING = "already_pending"
    APPROVED = "approved"
    """The contact is approved by now; the message can be admitted."""
    WELCOMED = "welcomed"
    """The contact's code just let it in. The code itself is not a message to answer."""
    NEEDS_OWNER = "needs_owner"
    """The contact typed its own code; only the owner can redeem it."""
    WRONG_CODE = "wrong_code"
    DENIED = "denied"
    CLOSED = "closed"
    """Pairing is off, full, closed after too many wrong codes, or the kill switch is on."""
    TOO_OLD = "too_old"
    """The message waited too long to be answered with a prompt."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When a row is typed and when it leaves, in seconds from the moment its reply is stored."""

    typing_after_s: float
    due_after_s: float


@dataclass(frozen=True, slots=True)
class VoiceNote:
    """Speech as chat platforms send it: Ogg with one mono Opus stream, whole."""

    data: bytes
    seconds: float
    waveform: bytes = b""
    """64 heights from 0 to 100, for platforms that draw them."""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """What a channel is to say. Plain text, never markup; no longer than the 4,000 UTF-16 units that every platform takes."""

    text: str
    thread: str = ""
    """As `InboundMessage.thread`, where what it answers stood in one."""
    expires_s: int = 0
    """As `InboundMessage.expires_s`."""
    voice: VoiceNote | None = None
    """The same words spoken: sent instead of the text, never beside it."""


@dataclass(frozen=True, slots=True)
class ChannelContact:
    """Somebody in the owner's address book on a platform."""

    contact_id: ContactId
    display_name: str
    phone_number: str = ""


@dataclass(frozen=True, slots=True)
class OwnerAddress:
    """The owner's own chat on one channel."""

    channel_id: ChannelId
    contact_id: ContactId
    is_open: bool
    """True while the channel is connected."""
    is_notebook: bool = False
    """True when the owner keeps notes there too."""
    is_terminal: bool = False
    """True for one of this machine, where nobody sees what arrives until they look: it serves who has no other."""

    @property
    def rank(self) -> tuple[bool, bool]:
        """Orders addresses, the best first."""
        return self.is_terminal, not self.is_open


class ChannelState(StrEnum):
    """How a channel stands."""

    OFF = "off"
    """Not set up, or disconnected by the owner."""
    CONNECTING = "connecting"
    CONNECTED = "connected"
    STALLED = "deaf"
    """It says it is connected, but the platform gave no sign of life for too long."""
    WAITING = "waiting"
    """It failed and is tried again by itself."""
    NEEDS_OWNER = "needs_owner"
    """It failed and only a human can mend it: a token was refused, the phone logged us out."""
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """An HTTP request of a platform, as raw as it came. Header names are lower case; repeated ones keep every value."""

    method: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of `name`; None when it is missing or was sent more than once, which no platform does."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the platform is told. 200 only when everything in the request is safe."""

    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform has the message. `native_id` is its name for it, when it has one."""

    native_id: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The platform certainly does not have the message; it may be tried again after `retry_after_s` seconds."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The platform will never take this message; trying again is useless."""

    reason: str


@dataclass(frozen=True, slots=True)
class VoiceRefused:
    """The platform certainly does not have the message, and will not take it as a voice note; the same words may be sent as text, under
    the same id."""

    reason: str


SendOutcome = Sent | NotSent | Undeliverable | VoiceRefused


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording as a contact sent it: a file of `mime`, or what it really is where its bytes say so."""

    data: bytes
    mime: str
    duration_s: float | None = None
    """None while nobody knows. A sender's claim is no knowledge."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said in a recording, as far as a machine understood it."""

    text: str
    """One line, never empty."""
    language: str
    """ISO 639-1; empty where the provider does not say."""
    duration: float
    """Seconds."""
    confidence: float | None
    """From 0 to 1, how sure the words are; None where the provider does not say."""
    provider: str
    model: str
    is_clear: bool = True
    """False: it may well be wrong, and whoever reads it is told so."""


@dataclass(frozen=True, slots=True)
class NothingHeard:
    """No words that could be relied on: `silence` when nobody speaks, else why it was not understood, in snake_case."""

    reason: str
    duration: float = 0.0


HearingOutcome = Transcription | NothingHeard


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of our own making: JPEG in RGB, upright, without a word of metadata."""

    data: bytes
    width: int
    height: int

    @property
    def tokens(self) -> int:
        """What a model counts for it: 28 by 28 pixels a token (Anthropic, "Vision")."""
        return math.ceil(self.width / _PATCH) * math.ceil(self.height / _PATCH)


@dataclass(frozen=True, slots=True)
class ShownPictures:
    """What a model is shown beside the words of a conversation, and where it belongs."""

    pictures: tuple[Picture, ...] = ()
    numbers: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """Message id -> number of the attachment, from 0 -> which of the pictures it is, from 1."""


PICTURE_REFUSED = "picture_refused"
"""Code of a model's DataError: the request was refused and had pictures in it, any of which may be why."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn for a model. Consecutive turns never share a role."""

    role: str
    """`user` for the contact, `assistant` for the owner and the clone."""
    text: str
    pictures: tuple[Picture, ...] = ()
    """Shown before the text."""


class ModelSize(StrEnum):
    """Which of the two models is asked."""

    SMALL = "small"
    """Cheap and quick: classifies, and answers small talk."""
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Block:
    """A part of what a model is told about its task."""

    text: str
    cached: bool = False
    """True where everything up to here stays the same from call to call, so that a vendor may keep it."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is offered it."""

    name: str
    """1 to 64 characters of a-z, 0-9, - and _."""
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of its input, an object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to be used. `input` is None where it was no JSON object."""

    id: str
    name: str
    input: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool came to: data for the model, or with `code` (snake_case) why there is none."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round with tools: the model's whole answer as it came, and the results of its calls in their order."""

    content: tuple[Mapping[str, Any], ...]
    results: tuple[tuple[str, ToolResult], ...]
    """Id of the call, and its result; one for each call in `content`."""


class Speaker(StrEnum):
    """Whose words they were."""

    CONTACT = "contact"
    OWNER = "owner"
    """With their own hands."""
    CLONE = "clone"


@dataclass(frozen=True, slots=True)
class Remembered:
    """Something that was said before and may matter now."""

    message_id: str
    at: datetime
    """In the owner's time zone."""
    speaker: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody as whoever asks about them knows them already."""

    members: Sequence[ContactId]
    """The contacts that are this person, the one that is asked about first."""
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Recollection:
    """What was remembered for one reply, in the order of being said, and how it came about, for the trace; that quotes nobody."""

    items: tuple[Remembered, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Origin(StrEnum):
    """Who is behind a turn."""

    CONTACT = "contact"
    OWNER = "owner"
    """The owner, at a terminal or in their own chat."""
    SCRIPT = "script"
    """The owner's command without anybody there to ask."""


@dataclass(frozen=True, slots=True)
class ToolTurn:
    """Whose turn it is, as far as tools are concerned: rights follow from it in code."""

    origin: Origin
    tier: Tier | None = None
    """The contact's; None: it is the owner's turn."""
    contact_id: str = ""
    channel_id: str = ""
    message_id: str = ""
    """The last message of the burst: what is proposed for it is proposed once, however often it is worked on."""
    is_tainted: bool = False
    """True when what was written looks like an attempt to give orders: nothing that writes or reaches out is offered."""
    allowed: frozenset[str] = frozenset()
    """Tools that write, which the owner named for a script."""
    has_skills: bool | None = None
    """Whether any skill is on; None where nobody has looked yet."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a model is told. `system` blocks are stable first, so that a vendor can cache them."""

    system: tuple[Block, ...]
    turns: tuple[Utterance, ...]
    max_tokens: int
    size: ModelSize = ModelSize.LARGE
    thinking: Thinking | None = None
    tools: tuple[ToolSpec, ...] = ()
    """The same in every round of a reply, and for everybody with the same rights: they are the first that a vendor keeps."""
    exchanges: tuple[Exchange, ...] = ()
    """Rounds with tools since the last turn."""
    may_ask: bool = True
    """False: the tools are named, and none may be used."""


_BYTES_PER_TOKEN = 2.5
"""Ordinary text of any script has more bytes to a token than this: what a text may cost is not guessed too low."""
_PATCH = 28
_OVERHEAD = 64
"""Tokens for what surrounds a prompt's words."""
_TOOLS_PREAMBLE = 600
"""Tokens of what the vendor tells the model about tools; 264 to 530 by the vendor's table, "Tool use"."""


def text_tokens(*texts: str) -> int:
    """How many tokens `texts` have at most, in any script."""
    return math.ceil(sum(len(text.encode("utf-8", "replace")) for text in texts) / _BYTES_PER_TOKEN)


def prompt_tokens(prompt: Prompt) -> int:
    """How many tokens `prompt` has at most, pictures included."""
    texts = [*(block.text for block in prompt.system), *(turn.text for turn in prompt.turns)]
    seen = sum(picture.tokens for turn in prompt.turns for picture in turn.pictures)
    if not prompt.tools:
        return text_tokens(*texts) + seen + _OVERHEAD
    texts += [text for tool in prompt.tools for text in (tool.name, tool.description, json.dumps(dict(tool.schema)))]
    for exchange in prompt.exchanges:
        texts += [json.dumps([dict(block) for block in exchange.content]), *(result.text for _, result in exchange.results)]
    rows = len(prompt.tools) + sum(len(exchange.results) + 1 for exchange in prompt.exchanges)
    return text_tokens(*texts) + seen + _OVERHEAD * (1 + rows) + _TOOLS_PREAMBLE


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer of a model cost, in tokens. `input_tokens` does not count what was written to or read from a cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    model: str = ""
    is_estimated: bool = False
    """True when the server did not count, or not all of it."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A model's words, with what they cost."""

    text: str
    usage: Usage = Usage()
    is_cut: bool = False
    """True when the model stopped before it had said everything: no reply, but a part of one."""


@dataclass(frozen=True, slots=True)
class ModelRefused:
    """The model answered, but there is nothing in it that could be sent."""

    reason: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Asked:
    """The model wants tools to be used before it says anything. Each call in `content` needs a result."""

    content: tuple[Mapping[str, Any], ...]
    """Its whole answer, thoughts with their signatures included: it is sent back as it came."""
    calls: tuple[ToolCall, ...]
    usage: Usage = Usage()


ModelOutcome = Composed | ModelRefused | Asked


_MINUTE_S = 60
