"""`secondme logs`: what the gateway and the commands wrote down."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, duration, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult


class Level(StrEnum):
    """How much a line matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they come, until interrupted.")] = False,
    level: Annotated[Level, typer.Option(help="Only lines that matter at least this much.")] = Level.DEBUG,
    since: Annotated[str, typer.Option(metavar="DURATION", help="Only lines that are not older: 90s, 60m, 2h or 7d.")] = "",
    event: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this event; can be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Show what the gateway and the commands wrote down, the newest at the end. With --json: one JSON object a line."""
    back = duration(since) if since else None

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli import logs
        from secondme.cli.output import CommandResult

        wanted = logs.Wanted(level.value, frozenset(name.strip().replace(" ", "_") for name in event or ()), logs.since(back))
        await logs.show_log(invocation.setup(), lines, wanted, follow=follow, as_json=as_json)
        return CommandResult({}, lambda _: None)

    run(context, "secondme.logs/1", work, as_json=False)
