"""What the tests of this channel stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.whatsapp_phone import JumpingClock, Phone, phone_at


@pytest.fixture
async def phone(home: Path) -> AsyncIterator[Phone]:
    """A linked phone; nothing runs yet."""
    async with phone_at(home, JumpingClock()) as opened:
        yield opened


@pytest.fixture
async def new_phone(home: Path) -> AsyncIterator[Phone]:
    """A phone that knows nothing of us, and does not connect by itself."""
    async with phone_at(home, JumpingClock(), linked=False) as opened:
        opened.says_connected = False
        yield opened
