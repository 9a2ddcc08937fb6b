"""What the owner decides about people, on whatever page: approve, deny, revoke, unblock."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from secondme.cli.tui.dialogs import ConfirmDialog, ReasonDialog, TierDialog, ask
from secondme.cli.tui.layout import shown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import App

    from secondme.cli.tui.link import Actions
    from secondme.core.enums import Tier
    from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest


class PairingDecisions:
    """Decisions about who is answered. Called in workers: they ask."""

    def __init__(self, desk: Actions) -> None:
        self._desk = desk

    async def approve(self, app: App[Any], requests: Sequence[PairingRequest]) -> bool:
        """They are approved, in the tier that was chosen. False when the owner thought better of it."""
        if not requests:
            return False
        choice = await ask(app, TierDialog(f"Approve {_who(requests)}?", "Approve", notes="" if len(requests) == 1 else None))
        if choice is None:
            return False
        decisions = [partial(self._approve, each, choice.tier, choice.notes) for each in requests]
        await self._desk.decide_all(decisions, "{} people are approved as " + choice.tier.value + ".")
        return True

    async def deny(self, app: App[Any], requests: Sequence[PairingRequest]) -> bool:
        """They are denied, for the reason that was typed. False when the owner thought better of it."""
        if not requests:
            return False
        body = "They are ignored in silence for 24 hours and are told nothing."
        reason = await ask(app, ReasonDialog(f"Deny {_who(requests)}?", "Deny", body))
        if reason is None:
            return False
        await self._desk.decide_all([partial(self._deny, each, reason) for each in requests], "{} people are denied.")
        return True

    async def revoke(self, app: App[Any], contact: ApprovedContact) -> None:
        """The contact is not approved any more, after a confirmation."""
        who = shown_name(contact.display_name, contact.contact_id)
        body = "They are not answered any more, from this moment on. Their history is erased."
        if await ask(app, ConfirmDialog(f"Revoke {who}?", body, "Revoke")):
            await self._desk.decide(partial(self._revoke, contact.contact_id, who))

    async def unblock(self, app: App[Any], contact: DeniedContact) -> None:
        """The contact may ask again, after a confirmation."""
        who = shown_name(contact.display_name, contact.contact_id)
        body = "Their next message makes a new request. It does not approve them."
        if await ask(app, ConfirmDialog(f"Unblock {who}?", body, "Unblock")):
            await self._desk.decide(partial(self._unblock, contact.contact_id, who))

    async def _approve(self, request: PairingRequest, tier: Tier, notes: str) -> str:
        decision = await self._desk.link.services.pairing.approve_request(request, tier, notes)
        who = shown_name(decision.display_name, decision.contact_id)
        return f"{who} is approved as {decision.tier}." if decision.outcome == "approved" else f"{who} was approved before."

    async def _deny(self, request: PairingRequest, reason: str) -> str:
        await self._desk.link.services.pairing.deny_request(request, reason)
        return f"{shown_name(request.display_name, request.contact_id)} is denied."

    async def _revoke(self, contact: str, who: str) -> str:
        await self._desk.link.services.pairing.revoke(contact)
        return f"{who} is not approved any more."

    async def _unblock(self, contact: str, who: str) -> str:
        await self._desk.link.services.pairing.unblock(contact)
        return f"{who} is unblocked."


def _who(requests: Sequence[PairingRequest]) -> str:
    return shown_name(requests[0].display_name, requests[0].contact_id) if len(requests) == 1 else f"{len(requests)} people"
