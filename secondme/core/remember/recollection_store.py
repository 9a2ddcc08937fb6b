"""How does what an export remembers enter a history? In one script: beside what was said here, and never twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.clock import to_ms
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.records import Turn
    from secondme.core.store.client import Store

_SAME_MS = 120_000
"""Exports know minutes, and clocks differ."""
PREFIX = "import:"
"""What the id of an imported turn begins with; the script looks at it."""


@dataclass(frozen=True, slots=True)
class Recollected:
    """What became of the turns that were offered."""

    added: int = 0
    known: int = 0
    """Imported before, or kept when they were said."""
    left_out: int = 0
    """Too old, or not among the newest."""
    live: frozenset[str] = frozenset()
    """Ids of those that were kept when they were said, under another id."""
    refused: str = ""
    """Why none could come: not_approved, wrong_type."""


class RecollectionStore:
    """Histories, as far as they are remembered elsewhere."""

    def __init__(self, store: Store, *, execute: bool) -> None:
        """Without `execute` nothing is written, and the answers are the same."""
        self._store = store
        self._execute = "1" if execute else "0"

    async def recollect(self, contact: ContactId, turns: Sequence[Turn], *, named: bool) -> Recollected:
        """The newest of `turns` (oldest first, ids that begin with `import:`) are in the history of `contact`, each at its own time. Repeatable.

        `named`: the owner named the contact, so it need not be let in yet.
        """
        newest = turns[-keys.HISTORY_CAP :]
        if not newest:
            return Recollected()
        words: list[str | int] = [self._execute, "1" if named else "0", keys.HISTORY_CAP, keys.HISTORY_TTL_S * 1000, _SAME_MS]
        for turn in newest:
            words += (turn.id, turn.role, turn.content, to_ms(turn.timestamp), turn.encode())
        answer: bytes = await self._store.run(
            "recollect", (keys.approved(contact), keys.history(contact), keys.history_ids(contact)), tuple(words)
        )
        letters = answer.decode()
        if "_" in letters:
            return Recollected(refused=letters)
        live = frozenset(turn.id for turn, letter in zip(newest, letters, strict=True) if letter == "l")
        left_out = letters.count("o") + len(turns) - len(newest)
        return Recollected(letters.count("t"), letters.count("y") + letters.count("l"), left_out, live)
