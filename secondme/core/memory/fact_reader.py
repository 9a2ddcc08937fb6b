"""The fact reader: a small model reads a conversation that is over, within the budget, and never while the clone is silenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import UnavailableError
from secondme.core.memory.facts import extraction_prompt, read_extraction
from secondme.core.messages import Composed, Speaker
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.ids import ContactId
    from secondme.core.memory.facts import Fact, Spoken
    from secondme.core.messages import ModelOutcome

_FEWEST = 2
"""Messages of people: a single one says nothing that a rule would not see."""


class FactReader:
    """Asks the small model for the facts of a conversation."""

    def __init__(
        self, ask: Callable[..., Awaitable[ModelOutcome]], may_ask: Callable[[ContactId], Awaitable[bool]], owner: str
    ) -> None:
        """`ask` is a budget's; `may_ask` is false in a pause and behind the kill switch."""
        self._ask = ask
        self._may_ask = may_ask
        self._owner = safe_name(owner) or "the owner"

    async def __call__(self, contact: ContactId, said: Sequence[Spoken]) -> list[Fact]:
        """The facts, each with its messages; none when the model answers anything else. Raises UnavailableError, CredentialsError and
        ConfigError: ask again later."""
        if sum(each.speaker is not Speaker.CLONE for each in said) < _FEWEST:
            return []
        if not await self._may_ask(contact):
            raise UnavailableError("paused", "The contact is paused.")
        outcome = await self._ask(contact, extraction_prompt(said, self._owner), classification="facts")
        return read_extraction(outcome.text, said) if isinstance(outcome, Composed) and not outcome.is_cut else []
