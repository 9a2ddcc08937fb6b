"""Setting up WhatsApp: the steps of linking a device, what is checked, and building the channel."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ctypes.util
import re
from contextlib import aclosing
from importlib.util import find_spec
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import DATABASE, Account, erase_account, is_linked, load_account, own_from, save_account
from secondme.channels.whatsapp.failures import banned, failure
from secondme.channels.whatsapp.process import COMMAND, DeviceProcess
from secondme.core.channel_plugin import Ask, ChannelContext, Linked, Question, Say, ShowCode, ShowQr, Step
from secondme.core.errors import BusyError, CredentialsError, DataError, SecondmeError
from secondme.core.ids import ContactId, mask_contact_id
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from secondme.channels.whatsapp.protocol import Frame
    from secondme.core.ports import Channel, Clock


_SQLITE = b"SQLite format 3\x00"
_LIBMAGIC = ("libmagic.so.1", "libmagic.dylib")
_CONNECT = "secondme channels connect whatsapp"


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The linked number, masked. Raises CredentialsError when the phone threw this device out, DataError when a file cannot be read,
    ConfigError without the library."""
    async with asyncio.timeout(timeout_s):
        return await asyncio.to_thread(_look, context.directory)


def _look(directory: Path) -> str:
    account = load_account(directory)
    if account is None:
        raise failure("not_linked")
    if account.is_logged_out:
        raise CredentialsError("whatsapp_logged_out", "The phone has logged this device out.", _CONNECT)
    if not _is_database(directory / DATABASE):
        raise DataError("whatsapp_bad_session", "The keys of the WhatsApp session are gone or damaged.", _CONNECT)
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
    for name in _LIBMAGIC:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return ctypes.util.find_library("magic") is not None


log = get_logger(__name__)

BEGIN_S = 60.0
"""From the start of the device process to WhatsApp's first code."""
FIRST_QR_S, NEXT_QR_S = 60.0, 20.0
"""How long WhatsApp takes each QR code; whatsmeow shows six and then hangs up."""
CODE_S = 160.0
"""A pairing code lives as long as the six QR codes together."""
SLACK_S = 15.0
"""The next code is a little late at times; and between the scan and the finished login there is none."""
UNLINK_S = 30.0


async def link(context: ChannelContext, phone: str, command: Sequence[str] = COMMAND) -> AsyncGenerator[Step, None]:
    """The steps until a phone has linked this device. See `setup.connect`."""
    account = _readable_account(context)
    if account is None or account.is_logged_out:
        _forget_keys(context)
    yield Say("On the phone: WhatsApp, Settings, Linked devices, Link a device.")
    device = DeviceProcess(command, context.directory)
    try:
        await device.start(_first(context, "link", phone))
        codes, wait_s, expiry = 0, BEGIN_S, "unreachable"
        while True:
            frame = await _next(device, context.clock, wait_s, expiry)
            match frame["type"]:
                case "qr":
                    seconds = NEXT_QR_S if codes else FIRST_QR_S
                    codes, wait_s, expiry = codes + 1, seconds + SLACK_S, "qr_expired"
                    yield ShowQr(str(frame.get("payload")), seconds)
                case "code":
                    wait_s, expiry = CODE_S + SLACK_S, "code_expired"
                    yield ShowCode(str(frame.get("code")), CODE_S)
                case "linked":
                    own = own_from(frame.get("own"))
                    save_account(context.directory, Account(own))
                    break
                case "failed":
                    raise failure(str(frame.get("code")))
                case "state":
                    _fail_on(frame, context.clock)
                case _:
                    pass
    finally:
        await device.stop()
    yield Linked(account=f"+{own.phone}")


async def unlink_device(context: ChannelContext, command: Sequence[str] = COMMAND) -> None:
    """See `setup.unlink`."""
    if is_linked(context.directory):
        device = DeviceProcess(command, context.directory)
        try:
            await device.start(_first(context, "unlink"))
            while (frame := await _next(device, context.clock, UNLINK_S, "timeout"))["type"] != "gone":
                if frame["type"] == "failed":
                    raise failure(str(frame.get("code")))
                if frame["type"] == "state":
                    _fail_on(frame, context.clock)
        except BusyError:
            raise
        except SecondmeError as error:
            log.warning("whatsapp_not_logged_out", code=error.code)  # the owner can still remove the device on the phone
        finally:
            await device.stop()
    if context.directory.is_dir():
        erase_account(context.directory)


async def _next(device: DeviceProcess, clock: Clock, seconds: float, expiry: str) -> Frame:
    """The next frame. Raises UnavailableError with the code `expiry` when none comes in time."""
    frame = asyncio.ensure_future(device.hear())
    waiting = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((frame, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not frame.done():
            raise failure(expiry)
        found = frame.result()
        if found is None:
            raise failure("crashed")
        return found
    finally:
        for task in (frame, waiting):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, SecondmeError):
                await task


def _fail_on(frame: Frame, clock: Clock) -> None:
    state = frame.get("state")
    if state == "banned":
        raise banned(frame.get("seconds"), clock.now_ms())
    if state in {"logged_out", "replaced", "outdated", "unavailable"}:
        raise failure(str(state))


def _readable_account(context: ChannelContext) -> Account | None:
    try:
        return load_account(context.directory)
    except DataError:
        return None


def _forget_keys(context: ChannelContext) -> None:
    """A session that was logged out cannot be taken up again: its keys would only be refused."""
    for path in context.directory.glob("device.db*"):
        path.unlink(missing_ok=True)


def _first(context: ChannelContext, mode: str, phone: str = "") -> Frame:
    name = str(context.settings.get("device_name") or "secondme")
    return {"type": "start", "mode": mode, "device": name, "phone": phone, "own": None}


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
    from secondme.channels.whatsapp.account import forget_in_spool  # noqa: PLC0415  as above

    forget_in_spool(context.directory, contact_id)


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """A phone has linked this device, by QR code or by a pairing code. Nothing is saved before it did.

    Raises CredentialsError when the phone refused, UnavailableError when nobody scanned or typed in time or WhatsApp cannot be reached,
    BusyError while a gateway uses the session, ConfigError without the library, DataError for what is no phone number.
    """
    phone = read_phone(await ask(PHONE))
    async with aclosing(link(context, phone)) as steps:  # whoever stops listening waits until the device process has ended
        async for step in steps:
            yield step


async def unlink(context: ChannelContext) -> None:
    """The phone lists this device no more, if it can be reached, and the session's files are gone in any case. Repeatable.

    Raises BusyError while a gateway uses the session; then nothing is changed.
    """
    await unlink_device(context)


def read_phone(typed: str) -> str:
    """The digits of a phone number in international form; empty for a QR code. Raises DataError."""
    digits = _PUNCTUATION.sub("", typed).removeprefix("00")
    if digits and not _PHONE.fullmatch(digits):
        raise DataError("whatsapp_bad_phone", "That is no phone number with country code.", "Write it like +49 151 2345678.")
    return digits
