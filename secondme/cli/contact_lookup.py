"""Contacts at the command line: who is meant by what was typed, and everybody as a table."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secondme.core.admit.contact_lookup import (
    APPROVED,
    COMMANDS,
    CONVERSATION,
    Wanted,
    is_whole_id,
    meant_contact,
    meant_person,
    with_nearest,
)
from secondme.core.clock import rfc3339
from secondme.core.errors import NotFoundError
from secondme.core.format import ago, span
from secondme.core.ids import ContactId
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.cli.output import Screen
    from secondme.core.admit.pairing_store import Listing, PairingStore
    from secondme.core.enums import State, Tier
    from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest
    from secondme.services import Services

    Known = ApprovedContact | DeniedContact | PairingRequest


_EVERYBODY = 2**31


async def find_contact(services: Services, reference: str, wanted: Wanted = APPROVED) -> ContactId:
    """The contact that `reference` means, of those that `wanted` says. Raises as `meant_contact`. Every command that takes a contact asks here."""
    listing = await services.listing()
    try:
        return await meant_person(reference, listing, wanted, services.persons.members, COMMANDS)
    except NotFoundError:
        whole = ContactId(reference.strip())
        readable = {each.contact_id for records in (listing.approved, listing.denied, listing.pending) for each in records}
        if is_whole_id(reference) and whole not in readable and await services.pairing_store.is_recorded(whole):
            return whole  # whose record cannot be read can be paused, revoked and unblocked all the same
        raise


@contextlib.asynccontextmanager
async def hinting(services: Services, reference: str, wanted: Wanted) -> AsyncIterator[None]:
    """What is raised inside about somebody who is not there names who of those that fit is called most like `reference`."""
    try:
        yield
    except NotFoundError as error:
        raise with_nearest(error, reference, await services.listing(), wanted) from None


async def find_approved(services: Services, reference: str) -> ApprovedContact:
    """The approved contact, on one channel, that `reference` means. Raises as `meant_contact`."""
    listing = await services.listing()
    who = meant_contact(reference, listing, CONVERSATION)
    return next(each for each in listing.approved if each.contact_id == who)


def rows_of(listing: Listing) -> list[dict[str, Any]]:
    """Everybody as JSON values, each with its `status`; times in RFC 3339 UTC."""
    rows: list[dict[str, Any]] = []
    for status, records in (("pending", listing.pending), ("approved", listing.approved), ("denied", listing.denied)):
        for record in records:
            row = {**record.to_dict(), "status": status}
            row.pop("lessons", None)  # words of a conversation, which no list of people has
            for field in ("requestedAt", "approvedAt", "deniedAt", "expiresAt"):
                if field in row:
                    row[field] = rfc3339(getattr(record, _FIELDS[field]))
            rows.append(row)
    return rows


async def page_of(
    people: PairingStore, status: State | None, tier: Tier | None, search: str, *, limit: int | None, after: str
) -> tuple[Listing, str]:
    """At most `limit` people in the order of the list, behind the place `after`, and the place to go on behind; empty at the end. Only the lists
    of the states that are looked for are read. Raises DataError for what is no place."""
    from secondme.core.admit.pairing_store import Listing
    from secondme.core.enums import State
    from secondme.core.errors import DataError

    listing, states = Listing([], [], [], [], []), [status] if status is not None else list(State)
    begun, _, place = after.partition("/")
    if after and begun not in set(states):
        raise DataError("bad_place", "There is no such page.", "Give back what the page before it said.")
    needle, left = search.casefold(), _EVERYBODY if limit is None else limit

    def fits(each: Known) -> bool:
        words = (each.display_name or "", each.phone_number, each.contact_id)
        return tier in {None, getattr(each, "tier", None)} and any(needle in word.casefold() for word in words)

    for state in states[states.index(State(begun)) if after else 0 :]:
        page = await people.page(state, fits, limit=max(left, 1), after=place if state == begun else "")
        if left == 0 and page.people:  # the list of the state before it ended just there
            return listing, f"{state}/"
        if left > 0:
            getattr(listing, state.value).extend(page.people)
            listing.corrupt.extend(page.corrupt)
            left -= len(page.people)
        if page.following:
            return listing, f"{state}/{page.following}"
    return listing, ""


def is_wanted(row: dict[str, Any], status: State | None, tier: Tier | None, search: str) -> bool:
    """True when the row is in this state, has this tier, and its name, number or id contains `search`, case aside."""
    if status is not None and row["status"] != status.value:
        return False
    if tier is not None and row.get("tier") != tier.value:
        return False
    needle = search.casefold()
    return not needle or any(needle in str(row.get(field, "")).casefold() for field in ("displayName", "phoneNumber", "contactId"))


def show(screen: Screen, rows: list[dict[str, Any]]) -> None:
    """The rows as a table for a person."""
    now = datetime.now(UTC)  # noqa: TID251  only for "3 min ago" on a person's screen

    def when(text: str) -> datetime:
        return datetime.fromisoformat(text)

    cells = []
    for row in rows:
        match row["status"]:
            case "pending":
                detail = f"asked {ago(when(row['requestedAt']), now)} ago, ends in {span(when(row['expiresAt']) - now)}"
            case "approved":
                detail = f"{row['tier']}, since {row['approvedAt'][:10]}, by {row['approvedBy']}"
            case _:
                detail = f"for {span(when(row['expiresAt']) - now)} more, by {row['deniedBy']}"
        name = row.get("displayName", "") + (f" (now called {safe_name(row['nowCalled'])})" if row.get("nowCalled") else "")
        cells.append((row["status"], row.get("code", ""), name, row["contactId"], detail))
    screen.table(
        ("state", "code", "name", "contact", "detail"), cells, empty="Nobody yet. Who writes to you first appears here with a code."
    )


_FIELDS = {"requestedAt": "requested_at", "approvedAt": "approved_at", "deniedAt": "denied_at", "expiresAt": "expires_at"}
