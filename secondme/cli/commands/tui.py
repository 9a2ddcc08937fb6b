"""`secondme tui`: the owner's screen, here or in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.tui/1"


def tui(
    context: typer.Context,
    web: Annotated[
        bool, typer.Option("--web", help="Show it in a browser on this machine, behind a link that works once.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --web: the port; 0 takes a free one.")] = 0,
) -> None:
    """See everything live on one screen, and decide there. Let people in, send drafts, pause, stop."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.showing import show_here, show_in_browser

        return await (show_in_browser(invocation, port) if web else show_here(invocation.setup()))

    run(context, SCHEMA, work, as_json=False)
