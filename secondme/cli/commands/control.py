"""`secondme pause`, `resume` and `kill`: what stops the clone, at once and for replies already waiting too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, duration, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.cli.output import CommandResult
    from secondme.core.admit.pauses import Steering
    from secondme.core.ids import ContactId

_Contact = Annotated[
    str | None,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.contacts, help="A contact, by id or name; nobody named means everybody."
    ),
]


def pause(
    context: typer.Context,
    contact: _Contact = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="90s, 60m, 2h or 1d; else until resumed.")] = None,
    as_json: Json = False,
) -> None:
    """Stop answering a contact, or everybody. Waiting replies become drafts."""
    length = duration(for_) if for_ is not None else None

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result

        async with _steering(invocation, contact, stops=True) as (steering, who):
            await steering.pause(who, length)
        until = f" for {for_}" if for_ else " until you resume"
        return message_result({"contact": who or "ALL", "for": for_}, f"Paused {who or 'everybody'}{until}.")

    run(context, "secondme.pause/1", work, as_json=as_json)


def resume(context: typer.Context, contact: _Contact = None, as_json: Json = False) -> None:
    """Answer a contact, or everybody, again. The kill switch stays: `kill --off` lifts it."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result

        async with _steering(invocation, contact) as (steering, who):
            outcome = await steering.resume(who)
        text = f"{who or 'Everybody'} is answered again." if outcome == "resumed" else f"{who or 'Everybody'} was not paused."
        return message_result({"contact": who or "ALL", "outcome": outcome}, text)

    run(context, "secondme.resume/1", work, as_json=as_json)


def kill(
    context: typer.Context,
    off: Annotated[bool, typer.Option("--off", help="Lift the kill switch.")] = False,
    as_json: Json = False,
) -> None:
    """Stop everything: nothing is sent to anybody until `kill --off`."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result

        async with _steering(invocation, None, stops=not off) as (steering, _):
            await (steering.unkill() if off else steering.kill())
        text = "The kill switch is off." if off else "The kill switch is on. Nothing is sent to anybody."
        return message_result({"killed": not off}, text, "" if off else "Lift it: secondme kill --off")

    run(context, "secondme.kill/1", work, as_json=as_json)


@contextlib.asynccontextmanager
async def _steering(
    invocation: Invocation, contact: str | None, *, stops: bool = False
) -> AsyncIterator[tuple[Steering, ContactId | None]]:
    """What steers, and the approved contact that is meant. Raises NotFoundError, naming the nearest. What stops the clone works with
    settings that cannot be used, too."""
    from secondme.cli.compose import open_store, pairing_store, steering, write_log
    from secondme.cli.contact_lookup import anybody

    if stops:
        from secondme.cli.stopping import setup_to_stop

        setup = setup_to_stop(invocation)
    else:
        setup = invocation.setup()
    write_log(setup)
    async with open_store(setup) as store:
        approved = (await pairing_store(store, setup.settings).listing()).approved if contact is not None else []
        yield steering(store, setup), None if contact is None else anybody(contact, approved)
