"""`secondme status`: one screen that says whether the clone runs, who waits, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.status/1"


def status(
    context: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and show every change until Ctrl-C. With --json: one object a line.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Exit 0 when any part of it runs on this machine: a container's health check.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show how everything stands: what runs, who waits, and why. Exits 1 when no gateway runs."""
    if watch and not as_json and not sys.stdout.isatty():
        raise typer.BadParameter("--watch draws on a terminal; elsewhere add --json for one object a line")

    async def look(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult, ExitCode
        from secondme.cli.standing import show

        async with invocation.services() as services:
            status = await services.status()
        data, now = status.to_dict(), services.clock.now()
        code = ExitCode.DONE if (status.runs_here if here else status.runs) else ExitCode.NO
        return CommandResult(data, lambda screen: show(screen, data, now), code)

    async def stay(invocation: Invocation) -> CommandResult:
        from secondme.cli.watching import watch_standing

        return await watch_standing(invocation.setup(), invocation.home, as_json=as_json)

    run(context, SCHEMA, stay if watch else look, as_json=as_json and not watch)
