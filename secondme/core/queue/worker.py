"""The worker: it takes a contact's token, keeps its lease, and settles the burst in one step.

A worker that dies loses its lease after `queue.lease_s`; one that was frozen finds a later fence and changes nothing. Nobody
sleeps in a slot: what must wait goes back to the store with a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from secondme.core import fault_points
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import mask_contact_id
from secondme.core.log import OutageLog, get_logger
from secondme.core.queue.upkeep import Upkeep
from secondme.core.records import Burst, NewRow, Stage, Token, UnreadableBurstError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from secondme.core.config.models import QueueSettings
    from secondme.core.messages import Pace
    from secondme.core.ports import Clock, Random
    from secondme.core.queue.store import InboxStore

    Take = Callable[[int], Coroutine[Any, Any, list[Token]]]

log = get_logger(__name__)

T = TypeVar("T")

_WAIT_S = 5.0
"""How long one read of the stream waits. Stopping interrupts it."""
_GATHER_S = 0.002
"""Between two reads while at work: contacts that write together are taken together."""
_HUMAN_S = 60.0
"""Between two tries when only a human can help: a key, the persona file, a corrupt record."""
_LAST_RETRY_S = 300.0
_HAND_BACK_S = 1.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What to say, possibly nothing. `hold` names a reason to keep it for the owner instead of sending it."""

    rows: list[tuple[NewRow, Pace]]
    hold: str = ""
    why: str = "answered"
    untold: str = ""
    """Why there is nothing to say, where the owner should hear of it."""
    stages: tuple[Stage, ...] = ()
    """What the burst passed on its way."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now. The messages wait, and the attempt does not count against them."""

    delay_s: float
    reason: str


Verdict = Answered | Deferred


class LeaseLostError(Exception):
    """Somebody else works on this contact now."""


class Worker:
    """Works on many contacts at once, on each alone."""

    def __init__(
        self,
        *,
        name: str,
        inbox: InboxStore,
        answer: Callable[[Burst], Awaitable[Verdict]],
        done: Callable[[str], Awaitable[None]],
        settings: QueueSettings,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._name = name
        self._inbox = inbox
        self._answer = answer
        self._done = done
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._running: set[str] = set()
        self._following: dict[str, Token] = {}
        """Tokens that arrived before the burst in front of them was over here; it may be settled in the store by then."""
        self._free = asyncio.Event()
        self._outage = OutageLog(log, "queue")
        self._upkeep = Upkeep(inbox, name, self._running, settings, clock, rng)

    def nudge(self) -> None:
        """Look at what waits now: some of it was made due."""
        self._upkeep.expect()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, finish for at most `queue.drain_s`, hand the rest back, and leave the group."""
        async with asyncio.TaskGroup() as upkeep, self._inbox.reading(self._name, _WAIT_S) as take:
            timers = upkeep.create_task(self._upkeep.run())
            try:
                async with asyncio.TaskGroup() as bursts:
                    await self._take_until(stop, take, bursts)
                    drain = bursts.create_task(self._cut_short())
                    while self._running:
                        self._free.clear()
                        await self._free.wait()
                    drain.cancel()
            except* _DrainedError:
                log.warning("drain_cut_short")
            timers.cancel()
            await self._leave()

    async def _take_until(self, stop: asyncio.Event, take: Take, bursts: asyncio.TaskGroup) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        failures = 0
        try:
            await self._open(stopping)
            while not stop.is_set():
                free = self._settings.slots - len(self._running)
                if free <= 0:
                    self._free.clear()
                    await _first(stopping, asyncio.ensure_future(self._free.wait()))
                    continue
                reading = asyncio.ensure_future(take(free))
                try:
                    tokens = await _first(stopping, reading)
                    failures = 0
                    self._outage.is_over()
                except SecondmeError as error:
                    failures += 1
                    self._outage.goes_on(error.code)
                    await _first(stopping, asyncio.ensure_future(self._clock.sleep(min(2.0, 0.1 * 2 ** min(failures, 5)))))
                    await self._open(stopping)
                    continue
                for token in tokens or []:
                    self._start(token, bursts)
                if self._running:
                    await self._clock.sleep(_GATHER_S)
        finally:
            stopping.cancel()

    async def _open(self, stopping: asyncio.Future[Any]) -> None:
        """The consumer group exists, however long the store takes to come back."""
        while not stopping.done():
            try:
                await self._inbox.open()
                return
            except SecondmeError as error:
                self._outage.goes_on(error.code)
                await _first(stopping, asyncio.ensure_future(self._clock.sleep(0.5)))

    def _start(self, token: Token, bursts: asyncio.TaskGroup) -> None:
        if token.contact_id in self._running:
            self._following[token.contact_id] = token
        else:
            self._running.add(token.contact_id)
            bursts.create_task(self._work(token))

    async def _work(self, token: Token) -> None:
        """Settle a contact's token, and the one that follows at once."""
        following: Token | None = token
        try:
            while following is not None:
                await self._work_on(following)
                following = self._following.pop(token.contact_id, None)
        finally:
            self._following.pop(token.contact_id, None)  # still ours in the store: handed back when we leave
            self._running.discard(token.contact_id)
            self._free.set()

    async def _work_on(self, token: Token) -> None:
        """Settle one token, or leave it for whoever claims it. Nothing but cancellation leaves this function."""
        fence: int | None = None
        try:
            fault_points.point("worker.taken")
            burst = await self._inbox.begin(token, self._name)
            if not isinstance(burst, Burst):
                log.debug("nothing_to_do", contact=mask_contact_id(token.contact_id), why=burst)
                if burst == "paused":
                    self._upkeep.expect()  # it waits now, until the pause is over
                return
            fence = burst.fence
            fault_points.point("worker.begun")
            await self._settle(burst, await self._answer_under_lease(burst))
        except asyncio.CancelledError:
            await self._hand_back(token, fence)
            raise
        except LeaseLostError:
            # Somebody else's work now, or nobody's: a takeover empties the mailbox under us. Then the token is still ours to settle.
            log.warning("lease_lost", contact=mask_contact_id(token.contact_id))
            await self._hand_back(token, None)
        except UnreadableBurstError as error:
            log.error("record_unreadable", contact=mask_contact_id(token.contact_id), code=error.code)
            wait_s = 1.0 if error.is_mail else _HUMAN_S  # unreadable mail is set aside in the end, a record waits for its owner
            await self._put_off(token, error.fence, Deferred(wait_s, "corrupt_record"), forgive=not error.is_mail)
        except DataError as error:
            log.error("record_broken", contact=mask_contact_id(token.contact_id), code=error.code)
            await self._put_off(token, fence, Deferred(_HUMAN_S, "corrupt_record"), forgive=False)  # in the end it is set aside
            with contextlib.suppress(UnavailableError):
                await self._inbox.tell_broken(token.contact_id)
        except UnavailableError as error:
            log.warning("job_left", contact=mask_contact_id(token.contact_id), code=error.code)
        except Exception as error:  # noqa: BLE001  the top of a task: counted against the message, never shown to the contact
            log.error("job_crashed", error, contact=mask_contact_id(token.contact_id))
            await self._put_off(token, fence, Deferred(1.0, "error"), forgive=False)

    async def _answer_under_lease(self, burst: Burst) -> Verdict:
        """What to do about the burst, found while its lease is kept. Raises LeaseLostError when it could not be."""
        renewing = asyncio.ensure_future(self._renew(burst))
        try:
            verdict = await _first(renewing, asyncio.ensure_future(self._judge(burst)))
        finally:
            renewing.cancel()
        if verdict is None:
            raise LeaseLostError
        return verdict

    async def _judge(self, burst: Burst) -> Verdict:
        """The answer, with every cause that is nobody's fault turned into waiting."""
        try:
            return await self._answer(burst)
        except UnavailableError as error:
            wait_s = error.retry_after_s if error.retry_after_s is not None else 2.0 ** min(burst.defers, 8)
            return Deferred(min(_LAST_RETRY_S, max(wait_s, 0.05)) * self._rng.uniform(1.0, 1.2), error.code)
        except (CredentialsError, ConfigError) as error:
            return Deferred(_HUMAN_S, error.code)

    async def _renew(self, burst: Burst) -> None:
        """Returns when somebody else has the contact."""
        while True:
            await self._clock.sleep(self._settings.lease_s / 3)
            try:
                kept = await self._inbox.renew(burst, self._name)
            except (UnavailableError, DataError):
                continue  # the lease may outlive the trouble; the fence decides in the end
            if not kept:
                return

    async def _settle(self, burst: Burst, verdict: Verdict) -> None:
        fault_points.point("worker.composed")
        contact = mask_contact_id(burst.token.contact_id)
        match verdict:
            case Answered(rows, hold, why, untold, stages):
                kept = await self._inbox.finish(burst, self._name, rows, hold=hold, why=why, untold=untold, stages=stages)
                fault_points.point("worker.finished")
                if not kept:
                    raise LeaseLostError
                log.info(
                    why if not hold else "held", contact=contact, messages=len(burst.mail), rows=len(rows), attempt=burst.attempt
                )
                await self._done(burst.channel_id)
            case Deferred():
                log.info("put_off", contact=contact, reason=verdict.reason, seconds=round(verdict.delay_s, 1))
                await self._put_off(burst.token, burst.fence, verdict, messages=[mail.message_id for mail in burst.mail])
            case _:
                assert_never(verdict)

    async def _put_off(
        self, token: Token, fence: int | None, verdict: Deferred, *, forgive: bool = True, messages: Sequence[str] = ()
    ) -> None:
        delay_s, reason = verdict.delay_s, verdict.reason
        with contextlib.suppress(UnavailableError):  # then the token stays ours, and is claimed when the lease is over
            try:
                await self._inbox.defer(
                    token, self._name, fence, delay_s=delay_s, reason=reason, forgive=forgive, messages=messages
                )
                self._upkeep.expect(delay_s)
            except DataError:
                await self._inbox.abandon(token)

    async def _hand_back(self, token: Token, fence: int | None) -> None:
        """The token is up for others at once. Shielded: this write must land, or they wait for a whole lease."""
        with contextlib.suppress(TimeoutError, UnavailableError, DataError, asyncio.CancelledError):
            async with asyncio.timeout(_HAND_BACK_S):
                await asyncio.shield(self._inbox.defer(token, self._name, fence, delay_s=0, reason="handed_back", forgive=True))

    async def _cut_short(self) -> None:
        """Fails the group, and so cancels its bursts, when they take too long."""
        await self._clock.sleep(self._settings.drain_s)
        raise _DrainedError

    async def _leave(self) -> None:
        """Tokens that arrived while the last read was given up go back; then the group forgets us."""
        with contextlib.suppress(UnavailableError, DataError):
            for token in await self._inbox.mine(self._name):
                await self._hand_back(token, None)
            if not await self._inbox.mine(self._name):
                await self._inbox.leave(self._name)


class _DrainedError(Exception):
    """The time to finish is over."""


async def _first(stopping: asyncio.Future[Any], other: asyncio.Future[T]) -> T | None:
    """What `other` came to, or None when `stopping` came first; then `other` is cancelled."""
    try:
        await asyncio.wait((stopping, other), return_when=asyncio.FIRST_COMPLETED)
        return other.result() if other.done() else None
    finally:
        if not other.done():
            other.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await other
