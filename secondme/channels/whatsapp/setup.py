"""Is a phone linked, and how is it linked or unlinked? Light: the library is loaded by the device process only."""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import is_linked
from secondme.core.connecting import Question
from secondme.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.connecting import Ask, Step
    from secondme.core.ids import ContactId
    from secondme.core.manifest import ChannelContext
    from secondme.core.ports import Channel

_PHONE = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_PUNCTUATION = re.compile(r"[\s+()./-]")
PHONE = Question("phone", "Phone number for a pairing code, with country code (leave empty for a QR code)")


def is_set_up(context: ChannelContext) -> bool:
    """True once a phone has linked this device."""
    return is_linked(context.directory)


def build(context: ChannelContext) -> Channel:
    """The channel, not yet running."""
    from secondme.channels.whatsapp.channel import WhatsAppChannel  # noqa: PLC0415  only a gateway needs it

    return WhatsAppChannel(context)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """No message of the contact waits on disk. Repeatable. The library's own keys and names are WhatsApp's copy of the address book."""
    from secondme.channels.whatsapp.spool import forget_in_spool  # noqa: PLC0415  as above

    forget_in_spool(context.directory, contact_id)


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """A phone has linked this device, by QR code or by a pairing code. Nothing is saved before it did.

    Raises CredentialsError when the phone refused, UnavailableError when nobody scanned or typed in time or WhatsApp cannot be reached,
    BusyError while a gateway uses the session, ConfigError without the library, DataError for what is no phone number.
    """
    from secondme.channels.whatsapp.linking import link  # noqa: PLC0415  as above

    phone = read_phone(await ask(PHONE))
    async with aclosing(link(context, phone)) as steps:  # whoever stops listening waits until the device process has ended
        async for step in steps:
            yield step


async def unlink(context: ChannelContext) -> None:
    """The phone lists this device no more, if it can be reached, and the session's files are gone in any case. Repeatable.

    Raises BusyError while a gateway uses the session; then nothing is changed.
    """
    from secondme.channels.whatsapp.linking import unlink_device  # noqa: PLC0415  as above

    await unlink_device(context)


def read_phone(typed: str) -> str:
    """The digits of a phone number in international form; empty for a QR code. Raises DataError."""
    digits = _PUNCTUATION.sub("", typed).removeprefix("00")
    if digits and not _PHONE.fullmatch(digits):
        raise DataError("whatsapp_bad_phone", "That is no phone number with country code.", "Write it like +49 151 2345678.")
    return digits
