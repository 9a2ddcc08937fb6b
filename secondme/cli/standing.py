"""How does one screen say how things stand? A line for each thing that matters, in the reader's own time zone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from secondme.cli.output import Screen

_MOST_PAUSES = 5
"""Paused contacts with a line of their own."""
_NARROWEST = 24
"""Columns of text beside the labels, however narrow the terminal says it is."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing, in words. Without a label it goes on with what stands above it."""

    label: str
    text: str
    style: str = ""


def show(screen: Screen, data: dict[str, Any], now: datetime) -> None:
    """`data` (of `secondme.status/1`) is on the screen."""
    draw(screen, list(lines(data, now)))


def draw(screen: Screen, found: list[Line], most: int | None = None) -> None:
    """The lines, their texts under one another; on a terminal none is wider than it is. Of more than `most` rows the last ones are left
    out. All of it are words of ours, and ids."""
    from secondme.cli.columns import folded

    room = shutil.get_terminal_size().columns if screen.is_terminal else 10_000
    indent = max(len(line.label) for line in found) + 2
    rows = [
        (f"{'' if number else line.label:<{indent}}{row}", line.style)
        for line in found
        for number, row in enumerate(folded(screen.typed(line.text), max(_NARROWEST, room - indent)))
    ]
    for row, style in rows[:most]:
        screen.line(row, style)


def lines(data: dict[str, Any], now: datetime) -> Iterator[Line]:
    """What `data` says, the most important first. Nothing is said about what is as it should be."""
    if not data.get("store", {}).get("canWrite", True):
        yield Line(
            "store",
            "takes nothing new, and no gateway can give a sign of life. See: secondme doctor store persistence memory",
            "bad",
        )
    else:
        yield from _none_runs(data["processes"])
    yield from _processes(data["processes"], now)
    for channel in data["channels"]:
        if channel["state"] != "off" or channel["paused"]:
            words, style = channel_in_words(channel)
            yield Line(channel["id"], words, style)
    yield from _pauses(data, now)
    pairing = data["pairing"]
    yield Line(
        "pairing",
        f"{pairing['pending']} waiting, {pairing['approved']} approved, {pairing['denied']} denied",
        "accent" if pairing["pending"] else "",
    )
    yield from _queue(data["queue"], now)
    messages = data.get("messages")
    if messages and any(messages.values()):
        yield Line("last", f"in {_ago(messages['lastReceivedAt'], now)}, out {_ago(messages['lastSentAt'], now)}")
    cost = data.get("cost")
    if cost:
        spent, cap = cost["todayUsd"], cost["capUsd"]
        yield Line("cost", f"${spent:.2f} of ${cap:.2f} today", "bad" if spent >= cap else "")


def show_channel(screen: Screen, channel: dict[str, Any], *, width: int = 8) -> None:
    """One channel in one line: its state, why, and what passed through it."""
    words, style = channel_in_words(channel)
    screen.line(f"{channel['id']:<{width}} {words}", style)


def channel_in_words(channel: dict[str, Any]) -> tuple[str, str]:
    """A channel's state, why, and what passed through it; and how that is coloured."""
    state, code = channel["state"].replace("_", " "), channel["code"]
    words = f"{'paused, ' if channel['paused'] else ''}{state}{f' ({code})' if code else ''}"
    if channel["received"] or channel["sent"]:
        words += f", {channel['received']} in, {channel['sent']} out"
    if channel["failed"]:
        words += f", {channel['failed']} failed"
    if channel["state"] == "needs_owner":
        return words, "bad"
    return words, "warn" if channel["paused"] or state != "connected" else "good"


def _none_runs(processes: list[dict[str, Any]]) -> Iterator[Line]:
    if not any(process["part"] in {"all", "gateway"} for process in processes):
        yield Line("gateway", "not running. Start it: secondme serve", "warn")


def _processes(processes: list[dict[str, Any]], now: datetime) -> Iterator[Line]:
    for process in processes:
        label = "gateway" if process["part"] in {"all", "gateway"} else "worker"
        yield Line(label, f"running since {local_time(process['startedAt'], now)} (pid {process['pid']})", "good")


def _pauses(data: dict[str, Any], now: datetime) -> Iterator[Line]:
    label, paused = "paused", data["paused"]
    if paused is not None:
        what = "nobody is answered: the kill switch is on. Lift it: secondme kill --off"
        if not paused["killed"]:
            what = f"everybody, {_until(paused['until'], now)}"
        yield Line(label, what, "bad" if paused["killed"] else "warn")
        label = ""
    single = data.get("pauses") or []
    for each in single[:_MOST_PAUSES]:
        yield Line(label, f"{each['contactId']}, {_until(each['until'], now)}", "warn")
        label = ""
    if len(single) > _MOST_PAUSES:
        yield Line(label, f"and {counted(len(single) - _MOST_PAUSES, 'contact')} more", "warn")


def _queue(queue: dict[str, Any], now: datetime) -> Iterator[Line]:
    if not queue["messages"] and not queue["unsent"]:
        yield Line("queue", "empty")
    else:
        parts = [
            f"{counted(queue['messages'], 'message')} of {counted(queue['contacts'], 'contact')}" if queue["messages"] else "",
            f"the oldest of {_ago(queue['oldest'], now)}" if queue["oldest"] else "",
            f"{counted(queue['unsent'], 'reply', 'replies')} on the way" if queue["unsent"] else "",
        ]
        yield Line("queue", ", ".join(part for part in parts if part))
    for reason, count in sorted(queue["waiting"].items()):
        yield Line("", f"{counted(count, 'contact')} waiting: {_why(reason)}", "warn")
    if queue["held"]:
        yield Line("drafts", f"{queue['held']} {'waits' if queue['held'] == 1 else 'wait'} for you: secondme drafts list", "accent")
    if queue["dead"]:
        yield Line("dead", f"{counted(queue['dead'], 'message')} could not be worked on: secondme dead list", "bad")


def local_time(moment: str | None, now: datetime) -> str:
    """An RFC 3339 moment as a clock on this machine shows it: `14:03`, with the day when that is another one; `never` for None."""
    if moment is None:
        return "never"
    here, today = _parsed(moment).astimezone(), now.astimezone()
    if here.date() == today.date():
        return f"{here:%H:%M}"
    return f"{here:%a} {here.day} {here:%b} {here:%H:%M}" if here.year == today.year else f"{here:%Y-%m-%d %H:%M}"


def _ago(moment: str | None, now: datetime) -> str:
    from secondme.core.format import ago

    return "never" if moment is None else f"{local_time(moment, now)} ({ago(_parsed(moment), now)} ago)"


def _until(moment: str | None, now: datetime) -> str:
    return f"until {local_time(moment, now)}" if moment else "until you resume"


def _parsed(moment: str) -> datetime:
    from datetime import datetime

    return datetime.fromisoformat(moment)


def _why(reason: str) -> str:
    from secondme.core.gateway.trace_messages import why_held

    return _REASONS.get(reason) or why_held(reason)


_REASONS = {
    "paused": "paused",
    "asleep": "until you wake",
    "no_model_key": "no key for the model is set (ANTHROPIC_API_KEY)",
    "model_key_refused": "the model's server refused the key",
    "model_no_credit": "the model's account has no credit",
    "model_rate_limited": "the model's rate limit",
    "model_overloaded": "the model is overloaded",
    "model_timeout": "the model is slow",
    "model_unreachable": "the model's server does not answer",
    "model_down": "the model failed too often",
}
