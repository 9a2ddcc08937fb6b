"""A real gateway process with Telegram linked: the local Bot API before it, a model's server behind it, a real store under it."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.bot_api import BotApi, bot_api
from fakes.bot_api_rig import OWNER
from fakes.messages_api import MessagesApi, messages_api
from fakes.process import GatewayProcess, eventually, logged, settings_of, write_config
from fakes.road import Road, road_to

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.admit.store import RequestStore
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import InboundMessage
from secondme.core.records import HeldReply
from secondme.core.send.store import DraftStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.services import Services

Json = dict[str, Any]
PACED = "[pacing]\nscale = 0.05\n[sleep]\nenabled = false\n"
"""A person who types twenty times as fast as the default one."""
_CODE = re.compile(r"\b[0-9]{6}\b", re.ASCII)


class Timed(list[Any]):
    """A list that remembers when each thing came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, thing: Any) -> None:
        self.times.append(time.monotonic())
        super().append(thing)


def contact_of(user: int) -> ContactId:
    return ContactId(f"telegram:{user}")


def now_s() -> int:
    """What Telegram puts into `date`."""
    return int(time.time())


class TelegramTown:
    """People on Telegram, the owner among them, and the gateway that they write to."""

    def __init__(self, home: Path, redis_url: str, api: BotApi, model: MessagesApi, road: Road, store: Store, setup: Setup) -> None:
        self.home, self.api, self.model, self.road, self.store, self.setup = home, api, model, road, store, setup
        self.pairing = PairingStore(store, setup.settings.pairing)
        self.drafts = DraftStore(store, setup.settings.drafts, setup.settings.jobs)
        self.process: GatewayProcess | None = None
        self.calls = api.calls = Timed()
        self._environment = {
            "SECONDME_REDIS_URL": redis_url,
            "SECONDME_API__ENABLED": "false",
            "SECONDME_TELEGRAM__TOKEN": api.token,
            "SECONDME_TELEGRAM__API_URL": road.url,
            "SECONDME_TELEGRAM__OWNER_ID": str(OWNER),
            "SECONDME_TELEGRAM__POLL_S": "10",
            "SECONDME_MODEL__API_KEY": "sk-test",
            "SECONDME_MODEL__BASE_URL": model.url,
        }
        api.users.add(OWNER)

    def gateway(self, part: str = "all", *faults: str, **more: str) -> GatewayProcess:
        """A gateway process of this town, which the caller ends."""
        return GatewayProcess(self.home, part, *faults, **{**self._environment, **more})

    async def start(self) -> None:
        """The gateway runs and is connected."""
        polls = self.api.polls
        self.process = self.gateway()
        await eventually(lambda: self.api.polls > polls + 1)  # the second poll waits for news

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status; it has ended, and its connections too."""
        assert self.process is not None
        self.process.kill(number)
        status = await self.process.ended()
        self.process = None
        return status

    def writes(self, user: int, text: str = "", **fields: Any) -> Json:
        """The update of what `user` writes now."""
        return self.api.write(user, text, **{"date": now_s(), **fields})

    async def shown(self, user: int, count: int = 1) -> list[str]:
        """What `user` saw, once there are `count` messages."""
        await eventually(lambda: len(self.api.shown[user]) >= count)
        return self.api.shown[user]

    async def told(self, pattern: str) -> str:
        """What the owner was told that matches."""
        return str(await eventually(lambda: next((text for text in self.api.shown[OWNER] if re.search(pattern, text)), None)))

    async def confirmed(self, made: Json) -> None:
        """Telegram has forgotten the update: it was handed over, and the next poll said so."""
        await eventually(lambda: made not in self.api.waiting)

    async def settled(self, user: int) -> None:
        """Nothing of `user` waits to be answered or to be sent."""
        contact = contact_of(user)
        names = (f"INBOX:{contact}", f"OUTBOX:{contact}")

        async def is_settled() -> bool:
            return not await self.store.client.exists(*names) and not await self.store.client.sismember("QUEUE:active", contact)

        await eventually(is_settled)

    async def let_in(self, *users: int, tier: Tier = Tier.STANDARD) -> None:
        """Each was let in, and nobody was told."""
        for user in users:
            contact = contact_of(user)
            self.api.users.add(user)
            message = InboundMessage(ChannelId("telegram"), contact, contact, MessageId("knock"), "hello", datetime.now(UTC))
            await RequestStore(self.store, self.setup.settings.pairing).challenge(message, None)
            request = await self.pairing.find(contact)
            assert request is not None
            await self.pairing.approve(request, by="test", tier=tier)

    async def held_for(self, user: int) -> list[HeldReply]:
        held, corrupt = await self.drafts.held()
        assert corrupt == []
        return [each for each in held if each.row.contact_id == contact_of(user)]

    async def state(self) -> tuple[str, str]:
        """How Telegram stands, as `status` says."""
        facts = next(each for each in (await Services(self.setup, self.store).status()).channels if each.id == "telegram")
        return facts.state, facts.code

    def logged(self, event: str) -> list[Json]:
        return logged(self.home, event)

    def sends_to(self, user: int) -> list[float]:
        """When sendMessage was called for `user`, whatever came of it."""
        pairs = zip(self.calls, self.calls.times, strict=True)
        return [at for (method, asked), at in pairs if method == "sendMessage" and asked["chat_id"] == user]


def code_in(text: str) -> str:
    found = _CODE.findall(text)
    assert found, text
    return str(found[0])


@asynccontextmanager
async def telegram_town(home: Path, redis_url: str, config: str = "", *, paced: bool = True) -> AsyncIterator[TelegramTown]:
    """A town on an empty store whose gateway has not started."""
    write_config(home)
    if paced:
        (home / "config.toml").write_text(PACED + config)
    else:
        write_config(home, config)
    setup = settings_of(home, redis_url)
    async with bot_api() as api, messages_api() as model, road_to(api.url) as road, Store(setup, Role.ATTACH) as store:
        await store.client.flushall()
        town = TelegramTown(home, redis_url, api, model, road, store, setup)
        try:
            yield town
        finally:
            if town.process is not None:
                town.process.close()
            await asyncio.sleep(0)
