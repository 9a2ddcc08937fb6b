"""`secondme pairing`: who waits at the door, who was let in, and the owner's decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, Json, duration, run
from secondme.cli.help import completion
from secondme.core.enums import State, Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.cli.contact_lookup import Known
    from secondme.cli.output import CommandResult, Screen
    from secondme.core.admit.pairing import Decision, Owner
    from secondme.core.config.loader import Setup
    from secondme.core.errors import SecondmeError
    from secondme.core.store.client import Store

app = typer.Typer(help="Let people in, turn them away, and see who waits.", no_args_is_help=True)

_References = Annotated[list[str], typer.Argument(metavar="CODE|CONTACT", help="A six-digit code, or a contact's id.")]
_Contact = Annotated[
    str, typer.Argument(metavar="CONTACT", autocompletion=completion.contacts, help="A contact's id, as `pairing list` shows it.")
]
_Tier = Annotated[Tier, typer.Option(help="How far the contact is trusted.")]


@app.command("list")
def list_(
    context: typer.Context,
    status: Annotated[State | None, typer.Option(help="Only contacts in this state.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Only approved contacts of this tier.")] = None,
    search: Annotated[str, typer.Option(help="Only contacts whose name, number or id contains this.")] = "",
    as_json: Json = False,
) -> None:
    """Show who waits with their codes, who was let in, who was turned away."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, pairing_store
        from secondme.cli.contact_lookup import is_wanted, rows_of, show
        from secondme.cli.output import CommandResult, ExitCode

        setup = invocation.setup()
        async with open_store(setup) as store:
            listing = await pairing_store(store, setup.settings).listing()
        rows = [row for row in rows_of(listing) if is_wanted(row, status, tier, search)]
        counts = {
            "pending": len(listing.pending),
            "approved": len(listing.approved),
            "denied": len(listing.denied),
            "invites": len(listing.invites),
        }
        return CommandResult(
            {"contacts": rows, "stats": counts},
            lambda screen: show(screen, rows),
            ExitCode.BAD_INPUT if listing.corrupt else ExitCode.DONE,
            errors=list(listing.corrupt),
        )

    run(context, "secondme.pairing.list/1", work, as_json=as_json)


@app.command()
def approve(
    context: typer.Context,
    references: Annotated[
        list[str] | None, typer.Argument(metavar="CODE|CONTACT", help="A six-digit code, or a contact's id.")
    ] = None,
    tier: _Tier = Tier.STANDARD,
    notes: Annotated[str, typer.Option(help="A note for yourself and the clone.")] = "",
    everybody: Annotated[bool, typer.Option("--all", help="Let in everybody who waits now.")] = False,
    as_json: Json = False,
) -> None:
    """Let people in, by the code they were shown or by their id."""
    if bool(references) == everybody:
        raise typer.BadParameter("name codes or contacts, or use --all")

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.approve(reference, tier, notes)

    async def decide_all(owner: Owner) -> list[Decision]:
        return await owner.approve_all(tier)

    _decide(context, "secondme.pairing.approve/1", references or [], decide, decide_all if everybody else None, as_json=as_json)


@app.command()
def deny(
    context: typer.Context,
    references: _References,
    reason: Annotated[str, typer.Option(help="A note for yourself; the contact is told nothing.")] = "",
    as_json: Json = False,
) -> None:
    """Turn people away for the cooldown (24 h). What was kept for them is erased."""

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.deny(reference, reason)

    _decide(context, "secondme.pairing.deny/1", references, decide, as_json=as_json)


@app.command()
def revoke(
    context: typer.Context,
    contact: _Contact,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Shut the door on an approved contact again. What was kept for them is erased."""
    if not yes:
        import sys

        if not sys.stdin.isatty():
            raise typer.BadParameter("without a terminal to ask on, add --yes")
        from secondme.cli.prompts import confirm

        confirm(f"Revoke {contact}? Their history is erased.")

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.revoke(reference)

    _decide(context, "secondme.pairing.revoke/1", [contact], decide, as_json=as_json)


@app.command("tier")
def tier_(
    context: typer.Context, contact: _Contact, tier: Annotated[Tier, typer.Argument(help="How far.")], as_json: Json = False
) -> None:
    """Change how far an approved contact is trusted."""

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.edit(reference, tier=tier)

    _decide(context, "secondme.pairing.tier/1", [contact], decide, as_json=as_json)


@app.command()
def notes(
    context: typer.Context,
    contact: _Contact,
    text: Annotated[str, typer.Argument(help="What to remember about them; an empty text removes it.")],
    as_json: Json = False,
) -> None:
    """Change the note of an approved contact."""

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.edit(reference, notes=text)

    _decide(context, "secondme.pairing.notes/1", [contact], decide, as_json=as_json)


@app.command()
def unblock(context: typer.Context, contact: _Contact, as_json: Json = False) -> None:
    """Let a denied contact knock again before the cooldown ends."""

    async def decide(owner: Owner, reference: str) -> Decision:
        return await owner.unblock(reference)

    _decide(context, "secondme.pairing.unblock/1", [contact], decide, as_json=as_json)


@app.command()
def invite(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Who it is for.")] = "",
    tier: _Tier = Tier.STANDARD,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long it can be used.")] = "24h",
    as_json: Json = False,
) -> None:
    """Make a single-use code that lets its sender in. Hand it over yourself; whoever sends it first is let in at once."""
    length = duration(ttl)

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, owner, write_log
        from secondme.cli.output import CommandResult
        from secondme.core.clock import rfc3339

        setup = invocation.setup()
        write_log(setup)
        async with open_store(setup) as store:
            made = await owner(store, setup).invite(name, tier, length)
        data = {"code": made.code, "name": made.name, "tier": made.tier.value, "expiresAt": rfc3339(made.expires_at)}

        def show(screen: Screen) -> None:
            screen.line(made.code, "bold")
            screen.line(f"Whoever sends it first is let in as {made.tier.value}. It ends {data['expiresAt']}.")

        return CommandResult(data, show)

    run(context, "secondme.pairing.invite/1", work, as_json=as_json)


@app.command("watch")
def watch_(context: typer.Context, as_json: Json = False) -> None:
    """Print each pairing event as a JSON object on a line. Waits for a gateway, and survives its restarts."""
    del as_json  # a line for each event is the only way; the option is there because every command has it

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.watch import watch
        from secondme.core.store import keys

        return await watch(invocation.setup(), [keys.EVENTS_PAIRING])

    run(context, "secondme.pairing.watch/1", work, as_json=True)


def _decide(
    context: typer.Context,
    schema: str,
    references: list[str],
    decide: Callable[[Owner, str], Awaitable[Decision]],
    decide_all: Callable[[Owner], Awaitable[list[Decision]]] | None = None,
    *,
    as_json: bool,
) -> None:
    """Take one decision for each reference. One that fails does not keep the others from being taken."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, owner, write_log
        from secondme.cli.output import CommandResult, ExitCode, exit_code_of
        from secondme.core.errors import BusyError, DataError, NotFoundError

        setup = invocation.setup()
        write_log(setup)
        decisions: list[Decision] = []
        failed: list[tuple[str, SecondmeError]] = []
        async with open_store(setup) as store:
            decider = owner(store, setup)
            if decide_all is not None:
                decisions += await decide_all(decider)
            for reference in references:
                try:
                    decisions.append(await decide(decider, reference))
                except (BusyError, DataError, NotFoundError) as error:
                    failed.append((reference, error))
            errors = await _with_nearest(failed, setup, store)
        if errors and not decisions:
            raise errors[0]
        rows = [_decision_row(decision) for decision in decisions]
        code = exit_code_of(errors[0]) if errors else ExitCode.DONE
        return CommandResult({"decisions": rows}, lambda screen: _show_decisions(screen, decisions), code, errors)

    run(context, schema, work, as_json=as_json)


async def _with_nearest(failed: list[tuple[str, SecondmeError]], setup: Setup, store: Store) -> list[SecondmeError]:
    """The same errors; for who was not found by what was typed, the nearest is named."""
    from secondme.cli.compose import pairing_store
    from secondme.cli.contact_lookup import hinted
    from secondme.core.errors import NotFoundError

    if not any(isinstance(error, NotFoundError) for _, error in failed):
        return [error for _, error in failed]
    found = await pairing_store(store, setup.settings).listing()
    known: list[Known] = [*found.pending, *found.approved, *found.denied]
    return [hinted(error, typed, known) if isinstance(error, NotFoundError) else error for typed, error in failed]


def _decision_row(decision: Decision) -> dict[str, Any]:
    row = {"contactId": decision.contact_id, "outcome": decision.outcome}
    if decision.display_name:
        row["displayName"] = decision.display_name
    if decision.tier:
        row["tier"] = decision.tier
    return row


def _show_decisions(screen: Screen, decisions: list[Decision]) -> None:
    if not decisions:
        screen.line("Nobody waits at the door.", "dim")
    for decision in decisions:
        who = f"{decision.display_name} ({decision.contact_id})" if decision.display_name else decision.contact_id
        screen.line(_SENTENCES[decision.outcome].format(who=who, tier=decision.tier))


_SENTENCES = {
    "approved": "{who} is let in as {tier}.",
    "already_approved": "{who} was let in before, as {tier}.",
    "denied": "{who} is turned away.",
    "already_denied": "{who} was turned away before.",
    "revoked": "{who} is not let in any more.",
    "unblocked": "{who} may knock again.",
    "edited": "{who} is {tier} now.",
}
