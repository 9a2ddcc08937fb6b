"""The device process from the gateway's side: started, asked, heard and certainly ended; and the steps of linking by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import WhatsAppAccount, erase_account, is_linked, load_account, own_from, save_account
from secondme.channels.whatsapp.failures import banned, failure
from secondme.channels.whatsapp.protocol import Frame, Frames, encode
from secondme.core.channel_plugin import ChannelContext, Linked, Say, ShowCode, ShowQr, Step
from secondme.core.errors import BusyError, DataError, SecondmeError
from secondme.core.files import private_dir
from secondme.core.http import proxy_of
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from secondme.core.ports import Clock

log = get_logger(__name__)

COMMAND = (sys.executable, "-P", "-m", "secondme.channels.whatsapp.device")
"""`-P`: the session's directory is no place to import from."""
_ASK_S = 2.0
"""For a device process that is asked to stop: it disconnects and writes down what is not safe."""
_TERM_S = 1.0
_WRITE_S = 5.0
_CHUNK = 65_536
_SECRETS = ("SECONDME_", "ANTHROPIC_")
_SERVER = "https://web.whatsapp.com"
"""Where the library connects to."""


class DeviceProcess:
    """One life of the device process. Start it once; `stop` it always."""

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._command = command
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._calls: dict[int, tuple[asyncio.Future[Frame], Callable[[Frame], None] | None]] = {}
        self._last = 0
        self._whole = Frames()
        self._heard: deque[Frame] = deque()
        self._is_over = False

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self, first: Frame) -> None:
        """The process runs and has its first frame. It has no terminal, no secrets of ours, and files that nobody else can read."""
        private_dir(self._directory)
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *(str(theirs.fileno()), str(os.getpid()), str(self._directory)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,  # it prints events, and its log may quote messages
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd=self._directory,
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the gateway, which then stops it in order
            )
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        await self.tell(first)

    async def hear(self) -> Frame | None:
        """The next frame that is no answer; None when it is gone. Raises UnavailableError when it talks nonsense."""
        assert self._reader is not None
        while not self._heard:
            try:
                data = await self._reader.read(_CHUNK)
                frames = self._whole.feed(data)
            except DataError as error:
                log.error("whatsapp_device_garbled", code=error.code)
                raise failure("crashed") from error
            except OSError:
                return None
            if not data:
                return None
            for frame in frames:
                if frame["type"] in {"answer", "part"}:
                    self._answered(frame)
                else:
                    self._heard.append(frame)
        return self._heard.popleft()

    async def tell(self, frame: Frame) -> None:
        """The frame is on its way. Raises UnavailableError when the process is gone or does not take it."""
        if self._writer is None or self._is_over:
            raise failure("crashed")
        self._writer.write(encode(frame))
        try:
            async with asyncio.timeout(_WRITE_S):
                await self._writer.drain()
        except OSError as error:  # TimeoutError is one
            raise failure("crashed") from error

    async def ask(self, frame: Frame, timeout_s: float, on_part: Callable[[Frame], None] | None = None) -> Frame:
        """Its answer. Raises UnavailableError when it ends first or does not answer in time; `on_part` may raise to give up."""
        self._last += 1
        call = self._last
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._calls[call] = (answer, on_part)
        try:
            async with asyncio.timeout(timeout_s):
                await self.tell({**frame, "call": call})
                return await answer
        except TimeoutError as error:
            raise failure("timeout") from error
        finally:
            del self._calls[call]

    def kill(self) -> None:
        """It does not answer any more: no asking."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """It has ended, in order if it could, and nothing of it is left. Repeatable. What was being asked raises UnavailableError."""
        try:
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(Exception):  # it may be gone, stuck, or deaf: the signals below are for that
                    await self.tell({"type": "stop"})
                await self._ended(_ASK_S)
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGTERM)
                await self._ended(_TERM_S)
        finally:
            self._is_over = True
            self.kill()
            self._give_up()
            if self._writer is not None:
                self._writer.close()
            if self._process is not None:
                await self._process.wait()

    async def _ended(self, seconds: float) -> None:
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()

    def _give_up(self) -> None:
        for answer, _ in self._calls.values():
            if not answer.done():
                answer.set_exception(failure("crashed"))

    def _answered(self, frame: Frame) -> None:
        answer, on_part = self._calls.get(frame.get("call", 0), (None, None))
        if answer is None or answer.done():
            return  # nobody waits for it any more
        if frame["type"] == "answer":
            answer.set_result(frame)
        elif on_part is not None:
            try:
                on_part(frame)
            except DataError as error:
                answer.set_exception(error)


def _environment() -> dict[str, str]:
    """What the library may know of ours: no secrets. Its messages carry no mark of a business's bot, which it adds unless told not to.
    Raises NetworkConfigError."""
    harmless = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    if (proxy := proxy_of(_SERVER)) is not None:  # Go knows no all_proxy and no socks://
        harmless |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy.url)
    return {"NEONIZE_BOT_TAG": "off", **harmless}


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
                    save_account(context.directory, WhatsAppAccount(own))
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
        received = frame.result()
        if received is None:
            raise failure("crashed")
        return received
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


def _readable_account(context: ChannelContext) -> WhatsAppAccount | None:
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
