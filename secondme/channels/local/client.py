"""The contact's end of the local channel: offers each message until it is accepted, acknowledges what it shows, reconnects."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from secondme.channels.local.protocol import LINE_LIMIT, decode, encode
from secondme.core.errors import DataError
from secondme.core.ids import ContactId, new_id

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.ports import Clock

_RECONNECT_S = 0.2
_REFUSED_S = 0.5
TOO_LONG = "too_long"
"""Why a message is refused that no gateway would ever take."""
_SHOWN = 500
"""Ids of shown messages that are remembered, so that a repeated one is not shown twice."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at the contact's end. `id` and `text` as far as the kind has them."""

    kind: Literal["connected", "disconnected", "accepted", "refused", "typing", "message", "asleep"]
    id: str = ""
    text: str = ""


class LocalClient:
    """One contact's terminal; the owner's own chat, without a name."""

    def __init__(self, socket_path: Path, name: str, clock: Clock, *, from_owner: bool = False) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._socket_path = socket_path
        self._name = name
        self._clock = clock
        self._from_owner = from_owner
        self._offered: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._shown: OrderedDict[str, None] = OrderedDict()
        self._writer: asyncio.StreamWriter | None = None
        self._settled = asyncio.Event()
        self.contact = ContactId("")
        """Who the gateway says that is; empty before it has said so."""

    @property
    def unaccepted(self) -> int:
        """Messages that the gateway has not decided about yet."""
        return len(self._offered)

    async def all_accepted(self) -> None:
        """Every message that was said has been decided about by the gateway."""
        while self._offered:
            self._settled.clear()
            await self._settled.wait()

    def say(self, text: str) -> str:
        """The id of a message that will be offered until the gateway accepts it, across reconnects. One that is too long is refused here."""
        message = new_id()
        event = {"type": "message", "id": message, "text": text, "sentAt": self._clock.now_ms(), "fromOwner": self._from_owner}
        if len(encode(event)) > LINE_LIMIT:
            self.events.put_nowait(Event("refused", message, TOO_LONG))
            return message
        self._offered[message] = event
        if self._writer is not None:
            self._writer.write(encode(event))
        return message

    async def run(self) -> None:
        """Stay connected until cancelled. What happens is put into `events`."""
        connected = False
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._socket_path, limit=LINE_LIMIT)
            except OSError:
                await self._clock.sleep(_RECONNECT_S)
                continue
            try:
                writer.write(encode({"type": "hello", "as": self._name, "self": not self._name}))
                for event in self._offered.values():
                    writer.write(encode(event))
                await writer.drain()
                self._writer, connected = writer, True
                while line := await reader.readline():
                    await self._hear(decode(line), writer)
            except (OSError, ValueError, DataError):
                pass  # the gateway went away in the middle of a line
            finally:
                self._writer = None
                writer.close()
            if connected:
                self.events.put_nowait(Event("disconnected"))
                connected = False
            await self._clock.sleep(_RECONNECT_S)

    async def _hear(self, event: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        identity, text = str(event.get("id", "")), str(event.get("text", ""))
        match event["type"]:
            case "welcome":
                self.contact = ContactId(str(event.get("contactId", "")))
                self.events.put_nowait(Event("connected", str(event.get("contactId", ""))))
            case "accepted":
                if self._offered.pop(identity, None) is not None:
                    self._settled.set()
                    self.events.put_nowait(Event("accepted", identity, str(event.get("outcome", ""))))
            case "refused":
                self.events.put_nowait(Event("refused", identity, str(event.get("code", ""))))
                await self._clock.sleep(_REFUSED_S)
                again = self._offered.get(identity)
                if again is not None:
                    writer.write(encode(again))
            case "typing":
                self.events.put_nowait(Event("typing"))
            case "message":
                if identity not in self._shown:
                    self._shown[identity] = None
                    if len(self._shown) > _SHOWN:
                        self._shown.popitem(last=False)
                    self.events.put_nowait(Event("message", identity, text))
                writer.write(encode({"type": "ack", "id": identity}))
                with contextlib.suppress(OSError):
                    await writer.drain()
            case _:
                pass  # a newer gateway may say more
