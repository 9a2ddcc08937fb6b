"""The clone as programs ask it over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from secondme.asking import Ask, ask
from secondme.core.api.agent_routes import AgentRequest, AgentResult
from secondme.core.errors import DataError, NotFoundError
from secondme.core.messages import Origin, ToolTurn
from secondme.core.reply.tool_loop import ToolLimits

if TYPE_CHECKING:
    from secondme.core.records import ApprovedContact
    from secondme.services import Services


class AgentDesk:
    """Asks Claude as a script does: nobody is there to allow what changes something."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ask(self, wanted: AgentRequest, once: str) -> AgentResult:
        """As `ask`. Raises NotFoundError for somebody who is not an approved contact, DataError for a contact's persona."""
        to = wanted.to if wanted.to in {"none", "self"} else await self._contact(wanted.to)
        if wanted.persona is not None and to not in {"none", "self"}:
            raise DataError("bad_request", "A contact's persona is chosen for them.", "secondme persona use NAME --contact ID")
        asked_for = Ask(
            wanted.message,
            None if to == "none" else to,  # type: ignore[arg-type]  # one of both, or a contact
            ToolTurn(Origin.SCRIPT),
            thinking=wanted.thinking,
            persona=wanted.persona,
            once=once,
            valid_for=None if wanted.valid_hours is None else timedelta(hours=wanted.valid_hours),
        )
        async with self._services.asking_claude(self._services.toolbox, ToolLimits()) as clone:
            asked = await ask(self._services, clone, asked_for)
        answer = asked.answer
        return AgentResult(
            outcome=asked.outcome,
            to=asked.to,
            text=None if answer is None else answer.text,
            fault=None if answer is None else answer.fault or None,
            draft_id=asked.draft_id or None,
            channel_id=asked.channel_id or None,
            row_ids=list(asked.row_ids) or None,
        )

    async def _contact(self, reference: str) -> ApprovedContact:
        """Whole ids only: a program that guesses names would write to the wrong one."""
        for contact in (await self._services.listing()).approved:
            if contact.contact_id == reference:
                return contact
        raise NotFoundError("unknown_contact", "No approved contact has this id.", "secondme contacts list")
