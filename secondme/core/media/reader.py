"""The reader: what came with admitted messages is heard and looked at, by the process that holds the channel, before the first attempt at a
reply.

    worker finds something unread -> asks for it, and puts the reply off
    reader                        -> may this contact be answered? fetch -> hear or look -> kept with the mail, in the history and in memory
                                  -> nothing left: the reply goes on

Each attachment is read once, however often processes end in between; what was paid for is kept before anything else is done. A server that
is away is waited for, up to a limit; then the reply is written without.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from secondme.core import fault_points
from secondme.core.errors import ConfigError, CredentialsError, DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.ids import mask_contact_id
from secondme.core.log import OutageLog, get_logger
from secondme.core.records import MediaReading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.ids import ContactId
    from secondme.core.media.attachments import AttachmentRules, Task
    from secondme.core.media.shelf import Shelf
    from secondme.core.media.sight import Sight
    from secondme.core.media.store import ReadingStore
    from secondme.core.ports import Clock, Random
    from secondme.core.records import Mail, MailAttachment

log = get_logger(__name__)

LARGEST = 20 * 1024 * 1024
"""Bytes of a file that are fetched; what providers of transcriptions take is more."""
_CONTACTS, _ATTACHMENTS = 4, 4
"""Contacts whose attachments are read at the same time, and attachments of one contact."""
_LOOK_S = 1.0
"""How soon what another process asks for is seen."""
_CLOSED_S = 2.0
_FIRST_S, _LAST_S = 2.0, 60.0
_HUMAN_S = 60.0
_BROKE = frozenset({"hearing_failed", "hearing_crashed"})
"""Failures that may be the file's own fault."""
_MOST_FAILURES = 2
_PAGE = 100
_SWEEP_S = 600.0


class Ear(Protocol):
    """Listens to recordings."""

    def refuses(self, attachment: MailAttachment) -> MediaReading | None:
        """Why it is not even fetched; None when it is."""

    async def listen(self, who: ContactId, data: bytes, mime: str) -> tuple[MediaReading, dict[str, Any]]:
        """What was said, or why nothing was heard, and numbers for the trace. Raises as `hearing.Hearing.listen`."""


@dataclass(frozen=True, slots=True)
class Senses:
    """What hears, sees and reads; None where the owner does not want it."""

    ear: Ear | None = None
    sight: Sight | None = None
    document_text: Callable[[bytes], Awaitable[str]] | None = None


class MediaReader:
    """Reads what contacts sent. `may_be_answered` asks a last time before anything is done or paid."""

    def __init__(
        self,
        store: ReadingStore,
        rules: AttachmentRules,
        shelf: Shelf,
        senses: Senses,
        may_be_answered: Callable[[ContactId, str], Awaitable[bool]],
        clock: Clock,
        rng: Random,
    ) -> None:
        self._store = store
        self.rules = rules
        self._shelf = shelf
        self._senses = senses
        self._may_be_answered = may_be_answered
        self._clock = clock
        self._rng = rng
        self._busy: set[ContactId] = set()
        self._unkept: dict[tuple[ContactId, str, int], tuple[MediaReading, dict[str, Any]]] = {}
        """What was made and could not be kept yet, because the store was away: it is not paid twice."""
        self._news = asyncio.Event()
        self._outage = OutageLog(log, "media")
        self.fetch: Callable[[str, str, int], Awaitable[bytes]] | None = None
        """Channel, handle and most bytes -> the file. Raises as a channel's `download`."""
        self.heard: Callable[[Mail, str], None] = lambda _mail, _words: None
        """Is told the words of a recording, once."""
        self.tell: Callable[[dict[str, Any]], Awaitable[None]] | None = None
        """Publishes what the owner should know: that nobody is listened to, and why."""

    # What workers ask

    async def wants(self, contact: ContactId, mail: tuple[Mail, ...]) -> bool:
        """True when something that came with these messages is still to be read; then it was asked for. Repeatable."""
        if not any(self.rules.is_unread(each) for each in mail):
            return False
        await self._store.ask(contact, self._clock.now_ms())
        self._news.set()
        return True

    async def forget(self, contact: ContactId, message: str) -> None:
        """Nothing is kept of what came with the message. Repeatable."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._shelf.drop, contact, message)

    # What the process does that holds the channels

    async def run(self, is_open: Callable[[ContactId], bool], *, alone: bool) -> None:
        """Read until cancelled. `is_open`: whether the contact's channel is held here and can be asked. `alone`: no other process works on
        messages, so that nothing is looked for without being told."""
        async with asyncio.TaskGroup() as work:
            work.create_task(self._sweep())
            while True:
                self._news.clear()
                wait_s = await self._begin(is_open, work)
                if wait_s is None and not alone:
                    wait_s = _LOOK_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._news.wait()

    async def _begin(self, is_open: Callable[[ContactId], bool], work: asyncio.TaskGroup) -> float | None:
        """Whose attachments are due are read from now on; seconds until there may be more to do, None: nobody knows of any."""
        try:
            due = await self._store.due(_PAGE)
        except SecondmeError as error:
            self._outage.goes_on(error.code)
            return _LOOK_S
        self._outage.is_over()
        wait_s: float | None = None
        for contact, in_s in due:
            if contact in self._busy:
                continue
            if in_s > 0:
                wait_s = in_s if wait_s is None else min(wait_s, in_s)
            elif not is_open(contact):
                wait_s = min(wait_s or _CLOSED_S, _CLOSED_S)
            elif len(self._busy) < _CONTACTS:
                self._busy.add(contact)
                work.create_task(self._read_all(contact))
        return wait_s

    async def _read_all(self, contact: ContactId) -> None:
        """Everything of one contact; afterwards its reply goes on, or the contact is tried again."""
        try:
            again_s = await self._read_waiting(contact)
            if again_s is None:
                await self._store.end(contact)
            else:
                await self._store.put_off(contact, again_s)
        except UnavailableError as error:
            log.warning("reading_put_off", contact=mask_contact_id(contact), code=error.code)
            await self._put_off(contact)
        except DataError as error:
            log.error("record_broken", contact=mask_contact_id(contact), code=error.code)
            await self._put_off(contact)
        except Exception as error:  # noqa: BLE001  the top of a task: one contact's trouble is not the others'
            log.error("reading_crashed", error, contact=mask_contact_id(contact))
            await self._put_off(contact)
        finally:
            self._busy.discard(contact)
            self._news.set()

    async def _put_off(self, contact: ContactId) -> None:
        with contextlib.suppress(SecondmeError):
            await self._store.put_off(contact, _LAST_S)

    async def _read_waiting(self, contact: ContactId) -> float | None:
        """Seconds until what could not be read now is tried again; None when nothing is left."""
        mail = await self._store.waiting(contact)
        unread = [(each, at, task) for each in mail for at, one in enumerate(each.attachments) if (task := self.rules.task(one))]
        if not unread or not await self._may_be_answered(contact, unread[0][0].channel_id):
            return None
        slots = asyncio.Semaphore(_ATTACHMENTS)

        async def read(letter: Mail, at: int, task: Task) -> float | None:
            async with slots:
                return await self._read_one(contact, letter, at, task)

        # all have ended before anything is said of one: a second pass beside one that goes on would pay twice
        waits = await asyncio.gather(*(read(*each) for each in unread), return_exceptions=True)
        for wait in waits:
            if isinstance(wait, BaseException):
                raise wait
        return min((wait for wait in waits if isinstance(wait, float)), default=None)

    async def _read_one(self, contact: ContactId, mail: Mail, at: int, task: Task) -> float | None:
        """One attachment was read, or found to be lost; or the seconds until it is tried again."""
        tried = await self._store.begin(contact, mail.message_id, at)
        if tried is None:
            return None
        began = self._clock.monotonic()
        facts: dict[str, Any] = {}
        key = (contact, mail.message_id, at)
        try:
            reading, facts = self._unkept.get(key) or await self._made(contact, mail, at, task)
        except _NotNowError:
            return None
        except UnavailableError as error:
            if not await self._is_over(contact, mail, at, error.code in _BROKE):
                wait_s = error.retry_after_s if error.retry_after_s is not None else _FIRST_S * 2.0 ** min(tried[1], 4)
                log.info("not_read_yet", contact=mask_contact_id(contact), code=error.code, seconds=round(wait_s, 1))
                return min(_LAST_S, max(0.05, wait_s)) * self._rng.uniform(1.0, 1.2)
            await self._tell(error.code, error.message, error.fix)
            reading = _lost(task, error.code)
        except (CredentialsError, ConfigError) as error:
            await self._tell(error.code, error.message, error.fix)
            if not await self._is_over(contact, mail, at, broke=False):
                log.error("not_read_yet", contact=mask_contact_id(contact), code=error.code)
                return _HUMAN_S
            reading = _lost(task, error.code)
        except (DataError, NotFoundError) as error:
            reading = _lost(task, error.code)
        except Exception as error:  # noqa: BLE001  a file that breaks us must not keep its contact waiting for ever
            log.error("reading_crashed", error, contact=mask_contact_id(contact))
            if not await self._is_over(contact, mail, at, broke=True):
                return _FIRST_S
            reading = _lost(task, "reading_crashed")
        if reading.why.startswith("over_"):
            await self._tell(reading.why)
        facts.setdefault("ms", int((self._clock.monotonic() - began) * 1000))
        self._unkept[key] = (reading, facts)
        await self._keep(contact, mail, at, reading, facts)
        del self._unkept[key]
        return None

    async def _tell(self, code: str, message: str = "", fix: str = "") -> None:
        if self.tell is not None:
            with contextlib.suppress(SecondmeError):
                await self.tell({"type": "reading_failing", "code": code, "message": message, "fix": fix})

    async def _is_over(self, contact: ContactId, mail: Mail, at: int, broke: bool) -> bool:  # noqa: FBT001  as it is counted
        """True when an attachment is not waited for any longer."""
        tried = await self._store.begin(contact, mail.message_id, at, failures=int(broke))
        if tried is None:
            return False  # it does not wait any more, and the next try finds that out
        since_ms, failures = tried
        return failures >= _MOST_FAILURES or self._clock.now_ms() - since_ms > self.rules.waits_ms

    async def _made(self, contact: ContactId, mail: Mail, at: int, task: Task) -> tuple[MediaReading, dict[str, Any]]:
        attachment = mail.attachments[at]
        if task == "hear" and self._senses.ear is not None and (refusal := self._senses.ear.refuses(attachment)):
            return refusal, {}
        data = await self._file(contact, mail, at)
        fault_points.point("media.fetched")
        if await self._store.begin(contact, mail.message_id, at) is None:  # taken back or taken over meanwhile
            await self.forget(contact, mail.message_id)
            raise _NotNowError
        if not await self._may_be_answered(contact, mail.channel_id):
            raise _NotNowError
        match task:
            case "hear":
                assert self._senses.ear is not None
                return await self._senses.ear.listen(contact, data, attachment.mime)
            case "see":
                return await self._look(contact, mail, at, data)
            case "read":
                assert self._senses.document_text is not None
                text = " ".join((await self._senses.document_text(data)).split())
                return MediaReading(stage="seen", text=text), {"characters": len(text)}
            case _:
                assert_never(task)

    async def _file(self, contact: ContactId, mail: Mail, at: int) -> bytes:
        """The attachment as it was sent; from our own copy where a kill came between fetching and reading it."""
        kept = (await asyncio.to_thread(self._shelf.find, contact, mail.message_id)).get(at)
        if kept is not None:
            with contextlib.suppress(OSError):
                return await asyncio.to_thread(kept.read_bytes)
        assert self.fetch is not None
        attachment = mail.attachments[at]
        data = await self.fetch(mail.channel_id, attachment.handle, LARGEST)
        if self.rules.task(attachment) != "see":  # of pictures the clean copy is kept, not what a camera wrote
            await self._put(contact, mail, at, data, attachment.mime.partition(";")[0].strip().lower())
        return data

    async def _look(self, contact: ContactId, mail: Mail, at: int, data: bytes) -> tuple[MediaReading, dict[str, Any]]:
        assert self._senses.sight is not None
        picture = await self._senses.sight.clean(data)
        await self._put(contact, mail, at, picture.data, "image/jpeg")
        reading = await self._senses.sight.look(contact, mail.message_id, picture)
        return reading, {"tokens": picture.tokens, "described": bool(reading.text)}

    async def _put(self, contact: ContactId, mail: Mail, at: int, data: bytes, mime: str) -> None:
        now_ms, expires_s = self._clock.now_ms(), mail.expires_s
        await asyncio.to_thread(self._shelf.keep, contact, mail.message_id, at, data, mime, now_ms=now_ms, expires_s=expires_s)

    async def _keep(self, contact: ContactId, mail: Mail, at: int, reading: MediaReading, facts: dict[str, Any]) -> None:
        line = mail.attachments[at].model_copy(update={"reading": reading}).line
        more = {
            "why": reading.why,
            "seconds": reading.seconds,
            "language": reading.language,
            "confidence": reading.confidence,
            "unclear": reading.is_unclear or None,
        }
        kept = await self._store.keep(contact, mail.message_id, at, reading, line, {**more, **facts})
        fault_points.point("media.kept")
        if kept in {"gone", "stranger"}:  # taken back meanwhile, or forgotten: no copy stays
            await asyncio.to_thread(self._shelf.drop, contact, mail.message_id)
        if kept == "kept" and reading.stage == "heard":
            self.heard(mail, reading.text)
        log.info(reading.stage, contact=mask_contact_id(contact), reason=reading.why, ms=facts.get("ms", 0))

    async def _sweep(self) -> None:
        """What was kept long enough goes, soon after its time."""
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._shelf.sweep, self._clock.now_ms())
            await self._clock.sleep(_SWEEP_S)


class _NotNowError(Exception):
    """The contact is not answered any more: what it sent stays unread until it is again."""


def _lost(task: Task, code: str) -> MediaReading:
    return MediaReading(stage="not_heard" if task == "hear" else "not_seen", why=code)
