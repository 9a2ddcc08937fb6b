"""`secondme write`: the owner writes to a contact as themselves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen

if TYPE_CHECKING:
    from secondme.core.gateway.owner_messages import OwnWords

_MOST = 64 * 1024


@command("secondme.write/1")
async def write(
    invocation: Invocation,
    contact: Annotated[
        str,
        typer.Argument(metavar="CONTACT", autocompletion=completion.approved, help="Somebody you approved: an id, or a name."),
    ],
    text: Annotated[str, typer.Argument(help="Your words, sent as they stand; - reads standard input.")],
    once: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Send it once for this word within a week: a line that runs again does nothing."),
    ] = None,
) -> CommandResult:
    """Write to a contact as yourself: your words leave next, as they stand.

    It is a takeover, as when you write from your own phone: the clone is silent there for takeover.pause_minutes, and what it was about to
    say, and its drafts for them, are gone. No pause holds your words back. While the kill switch is on, they are refused.
    """
    from secondme.cli.contact_lookup import find_contact
    from secondme.core.admit.contact_lookup import CONVERSATION

    words = sys.stdin.read(_MOST) if text == "-" else text
    async with invocation.services() as services:
        who = await find_contact(services, contact, CONVERSATION)
        done = await services.owner_messages.write(who, words, once=f"cli:{who}:{once}" if once else "")
        is_answering = (await services.status()).runs
        minutes = services.settings.takeover.pause_minutes
    data = {"contactId": who, "outcome": done.outcome, "rowIds": list(done.row_ids)}
    return CommandResult(data, lambda screen: _show(screen, who, done, minutes, is_answering=is_answering))


def _show(screen: Screen, who: str, done: OwnWords, minutes: float, *, is_answering: bool) -> None:
    if done.outcome == "already_done":
        screen.line("That was sent for this word within the last week: nothing to do.", "dim")
        return
    screen.line(f"Your message to {who} is on its way. The clone stays out of it for {minutes:g} min.")
    if not is_answering:
        screen.hint("It leaves when a gateway runs: secondme serve", "warn")
