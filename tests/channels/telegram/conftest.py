"""A local Bot API, and a channel that talks to it."""

from collections.abc import AsyncIterator

import pytest
from fakes.bot_api import BotApi, bot_api
from fakes.bot_api_rig import TelegramRig


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with bot_api() as server:
        yield server


@pytest.fixture
def rig(api: BotApi) -> TelegramRig:
    return TelegramRig(api)
