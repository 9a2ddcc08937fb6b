"""A home on a Sunday afternoon, for pictures: invented people who ask, talk and wait, and what the clone did for them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.store_clock import StoreClock, moved

from secondme.core.clock import SystemClock, to_ms
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

NOW = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)
ANNA, BEN, MIRA, IDA = "491712003041@c.us", "telegram:55120077", "telegram:61200433", "491602009988@c.us"
JONAS, PRIYA, TOMAS, LEE = "491755501200@c.us", "telegram:70011223", "34600555010@c.us", "telegram:80990123"
ROSA, JUN = "4915155501234@c.us", "telegram:90412288"
PEOPLE = (
    (ANNA, "Anna Keller", "trusted", "Sister. The children are Ida and Tom.", -86_000),
    (BEN, "Ben Ortiz", "restricted", "Workshop. Nothing about money.", -51_000),
    (MIRA, "Mira Sato", "standard", "", -30_300),
    (IDA, "Grandma Ida", "trusted", "Hears badly on the left: short sentences.", -86_000),
    (JONAS, "Jonas Weber", "standard", "", -44_000),
    (PRIYA, "Priya Nair", "standard", "", -12_900),
    (TOMAS, "Tomás Rey", "standard", "Football on Thursdays.", -23_100),
    (LEE, "Lee Chandra", "restricted", "", -4_500),
)
"""Contact, name, tier, note, when approved: minutes."""
SAID = (
    (ANNA, "incoming", "are you coming on Monday?", -1_470, "a1"),
    (ANNA, "outgoing", "yes! what can I bring?", -1_466, "r1"),
    (ANNA, "incoming", "lunch at two, by the canal\nIda has swimming, Tom comes with me", -21, "a2"),
    (ANNA, "outgoing", "two is good, no rush with the parking", -17, "r2"),
    (ANNA, "fromMe", "And bring the kites!", -12, "m1"),
    (ANNA, "incoming", "they ask whether you still have the train set", -6, "a3"),
    (ANNA, "outgoing", "all of it, in the big box under the stairs", -4, "r3"),
    (MIRA, "outgoing", "slow day at work, haha", -40, "r4"),
    (MIRA, "incoming", "you answer fast today", -39, "c1"),
    (MIRA, "incoming", "wait… am I talking to a bot?", -38, "c2"),
    (BEN, "fromMe", "The chairs are ready, come by any day.", -1_600, "m2"),
    (BEN, "incoming", "great, thank you", -1_580, "b0"),
    (BEN, "incoming", "can you send me the invoice for the chairs by tonight?", -13, "b1"),
    (BEN, "incoming", "same address as always", -12, "b2"),
    (JONAS, "fromMe", "The train leaves at 9:14, platform 3.", -64, "m3"),
    (PRIYA, "incoming", "thanks!! you saved my day", -185, "p1"),
    (TOMAS, "incoming", "football on Thursday?", -1_380, "t1"),
    (IDA, "outgoing", "sleep well, talk on Sunday", -3_000, "r5"),
    (LEE, "incoming", "only testing", -4_400, "l1"),
)
DRAFTS = (
    (MIRA, "c2d1e0f1", "disclosure", "disclosure", ["haha no, only tired"], -38, ["c1", "c2"]),
    (BEN, "b2d1e0f2", "tier", "", ["sure, I'll dig it out this evening.", "you'll have it before nine."], -12, ["b1", "b2"]),
)
"""Contact, id, why it is held, its fault, its messages, when, what it answers."""


class SundayClock(SystemClock):
    """It is always that Sunday; waiting is real."""

    def now_ms(self) -> int:
        return to_ms(NOW)


def ms(minutes: float) -> int:
    """So many minutes from that moment on."""
    return to_ms(NOW + timedelta(minutes=minutes))


@contextmanager
def that_day(redis_url: str) -> Iterator[None]:
    """The store's own time is that of the pictures, for scripts and for whoever asks for it: nothing that waits there has run out since."""
    with moved():
        StoreClock(redis_url, to_ms(NOW))
        yield


def furnish(client: Redis) -> None:
    """The store is as it would be then."""
    _people(client)
    _said(client)
    _jobs(client)
    states = {
        "whatsapp": {"state": "connected", "since": ms(-2_900), "received": 22, "sent": 13, "lastReceivedAt": ms(-6)},
        "telegram": {"state": "connected", "since": ms(-2_900), "received": 12, "sent": 8, "lastReceivedAt": ms(-12)},
    }
    gateway = {"part": "all", "host": "home", "pid": 1, "version": "1", "startedAt": ms(-2_901), "at": ms(0), "channels": states}
    client.hset(keys.GATEWAYS, "all-1", json.dumps(gateway))
    client.set(keys.BACKUP_AT, ms(-2_000))
    for back, micros in enumerate((420_000, 612_000, 380_000, 871_000, 505_000, 466_000, 236_000)):
        sums = {"calls": 11 + back, "input": 18_400, "output": 3_210, "cache_read": 131_000, "cache_write": 6_100, "micros": micros}
        client.hset(keys.token_stats(f"{NOW - timedelta(days=back):%Y-%m-%d}"), mapping=sums)
    client.hset(keys.SKILLS_STATE, mapping={"clock": "enabled", "reminders": "enabled", "weather": "enabled"})


def _people(client: Redis) -> None:
    for contact, name, channel, code, asked, ends, line in (
        (ROSA, "Rosa Lindqvist", "whatsapp", "731062", -2.3, 27.7, "Hello, this is Rosa from the choir. Anna gave me your number"),
        (JUN, "Jun Park", "telegram", "204418", -21.8, 8.2, "hi, is the bike still for sale?"),
    ):
        request = {
            "contactId": contact, "phoneNumber": contact.split("@")[0], "displayName": name, "channelId": channel, "code": code,
            "requestedAt": ms(asked), "status": "pending", "expiresAt": ms(ends),
        }  # fmt: skip
        client.set(keys.pending(contact), json.dumps(request))
        client.set(keys.code(code), contact)
        client.zadd(keys.INDEX_PENDING, {contact: ms(ends)})
        client.set(
            keys.first_message(contact), json.dumps({"line": line, "id": code, "at": ms(asked), "normalizedContactId": contact})
        )
    for contact, name, tier, notes, when in PEOPLE:
        record = {
            "contactId": contact, "phoneNumber": contact.split("@")[0], "displayName": name, "approvedAt": ms(when), "approvedBy": "tui",
            "tier": tier, **({"notes": notes} if notes else {}),
        }  # fmt: skip
        client.set(keys.approved(contact), json.dumps(record))
        client.zadd(keys.INDEX_APPROVED, {contact: ms(when)})
    client.set(keys.pause(LEE), json.dumps({"pausedAt": ms(-5), "reason": "manual", "until": ms(55)}))
    denied = {
        "contactId": "telegram:99120001", "phoneNumber": "telegram:99120001", "displayName": "Great Offers", "deniedAt": ms(-90),
        "deniedBy": "tui", "reason": "wants to sell something", "expiresAt": ms(22.5 * 60),
    }  # fmt: skip
    client.set(keys.denied("telegram:99120001"), json.dumps(denied))
    client.zadd(keys.INDEX_DENIED, {"telegram:99120001": ms(22.5 * 60)})


def _said(client: Redis) -> None:
    for contact, kind, text, at, ident in SAID:
        turn = {
            "id": ident,
            "role": "user" if kind == "incoming" else "assistant",
            "content": text,
            "timestamp": ms(at),
            "type": kind,
        }
        client.zadd(keys.history(contact), {json.dumps(turn): ms(at)})
    for contact, reply, reason, fault, texts, at, answers in DRAFTS:
        for place, text in enumerate(texts, 1):
            row = {
                "rowId": f"{reply}-{place}", "replyId": reply, "contactId": contact, "channelId": "telegram", "kind": "reply", "text": text,
                "composedAt": ms(at), "typingFrom": ms(at), "dueAt": ms(at), "fault": fault, "answers": answers,
            }  # fmt: skip
            client.rpush(keys.held(contact), json.dumps({"row": row, "reason": reason, "heldAt": ms(at)}))
        client.zadd(keys.HELD_INDEX, {contact: ms(at)})
        passed = {"stage": "held", "at": ms(at), "messages": answers, "reply": reply, "reason": reason}
        client.rpush(keys.trace(contact), json.dumps(passed))


def _jobs(client: Redis) -> None:
    def put(job: str, name: str, schedule: dict[str, Any], state: dict[str, Any], *lines: dict[str, Any], **more: Any) -> None:
        record = {
            "id": job, "rev": 1, "name": name, "kind": "say", "target": "self", "schedule": {"zone": "UTC", **schedule}, "text": "",
            "graceS": 0, "origin": "cli", "createdAt": ms(-60_000), "editedAt": ms(-60_000), **more,
        }  # fmt: skip
        client.set(keys.job_definition(job), json.dumps(record))
        client.hset(keys.job_state(job), mapping={"rev": 1, "enabled": 1, "cursor": ms(0), **state})
        client.zadd(keys.JOBS_INDEX, {job: ms(-60_000)})
        for line in lines:
            client.rpush(keys.job_log(job), json.dumps(line))

    def ran(hours: float, outcome: str, **more: Any) -> dict[str, Any]:
        at = ms(hours * 60)
        return {"occurrence": at, "at": at, "outcome": outcome, "ms": 12, **more}

    cron = {"kind": "cron"}
    call = cron | {"expr": "0 14 * * 0"}
    put(
        "a3f29c01", "Sunday call", call, {}, ran(-168.1, "sent", platformIds=["3EB0C767D26A"]), ran(-0.08, "draft"),
        kind="write", target=IDA, text="Write to Grandma Ida and ask whether to ring at six.",
    )  # fmt: skip
    put(
        "digest", "Morning digest", cron | {"expr": "30 7 * * *"}, {}, ran(-30.58, "sent"), ran(-6.58, "sent"), kind="digest", origin="ready"
    )  # fmt: skip
    failed = {"enabled": 0, "why": "failed"}
    put(
        "b7710001", "Rent reminder", cron | {"expr": "0 9 1 * *"}, failed, ran(-677, "given_up", why="timeout"), text="Pay the rent"
    )
    put(
        "e0e00001", "Dentist", {"kind": "at", "atMs": ms(20 * 60 + 55), "said": "tomorrow 11:00"}, {}, text="Dentist at noon",
        origin="owner-chat",
    )  # fmt: skip
    put(
        "d00d0001",
        "Gym",
        {"kind": "every", "everyS": 172_800, "anchorMs": ms(-60_000)},
        {"enabled": 0, "why": "paused"},
        text="Go!",
    )
    row = {
        "rowId": "e5e5e5e5-1", "replyId": "e5e5e5e5", "contactId": IDA, "channelId": "whatsapp", "kind": "reply",
        "text": "good afternoon! shall I ring you at six, as always?", "composedAt": ms(-5), "typingFrom": ms(-5), "dueAt": ms(-5),
        "job": "a3f29c01", "occurrence": ms(-5), "category": "write", "basis": "r5",
    }  # fmt: skip
    client.rpush(keys.held(IDA), json.dumps({"row": row, "reason": "proactive", "heldAt": ms(-5)}))
    client.zadd(keys.HELD_INDEX, {IDA: ms(-5)})
