"""`secondme serve`: the gateway, in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult


class Part(StrEnum):
    """What this process does."""

    ALL = "all"
    GATEWAY = "gateway"
    WORKER = "worker"


def serve(
    context: typer.Context,
    role: Annotated[Part, typer.Option(help="`gateway`: channels and sending; `worker`: composing; `all`: both.")] = Part.ALL,
    demo: Annotated[bool, typer.Option("--demo", help="A throw-away home, quick replies, and no key needed.")] = False,
) -> None:
    """Run the gateway. Ctrl-C stops it within 10 seconds; nothing is lost then, nor by a kill."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import program_for
        from secondme.cli.serving import serve_demo, serve_home

        if demo:
            return await serve_demo(invocation)
        return await serve_home(invocation.setup(), role.value, program_for(invocation.home))

    import uvloop  # a fifth less CPU for each call of the store; a short command would not earn its import back

    run(context, "secondme.serve/1", work, as_json=False, loop_factory=uvloop.new_event_loop)
