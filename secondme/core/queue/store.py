"""The mailboxes: one token per contact in the stream, one inbox per contact, a lease with a fence for whoever works.

Each step of a burst is one script and may be repeated; a worker that lost its lease changes nothing.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from redis.exceptions import ResponseError

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact, Burst, Mail, NewRow, OutboxRow, Stage, Token, UnreadableBurstError
from secondme.core.store import key_types, keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from secondme.core.config.models import QueueSettings
    from secondme.core.messages import Pace
    from secondme.core.store.client import Store


_BATCH = 50
"""Messages of one burst at most: 50 of 64 KB are still bounded."""


_BROKEN_S = 3600.0
"""Until somebody whose record is broken is tried again."""
_BOXES = "*BOX:*"
"""Inboxes and outboxes, and the mailboxes between them, which are left out."""
_SEARCHED = 1000


class InboxStore:
    """Mailboxes in Redis."""

    def __init__(self, store: Store, queue: QueueSettings) -> None:
        self._store = store
        self._lease_ms = int(queue.lease_s * 1000)
        self._max_attempts = queue.max_attempts

    async def open(self) -> None:
        """The consumer group exists. Repeatable."""
        await self._store.call(self._create_group())

    async def _create_group(self) -> None:
        try:
            await self._store.client.xgroup_create(keys.QUEUE, keys.QUEUE_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    @contextlib.asynccontextmanager
    async def reading(self, worker: str, wait_s: float) -> AsyncIterator[Callable[[int], Coroutine[Any, Any, list[Token]]]]:
        """A function that takes at most so many tokens, waiting up to `wait_s` for the first, on a connection of its own.

        What it returned stays `worker`'s until deferred, finished or claimed.
        """
        async with self._store.blocking() as client:
            yield lambda count: self._take(client, worker, count, wait_s)

    async def _take(self, client: Redis, worker: str, count: int, wait_s: float) -> list[Token]:
        reading = client.xreadgroup(keys.QUEUE_GROUP, worker, {keys.QUEUE: ">"}, count=count, block=max(1, int(wait_s * 1000)))
        answer = await self._store.call(reading, wait_s)
        return _tokens(_entries(answer))

    async def mine(self, worker: str) -> list[Token]:
        """The tokens that `worker` was given and has not settled."""
        answer = await self._store.call(self._store.client.xreadgroup(keys.QUEUE_GROUP, worker, {keys.QUEUE: "0"}, count=1000))
        return _tokens(_entries(answer))

    async def claim(self, worker: str, count: int) -> list[Token]:
        """Tokens whose worker has been silent for a whole lease; they are `worker`'s now."""
        answer = await self._store.call(
            self._store.client.xautoclaim(keys.QUEUE, keys.QUEUE_GROUP, worker, self._lease_ms, count=count)
        )
        return _tokens(answer[1])

    async def begin(self, token: Token, worker: str) -> Burst | Literal["obsolete", "busy", "gone", "empty", "paused"]:
        """The contact's burst under a new fence, or why there is nothing to do; then the token is settled, except for `busy`.

        Raises UnreadableBurstError when the contact's record or its mail is corrupt: the lease is taken, so the caller must defer.
        """
        contact = token.contact_id
        answer = await self._store.run(
            "begin",
            (
                keys.QUEUE_GROUP,
                token.entry,
                worker,
                self._lease_ms,
                self._max_attempts,
                contact,
                _BATCH,
                keys.MAILBOX_TTL_MS,
                keys.EVENTS_QUEUE,
            ),
            contact=contact,
            channel=token.channel_id,
        )
        if answer[0] != b"burst":
            return answer[0].decode()  # type: ignore[no-any-return]  # the script's header lists these five
        _, now, fence, attempt, defers, last, approved, *mail = answer
        contact_key, mail_key = keys.approved(contact), keys.inbox(contact)
        try:
            letters = tuple(Mail.decode(item, mail_key) for item in mail)
        except DataError as error:
            raise UnreadableBurstError(error, int(fence), is_mail=True) from error
        try:
            approval = ApprovedContact.decode(approved, contact_key)
        except DataError as error:
            raise UnreadableBurstError(error, int(fence), is_mail=False) from error
        return Burst(
            token=token,
            now_ms=int(now),
            fence=int(fence),
            attempt=int(attempt),
            defers=int(defers),
            last_reply_ms=int(last) if last else None,
            contact=approval,
            mail=letters,
        )

    async def renew(self, burst: Burst, worker: str) -> bool:
        """True while the burst is still `worker`'s; its lease starts anew."""
        kept: int = await self._store.run(
            "renew", (keys.QUEUE_GROUP, burst.token.entry, worker, burst.fence, self._lease_ms), contact=burst.token.contact_id
        )
        return bool(kept)

    async def finish(
        self,
        burst: Burst,
        worker: str,
        rows: list[tuple[NewRow, Pace]],
        *,
        hold: str = "",
        why: str = "answered",
        untold: str = "",
        stages: Sequence[Stage] = (),
    ) -> bool:
        """The burst is answered: its mail is gone and `rows` wait to be sent, or for the owner when `hold` names a reason.

        `why` there are none; `untold`: a reason for it that the owner should hear of; `stages`: what the burst passed before. All of it
        or nothing. False when the burst was no longer ours; then nothing happened.
        """
        ids = json.dumps([mail.message_id for mail in burst.mail])
        facts = f',"reply":"{rows[0][0].reply_id}","rows":{len(rows)}' if rows else ""
        facts += f',"reason":"{hold}"' if hold else ""
        contact = burst.token.contact_id
        timed = [
            part for row, pace in rows for part in (int(pace.typing_after_s * 1000), int(pace.due_after_s * 1000), row.encode())
        ]
        answer: bytes = await self._store.run(
            "finish",
            (
                keys.QUEUE_GROUP,
                burst.token.entry,
                worker,
                burst.fence,
                contact,
                len(burst.mail),
                keys.MAILBOX_TTL_MS,
                hold,
                keys.EVENTS_QUEUE,
                untold,
                ids,
                "held" if hold else why,
                facts,
                len(stages),
                *(stage.to_json(burst) for stage in stages),
                *timed,
            ),
            contact=contact,
            channel=burst.channel_id,
        )
        return answer == b"done"

    async def defer(
        self,
        token: Token,
        worker: str,
        fence: int | None,
        *,
        delay_s: float,
        reason: str,
        forgive: bool,
        messages: Sequence[str] = (),
    ) -> bool:
        """The contact waits, at once up for anybody when `delay_s` is 0. `forgive`: this attempt was not the message's fault. `messages`:
        ids of those that wait, for their trace.

        False when the token was no longer ours; then nothing happened.
        """
        contact = token.contact_id
        answer: bytes = await self._store.run(
            "defer",
            (
                keys.QUEUE_GROUP,
                token.entry,
                worker,
                "" if fence is None else fence,
                contact,
                int(delay_s * 1000),
                reason,
                "1" if forgive else "0",
                keys.MAILBOX_TTL_MS,
                json.dumps(list(messages)) if messages else "",
            ),
            contact=contact,
        )
        return answer == b"done"

    async def put_off_because(self, contact: ContactId) -> str:
        """Why the contact waits for a later moment; empty when they do not."""
        token, reason = await self._store.call(self._store.client.hmget(keys.mailbox(contact), ["token", "waiting"]))
        return reason.decode() if token == b"later" and reason else ""

    # Keeping order

    async def wake(self, limit: int = 100) -> tuple[int, float | None]:
        """How many waiting contacts became due and are in the stream again, and the seconds until the next one is due (None: none waits)."""
        waiting = await self._store.due(keys.QUEUE_LATER, limit)
        due = [contact for contact, wait_s in waiting if wait_s <= 0]
        for contact in due:
            try:
                await self._store.run("wake", (contact, keys.MAILBOX_TTL_MS), contact=contact)
            except DataError:  # it has its place in the queue again when its record is mended
                await self._store.postpone(keys.QUEUE_LATER, contact, _BROKEN_S)
        next_s = 0.0 if len(due) == limit else next((wait_s for _, wait_s in waiting if wait_s > 0), None)
        return len(due), next_s

    async def abandon(self, token: Token) -> None:
        """The token is settled without its mailbox, which is broken; a repair makes another one when it is mended. The owner is told."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.xack(keys.QUEUE, keys.QUEUE_GROUP, token.entry)
        pipe.xdel(keys.QUEUE, token.entry)
        await self._store.call(pipe.execute())
        await self._store.tell_broken(token.contact_id)

    async def tell_broken(self, contact: ContactId) -> None:
        """As `Store.tell_broken`."""
        await self._store.tell_broken(contact)

    async def hurry(self) -> None:
        """Everything that waits is due now: for a start with new settings. Pauses and the night are judged again when it is begun."""
        await self._store.run("hurry")

    async def replan(self) -> None:
        """The clock was put back: everything that waits is judged anew, and what dead workers had can be claimed after a lease. Repeatable."""
        await self._store.run("restart_idle", (keys.QUEUE_GROUP,))
        await self.hurry()

    async def repair(self) -> int:
        """How many contacts with mail had lost their token and have one again."""
        mended, cursor = 0, 0
        while True:
            cursor, contacts = await self._store.call(self._store.client.sscan(keys.QUEUE_ACTIVE, cursor, count=200))
            mended += await self._repair([ContactId(contact.decode()) for contact in contacts])
            if cursor == 0:
                break
        return mended

    async def _repair(self, contacts: Sequence[ContactId]) -> int:
        mended = 0
        for contact in contacts:
            with contextlib.suppress(DataError):  # nothing can be mended around a broken record; the doctor finds it
                mended += await self._store.run("repair", (contact, keys.MAILBOX_TTL_MS), contact=contact) == b"token"
        return mended

    async def search(self, cursor: int) -> tuple[int, int]:
        """One step of a walk through the whole store for what no index knows any more: where the next one begins (0: at the end), and how
        many contacts have a token again, or are due to be sent to. Begins at 0."""
        mended = 0
        cursor, names = await self._store.call(self._store.client.scan(cursor, match=_BOXES, count=_SEARCHED))
        boxes = [
            each
            for name in self._store.namespace.bare(names)
            if (each := key_types.known(name.decode())) is not None and each.contact
        ]
        mended += await self._repair([ContactId(box.contact) for box in boxes if box.name == "inbox"])
        for box in boxes:
            if box.name == "outbox":
                mended += await self._repost(ContactId(box.contact))
        return cursor, mended

    async def is_lost(self, box: key_types.Known) -> bool:
        """True when this inbox or outbox has something in it that no index knows: `search` finds it again."""
        contact, client = ContactId(box.contact), self._store.client
        if box.name == "inbox":
            if await self._store.call(client.sismember(keys.QUEUE_ACTIVE, contact)):
                return False  # `repair` looks there each minute
            answer = await self._store.run("repair", (contact, keys.MAILBOX_TTL_MS, "1"), contact=contact)
            return bool(answer == b"token")
        head = await self._store.call(client.lindex(keys.outbox(contact), 0))
        if head is None:
            return False
        channel = OutboxRow.decode(head, keys.outbox(contact)).channel_id
        return await self._store.call(client.zscore(keys.outbox_due(channel), contact)) is None

    async def _repost(self, contact: ContactId) -> int:
        """1 when the contact has rows on their way and its channel's schedule did not know."""
        with contextlib.suppress(DataError):
            head = await self._store.call(self._store.client.lindex(keys.outbox(contact), 0))
            if head is not None:
                channel = OutboxRow.decode(head, keys.outbox(contact)).channel_id
                due: int = await self._store.run("repost", (contact,), contact=contact, channel=channel)
                return due
        return 0

    async def leave(self, worker: str) -> None:
        """`worker` is no consumer any more. Only after everything of its was settled: the rest would be lost to the group."""
        await self._store.call(self._store.client.xgroup_delconsumer(keys.QUEUE, keys.QUEUE_GROUP, worker))

    async def bury(self, idle_ms: int) -> int:
        """How many consumers with nothing pending and no sign of life for `idle_ms` were removed."""
        consumers: list[dict[str, Any]] = await self._store.call(self._store.client.xinfo_consumers(keys.QUEUE, keys.QUEUE_GROUP))
        gone = [entry["name"].decode() for entry in consumers if entry["pending"] == 0 and entry["idle"] > idle_ms]
        for name in gone:
            await self.leave(name)
        return len(gone)


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:  # the client's shape differs between protocols 2 and 3
    if not answer:
        return []
    if isinstance(answer, dict):
        return [entry for batch in next(iter(answer.values())) for entry in batch]
    return answer[0][1]  # type: ignore[no-any-return]


def _tokens(entries: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Token]:
    return [
        Token(entry.decode(), ContactId(fields[b"contactId"].decode()), fields.get(b"channelId", b"?").decode())
        for entry, fields in entries
        if fields
    ]


_MOST_CONTACTS = 1000
_MOST_LETTERS = 100


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was set aside after too many attempts, or because it cannot be read; then `mail` is None."""

    contact_id: ContactId
    mail: Mail | None
    newest_at: datetime
    """When the contact's newest dead letter was set aside."""


@dataclass(frozen=True, slots=True)
class Revived:
    """How many letters wait for an answer again, and how many stayed: unreadable, or without room in the inbox."""

    count: int
    left: int


class DeadLetterStore:
    """Dead letters in Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def letters(self) -> list[DeadLetter]:
        """Every dead letter, the contact with the newest one first, each contact's in order of arrival. Two round trips."""
        client = self._store.client
        index = await self._store.call(client.zrevrange(keys.DEAD_INDEX, 0, _MOST_CONTACTS - 1, withscores=True))
        if not index:
            return []
        pipe = client.pipeline(transaction=False)
        for member, _ in index:
            pipe.lrange(keys.dead(member.decode()), 0, _MOST_LETTERS - 1)
        lists, _ = await self._store.look(pipe)  # the doctor finds those of a wrong type
        return [
            DeadLetter(ContactId(member.decode()), _mail(raw, member.decode()), from_ms(int(at)))
            for (member, at), letters in zip(index, lists, strict=True)
            for raw in letters or ()
        ]

    async def retry(self, contact: ContactId) -> Revived:
        """The contact's letters are in front of its inbox again, in their order, none of them twice. Repeatable.

        Raises NotFoundError when there are none, BusyError when the contact is not approved any more or is not answered anyway.
        """
        answer = await self._store.run(
            "revive",
            (contact, keys.MAILBOX_TTL_MS, keys.INBOX_CAP),
            contact=contact,
            list=keys.dead(contact),
            index=keys.DEAD_INDEX,
        )
        match answer[0]:
            case b"missing":
                raise _none(contact)
            case b"not_approved":
                raise BusyError("not_approved", f"{contact} is not an approved contact any more.", f"secondme dead drop {contact}")
            case b"not_answered":
                raise BusyError("not_answered", f"{contact} is not answered.", f"secondme contacts mode {contact} default")
            case _:
                return Revived(int(answer[1]), int(answer[2]))

    async def drop(self, contact: ContactId) -> int:
        """How many letters of the contact are gone for good. Raises NotFoundError when there are none."""
        count: int = await self._store.run("bury", (contact,), contact=contact)
        if not count:
            raise _none(contact)
        return count


def _mail(raw: bytes, contact: str) -> Mail | None:
    try:
        return Mail.decode(raw, keys.dead(contact))
    except DataError:
        return None


def _none(contact: str) -> NotFoundError:
    return NotFoundError("no_dead_letters", f"Nothing of {contact} was set aside.", "secondme dead list")
