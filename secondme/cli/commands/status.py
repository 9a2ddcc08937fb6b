"""`secondme status`: one screen that says whether the clone runs, who waits, and why."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import shutil
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen, emit_event
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.format import ago, counted, local_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from secondme.core.config.loader import Setup

_MOST_PAUSES = 5
"""Paused contacts with a line of their own."""
_NARROWEST = 24
"""Columns of text beside the labels, however narrow the terminal says it is."""


_CALM_S = 0.25
"""Events that come together cause one look; the last of them is seen within a second."""
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""A page of its own without a cursor, and back to what was there before."""


@command("secondme.status/1")
async def status(
    invocation: Invocation,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and show every change until Ctrl-C. With --json: one object a line.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Exit 0 when any part of it runs on this machine: a container's health check.")
    ] = False,
) -> CommandResult:
    """Show how everything stands: what runs, who waits, and why. Exits 1 when no gateway runs."""
    if watch:
        if not invocation.as_json and not sys.stdout.isatty():
            raise typer.BadParameter("--watch draws on a terminal; elsewhere add --json for one object a line")
        return await _watch(invocation.setup(), invocation.home, as_json=invocation.as_json)
    async with invocation.services() as services:
        status = await services.status()
    data, now = status.to_dict(), services.clock.now()
    code = ExitCode.DONE if (status.runs_here if here else status.runs) else ExitCode.NO
    return CommandResult(data, lambda screen: show(screen, data, now), code)


@dataclass(frozen=True, slots=True)
class StatusLine:
    """One thing, in words. Without a label it goes on with what stands above it."""

    label: str
    text: str
    style: str = ""


def show(screen: Screen, data: dict[str, Any], now: datetime) -> None:
    """`data` (of `secondme.status/1`) is on the screen."""
    draw(screen, list(lines(data, now)))


def draw(screen: Screen, found: list[StatusLine], most: int | None = None) -> None:
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


def lines(data: dict[str, Any], now: datetime) -> Iterator[StatusLine]:
    """What `data` says, the most important first. Nothing is said about what is as it should be."""
    if not data.get("store", {}).get("canWrite", True):
        yield StatusLine(
            "store",
            "takes nothing new, and no gateway can give a sign of life. See: secondme doctor store persistence memory",
            "bad",
        )
    else:
        yield from _none_runs(data["processes"])
    if loss := data.get("loss"):
        told = f"has {loss['has']} of the {counted(loss['was'], 'contact')} that you approved ({_ago(loss['at'], now)})"
        ways = "secondme restore FILE, or secondme doctor store --accept-empty"
        yield StatusLine("store", f"{told}; nothing is received until you decide: {ways}", "bad")
    if data.get("unreadable"):
        shown = ", ".join(data["unreadable"][:_MOST_PAUSES])
        yield StatusLine("records", f"broken, and left out here: {shown}. See: secondme doctor store", "bad")
    yield from _processes(data["processes"], now)
    for channel in data["channels"]:
        if channel["state"] != "off" or channel["paused"] or channel["disconnected"]:
            words, style = channel_in_words(channel)
            yield StatusLine(channel["id"], words, style)
    yield from _pauses(data, now)
    pairing = data["pairing"]
    yield StatusLine(
        "pairing",
        f"{pairing['pending']} waiting, {pairing['approved']} approved, {pairing['denied']} denied",
        "accent" if pairing["pending"] else "",
    )
    yield from _queue(data["queue"], now)
    messages = data.get("messages")
    if messages and any(messages.values()):
        yield StatusLine("last", f"in {_ago(messages['lastReceivedAt'], now)}, out {_ago(messages['lastSentAt'], now)}")
    if jobs := data.get("jobs"):
        late = f", {jobs['late']} late: secondme doctor jobs" if jobs["late"] else ""
        off = "; none runs by itself: secondme jobs on" if jobs["off"] else ""
        yield StatusLine("jobs", f"{jobs['on']} to come{late}{off}", "warn" if late or off else "")
    if recipients := data.get("recipients"):
        yield StatusLine("memory", f"what people write goes to {', '.join(recipients)}, to be found again")
    yield from _media(data)
    cost = data.get("cost")
    if cost:
        spent, cap = cost["todayUsd"], cost["capUsd"]
        yield StatusLine("cost", f"${spent:.2f} of ${cap:.2f} today", "bad" if spent >= cap else "")


def _media(data: dict[str, Any]) -> Iterator[StatusLine]:
    """How much was heard and spoken, and who is sent what of it."""
    heard, spoken = data.get("heard"), data.get("spoken")
    parts = [f"heard today {heard['todayMinutes']:.1f} of {heard['capMinutes']:g} min"] if heard else []
    parts += [f"spoken {'' if heard else 'today '}{spoken['todayCharacters']:,} characters"] if spoken else []
    if parts:
        is_over = heard is not None and heard["todayMinutes"] >= heard["capMinutes"]
        yield StatusLine("voice", ", ".join(parts), "warn" if is_over else "")
    sent = data.get("mediaRecipients") or {}
    for kind, words in (("recordings", "recordings go"), ("spoken", "the words of spoken replies go"), ("pictures", "pictures go")):
        if recipients := sent.get(kind):
            yield StatusLine(kind, f"{words} to {', '.join(recipients)}")


def show_channel(screen: Screen, channel: dict[str, Any], *, width: int = 8) -> None:
    """One channel in one line: its state, why, and what passed through it."""
    words, style = channel_in_words(channel)
    screen.line(f"{channel['id']:<{width}} {words}", style)


def channel_in_words(channel: dict[str, Any]) -> tuple[str, str]:
    """A channel's state, why, and what passed through it; and how that is coloured."""
    state, code = channel["state"].replace("_", " "), channel["code"]
    if channel["disconnected"]:
        state = "disconnected by you" if state == "off" else f"{state}, disconnected by you"
    words = f"{'paused, ' if channel['paused'] else ''}{state}{f' ({code})' if code else ''}"
    if channel["received"] or channel["sent"]:
        words += f", {channel['received']} in, {channel['sent']} out"
    if channel["failed"]:
        words += f", {channel['failed']} failed"
    if channel["state"] == "needs_owner":
        return words, "bad"
    return words, "warn" if channel["paused"] or state != "connected" else "good"


def _none_runs(processes: list[dict[str, Any]]) -> Iterator[StatusLine]:
    if not any(process["part"] in {"all", "gateway"} for process in processes):
        yield StatusLine("gateway", "not running. Start it: secondme serve", "warn")


def _processes(processes: list[dict[str, Any]], now: datetime) -> Iterator[StatusLine]:
    for process in processes:
        label = "gateway" if process["part"] in {"all", "gateway"} else "worker"
        yield StatusLine(label, f"running since {local_time(process['startedAt'], now)} (pid {process['pid']})", "good")


def _pauses(data: dict[str, Any], now: datetime) -> Iterator[StatusLine]:
    label, paused = "paused", data["paused"]
    if paused is not None:
        what = "nobody is answered: the kill switch is on. Lift it: secondme kill --off"
        if not paused["killed"]:
            what = f"everybody, {_until(paused['until'], now)}"
        yield StatusLine(label, what, "bad" if paused["killed"] else "warn")
        label = ""
    single = data.get("pauses") or []
    for each in single[:_MOST_PAUSES]:
        yield StatusLine(label, f"{each['contactId']}, {_until(each['until'], now)}", "warn")
        label = ""
    if len(single) > _MOST_PAUSES:
        yield StatusLine(label, f"and {counted(len(single) - _MOST_PAUSES, 'contact')} more", "warn")


def _queue(queue: dict[str, Any], now: datetime) -> Iterator[StatusLine]:
    if not queue["messages"] and not queue["unsent"]:
        yield StatusLine("queue", "empty")
    else:
        parts = [
            f"{counted(queue['messages'], 'message')} of {counted(queue['contacts'], 'contact')}" if queue["messages"] else "",
            f"the oldest of {_ago(queue['oldest'], now)}" if queue["oldest"] else "",
            f"{counted(queue['unsent'], 'reply', 'replies')} on the way" if queue["unsent"] else "",
        ]
        yield StatusLine("queue", ", ".join(part for part in parts if part))
    for reason, count in sorted(queue["waiting"].items()):
        yield StatusLine("", f"{counted(count, 'contact')} waiting: {_why(reason)}", "warn")
    if queue["held"]:
        yield StatusLine(
            "drafts", f"{queue['held']} {'waits' if queue['held'] == 1 else 'wait'} for you: secondme drafts list", "accent"
        )
    if queue["dead"]:
        yield StatusLine("dead", f"{counted(queue['dead'], 'message')} could not be worked on: secondme dead list", "bad")


def _ago(moment: str | None, now: datetime) -> str:
    return "never" if moment is None else f"{local_time(moment, now)} ({ago(datetime.fromisoformat(moment), now)} ago)"


def _until(moment: str | None, now: datetime) -> str:
    return f"until {local_time(moment, now)}" if moment else "until you resume"


def _why(reason: str) -> str:
    from secondme.core.gateway.trace_messages import why_held

    return _REASONS.get(reason) or why_held(reason)


_REASONS = {
    "paused": "paused",
    "asleep": "until you wake",
    "no_model_key": "no key for the model is set (ANTHROPIC_API_KEY)",
    "model_key_refused": "the model's server refused the key",
    "model_no_credit": "the model's account has no credit",
    "model_request_refused": "the model's server refuses the request (secondme doctor model)",
    "model_rate_limited": "the model's rate limit",
    "model_overloaded": "the model is overloaded",
    "model_timeout": "the model is slow",
    "certificate_untrusted": "a certificate is not trusted (secondme doctor model-key)",
    "proxy_unreachable": "the proxy does not answer (secondme doctor network)",
    "proxy_refuses": "the proxy refuses (secondme doctor model-key)",
    "model_unreachable": "the model's server does not answer",
    "model_down": "the model failed too often",
}


# --watch


async def _watch(setup: Setup, home: Path | None, *, as_json: bool) -> CommandResult:
    """How things stand was shown, and shown anew with each change, until Ctrl-C; `home` is the one that was typed. Never owns a server: it would stand in the gateway's
    way."""
    stop = asyncio.Event()
    with _until_signal(stop), contextlib.nullcontext() if as_json else _page():
        show = _Lines() if as_json else functools.partial(_redraw, home)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_look(setup, show))
            await stop.wait()
            looking.cancel()
    return CommandResult({}, lambda _: None, is_streamed=True)


async def _look(setup: Setup, show: Callable[[dict[str, Any], datetime], None]) -> None:
    from secondme.core.errors import SecondmeError, UnavailableError
    from secondme.core.store.server import Role
    from secondme.services import open_services

    clock, shown = SystemClock(), -_CALM_S

    def lost(error: SecondmeError) -> None:
        if not isinstance(error, UnavailableError):
            raise error
        show({"problem": error.code, "message": error.message, "embedded": setup.settings.redis_url is None}, clock.now())

    async with open_services(setup, Role.ATTACH, waits=True) as services:
        async for heard in services.follow(lost=lost):
            if heard is None or clock.monotonic() - shown >= _CALM_S:
                try:
                    show((await services.status()).to_dict(), clock.now())
                except UnavailableError as error:
                    lost(error)
                shown = clock.monotonic()


class _Lines:
    """One JSON object a line: at first, and when it changed."""

    _last: dict[str, Any] | None = None

    def __call__(self, data: dict[str, Any], now: datetime) -> None:
        """How things stand, or the `problem` that keeps us from knowing."""
        found = {"known": "problem" not in data, **data}
        if found != self._last:
            self._last = found
            emit_event({**found, "at": rfc3339(now)})


def _redraw(home: Path | None, data: dict[str, Any], now: datetime) -> None:
    height = shutil.get_terminal_size().lines
    text = io.StringIO()
    screen = Screen(text, home=home)
    screen.is_terminal, screen.is_styled = True, Screen().is_styled
    found = _unknown(data) if "problem" in data else list(lines(data, now))
    draw(screen, [StatusLine("secondme", f"{now.astimezone():%H:%M:%S}   Ctrl-C ends", "dim"), *found], most=max(1, height - 1))
    rows = text.getvalue().splitlines()
    sys.stdout.write("\x1b[H" + "".join(f"{row}\x1b[K\r\n" for row in rows) + "\x1b[J")  # over the old rows: nothing flickers
    sys.stdout.flush()


def _unknown(problem: dict[str, Any]) -> list[StatusLine]:
    """Without a store nothing is known; a private one runs when the gateway does."""
    if problem["embedded"]:
        return [StatusLine("gateway", "not running. Start it: secondme serve", "warn")]
    return [StatusLine("store", problem["message"], "bad")]


@contextlib.contextmanager
def _page() -> Iterator[None]:
    sys.stdout.write(_ENTER)
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


@contextlib.contextmanager
def _until_signal(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
