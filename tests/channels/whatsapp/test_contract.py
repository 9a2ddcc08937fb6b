"""What every channel promises, with the real device process and a library whose compiled part is the test's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts.channel import ChannelContract
from fakes.whatsapp_phone import Phone, phone_at


class TestWhatsApp(ChannelContract):
    @pytest.fixture
    async def rig(self, home: Path) -> AsyncIterator[Phone]:
        async with phone_at(home) as phone:
            yield phone
