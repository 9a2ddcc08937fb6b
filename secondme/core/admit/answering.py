"""How is one contact answered? The owner's word for it, over its tier, for every place from which the owner decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.security_log import SecurityEvent, Severity

if TYPE_CHECKING:
    from secondme.core.admit.choices_store import ContactChoices
    from secondme.core.enums import ReplyMode
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact
    from secondme.core.security_log import SecurityLog


class Answering:
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
