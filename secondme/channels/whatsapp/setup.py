"""Setting up WhatsApp: the number that may be asked for, what is checked, and building the channel."""

from __future__ import annotations

import re
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import DATABASE, forget_in_spool, is_linked, load_account
from secondme.channels.whatsapp.manifest import CONNECT
from secondme.core.channel_plugin import Ask, ChannelContext, LinkQuestion, Step
from secondme.core.errors import CredentialsError, DataError
from secondme.core.ids import ContactId, mask_contact_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from secondme.core.ports import Channel

_SQLITE = b"SQLite format 3\x00"
_LIBMAGIC = ("libmagic.so.1", "libmagic.dylib")
_PHONE = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_PUNCTUATION = re.compile(r"[\s+()./-]")
QUESTIONS = {
    "phone": LinkQuestion("phone", "Phone number for a pairing code, with country code (leave empty for a QR code)", default=""),
}


def is_set_up(context: ChannelContext) -> bool:
    """True once a phone has linked this device."""
    return is_linked(context.directory)


def owner_chat(context: ChannelContext) -> ContactId | None:
    """The owner's messages to themselves; None until a phone is linked."""
    account = load_account(context.directory)
    return ContactId(account.own.person.contact_id) if account is not None else None


def build(context: ChannelContext) -> Channel:
    """The channel, not yet running."""
    from secondme.channels.whatsapp.channel import WhatsAppChannel  # noqa: PLC0415  only a gateway needs it

    return WhatsAppChannel(context)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """No message of the contact waits on disk. Repeatable. The library's own keys and names are WhatsApp's copy of the address book."""
    forget_in_spool(context.directory, contact_id)


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """A phone has linked this device, by QR code or by a pairing code. Nothing is saved before it did.

    Raises CredentialsError when the phone refused, UnavailableError when nobody scanned or typed in time or WhatsApp cannot be reached,
    BusyError while a gateway uses the session, ConfigError without the library, DataError for what is no phone number.
    """
    from secondme.channels.whatsapp.process import link  # noqa: PLC0415  as above

    phone = read_phone(await ask(QUESTIONS["phone"]))
    async with aclosing(link(context, phone)) as steps:  # whoever stops listening waits until the device process has ended
        async for step in steps:
            yield step


async def unlink(context: ChannelContext) -> None:
    """The phone lists this device no more, if it can be reached, and the session's files are gone in any case. Repeatable.

    Raises BusyError while a gateway uses the session; then nothing is changed.
    """
    from secondme.channels.whatsapp.process import unlink_device  # noqa: PLC0415  as above

    await unlink_device(context)


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The linked number, masked. Raises CredentialsError when the phone threw this device out, DataError when a file cannot be read,
    ConfigError without the library."""
    import asyncio  # noqa: PLC0415  only the doctor asks

    async with asyncio.timeout(timeout_s):
        return await asyncio.to_thread(_look, context.directory)


def _look(directory: Path) -> str:
    from secondme.channels.whatsapp.failures import failure  # noqa: PLC0415  as above

    account = load_account(directory)
    if account is None:
        raise failure("not_linked")
    if account.is_logged_out:
        raise CredentialsError("whatsapp_logged_out", "The phone has logged this device out.", CONNECT)
    if not _is_database(directory / DATABASE):
        raise DataError("whatsapp_bad_session", "The keys of the WhatsApp session are gone or damaged.", CONNECT)
    if find_spec("neonize") is None or not _has_libmagic():
        raise failure("library_missing")
    return mask_contact_id(f"{account.own.phone}@c.us").partition("@")[0]


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _has_libmagic() -> bool:
    """True when the library that neonize needs for types of files can be loaded."""
    import ctypes  # noqa: PLC0415  as above
    import ctypes.util  # noqa: PLC0415  as above

    for name in _LIBMAGIC:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return ctypes.util.find_library("magic") is not None


def read_phone(typed: str) -> str:
    """The digits of a phone number in international form; empty for a QR code. Raises DataError."""
    digits = _PUNCTUATION.sub("", typed).removeprefix("00")
    if digits and not _PHONE.fullmatch(digits):
        raise DataError("whatsapp_bad_phone", "That is no phone number with country code.", "Write it like +49 151 2345678.")
    return digits
