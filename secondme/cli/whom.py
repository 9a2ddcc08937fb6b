"""Whom does a word on the command line mean? An approved contact, by its id, or by a name that only one of them has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from secondme.core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact


def approved_contact(reference: str, approved: Sequence[ApprovedContact]) -> ApprovedContact:
    """The one contact that `reference` means. Raises NotFoundError when it is nobody, or several."""
    for contact in approved:
        if contact.contact_id == reference:
            return contact
    wanted = _folded(reference)
    named = [contact for contact in approved if contact.display_name and _folded(contact.display_name) == wanted]
    if len(named) == 1:
        return named[0]
    what = f"{len(named)} approved contacts have that name." if named else "No approved contact has that name or id."
    raise NotFoundError("unknown_contact", what, "secondme contacts list")


def anybody(reference: str, approved: Sequence[ApprovedContact]) -> ContactId:
    """The one approved contact that `reference` means, or whoever has that whole id, let in or not. Raises NotFoundError."""
    from secondme.core.ids import contact_id, is_contact_id

    try:
        return contact_id(approved_contact(reference, approved).contact_id)
    except NotFoundError:
        if is_contact_id(reference) and (":" in reference or "@" in reference):
            return contact_id(reference)
        raise


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
