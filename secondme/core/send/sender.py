"""The sender: one per channel takes what is due, asks the store a last time, and hands it over.

A row's life: waiting -> typing -> sending -> sent. Between sending and sent only the platform knows; a row found there after its
lease is sent again under the same id, or held, as `delivery.ambiguous` says.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol, assert_never

from secondme.core import fault_points
from secondme.core.errors import DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId, mask_contact_id, new_id
from secondme.core.log import OutageLog, get_logger
from secondme.core.messages import MessageContent, NotSent, SendOutcome, Sent, Undeliverable, VoiceRefused
from secondme.core.records import Stage
from secondme.core.retry import backoff_s
from secondme.core.send.store import OutboxStore, Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.core.channel_manifest import Manifest
    from secondme.core.config.models import DeliverySettings
    from secondme.core.messages import VoiceNote
    from secondme.core.ports import Clock, Random
    from secondme.core.records import OutboxRow

log = get_logger(__name__)

_POLL_S = 2.0
"""How long a row written by another process may go unnoticed, when it said nothing."""
_GATHER_S = 0.002
"""Between two looks at the outbox: replies that come together are looked up together."""
_PAGE = 64
_TYPING_TIMEOUT_S = 2.0
_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 300.0


class Outlet(Protocol):
    """Where a channel's replies leave by."""

    @property
    def manifest(self) -> Manifest:
        """What the channel can do."""

    @property
    def is_open(self) -> bool:
        """False while nothing can be sent: then nothing is taken from the outbox."""

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """As a channel's."""

    async def typing(self, contact_id: ContactId, thread: str, *, recording: bool = False) -> None:
        """As a channel's; in this topic, if it is not empty."""


class SpeechMaker(Protocol):
    """Speaks rows that are to be spoken, just before they leave."""

    async def prepare(self, row: OutboxRow, begins: Callable[[], None]) -> OutboxRow | None:
        """The row's words are spoken and kept: returns what must be said before the first ones. None when they leave in writing, or not now.
        `begins` is called when speaking them begins. Repeatable; never raises."""

    async def voice_of(self, row: OutboxRow) -> VoiceNote | None:
        """The row's words as they were spoken; None when they leave in writing."""

    def refused(self, row: OutboxRow, reason: str) -> None:
        """The platform takes no voice message there: the row leaves in writing."""

    def stage(self, row: OutboxRow, note: VoiceNote | None) -> Stage:
        """What became of the row, for the trace."""

    async def sent(self, row: OutboxRow, message: str) -> None:
        """The row is the platform's `message` now, and what is kept of it goes by that name. Never raises."""


class Sender:
    """Delivers one channel's outbox."""

    def __init__(
        self,
        outlet: Outlet,
        outbox: OutboxStore,
        settings: DeliverySettings,
        clock: Clock,
        rng: Random,
        speaker: SpeechMaker | None = None,
    ) -> None:
        self._outlet = outlet
        self._speaker = speaker
        self._name = outlet.manifest.id
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._id = new_id()
        self._busy: set[ContactId] = set()
        self._news = asyncio.Event()
        self._outage = OutageLog(log, "outbox")
        self._crowded = False
        """More was due than could be begun: look again as soon as something ends."""

    def nudge(self) -> None:
        """Look at the outbox now: something was just written into it, or its channel is there again."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then finish what is being sent. Cancelling leaves a row where the store knows it stands."""
        async with asyncio.TaskGroup() as deliveries:
            stopping = deliveries.create_task(stop.wait())
            stopping.add_done_callback(lambda _: self._news.set())
            while not stop.is_set():
                self._news.clear()
                ready, wait_s = await self._due()
                for contact in ready:
                    if contact not in self._busy and len(self._busy) < self._settings.concurrency:
                        self._busy.add(contact)
                        deliveries.create_task(self._deliver(contact))
                self._crowded = any(contact not in self._busy for contact in ready)
                await self._clock.sleep(_GATHER_S)
                timeout_s = _POLL_S if wait_s is None else min(wait_s, _POLL_S)
                try:
                    async with asyncio.timeout(timeout_s):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _due(self) -> tuple[list[ContactId], float | None]:
        """Whose outbox can be walked now, and how long until the next one's. Nobody's while the channel is not there: no try is wasted."""
        if not self._outlet.is_open:
            return [], _POLL_S
        try:
            ready = await self._outbox.due(self._name, _PAGE + len(self._busy))
        except SecondmeError as error:
            self._outage.goes_on(error.code)
            return [], _POLL_S
        self._outage.is_over()
        return ready

    async def _deliver(self, contact: ContactId) -> None:
        """Walk this contact's outbox as far as it is due."""
        manifest = self._outlet.manifest
        typing_ms = int(manifest.typing_refresh_s * 1000)
        try:
            while True:
                fault_points.point("sender.taking")
                is_spoken = await self._prepare_speech(contact)
                step = await self._outbox.take(
                    contact, self._name, self._id, collapses=manifest.collapses_resends, typing_ms=typing_ms
                )
                if isinstance(step, Sending):
                    if not await self._send(step):
                        return
                elif step.why == "typing":
                    await self._show_typing(contact, step.reason, recording=is_spoken)
                    self._news.set()  # its next step is due at a moment of its own
                    return
                elif step.why not in _STOPPED:
                    return
                else:
                    log.warning(_STOPPED[step.why], contact=mask_contact_id(contact), reason=step.reason, rows=step.rows)
        except UnavailableError as error:
            log.warning("delivery_put_off", contact=mask_contact_id(contact), code=error.code)
        except DataError as error:
            log.error("record_broken", contact=mask_contact_id(contact), code=error.code)
            with contextlib.suppress(SecondmeError):
                await self._outbox.give_up(contact, self._name)
        except SecondmeError as error:
            log.error("delivery_failed", error, contact=mask_contact_id(contact), code=error.code)
        except Exception as error:  # noqa: BLE001  the top of a task: one contact's trouble is not the others'
            log.error("delivery_crashed", error, contact=mask_contact_id(contact))
        finally:
            self._busy.discard(contact)
            if self._crowded:
                self._news.set()

    async def _prepare_speech(self, contact: ContactId) -> bool:
        """The contact's next row is spoken, if it is to be: while it seems to be recorded, and before it is asked a last time whether it may
        leave. True when what leaves next is a voice message."""
        if self._speaker is None or not self._outlet.manifest.sends_voice:
            return False
        row = await self._outbox.head(contact)
        if row is None or not row.speak:
            return False
        begun = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            indicator = group.create_task(self._show_recording(contact, row.thread, begun))
            before = await self._speaker.prepare(row, begun.set)
            indicator.cancel()
        fault_points.point("sender.spoken")
        return before is not None and not await self._outbox.precede(row, before)

    async def _send(self, sending: Sending) -> bool:
        """Hand one row to the channel. True when the next one may follow at once."""
        row = sending.row
        started = self._clock.monotonic()
        speaker = self._speaker if row.speak and self._outlet.manifest.sends_voice else None
        voice = await speaker.voice_of(row) if speaker is not None else None
        fault_points.point("sender.sending")
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                outcome = await self._outlet.send(
                    ContactId(row.contact_id), MessageContent(row.text, row.thread, row.expires_s, voice), row.row_id
                )
        except Exception as error:  # noqa: BLE001  a channel's library may raise anything; nobody knows whether it went out
            log.error("send_unknown", error, contact=mask_contact_id(row.contact_id), kind=row.kind)
            return False  # the lease in the store runs out, and then policy decides
        fault_points.point("sender.delivered")
        match outcome:
            case Sent(native_id):
                not_spoken = Stage("spoken_as_text", 0, {"why": "off"}) if row.speak else None
                stage = speaker.stage(row, voice) if speaker is not None else not_spoken
                state = await self._outbox.sent(sending, native_id, stage)
                fault_points.point("sender.sent")
                if speaker is not None and voice is not None:
                    await speaker.sent(row, native_id or row.row_id)
                ms = int((self._clock.monotonic() - started) * 1000)
                log.info("sent", contact=mask_contact_id(row.contact_id), kind=row.kind, ms=ms, state=state)
                return state != "done"
            case NotSent(reason, retry_after_s):
                delay_s = (
                    retry_after_s
                    if retry_after_s is not None
                    else backoff_s(row.attempts, _FIRST_RETRY_S, _LAST_RETRY_S, self._rng)
                )
                settled = await self._outbox.retry(sending, delay_s=delay_s, final=False)
                log.warning("not_sent", contact=mask_contact_id(row.contact_id), reason=reason, state=settled)
                return settled in {"held", "dropped"}
            case Undeliverable(reason):
                await self._outbox.retry(sending, delay_s=0, final=True)
                log.error("undeliverable", contact=mask_contact_id(row.contact_id), reason=reason)
                return True
            case VoiceRefused(reason):
                if speaker is not None:
                    speaker.refused(row, reason)
                settled = await self._outbox.retry(sending, delay_s=0, final=False)
                log.warning("voice_refused", contact=mask_contact_id(row.contact_id), reason=reason, state=settled)
                return settled in {"held", "dropped"}
            case _:
                assert_never(outcome)

    async def _show_recording(self, contact: ContactId, thread: str, begun: asyncio.Event) -> None:
        """The contact sees that a voice message is recorded, from `begun` until this is cancelled."""
        await begun.wait()
        while True:
            await self._show_typing(contact, thread, recording=True)
            await self._clock.sleep(self._outlet.manifest.typing_refresh_s)

    async def _show_typing(self, contact: ContactId, thread: str, *, recording: bool) -> None:
        try:
            async with asyncio.timeout(_TYPING_TIMEOUT_S):
                await self._outlet.typing(contact, thread, recording=recording)
        except Exception as error:  # noqa: BLE001  an indicator is a courtesy
            log.debug("typing_failed", error=type(error).__name__)


_STOPPED = {"held": "reply_held", "dropped": "reply_dropped", "corrupt": "reply_corrupt"}
"""Ends of a row that are worth a line; the next row may follow."""
