"""A business number that runs, as tests see it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakes.channel_host import RecordingHost
from fakes.clock import FakeClock
from fakes.graph_api import GraphApi, envelope, signed

from secondme.channels.whatsapp_cloud.channel import WhatsAppCloudChannel

ANNA, BERT = "4915112345678", "34600112233"


@dataclass
class Cloud:
    """A running channel and everything around it."""

    channel: WhatsAppCloudChannel
    api: GraphApi
    host: RecordingHost
    clock: FakeClock
    task: asyncio.Task[None]

    @property
    def now_s(self) -> int:
        return self.clock.now_ms() // 1000

    async def hears(self, *changes: dict[str, Any]) -> int:
        """The status that Meta is told for one call with these changes."""
        return (await self.channel.handle_webhook(signed(envelope(*changes)))).status


Running = Callable[..., Any]
