"""Address books of connected channels, read from the gateway of this home over its API's socket: only it holds the connections.

Nothing of them is kept. Most of the people in one never wrote, and a copy would be old the next day.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from secondme.core.admit.pairing import channel_of
from secondme.core.channel_manifest import manifest_of
from secondme.core.errors import NotFoundError, SecondmeError, UnavailableError
from secondme.core.http import make_local_client
from secondme.core.ids import is_contact_id
from secondme.core.messages import ChannelContact, ChannelState
from secondme.core.text import caseless, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.ids import ContactId
    from secondme.services import Services

    Row = dict[str, str]
    """`channel`, `contactId`, `name`, `number`, and `state`: whether they wait, are approved or denied."""

_OPEN = frozenset({ChannelState.CONNECTED.value, ChannelState.STALLED.value})
_TIMEOUT_S = 12.0
"""A little more than the API gives itself for an answer."""
_NUMBER = re.compile(r"(?:\+|00)?([1-9][0-9]{4,14})", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " ()-./")
_NOBODY = "Nobody in the address books of connected channels has that name, number or id."
_LIST = "secondme contacts list --address-book"


async def read_address_books(services: Services, channel: str | None = None) -> tuple[list[Row], list[SecondmeError]]:
    """Everybody in the address books, and why one of several could not be read. Raises UnavailableError when none can be,
    NotFoundError for a channel that there is not."""
    if channel is None:
        names = [name for name, state in (await _ask(services, "/health"))["channels"].items() if state in _OPEN]
    else:
        names = [manifest_of(channel).id]
    states = await _states(services)
    rows: list[Row] = []
    errors: list[SecondmeError] = []
    for name in names:
        try:
            book = await _ask(services, f"/api/channels/{name}/contacts")
        except UnavailableError as error:
            errors.append(error)
        else:
            rows += [_row(name, each, states) for each in book["contacts"]]
    if len(errors) == len(names):
        raise errors[0] if errors else UnavailableError("not_connected", "No channel is connected.", "secondme channels list")
    return rows, errors


async def find_in_address_books(services: Services, reference: str) -> Row:
    """The one entry that a name, a number or an id means. Raises NotFoundError when there is none, or several, UnavailableError."""
    reference = reference.strip()
    if is_contact_id(reference) and (":" in reference or "@" in reference):
        channel = manifest_of(channel_of(reference)).id
        try:
            entry = await _ask(services, f"/api/channels/{channel}/contacts/{quote(reference, safe='')}")
        except NotFoundError:
            raise NotFoundError("unknown_contact", _NOBODY, _LIST) from None
        return _row(channel, entry, await _states(services))
    rows, _ = await read_address_books(services)
    number = _NUMBER.fullmatch(reference.translate(_PUNCTUATION))
    if number is not None:
        named = [row for row in rows if row["number"] == number[1]]
    else:
        named = [row for row in rows if caseless(row["name"]) == caseless(reference)]
    if len(named) > 1:
        ids = ", ".join(row["contactId"] for row in named)
        raise NotFoundError("unknown_contact", f"{len(named)} entries are called that: {ids}.", "Name one of them by its id.")
    if not named:
        raise NotFoundError("unknown_contact", _NOBODY, did_you_mean(reference, (row["name"] for row in rows), _LIST))
    return named[0]


def look_up(services: Services) -> Callable[[ContactId], Awaitable[ChannelContact | None]]:
    """What the channel of a contact knows of it, when a gateway runs and can be asked; else nothing."""

    async def known(contact: ContactId) -> ChannelContact | None:
        try:
            row = await find_in_address_books(services, contact)
        except SecondmeError:
            return None
        return ChannelContact(contact, row["name"], row["number"])

    return known


async def _states(services: Services) -> dict[str, str]:
    listing = await services.listing()
    states = (("denied", listing.denied), ("pending", listing.pending), ("approved", listing.approved))
    return {record.contact_id: state for state, records in states for record in records}


def _row(channel: str, entry: dict[str, str], states: dict[str, str]) -> Row:
    contact = entry["contactId"]
    names = {"name": entry["displayName"], "number": entry["phoneNumber"]}
    return {"channel": channel, "contactId": contact, **names, "state": states.get(contact, "")}


async def _ask(services: Services, path: str) -> Any:  # JSON that the API's own schemas describe
    """What the gateway answers. Raises NotFoundError as it says, UnavailableError for all else."""
    import httpx

    try:
        async with make_local_client(services.setup.places.api_socket, timeout=_TIMEOUT_S) as client:
            answer = await client.get(path)
        data = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        what = "The gateway of this home cannot be asked, and only it is connected to the channels."
        raise UnavailableError("gateway_unreachable", what, "secondme serve, with api.enabled") from error
    if answer.is_success:
        return data
    kind = NotFoundError if answer.status_code == httpx.codes.NOT_FOUND else UnavailableError
    problem = data.get("error") or {
        "code": "gateway_unavailable",
        "message": "The gateway cannot work now.",
        "fix": "secondme status",
    }
    raise kind(problem["code"], problem["message"], problem["fix"])
