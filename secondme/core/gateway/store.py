"""What the gateway keeps and sums up: notes for the owner, recent activity, traces of messages, and the state of each conversation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from secondme.core.clock import from_ms
from secondme.core.errors import DataError
from secondme.core.ids import ContactId, MessageId, new_id
from secondme.core.records import Mail, NewRow, OutboxRow, Record, Turn
from secondme.core.remember.store import RelationshipState, RelationshipStore
from secondme.core.send.store import once_of
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge
from secondme.core.store.history import HistoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.store.client import Store


_COMMANDS_MS = 8 * 86_400_000
_NOTES_AN_HOUR = 30


class NoteStore:
    """Rows for the owner's own chat. They leave by the outbox like any other, but no pause and no kill switch holds them back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tell(self, channel: str, chat: ContactId, text: str, cause: str) -> Literal["posted", "told", "quiet"]:
        """`text` is on its way to the owner, unless they were told of `cause` within a week, or of 30 things within an hour."""
        digest = hashlib.sha256(cause.encode()).hexdigest()[:32]
        return await self._post([_row(channel, chat, text)], cause=digest, most=_NOTES_AN_HOUR)

    async def answer(self, channel: str, chat: ContactId, text: str, command: MessageId) -> None:
        """The command is done and its answer is on its way. Repeatable, but then the answer is said twice."""
        await self._post([_row(channel, chat, text)], command=f"{channel}:{command}")

    async def say(self, channel: str, chat: ContactId, text: str) -> str:
        """`text` is on its way to the owner. The id of its row."""
        row = _row(channel, chat, text)
        await self._post([row])
        return row.row_id

    async def schedule(
        self, channel: str, chat: ContactId, texts: Sequence[str], *, after_s: float = 0.0, once: str = ""
    ) -> list[str]:
        """`texts` leave for the owner in `after_s`, or when the channel is there again, unless the kill switch is on by then. The ids of
        their rows; none when they were said for `once` within a week."""
        cause = once_of(once) if once else ""
        rows = [_row(channel, chat, text).model_copy(update={"scheduled": True}) for text in texts]
        posted = await self._post(rows, cause=cause, after_s=after_s)
        return [row.row_id for row in rows] if posted == "posted" else []

    async def is_waiting(self, chat: ContactId, row_id: str) -> bool:
        """True while that row has not left."""
        rows = await self._store.call(self._store.client.lrange(keys.outbox(chat), 0, -1))
        return any(row_id.encode() in raw for raw in rows)

    async def is_done(self, channel: str, command: MessageId) -> bool:
        """True when the command was answered before."""
        client = self._store.client
        return await self._store.call(client.zscore(keys.OWNER_COMMANDS, f"{channel}:{command}")) is not None

    async def _post(
        self, rows: Sequence[NewRow], *, cause: str = "", command: str = "", most: int = 0, after_s: float = 0.0
    ) -> Literal["posted", "told", "quiet"]:
        contact, channel = rows[0].contact_id, rows[0].channel_id
        encoded = [row.encode() for row in rows]
        given: tuple[str | int, ...] = (
            contact,
            cause,
            most,
            command,
            keys.TOLD_TTL_MS,
            _COMMANDS_MS,
            int(after_s * 1000),
            *encoded,
        )
        answer: bytes = await self._store.run("note", given, contact=contact, channel=channel)
        if answer == b"posted":
            await nudge(self._store, Nudge.OUTBOX)
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these three


def _row(channel: str, chat: ContactId, text: str) -> NewRow:
    unique = new_id()
    return NewRow(row_id=unique, reply_id=unique, contact_id=chat, channel_id=channel, kind="owner", text=text)


_MOST_CONTACTS = 1000
_PAGE = 250
"""Contacts of one script: it holds up everybody else for a millisecond."""


@dataclass(frozen=True, slots=True)
class PausedContact:
    """An approved contact that is not answered, until `until_ms` (Unix) or until somebody ends it."""

    contact_id: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Activity:
    """The newest of everything. Times are Unix ms, None when there is none within the 7 days that histories last."""

    last_received_ms: int | None
    last_sent_ms: int | None
    """When a reply of the clone last reached a contact."""
    paused: tuple[PausedContact, ...]
    """By contact id."""
    today_micros: int
    """What the models cost today (UTC), in millionths of a dollar."""
    today_seconds: int = 0
    """Of recordings that were listened to today (UTC)."""
    today_characters: int = 0
    """Spoken today (UTC)."""


class ActivityStore:
    """Reads, never writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self) -> Activity:
        """How it is now. Two round trips, and one more for each 250 contacts; looks at the 1,000 contacts that were approved last."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.time()
        pipe.zrevrange(keys.INDEX_APPROVED, 0, _MOST_CONTACTS - 1)
        (seconds, micros), members = await self._store.call(pipe.execute())
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        day = keys.token_stats(f"{from_ms(now_ms):%Y-%m-%d}")
        spent = await self._store.call(client.hmget(day, ["micros", "seconds", "characters"]))
        contacts = [member.decode() for member in members]
        heard = said = 0
        paused: list[PausedContact] = []
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            names = [name for contact in page for name in (keys.history(contact), keys.pause(contact))]
            heard_here, said_here, *pauses = await self._store.run("glance", histories_and_pauses=names)
            heard, said = max(heard, int(heard_here)), max(said, int(said_here))
            for index, left in zip(pauses[::2], pauses[1::2], strict=True):
                paused.append(PausedContact(page[int(index)], now_ms + int(left) if int(left) >= 0 else None))
        return Activity(
            last_received_ms=heard or None,
            last_sent_ms=said or None,
            paused=tuple(sorted(paused, key=lambda each: each.contact_id)),
            today_micros=_sum(spent[0]),
            today_seconds=_sum(spent[1]),
            today_characters=_sum(spent[2]),
        )


def _sum(raw: bytes | None) -> int:
    """A sum of a day; what is charged and settled on two of them leaves less than nothing on one."""
    return max(0, int(raw)) if raw and raw.removeprefix(b"-").isdigit() else 0


_TRACE_PAGE = 500
_FEW = 50
"""Contacts whose whole traces are read at once."""
_NO_FACTS = frozenset({"stage", "at", "messages"})


@dataclass(frozen=True, slots=True)
class Passed:
    """One stage: when (aware UTC), which messages of the contact it was about, and what else is known; facts quote nobody."""

    stage: str
    at: datetime
    messages: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def replies(self) -> tuple[str, ...]:
        """Ids of the replies that it was about."""
        named = self.facts.get("replies")
        several = [str(each) for each in named] if isinstance(named, list) else []
        return (*([str(self.facts["reply"])] if self.facts.get("reply") else []), *several)


def passed(raw: bytes | None) -> Passed | None:
    """The stage that an entry of a trace is; None when there is none, or none that can be read."""
    try:
        value = json.loads(raw or b"")
        facts = {name: each for name, each in value.items() if name not in _NO_FACTS}
        messages = tuple(str(each) for each in value.get("messages") or ())
        return Passed(str(value["stage"]), from_ms(int(value["at"])), messages, facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class TraceStore:
    """Reads traces. Writing happens inside the scripts of the gate, the worker and the sender, with the step that is written down."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_contact(self, contact: ContactId) -> list[Passed]:
        """What a contact's messages passed, oldest first: the newest 400 stages of 7 days. What cannot be read is left out."""
        found = []
        for raw in await self._store.call(self._store.client.lrange(keys.trace(contact), 0, -1)):
            stage = passed(raw)
            if stage is not None:
                found.append(stage)
        return sorted(found, key=lambda each: each.at)

    async def of_reply(self, reference: str, contacts: Sequence[ContactId]) -> list[Passed]:
        """What the replies of `contacts` whose ids begin with `reference` passed, oldest first. A round trip for each 50 contacts."""
        needle = json.dumps(reference)[:-1].encode()  # an id stands behind its quotation mark
        found: list[Passed] = []
        for start in range(0, len(contacts), _FEW):
            pipe = self._store.client.pipeline(transaction=False)
            for contact in contacts[start : start + _FEW]:
                pipe.lrange(keys.trace(contact), 0, -1)
            for lines in (await self._store.look(pipe))[0]:
                stages = [passed(raw) for raw in lines or () if needle in raw]
                found += [each for each in stages if each is not None and any(name.startswith(reference) for name in each.replies)]
        return sorted(found, key=lambda each: each.at)

    async def whose(self, message: str, contacts: Sequence[ContactId]) -> list[ContactId]:
        """Which of `contacts` a message with this id was said to or by, as far as the gate remembers."""
        found: list[ContactId] = []
        for start in range(0, len(contacts), _TRACE_PAGE):
            page = contacts[start : start + _TRACE_PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zscore(keys.seen(contact), message)
            answers, _ = await self._store.look(pipe)
            found += [ContactId(contact) for contact, seen in zip(page, answers, strict=True) if seen is not None]
        return found

    async def waiting(self, contact: ContactId, message: str) -> str | None:
        """Why the message still waits in the inbox: `queued`, or the cause it was put off for; None when it does not wait."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.lrange(keys.inbox(contact), 0, -1)
        pipe.hget(keys.mailbox(contact), "waiting")
        mail, waiting = await self._store.call(pipe.execute())
        needle = json.dumps(message).encode()
        if not any(b'"messageId":' + needle in raw for raw in mail):
            return None
        return waiting.decode() if waiting else "queued"


R = TypeVar("R", bound=Record)

_CONVERSATION_PAGE = 500
_RANKED_PAGE = 250
"""Histories whose newest turn one script tells: some 0.3 ms of the server's time."""
_MOST_MAIL = 200
_MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class ConversationState:
    """How the conversation with one contact stands."""

    newest: Turn | None
    at_ms: int
    """When the newest turn was said; 0 when nothing was."""
    last: Passed | None
    """The stage that was written down last."""
    queued: int
    """Messages in the inbox."""
    waiting: str
    """Why they wait: empty when nothing put them off."""
    is_begun: bool
    """True while a worker is at them."""
    unsent: int
    """Messages of the clone's that are on their way."""


@dataclass(frozen=True, slots=True)
class ConversationDetail:
    """Everything that is known of one conversation."""

    turns: list[Turn]
    stages: list[Passed]
    mail: list[Mail]
    waiting: str
    is_begun: bool
    unsent: list[OutboxRow]
    standing: RelationshipState


class ConversationStates:
    """Reads how conversations stand, in pipelines of bounded length: whatever waits, is held or is on its way."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def newest_ms(self, contacts: Sequence[ContactId]) -> dict[str, int]:
        """Contact -> when its newest turn was said (Unix ms), for those to or by whom anything was."""
        moments: dict[str, int] = {}
        for start in range(0, len(contacts), _RANKED_PAGE):
            page = contacts[start : start + _RANKED_PAGE]
            answers: list[bytes] = await self._store.run("newest", histories=[keys.history(contact) for contact in page])
            moments.update((contact, int(float(at))) for contact, at in zip(page, answers, strict=True) if at)
        return moments

    async def of(self, contacts: Sequence[ContactId]) -> dict[str, ConversationState]:
        """How each of these few contacts' conversations stands."""
        states: dict[str, ConversationState] = {}
        for start in range(0, len(contacts), _CONVERSATION_PAGE):
            page = contacts[start : start + _CONVERSATION_PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zrevrange(keys.history(contact), 0, 0, withscores=True)
                pipe.lindex(keys.trace(contact), -1)
                pipe.llen(keys.inbox(contact))
                pipe.hmget(keys.mailbox(contact), "waiting", "lease_owner")
                pipe.llen(keys.outbox(contact))
            answers, _ = await self._store.look(pipe)  # of a broken record nothing is known; the others' are shown
            for at, contact in enumerate(page):
                newest, stage, queued, box, unsent = answers[5 * at : 5 * at + 5]
                waiting, worker = box or (None, None)
                states[contact] = ConversationState(
                    newest=_decoded(Turn, newest[0][0], keys.history(contact)) if newest else None,
                    at_ms=int(newest[0][1]) if newest else 0,
                    last=passed(stage),
                    queued=queued or 0,
                    waiting=_words(waiting),
                    is_begun=bool(worker),
                    unsent=unsent or 0,
                )
        return states

    async def expires_s(self, contact: ContactId) -> int:
        """After how many seconds the contact's chat forgets what is said in it, as its newest message told; 0: never."""
        turns = await HistoryStore(self._store).said(contact)
        last = next((turn for turn in reversed(turns) if turn.type == "incoming"), None)
        if last is None or last.expires_at is None:
            return 0
        return max(0, int((last.expires_at - last.timestamp).total_seconds()))

    async def detail(self, contact: ContactId) -> ConversationDetail:
        """Everything of one contact. What cannot be read is left out."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.lrange(keys.inbox(contact), 0, _MOST_MAIL - 1)
        pipe.hmget(keys.mailbox(contact), "waiting", "lease_owner")
        pipe.lrange(keys.outbox(contact), 0, _MOST_ROWS - 1)
        mail, (waiting, worker), rows = await self._store.call(pipe.execute())
        unsent = [row for raw in rows if (row := _decoded(OutboxRow, raw, keys.outbox(contact)))]
        return ConversationDetail(
            turns=await HistoryStore(self._store).said(contact),
            stages=await TraceStore(self._store).of_contact(contact),
            mail=[each for raw in mail if (each := _decoded(Mail, raw, keys.inbox(contact)))],
            waiting=_words(waiting),
            is_begun=bool(worker),
            unsent=[row for row in unsent if row.kind in {"reply", "own"}],
            standing=await RelationshipStore(self._store).of(contact),
        )


def _decoded(kind: type[R], raw: bytes, key: str) -> R | None:
    try:
        return kind.decode(raw, key)
    except DataError:
        return None


def _words(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
