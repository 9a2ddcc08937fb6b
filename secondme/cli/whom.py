"""Whom does a word on the command line mean? An approved contact, by its id, or by a name that only one of them has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from secondme.core.errors import NotFoundError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest

    Known = ApprovedContact | DeniedContact | PairingRequest

_MOST_NAMED = 5
"""Contacts of one name that are listed."""


def approved_contact(reference: str, approved: Sequence[ApprovedContact]) -> ApprovedContact:
    """The one contact that `reference` means. Raises NotFoundError when it is nobody, naming the nearest, or several, naming them."""
    for contact in approved:
        if contact.contact_id == reference.strip():
            return contact
    wanted = _folded(reference)
    named = [contact for contact in approved if contact.display_name and _folded(contact.display_name) == wanted]
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
    """The one approved contact that `reference` means, or whoever has that whole id, let in or not. Raises NotFoundError."""
    from secondme.core.ids import contact_id

    try:
        return contact_id(approved_contact(reference, approved).contact_id)
    except NotFoundError:
        if _is_whole_id(reference):
            return contact_id(reference.strip())
        raise


def _is_whole_id(reference: str) -> bool:
    from secondme.core.ids import is_contact_id

    return is_contact_id(reference.strip()) and (":" in reference or "@" in reference)


def hinted(error: NotFoundError, reference: str, known: Sequence[Known]) -> NotFoundError:
    """The error with the contact that is called most like `reference`, if there is one."""
    if any(contact.contact_id == reference for contact in known) or error.code == "unknown_code":
        return error  # it is there, and something else is the matter; a code is like no other
    named = [
        contact.contact_id for contact in known if contact.display_name and _folded(contact.display_name) == _folded(reference)
    ]
    hint = " or ".join(named[:_MOST_NAMED]) or _nearest(reference, known, most=1)
    return NotFoundError(error.code, error.message, f"Did you mean {hint}?") if hint else error


def _nearest(reference: str, known: Sequence[Known], most: int = 3) -> str:
    """The names and ids most like `reference`, as a question offers them; empty when none is like it."""
    if not known:
        return ""
    from secondme.cli.help.nearest import near

    names = {_folded(contact.display_name): safe_name(contact.display_name) for contact in known if contact.display_name}
    words = [*names, *(contact.contact_id for contact in known)]
    return " or ".join(names.get(word, word) for word in near(_folded(reference), words, most))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
