"""The owner's calendar as skills are told of it: fetched here, read sealed, and told by who is served; and events that are put into it.

A contact of the standard tier makes busy times known and nothing else: no title ever is in what a skill is told for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, DataError, NotFoundError, UnavailableError
from secondme.core.files import replacement
from secondme.core.text import safe_text
from secondme.core.tools.asks import error
from secondme.core.tools.owner_files import read_file
from secondme.core.tools.permissions import Audience, permission
from secondme.core.tools.web import WebAnswer, WebClient, WebRefusal, WebRequest, basic, host_and_port

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from secondme.core.ports import Clock
    from secondme.core.tools.asks import AskContext
    from secondme.core.tools.sources import ChosenSettings, Json, SealedRead

_MOST_BYTES = 4 * 1024 * 1024
_LONGEST = timedelta(days=32)
_LONGEST_TITLE = 200
_LINE_BYTES = 75
_END = b"END:VCALENDAR"
_EMPTY = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//secondme//calendar//EN\r\nEND:VCALENDAR\r\n"
_QUERY = """<?xml version="1.0" encoding="utf-8"?>
<c:calendar-query xmlns="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><prop><c:calendar-data/></prop><c:filter>
<c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range start="{start:%Y%m%dT%H%M%SZ}" end="{end:%Y%m%dT%H%M%SZ}"/>
</c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"""
"""RFC 4791, 7.8: what lies within a time; recurring events as a whole."""


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One event at one time. Whatever its words are, somebody else may have written them."""

    start: datetime
    end: datetime
    title: str
    place: str
    is_busy: bool = True
    is_private: bool = False

    def to_dict(self, zone: tzinfo, *, for_owner: bool) -> Json:
        """As a skill is told it; what is private is so for everybody but the owner."""
        is_shown = for_owner or not self.is_private
        told = {"title": self.title if is_shown else "", "place": self.place if is_shown else ""}
        return {**_times(self.start, self.end, zone), **told}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the calendar is: a file, an address that gives one, or a CalDAV collection."""

    file: Path | None = None
    url: str = ""
    is_dav: bool = False
    auth: str = field(default="", repr=False)


class CalendarSource:
    """Answers `calendar` and `calendar_add`."""

    def __init__(
        self,
        web: WebClient,
        settings: ChosenSettings,
        secrets: Callable[[str], Mapping[str, str]],
        read: SealedRead,
        zone: tzinfo,
        clock: Clock,
    ) -> None:
        """`zone`: the owner's, in which times are told."""
        self._web = web
        self._settings = settings
        self._secrets = secrets
        self._read = read
        self._zone = zone
        self._clock = clock

    async def answer(self, asking: AskContext, question: Json) -> Json:
        """`busy`: times without words, merged; `events` for trusted contacts and the owner, else None. Raises SecondmeError."""
        theirs, span = asking.audience, _span(question)
        if not asking.may("calendar:read") or theirs is None:
            return error("not_allowed")
        if span is None:
            return error("bad_ask")
        place = await self._place()
        events = await self._events(place, *span)
        told = None
        if theirs is not Audience.STANDARD:
            told = [each.to_dict(self._zone, for_owner=theirs is Audience.OWNER) for each in events]
        return {"answer": {"busy": _merged(events, *span, self._zone), "events": told}}

    async def add(self, asking: AskContext, question: Json) -> Json:
        """The event is in the calendar, once, however often this is asked. Raises SecondmeError."""
        is_auto = asking.granted.tool.name in asking.granted.grant.auto
        if not asking.may("propose:event") or not (asking.is_for_owner or is_auto):
            return error("not_allowed")
        span, title, where = _span(question), question.get("title"), question.get("place", "")
        texts = [each for each in (title, where) if isinstance(each, str) and len(each) <= _LONGEST_TITLE]
        if span is None or len(texts) != 2 or not texts[0].strip():  # noqa: PLR2004  a title and a place
            return error("bad_ask")
        event = CalendarEvent(*span, title=safe_text(texts[0]), place=safe_text(texts[1]))
        uid, text = _written(event, from_ms(self._clock.now_ms()))
        place = await self._place()
        if place.is_dav:
            return {"answer": {"state": await self._put(place, uid, text)}}
        if place.file is None:
            return error("read_only")
        return {"answer": {"state": await asyncio.to_thread(_append, place.file, uid, text)}}

    async def _place(self) -> _Place:
        settings = await self._settings("calendar")
        source, user = str(settings.get("source") or ""), str(settings.get("user") or "")
        if source.startswith(("/", "~/")):
            return _Place(file=Path(source))
        if not host_and_port(source):
            raise NotFoundError("not_set_up", "It is not said where the calendar is.")
        is_dav = source.endswith("/") or bool(user and not source.endswith(".ics"))
        auth = basic(user, self._secrets("calendar").get("password", "")) if user else ""
        return _Place(url=f"{source.rstrip('/')}/" if is_dav else source, is_dav=is_dav, auth=auth)

    async def _events(self, place: _Place, start: datetime, end: datetime) -> list[CalendarEvent]:
        if place.file is not None:
            text = (await asyncio.to_thread(read_file, place.file, _MOST_BYTES)).decode("utf-8", "replace")
        else:
            answer = await self._ask(place, self._request(place, start, end))
            if answer.is_cut:
                raise DataError("too_long", "The calendar is too long.")
            _refuse_status(answer.status, {207} if place.is_dav else {200})
            text = answer.text
        words = {"start": start.isoformat(), "end": end.isoformat(), "is_dav": place.is_dav}
        found = await self._read("calendar", "expand", text, words)
        try:
            return sorted((_event(each) for each in found), key=lambda each: each.start)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as failed:
            raise DataError("unreadable", "The calendar cannot be read.") from failed

    @staticmethod
    def _request(place: _Place, start: datetime, end: datetime) -> WebRequest:
        if not place.is_dav:
            return WebRequest(place.url, most_bytes=_MOST_BYTES)
        body = _QUERY.format(start=start.astimezone(UTC), end=end.astimezone(UTC))
        headers = {"depth": "1", "content-type": "application/xml; charset=utf-8"}
        return WebRequest(place.url, "REPORT", headers, body, _MOST_BYTES)

    async def _put(self, place: _Place, uid: str, text: bytes) -> str:
        body = _EMPTY.replace(_END, text + _END).decode()
        headers = {"content-type": "text/calendar; charset=utf-8", "if-none-match": "*"}
        answer = await self._ask(place, WebRequest(f"{place.url}{uid}.ics", "PUT", headers, body))
        _refuse_status(answer.status, {200, 201, 204, 412})
        return "known" if answer.status == 412 else "added"  # noqa: PLR2004  HTTP: it is there already

    async def _ask(self, place: _Place, request: WebRequest) -> WebAnswer:
        granted = permission("net:config")
        match await self._web.ask(request, [granted] if granted else [], [host_and_port(place.url)], place.auth):
            case WebRefusal(code):
                raise UnavailableError(code, "The calendar's server cannot be asked.")
            case WebAnswer() as answer:
                return answer


def _refuse_status(status: int, good: set[int]) -> None:
    """Raises UnavailableError for a status that is not one of these."""
    if status not in good:
        raise UnavailableError("refused" if status in {401, 403} else "unreachable", f"The calendar's server answers {status}.")


def _span(question: Json) -> tuple[datetime, datetime] | None:
    try:
        start, end = (datetime.fromisoformat(str(question[name])) for name in ("start", "end"))
        is_good = start.tzinfo is not None and end.tzinfo is not None and timedelta() < end - start <= _LONGEST
        return (start.astimezone(UTC), end.astimezone(UTC)) if is_good else None
    except (KeyError, ValueError, OverflowError):
        return None


def _event(found: Json) -> CalendarEvent:
    start, end = (datetime.fromisoformat(found[name]) for name in ("start", "end"))
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError
    title, place = (safe_text(str(found[name]))[:_LONGEST_TITLE] for name in ("title", "place"))
    return CalendarEvent(start, max(start, end), title, place, found["is_busy"] is not False, found["is_private"] is not False)


def _merged(events: list[CalendarEvent], start: datetime, end: datetime, zone: tzinfo) -> list[Json]:
    """When the owner is busy within the span. What overlaps or touches is one time: how many events there are is not told either."""
    merged: list[tuple[datetime, datetime]] = []
    for each in events:
        begins, ends = max(each.start, start), min(each.end, end)
        if not each.is_busy or begins >= ends:
            continue
        if merged and begins <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], ends)
        else:
            merged.append((begins, ends))
    return [_times(begins, ends, zone) for begins, ends in merged]


def _times(start: datetime, end: datetime, zone: tzinfo) -> Json:
    return {"start": start.astimezone(zone).isoformat(), "end": end.astimezone(zone).isoformat()}


def _written(event: CalendarEvent, now: datetime) -> tuple[str, bytes]:
    """A name that this very event always has, and the event (RFC 5545, 3.6.1)."""
    start, end = (f"{each.astimezone(UTC):%Y%m%dT%H%M%SZ}" for each in (event.start, event.end))
    uid = "secondme-" + hashlib.sha256(f"{start}\n{end}\n{event.title}\n{event.place}".encode()).hexdigest()[:32]
    lines = ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}", f"DTSTART:{start}", f"DTEND:{end}"]
    lines += [f"SUMMARY:{_escaped(event.title)}", *([f"LOCATION:{_escaped(event.place)}"] if event.place else []), "END:VEVENT"]
    return uid, b"".join(_folded(line) for line in lines)


def _escaped(text: str) -> str:
    """As a TEXT value (RFC 5545, 3.3.11)."""
    for plain, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,")):
        text = text.replace(plain, written)
    return " ".join(text.split())


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 bytes that cut no character (RFC 5545, 3.1)."""
    pieces, piece = [], b""
    for character in line:
        raw = character.encode("utf-8", "replace")
        if len(piece) + len(raw) > _LINE_BYTES:
            pieces.append(piece)
            piece = b" "
        piece += raw
    return b"\r\n".join([*pieces, piece]) + b"\r\n"


def _append(path: Path, uid: str, text: bytes) -> str:
    """The event stands in the file, which is written whole or not at all, with the mode it had. Raises NotFoundError, BusyError, DataError,
    UnavailableError."""
    path, before = path.expanduser(), None
    with contextlib.suppress(FileNotFoundError):
        before = path.lstat()
    raw = _EMPTY if before is None else read_file(path, _MOST_BYTES)
    if f"UID:{uid}".encode() in raw:
        return "known"
    at = raw.rfind(_END)
    if at < 0:
        raise DataError("unreadable", "The file is no calendar.")
    try:
        with replacement(path, 0o600 if before is None else stat.S_IMODE(before.st_mode)) as file:
            file.write(raw[:at] + text + raw[at:])
            if before is not None and _facts(path.lstat()) != _facts(before):
                raise BusyError("busy", "The calendar was just changed by another program.")
    except OSError as failed:
        raise UnavailableError("read_only", "The calendar cannot be written.") from failed
    return "added"


def _facts(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_mtime_ns, found.st_size
