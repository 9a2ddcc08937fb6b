"""The whole story of a message.

    channel -> receive -> gate | door        nothing of a stranger is kept; what was let in is safe when receive() returns
            -> worker  -> answer             one burst, one reply: asleep? stale? else what would the owner say, and how fast
            -> sender  -> channel            asked a last time: still approved, not paused, not answered by the owner meanwhile

The gateway names the stages and wires them with functions; stages do not know each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from secondme import __version__
from secondme.core import faults
from secondme.core.clock import from_ms
from secondme.core.errors import UnavailableError
from secondme.core.ids import mask_contact_id, new_id, reply_id
from secondme.core.log import get_logger
from secondme.core.manager import ChannelManager
from secondme.core.queue.worker import Answered, PutOff, Verdict, Worker
from secondme.core.records import NewRow
from secondme.core.security import SecurityEvent, Severity
from secondme.core.send.pacing import Night, plan_paces
from secondme.core.send.sender import Sender
from secondme.core.send.split import split_reply
from secondme.core.tiers import Tier
from secondme.core.types import Admission, Challenge, ChannelState, ChatKind, Composed, InboundMessage, ModelRefused

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from random import Random

    from secondme.core.admit.admission import Gate
    from secondme.core.admit.inspection import Inspector
    from secondme.core.connection import Connection
    from secondme.core.manifest import Plug
    from secondme.core.owner_chat.chat import OwnerChat
    from secondme.core.ports import Clock
    from secondme.core.reply.agent import Agent
    from secondme.core.security import SecurityLog
    from secondme.core.settings import Settings
    from secondme.core.store.connect import Store
    from secondme.core.store.control import ControlStore
    from secondme.core.store.inbox import InboxStore, Job
    from secondme.core.store.outbox import OutboxStore
    from secondme.core.store.pairing import PairingStore

log = get_logger(__name__)

Part = Literal["all", "gateway", "worker"]

_BEAT_S = 5.0
_SWEEP_S = 2.0
_FAREWELL_S = 1.0
_BEGIN_S = 5.0
"""How long the channels may take to be started before the gateway calls itself ready all the same."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything a gateway is made of, built by the composition root."""

    store: Store
    gate: Gate
    inbox: InboxStore
    outbox: OutboxStore
    pairing: PairingStore
    control: ControlStore
    agent: Agent
    channels: Sequence[Plug]
    inspector: Inspector | None
    security: SecurityLog
    owner_chat: OwnerChat | None = None


class Gateway:
    """Runs the channels, the workers and the senders of one process."""

    def __init__(self, rooms: Rooms, settings: Settings, clock: Clock, rng: Random, *, part: Part = "all") -> None:
        self._rooms = rooms
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._part = part
        self._night = Night(settings.sleep)
        self._name = f"{part}-{new_id()[:8]}"
        self._started_ms = clock.now_ms()
        self._sessions: set[str] = set()
        """Channels whose session was written down as begun."""
        plugs = rooms.channels if part != "worker" else ()
        self.manager = ChannelManager(plugs, rooms.control, self.receive, clock, rng)
        self._senders = {
            name: Sender(connection, rooms.outbox, settings.delivery, clock, rng)
            for name, connection in self.manager.connections.items()
        }

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """What became of a message from a channel; it is safe now. Raises UnavailableError: the channel must offer it again."""
        faults.point("gateway.received")
        if message.kind is ChatKind.OWNER:
            outcome: Admission | Challenge = Admission.IGNORED
            if self._rooms.owner_chat is not None:
                outcome = await self._rooms.owner_chat.hear(message)
        else:
            outcome = await self._rooms.gate.admit(message)
        faults.point("gateway.admitted")
        log.info("received", contact=mask_contact_id(message.contact_id), outcome=outcome.value)
        if outcome in _PROMPTING:
            self._nudge(message.channel_id)
        if outcome in _INSPECTED and self._rooms.inspector is not None:
            self._rooms.inspector.offer(message)
        return outcome

    async def answer(self, job: Job) -> Verdict:
        """What to do about a burst: wait for the morning, let it rest, or say what the owner would say."""
        now = from_ms(job.now_ms)
        asleep_s = self._night.put_off_s(now, self._rng)
        if asleep_s > 0:
            return PutOff(asleep_s, "asleep")
        if self._night.awake_for(job.mail[-1].timestamp, now).total_seconds() > self._settings.queue.stale_after_hours * 3600:
            return Answered([], why="stale")
        outcome = await self._rooms.agent.compose_reply(job)
        match outcome:
            case ModelRefused(reason):
                log.warning("model_refused", contact=mask_contact_id(job.token.contact_id), reason=reason)
                return Answered([], why="refused")
            case Composed(text):
                return self._schedule(job, text)
            case _:
                assert_never(outcome)

    def _schedule(self, job: Job, text: str) -> Answered:
        """The reply in as many messages as a person would send, each with its pace; held when the tier asks for it."""
        reply = reply_id(job.token.contact_id, job.mail[0].message_id)
        texts = split_reply(text)
        ago = None if job.last_reply_ms is None else max(0.0, (job.now_ms - job.last_reply_ms) / 1000)
        paces = plan_paces(texts, since_last_reply_s=ago, settings=self._settings.pacing, rng=self._rng)
        rows = [
            NewRow(
                row_id=f"{reply}-{number}",
                reply_id=reply,
                contact_id=job.token.contact_id,
                channel_id=job.channel_id,
                kind="reply",
                text=part,
                answers=tuple(mail.message_id for mail in job.mail),
            )
            for number, part in enumerate(texts)
        ]
        hold = "tier" if job.contact.tier is Tier.RESTRICTED else ""
        return Answered(list(zip(rows, paces, strict=True)), hold=hold)

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Run until `stop` is set, then finish what was begun within `queue.drain_s` and leave. `ready` is set when messages can come.

        Cancelling stops at once; nothing is lost then either, only some of it is done again by the next process.
        """
        works, serves = self._part in {"all", "worker"}, self._part in {"all", "gateway"}
        try:
            async with asyncio.TaskGroup() as lifetime:
                background = [lifetime.create_task(self._beat())]
                if self._rooms.store.server is not None and self._rooms.store.server.is_owner:
                    background.append(lifetime.create_task(self._rooms.store.server.supervise()))
                if serves:
                    background.append(lifetime.create_task(self._sweep()))
                    if self._rooms.inspector is not None:
                        background.append(lifetime.create_task(self._rooms.inspector.run()))
                    background.append(lifetime.create_task(self.manager.run(self._tell_channel)))
                    if self._rooms.owner_chat is not None:
                        background.append(lifetime.create_task(self._rooms.owner_chat.run(self.manager.owner_chats)))
                finishing: list[Coroutine[None, None, None]] = []
                if works:
                    await self._hurry()
                    finishing.append(self._worker().run(stop))
                finishing.extend(sender.run(stop) for sender in self._senders.values())
                at_work = [lifetime.create_task(each) for each in finishing]
                if serves:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_BEGIN_S):
                            await self.manager.begun.wait()
                ready.set()
                log.info("ready", part=self._part, version=__version__)
                await self._tell("gateway_state", state="ready")
                await stop.wait()
                log.info("stopping")
                await self._tell("gateway_state", state="stopping")
                self.manager.stopping()
                await self._finish(at_work)
                for task in background:
                    task.cancel()
        finally:
            await self._farewell()
        log.info("stopped")

    async def _finish(self, at_work: list[asyncio.Task[None]]) -> None:
        """Workers and senders have ended, by themselves or because their time was over."""
        _, late = await asyncio.wait(at_work, timeout=self._settings.queue.drain_s + _FAREWELL_S)
        for task in late:
            log.warning("stop_cut_short")
            task.cancel()

    def _worker(self) -> Worker:
        return Worker(
            name=self._name,
            inbox=self._rooms.inbox,
            answer=self.answer,
            done=self._nudge,
            settings=self._settings.queue,
            clock=self._clock,
            rng=self._rng,
        )

    def _nudge(self, channel: str) -> None:
        sender = self._senders.get(channel)  # a channel of another process has none
        if sender is not None:
            sender.nudge()

    async def _sweep(self) -> None:
        """Say what expired, soon after it did."""
        while True:
            with contextlib.suppress(UnavailableError):
                await self._rooms.pairing.stats()
            await self._clock.sleep(_SWEEP_S)

    async def _beat(self) -> None:
        """Give a sign of life, for status and health."""
        while True:
            with contextlib.suppress(UnavailableError):
                await self._sign()
            await self._clock.sleep(_BEAT_S)

    async def _sign(self) -> None:
        facts = {
            "part": self._part,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": __version__,
            "startedAt": self._started_ms,
            "channels": {name: connection.facts() for name, connection in self.manager.connections.items()},
        }
        await self._rooms.control.beat(self._name, facts)

    async def _tell_channel(self, connection: Connection) -> None:
        """A channel's state is known to status and told to whoever listens, once for each change."""
        state, code = connection.state.value, connection.code
        await self._write_session(connection)
        with contextlib.suppress(UnavailableError):
            await self._sign()  # who hears of the change finds it in the overview
        await self._tell("channel_state", channelId=connection.id, state=state, **({"code": code} if code else {}))

    async def _write_session(self, connection: Connection) -> None:
        """The security log says when a platform takes our credentials and when it does so no more; not each time a line is cut."""
        security, name = self._rooms.security, connection.id
        match connection.state:
            case ChannelState.CONNECTED if name not in self._sessions:
                self._sessions.add(name)
                await security.record(SecurityEvent.AUTH_SESSION_CREATED, Severity.INFO, channelId=name)
            case ChannelState.NEEDS_OWNER:
                self._sessions.discard(name)
                await security.record(SecurityEvent.AUTH_SESSION_EXPIRED, Severity.ERROR, channelId=name, code=connection.code)
            case _:
                pass

    async def _tell(self, kind: str, **facts: str) -> None:
        with contextlib.suppress(UnavailableError):
            await self._rooms.control.publish_status({"type": kind, "part": self._part, **facts})

    async def _hurry(self) -> None:
        """What waited for a key or a model gets a new chance with the new process."""
        with contextlib.suppress(UnavailableError):
            await self._rooms.inbox.hurry()

    async def _farewell(self) -> None:
        with contextlib.suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self._rooms.control.farewell(self._name)
                await self._tell("gateway_state", state="stopped")


_PROMPTING = frozenset({Challenge.PROMPTED, Challenge.WELCOMED, Challenge.NEEDS_OWNER, Admission.COMMAND})
"""Outcomes that put a row into the sender's outbox."""
_INSPECTED = frozenset({Admission.QUEUED, Admission.PAUSED, Admission.KILLED, Admission.RATE_LIMITED, Admission.INBOX_FULL})
"""Outcomes of a message that is new and from somebody who was let in. A stranger's is never looked into."""
