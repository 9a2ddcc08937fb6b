"""Replies that are spoken: whether one is, made once, just before it leaves; and whatever goes wrong, the same words leave in writing.

    composed -> is it wanted?    the contact spoke, or the owner said so; one message, and nobody restricted
             -> prepare          while it seems to be recorded: still wanted, and fit to be heard? paid for, spoken, marked, kept
             -> sent             voice instead of text; before the first one, the contact is told whose voice it is

A row is spoken once, however often processes end in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from secondme.core.enums import Tier
from secondme.core.errors import DataError, SecondmeError
from secondme.core.ids import ContactId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.media.encode import as_voice_note
from secondme.core.media.ogg import voice_note
from secondme.core.media.speech_rules import disclosure, spoken_text, why_written
from secondme.core.records import Stage
from secondme.core.remember.style.measure import languages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.core.config.models import SpeechSettings
    from secondme.core.media.shelf import Shelf
    from secondme.core.messages import VoiceNote
    from secondme.core.ports import Clock, Meter, SpeechEngine
    from secondme.core.records import ApprovedContact, Mail, OutboxRow

log = get_logger(__name__)

_MOST_REMEMBERED = 1000
_FORBIDDEN = "voice_forbidden"


class Permissions(Protocol):
    """What the owner says of a contact now."""

    async def approved(self, contact: ContactId) -> ApprovedContact | None:
        """Its record; None when it was not approved."""

    async def may_be_answered(self, contact: ContactId, channel: str) -> bool:
        """Neither it, nor its channel, nor everybody is paused."""


class SpeechDesk:
    """Speaks replies in the name of `owner`."""

    def __init__(
        self,
        settings: SpeechSettings,
        owner: str,
        engine: Callable[[], SpeechEngine],
        meter: Meter,
        shelf: Shelf,
        permissions: Permissions,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._owner = owner
        self._make = engine
        self._engine: SpeechEngine | None = None
        self._meter = meter
        self._shelf = shelf
        self._permissions = permissions
        self._clock = clock
        self._written: dict[str, str] = {}
        """Row -> why it leaves in writing; the newest thousand."""
        self._refused_by: set[str] = set()
        """Contacts who take no voice messages, until the next start."""
        self._facts: dict[str, dict[str, Any]] = {}

    def is_wanted(self, contact: ApprovedContact, burst: Sequence[Mail], texts: Sequence[str]) -> bool:
        """True when a reply to the burst is to be spoken, as far as can be known now. One that takes several messages is written."""
        wanted = contact.speech or "auto"
        return (
            len(texts) == 1
            and wanted != "never"
            and contact.tier is not Tier.RESTRICTED
            and (wanted == "always" or not self._settings.trigger_on_voice or any(each.is_spoken for each in burst))
        )

    async def prepare(self, row: OutboxRow, begins: Callable[[], None]) -> OutboxRow | None:
        """The row's words are spoken and kept: returns what must be said before the first ones. None when it is known why they leave in
        writing, or when they do not leave now. `begins` is called when the engine is asked. Repeatable: nothing is spoken or paid twice. Never
        raises."""
        if row.row_id in self._written:
            return None
        try:
            if not await self._permissions.may_be_answered(ContactId(row.contact_id), row.channel_id):
                return None  # it does not leave now
            why = await self._why_not(row)
            if not why and not await self._is_kept(row):
                why = await self._speak(row, begins)
        except SecondmeError as error:
            why = error.code
        except TimeoutError:
            why = "speech_timeout"
        except Exception as error:  # noqa: BLE001  whatever breaks over it, the words arrive
            log.error("speech_crashed", error, contact=mask_contact_id(row.contact_id))
            why = "speech_crashed"
        if why:
            log.info("spoken_as_text", contact=mask_contact_id(row.contact_id), reason=why)
            self._note(row, why)
            return None
        return row.model_copy(
            update={
                "row_id": f"{row.row_id}-v",
                "text": disclosure(self._owner, _language(row.text)),
                "speak": False,
                "attempts": 0,
            }
        )

    async def voice_of(self, row: OutboxRow) -> VoiceNote | None:
        """The row's words as they were spoken; None when they leave in writing."""
        if row.row_id in self._written:
            return None
        path = (await asyncio.to_thread(self._shelf.find, row.contact_id, row.row_id)).get(0)
        if path is not None:
            with contextlib.suppress(OSError, DataError):
                return voice_note(await asyncio.to_thread(path.read_bytes))
        self._note(row, "not_kept")
        return None

    def refused(self, row: OutboxRow, reason: str) -> None:
        """The platform did not take the voice message: the row is written, and so is what follows where the contact takes none."""
        self._note(row, reason)
        if reason == _FORBIDDEN:
            self._refused_by.add(row.contact_id)

    def stage(self, row: OutboxRow, note: VoiceNote | None) -> Stage:
        """What became of the row, for the trace."""
        if note is None:
            return Stage("spoken_as_text", 0, {"why": self._written.get(row.row_id, "not_kept")})
        return Stage("spoken", 0, {"seconds": round(note.seconds, 1), **self._facts.pop(row.row_id, {})})

    async def sent(self, row: OutboxRow, message: str) -> None:
        """Its recording is kept under the message's id from now on, so that forgetting that takes it. Never raises."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._shelf.rename, row.contact_id, row.row_id, message)

    async def close(self) -> None:
        """As the engine's."""
        if self._engine is not None:
            await self._engine.close()

    async def _why_not(self, row: OutboxRow) -> str:
        """Why the row is not spoken, in snake_case; empty when it is. Asked when it leaves: much may have changed since it was composed."""
        if not self._settings.consent:
            return "no_consent"
        if row.contact_id in self._refused_by:
            return _FORBIDDEN
        contact = await self._permissions.approved(ContactId(row.contact_id))
        if contact is None or contact.speech == "never" or contact.tier is Tier.RESTRICTED:
            return "not_for_this_contact"
        return why_written(row.text, self._settings.max_response_length) or ""

    async def _speak(self, row: OutboxRow, begins: Callable[[], None]) -> str:
        """The words are spoken and kept; else why not."""
        text = spoken_text(row.text)
        charge = await self._meter.charge(row.contact_id, len(text))
        if isinstance(charge, str):
            return charge
        used, name = 0, ""
        began = self._clock.monotonic()
        try:
            if self._engine is None:
                self._engine = self._make()
            name = self._engine.name
            begins()
            async with asyncio.timeout(self._settings.timeout_s):
                data = await self._engine.speak(text, _language(row.text))
            used = len(text)
            note = await as_voice_note(data)
        finally:
            micros = await self._meter.settle(charge, used, model=name, classification="speech")
        ms = int((self._clock.monotonic() - began) * 1000)
        self._facts[row.row_id] = {"characters": len(text), "by": name, "micros": micros, "ms": ms}
        now_ms = self._clock.now_ms()
        await asyncio.to_thread(
            self._shelf.keep, row.contact_id, row.row_id, 0, note.data, "audio/ogg", now_ms=now_ms, expires_s=row.expires_s
        )
        return ""

    async def _is_kept(self, row: OutboxRow) -> bool:
        return 0 in await asyncio.to_thread(self._shelf.find, row.contact_id, row.row_id)

    def _note(self, row: OutboxRow, why: str) -> None:
        while len(self._written) >= _MOST_REMEMBERED:
            del self._written[next(iter(self._written))]
        self._written[row.row_id] = why


def _language(text: str) -> str:
    return next(iter(languages([text])), "")
