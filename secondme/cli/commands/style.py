"""`secondme style`: how the owner writes, as far as their own messages tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen

app = typer.Typer(help="How you write: learnt from your own messages.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """How you write: learnt from your own messages."""


@app.command()
def show(
    context: typer.Context,
    contact: Annotated[
        str | None,
        typer.Argument(
            metavar="CONTACT", autocompletion=completion.people, help="A contact's id or name; nobody named means all together."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """How you write to a contact, or all in all."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, pairing_store
        from secondme.cli.contact_lookup import anybody
        from secondme.cli.output import CommandResult
        from secondme.cli.voice import style_row, style_store
        from secondme.core.remember.style import FEWEST, describe

        setup, who = invocation.setup(), None
        async with open_store(setup) as store:
            styles = style_store(store)
            if contact is not None:
                who = anybody(contact, (await pairing_store(store, setup.settings).listing()).approved)
            profile = await styles.overall() if who is None else await styles.profile(who)
        told = describe(profile).split("\n") if profile else []
        data = {"contact": who or "ALL", "profile": style_row(profile) or {}, "description": told}

        def show(screen: Screen) -> None:
            if profile is None:
                screen.line(f"Not known yet: it takes {FEWEST} messages that you wrote yourself.", "dim")
                return
            screen.line(f"From {profile.sample_count} messages of yours", "bold")
            for line in told:
                screen.line(f"  {line}")

        return CommandResult(data, show)

    run(context, "secondme.style.show/1", work, as_json=as_json)
