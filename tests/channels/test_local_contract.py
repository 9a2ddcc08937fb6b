"""The local channel keeps what every channel promises."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts.channel import ChannelContract, Rig

from secondme.channels.local.channel import LocalChannel
from secondme.channels.local.client import LocalClient
from secondme.channels.local.manifest import MANIFEST
from secondme.channels.local.protocol import contact_of
from secondme.core.clock import SystemClock
from secondme.core.ids import ContactId


class LocalRig:
    """Terminals of two people, opened when they first write or look."""

    manifest = MANIFEST

    def __init__(self, home: Path) -> None:
        self._socket = home / "local.sock"
        self.channel = LocalChannel(self._socket, home / "mail", SystemClock())
        self._clients: dict[str, tuple[LocalClient, asyncio.Task[None]]] = {}
        self._texts: dict[str, str] = {}
        self._shown: dict[str, list[str]] = {}

    def contact_id(self, person: str) -> ContactId:
        return contact_of(person)

    async def write(self, person: str, text: str) -> str:
        native = self._client(person).say(text)
        self._texts[native] = person
        return native

    async def repeat(self, native: str) -> None:
        """The terminal comes back and did not hear that the message was accepted."""
        client, task = self._clients[self._texts[native]]
        text = "once"
        task.cancel()
        client._offered[native] = {"type": "message", "id": native, "text": text, "sentAt": 1, "fromOwner": False}
        self._clients[self._texts[native]] = (client, asyncio.create_task(client.run()))

    async def shown(self, person: str) -> list[str]:
        client, seen = self._client(person), self._shown.setdefault(person, [])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1 if seen else 10):
                while True:
                    event = await client.events.get()
                    if event.kind == "message":
                        seen.append(event.text)
                        if client.events.empty():
                            break
        return seen

    async def is_confirmed(self, native: str) -> bool:
        return native not in self._client(self._texts[native])._offered

    def close(self) -> None:
        for _, task in self._clients.values():
            task.cancel()

    def _client(self, person: str) -> LocalClient:
        if person not in self._clients:
            client = LocalClient(self._socket, person, SystemClock())
            self._clients[person] = (client, asyncio.create_task(client.run()))
        return self._clients[person][0]


class TestLocal(ChannelContract):
    @pytest.fixture
    async def rig(self, home: Path) -> AsyncIterator[Rig]:
        rig = LocalRig(home)
        yield rig
        rig.close()
        await asyncio.sleep(0)

    async def test_it_can_be_started_again_and_leaves_no_task_behind(self, rig: Rig) -> None:
        await rig.write("anna", "first")  # so that the terminal's own task is there before
        await super().test_it_can_be_started_again_and_leaves_no_task_behind(rig)
