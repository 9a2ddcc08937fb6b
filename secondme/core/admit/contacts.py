"""The owner's decisions about one contact: which contacts are one person, how each is answered, and forgetting somebody altogether."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from secondme.core.admit.pairing import channel_of
from secondme.core.admit.pairing_store import LINKED
from secondme.core.errors import DataError, NotFoundError
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity
from secondme.core.store.persons import PersonStore, as_contact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.admit.store import ContactChoices
    from secondme.core.enums import ReplyMode
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, SpeechChoice


class ContactService:
    """What the owner decides about contacts as persons. The CLI and the API come here."""

    def __init__(
        self,
        links: PersonStore,
        pairing: PairingStore,
        security: SecurityLog,
        erase_files: Callable[[ContactId], Awaitable[None]],
        *,
        by: str,
    ) -> None:
        self._links = links
        self._pairing = pairing
        self._security = security
        self._erase_files = erase_files
        self._by = by

    async def members(self, reference: str) -> list[ContactId]:
        """The contact, then the others of the same person. Raises NotFoundError for what is no id."""
        return await self._links.members(as_contact(reference))

    async def link(self, first: str, second: str) -> Literal["linked", "already"]:
        """Both are one person: they share the approval and what was said. Repeatable. Raises NotFoundError and BusyError."""
        a, b = as_contact(first), as_contact(second)
        if a == b:
            raise DataError("same_contact", "A contact cannot be linked with itself.")
        await self._pairing.lend_between(a, b)
        outcome = await self._links.link((a, await self._channel(a)), (b, await self._channel(b)))
        if outcome == "linked":
            await self._record(SecurityEvent.CONTACTS_LINKED, a)
            await self._record(SecurityEvent.CONTACTS_LINKED, b)
        return outcome

    async def unlink(self, reference: str) -> Literal["unlinked", "unlinked_and_revoked"]:
        """The contact is a person of its own. One that was approved only by its link is a stranger again, and what was kept is erased.

        Raises NotFoundError when it was not linked.
        """
        contact = as_contact(reference)
        if len(await self._links.members(contact)) == 1:
            raise NotFoundError("not_linked", f"{contact} is linked with nobody.", "secondme contacts list")
        approved = await self._pairing.approved(contact)
        was_lent = approved is not None and approved.approved_by == LINKED
        if was_lent:
            await self._pairing.revoke(contact, channel=await self._channel(contact), by=self._by)
        await self._links.unlink(contact)
        await self._record(SecurityEvent.CONTACTS_UNLINKED, contact)
        return "unlinked_and_revoked" if was_lent else "unlinked"

    async def forget(self, reference: str) -> list[ContactId]:
        """Everything of the person is erased, under each of its contacts: in the store, in the channels' files, on the disk.

        Who was forgotten; they are strangers and is unblocked. Repeatable; raises NotFoundError when there was nothing.
        """
        members = await self._links.members(as_contact(reference))
        found = 0
        for contact in members:
            found += await self._links.forget(contact, await self._channel(contact))
            await self._erase_files(contact)
        if not found:
            raise NotFoundError("unknown_contact", f"There is nothing of {members[0]}.", "secondme contacts list")
        for contact in members:
            await self._record(SecurityEvent.CONTACT_FORGOTTEN, contact)
        await self._links.rewrite()
        return members

    async def _channel(self, contact: ContactId) -> str:
        try:
            approved = await self._pairing.approved(contact)
        except DataError:
            approved = None
        return approved.channel_id if approved and approved.channel_id else channel_of(contact)

    async def _record(self, event: SecurityEvent, contact: ContactId) -> None:
        await self._security.record(event, Severity.INFO, contact, by=self._by)


class ReplyModes:
    """What the owner decides about how single contacts are answered."""

    def __init__(self, choices: ContactChoices, security: SecurityLog, *, by: str) -> None:
        self._choices = choices
        self._security = security
        self._by = by

    async def set_mode(self, contact: ContactId, mode: ReplyMode | None) -> ApprovedContact:
        """The approval with this reply mode, and so every other contact of the person; None: the tier decides. Repeatable. Raises
        NotFoundError or DataError; then nothing changed."""
        record = await self._choices.set_mode(contact, mode)
        await self._security.record(
            SecurityEvent.REPLY_MODE_CHANGED,
            Severity.INFO,
            contact,
            by=self._by,
            mode=record.mode.value,
            chosen=record.reply_mode is not None,
        )
        return record

    async def set_speech(self, contact: ContactId, wanted: SpeechChoice | None) -> ApprovedContact:
        """The approval with this word about spoken replies, and so every other contact of the person; None: the settings decide. Repeatable.
        Raises NotFoundError or DataError; then nothing changed."""
        return await self._choices.set_speech(contact, wanted)
