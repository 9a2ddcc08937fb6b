"""The delivery of webhooks: makes messages of events, and tries each until it has arrived, or is a dead letter.

Every gateway of a store does so; which of them makes and tries a message, the store decides. Without an endpoint it waits for one to be added,
and asks the store for nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from secondme.core import fault_points
from secondme.core.clock import from_ms
from secondme.core.errors import DataError, SecondmeError
from secondme.core.log import get_logger
from secondme.core.security_log import SecurityEvent, Severity
from secondme.core.webhooks.event_names import MISSED, message_for, message_id
from secondme.core.webhooks.records import WebhookMessage
from secondme.core.webhooks.store import CHANGED, ClaimedMessage, TryOutcome

if TYPE_CHECKING:
    from secondme.core.ports import Clock, Random
    from secondme.core.security_log import SecurityLog
    from secondme.core.store.events import EventLog, Follow
    from secondme.core.webhooks.records import WebhookEndpoint
    from secondme.core.webhooks.sender import DeliveryResult, WebhookSender
    from secondme.core.webhooks.store import WebhookStore

log = get_logger(__name__)

DELAYS_S = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Before each try, since the one before it: the schedule that Standard Webhooks proposes, three days in all."""
_SPREAD = 0.1
"""So that what failed together does not come back together."""
_AT_ONCE = 4
_OF_ONE = 2
"""A receiver that takes its time leaves room for the others."""
_PAGE = 100
_AGAIN_S = 5.0
"""After the store could not be asked, and there is no news of it."""


class WebhookDelivery:
    """Delivers what happens to every endpoint, as long as it runs."""

    def __init__(
        self,
        store: WebhookStore,
        events: EventLog,
        sender: WebhookSender,
        follow: Follow,
        security: SecurityLog,
        *,
        clock: Clock,
        rng: Random,
    ) -> None:
        """`follow` as `Services.follow`."""
        self._store = store
        self._events = events
        self._sender = sender
        self._follow = follow
        self._security = security
        self._clock = clock
        self._rng = rng
        self._endpoints: list[WebhookEndpoint] | None = None
        """None: they must be read again."""
        self._trying: Counter[str] = Counter()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Deliver until cancelled. What was being tried then is tried again a minute later, by whoever runs."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                news = self._news
                try:
                    wait_s = await self._look(group)
                except SecondmeError as error:
                    log.debug("webhooks_interrupted", code=error.code)
                    wait_s = _AGAIN_S
                await self._rest(news, wait_s)

    async def _listen(self) -> None:
        async for heard in self._follow(self._changed, lambda error: log.debug("webhooks_unheard", code=error.code)):
            if heard is not None:
                if heard[1].get("type") == CHANGED:
                    self._endpoints = None
                self._wake()

    def _changed(self) -> None:
        self._endpoints = None
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _rest(self, news: asyncio.Event, wait_s: float | None) -> None:
        """Until there is news, or a message is due."""
        if wait_s is None:
            await news.wait()
            return
        waiting = {asyncio.ensure_future(news.wait()), asyncio.ensure_future(self._clock.sleep(wait_s))}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _look(self, group: asyncio.TaskGroup) -> float | None:
        """What happened is queued, and what is due is being tried; in how many seconds something will be, None: nobody knows."""
        if self._endpoints is None:
            self._endpoints = await self._store.endpoints()
        due_s: list[float] = []
        for endpoint in self._endpoints:
            with suppress(DataError):  # a record of this one is broken, or the log is: the doctor finds it
                await self._gather(endpoint)
                wait_s = await self._try_due(endpoint, group)
                if wait_s is not None:
                    due_s.append(wait_s)
        return min(due_s, default=None)

    async def _gather(self, endpoint: WebhookEndpoint) -> None:
        """Messages of everything that happened since somebody last looked."""
        while True:
            cursor = await self._store.cursor(endpoint.id)
            if cursor is None:
                return
            page = await self._events.after(cursor, _PAGE)
            if page is None:
                newest = await self._events.newest()
                log.warning("webhook_events_missed", webhook=endpoint.id)
                lost = WebhookMessage(id=message_id(endpoint, f"{cursor} lost"), type=MISSED, at=from_ms(self._clock.now_ms()))
                await self._store.enqueue(endpoint.id, (cursor, newest), [("", lost)])
                continue
            if not page:
                return
            messages = [(each.id, message) for each in page if (message := message_for(endpoint, each))]
            await self._store.enqueue(endpoint.id, (cursor, page[-1].id), messages)

    async def _try_due(self, endpoint: WebhookEndpoint, group: asyncio.TaskGroup) -> float | None:
        """As many as there is room for are being tried; in how many seconds the next one is due."""
        while self._trying[endpoint.id] < _OF_ONE and self._trying.total() < _AT_ONCE:
            match await self._store.claim(endpoint.id):
                case ClaimedMessage() as claimed:
                    self._trying[endpoint.id] += 1
                    group.create_task(self._try(endpoint, claimed))
                case wait_s:
                    return wait_s
        return None  # who is done makes room, and wakes us

    async def _try(self, endpoint: WebhookEndpoint, claimed: ClaimedMessage) -> None:
        """One try, and what became of it. Never raises but when cancelled."""
        fault_points.point("webhook.claimed")
        try:
            signers = await self._store.secrets(endpoint.id, self._clock.now_ms())
            if not signers:
                return  # removed meanwhile: nothing goes out unsigned
            result = await self._sender.send(endpoint, claimed.message, signers)
            fault_points.point("webhook.sent")
            outcome = self._judge(result, claimed.failed_tries)
            log.info("webhook_tried", webhook=endpoint.id, message=claimed.message.id, status=result.status, outcome=outcome.kind)
            if await self._store.conclude(endpoint.id, claimed, outcome):
                why = "gone" if outcome.kind == "gone" else "failing"
                self._security.write(SecurityEvent.WEBHOOK_DISABLED, Severity.WARN, webhook=endpoint.id, why=why)
        except SecondmeError as error:
            log.debug("webhook_left", webhook=endpoint.id, code=error.code)
        finally:
            self._trying[endpoint.id] -= 1
            self._wake()

    def _judge(self, result: DeliveryResult, failed_tries: int) -> TryOutcome:
        """What follows from an answer."""
        if result.is_delivered:
            return TryOutcome("sent", result.status)
        if result.is_gone:
            return TryOutcome("gone", result.status)
        if failed_tries + 1 >= len(DELAYS_S):
            return TryOutcome("dead", result.status, hold_s=result.retry_after_s)
        delay_s = DELAYS_S[failed_tries + 1] * self._rng.uniform(1 - _SPREAD, 1 + _SPREAD)
        return TryOutcome("retry", result.status, max(delay_s, result.retry_after_s), result.retry_after_s)
