"""`secondme pairing`: who waits, who was approved, and the owner's decisions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, JsonLines, command, duration, is_piped
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, exit_code_of, message_result
from secondme.core.admit.contact_lookup import APPROVED, DENIABLE, DENIED, ERASABLE, WAITING, Wanted
from secondme.core.enums import State, Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.admit.pairing import Decision
    from secondme.core.errors import SecondmeError
    from secondme.core.records import Invite
    from secondme.services import Services

    Decide = Callable[[Services, str], Awaitable[Decision]]

app = typer.Typer(help="Approve people, deny them, and see who waits.", no_args_is_help=True)

_References = Annotated[
    list[str],
    typer.Argument(metavar="CODE|CONTACT", autocompletion=completion.deniable, help="A six-digit code, or a contact's id."),
]
_Denied = Annotated[
    str, typer.Argument(metavar="CONTACT", autocompletion=completion.denied, help="Who was denied: an id, or a name.")
]
_Contact = Annotated[
    str,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.approved, help="A contact's id, or the name of somebody you approved."
    ),
]
_Tier = Annotated[Tier, typer.Option(help="How far the contact is trusted.")]


@app.command("list")
@command("secondme.pairing.list/1")
async def list_(
    invocation: Invocation,
    status: Annotated[State | None, typer.Option(help="Only contacts in this state.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Only approved contacts of this tier.")] = None,
    search: Annotated[str, typer.Option(help="Only contacts whose name, number or id contains this.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    after: Annotated[str, typer.Option(metavar="PLACE", help="Go on behind a list with --limit, at the place that it named.")] = "",
) -> CommandResult:
    """Show who waits with their codes, who was approved, who was denied."""
    from secondme.cli.contact_lookup import is_wanted, page_of, rows_of, show
    from secondme.core.admit.pairing import twin_of

    following, totals = "", None
    async with invocation.services() as services:
        if limit is None and not after and status in {None, State.PENDING}:
            listing = await services.listing()
        else:
            listing, following = await page_of(services.pairing_store, status, tier, search, limit=limit, after=after)
            totals = await services.pairing_store.totals()
    rows = [row for row in rows_of(listing) if is_wanted(row, status, tier, search)]
    twins = [(each, known) for each in listing.pending if (known := twin_of(each, listing.approved))]

    def told(screen: Screen) -> None:
        show(screen, rows)
        if following:
            screen.line(f"There are more: --after {following}")
        for row in rows:
            if row.get("firstLine"):
                screen.line(f"{row.get('displayName') or row['contactId']} wrote: | {row['firstLine']}")
        for request, known in twins:
            who = known.shown_name or known.contact_id
            screen.line(
                f"{request.contact_id} is the number of {who} in another form. The same person: "
                f"secondme contacts link {known.contact_id} {request.contact_id}"
            )

    counts = totals or {name: len(getattr(listing, name)) for name in ("pending", "approved", "denied", "invites")}
    code = ExitCode.BAD_INPUT if listing.corrupt else ExitCode.DONE
    return CommandResult({"contacts": rows, "following": following, "stats": counts}, told, code, errors=list(listing.corrupt))


@app.command()
@command("secondme.pairing.approve/1")
async def approve(
    invocation: Invocation,
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="CODE|CONTACT", autocompletion=completion.waiting, help="A six-digit code, or a contact's id."),
    ] = None,
    tier: _Tier = Tier.STANDARD,
    notes: Annotated[str, typer.Option(help="A note for yourself and the clone.")] = "",
    everybody: Annotated[bool, typer.Option("--all", help="Approve everybody who waits now.")] = False,
) -> CommandResult:
    """Approve people, by the code they were shown or by their id; by the id also who never wrote, like telegram:123456."""
    if bool(references) == everybody:
        raise typer.BadParameter("name codes or contacts, or use --all")
    if everybody:
        async with invocation.services(deciding=True) as services:
            return _decided(await services.pairing.approve_all(tier), [])
    from secondme.cli.address_book import look_up

    return await _decide(
        invocation, references or [], lambda services, who: services.pairing.approve(who, tier, notes, look_up(services)), WAITING
    )


@app.command()
@command("secondme.pairing.deny/1")
async def deny(
    invocation: Invocation,
    references: _References,
    reason: Annotated[str, typer.Option(help="A note for yourself; the contact is told nothing.")] = "",
) -> CommandResult:
    """Deny people for the cooldown (24 h). What was kept for them is erased."""
    return await _decide(invocation, references, lambda services, who: services.pairing.deny(who, reason), DENIABLE)


@app.command()
@command("secondme.pairing.revoke/1")
async def revoke(
    invocation: Invocation, contact: _Contact, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> CommandResult:
    """Take an approval back. What was kept for them is erased."""
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")

    async def revoked(services: Services, who: str) -> Decision:
        if not yes:
            from secondme.cli.prompts import confirm

            confirm(f"Revoke {who}? Their history is erased.")
        return await services.pairing.revoke(who)

    return await _decide(invocation, [contact], revoked, ERASABLE)


@app.command("tier")
@command("secondme.pairing.tier/1")
async def tier_(invocation: Invocation, contact: _Contact, tier: Annotated[Tier, typer.Argument(help="How far.")]) -> CommandResult:
    """Change how far an approved contact is trusted."""
    return await _decide(invocation, [contact], lambda services, who: services.pairing.edit(who, tier=tier), APPROVED)


@app.command()
@command("secondme.pairing.notes/1")
async def notes(
    invocation: Invocation,
    contact: _Contact,
    text: Annotated[str, typer.Argument(help="What to remember about them; an empty text removes it.")],
) -> CommandResult:
    """Change the note of an approved contact."""
    return await _decide(invocation, [contact], lambda services, who: services.pairing.edit(who, notes=text), APPROVED)


@app.command()
@command("secondme.pairing.unblock/1")
async def unblock(invocation: Invocation, contact: _Denied) -> CommandResult:
    """Let a denied contact ask again before the cooldown ends."""
    return await _decide(invocation, [contact], lambda services, who: services.pairing.unblock(who), DENIED)


@app.command()
@command("secondme.pairing.invite/1")
async def invite(
    invocation: Invocation,
    name: Annotated[str, typer.Option(help="Who it is for.")] = "",
    to: Annotated[
        str, typer.Option(metavar="WHO", help="Who it is for, looked up in your address books: a name, a number or an id.")
    ] = "",
    tier: _Tier = Tier.STANDARD,
    ttl: Annotated[str, typer.Option(metavar="DURATION", help="How long it can be used.")] = "24h",
) -> CommandResult:
    """Make a single-use code that approves its sender. Hand it over yourself; whoever sends it first is approved at once."""
    length, contact = duration(ttl), None
    async with invocation.services(deciding=True) as services:
        if to:
            from secondme.cli.address_book import find_in_address_books

            contact = await find_in_address_books(services, to)
        made = await services.pairing.invite(name or (contact["name"] if contact else ""), tier, length)
        links = (await services.status()).invite_links(made.code)
    data = _invite_row(made, links)
    of_whom = {"contact": contact} if contact else {}

    def show(screen: Screen) -> None:
        screen.line(made.code, "bold")
        if contact:
            who = ", ".join(filter(None, (made.name, contact["number"] and f"+{contact['number']}", contact["contactId"])))
            screen.line(f"For {who}, on {contact['channel']}{': ' + contact['state'] if contact['state'] else ''}.")
        screen.line(f"Whoever sends it first is approved as {made.tier.value}. It ends {data['expiresAt']}.")
        for channel, link in links.items():
            screen.line(f"Or this link, on {channel}: {link}")
        if "telegram" in links and screen.is_terminal:
            _draw(screen, links["telegram"])

    return CommandResult({**data, **of_whom}, show)


def _draw(screen: Screen, link: str) -> None:
    """The link as a code to scan, where there is room for it."""
    import shutil

    from secondme.cli.qr import dark_on_white, draw_qr

    size = shutil.get_terminal_size()
    for line in dark_on_white(draw_qr(link, size.columns - 1, size.lines - 1, has_blocks=screen.shows_marks)):
        screen.stream.write(line + "\n")


@app.command()
@command("secondme.pairing.invites/1")
async def invites(invocation: Invocation) -> CommandResult:
    """Show the invites that nobody used, with their codes and the links that type them."""
    from secondme.core.format import span

    async with invocation.services() as services:
        unused, corrupt = await services.pairing.invites()
        state = await services.status() if unused else None
        now = services.clock.now()
    rows = [_invite_row(each, state.invite_links(each.code) if state is not None else {}) for each in unused]

    def show(screen: Screen) -> None:
        screen.table(
            ("code", "for", "tier", "ends in", "link"),
            [
                (each.code, each.name or "", each.tier.value, span(each.expires_at - now), row["links"].get("telegram", ""))
                for each, row in zip(unused, rows, strict=True)
            ],
            empty="No invite is unused. Make one: secondme pairing invite",
        )

    code = ExitCode.BAD_INPUT if corrupt else ExitCode.DONE
    return CommandResult({"invites": rows}, show, code, list(corrupt))


@app.command("cancel-invite")
@command("secondme.pairing.cancel-invite/1")
async def cancel_invite(
    invocation: Invocation, code: Annotated[str, typer.Argument(metavar="CODE", help="The six digits of the invite.")]
) -> CommandResult:
    """Cancel an unused invite: its code and its links approve nobody any more."""
    async with invocation.services(deciding=True) as services:
        await services.pairing.cancel_invite(code)
    return message_result(
        {"code": code.strip(), "outcome": "cancelled"}, "The invite is cancelled: its code approves nobody any more."
    )


def _invite_row(made: Invite, links: dict[str, str]) -> dict[str, Any]:
    from secondme.core.clock import rfc3339

    return {
        "code": made.code,
        "name": made.name,
        "tier": made.tier.value,
        "createdAt": rfc3339(made.created_at),
        "expiresAt": rfc3339(made.expires_at),
        "links": links,
    }


@app.command("watch")
@command("secondme.pairing.watch/1", is_json=is_piped)
async def watch_(invocation: Invocation, as_json: JsonLines = False) -> CommandResult:
    """Print each pairing event on a line, as it happens. In words on a terminal, as JSON in a pipe; it waits for a gateway, and survives its
    restarts."""
    from secondme.cli.commands.watch import print_events
    from secondme.core.store import keys

    return await print_events(invocation, [keys.EVENTS_PAIRING], as_json=as_json)


async def _decide(invocation: Invocation, references: list[str], decide: Decide, wanted: Wanted) -> CommandResult:
    """One decision for each reference. One that fails does not keep the others from being taken. A code goes on as it is: it means the
    request that bears it now, and no later one."""
    from secondme.cli.contact_lookup import find_contact, hinting
    from secondme.core.errors import BusyError, DataError, NotFoundError
    from secondme.core.ids import code_of

    decisions: list[Decision] = []
    errors: list[SecondmeError] = []
    async with invocation.services(deciding=True) as services:
        for reference in references:
            try:
                is_code = State.PENDING in wanted.states and code_of(reference)
                who = reference if is_code else await find_contact(services, reference, wanted)
                async with hinting(services, reference, wanted):
                    decisions.append(await decide(services, who))
            except (BusyError, DataError, NotFoundError) as error:
                errors.append(error)
    if errors and not decisions:
        raise errors[0]
    return _decided(decisions, errors)


def _decided(decisions: list[Decision], errors: list[SecondmeError]) -> CommandResult:
    code = exit_code_of(errors[0]) if errors else ExitCode.DONE
    rows = [_decision_row(decision) for decision in decisions]
    return CommandResult({"decisions": rows}, lambda screen: _show_decisions(screen, decisions), code, errors)


def _decision_row(decision: Decision) -> dict[str, Any]:
    row = {"contactId": decision.contact_id, "outcome": decision.outcome}
    if decision.display_name:
        row["displayName"] = decision.display_name
    if decision.tier:
        row["tier"] = decision.tier
    return row


def _show_decisions(screen: Screen, decisions: list[Decision]) -> None:
    if not decisions:
        screen.line("Nobody waits.", "dim")
    for decision in decisions:
        who = f"{decision.display_name} ({decision.contact_id})" if decision.display_name else decision.contact_id
        screen.line(_SENTENCES[decision.outcome].format(who=who, tier=decision.tier))


_SENTENCES = {
    "approved": "{who} is approved as {tier}.",
    "already_approved": "{who} was approved before, as {tier}.",
    "denied": "{who} is denied.",
    "already_denied": "{who} was denied before.",
    "revoked": "{who} is not approved any more.",
    "unblocked": "{who} is unblocked.",
    "edited": "{who} is {tier} now.",
}
