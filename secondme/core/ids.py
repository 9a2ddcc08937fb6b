"""Ids: what a well-formed one is, and where new ones come from.

A contact id ends up in key names, logs and file names, so its alphabet is closed. Ids are opaque: nobody but the channel that made
one takes it apart.
"""

import hashlib
import re
import secrets
from typing import NewType

from secondme.core.errors import DataError

ContactId = NewType("ContactId", str)
ChannelId = NewType("ChannelId", str)
MessageId = NewType("MessageId", str)

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_CONTACT_ID = re.compile(r"[A-Za-z0-9~._+@:-]{3,128}")
_CHANNEL_ID = re.compile(r"[a-z][a-z0-9_]{1,31}")
_MASKED_FROM = 8
"""Six shown characters of nine still hide a third of the id."""
_PLAIN_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,128}")


def is_contact_id(value: str) -> bool:
    """True when `value` can be a contact id. `ALL` is everybody in `PAUSE:ALL` and so nobody."""
    return value != "ALL" and _CONTACT_ID.fullmatch(value) is not None


def contact_id(value: str) -> ContactId:
    """`value` as a contact id. Raises DataError unless it is 3 to 128 characters of `A-Z a-z 0-9 ~ . _ + @ : -`."""
    if not is_contact_id(value):
        raise DataError("bad_contact_id", "That is not a contact id.", "secondme pairing list shows the ids.")
    return ContactId(value)


def channel_id(value: str) -> ChannelId:
    """`value` as a channel id. Raises DataError unless it is 2 to 32 characters of `a-z 0-9 _`."""
    if not _CHANNEL_ID.fullmatch(value):
        raise DataError("bad_channel_id", "That is not a channel id.")
    return ChannelId(value)


def message_id(native: str) -> MessageId:
    """A message id that is safe in a key: `native` itself when it is short printable ASCII, else its SHA-256. Repeatable."""
    if _PLAIN_MESSAGE_ID.fullmatch(native):
        return MessageId(native)
    return MessageId("sha256-" + hashlib.sha256(native.encode("utf-8", "surrogatepass")).hexdigest()[:32])


_FORMS = (
    (re.compile(r"55(\d\d)(\d{8})"), r"55\g<1>9\g<2>"),  # Brazil: mobile numbers gained a ninth digit
    (re.compile(r"55(\d\d)9(\d{8})"), r"55\g<1>\g<2>"),
    (re.compile(r"52(\d{10})"), r"521\g<1>"),  # Mexico and Argentina: a digit for mobiles that is dialled from abroad, or was
    (re.compile(r"521(\d{10})"), r"52\g<1>"),
    (re.compile(r"54(\d{10})"), r"549\g<1>"),
    (re.compile(r"549(\d{10})"), r"54\g<1>"),
)


def other_form(number: str) -> str:
    """The same phone number in the other form that its country has, in E.164 digits; empty for a number with one form. It proves nothing
    about who writes: for the owner's eyes only."""
    return next((form.sub(other, number) for form, other in _FORMS if form.fullmatch(number)), "")


def reply_id(contact: str, first_message: str) -> str:
    """The id of the reply to a burst. Derived, not random: composing it twice gives one id, so a channel can collapse a resend."""
    return hashlib.sha256(f"{contact}\n{first_message}".encode()).hexdigest()[:24]


def new_code() -> str:
    """Six ASCII digits from the operating system's random source, leading zeros included."""
    return f"{secrets.randbelow(1_000_000):06d}"


def new_id() -> str:
    """128 random bits in hexadecimal."""
    return secrets.token_hex(16)


def code_of(text: str) -> str | None:
    """The six ASCII digits that `text` is, around white space; None for everything else. No other script's digits, no normalising."""
    stripped = text.strip()
    return stripped if _CODE.fullmatch(stripped) else None


def mask_contact_id(value: str) -> str:
    """A contact id for logs and events: `49151234567@c.us` becomes `4915****67@c.us`. Short ids keep their first character only."""
    head, separator, tail = value.partition("@")
    prefix = ""
    if not separator and ":" in value:
        prefix, _, head = value.partition(":")
        prefix += ":"
    masked = f"{head[:4]}****{head[-2:]}" if len(head) > _MASKED_FROM else f"{head[:1]}****"
    return f"{prefix}{masked}{separator}{tail}"
