"""Whom does a word on the command line mean? An approved contact, by its id, or by a name that only one of them has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from secondme.core.errors import NotFoundError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact

_MOST_NAMED = 5
"""Contacts of one name that are listed."""


def approved_contact(reference: str, approved: Sequence[ApprovedContact]) -> ApprovedContact:
    """The one contact that `reference` means. Raises NotFoundError when it is nobody, naming the nearest, or several, naming them."""
    for contact in approved:
        if contact.contact_id == reference:
            return contact
    wanted = _folded(reference)
    named = [contact for contact in approved if contact.display_name and _folded(contact.display_name) == wanted]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(contact.contact_id for contact in named[:_MOST_NAMED])
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        what = f"{len(named)} approved contacts have that name: {ids}{more}."
        raise NotFoundError("unknown_contact", what, "Name one of them by its id.")
    near = _nearest(reference, approved)
    raise NotFoundError(
        "unknown_contact",
        "No approved contact has that name or id.",
        f"Did you mean {near}?" if near else "secondme contacts list",
    )


def anybody(reference: str, approved: Sequence[ApprovedContact]) -> ContactId:
    """The one approved contact that `reference` means, or whoever has that whole id, let in or not. Raises NotFoundError."""
    from secondme.core.ids import contact_id, is_contact_id

    try:
        return contact_id(approved_contact(reference, approved).contact_id)
    except NotFoundError:
        if is_contact_id(reference) and (":" in reference or "@" in reference):
            return contact_id(reference)
        raise


def _nearest(reference: str, approved: Sequence[ApprovedContact]) -> str:
    """The names and ids most like `reference`, as a question offers them; empty when none is like it."""
    from secondme.cli.help.nearest import near

    names = {_folded(contact.display_name): safe_name(contact.display_name) for contact in approved if contact.display_name}
    words = [*names, *(contact.contact_id for contact in approved)]
    return " or ".join(names.get(word, word) for word in near(_folded(reference), words))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
