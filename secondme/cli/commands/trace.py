"""`secondme trace`: what became of a message, stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.trace/1"


def trace(
    context: typer.Context,
    message: Annotated[str | None, typer.Argument(metavar="MESSAGE", help="A message's id.")] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.people, help="Whose message; alone: this contact's newest messages, with their ids."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every stage a message passed. With times: received, put off, composed, held, sent, and why."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.tracing import show_messages, show_trace

        if message is None:
            if contact is None:
                raise typer.BadParameter("name a message, or --contact for a list of messages")
            return await show_messages(invocation, contact)
        return await show_trace(invocation, message, contact)

    run(context, SCHEMA, work, as_json=as_json)
