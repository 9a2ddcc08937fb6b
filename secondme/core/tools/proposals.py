"""Proposals: what a skill would change for a contact, which the owner decides. Nobody waits for it: the reply says that it was passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import NotFoundError
from secondme.core.security_log import SecurityEvent, SecurityLog
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.core.messages import ToolResult
    from secondme.core.tools.store import Proposal, SkillStore

_PREFIX = 4
_VALUE_SHOWN = 200
_MOST_VALUES = 12


class ProposalService:
    """Decides about proposals. `carry_out` does what one says, with the owner's rights, and never raises."""

    def __init__(
        self, store: SkillStore, carry_out: Callable[[Proposal], Awaitable[ToolResult]], security: SecurityLog, by: str
    ) -> None:
        self._store = store
        self._carry_out = carry_out
        self._security = security
        self._by = by

    async def waiting(self) -> list[Proposal]:
        """Everything that waits, the oldest first. Raises UnavailableError."""
        return await self._store.proposals()

    async def find(self, reference: str) -> Proposal:
        """The one proposal whose id is `reference`, or begins with it. Raises NotFoundError."""
        waiting = await self.waiting()
        found = [each for each in waiting if each.proposal_id == reference] or [
            each for each in waiting if len(reference) >= _PREFIX and each.proposal_id.startswith(reference)
        ]
        if len(found) != 1:
            what = "No proposal has" if not found else "Several proposals have"
            raise NotFoundError("no_such_proposal", f"{what} that id.", "secondme proposals list")
        return found[0]

    async def approve(self, reference: str) -> tuple[Proposal, ToolResult]:
        """The proposal was carried out, once, or the result says why not. Raises NotFoundError, also when somebody else decided first."""
        proposal = await self._decided(reference, approved=True)
        return proposal, await self._carry_out(proposal)

    async def drop(self, reference: str) -> Proposal:
        """The proposal is gone, and nothing of it was done. Raises NotFoundError."""
        return await self._decided(reference, approved=False)

    async def _decided(self, reference: str, *, approved: bool) -> Proposal:
        """Written down before anything is done: who is killed in between has done it at most once."""
        proposal = await self.find(reference)
        decision = "approved" if approved else "dropped"
        if not await self._store.decide(proposal, "approved" if approved else "dropped"):
            raise NotFoundError("no_such_proposal", "Somebody has just decided about that proposal.", "secondme proposals list")
        self._security.write(
            SecurityEvent.PROPOSAL_DECIDED,
            contact=proposal.contact_id,
            skill=proposal.skill,
            tool=proposal.tool,
            decision=decision,
            by=self._by,
        )
        return proposal


def in_words(proposal: Proposal) -> str:
    """What it would do, in a few safe lines. The words in it come from a model that had read a contact's."""
    head = f"{proposal.skill}: {proposal.tool.replace('_', ' ')}"
    return "\n".join([head, *(f"  {name}: {value}" for name, value in values_of(proposal.input))])


def values_of(given: Mapping[str, object]) -> list[tuple[str, str]]:
    """Each value of an input as one safe line, at most 12 of 200 characters."""
    return [
        (safe_text(name)[:40], " ".join(safe_text(str(value)).split())[:_VALUE_SHOWN])
        for name, value in list(given.items())[:_MOST_VALUES]
    ]
