"""What did the owner choose for one contact: whose voice answers, and whether it answers at all? Fields of its approval, changed by one script."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from secondme.core.errors import DataError, NotFoundError
from secondme.core.records import ApprovedContact
from secondme.core.store import keys
from secondme.core.store.persons import LinkStore

if TYPE_CHECKING:
    from secondme.core.enums import ReplyMode
    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store


class ContactChoices:
    """The owner's choices for a contact, and for every other contact of the same person. Everything else in an approval stays as it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = LinkStore(store)

    async def set_persona(self, contact: ContactId, persona: str | None) -> ApprovedContact:
        """The approval with this persona's id; None: the relationship decides. Repeatable. Raises NotFoundError or DataError; then nothing changed."""
        return await self._set_all(contact, "persona", persona or "")

    async def set_mode(self, contact: ContactId, mode: ReplyMode | None) -> ApprovedContact:
        """The approval with this reply mode; None: the tier decides. Repeatable. Raises NotFoundError or DataError; then nothing changed."""
        return await self._set_all(contact, "replyMode", mode.value if mode else "")

    async def _set_all(self, contact: ContactId, field: Literal["persona", "replyMode"], value: str) -> ApprovedContact:
        chosen = await self._set(contact, field, value)
        for other in (await self._links.members(contact))[1:]:
            with contextlib.suppress(NotFoundError):
                await self._set(other, field, value)
        return chosen

    async def _set(self, contact: ContactId, field: Literal["persona", "replyMode"], value: str) -> ApprovedContact:
        key = keys.approved(contact)
        answer = await self._store.run("choose", (key,), (contact, field, value, keys.EVENTS_PAIRING))
        match answer[0]:
            case b"edited":
                return ApprovedContact.decode(answer[1], key)
            case b"corrupt":
                raise DataError("corrupt_record", f"The record {key} cannot be read; it was left as it is.")
            case _:
                raise NotFoundError(
                    "not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved"
                )
