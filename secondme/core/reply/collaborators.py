"""What the agent works with, as it sees it. Live, the stores and the budget are behind these; in a rehearsal, the past and a purse of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from secondme.core.errors import SecondmeError
    from secondme.core.ids import ContactId
    from secondme.core.messages import ModelOutcome, ModelSize, Prompt
    from secondme.core.records import ApprovedContact, Mail, Turn
    from secondme.core.reply.store import ReplyContext
    from secondme.core.reply.voice import Voice


class Purse(Protocol):
    """A model that is paid for."""

    async def ask(self, who: str, prompt: Prompt, **facts: Any) -> ModelOutcome:
        """As `Budget.ask`."""
        ...


class Contexts(Protocol):
    """What is known of contacts."""

    async def of(self, contact: ContactId, most: int, before: Mail | None = None) -> ReplyContext:
        """As `ContextStore.of`."""
        ...

    async def said(self, contact: ContactId) -> list[Turn]:
        """What a message may quote."""
        ...


class VoiceSource(Protocol):
    """In whose voice contacts are answered."""

    async def of(self, contact: ApprovedContact, context: ReplyContext) -> Voice:
        """As `Voices.of`."""
        ...


class Outages(Protocol):
    """Where it is written down that a model refuses us."""

    async def begin(self, error: SecondmeError, size: ModelSize, who: str, now_ms: int) -> None:
        """As `OutageStore.begin`."""
        ...

    async def end(self, size: ModelSize, who: str, now_ms: int, *, stale_ms: float) -> None:
        """As `OutageStore.end`."""
        ...
