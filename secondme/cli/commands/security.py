"""`secondme security`: what happened at the door and at the switches, from the log of this machine. Needs no store and no gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from secondme.cli.command import Invocation, Json, duration, run

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime
    from pathlib import Path

    from secondme.cli.output import CommandResult, Screen
    from secondme.core.security_log import Entry, Report

app = typer.Typer(help="Read the security log: who knocked, what looked wrong.", no_args_is_help=True)

_MOST_CONTACTS = 20


@app.command()
def tail(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many of the newest.")] = 20,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they happen, until interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Show the newest security events, the last one at the end. With --follow and --json: one JSON object a line."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult
        from secondme.core.log import security_file
        from secondme.core.security_log import newest_entries

        path = security_file(invocation.setup().places.logs)
        entries = newest_entries(path, lines)
        if following:
            await _follow(path, entries, as_json=as_json)
        rows = [_row(entry) for entry in entries]
        return CommandResult({"events": rows}, lambda screen: _show(screen, entries))

    run(context, "secondme.security.tail/1", work, as_json=as_json)


@app.command()
def report(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="DURATION", help="How far back: 90s, 60m, 24h or 30d.")] = "7d",
    as_json: Json = False,
) -> None:
    """Count security events by kind, severity and (masked) contact."""
    back = duration(since)

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult
        from secondme.core.clock import SystemClock
        from secondme.core.log import security_file
        from secondme.core.security_log import read_entries, report

        path = security_file(invocation.setup().places.logs)
        start = SystemClock().now() - back
        found = report(read_entries(path, start))
        return CommandResult(_data(found, start), lambda screen: _show_report(screen, found, since))

    run(context, "secondme.security.report/1", work, as_json=as_json)


async def _follow(path: Path, entries: list[Entry], *, as_json: bool) -> Never:
    """Print these entries, and those that come, until cancelled."""
    from secondme.cli.output import Screen, emit_event
    from secondme.core.clock import SystemClock
    from secondme.core.security_log import follow

    screen = Screen()

    def say(entry: Entry) -> None:
        if as_json:
            emit_event(_row(entry))
        else:
            screen.line("  ".join(cell for cell in _cells(entry) if cell))
            screen.stream.flush()

    for entry in entries:
        say(entry)
    async for entry in follow(path, SystemClock()):
        say(entry)
    raise AssertionError("following never ends by itself")


def _row(entry: Entry) -> dict[str, Any]:
    from secondme.core.clock import rfc3339

    row: dict[str, Any] = {"at": rfc3339(entry.at), "severity": entry.severity, "event": entry.event, "details": entry.details}
    if entry.contact_id:
        row["contactId"] = entry.contact_id
    return row


def _show(screen: Screen, entries: list[Entry]) -> None:
    headers = ("time", "level", "event", "contact", "details")
    screen.table(headers, [_cells(entry) for entry in entries], empty="Nothing happened yet.")


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}",
        entry.severity,
        entry.event.replace("_", " "),
        entry.contact_id,
        entry.in_words(),
    )


def _data(found: Report, start: datetime) -> dict[str, Any]:
    from secondme.core.clock import rfc3339

    def when(moment: datetime | None) -> str | None:
        return None if moment is None else rfc3339(moment)

    return {
        "since": rfc3339(start),
        "first": when(found.first),
        "last": when(found.last),
        "total": found.total,
        "byEvent": dict(found.by_event),
        "bySeverity": dict(found.by_severity),
        "byContact": dict(found.by_contact.most_common(_MOST_CONTACTS)),
    }


def _show_report(screen: Screen, found: Report, since: str) -> None:
    if not found.total:
        screen.line(f"Nothing happened in the last {since}.", "dim")
        return
    screen.line(f"{found.total} security events in the last {since}", "bold")
    for heading, counts in (("event", found.by_event), ("severity", found.by_severity), ("contact", found.by_contact)):
        screen.line()
        screen.table((heading, "count"), _counted(counts), empty="none")


def _counted(counts: Counter[str]) -> list[tuple[str, str]]:
    return [(name, str(count)) for name, count in counts.most_common(_MOST_CONTACTS)]
