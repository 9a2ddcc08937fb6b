"""Pauses, the kill switch, signs of life, and what is waiting: what the owner steers by."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from secondme.core.clock import EPOCH
from secondme.core.errors import DataError
from secondme.core.ids import ContactId
from secondme.core.records import Pause
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from secondme.core.store.client import Store
    from secondme.core.store.clock_store import ClockSetBack

_ALIVE_MS = 60_000
_PAGE = 500
_REPLY = re.compile(rb'"replyId":\s*"([^"]{1,64})"')


@dataclass(frozen=True, slots=True)
class EverybodyPaused:
    """Nobody is answered since `since_ms` (Unix), until `until_ms` or until somebody ends it."""

    since_ms: int
    until_ms: int | None
    killed: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, as counts. `waiting` says why contacts wait: reason -> contacts."""

    contacts: int
    queued: int
    waiting: dict[str, int]
    oldest_ms: int | None
    """When the oldest waiting message was sent, Unix."""
    unsent: int
    """Contacts with a reply on its way."""
    held: int
    """Drafts."""
    dead: int
    unreadable: tuple[str, ...] = ()
    """Keys of the wrong type, whose part of the counts is missing."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the owner last wanted of a channel, and when (Unix ms, the store's clock)."""

    on: bool
    at_ms: int


class ControlStore:
    """Pauses and the state of things. Every change is one script and publishes one event."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def pause(self, contact: ContactId | None, duration: timedelta | None) -> bool:
        """Nobody (None) or one contact is answered from now on, for `duration` or until resumed. Repeatable.

        False when everybody is killed already, which a pause must not weaken.
        """
        return await self._pause(contact, int(duration.total_seconds() * 1000) if duration else 0, kill=False)

    async def kill(self) -> None:
        """The kill switch is on: nobody is answered until `unkill`. Repeatable."""
        await self._pause(None, 0, kill=True)

    async def resume(self, contact: ContactId | None, *, unkill: bool = False) -> Literal["resumed", "not_paused", "killed"]:
        """The pause is over and what waited for it is due. Without `unkill` the kill switch stays. Repeatable."""
        answer: bytes = await self._store.run(
            "resume", (contact or "", "1" if unkill else "0", keys.EVENTS_PAUSE), target=_target(contact)
        )
        await nudge(self._store, Nudge.LATER)
        return answer.decode()  # type: ignore[return-value]  # the script's header lists these three

    async def everybody(self) -> EverybodyPaused | None:
        """Whether nobody is answered, and since when."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.get(keys.PAUSE_ALL)
        pipe.pttl(keys.PAUSE_ALL)
        pipe.exists(keys.KILLED)
        pipe.time()
        since, left, killed, (seconds, micros) = await self._store.call(pipe.execute())
        if since is None:
            return None
        until = seconds * 1000 + micros // 1000 + left if left > 0 else None
        return EverybodyPaused(int(since) if since.isdigit() else 0, until, bool(killed))

    async def may_be_answered(self, contact: ContactId, channel: str) -> bool:
        """True while the contact is approved, and neither it, nor its channel, nor everybody is paused."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.exists(keys.PAUSE_ALL, keys.pause(contact), keys.channel_pause(channel))
        pipe.exists(keys.approved(contact))
        paused, approved = await self._store.call(pipe.execute())
        return not paused and bool(approved)

    async def contact_pause(self, contact: ContactId) -> Pause | None:
        """Why `contact` is paused, if it is. Reads the predecessor's bare numbers too. Raises DataError on garbage."""
        raw = await self._store.call(self._store.client.get(keys.pause(contact)))
        return None if raw is None else _pause(raw, keys.pause(contact))

    async def contact_pauses(self, contacts: Sequence[ContactId]) -> dict[str, Pause]:
        """Which of `contacts` are paused, and why. A pause that cannot be read is one all the same: `legacy`, since 1970."""
        found: dict[str, Pause] = {}
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            values = await self._store.call(self._store.client.mget([keys.pause(contact) for contact in page]))
            for contact, raw in zip(page, values, strict=True):
                if raw is not None:
                    try:
                        found[contact] = _pause(raw, keys.pause(contact))
                    except DataError:
                        found[contact] = Pause(paused_at=EPOCH, reason="legacy")
        return found

    async def missed(self, contact: ContactId | None) -> dict[ContactId, int]:
        """How many messages of a contact, or of everybody (None), came during a pause and got no answer since; the latest first, at most
        1,000 contacts. Three round trips."""
        client = self._store.client
        found = (
            [contact]
            if contact
            else [ContactId(each.decode()) for each in await self._store.call(client.zrevrange(keys.MISSED_INDEX, 0, 999))]
        )
        pipe = client.pipeline(transaction=False)
        for each in found:
            pipe.llen(keys.missed(each))
        counts = await self._store.call(pipe.execute()) if found else []
        paused = await self.contact_pauses(found)
        return {each: count for each, count in zip(found, counts, strict=True) if count and each not in paused}

    async def answer_missed(self, contact: ContactId) -> int:
        """What of a contact came during a pause waits for an answer now; how many messages, 0 for who is not answered. Repeatable."""
        answer = await self._store.run(
            "revive",
            (contact, keys.MAILBOX_TTL_MS, keys.INBOX_CAP),
            contact=contact,
            list=keys.missed(contact),
            index=keys.MISSED_INDEX,
        )
        return int(answer[1]) if answer[0] == b"revived" else 0

    async def replan(self, change: ClockSetBack) -> None:
        """The clock was put back: pauses that began by the wrong clock last as long as they were meant to, and who gave a sign of life then
        gives another one within seconds, or is dead."""
        await self._store.call(self._store.client.delete(keys.GATEWAYS))
        for member in await self._store.call(self._store.client.zrange(keys.PAUSED_INDEX, 0, -1)):
            name = member.decode()
            target = keys.PAUSE_ALL if name == "ALL" else keys.pause(name)
            with contextlib.suppress(DataError):  # a broken pause, which the doctor finds
                await self._store.run("replan_pause", (name, change.by_ms, change.since_ms), target=target)

    # Channels

    async def set_desired_state(self, channel: str, *, on: bool) -> None:
        """The channel shall run, or not; a gateway follows within a second. Set again, the channel is restarted."""
        at = await self.now_ms()
        await self._store.call(self._store.client.hset(keys.CHANNEL_WISHES, channel, json.dumps({"on": on, "at": at})))
        await nudge(self._store, Nudge.CHANNELS)

    async def desired_states(self) -> dict[str, DesiredState]:
        """Channel -> what the owner last wanted of it. What cannot be read is left out."""
        states: dict[str, DesiredState] = {}
        for name, raw in (await self._store.call(self._store.client.hgetall(keys.CHANNEL_WISHES))).items():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                state = json.loads(raw)
                states[name.decode()] = DesiredState(bool(state["on"]), int(state["at"]))
        return states

    async def pause_channel(self, channel: str) -> None:
        """Nobody on the channel is answered until `resume_channel`. Repeatable."""
        at = await self.now_ms()
        await self._store.call(self._store.client.set(keys.channel_pause(channel), at, nx=True))
        await self.publish_status({"type": "channel_paused", "channelId": channel})

    async def resume_channel(self, channel: str) -> bool:
        """The channel's contacts are answered again, and what waited is due. False when it was not paused. Repeatable."""
        lifted = await self._store.call(self._store.client.delete(keys.channel_pause(channel)))
        await self._store.run("hurry")
        await nudge(self._store, Nudge.LATER)
        await self.publish_status({"type": "channel_resumed", "channelId": channel})
        return bool(lifted)

    async def paused_channels(self, channels: Sequence[str]) -> set[str]:
        """Which of `channels` are paused."""
        if not channels:
            return set()
        values = await self._store.call(self._store.client.mget([keys.channel_pause(channel) for channel in channels]))
        return {channel for channel, value in zip(channels, values, strict=True) if value is not None}

    async def take_lease(self, channel: str, holder: str, known: Mapping[str, Any], length_s: float) -> dict[str, Any] | None:
        """None when `holder` serves the channel for the next `length_s` seconds (0: gives it back); else what is known of who does, and
        `leftMs` until that lease ends."""
        answer = await self._store.run(
            "lease", (holder, int(length_s * 1000), json.dumps(dict(known))), lease=keys.channel_lease(channel)
        )
        return None if answer == b"held" else {**json.loads(answer[0]), "leftMs": int(answer[1])}

    async def leases(self, channels: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Who serves which of `channels`, as far as a gateway does. What cannot be read is left out."""
        values = await self._store.call(self._store.client.mget([keys.channel_lease(channel) for channel in channels]))
        found: dict[str, dict[str, Any]] = {}
        for channel, raw in zip(channels, values, strict=True):
            with contextlib.suppress(ValueError, TypeError):
                found[channel] = dict(json.loads(raw))
        return found

    async def publish_status(self, event: dict[str, Any]) -> None:
        """A change of a gateway's or channel's state is told to whoever listens; `event` gets the time."""
        await self._store.publish(keys.EVENTS_STATUS, event)

    async def backlog(self, channels: tuple[str, ...]) -> Backlog:
        """What waits right now. Two round trips; looks at 1,000 contacts at most."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.srandmember(keys.QUEUE_ACTIVE, 1000)
        pipe.zrange(keys.HELD_INDEX, 0, 999)
        pipe.zrange(keys.DEAD_INDEX, 0, 999)
        for channel in channels:
            pipe.zcard(keys.outbox_due(channel))
        (active, held, dead, *unsent), broken = await self._store.look(pipe)
        active, held, dead = active or [], held or [], dead or []
        pipe = client.pipeline(transaction=False)
        for contact in map(bytes.decode, active):
            pipe.llen(keys.inbox(contact))
            pipe.lindex(keys.inbox(contact), 0)
            pipe.hget(keys.mailbox(contact), "waiting")
        for contact in map(bytes.decode, held):
            pipe.lrange(keys.held(contact), 0, -1)
        for contact in map(bytes.decode, dead):
            pipe.llen(keys.dead(contact))
        answers, broken_too = await self._store.look(pipe)
        rows, rest = answers[: 3 * len(active)], answers[3 * len(active) :]
        waiting: dict[str, int] = {}
        for reason in rows[2::3]:
            if reason:
                waiting[reason.decode()] = waiting.get(reason.decode(), 0) + 1
        sent = [moment for raw in rows[1::3] if raw and (moment := _timestamp(raw))]
        return Backlog(
            contacts=len(active),
            queued=sum(count or 0 for count in rows[0::3]),
            waiting=waiting,
            oldest_ms=min(sent, default=None),
            unsent=sum(count or 0 for count in unsent),
            held=sum(_replies(items or []) for items in rest[: len(held)]),
            dead=sum(count or 0 for count in rest[len(held) :]),
            unreadable=tuple(dict.fromkeys([*broken, *broken_too])),
        )

    async def beat(self, instance: str, facts: dict[str, Any]) -> None:
        """`instance` is alive; signs older than a minute are gone. `facts` are JSON values without secrets or names."""
        client = self._store.client
        now = await self.now_ms()
        pipe = client.pipeline(transaction=False)
        pipe.hset(keys.GATEWAYS, instance, json.dumps({**facts, "at": now}))
        pipe.expire(keys.GATEWAYS, _ALIVE_MS // 1000)
        stale = [name for name, _ in await self._signs(now, alive=False) if name != instance]
        if stale:
            pipe.hdel(keys.GATEWAYS, *stale)
        await self._store.call(pipe.execute())

    async def farewell(self, instance: str) -> None:
        """`instance` has stopped."""
        await self._store.call(self._store.client.hdel(keys.GATEWAYS, instance))

    async def alive(self, within_ms: int = 15_000) -> list[dict[str, Any]]:
        """The gateways and workers that gave a sign of life within `within_ms`."""
        now = await self.now_ms()
        return [facts for _, facts in await self._signs(now, alive=True) if now - facts["at"] <= within_ms]

    async def now_ms(self) -> int:
        """The store's own time, Unix ms: the clock by which deadlines are judged."""
        seconds, micros = await self._store.call(self._store.client.time())
        return int(seconds) * 1000 + int(micros) // 1000

    async def _signs(self, now: int, *, alive: bool) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name, raw in (await self._store.call(self._store.client.hgetall(keys.GATEWAYS))).items():
            try:
                facts = json.loads(raw)
                is_alive = now - int(facts["at"]) <= _ALIVE_MS
            except (ValueError, KeyError, TypeError):
                facts, is_alive = {}, False
            if is_alive == alive:
                found.append((name.decode(), facts))
        return found

    async def _pause(self, contact: ContactId | None, duration_ms: int, *, kill: bool) -> bool:
        if duration_ms < 0:
            raise DataError("bad_duration", "A pause must last longer than nothing.")
        answer: bytes = await self._store.run(
            "pause", (contact or "", duration_ms, "1" if kill else "0", keys.EVENTS_PAUSE), target=_target(contact)
        )
        return answer != b"killed"


def _target(contact: ContactId | None) -> str:
    return keys.pause(contact) if contact else keys.PAUSE_ALL


def _pause(raw: bytes, key: str) -> Pause:
    if raw.isdigit():
        raw = b'{"pausedAt":%d,"reason":"legacy"}' % int(raw)
    return Pause.decode(raw, key)


def _replies(items: list[bytes]) -> int:
    """How many drafts these held rows are: a reply of several messages is one."""
    return len({found[1] if (found := _REPLY.search(item)) else item for item in items})


def _timestamp(raw: bytes) -> int | None:
    try:
        return int(json.loads(raw)["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
