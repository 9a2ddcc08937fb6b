"""The calendar. The gateway fetches it and decides who sees what; it runs `expand` to read what the calendar's server or file says."""

import re
from datetime import date, datetime, time, timedelta
from xml.etree import ElementTree as ET

SOURCE = "calendar"
MOST = 300
BEGINS, ENDS = 8, 22
"""Hours between which a person is asked for."""
DAV_DATA = "{urn:ietf:params:xml:ns:caldav}calendar-data"


def agenda(given, ask):
    found = _asked(ask, *_span(given, ask, 1))
    data = found["busy"] if found["events"] is None else found["events"]
    text = "\n".join(f"{_told(each)} {each.get('title') or 'busy'}" for each in data)
    return {"text": text or "Nothing.", "data": data, "as_of": ask.now.isoformat(), "source": SOURCE}


def free(given, ask):
    begin, end = _span(given, ask, 3)
    least = timedelta(minutes=given.get("minutes", 60))
    busy = [
        (datetime.fromisoformat(each["start"]), datetime.fromisoformat(each["end"])) for each in _asked(ask, begin, end)["busy"]
    ]
    gaps, day = [], begin.date()
    while day < end.date():
        at = max(datetime.combine(day, time(BEGINS), ask.now.tzinfo), ask.now)
        last = datetime.combine(day, time(ENDS), ask.now.tzinfo)
        for start, stop in [*busy, (last, last)]:
            until = min(start, last)
            if _apart(at, until) >= least:
                gaps.append({"start": _iso(at, ask), "end": _iso(until, ask)})
            at = max(at, stop)
        day += timedelta(days=1)
    text = "\n".join(_told(each) for each in gaps) or "No gap is that long."
    return {"text": text, "data": gaps, "as_of": ask.now.isoformat(), "source": SOURCE}


def propose(given, ask):
    try:
        start = datetime.fromisoformat(given["start"]).replace(tzinfo=ask.now.tzinfo)
    except ValueError:
        raise SkillError("bad_time", "A time looks like 2026-12-01T15:00.") from None
    end = datetime.fromtimestamp(start.timestamp() + given["minutes"] * 60, ask.now.tzinfo)
    words = {"title": given["title"], "place": given.get("place", "")}
    try:
        done = ask("calendar_add", start=start.isoformat(), end=end.isoformat(), **words)
    except AskError as error:
        raise _failed(error) from None
    return {"text": "It is in the calendar.", "data": done, "as_of": ask.now.isoformat(), "source": SOURCE}


def _span(given, ask, days):
    try:
        first = date.fromisoformat(given["from"]) if given.get("from") else ask.now.date()
        begin = datetime.combine(first, time(), ask.now.tzinfo)
        return begin, datetime.combine(first + timedelta(days=given.get("days", days)), time(), ask.now.tzinfo)
    except (ValueError, OverflowError):
        raise SkillError("bad_time", "A day looks like 2026-12-01.") from None


def _asked(ask, begin, end):
    try:
        return ask("calendar", start=begin.isoformat(), end=end.isoformat())
    except AskError as error:
        raise _failed(error) from None


def _failed(error):
    known = {"not_set_up", "refused", "read_only", "not_allowed"}
    return SkillError(error.code if error.code in known else "failed", f"The calendar cannot be used ({error.code}).")


def _told(each):
    return f"{each['start'][:16].replace('T', ' ')} to {each['end'][:16].replace('T', ' ')}"


def _apart(one, other):
    """Real time: two of one zone would be subtracted by their clocks."""
    return timedelta(seconds=other.timestamp() - one.timestamp())


def _iso(moment, ask):
    return moment.astimezone(ask.now.tzinfo).isoformat(timespec="minutes")


def expand(given, ask):
    """For the gateway: every event between `start` and `end`, the recurring ones at each of their times."""
    import icalendar
    import recurring_ical_events

    text = "".join(ask("text", part=at) for at in range(given["parts"]))
    texts = [each.text or "" for each in ET.fromstring(text).iter(DAV_DATA)] if given["is_dav"] else [text]
    begin, end = (datetime.fromisoformat(given[name]).astimezone(ask.now.tzinfo) for name in ("start", "end"))
    found = []
    for each in texts:
        for calendar in icalendar.Calendar.from_ical(_near(each, begin, end), multiple=True):
            events = recurring_ical_events.of(calendar, skip_bad_series=True).between(begin, end)
            found += [_event(event, ask.now.tzinfo) for event in events if str(event.get("STATUS", "")) != "CANCELLED"]
    return sorted(found, key=lambda each: each["start"])[:MOST]


def _near(text, begin, end):
    """`text` without the events of other times, which may be ten years of them, and which nobody needs to take apart."""
    first, last = (f"{moment + timedelta(days=by):%Y%m%d}" for moment, by in ((begin, -2), (end, 2)))
    head, *others = re.split(r"(?m)^BEGIN:VEVENT", text)
    kept = [head]
    for each in others:
        event, mark, rest = each.partition("END:VEVENT")
        days = [re.search(rf"(?m)^{name}[^:\n]*:(\d{{8}})", event) for name in ("DTSTART", "DTEND")]
        starts = days[0][1] if days[0] else first
        ends = days[1][1] if days[1] else starts
        if (starts <= last and ends >= first) or re.search(r"(?m)^(RRULE|RDATE|RECURRENCE-ID|DURATION)", event):
            kept.append(f"BEGIN:VEVENT{event}{mark}")
        kept.append(rest)
    return "".join(kept)


def _event(event, zone):
    start = event["DTSTART"].dt
    end = event["DTEND"].dt if "DTEND" in event else start
    begins, ends = _moment(start, zone), _moment(end, zone)
    if not isinstance(end, datetime) and ends <= begins:
        ends = _moment(start + timedelta(days=1), zone)
    return {
        "start": begins.isoformat(),
        "end": ends.isoformat(),
        "title": str(event.get("SUMMARY", ""))[:200],
        "place": str(event.get("LOCATION", ""))[:200],
        "is_busy": str(event.get("TRANSP", "")).upper() != "TRANSPARENT",
        "is_private": str(event.get("CLASS", "")).upper() in ("PRIVATE", "CONFIDENTIAL"),
    }


def _moment(value, zone):
    """A day is one of the owner's, and so is a time without a zone (RFC 5545, 3.3.5)."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone)
    return value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)
