"""`secondme contacts`: who is who, over all channels; and how a person is forgotten."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.commands import relation
from secondme.cli.help import completion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.cli.output import CommandResult
    from secondme.core.admit.contacts import Contacts

app = typer.Typer(help="Who is who over all channels, and how each is answered.", no_args_is_help=True)
app.command()(relation.relate)
app.command()(relation.mode)

_Contact = Annotated[str, typer.Argument(metavar="CONTACT", autocompletion=completion.contacts, help="A contact's id.")]


@app.command(name="list")
def list_(
    context: typer.Context,
    channel: Annotated[str | None, typer.Option(autocompletion=completion.channels, help="Only this channel's.")] = None,
    search: Annotated[str, typer.Option(help="Part of a name, number or id.")] = "",
    as_json: Json = False,
) -> None:
    """The people you let in, with all their contacts."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.contacts import list_contacts

        return await list_contacts(invocation, channel, search)

    run(context, "secondme.contacts.list/1", work, as_json=as_json)


@app.command()
def show(context: typer.Context, contact: _Contact, as_json: Json = False) -> None:
    """What is known of a contact, and who it is linked with."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.contacts import show_contact

        return await show_contact(invocation, contact)

    run(context, "secondme.contacts.show/1", work, as_json=as_json)


@app.command()
def link(context: typer.Context, contact: _Contact, other: _Contact, as_json: Json = False) -> None:
    """Say that two contacts are one person: they share the approval and what was said."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result

        async with _contacts(invocation) as contacts:
            outcome = await contacts.link(contact, other)
            members = await contacts.members(contact)
        words = "are one person" if outcome == "linked" else "were one person before"
        data = {"outcome": outcome, "contacts": members}
        undo = f"Undo: secondme contacts unlink {other}"
        return message_result(data, f"{contact} and {other} {words}.", undo)

    run(context, "secondme.contacts.link/1", work, as_json=as_json)


@app.command()
def unlink(context: typer.Context, contact: _Contact, as_json: Json = False) -> None:
    """Make a contact a person of its own again. One that was let in only by its link has to ask again."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result

        async with _contacts(invocation) as contacts:
            outcome = await contacts.unlink(contact)
        more = " It was let in only by the link and is a stranger again." if outcome == "unlinked_and_revoked" else ""
        return message_result({"contact": contact, "outcome": outcome}, f"{contact} is on its own.{more}")

    run(context, "secondme.contacts.unlink/1", work, as_json=as_json)


@app.command()
def forget(
    context: typer.Context,
    contact: _Contact,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase everything of a person, under each of their contacts. There is no way back."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.contacts import confirm_forget
        from secondme.cli.output import message_result

        async with _contacts(invocation) as contacts:
            await confirm_forget(await contacts.members(contact), yes=yes)
            gone = await contacts.forget(contact)
        return message_result({"contacts": gone}, f"Forgotten: {', '.join(gone)}. Nothing of them is left.")

    run(context, "secondme.contacts.forget/1", work, as_json=as_json)


@contextlib.asynccontextmanager
async def _contacts(invocation: Invocation) -> AsyncIterator[Contacts]:
    from secondme.cli.compose import contacts, open_store, write_log

    setup = invocation.setup()
    write_log(setup)
    async with open_store(setup) as store:
        yield contacts(store, setup)
