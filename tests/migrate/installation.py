"""An installation of the TypeScript SecondMe, key by key, in the formats its services write (January 2026)."""

import json
from typing import Any

from migrate.world import turn
from redis import Redis

ANNA, BEN, CARL = "4915111111111@c.us", "4915122222222@c.us", "4915133333333@c.us"
GROUP = "120363041234567890@g.us"
DAY_MS = 86_400_000


def compact(value: Any) -> str:
    """JSON as JSON.stringify writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def usage(contact: str, at: int, number: int = 1) -> str:
    """A member of LOGS:token_usage."""
    counts = {"classificationTokens": 12, "responseTokens": 345, "cacheReadTokens": 0, "cacheWriteTokens": 6}
    return compact(
        {
            "messageId": f"false_{contact}_{number}",
            "contactId": contact,
            "classification": "substantive",
            **counts,
            "totalLatencyMs": 2345,
            "timestamp": at,
        }
    )


def waiting(contact: str, message: str, content: str, queued: int) -> str:
    """A member of DEFERRED:messages."""
    return compact({"contactId": contact, "messageId": message, "content": content, "queuedAt": queued, "processAfter": queued + 9})


STYLE = {
    "messageLengths": [12, 30],
    "emojiCounts": [0, 1],
    "formalityScores": [0.5, 0.35],
    "punctuationData": {"ellipsisCount": 1, "exclamationCount": 2, "questionCount": 3, "periodEndCount": 4},
    "greetings": [["hey", 2]],
    "signOffs": [],
    "sampleCount": 2,
    "lastUpdated": 1_790_000_000_000,
}
SCORES = {"friend": "2.3499999999999996", "acquaintance": "0.5", "family": "0", "colleague": "0", "client": "0", "manager": "0"}
SCORES |= {"romantic_partner": "0", "currentType": "friend", "currentConfidence": "0.82", "signalCount": "4"}
SCORES |= {"lastUpdated": "1790000000000"}
WRITTEN = {"classification": "120", "response": "3400", "cache_read": "7", "cache_write": "8", "total_messages": "10"}
SHOWN = {"messages_received": "1", "messages_sent": "2", "classification_tokens": "3", "response_tokens": "4"}
SHOWN |= {"cache_read_tokens": "5", "cache_write_tokens": "6", "total_latency": "7"}
SLEEP = {"enabled": True, "startHour": 23, "startMinute": 30, "endHour": 7, "endMinute": 0, "timezoneOffset": 1}
QUOTED = '3EB0"X\\Y'
"""An id that breaks the predecessor's own search for ids."""


def install(old: Redis, now: int) -> None:
    """Everything of predecessor.md, section 1. `now` is Unix ms."""
    hour = 3_600_000
    said = [
        turn("a1", now - 5 * hour, content="hé 👋"),
        turn("a2", now - 5 * hour + 1, "outgoing", "hello"),
        turn(QUOTED, now - 4 * hour, content='say "x"'),
        turn("media", now - 3 * hour, content=""),
        turn("a3", now - 2 * hour, "fromMe", "me"),
        turn("late", now - hour, content="are you up?"),
    ]
    old.zadd(f"HISTORY:{ANNA}", {member: json.loads(member)["timestamp"] for member in said} | {"{broken": now - 9 * hour})
    old.sadd(f"HISTORY:{ANNA}:ids", *(json.loads(member)["id"] for member in said))
    for key in (f"HISTORY:{ANNA}", f"HISTORY:{ANNA}:ids"):
        old.expire(key, 3 * 86_400)
    old.zadd(f"HISTORY:{BEN}", {turn("b1", now - hour): now - hour})
    old.zadd(f"HISTORY:{CARL}", {turn("c1", now - hour): now - hour})
    old.zadd(f"HISTORY:{GROUP}", {turn("g1", now - hour): now - hour})
    old.zadd("HISTORY:status@broadcast", {turn("s1", now - hour): now - hour})
    old.set("PAUSE:ALL", str(now - hour))
    old.set(f"PAUSE:{ANNA}", compact({"pausedAt": now - hour, "reason": "rate_limit"}))
    old.set(f"PAUSE:{BEN}", str(now - hour), ex=1800)
    old.set(f"PAUSE:{CARL}", compact({"pausedAt": now, "reason": "manual"}))
    old.set(f"COUNTER:{ANNA}:msgs", "3", ex=60)
    old.xadd("QUEUE:messages", {"payload": compact({"messageId": "q", "contactId": ANNA})})
    old.xadd("QUEUE:responses", {"payload": "{}"})
    old.xadd("QUEUE:relationship_signals", {"contactId": ANNA, "type": "friend"})
    old.zadd(
        "DEFERRED:messages",
        {
            waiting(ANNA, "late", "are you up?", now - hour): now + hour,
            waiting(ANNA, "a1", "hé 👋", now - 5 * hour): now + hour,
            waiting(BEN, "old", "long ago", now - 7 * hour): now + hour,
            waiting(CARL, "c1", "hi", now - hour): now + hour,
        },
    )
    _install_the_rest(old, now)


def _install_the_rest(old: Redis, now: int) -> None:
    hour = 3_600_000
    old.set("CONFIG:sleep_hours", compact(SLEEP))
    old.set(f"HTS:lastMessage:{ANNA}", str(now), ex=3600)
    old.set("CACHE:persona:p1", "{}", ex=1800)
    old.set("CACHE:persona:relationship:friend", "{}", ex=1800)
    old.set(f"CACHE:style:{ANNA}", "{}", ex=1800)
    old.set(f"STYLE:data:{ANNA}", compact(STYLE), ex=604_000)
    old.set(f"STYLE:data:{CARL}", compact(STYLE))
    old.set(f"STYLE:pending:{ANNA}", "3")
    old.hset(f"RELATIONSHIP:scores:{ANNA}", mapping=SCORES)
    old.expire(f"RELATIONSHIP:scores:{ANNA}", 80 * 86_400)
    old.set(f"RELATIONSHIP:manual_override:{ANNA}", "1")
    people = [
        {"id": ANNA, "name": "Anna \u202eÖ\x1b[31m", "phoneNumber": "4915111111111"},
        {"id": BEN, "name": "Ben", "phoneNumber": ""},
    ]
    old.set("CONTACTS:list", compact([*people, {"id": GROUP, "name": "All", "phoneNumber": ""}]))
    old.set("CONTACTS:lastUpdated", str(now - hour))
    times = {"createdAt": 1_790_000_000_000, "lastVerifiedAt": 1_790_000_060_000, "estimatedExpiryAt": 1_791_209_600_000}
    old.set("SESSION:whatsapp:info", compact({**times, "state": "CONNECTED", "needsRefresh": False}))
    old.zadd("LOGS:token_usage", {usage(ANNA, now - hour): now - hour, usage(CARL, now - hour): now - hour, "{}": now - 1})
    old.zadd("LOGS:messages", {usage(ANNA, now): now})
    today, before = "2026-11-22", "2026-11-21"
    old.hset(f"STATS:tokens:{today}", mapping=WRITTEN | SHOWN)
    old.hset(f"STATS:tokens:{before}", mapping=WRITTEN)
    old.expire(f"STATS:tokens:{before}", 86_400)
    old.set("EMB:msg:0123456789abcdef", "[0.1,0.2]", ex=300)


def fate(taken: int = 0, already: int = 0, skipped: dict[str, int] | None = None, refused: dict[str, int] | None = None) -> Any:
    """What a report says about one kind."""
    return {"taken": taken, "already": already, "skipped": skipped or {}, "refused": refused or {}}


EXPECTED = {
    "histories": fate(2, refused={"not_approved": 1, "group": 1, "broadcast": 1}),
    "turns": fate(6, skipped={"empty_content": 1}, refused={"malformed": 1}),
    "pauses": fate(2, refused={"not_approved": 1}),
    "everybody_paused": fate(1),
    "contacts": fate(2, refused={"group": 1}),
    "styles": fate(1, refused={"not_approved": 1}),
    "relationships": fate(1),
    "relationship_overrides": fate(1),
    "token_usage": fate(1, refused={"not_approved": 1, "malformed": 1}),
    "token_stats": fate(2),
    "deferred": fate(1, skipped={"answered": 1, "stale": 1}, refused={"not_approved": 1}),
    "sleep_hours": fate(1),
    "session": fate(skipped={"cannot_be_moved": 1}),
    "other_keys": fate(skipped={"volatile": 9, "not_needed": 2}),
}
"""The report on `install` when Anna and Ben are let in and Carl is not."""
