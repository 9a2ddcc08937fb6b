"""Whose message is it, and from which kind of chat? Pure: one protobuf event in, a JSON object or nothing out.

Identity comes only from the addresses that WhatsApp authenticated (`MessageSource`) and what the library's own store vouches for;
never from a quote, a mention or a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.device.content import read_content
from secondme.channels.whatsapp.jids import Jid, Own, Person, Resolve, as_person, person_of
from secondme.core.messages import ChatKind
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS_BELOW = 100_000_000_000
"""A Unix time below this is in seconds (1973 as milliseconds, the year 5138 as seconds)."""
_LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, the last that a datetime can be."""


@dataclass(frozen=True, slots=True)
class Chat:
    """The conversation of a message. `person` is the other one, or the owner in the owner's own chat; None where nobody is meant."""

    kind: ChatKind
    person: Person | None = None
    from_me: bool = False
    is_echo: bool = False
    """This very device sent it."""


_NOBODY = Chat(ChatKind.GROUP)


def read_jid(proto: Any) -> Jid | None:  # a generated protobuf class
    """The address; None when it is empty."""
    if proto.IsEmpty or not proto.User:
        return None
    return Jid(proto.User, proto.Server, proto.Device, proto.RawAgent, proto.Integrator)


def read_message(event: Any, own: Own, resolve: Resolve, now_ms: int, is_backlog: Callable[[int], bool]) -> dict[str, Any] | None:
    """The message as a JSON object; None when it is no direct message, our own, or has nothing in it to hand over.

    `is_backlog` is told the sending time in milliseconds.
    """
    chat = read_chat(event.Info, own, resolve)
    if chat.kind not in {ChatKind.DIRECT, ChatKind.OWNER} or chat.person is None or chat.is_echo:
        return None
    content = read_content(event.Message) if event.HasField("Message") else None
    if content is None or not event.Info.ID:
        return None
    sent_ms = read_time(event.Info.Timestamp, now_ms)
    return {
        "id": event.Info.ID,
        "contact": chat.person.contact_id,
        "phone": chat.person.phone,
        "aliases": list(chat.person.aliases),
        "kind": chat.kind.value,
        "fromMe": chat.from_me,
        "name": "" if chat.from_me else safe_name(event.Info.Pushname),  # else it is the owner's name
        "text": content.text,
        "sentMs": sent_ms,
        "attachments": list(content.attachments),
        "replyTo": content.reply_to,
        "editOf": content.edit_of,
        "backlog": is_backlog(sent_ms),
    }


def read_time(stamp: int, now_ms: int) -> int:
    """Milliseconds, whether the library gave seconds (as it once did) or milliseconds; now, when it is no time at all."""
    milliseconds = stamp * 1000 if stamp < _SECONDS_BELOW else stamp
    return milliseconds if 0 < milliseconds <= _LATEST_MS else now_ms


def read_chat(info: Any, own: Own, resolve: Resolve) -> Chat:
    """The conversation that the message belongs to. Any doubt makes it nobody's."""
    source = info.MessageSource
    chat, sender = read_jid(source.Chat), read_jid(source.Sender)
    if chat is not None and chat.server == "broadcast":
        return Chat(ChatKind.STATUS if chat.user == "status" else ChatKind.BROADCAST)
    if read_jid(source.BroadcastListOwner) is not None or len(source.BroadcastRecipients) or info.Multicast:
        return Chat(ChatKind.BROADCAST)
    if chat is None or sender is None or source.IsGroup:
        return _NOBODY
    writer = person_of(sender, read_jid(source.SenderAlt), resolve)
    if writer is None:
        return _NOBODY
    if source.IsFromMe:
        return _own_chat(chat, read_jid(source.RecipientAlt), writer, own, resolve, sender.device)
    if writer.is_same(own.person):  # the library says otherwise: one of the two is wrong
        return _NOBODY
    return Chat(ChatKind.DIRECT, writer) if _is_chat_of(chat, writer, resolve) else _NOBODY


def _own_chat(chat: Jid, alternative: Jid | None, writer: Person, own: Own, resolve: Resolve, device: int) -> Chat:
    """A chat in which the owner's account wrote, from one of its devices."""
    if _contradicts(writer, own.person):
        return _NOBODY
    other = person_of(chat, alternative, resolve)
    if other is None:
        return _NOBODY
    is_echo = own.device > 0 and device == own.device
    if other.is_same(own.person):
        return Chat(ChatKind.OWNER, Person(own.phone or other.phone, own.lid or other.lid), is_echo=is_echo)
    return Chat(ChatKind.DIRECT, other, from_me=True, is_echo=is_echo)


def _is_chat_of(chat: Jid, person: Person, resolve: Resolve) -> bool:
    alone = as_person(chat)
    if alone is None:
        return False
    if alone.is_same(person):
        return True
    known = person_of(chat, None, resolve)
    return known is not None and known.is_same(person)


def _contradicts(one: Person, other: Person) -> bool:
    """True when both have an address of one kind and they differ."""
    return bool(one.phone and other.phone and one.phone != other.phone) or bool(one.lid and other.lid and one.lid != other.lid)
