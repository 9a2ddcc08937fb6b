"""What the predecessor wrote, and what it is here. Pure: bytes of its keys become values of ours, or the reason why not."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, time
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from secondme.core.clock import from_ms, rfc3339
from secondme.core.ids import message_id
from secondme.core.text import clip_utf8, safe_name, safe_text

_PERSON = re.compile(rb"([1-9][0-9]{4,19})@c\.us|[a-z][a-z0-9_]{1,31}:[A-Za-z0-9~._+:-]{1,95}")
"""WhatsApp's people are digits and `@c.us` (`0@c.us` is WhatsApp itself); on every other channel an id begins with the channel."""
_NO_PERSON = {
    b"@g.us": "group",
    b"@broadcast": "broadcast",
    b"@newsletter": "newsletter",
    b"@lid": "alias",
    b"@s.whatsapp.net": "alias",
}
_SHOWN = 128


def person(name: bytes) -> tuple[str, str] | None:
    """The contact that `name` is, and its number: the digits of a WhatsApp id, else the id. None when it is no contact."""
    found = _PERSON.fullmatch(name)
    if found is None:
        return None
    contact = name.decode("ascii")
    return contact, found[1].decode("ascii") if found[1] else contact


def refusal(name: bytes) -> str:
    """Why `name` is no contact: group, broadcast, newsletter, alias, malformed.

    An alias is a person's other name. It is not turned into the first one: nothing here can prove that it is theirs.
    """
    return next((reason for ending, reason in _NO_PERSON.items() if name.endswith(ending)), "malformed")


def shown(name: bytes) -> str:
    """`name` for a report: its first 128 bytes, what is no text written out as numbers."""
    return name[:_SHOWN].decode("utf-8", "backslashreplace")


LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, where datetime ends."""
_SAMPLES = 100
_PAIRS = 200
_DECIMAL = re.compile(rb"-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,3})?")


def parse(raw: bytes) -> Any:  # whatever JSON holds
    """`raw` as JSON, without the numbers that JSON does not know."""

    def refuse(_: str) -> None:
        raise ValueError("not a number of JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def object_of(raw: bytes) -> dict[str, Any]:
    """`raw` as a JSON object."""
    found = parse(raw)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  every fault of a value is one kind here
    return found


def text_of(value: Any) -> str:
    """`value`, which is text."""
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004  as above
    return value


def some_text(value: Any) -> str:
    """`value`, which is text and not empty."""
    if not text_of(value):
        raise ValueError("empty")
    return str(value)


def number_of(value: Any) -> int | float:
    """`value`, which is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST_MS:
        raise ValueError("not a number")
    return value


def count_of(value: Any) -> int:
    """`value` as a whole number, zero or more."""
    found = number_of(value)
    if found < 0 or found != int(found):
        raise ValueError("not a count")
    return int(found)


def ms_of(value: Any) -> int:
    """`value` as a moment in Unix milliseconds."""
    return count_of(value)


def decimal_of(raw: bytes) -> str:
    """`raw` as the decimal number it is, in the digits it has."""
    if not _DECIMAL.fullmatch(raw):
        raise ValueError("not a decimal number")
    return raw.decode("ascii")


def samples_of(value: Any) -> list[int | float]:
    """`value` as a list of numbers: the newest 100."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004  as above
    return [number_of(each) for each in value[-_SAMPLES:]]


def pairs_of(value: Any) -> list[list[Any]]:
    """`value` as at most 200 pairs of a word, made safe to show, and its count."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004  as above
    kept = []
    for pair in value[:_PAIRS]:
        if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004  a word and its count
            raise ValueError("not a pair")
        kept.append([safe_name(text_of(pair[0])), count_of(pair[1])])
    return kept


VALUE_BYTES = 1_048_576
"""Nothing the predecessor wrote into one value is larger; what is, is not read."""
_CONTENT_BYTES = 65_536
_WORD = 64
_LATEST_OFFSET, _EARLIEST_OFFSET = 14, -12
_ROLES = {"incoming": "user", "outgoing": "assistant", "fromMe": "assistant"}
_PAUSES = {"manual", "fromMe", "rate_limit", "legacy"}
_TYPES = ("colleague", "client", "manager", "friend", "acquaintance", "family", "romantic_partner")
_COUNTERS = frozenset(
    [
        "classification",
        "response",
        "cache_read",
        "cache_write",
        "total_messages",
        "messages_received",
        "messages_sent",
        "classification_tokens",
        "response_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "total_latency",
    ]
)
"""What its workers wrote and, under other names, its dashboard read: both are kept."""
_PUNCTUATION = ("ellipsisCount", "exclamationCount", "questionCount", "periodEndCount")


@dataclass(frozen=True, slots=True)
class Left:
    """A value that stays where it is: `skipped` on purpose, else refused because it cannot be used."""

    reason: str
    skipped: bool = False


MALFORMED = Left("malformed")
TOO_LARGE = Left("too_large")


@dataclass(frozen=True, slots=True)
class OldTurn:
    """One message of a conversation, in the form of a Turn."""

    id: str
    member: str
    score: str
    is_ours: bool
    """True for what the owner or the clone said."""
    timestamp: int


@dataclass(frozen=True, slots=True)
class OldMail:
    """A message that waited for the morning. `queued_ms` is when it was put off, Unix."""

    contact_id: str
    message_id: str
    content: str
    queued_ms: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """Its sleep hours. `timezone` is None when no IANA name stands for its fixed offset."""

    enabled: bool
    start: time
    end: time
    timezone: str | None

    def toml(self) -> list[str]:
        """The lines of config.toml that say the same."""
        lines = ["[sleep]", f"enabled = {str(self.enabled).lower()}", f'start = "{self.start:%H:%M}"', f'end = "{self.end:%H:%M}"']
        return lines if self.timezone is None else [*lines, f'timezone = "{self.timezone}"']


def turn(raw: bytes, score: float) -> OldTurn | Left:
    """A member of `HISTORY:{contact}`. Its role follows from its type; a media message without words is skipped."""
    if len(raw) > VALUE_BYTES:
        return TOO_LARGE
    try:
        found = object_of(raw)
        kind, content, at = text_of(found["type"]), text_of(found["content"]), ms_of(found["timestamp"])
        role, identity = _ROLES[kind], message_id(some_text(found["id"]))
        if not 0 <= score <= LATEST_MS:
            return MALFORMED
    except (ValueError, KeyError):
        return MALFORMED
    if not content.strip():
        return Left("empty_content", skipped=True)
    words = quoted(clip_utf8(content, _CONTENT_BYTES))
    member = f'{{"id":{quoted(identity)},"role":"{role}","content":{words},"timestamp":{at},"type":"{kind}"}}'
    return OldTurn(identity, member, f"{score:.17g}", kind != "incoming", at)


def pause(raw: bytes, until_ms: int | None) -> str | Left:
    """`PAUSE:{contact}`, JSON or the bare number of older versions, as a Pause that ends at `until_ms`."""
    try:
        if raw.isdigit():
            at, reason = ms_of(int(raw)), "legacy"
        else:
            found = object_of(raw)
            at, reason = ms_of(found["pausedAt"]), text_of(found["reason"])
    except (ValueError, KeyError):
        return MALFORMED
    if reason not in _PAUSES:
        return MALFORMED
    end = "" if until_ms is None else f',"until":{until_ms}'
    return f'{{"pausedAt":{at},"reason":"{reason}"{end}}}'


def number(raw: bytes) -> str | Left:
    """A moment as decimal text: `PAUSE:ALL`, `CONTACTS:lastUpdated`."""
    try:
        return str(ms_of(int(raw))) if raw.isdigit() else MALFORMED
    except ValueError:
        return MALFORMED


def people(raw: bytes) -> list[dict[str, str]] | Left:
    """`CONTACTS:list`: who has an id, a name and a number, each safe to show. What is not in that form is left out."""
    try:
        rows = parse(raw)
    except ValueError:
        return MALFORMED
    if not isinstance(rows, list):
        return MALFORMED
    found = []
    for row in rows:
        identity, name, phone = (
            (row.get(field) for field in ("id", "name", "phoneNumber")) if isinstance(row, dict) else (None,) * 3
        )
        if isinstance(identity, str):
            shown = safe_name(name) if isinstance(name, str) else ""
            number_ = safe_name(phone) if isinstance(phone, str) else ""
            found.append({"id": identity, "name": shown, "phoneNumber": number_})
    return found


def address_book(rows: list[dict[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """The people among `rows` as JSON, and each row's id for a report with the reason why it was left out, or nothing."""
    kept, verdicts = [], []
    for row in rows:
        name = row["id"].encode("utf-8", "replace")
        is_person = person(name) is not None
        verdicts.append((shown(name), "" if is_person else refusal(name)))
        if is_person:
            kept.append(row)
    return json.dumps(kept, separators=(",", ":")), verdicts


def style(raw: bytes) -> str | Left:
    """`STYLE:data:{contact}`: the newest 100 samples of each kind, its counts, and its greetings and sign-offs."""
    try:
        found = object_of(raw)
        kept: dict[str, Any] = {name: samples_of(found[name]) for name in ("messageLengths", "emojiCounts", "formalityScores")}
        marks = found["punctuationData"]
        if not isinstance(marks, dict):
            return MALFORMED
        kept["punctuationData"] = {name: count_of(marks[name]) for name in _PUNCTUATION}
        kept |= {name: pairs_of(found[name]) for name in ("greetings", "signOffs")}
        kept |= {"sampleCount": count_of(found["sampleCount"]), "lastUpdated": ms_of(found["lastUpdated"])}
    except (ValueError, KeyError):
        return MALFORMED
    return json.dumps(kept, separators=(",", ":"))


def relationship(fields: dict[bytes, bytes]) -> list[str] | Left:
    """`RELATIONSHIP:scores:{contact}` as fields and values in turn."""
    kept: list[str] = []
    try:
        for name in (*_TYPES, "currentConfidence", "signalCount", "lastUpdated"):
            raw = fields.get(name.encode())
            if raw is not None:
                kept += (name, decimal_of(raw))
        current = fields.get(b"currentType")
        if current is not None:
            if current.decode("ascii", "replace") not in _TYPES:
                return MALFORMED
            kept += ("currentType", current.decode("ascii"))
    except ValueError:
        return MALFORMED
    return kept or MALFORMED


def token_stats(day: str, fields: dict[bytes, bytes]) -> list[str] | Left:
    """`STATS:tokens:{day}` as fields and values in turn, whichever of its two sets of names they have."""
    kept: list[str] = []
    try:
        date.fromisoformat(day)
        for name in sorted(_COUNTERS):
            raw = fields.get(name.encode())
            if raw is not None:
                kept += (name, decimal_of(raw))
    except ValueError:
        return MALFORMED
    return kept or MALFORMED


def usage(raw: bytes) -> tuple[str, str] | Left:
    """A member of `LOGS:token_usage`: whose it is, and its JSON."""
    if len(raw) > VALUE_BYTES:
        return TOO_LARGE
    try:
        found = object_of(raw)
        contact = some_text(found["contactId"])
        kept: dict[str, Any] = {"messageId": message_id(some_text(found["messageId"])), "contactId": contact}
        kept["classification"] = safe_text(text_of(found["classification"]))[:_WORD]
        for name in ("classificationTokens", "responseTokens", "cacheReadTokens", "cacheWriteTokens", "totalLatencyMs"):
            kept[name] = count_of(found[name])
        kept["timestamp"] = ms_of(found["timestamp"])
    except (ValueError, KeyError):
        return MALFORMED
    return contact, json.dumps(kept, separators=(",", ":"))


def deferred(raw: bytes) -> OldMail | Left:
    """A member of `DEFERRED:messages`."""
    if len(raw) > VALUE_BYTES:
        return TOO_LARGE
    try:
        found = object_of(raw)
        identity, content = message_id(some_text(found["messageId"])), clip_utf8(text_of(found["content"]), _CONTENT_BYTES)
        mail = OldMail(some_text(found["contactId"]), identity, content, ms_of(found["queuedAt"]))
    except (ValueError, KeyError):
        return MALFORMED
    return mail if mail.content.strip() else Left("empty_content", skipped=True)


def sleep_hours(raw: bytes) -> Sleep | Left:
    """`CONFIG:sleep_hours`. A whole offset has a name in `Etc/`, whose sign is the other way round; half hours have none."""
    try:
        found = object_of(raw)
        enabled, offset = found["enabled"], found["timezoneOffset"]
        start, end = (time(count_of(found[f"{edge}Hour"]), count_of(found[f"{edge}Minute"])) for edge in ("start", "end"))
    except (ValueError, KeyError, TypeError, OverflowError):
        return MALFORMED
    if not isinstance(enabled, bool) or isinstance(offset, bool) or not isinstance(offset, int | float):
        return MALFORMED
    if not _EARLIEST_OFFSET <= offset <= _LATEST_OFFSET:
        return MALFORMED
    zone = None if offset != int(offset) else "Etc/UTC" if offset == 0 else f"Etc/GMT{-int(offset):+d}"
    return Sleep(enabled, start, end, zone)


def session(raw: bytes) -> dict[str, Any] | Left:  # JSON values
    """`SESSION:whatsapp:info`, times in RFC 3339 UTC. For the report only: a linked device cannot be moved."""
    try:
        found = object_of(raw)
        told: dict[str, Any] = {
            name: rfc3339(from_ms(ms_of(found[name]))) for name in ("createdAt", "lastVerifiedAt", "estimatedExpiryAt")
        }
        return told | {"state": safe_name(text_of(found["state"])), "needsRefresh": found["needsRefresh"] is True}
    except (ValueError, KeyError):
        return MALFORMED
