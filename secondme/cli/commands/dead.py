"""`secondme dead`: messages that could not be worked on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, exit_code_of

if TYPE_CHECKING:
    from secondme.core.errors import SecondmeError
    from secondme.core.ids import ContactId
    from secondme.core.queue.store import DeadLetter, DeadLetterStore

app = typer.Typer(help="Messages that could not be worked on: try them again, or drop them.", no_args_is_help=True)

_Contact = Annotated[
    str | None,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.with_dead_letters, help="A contact's id, or the name of somebody you approved."
    ),
]
_Everybody = Annotated[bool, typer.Option("--all", help="Of everybody.")]


@app.command("list")
@command("secondme.dead.list/1")
async def list_(
    invocation: Invocation, with_text: Annotated[bool, typer.Option("--text", help="Show what they say, too.")] = False
) -> CommandResult:
    """Show whose messages were set aside, when and why."""
    from secondme.core.format import counted, local_time

    async with invocation.services() as services:
        letters = await services.dead_letters.letters()
    why = f"{counted(services.settings.queue.max_attempts, 'attempt')} failed"
    rows = [_row(letter, why, with_text=with_text) for letter in letters]
    now = services.clock.now()

    def show(screen: Screen) -> None:
        text = ["text"] if with_text else []
        times = [[local_time(row[key], now) if row[key] else "" for key in ("sentAt", "setAsideAt")] for row in rows]
        cells = [(row["contactId"], *when, row["why"], *(row[key] for key in text)) for row, when in zip(rows, times, strict=True)]
        screen.table(("contact", "sent", "set aside", "why", *text), cells, empty="Every message could be worked on.")
        if rows:
            screen.hint("Try them again: secondme dead retry CONTACT", "accent")

    return CommandResult({"letters": rows}, show)


@app.command()
@command("secondme.dead.retry/1")
async def retry(invocation: Invocation, contact: _Contact = None, everybody: _Everybody = False) -> CommandResult:
    """Put messages back, so that they are answered. Nobody is answered twice, and who is not approved any more is left out."""
    return await _settle(invocation, "retry", contact, everybody=everybody)


@app.command()
@command("secondme.dead.drop/1")
async def drop(invocation: Invocation, contact: _Contact = None, everybody: _Everybody = False) -> CommandResult:
    """Drop messages for good."""
    return await _settle(invocation, "drop", contact, everybody=everybody)


async def _settle(invocation: Invocation, verb: str, reference: str | None, *, everybody: bool) -> CommandResult:
    """Each contact's letters are back in the inbox (`retry`) or gone (`drop`). One that fails does not keep the others from it."""
    from secondme.cli.contact_lookup import find_contact, hinting
    from secondme.core.admit.contact_lookup import KNOWN
    from secondme.core.errors import BusyError, NotFoundError
    from secondme.core.format import counted

    if (reference is None) != everybody:
        raise typer.BadParameter("name a contact, or use --all")
    outcomes: list[dict[str, Any]] = []
    errors: list[SecondmeError] = []
    async with invocation.services(deciding=True) as services:
        letters = await services.dead_letters.letters()
        with_letters = list(dict.fromkeys(letter.contact_id for letter in letters))
        wanted = replace(KNOWN, is_person=False, likeliest=frozenset(with_letters))
        if reference is not None:
            with_letters = [await find_contact(services, reference, wanted)]
        hours = services.settings.queue.stale_after_hours
        too_old = services.clock.now() - timedelta(hours=hours)
        for contact in with_letters:
            try:
                async with hinting(services, contact, wanted):
                    outcomes.append(await _settle_one(services.dead_letters, verb, contact, letters, too_old))
            except (BusyError, NotFoundError) as error:
                errors.append(error)
    if errors and not outcomes:
        raise errors[0]

    def show(screen: Screen) -> None:
        if not outcomes:
            screen.line("Every message could be worked on.", "dim")
        for outcome in outcomes:
            what = f"{counted(outcome['messages'], 'message')} of {outcome['contactId']}"
            kept = f" {counted(outcome['left'], 'message')} stayed: unreadable, or the inbox is full." if outcome["left"] else ""
            screen.line(f"{what} dropped." if verb == "drop" else f"{what} put back.{kept}")
            if outcome["tooOld"]:
                screen.line(
                    f"  They are older than {hours:g} h, so they are read and not answered: queue.stale_after_hours", "warn"
                )

    return CommandResult({"contacts": outcomes}, show, exit_code_of(errors[0]) if errors else ExitCode.DONE, errors)


async def _settle_one(
    store: DeadLetterStore, verb: str, contact: ContactId, letters: list[DeadLetter], too_old: datetime
) -> dict[str, Any]:
    if verb == "drop":
        return {"contactId": contact, "outcome": "dropped", "messages": await store.drop(contact), "left": 0, "tooOld": False}
    sent = [letter.mail.timestamp for letter in letters if letter.contact_id == contact and letter.mail]
    revived = await store.retry(contact)
    stale = bool(sent) and max(sent) < too_old
    return {"contactId": contact, "outcome": "revived", "messages": revived.count, "left": revived.left, "tooOld": stale}


def _row(letter: DeadLetter, why: str, *, with_text: bool) -> dict[str, Any]:
    from secondme.core.clock import rfc3339
    from secondme.core.text import safe_name

    mail = letter.mail
    return {
        "contactId": letter.contact_id,
        "displayName": safe_name(mail.contact_name or "") if mail else "",
        "channelId": mail.channel_id if mail else "",
        "messageId": mail.message_id if mail else "",
        "sentAt": rfc3339(mail.timestamp) if mail else None,
        "setAsideAt": rfc3339(letter.newest_at),
        "why": why if mail else "it cannot be read",
        "readable": mail is not None,
        **({"text": mail.content if mail else ""} if with_text else {}),
    }
