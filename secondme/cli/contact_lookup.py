"""Which contact is meant by what was typed: an id, a number, a name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secondme.core.clock import rfc3339
from secondme.core.errors import NotFoundError
from secondme.core.format import ago, span
from secondme.core.text import caseless, near, safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.cli.output import Screen
    from secondme.core.admit.pairing_store import Listing, PairingStore
    from secondme.core.enums import State, Tier
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest
    from secondme.services import Services

    Known = ApprovedContact | DeniedContact | PairingRequest


_MOST_NAMED = 5
"""Contacts of one name that are listed."""
_EVERYBODY = 2**31


def approved_contact(reference: str, approved: Sequence[ApprovedContact]) -> ApprovedContact:
    """The one contact that `reference` means. Raises NotFoundError when it is nobody, naming the nearest, or several, naming them."""
    for contact in approved:
        if contact.contact_id == reference.strip():
            return contact
    wanted = caseless(reference.strip())
    named = [contact for contact in approved if contact.display_name and caseless(contact.display_name.strip()) == wanted]
    if len(named) == 1 and not _is_whole_id(reference):  # a stranger may call themselves like somebody's id
        return named[0]
    if len(named) > 1:
        ids = ", ".join(contact.contact_id for contact in named[:_MOST_NAMED])
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        what = f"{len(named)} approved contacts have that name: {ids}{more}."
        raise NotFoundError("unknown_contact", what, "Name one of them by its id.")
    near = named[0].contact_id if named else _nearest(reference, approved)
    raise NotFoundError(
        "unknown_contact",
        "No approved contact has that name or id.",
        f"Did you mean {near}?" if near else "secondme contacts list",
    )


def anybody(reference: str, approved: Sequence[ApprovedContact]) -> ContactId:
    """The one approved contact that `reference` means, or whoever has that whole id, approved or not. Raises NotFoundError."""
    from secondme.core.ids import contact_id

    try:
        return contact_id(approved_contact(reference, approved).contact_id)
    except NotFoundError:
        if _is_whole_id(reference):
            return contact_id(reference.strip())
        raise


async def known_contact(services: Services, reference: str) -> ContactId:
    """The contact that `reference` means: an approved one by id or name, else one that waits or was denied, else whoever has that whole
    id. Raises NotFoundError, naming the nearest. Every command that takes a contact asks here or, for approved ones only, `anybody`."""
    from secondme.core.ids import contact_id

    listing = await services.listing()
    try:
        return anybody(reference, listing.approved)
    except NotFoundError as error:
        others: list[Known] = [*listing.pending, *listing.denied]
        wanted = caseless(reference)
        named = [each for each in others if each.display_name and caseless(each.display_name) == wanted]
        if any(each.display_name and caseless(each.display_name) == wanted for each in listing.approved) or len(named) != 1:
            raise hinted(error, reference, [*listing.approved, *others]) from None
        return contact_id(named[0].contact_id)


def _is_whole_id(reference: str) -> bool:
    from secondme.core.ids import is_contact_id

    return is_contact_id(reference.strip()) and (":" in reference or "@" in reference)


def hinted(error: NotFoundError, reference: str, known: Sequence[Known]) -> NotFoundError:
    """The error with the contact that is called most like `reference`, if there is one."""
    if any(contact.contact_id == reference for contact in known) or error.code == "unknown_code":
        return error  # it is there, and something else is the matter; a code is like no other
    named = [
        contact.contact_id
        for contact in known
        if contact.display_name and caseless(contact.display_name.strip()) == caseless(reference.strip())
    ]
    hint = " or ".join(named[:_MOST_NAMED]) or _nearest(reference, known, most=1)
    return NotFoundError(error.code, error.message, f"Did you mean {hint}?") if hint else error


def _nearest(reference: str, known: Sequence[Known], most: int = 3) -> str:
    """The names and ids most like `reference`, as a question offers them; empty when none is like it."""
    if not known:
        return ""
    names = {caseless(contact.display_name.strip()): safe_name(contact.display_name) for contact in known if contact.display_name}
    words = [*names, *(contact.contact_id for contact in known)]
    return " or ".join(names.get(word, word) for word in near(caseless(reference.strip()), words, most))


def rows_of(listing: Listing) -> list[dict[str, Any]]:
    """Everybody as JSON values, each with its `status`; times in RFC 3339 UTC."""
    rows: list[dict[str, Any]] = []
    for status, records in (("pending", listing.pending), ("approved", listing.approved), ("denied", listing.denied)):
        for record in records:
            row = {**record.to_dict(), "status": status}
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
