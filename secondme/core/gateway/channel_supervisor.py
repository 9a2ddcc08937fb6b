"""The supervisor of one channel: it builds and runs it, watches it, and restarts it after a failure.

A failure is either transient (retried with growing pauses and jitter; rarely after many in a row) or needs the owner (left alone until
the owner acts). A channel that says it is connected while its platform is silent is stalled, and is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.gateway.channel_leases import RENEW_S
from secondme.core.log import get_logger
from secondme.core.messages import (
    Admission,
    Challenge,
    ChannelContact,
    ChannelState,
    InboundMessage,
    MessageContent,
    NotSent,
    SendOutcome,
    Sent,
    Undeliverable,
    VoiceRefused,
    WebhookAnswer,
    WebhookRequest,
)
from secondme.core.ports import Channel, Clock, HasAccount, HasInviteLink, HasOwnerChat, Random, WebhookHandler, WebhookHeadReader
from secondme.core.retry import backoff_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.core.channel_plugin import ChannelFactory
    from secondme.core.gateway.channel_leases import ChannelLeases
    from secondme.core.ids import ChannelId, ContactId


log = get_logger(__name__)

_RETRY_FIRST_S = 0.5
_RETRY_LAST_S = 60.0
_OPEN_AFTER = 8
"""Failures in a row after which the circuit breaker opens."""
_OPEN_S = 300.0
"""Between two tries while it is open."""
_STEADY_S = 60.0
"""Connected for this long, a channel has proved itself: its failures are forgotten."""
_CONNECT_S = 120.0
"""A channel that neither connects nor fails for this long hangs."""
_WATCH_S = 5.0
"""How often it is looked at whether the channel hears, besides the moments at which a verdict is due."""
_LATE_S = 0.001
"""A verdict is about more than its limit."""
_STOP_S = 10.0
_DOWNLOAD_S = 60.0


class ChannelSupervisor:
    """One channel's life, and the gateway's end of it: the host it reports to, and the outlet that replies leave by."""

    def __init__(
        self,
        factory: ChannelFactory,
        receive: Callable[[InboundMessage], Awaitable[Admission | Challenge]],
        changed: Callable[[], None],
        clock: Clock,
        rng: Random,
        leases: ChannelLeases | None = None,
    ) -> None:
        self.manifest = factory.manifest
        self.id: ChannelId = factory.manifest.id  # type: ignore[assignment]  # checked when the registry read it
        self.state = ChannelState.OFF
        self.code = ""
        self.since_ms = clock.now_ms()
        self.received = self.sent = self.failed = 0
        self.last_received_ms: int | None = None
        self.last_alive_ms: int | None = None
        self.holder: dict[str, Any] | None = None
        """What is known of the other gateway that serves the channel."""
        self.holder_lives = False
        """It renewed its lease since we asked before: it is no gateway that was killed elsewhere."""
        self.settled = asyncio.Event()
        """Set once it is known whether the channel runs here."""
        self._leases = leases
        self._build = factory.build
        self._receive = receive
        self._changed = changed
        self._clock = clock
        self._rng = rng
        self._channel: Channel | None = None
        self._alive_at = 0.0
        self._connected_at: float | None = None
        self._apart_at = 0.0
        """Since when it is not connected."""
        self._has_proved_itself = False
        """This run was connected for long, whatever it said afterwards."""
        self._is_building = False
        self._lingering: asyncio.Future[None] | None = None
        """A run that was told to stop and did not: while it lives, there is no second one."""

    # What the sender and the owner's chat speak to

    @property
    def is_open(self) -> bool:
        """True when something can be sent."""
        return self.state in {ChannelState.CONNECTED, ChannelState.STALLED}

    @property
    def owner_chat(self) -> ContactId | None:
        """The owner's own chat on this channel, as far as it is known."""
        channel: object = self._channel
        return channel.owner_chat if isinstance(channel, HasOwnerChat) else None

    @property
    def invite_link(self) -> str:
        """As the channel's; empty where there is none."""
        channel: object = self._channel
        return channel.invite_link if isinstance(channel, HasInviteLink) else ""

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """As the channel's `send`; NotSent while there is no channel to send by."""
        if self._channel is None:
            return NotSent("not_connected")
        outcome = await self._channel.send(contact_id, content, client_message_id)
        match outcome:
            case Sent():
                self.sent += 1
            case NotSent() | Undeliverable() | VoiceRefused():
                self.failed += 1
        return outcome

    async def typing(self, contact_id: ContactId, thread: str, *, recording: bool = False) -> None:
        """As the channel's `typing`; one that knows no topics, or sends no voice, is not told of any."""
        if self._channel is None:
            return
        topic = (thread,) if thread else ()
        await (self._channel.typing(contact_id, *topic, recording=True) if recording else self._channel.typing(contact_id, *topic))

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """As the channel's `download`, within 60 s. Raises UnavailableError after that and while there is no channel."""
        try:
            async with asyncio.timeout(_DOWNLOAD_S):
                return await self._there().download(handle, limit_bytes)
        except TimeoutError as error:
            raise UnavailableError("download_timeout", "The platform did not deliver the file in time.") from error

    async def contacts(self) -> list[ChannelContact]:
        """As the channel's `contacts`. Raises UnavailableError while there is no channel."""
        return await self._there().contacts()

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """As the channel's `contact`. Raises UnavailableError while there is no channel."""
        return await self._there().contact(contact_id)

    def refusal_of(self, head: WebhookRequest) -> WebhookAnswer | None:
        """The answer to a call whose headers alone, or our own state, say that its body need not be read; None for all others."""
        channel: object = self._channel
        if not isinstance(channel, WebhookHandler):
            return WebhookAnswer(503)
        return channel.refusal_of(head) if isinstance(channel, WebhookHeadReader) else None

    async def handle_webhook(self, request: WebhookRequest) -> WebhookAnswer:
        """The channel's answer to its platform; 503 while there is none, so that the platform calls again."""
        channel: object = self._channel
        if isinstance(channel, WebhookHandler):
            return await channel.handle_webhook(request)
        return WebhookAnswer(503)

    # What the channel reports to

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """What became of the message. Raises DataError for one that bears another channel's name, UnavailableError to be offered again."""
        if message.channel_id != self.id:
            raise DataError("foreign_message", "A channel handed over a message of another channel.")
        self.alive()
        outcome = await self._receive(message)
        self.received += 1
        self.last_received_ms = self._clock.now_ms()
        return outcome

    def report(self, state: ChannelState, code: str = "") -> None:
        """The channel stands so from now on."""
        if state is ChannelState.CONNECTED:
            self.alive()
            if self._connected_at is None:
                self._connected_at = self._clock.monotonic()
        elif state is not ChannelState.STALLED:
            self._has_proved_itself |= self._is_steady()
            if self._connected_at is not None:
                self._connected_at, self._apart_at = None, self._clock.monotonic()
        self._set(state, code)

    def alive(self) -> None:
        """The platform gave a sign of life."""
        self._alive_at = self._clock.monotonic()
        self.last_alive_ms = self._clock.now_ms()
        if self.state is ChannelState.STALLED and self.code == "silent":
            self._set(ChannelState.CONNECTED)

    def facts(self) -> dict[str, Any]:
        """How it stands, as JSON values. Times are Unix milliseconds."""
        facts = {
            "state": self.state.value,
            "code": self.code,
            "since": self.since_ms,
            "received": self.received,
            "sent": self.sent,
            "failed": self.failed,
            "lastReceivedAt": self.last_received_ms,
            "lastAliveAt": self.last_alive_ms,
            "ownerChat": self.owner_chat,
            "inviteLink": self.invite_link,
            "holder": self.holder,
        }
        return {name: value for name, value in facts.items() if value is not None and value != ""}

    @property
    def is_left_running(self) -> bool:
        """True when something of it goes on that was told to stop: a run, or the thread that builds it."""
        return self._is_building or (self._lingering is not None and not self._lingering.done())

    # Its life

    async def run(self) -> None:
        """Keep the channel running until cancelled, until it is not set up, or until only the owner can help."""
        failures = 0
        if self._lingering is not None and not self._lingering.done():
            self._set(ChannelState.NEEDS_OWNER, "stuck")
            return
        try:
            while True:
                try:
                    if not await self._run_once():
                        return
                    code = "ended"
                except _TakenError:
                    self._channel = None
                    self._set(ChannelState.WAITING, "channel_in_use")
                    self.settled.set()
                    await self._clock.sleep(RENEW_S)
                    continue
                except (CredentialsError, ConfigError, ImportError, _StuckError) as error:
                    self._give_up(error)
                    return
                except SecondmeError as error:
                    log.error("channel_failed", channel=self.id, code=error.code)
                    code = error.code
                except Exception as error:  # noqa: BLE001  the top of a task: whatever a channel's library raises
                    log.error("channel_crashed", error, channel=self.id)
                    code = "crashed"
                self.settled.set()
                failures = 1 if self._has_proved_itself or self._is_steady() else failures + 1
                self._channel = None
                self.report(ChannelState.WAITING, code)
                await self._clock.sleep(self._pause_s(failures))
        finally:
            self._channel = None
            self.settled.set()
            if self._leases is not None:
                await self._leases.give_back(self.id)

    async def _run_once(self) -> bool:
        """The channel was built, ran, and has ended; false when it is not set up. Raises what it raises, and _TakenError."""
        self._channel = await asyncio.to_thread(self._built)  # may import a library for a second
        if self._channel is None:
            self._set(ChannelState.OFF)
            return False
        await self._hold()
        self.settled.set()
        self.report(ChannelState.CONNECTING)
        self._has_proved_itself = False
        await self._live(self._channel)
        return True

    def _give_up(self, error: Exception) -> None:
        """Only the owner can help."""
        match error:
            case SecondmeError():
                log.error("channel_needs_owner", channel=self.id, code=error.code)
                self._set(ChannelState.NEEDS_OWNER, error.code)
            case ImportError():
                log.error("channel_needs_owner", error, channel=self.id, code="library_missing")
                self._set(ChannelState.NEEDS_OWNER, "library_missing")
            case _:
                log.error("channel_needs_owner", channel=self.id, code="stuck")
                self._set(ChannelState.NEEDS_OWNER, "stuck")  # the old one still runs; two at once must never be

    async def _hold(self) -> None:
        """The channel is ours to serve, for a while. Raises _TakenError when another gateway serves it."""
        if self._leases is None:
            return
        channel: object = self._channel
        account = channel.account if isinstance(channel, HasAccount) else ""
        other = await self._leases.take(self.id, account)
        if other is not None and self.holder is None:
            log.warning("channel_in_use", channel=self.id, host=str(other.get("host")), pid=int(other.get("pid") or 0))
        before, self.holder = self.holder, other
        if other is not None:
            self.holder_lives = before is not None and other["leftMs"] > before["leftMs"] - (RENEW_S - 1) * 1000
            raise _TakenError

    async def _live(self, channel: Channel) -> None:
        """Run it and watch it; raises what it raises, and UnavailableError when it hangs or stays stalled."""
        self._alive_at = begun = held_at = self._clock.monotonic()
        host = _RunHost(self)
        running = asyncio.ensure_future(channel.run(host))
        looking: asyncio.Future[None] | None = None
        try:
            while not running.done():
                renew_s = held_at + RENEW_S - self._clock.monotonic()
                looking = asyncio.ensure_future(self._clock.sleep(max(0.0, min(_WATCH_S, renew_s, self._verdict_s(begun)))))
                await asyncio.wait((running, looking), return_when=asyncio.FIRST_COMPLETED)
                looking.cancel()
                if not running.done():
                    self._watch(begun)
                    if self._clock.monotonic() - held_at >= RENEW_S:
                        held_at = self._clock.monotonic()
                        with contextlib.suppress(UnavailableError):  # then nobody else can take it either
                            await self._hold()
        finally:
            if looking is not None:
                looking.cancel()
            host.is_over = True
            await self._end(running)
        await running

    def _verdict_s(self, begun: float) -> float:
        """In how many seconds `_watch` will have something to say, unless something is heard of the channel."""
        now, limit = self._clock.monotonic(), self.manifest.stalled_after_s
        if self._connected_at is None:
            left_s = _CONNECT_S - (now - max(begun, self._alive_at, self._apart_at))
        elif limit is not None:
            silent = now - self._alive_at
            left_s = limit - silent if silent <= limit else 2 * limit - silent
        else:
            return _WATCH_S
        return left_s + _LATE_S

    def _watch(self, begun: float) -> None:
        now = self._clock.monotonic()
        if self._connected_at is None:
            if now - max(begun, self._alive_at, self._apart_at) > _CONNECT_S:
                raise UnavailableError("hangs", "The channel neither connects nor fails.")
            return
        limit = self.manifest.stalled_after_s
        if limit is None:
            return
        silent = now - self._alive_at
        if silent > 2 * limit:
            raise UnavailableError("deaf", "The platform is silent although the channel is connected.")
        if silent > limit and self.state is ChannelState.CONNECTED:
            log.warning("channel_deaf", channel=self.id, seconds=int(silent))
            self._set(ChannelState.STALLED, "silent")

    async def _end(self, running: asyncio.Future[None]) -> None:
        """The channel does not run any more. Raises _StuckError when it will not stop."""
        if running.done():
            return
        self._lingering = running
        running.cancel()
        done, _ = await asyncio.wait((running,), timeout=_STOP_S)
        if not done:
            raise _StuckError
        with contextlib.suppress(asyncio.CancelledError, Exception):
            running.result()  # what it said while it was being stopped is of no interest

    def _built(self) -> Channel | None:
        """In a thread."""
        self._is_building = True
        try:
            return self._build()
        finally:
            self._is_building = False

    def _is_steady(self) -> bool:
        return self._connected_at is not None and self._clock.monotonic() - self._connected_at > _STEADY_S

    def _pause_s(self, failures: int) -> float:
        if failures >= _OPEN_AFTER:
            return _OPEN_S * self._rng.uniform(0.8, 1.2)
        return backoff_s(failures, _RETRY_FIRST_S, _RETRY_LAST_S, self._rng)

    def _set(self, state: ChannelState, code: str = "") -> None:
        if (state, code) != (self.state, self.code):
            self.state, self.code, self.since_ms = state, code, self._clock.now_ms()
            self._changed()

    def _there(self) -> Channel:
        if self._channel is None:
            raise UnavailableError("not_connected", f"{self.manifest.title} is not connected.", "secondme channels list")
        return self._channel


class _RunHost:
    """The host that one run is given. The supervisor outlives it: what a run reports after its end does not count."""

    def __init__(self, supervisor: ChannelSupervisor) -> None:
        self._supervisor = supervisor
        self.is_over = False

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """As the supervisor's: a message is safe whoever brings it."""
        return await self._supervisor.receive(message)

    def report(self, state: ChannelState, code: str = "") -> None:
        """As the supervisor's, while the run lasts."""
        if not self.is_over:
            self._supervisor.report(state, code)

    def alive(self) -> None:
        """As the supervisor's, while the run lasts."""
        if not self.is_over:
            self._supervisor.alive()


class _TakenError(Exception):
    """Another gateway serves the channel."""


def told_of_holder(holder: Mapping[str, Any] | None) -> str:
    """Which gateway serves a channel, in words."""
    known = holder or {}
    since = from_ms(int(known.get("since") or 0)).strftime("%Y-%m-%d %H:%M UTC")
    return f"served by the gateway on {known.get('host', '?')} (pid {known.get('pid', '?')}, home {known.get('home', '?')}) since {since}"


class _StuckError(Exception):
    """A channel that was told to stop and does not."""
