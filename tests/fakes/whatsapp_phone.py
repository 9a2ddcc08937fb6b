"""WhatsApp and the owner's phone, as a test plays them: events in, sends out, through the library's own boundary."""

import asyncio
import base64
import contextlib
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

from fakes.channel_host import RecordingHost
from fakes.whatsapp_protos import EVENT_TO_INT, OWN_DEVICE, OWN_LID, OWN_PHONE, PEOPLE, e2e, fill, from_contact, own_device, pb

from secondme.channels.whatsapp.account import WhatsAppAccount, save_account
from secondme.channels.whatsapp.channel import WhatsAppChannel
from secondme.channels.whatsapp.jids import OwnDevice
from secondme.channels.whatsapp.manifest import MANIFEST
from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelState

SCRIPT = Path(__file__).with_name("whatsapp_device.py")
DEADLINE_S = 30.0


class JumpingClock(SystemClock):
    """The real time, and as much more as the test adds."""

    def __init__(self) -> None:
        self._added_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._added_s

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            await super().sleep(min(left, 0.01))

    def jump(self, seconds: float) -> None:
        self._added_s += seconds


class Phone:
    """WhatsApp for one channel. Messages that are not confirmed before a device process ends are delivered again by the next."""

    manifest: Manifest = MANIFEST

    def __init__(self, directory: Path, clock: Any = None) -> None:
        self.directory = directory / "whatsapp"
        self.socket = directory / "control.sock"
        self.context = ChannelContext({"device_name": "secondme"}, self.directory, clock or SystemClock(), Random(7))
        self.command = (sys.executable, "-P", str(SCRIPT), str(self.socket))
        self.channel = WhatsAppChannel(self.context, self.command, poll_s=0.05)
        self.calls: list[dict[str, Any]] = []
        self.sent: dict[str, list[str]] = {}
        self.voices: dict[str, list[bytes]] = {}
        self.returned: set[int] = set()
        self.lives = 0
        self.says_connected = True
        self.facts: dict[str, Any] = {"me": base64.b64encode(own_device().SerializeToString()).decode()}
        self._numbers: dict[str, int] = {}
        self._written: dict[str, Any] = {}
        self._last = 0
        self._synced: set[int] = set()
        self.running: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def open(self, *, linked: bool = True) -> None:
        if linked:
            save_account(self.directory, WhatsAppAccount(OwnDevice(OWN_PHONE, OWN_LID, OWN_DEVICE, "The owner")))
        self._server = await asyncio.start_unix_server(self._converse, self.socket, limit=1 << 24)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        assert self._server is not None
        self._server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One device process's life."""
        self.lives += 1
        writer.write(json.dumps({"do": "set", "facts": self.facts}).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            async for host in reader:
                said = json.loads(host)
                if said.get("native") == "Neonize":
                    self._writer = writer  # it has the session: a process that was refused never comes so far
                self._hear(said)
        writer.close()

    def _hear(self, said: dict[str, Any]) -> None:
        if "returned" in said:
            self.returned.add(said["returned"])
        elif "synced" in said:
            self._synced.add(said["synced"])
        else:
            self.calls.append(said)
            if said["native"] == "SendMessage":
                self._take_sent(said)
            if said["native"] == "Neonize" and self.says_connected:
                self.event(pb.Connected(status=True))

    def _take_sent(self, said: dict[str, Any]) -> None:
        """A text, or a voice note: the file that was uploaded and has the hash that the message names."""
        if "voice" not in said:
            self.sent.setdefault(said["user"], []).append(said["text"])
            return
        said["voice"] = e2e.AudioMessage.FromString(base64.b64decode(said["voice"]))
        files = {
            hashlib.sha256(data).digest(): data for data in map(base64.b64decode, (call["data"] for call in self.named("Upload")))
        }
        self.voices.setdefault(said["user"], []).append(files[said["voice"].fileSHA256])

    # What the test does

    def order(self, **facts: Any) -> None:
        assert self._writer is not None, "no device process has come"
        self._writer.write(json.dumps(facts).encode() + b"\n")

    async def set(self, **facts: Any) -> None:
        """From now on, the library's own knowledge is this."""
        self.order(do="set", facts=facts)
        await self.sync()

    async def hold(self, native: str) -> None:
        """From now on, calls of that function wait until it is released."""
        self.order(do="hold", name=native)
        await self.sync()

    def event(self, proto: Any) -> int:
        """WhatsApp tells the library; the number is `returned` when our callback is done with it."""
        self._last += 1
        data = base64.b64encode(proto.SerializeToString()).decode()
        self.order(do="event", code=EVENT_TO_INT[type(proto)], data=data, number=self._last)
        return self._last

    def filled(self, kind: type[Any]) -> int:
        return self.event(fill(kind()))

    async def until(self, true: Callable[[], Any], seconds: float = DEADLINE_S) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.005)

    def named(self, native: str) -> list[dict[str, Any]]:
        """The calls of one function of the library."""
        return [call for call in self.calls if call["native"] == native]

    async def sync(self) -> None:
        """Everything that the device process did before now is known here."""
        self._last += 1
        number = self._last
        self.order(do="sync", number=number)
        await self.until(lambda: number in self._synced)

    async def ended(self) -> BaseException:
        """How the channel's run failed, once it has."""
        assert self.running is not None
        done, _ = await asyncio.wait((self.running,), timeout=DEADLINE_S)
        assert done
        error = self.running.exception()
        assert error is not None
        return error

    @property
    def spooled(self) -> list[str]:
        """The ids of the messages in the spool."""
        path = self.directory / "spool"
        return [json.loads(record)["id"] for record in path.read_text().splitlines()] if path.exists() else []

    # The contract's rig

    def contact_id(self, person: str) -> ContactId:
        return ContactId(f"{PEOPLE[person][0]}@c.us")

    async def write(self, person: str, text: str) -> str:
        native = f"NATIVE{self._last}"
        self._written[native] = from_contact(person, text, native, at=self.context.clock.now_ms())
        self._numbers[native] = self.event(self._written[native])
        return native

    async def repeat(self, native: str) -> None:
        self.event(self._written[native])

    async def shown(self, person: str) -> list[str]:
        await self.sync()
        return self.sent.get(PEOPLE[person][0], [])

    async def heard(self, person: str) -> list[bytes]:
        await self.sync()
        return self.voices.get(PEOPLE[person][0], [])

    async def is_confirmed(self, native: str) -> bool:
        await self.sync()
        return self._numbers[native] in self.returned


@contextlib.asynccontextmanager
async def running(phone: Phone, host: RecordingHost | None = None) -> AsyncIterator[RecordingHost]:
    """The channel is connected; at the end it is cancelled. How it failed meanwhile, `phone.ended()` says."""
    host = host or RecordingHost()
    task = asyncio.create_task(phone.channel.run(host))
    try:
        await host.until(lambda: host.state is ChannelState.CONNECTED or task.done(), DEADLINE_S)
        assert not task.done(), task
        phone.running = task
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def phone_at(directory: Path, clock: Any = None, *, linked: bool = True) -> AsyncIterator[Phone]:
    phone = Phone(directory, clock)
    await phone.open(linked=linked)
    try:
        yield phone
    finally:
        await phone.close()
