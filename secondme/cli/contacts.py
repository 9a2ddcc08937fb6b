"""How are contacts shown, one person a line? A person is one contact, or several that the owner linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.cli.compose import open_store, pairing_store, steering
from secondme.cli.output import CommandResult, Screen
from secondme.core.admit.pairing import channel_of
from secondme.core.clock import rfc3339
from secondme.core.errors import NotFoundError
from secondme.core.records import ApprovedContact
from secondme.core.store.persons import LinkStore, as_contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.cli.command import Invocation


async def list_contacts(invocation: Invocation, channel: str | None, search: str) -> CommandResult:
    """Everybody who was let in, newest first, linked contacts together."""
    setup = invocation.setup()
    async with open_store(setup) as store:
        approved = (await pairing_store(store, setup.settings).listing()).approved
        persons = await LinkStore(store).persons([each.contact_id for each in approved])
    by_id = {each.contact_id: each for each in approved}
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for each in approved:
        if each.contact_id in seen:
            continue
        together = [by_id[member] for member in persons.get(each.contact_id, [each.contact_id]) if member in by_id]
        seen.update(member.contact_id for member in together)
        if any(_is_wanted(member, channel, search) for member in together):
            rows.append({"name": each.display_name or "", "contacts": [_row(member) for member in together]})

    def show(screen: Screen) -> None:
        cells = [
            (
                row["name"],
                ", ".join(contact["channel"] for contact in row["contacts"]),
                ", ".join(contact["contactId"] for contact in row["contacts"]),
                row["contacts"][0]["tier"],
                row["contacts"][0]["mode"],
            )
            for row in rows
        ]
        screen.table(("name", "channel", "contact", "tier", "mode"), cells, empty="Nobody yet. Who waits: secondme pairing list")

    return CommandResult({"persons": rows}, show)


async def show_contact(invocation: Invocation, reference: str) -> CommandResult:
    """One person, each contact with its state. Raises NotFoundError for somebody who neither waits, nor was let in, nor denied."""
    setup, contact = invocation.setup(), as_contact(reference)
    async with open_store(setup) as store:
        listing = await pairing_store(store, setup.settings).listing()
        members = await LinkStore(store).members(contact)
        pauses = (await steering(store, setup).pauses()).contacts
    found = []
    for member in members:
        everybody: list[Any] = [*listing.pending, *listing.approved, *listing.denied]  # three kinds of record
        records = [each for each in everybody if each.contact_id == member]
        for record in records:
            state = "pending" if record in listing.pending else "approved" if record in listing.approved else "denied"
            found.append({**_facts(record), "state": state, "paused": member in pauses})
    if not found:
        raise NotFoundError("unknown_contact", f"There is nobody called {contact}.", "secondme contacts list")

    def show(screen: Screen) -> None:
        for each in found:
            screen.line(f"{each['contactId']}", "bold")
            for name, value in each.items():
                if name != "contactId" and value not in {"", None, False}:
                    screen.line(f"  {name:<10} {value}")

    return CommandResult({"contacts": found}, show)


async def confirm_forget(members: Sequence[str], *, yes: bool) -> None:
    """Returns when the owner means it. Raises typer.BadParameter without a terminal, typer.Abort when they do not."""
    import sys

    import typer

    from secondme.cli.prompts import confirm

    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    confirm(f"Erase everything of {', '.join(members)}, for good?")


def _row(contact: ApprovedContact) -> dict[str, Any]:
    return {
        "contactId": contact.contact_id,
        "channel": contact.channel_id or channel_of(contact.contact_id),
        "tier": contact.tier.value,
        "mode": contact.mode.value,
        "approvedAt": rfc3339(contact.approved_at),
        "approvedBy": contact.approved_by,
    }


def _facts(record: Any) -> dict[str, Any]:  # three kinds of record with much in common
    facts = {
        "contactId": record.contact_id,
        "name": record.display_name or "",
        "number": record.phone_number,
        "channel": record.channel_id or channel_of(record.contact_id),
    }
    for name, field in (("requestedAt", "requested_at"), ("approvedAt", "approved_at"), ("deniedAt", "denied_at")):
        if hasattr(record, field) and getattr(record, field) is not None:
            facts[name] = rfc3339(getattr(record, field))
    if isinstance(record, ApprovedContact):
        facts |= {"tier": record.tier.value, "mode": record.mode.value, "persona": record.persona or ""}
    return {**facts, "notes": getattr(record, "notes", None) or ""}


def _is_wanted(contact: ApprovedContact, channel: str | None, search: str) -> bool:
    return (channel is None or (contact.channel_id or channel_of(contact.contact_id)) == channel) and contact.is_like(search)
