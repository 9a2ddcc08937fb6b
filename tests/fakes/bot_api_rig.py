"""A Telegram channel with the real library, connected to the local Bot API, in a time of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

from fakes.bot_api import BotApi
from fakes.channel_host import RecordingHost

from secondme.channels.telegram.manifest import MANIFEST
from secondme.channels.telegram.setup import build
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelState

PEOPLE = {"anna": 4_100_001, "bert": 4_100_002}
OWNER = 4_200_000


class HastyClock(SystemClock):
    """Sleeps hardly at all; its monotonic time counts the sleeps in full, which are kept in `slept`."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return super().monotonic() + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.002)


def context_of(api: BotApi, clock: HastyClock | None = None, **settings: Any) -> ChannelContext:
    """The channel's context; a setting of None is not set."""
    values = {"token": api.token, "owner_id": OWNER, "api_url": api.url, "poll_s": 30, **settings}
    there = {name: value for name, value in values.items() if value is not None}
    return ChannelContext(there, Path("/nowhere"), clock or HastyClock(), Random(7))


class TelegramRig:
    """What the channel contract needs. Telegram repeats under the same update id what it does not know to be confirmed."""

    manifest = MANIFEST

    def __init__(self, api: BotApi, **settings: Any) -> None:
        self.api = api
        self.clock = HastyClock()
        self.context = context_of(api, self.clock, **settings)
        self.channel: Any = build(self.context)  # a channel that hears webhooks too
        api.users.update(PEOPLE.values())
        self._written: dict[str, dict[str, Any]] = {}

    def contact_id(self, person: str) -> ContactId:
        return ContactId(f"telegram:{PEOPLE[person]}")

    async def write(self, person: str, text: str) -> str:
        made = self.api.write(PEOPLE[person], text)
        self._written[str(made["message"]["message_id"])] = made
        return str(made["message"]["message_id"])

    async def repeat(self, native: str) -> None:
        self.api.repeat(self._written[native])

    async def shown(self, person: str) -> list[str]:
        return self.api.shown[PEOPLE[person]]

    async def heard(self, person: str) -> list[bytes]:
        return [voice["data"] for voice in self.api.voices[PEOPLE[person]]]

    async def is_confirmed(self, native: str) -> bool:
        return self._written[native] not in self.api.waiting

    @contextlib.asynccontextmanager
    async def running(self, host: RecordingHost | None = None) -> AsyncIterator[RecordingHost]:
        """The channel runs and is connected."""
        host = host or RecordingHost()
        task = asyncio.create_task(self.channel.run(host))
        try:
            await host.until(lambda: host.state is ChannelState.CONNECTED or task.done())
            if task.done():
                await task
            yield host
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
