"""`secondme dead`: messages that could not be worked on; the owner puts them back or drops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

app = typer.Typer(help="Messages that could not be worked on: try them again, or drop them.", no_args_is_help=True)

_Contact = Annotated[
    str | None,
    typer.Argument(metavar="CONTACT", autocompletion=completion.people, help="A contact's id, or the name of somebody you let in."),
]
_Everybody = Annotated[bool, typer.Option("--all", help="Of everybody.")]


@app.command("list")
def list_(
    context: typer.Context,
    with_text: Annotated[bool, typer.Option("--text", help="Show what they say, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show whose messages were set aside, when and why."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.burying import list_letters

        return await list_letters(invocation, with_text=with_text)

    run(context, "secondme.dead.list/1", work, as_json=as_json)


@app.command()
def retry(context: typer.Context, contact: _Contact = None, everybody: _Everybody = False, as_json: Json = False) -> None:
    """Put messages back, so that they are answered. Nobody is answered twice, and who is not let in any more is left out."""
    _settle(context, "retry", contact, everybody=everybody, as_json=as_json)


@app.command()
def drop(context: typer.Context, contact: _Contact = None, everybody: _Everybody = False, as_json: Json = False) -> None:
    """Drop messages for good."""
    _settle(context, "drop", contact, everybody=everybody, as_json=as_json)


def _settle(context: typer.Context, verb: str, contact: str | None, *, everybody: bool, as_json: bool) -> None:
    if (contact is None) != everybody:
        raise typer.BadParameter("name a contact, or use --all")

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.burying import settle_letters

        return await settle_letters(invocation, verb, contact)

    run(context, f"secondme.dead.{verb}/1", work, as_json=as_json)
