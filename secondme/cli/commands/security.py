"""`secondme security`: what happened at the door and at the switches, from the log of this machine. Needs no store and no gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from secondme.cli.command import Invocation, Json, command, duration
from secondme.cli.output import CommandResult, Screen, emit_event, for_people
from secondme.core.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.security_log import Entry

app = typer.Typer(help="Read the security log: who asked, what looked wrong.", no_args_is_help=True)

_MOST_CONTACTS = 20


@app.command()
@command("secondme.security.tail/1")
async def tail(
    invocation: Invocation,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many of the newest.")] = 20,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they happen, until interrupted.")] = False,
    as_json: Json = False,
) -> CommandResult:
    """Show the newest security events, the last one at the end. With --follow and --json: one JSON object a line."""
    from secondme.core.log import security_file
    from secondme.core.security_log import newest_entries

    path = security_file(invocation.setup().places.logs)
    if following:
        await _follow(path, lines, as_json=as_json)
    entries = newest_entries(path, lines)

    def show(screen: Screen) -> None:
        headers = ("time", "level", "event", "contact", "details")
        screen.table(headers, [_cells(entry) for entry in entries], empty="Nothing happened yet.")

    return CommandResult({"events": [_row(entry) for entry in entries]}, show)


@app.command()
@command("secondme.security.report/1")
async def report(
    invocation: Invocation,
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back: 90s, 60m, 24h or 30d.")] = "7d",
) -> CommandResult:
    """Count security events by kind, severity and (masked) contact."""
    from secondme.core.log import security_file
    from secondme.core.security_log import read_entries, report

    start = SystemClock().now() - duration(since)
    counts = report(read_entries(security_file(invocation.setup().places.logs), start))
    data = {
        "since": rfc3339(start),
        "first": rfc3339(counts.first) if counts.first else None,
        "last": rfc3339(counts.last) if counts.last else None,
        "total": counts.total,
        "byEvent": dict(counts.by_event),
        "bySeverity": dict(counts.by_severity),
        "byContact": dict(counts.by_contact.most_common(_MOST_CONTACTS)),
    }

    def show(screen: Screen) -> None:
        if not counts.total:
            screen.line(f"Nothing happened in the last {since}.", "dim")
            return
        screen.line(f"{counts.total} security events in the last {since}", "bold")
        for heading, each in (("event", counts.by_event), ("severity", counts.by_severity), ("contact", counts.by_contact)):
            screen.line()
            screen.table((heading, "count"), [(name, str(count)) for name, count in each.most_common(_MOST_CONTACTS)], empty="none")

    return CommandResult(data, show)


async def _follow(path: Path, count: int, *, as_json: bool) -> Never:
    """Print the newest `count` entries, and those that come, until cancelled."""
    from secondme.core.security_log import follow

    screen = Screen()

    def say(entry: Entry) -> None:
        if as_json:
            emit_event(_row(entry))
        else:
            screen.line("  ".join(for_people(cell) for cell in _cells(entry) if cell))
            screen.stream.flush()

    async for entry in follow(path, count, SystemClock()):
        say(entry)
    raise AssertionError("following never ends by itself")


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"at": rfc3339(entry.at), "severity": entry.severity, "event": entry.event, "details": entry.details}
    if entry.contact_id:
        row["contactId"] = entry.contact_id
    return row


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}",
        entry.severity,
        entry.event.replace("_", " "),
        entry.contact_id,
        entry.in_words(),
    )
