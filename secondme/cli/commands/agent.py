"""`secondme agent`: one turn with the clone, as its owner. Made for cron."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion
from secondme.core.enums import Thinking

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.agent/1"


def agent(
    context: typer.Context,
    message: Annotated[str, typer.Option("--message", "-m", help="What you say to it; - reads standard input.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="self|CONTACT",
            autocompletion=completion.people,
            help="Send the answer to your own chat, or write a draft for a contact.",
        ),
    ] = None,
    thinking: Annotated[Thinking | None, typer.Option(help="How much it thinks first.")] = None,
    persona: Annotated[str | None, typer.Option(autocompletion=completion.personas, help="Answer in this persona's voice.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but send nothing and keep no draft.")] = False,
    as_json: Json = False,
) -> None:
    """Ask your clone something; the answer is on stdout. It speaks in your own voice and has your rights.

    What it writes for a contact is a draft: it leaves when you approve it.
    """
    if persona is not None and to not in {None, "self"}:
        from secondme.cli.output import typed

        hint = typed("secondme persona use NAME --contact ID", context.obj.home)
        raise typer.BadParameter(f"a contact's persona is chosen for them: {hint}")

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.asking import take_turn

        return await take_turn(invocation, message, to=to, thinking=thinking, persona=persona, dry_run=dry_run)

    run(context, SCHEMA, work, as_json=as_json)
