"""What every channel promises, by Telegram's, through the real library."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from contracts.channel import ChannelContract
from fakes.bot_api import BotApi
from fakes.bot_api_rig import TelegramRig
from fakes.channel_host import RecordingHost


class TestTelegram(ChannelContract):
    @pytest.fixture
    async def rig(self, api: BotApi) -> TelegramRig:  # type: ignore[override]
        return TelegramRig(api)

    @contextlib.asynccontextmanager
    async def running(self, rig: TelegramRig) -> AsyncIterator[RecordingHost]:  # type: ignore[override]
        async with super().running(rig) as host:
            yield host
        await rig.api.left()  # the server lives in the test's own loop
