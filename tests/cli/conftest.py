"""Commands run in this process on the shared server; those whose process matters are started for real."""

import asyncio
import json

import pytest
from fakes.process import knock, let_in
from redis import Redis

from secondme.channels.local.protocol import contact_of
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role


@pytest.fixture
def door(raw: Redis, setup: Setup) -> Redis:
    """Anna and Rita are let in, Rita's reply is held; Ben waits; Cara was denied."""

    async def prepare() -> None:
        await let_in(setup, "anna")
        await let_in(setup, "rita", tier=Tier.RESTRICTED)
        async with Store(setup, Role.ATTACH) as store:
            await knock(store, setup, "cara")
            pairing = PairingStore(store, setup.settings.pairing)
            request = await pairing.find("local:cara")
            assert request is not None
            await pairing.deny(contact_of("cara"), code=request.code, channel="local", by="test", reason="no")
            await knock(store, setup, "ben")

    asyncio.run(prepare())
    raw.rpush(keys.held("local:rita"), held_reply("local:rita", "beef0123", "a held reply"))
    raw.zadd(keys.HELD_INDEX, {"local:rita": 1})
    return raw


def held_reply(contact: str, reply: str, text: str) -> str:
    """A held reply as the store keeps it."""
    row = {"rowId": f"{reply}-0", "replyId": reply, "contactId": contact, "channelId": "local", "kind": "reply", "text": text}
    times = {"composedAt": 1, "typingFrom": 1, "dueAt": 1}
    return json.dumps({"row": {**row, **times}, "reason": "tier", "heldAt": SystemClock().now_ms()})
