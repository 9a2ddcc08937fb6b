"""How does a phone link this device? The device process asks WhatsApp for codes; each is shown until it is worthless."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import Account, erase_account, is_linked, load_account, own_from, save_account
from secondme.channels.whatsapp.failures import banned, failure
from secondme.channels.whatsapp.process import COMMAND, DeviceProcess
from secondme.core.connecting import Linked, Say, ShowCode, ShowQr
from secondme.core.errors import BusyError, DataError, SecondmeError
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from secondme.channels.whatsapp.protocol import Frame
    from secondme.core.connecting import Step
    from secondme.core.manifest import ChannelContext
    from secondme.core.ports import Clock

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
