"""The whole story of a message.

    channel -> receive -> gate | door        nothing of a stranger is kept; what was approved is safe when receive() returns
            -> reader                        what came with it is heard and seen, where the owner wants it, before the first try at a reply
            -> worker  -> answer             one burst, one reply: still writing? asleep? stale? else what would the owner say, and how fast
            -> sender  -> channel            asked a last time: still approved, not paused, not answered by the owner meanwhile
            -> learner                       what the owner writes themselves, and how: in the background
            -> timekeeper                    what nobody asked for just now: reminders and digests for the owner, drafts for contacts; once, and in time
            -> memory                        what was said, for when it matters again: in the background, from journals

The gateway names the stages and wires them with functions; stages do not know each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, assert_never

from secondme import __version__
from secondme.core import fault_points
from secondme.core.channel_manifest import manifests
from secondme.core.clock import from_ms
from secondme.core.enums import ReplyMode
from secondme.core.errors import DataError, SecondmeError, UnavailableError
from secondme.core.gateway.channel_manager import ChannelManager
from secondme.core.gateway.clock_watch import ClockWatch
from secondme.core.gateway.heartbeat import Heartbeat
from secondme.core.ids import ChannelId, ContactId, MessageId, mask_contact_id, new_id, reply_id
from secondme.core.log import get_logger
from secondme.core.messages import Admission, Challenge, ChatKind, InboundMessage
from secondme.core.queue.worker import Answered, Deferred, Verdict, Worker
from secondme.core.records import Burst, Mail, NewRow, Stage
from secondme.core.reply.agent import Agent, NoReply, Reply
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity
from secondme.core.send.pacing import SleepSchedule, gathering_s, plan_paces
from secondme.core.send.sender import Sender
from secondme.core.send.split import split_reply
from secondme.core.store import keys
from secondme.core.store.clock_store import ClockStore
from secondme.core.store.events import QUIET_S, Nudge, follow, nudge
from secondme.core.store.persons import PersonStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from random import Random

    from secondme.core.admit.control_store import ControlStore
    from secondme.core.admit.gate import Gate
    from secondme.core.admit.inspection import Inspector
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.admit.witness import Witness
    from secondme.core.channel_plugin import ChannelFactory
    from secondme.core.config.loader import Settings
    from secondme.core.gateway.channel_leases import ChannelLeases
    from secondme.core.gateway.channel_supervisor import ChannelSupervisor
    from secondme.core.gateway.owner_chat import OwnerChat
    from secondme.core.jobs.timekeeper import Timekeeper
    from secondme.core.media.reader import MediaReader
    from secondme.core.media.speech import SpeechDesk
    from secondme.core.memory.feed import MemoryFeed
    from secondme.core.memory.store import JournalStore
    from secondme.core.ports import Clock
    from secondme.core.queue.store import InboxStore
    from secondme.core.remember.learning import Learner
    from secondme.core.send.store import DraftStore, OutboxStore
    from secondme.core.store.client import Store
    from secondme.core.store.history import HistoryStore
    from secondme.core.webhooks.delivery import WebhookDelivery

log = get_logger(__name__)

Part = Literal["all", "gateway", "worker"]

_SWEEP_S = 5.0
_FAREWELL_S = 1.0
_LOOK_S = 1.0
"""How soon a decision of the owner about a store that lost people is followed."""
_READING_S = 3.0
"""Until it is looked again whether everything was heard and seen; whoever reads it says so sooner."""
_BEGIN_S = 5.0
"""How long the channels may take to be started before the gateway calls itself ready all the same."""


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """Everything a gateway is made of, built by the composition root."""

    store: Store
    gate: Gate
    inbox: InboxStore
    outbox: OutboxStore
    pairing: PairingStore
    control: ControlStore
    agent: Agent
    channels: Sequence[ChannelFactory]
    inspector: Inspector | None
    security: SecurityLog
    drafts: DraftStore
    history: HistoryStore
    leases: ChannelLeases | None = None
    owner_chat: OwnerChat | None = None
    learner: Learner | None = None
    witness: Witness | None = None
    memory: MemoryFeed | None = None
    journals: JournalStore | None = None
    """Are written only while there is a `memory` to read them."""
    media: MediaReader | None = None
    speech: SpeechDesk | None = None
    timekeeper: Timekeeper | None = None
    webhooks: WebhookDelivery | None = None


class Gateway:
    """Runs the channels, the workers and the senders of one process."""

    def __init__(self, rooms: GatewayParts, settings: Settings, clock: Clock, rng: Random, *, part: Part = "all") -> None:
        self._parts = rooms
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._part = part
        self._night = SleepSchedule(settings.sleep)
        self._name = f"{part}-{new_id()[:8]}"
        factories = rooms.channels if part != "worker" else ()
        self.manager = ChannelManager(factories, rooms.control, self.receive, clock, rng, rooms.leases)
        if rooms.media is not None:
            rooms.media.fetch, rooms.media.heard = self.manager.download, self._heard
        self._heartbeat = Heartbeat(
            self._name, part, rooms.control, rooms.security, self.manager, rooms.agent.router.counts.to_dict, clock
        )
        self._clock_watch = ClockWatch(
            ClockStore(rooms.store, clock), rooms.control, rooms.inbox, rooms.outbox, [each.id for each in manifests()], clock
        )
        self._senders = {
            name: Sender(supervisor, rooms.outbox, settings.delivery, clock, rng, rooms.speech)
            for name, supervisor in self.manager.channels.items()
        }
        self._has_work = asyncio.Event()
        """Set with the first burst that is to be answered."""
        self._worker = Worker(
            name=self._name,
            inbox=rooms.inbox,
            answer=self.answer,
            done=self._reply_written,
            settings=settings.queue,
            clock=clock,
            rng=rng,
        )

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """What became of a message from a channel; it is safe now. Raises UnavailableError: the channel must offer it again."""
        fault_points.point("gateway.received")
        now = from_ms(self._clock.now_ms())
        if message.sent_at > now:  # a clock is wrong, theirs or ours; words from the future would be waited for until then
            message = replace(message, sent_at=now)
        elif message.sent_at < now - _LATE:
            message = replace(message, is_late=True)
        if message.kind is ChatKind.OWNER:
            outcome: Admission | Challenge = Admission.IGNORED
            if self._parts.owner_chat is not None and not message.revokes:
                try:
                    outcome = await self._parts.owner_chat.hear(message)
                except DataError as error:  # a broken record of theirs must not keep their contacts' messages waiting
                    log.error("owner_chat_failed", error, code=error.code)
        else:
            outcome = await self._parts.gate.admit(message)
        fault_points.point("gateway.admitted")
        log.info("received", contact=mask_contact_id(message.contact_id), outcome=outcome.value)
        if outcome is Admission.REVOKED and self._parts.media is not None:
            await self._parts.media.forget(message.contact_id, message.revokes)
        if outcome in _PROMPTING:
            self._nudge(message.channel_id)
        if outcome in _INSPECTED and self._parts.inspector is not None:
            self._parts.inspector.offer(message)
        self._learn_from(message, outcome)
        return outcome

    def _learn_from(self, message: InboundMessage, outcome: Admission | Challenge) -> None:
        """What the message tells will be learnt. What its chat forgets leaves no date behind."""
        learner, contact = self._parts.learner, message.contact_id
        if learner is None:
            return
        if outcome is Admission.TAKEN_OVER or (outcome is Admission.CORRECTED and message.from_me):
            learner.spoke(contact)
        elif outcome in _INSPECTED and not message.is_forwarded:
            learner.heard(contact, message.text, "" if message.expires_s else message.message_id)
        elif outcome is Admission.CORRECTED and not message.is_forwarded and not message.expires_s:
            learner.corrected(contact, message.text, message.edit_of)

    async def answer(self, burst: Burst) -> Verdict:
        """What to do about a burst: wait for the morning, let it rest, or say what the owner would say."""
        now = from_ms(burst.now_ms)
        match burst.contact.mode:
            case ReplyMode.OBSERVE | ReplyMode.OFF as mode:
                return Answered([], why="observed" if mode is ReplyMode.OBSERVE else "off")
            case ReplyMode.AUTO | ReplyMode.DRAFT:
                pass
            case _:
                assert_never(burst.contact.mode)
        self._has_work.set()
        is_unread = self._parts.media is not None and await self._parts.media.wants(burst.token.contact_id, burst.mail)
        gather_s = gathering_s([mail.timestamp for mail in burst.mail], now, self._settings.pacing)
        if gather_s > 0:
            return Deferred(gather_s, "gathering")
        asleep_s = self._night.put_off_s(now, self._rng)
        if asleep_s > 0:
            return Deferred(asleep_s, "asleep")
        if self._night.awake_for(burst.mail[-1].timestamp, now).total_seconds() > self._settings.queue.stale_after_hours * 3600:
            return Answered([], why="stale", untold="stale")
        if is_unread:
            return Deferred(_READING_S, "reading")
        begun = self._clock.monotonic()
        outcome = await self._parts.agent.compose_reply(burst)
        took_ms = int((self._clock.monotonic() - begun) * 1000)
        match outcome:
            case NoReply(reason, facts):
                log.warning("no_reply", contact=mask_contact_id(burst.token.contact_id), reason=reason)
                if (
                    reason == "handed_over"
                ):  # before it is said: who was asked whether they are a machine says nothing more by itself
                    await self._hand_over(burst.token.contact_id)
                stages = (
                    *self._passed_over(burst),
                    Stage("composed", took_ms, {"ms": took_ms, "refused": reason, **(facts or {})}),
                )
                return Answered([], why="unanswered", untold=reason, stages=stages)
            case Reply(facts=facts):
                stages = (*self._passed_over(burst), Stage("composed", took_ms, {"ms": took_ms, **(facts or {})}))
                return self._schedule(burst, outcome, stages)
            case _:
                assert_never(outcome)

    def _passed_over(self, burst: Burst) -> list[Stage]:
        """The burst was begun; and what of it nobody looked into."""
        rules = self._parts.media.rules if self._parts.media is not None else None
        return [Stage("begun", 0), *(each for mail in burst.mail for each in (rules.passed_over(mail) if rules else ()))]

    def _heard(self, mail: Mail, words: str) -> None:
        """What somebody said in a recording is looked at and learnt from like what they write."""
        message = InboundMessage(
            ChannelId(mail.channel_id),
            ContactId(mail.contact_id),
            mail.normalized_contact_id,
            MessageId(mail.message_id),
            words,
            mail.timestamp,
        )
        if self._parts.inspector is not None:
            most = self._settings.content.max_length  # of what is written: a voice message is no flood of words
            for start in range(0, len(words), most):
                self._parts.inspector.offer(replace(message, text=words[start : start + most]))
        if self._parts.learner is not None and not mail.forwarded:
            self._parts.learner.heard(message.contact_id, words, "" if mail.expires_s else mail.message_id)

    async def _hand_over(self, contact: ContactId) -> None:
        """The contact is the owner's for as long as after a message of their own."""
        length = timedelta(minutes=self._settings.takeover.pause_minutes)
        await self._parts.control.pause(contact, length)
        seconds = int(length.total_seconds())
        await self._parts.security.record(SecurityEvent.PAUSE_ACTIVATED, Severity.INFO, contact, reason="handover", seconds=seconds)

    def _schedule(self, burst: Burst, composed: Reply, stages: tuple[Stage, ...]) -> Answered:
        """The reply in as many messages as this owner would send, each with its pace; held when the mode or a check asks for it."""
        reply = reply_id(burst.token.contact_id, burst.mail[0].message_id)
        texts = split_reply(composed.text, by_line=composed.by_line)
        speech = self._parts.speech
        speak = speech is not None and speech.is_wanted(burst.contact, burst.mail, texts)
        ago = None if burst.last_reply_ms is None else max(0.0, (burst.now_ms - burst.last_reply_ms) / 1000)
        paces = plan_paces(texts, since_last_reply_s=ago, settings=self._settings.pacing, rng=self._rng)
        rows = [
            NewRow(
                row_id=f"{reply}-{number}",
                reply_id=reply,
                contact_id=burst.token.contact_id,
                channel_id=burst.channel_id,
                kind="reply",
                text=part,
                answers=tuple(mail.message_id for mail in burst.mail),
                fault=composed.fault,
                thread=burst.mail[-1].thread,
                expires_s=burst.mail[-1].expires_s,
                speak=speak,
            )
            for number, part in enumerate(texts)
        ]
        hold = composed.hold
        if not hold and burst.contact.mode is ReplyMode.DRAFT:
            hold = "tier" if burst.contact.reply_mode is None else "mode"
        return Answered(list(zip(rows, paces, strict=True)), hold=hold, stages=stages)

    async def settings_are_current(self) -> None:
        """The others know that this process works with the settings as the files say now."""
        await self._heartbeat.tell_settings()

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Run until `stop` is set, then finish what was begun within `queue.drain_s` and leave. `ready` is set when messages can come.

        Cancelling stops at once; nothing is lost then either, only some of it is done again by the next process.
        """
        try:
            async with asyncio.TaskGroup() as lifetime:
                aides = (self._heartbeat.beat(), self._clock_watch.run(), self._hear_nudges())
                background = [lifetime.create_task(each) for each in aides]
                if self._parts.store.server is not None and self._parts.store.server.is_owner:
                    background.append(lifetime.create_task(self._parts.store.server.supervise()))
                at_work: list[asyncio.Task[None]] = []
                if await self._is_whole(stop, ready):
                    at_work = await self._start(lifetime, background, stop)
                ready.set()
                log.info("ready", part=self._part, version=__version__)
                await self._heartbeat.tell("gateway_state", state="ready")
                await stop.wait()
                log.info("stopping")
                await self._heartbeat.tell("gateway_state", state="stopping")
                await self.manager.stopping()
                await self._finish(at_work)
                for task in background:
                    task.cancel()
        finally:
            await self._heartbeat.farewell()
        log.info("stopped")

    async def _start(
        self, lifetime: asyncio.TaskGroup, background: list[asyncio.Task[None]], stop: asyncio.Event
    ) -> list[asyncio.Task[None]]:
        """Everything runs that this part is made of; what must be waited for at the end."""
        works, serves = self._part in {"all", "worker"}, self._part in {"all", "gateway"}
        with contextlib.suppress(SecondmeError):
            await PersonStore(self._parts.store).agree_all()
        if serves:
            background.append(lifetime.create_task(self._sweep()))
            if self._parts.inspector is not None:
                background.append(lifetime.create_task(self._parts.inspector.run()))
            background.append(lifetime.create_task(self.manager.run(self._tell_channel)))
            if self._parts.learner is not None:
                background.append(lifetime.create_task(self._parts.learner.run()))
            if self._parts.owner_chat is not None:
                background.append(lifetime.create_task(self._parts.owner_chat.run(self.manager.owner_chats)))
            if self._parts.media is not None:
                background.append(lifetime.create_task(self._parts.media.run(self.manager.is_open, alone=works)))
            if self._parts.webhooks is not None:
                background.append(lifetime.create_task(self._parts.webhooks.run()))
            if self._parts.memory is not None:
                background.append(lifetime.create_task(self._parts.memory.run()))
            elif self._parts.journals is not None:
                with contextlib.suppress(SecondmeError):
                    await self._parts.journals.switch(on=False)
        finishing: list[Coroutine[None, None, None]] = []
        if works:
            background.append(lifetime.create_task(self._warm()))
            if self._parts.timekeeper is not None:
                background.append(lifetime.create_task(self._parts.timekeeper.run()))
            await self._hurry()
            finishing.append(self._worker.run(stop))
        finishing.extend(sender.run(stop) for sender in self._senders.values())
        at_work = [lifetime.create_task(each) for each in finishing]
        if serves:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEGIN_S):
                    await self.manager.settled()
            await self.manager.refuse_to_idle(stop)
        return at_work

    async def _warm(self) -> None:
        """The agent is ready for the first reply by the time its burst has gathered."""
        await self._has_work.wait()
        await self._parts.agent.warm()

    async def _finish(self, at_work: list[asyncio.Task[None]]) -> None:
        """Workers and senders have ended, by themselves or because their time was over."""
        if not at_work:
            return
        _, late = await asyncio.wait(at_work, timeout=self._settings.queue.drain_s + _FAREWELL_S)
        for task in late:
            log.warning("stop_cut_short")
            task.cancel()

    def _nudge(self, channel: str) -> bool:
        """Whether it is this process that sends on the channel; then it looks now at what there is to send."""
        sender, supervisor = self._senders.get(channel), self.manager.channels.get(channel)
        if sender is not None:
            sender.nudge()
        return supervisor is not None and supervisor.is_open

    async def _reply_written(self, channel: str) -> None:
        if not self._nudge(channel):
            await nudge(self._parts.store, Nudge.OUTBOX)

    async def _tell_channel(self, supervisor: ChannelSupervisor) -> None:
        self._nudge(supervisor.id)  # what waited for it can leave now
        await self._heartbeat.tell_channel(supervisor)

    async def _hear_nudges(self) -> None:
        """What other processes have changed is looked at, and everything each time that we can be told again."""

        def look_at(what: str) -> None:
            match what:
                case Nudge.OUTBOX:
                    for sender in self._senders.values():
                        sender.nudge()
                case Nudge.LATER:
                    self._worker.nudge()
                case Nudge.CHANNELS:
                    self.manager.nudge()
                case Nudge.JOBS if self._parts.timekeeper is not None:
                    self._parts.timekeeper.nudge()
                case _:
                    pass

        def missed() -> None:
            for each in Nudge:
                look_at(each)

        async for heard in follow(self._parts.store, keys.NUDGES, clock=self._clock, silence_s=QUIET_S, missed=missed):
            if heard is not None:
                look_at(str(heard[1].get("type")))

    async def _is_whole(self, stop: asyncio.Event, ready: asyncio.Event) -> bool:
        """True when the store has everybody whom the home's witness knows, or as soon as the owner accepts that it has not; False with
        `stop`. Until then nothing is received: whoever was approved would be taken for a stranger."""
        witness = self._parts.witness if self._part != "worker" else None
        while witness is not None:
            try:
                loss = await witness.loss()
            except DataError:
                break  # a broken key, which the doctor finds
            except UnavailableError:
                loss = self._heartbeat.loss
            else:
                if loss is None:
                    break
                if self._heartbeat.loss is None:
                    log.error("store_lost_people", was=loss.was, has=loss.has)
                    await self._heartbeat.tell_loss(loss)
                ready.set()  # alive, and to be asked how it stands; started again it would be no better
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await stop.wait()
                    return False
        self._heartbeat.loss = None
        return not stop.is_set()

    async def _sweep(self) -> None:
        """Say what expired, soon after it did: requests, and drafts; and forget what disappears."""
        while True:
            with contextlib.suppress(SecondmeError):
                await self._parts.pairing.stats()
                if self._parts.witness is not None:
                    await self._parts.witness.keep()
            with contextlib.suppress(SecondmeError):
                await self._parts.drafts.expire()
                await self._parts.history.expire()
            await self._clock.sleep(_SWEEP_S)

    async def _hurry(self) -> None:
        """What waited for a key or a model gets a new chance with the new process."""
        with contextlib.suppress(SecondmeError):
            await self._parts.inbox.hurry()


_LATE = timedelta(days=1)
"""What was sent so long ago is remembered from when it came: the gate forgets ids by their age."""
_PROMPTING = frozenset({Challenge.PROMPTED, Challenge.WELCOMED, Challenge.NEEDS_OWNER, Admission.COMMAND})
"""Outcomes that put a row into the sender's outbox."""
_INSPECTED = frozenset(
    {Admission.QUEUED, Admission.OBSERVED, Admission.PAUSED, Admission.KILLED, Admission.RATE_LIMITED, Admission.INBOX_FULL}
)
"""Outcomes of a message that is new and from somebody who was approved. A stranger's is never looked into."""
