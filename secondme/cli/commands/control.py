"""`secondme pause`, `resume` and `kill`: what stops the clone, at once and for replies already waiting too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.options import Json, duration
from secondme.cli.run import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen

_Contact = Annotated[str | None, typer.Argument(help="A contact's id; nobody named means everybody.")]


def pause(
    context: typer.Context,
    contact: _Contact = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="90s, 60m, 2h or 1d; else until resumed.")] = None,
    as_json: Json = False,
) -> None:
    """Stop answering a contact, or everybody. Waiting replies become drafts."""
    length = duration(for_) if for_ is not None else None

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import control_store, open_store, pairing_store
        from secondme.core.errors import BusyError, NotFoundError
        from secondme.core.ids import contact_id

        setup = invocation.setup()
        who = contact_id(contact) if contact is not None else None
        async with open_store(setup) as store:
            if who is not None and not await pairing_store(store, setup.settings).is_approved(who):
                raise NotFoundError("not_approved", f"{who} is not an approved contact.", "secondme pairing list --status approved")
            if not await control_store(store).pause(who, length):
                raise BusyError("killed", "The kill switch is on, which stops everybody already.", "secondme kill --off")
        until = f" for {for_}" if for_ else " until you resume"
        return _said("secondme.pause/1", {"contact": who or "ALL", "for": for_}, f"Paused {who or 'everybody'}{until}.")

    run(context, "secondme.pause/1", work, as_json=as_json)


def resume(context: typer.Context, contact: _Contact = None, as_json: Json = False) -> None:
    """Answer a contact, or everybody, again. The kill switch stays: `kill --off` lifts it."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import control_store, open_store
        from secondme.core.errors import BusyError
        from secondme.core.ids import contact_id

        who = contact_id(contact) if contact is not None else None
        async with open_store(invocation.setup()) as store:
            outcome = await control_store(store).resume(who)
        if outcome == "killed":
            raise BusyError("killed", "The kill switch is on.", "secondme kill --off")
        text = f"{who or 'Everybody'} is answered again." if outcome == "resumed" else f"{who or 'Everybody'} was not paused."
        return _said("secondme.resume/1", {"contact": who or "ALL", "outcome": outcome}, text)

    run(context, "secondme.resume/1", work, as_json=as_json)


def kill(
    context: typer.Context,
    off: Annotated[bool, typer.Option("--off", help="Lift the kill switch.")] = False,
    as_json: Json = False,
) -> None:
    """Turn the master kill switch on: nothing is sent to anybody until `kill --off`."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import control_store, open_store

        async with open_store(invocation.setup()) as store:
            control = control_store(store)
            if off:
                await control.resume(None, unkill=True)
            else:
                await control.kill()
        text = (
            "The kill switch is off." if off else "The kill switch is on. Nothing is sent to anybody. Lift it: secondme kill --off"
        )
        return _said("secondme.kill/1", {"killed": not off}, text)

    run(context, "secondme.kill/1", work, as_json=as_json)


def _said(schema: str, data: dict[str, object], text: str) -> CommandResult:
    from secondme.cli.output import CommandResult

    def show(screen: Screen) -> None:
        screen.line(text)

    return CommandResult(schema, dict(data), show)
