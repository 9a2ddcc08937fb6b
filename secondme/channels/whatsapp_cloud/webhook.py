"""Calls of Meta's webhook: the signature first, then what each entry says."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from secondme.channels.whatsapp_cloud.content import UnreadableMessageError, content_of
from secondme.channels.whatsapp_cloud.manifest import MANIFEST
from secondme.core.clock import from_ms, to_ms
from secondme.core.ids import ChannelId, ContactId, is_contact_id, message_id
from secondme.core.log import get_logger
from secondme.core.messages import ChatKind, InboundMessage, WebhookRequest
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from secondme.channels.whatsapp_cloud.settings import CloudAccount


log = get_logger(__name__)

_CHALLENGE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_SIGNATURE = re.compile("sha256=[0-9a-f]{64}")
_LONGEST_QUERY = 2048
_MOST_FIELDS = 16
MOST_WRONG = 20
"""A minute. Meta makes none; further callers are told to wait, but a right signature always passes."""


def has_signature(head: WebhookRequest) -> bool:
    """True when something stands where Meta's signature stands, in its form. Whether it is Meta's, only the body can tell."""
    return _SIGNATURE.fullmatch(head.header("x-hub-signature-256") or "") is not None


def is_signed(request: WebhookRequest, app_secret: str) -> bool:
    """True when the raw body carries the signature that only Meta and the app's owner can make. An empty secret signs nothing."""
    claimed = request.header("x-hub-signature-256")
    if not app_secret or claimed is None:
        return False
    wanted = "sha256=" + hmac.new(app_secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(claimed.encode("utf-8", "surrogatepass"), wanted.encode())


def challenge_of(query: str, verify_token: str) -> str | None:
    """What Meta wants to hear when the owner sets the webhook up; None when it is not Meta, or nothing to repeat."""
    if not verify_token or len(query) > _LONGEST_QUERY:
        return None
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    parameters = dict(fields)
    if len(parameters) != len(fields) or parameters.get("hub.mode") != "subscribe":
        return None
    token = parameters.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(token, verify_token.encode()):
        return None
    challenge = parameters.get("hub.challenge", "")
    return challenge if _CHALLENGE.fullmatch(challenge) else None


CHANNEL = ChannelId(MANIFEST.id)
_PREFIX = f"{CHANNEL}:"
_PHONE = re.compile(r"[1-9][0-9]{4,14}", re.ASCII)
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,108}", re.ASCII)
"""A business-scoped user id. Meta allows 128 characters behind the dot and uses about 20; a contact id has room for 113 in all."""
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)
_OLDEST_MS = (7 * 24 + 1) * 3_600_000
"""Meta repeats a call for 7 days, and the gate knows duplicates for 8. What is older can only be a replay."""
_AHEAD_MS = 3_600_000


@dataclass(slots=True)
class Batch:
    """What one call of Meta's holds for us."""

    messages: list[InboundMessage] = field(default_factory=list)
    """In the order given."""
    failures: list[tuple[str, int]] = field(default_factory=list)
    """Ids of messages of ours that Meta took and could not deliver, each with its error code."""
    unreadable: int = 0
    out_of_time: int = 0


def contact_for(address: str) -> ContactId | None:
    """The contact that a phone number's digits or a business-scoped user id stand for; None for anything else."""
    if not (_PHONE.fullmatch(address) or _USER_ID.fullmatch(address)):
        return None
    contact = _PREFIX + address
    return ContactId(contact) if is_contact_id(contact) else None


def recipient_of(contact: ContactId) -> dict[str, str] | None:
    """How the API wants to be told whom a message is for; None when it is no contact of this channel.

    A user id in `to` would be taken for a phone number, and the message silently lost.
    """
    address = contact.removeprefix(_PREFIX) if contact.startswith(_PREFIX) else ""
    if _PHONE.fullmatch(address):
        return {"to": address}
    return {"recipient": address} if _USER_ID.fullmatch(address) else None


def read(body: Mapping[str, Any], account: CloudAccount, now_ms: int) -> Batch:
    """The messages and failures in `body` that are ours. Never raises: what cannot be read is counted."""
    batch = Batch()
    for change in _changes(body):
        value = change.get("value")
        if not isinstance(value, dict) or _text(_dict(value, "metadata"), "phone_number_id") != account.phone_number_id:
            continue  # another number's
        if change.get("field") == "messages":
            names = _names(value)
            for raw in _list(value, "messages"):
                _add(batch, raw, account, now_ms, names)
            batch.failures.extend(_failures(value))
        elif change.get("field") == "smb_message_echoes":
            for raw in _list(value, "message_echoes"):
                _add(batch, raw, account, now_ms, None)
    return batch


def _add(batch: Batch, raw: object, account: CloudAccount, now_ms: int, names: Mapping[str, str] | None) -> None:
    """One message is in the batch, or counted. `names` is None for what the owner wrote."""
    try:
        fields = raw if isinstance(raw, dict) else {}
        message = _echo(fields, account) if names is None else _message(fields, account, names)
    except UnreadableMessageError:
        batch.unreadable += 1
        return
    if message is None:
        return
    age_ms = now_ms - to_ms(message.sent_at)
    if not -_AHEAD_MS <= age_ms <= _OLDEST_MS:
        batch.out_of_time += 1
        return
    batch.messages.append(message)


def _message(raw: Mapping[str, Any], account: CloudAccount, names: Mapping[str, str]) -> InboundMessage | None:
    """What somebody wrote to us; None when it says nothing (a reaction, a change of number)."""
    phone, user = _text(raw, "from"), _text(raw, "from_user_id")
    ids = [contact for contact in (contact_for(phone), contact_for(user)) if contact is not None]
    if not ids:
        raise UnreadableMessageError
    name = names.get(phone) or names.get(user) or ""
    message = _filled(raw, ids[0], phone if _PHONE.fullmatch(phone) else "", name)
    if message is None:
        return None
    kind = ChatKind.DIRECT
    if _text(raw, "group_id"):
        kind = ChatKind.GROUP
    elif account.owner_number and phone == account.owner_number:
        kind = ChatKind.OWNER
    return replace(message, kind=kind, aliases=tuple(each for each in ids[1:] if each != ids[0]))


def _echo(raw: Mapping[str, Any], account: CloudAccount) -> InboundMessage | None:
    """What the owner wrote to somebody in the Business app; None when it is a note to themselves, or says nothing."""
    phone, user = _text(raw, "to"), _text(raw, "to_user_id")
    contact = contact_for(phone) or contact_for(user)
    if contact is None:
        raise UnreadableMessageError
    if account.owner_number and phone == account.owner_number:
        return None
    message = _filled(raw, contact, phone if _PHONE.fullmatch(phone) else "", "")
    if message is None:
        return None
    return replace(message, from_me=True, kind=ChatKind.GROUP if _text(raw, "group_id") else ChatKind.DIRECT)


def _filled(raw: Mapping[str, Any], contact: ContactId, phone: str, name: str) -> InboundMessage | None:
    native, seconds = _text(raw, "id"), raw.get("timestamp")
    seconds = str(seconds) if isinstance(seconds, int) and not isinstance(seconds, bool) else seconds
    if not native or not isinstance(seconds, str) or not _SECONDS.fullmatch(seconds):
        raise UnreadableMessageError
    content = content_of(raw)
    if content is None:
        return None
    context = _dict(raw, "context")
    quoted = _text(context, "id")
    return InboundMessage(
        channel_id=CHANNEL,
        contact_id=contact,
        normalized_contact_id=phone or contact,
        message_id=message_id(native),
        text=content.text,
        sent_at=from_ms(int(seconds) * 1000),
        display_name=safe_name(name),
        phone_number=phone,
        attachments=content.attachments,
        reply_to=message_id(quoted) if quoted else "",
        edit_of=message_id(content.edit_of) if content.edit_of else "",
        revokes=message_id(content.revokes) if content.revokes else "",
        is_forwarded=context.get("forwarded") is True or context.get("frequently_forwarded") is True,
    )


def _names(value: Mapping[str, Any]) -> dict[str, str]:
    """Profile names by phone number and by user id. They name; they never identify."""
    names = {}
    for contact in _list(value, "contacts"):
        if isinstance(contact, dict):
            name = _text(_dict(contact, "profile"), "name")
            for key in ("wa_id", "user_id"):
                if name and _text(contact, key):
                    names[_text(contact, key)] = name
    return names


def _failures(value: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for status in _list(value, "statuses"):
        if isinstance(status, dict) and status.get("status") == "failed":
            first = next((each for each in _list(status, "errors") if isinstance(each, dict)), {})
            code = first.get("code")
            yield _text(status, "id"), code if isinstance(code, int) and not isinstance(code, bool) else 0


def _changes(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in _list(body, "entry") if body.get("object") == "whatsapp_business_account" else []:
        if isinstance(entry, dict):
            yield from (change for change in _list(entry, "changes") if isinstance(change, dict))


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _dict(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    items = value.get(name)
    return items if isinstance(items, list) else []
