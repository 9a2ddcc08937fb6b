"""How are the people at the door listed, for a script and for a person?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secondme.cli.output import ago, span
from secondme.core.clock import rfc3339

if TYPE_CHECKING:
    from secondme.cli.output import Screen
    from secondme.core.admit.pairing_store import Listing
    from secondme.core.enums import State, Tier


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
        name = row.get("displayName", "")
        cells.append((row["status"], row.get("code", ""), name, row["contactId"], detail))
    screen.table(
        ("state", "code", "name", "contact", "detail"), cells, empty="Nobody yet. Who writes to you first appears here with a code."
    )


_FIELDS = {"requestedAt": "requested_at", "approvedAt": "approved_at", "deniedAt": "denied_at", "expiresAt": "expires_at"}
