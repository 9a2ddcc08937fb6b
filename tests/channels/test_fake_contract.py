"""The channel that other tests use keeps what every channel promises: else they would show nothing."""

from datetime import UTC, datetime

import pytest
from contracts.channel import ChannelContract, Rig
from fakes.channel import FakeChannel

from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import InboundMessage


class FakeRig:
    def __init__(self) -> None:
        self.channel = FakeChannel("local")
        self.manifest = self.channel.manifest
        self._written: dict[str, InboundMessage] = {}

    def contact_id(self, person: str) -> ContactId:
        return ContactId(f"local:{person}")

    async def write(self, person: str, text: str) -> str:
        native = f"m{len(self._written)}"
        contact = self.contact_id(person)
        self._written[native] = InboundMessage(self.channel.id, contact, contact, MessageId(native), text, datetime.now(UTC))
        self.channel.platform.put_nowait(self._written[native])
        return native

    async def repeat(self, native: str) -> None:
        self.channel.platform.put_nowait(self._written[native])

    async def shown(self, person: str) -> list[str]:
        return self.channel.texts(self.contact_id(person))

    async def is_confirmed(self, native: str) -> bool:
        assert native in self._written
        return self.channel.platform._unfinished_tasks == 0  # type: ignore[attr-defined]


class TestFake(ChannelContract):
    @pytest.fixture
    async def rig(self) -> Rig:
        return FakeRig()
