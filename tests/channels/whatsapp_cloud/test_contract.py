"""Does the official WhatsApp channel keep what every channel promises?"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from contracts.channel import ChannelContract
from fakes.graph_api import GraphApi, Meta, graph_api, meta, settings_for

from secondme.channels.whatsapp_cloud import setup
from secondme.channels.whatsapp_cloud.channel import WhatsAppCloudChannel
from secondme.channels.whatsapp_cloud.manifest import MANIFEST
from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.ids import ContactId

NUMBERS = {"anna": "4915112345678", "bert": "34600112233"}


@dataclass
class CloudRig:
    channel: WhatsAppCloudChannel
    api: GraphApi
    meta: Meta
    manifest: Manifest = MANIFEST

    def contact_id(self, person: str) -> ContactId:
        return ContactId(f"whatsapp_cloud:{NUMBERS[person]}")

    async def write(self, person: str, text: str) -> str:
        return self.meta.says(NUMBERS[person], text)

    async def repeat(self, native: str) -> None:
        self.meta.repeat(native)

    async def shown(self, person: str) -> list[str]:
        return self.api.shown.get(NUMBERS[person], [])

    async def heard(self, person: str) -> list[bytes]:
        return self.api.voices.get(NUMBERS[person], [])

    async def is_confirmed(self, native: str) -> bool:
        return native in self.meta.confirmed


class TestWhatsAppCloud(ChannelContract):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[CloudRig]:
        clock = SystemClock()
        async with graph_api() as api:
            channel = setup.build(ChannelContext(settings_for(api.url), tmp_path, clock, Random(1)))
            async with meta(channel.handle_webhook, clock.now_ms) as calling:
                yield CloudRig(channel, api, calling)
