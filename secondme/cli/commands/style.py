"""`secondme style`: how the owner writes, as far as their own messages tell."""

from __future__ import annotations

from typing import Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen

app = typer.Typer(help="How you write: learnt from your own messages.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """How you write: learnt from your own messages."""


@app.command()
@command("secondme.style.show/1")
async def show(
    invocation: Invocation,
    contact: Annotated[
        str | None,
        typer.Argument(
            metavar="CONTACT", autocompletion=completion.approved, help="A contact's id or name; nobody named means all together."
        ),
    ] = None,
) -> CommandResult:
    """How you write to a contact, or all in all."""
    from secondme.cli.contact_lookup import find_contact
    from secondme.core.admit.contact_lookup import EXACTLY
    from secondme.core.remember.style import FEWEST, describe

    async with invocation.services() as services:
        who = await find_contact(services, contact, EXACTLY) if contact is not None else None
        profile = await services.style.overall() if who is None else await services.style.profile(who)
    description = describe(profile).split("\n") if profile else []

    def show(screen: Screen) -> None:
        if profile is None:
            screen.line(f"Not known yet: it takes {FEWEST} messages that you wrote yourself.", "dim")
            return
        screen.line(f"From {profile.sample_count} messages of yours", "bold")
        for line in description:
            screen.line(f"  {line}")

    data = {"contact": who or "ALL", "profile": profile.to_dict() if profile else {}, "description": description}
    return CommandResult(data, show)
