"""The whole corridor in one process on the real store, walked step by step without timers."""

import itertools
from dataclasses import replace
from datetime import timedelta
from random import Random

from fakes.channel import FakeChannel
from fakes.model import ScriptedModel

from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.gateway.gateway import Gateway
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import Admission, Challenge, InboundMessage, MessageContent
from secondme.core.records import Burst, Token
from secondme.core.send.store import Sending
from secondme.core.store.client import Store
from secondme.services import Services


class Town:
    """Contacts, an owner, a gateway. Nothing runs by itself: a test calls each step."""

    def __init__(self, setup: Setup, store: Store, model: ScriptedModel, rng: Random, clock: SystemClock | None = None) -> None:
        self.setup, self.store, self.model = setup, store, model
        self.channel = FakeChannel()
        self.services = services = Services(setup, store, by="test", clock=clock)
        self.pairing, self.security, self.owner = services.pairing_store, services.security, services.pairing
        self.control, self.inbox, self.outbox = services.control, services.inbox, services.outbox
        self.conversation, self.drafts, self.draft_store = services.history, services.drafts, services.draft_store
        self.learner, self.clock = services.learner, services.clock
        self.rooms = replace(services.gateway_parts(model, [self.channel.factory()]), inspector=None, owner_chat=None)
        self.gateway = Gateway(self.rooms, setup.settings, self.clock, rng)
        self._ids = itertools.count(1)

    def message(self, who: str, text: str, **fields: object) -> InboundMessage:
        """A direct message of `local:<who>`, sent now."""
        contact = ContactId(f"local:{who}")
        values: dict[str, object] = {
            "channel_id": ChannelId("local"),
            "contact_id": contact,
            "normalized_contact_id": contact,
            "message_id": MessageId(f"m{next(self._ids)}"),
            "text": text,
            "sent_at": self.clock.now(),
            "display_name": who.title(),
            **fields,
        }
        return InboundMessage(**values)  # type: ignore[arg-type]

    async def writes(self, who: str, text: str, **fields: object) -> Admission | Challenge:
        """What the gateway made of a message."""
        return await self.gateway.receive(self.message(who, text, **fields))

    async def let_in(self, who: str, tier: Tier = Tier.STANDARD) -> None:
        """The contact knocked and was approved; its prompt and welcome are gone from the outbox."""
        await self.writes(who, "hello")
        await self.owner.approve(f"local:{who}", tier)
        await self.deliver()
        self.channel.raw.clear()
        self.channel.shown.clear()

    async def tokens(self, worker: str = "w", count: int = 100) -> list[Token]:
        """The tokens in the stream, taken by `worker`."""
        await self.inbox.open()
        async with self.inbox.reading(worker, 0.001) as take:
            return await take(count)

    async def work(self, worker: str = "w") -> list[str]:
        """Work on every token once; returns what each burst came to."""
        done = []
        for token in await self.tokens(worker):
            burst = await self.inbox.begin(token, worker)
            if not isinstance(burst, Burst):
                done.append(burst)
                continue
            verdict = await self.gateway.answer(burst)
            rows = getattr(verdict, "rows", None)
            if rows is None:
                await self.inbox.defer(token, worker, burst.fence, delay_s=verdict.delay_s, reason=verdict.reason, forgive=True)  # type: ignore[union-attr]
                done.append(verdict.reason)  # type: ignore[union-attr]
            else:
                await self.inbox.finish(
                    burst,
                    worker,
                    rows,
                    hold=verdict.hold,  # type: ignore[union-attr]
                    why=verdict.why,  # type: ignore[union-attr]
                    untold=verdict.untold,  # type: ignore[union-attr]
                    stages=verdict.stages,  # type: ignore[union-attr]
                )
                done.append(verdict.why)  # type: ignore[union-attr]
        return done

    async def deliver(self, sender: str = "s") -> list[str]:
        """Take every due row once round until nothing is due; returns what each step came to."""
        steps = []
        while True:
            ready, _ = await self.outbox.due("local", 1000)
            if not ready:
                return steps
            for contact in ready:
                step = await self.outbox.take(contact, "local", sender)
                if isinstance(step, Sending):
                    await self.channel.send(contact, MessageContent(step.row.text), step.row.row_id)
                    await self.outbox.sent(step, step.row.row_id)
                    steps.append("sent")
                else:
                    steps.append(step.why)
                    if step.why in {"busy", "early"}:
                        return steps

    async def raw_keys(self, pattern: str) -> list[str]:
        """Names of the keys that match, sorted."""
        return sorted([key.decode() async for key in self.store.client.scan_iter(match=pattern)])

    async def age(self, who: str, by: timedelta) -> InboundMessage:
        """A message that was sent `by` ago."""
        return self.message(who, "old news", sent_at=self.clock.now() - by)

    async def read(self) -> None:
        """Everything that came with waiting messages is heard and seen, as far as it can be now."""
        assert self.rooms.media is not None
        self.rooms.media.fetch = lambda _channel, handle, limit: self.channel.download(handle, limit)
        for contact, _ in await self.services.readings.due(100):
            await self.rooms.media._read_all(contact)
        await self.inbox.wake()
