"""The graph: the facts that hold, kept in FalkorDB as they stand in the contacts' files, for those who chose it.

What each contact's graph was made of is written down before and after it is made, so a graph is always known of until it is gone: one of
a forgotten contact is deleted once the server is there again.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError
from secondme.core.ids import ContactId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.memory.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from secondme.core.memory.facts import Fact
    from secondme.core.memory.graph_store import GraphStore
    from secondme.core.memory.library import Memories
    from secondme.core.ports import Clock

log = get_logger(__name__)

_VERSION = 1
_SCHEMA = "CREATE TABLE IF NOT EXISTS graph (contact TEXT PRIMARY KEY, digest TEXT NOT NULL)"
_RECALL_S = 1.0
_AGAIN_S = 30.0
_ALL_S = 3600.0
"""How often all are compared: another process may have forgotten something."""
_WORD = re.compile(r"[\w'\u2019-]+")
_MOST_WORDS, _LONGEST_NAME = 60, 3


class FactGraph:
    """The facts of all contacts, in FalkorDB too."""

    def __init__(self, store: GraphStore, memories: Memories, path: Path, clock: Clock) -> None:
        """`path` says what each graph was made of."""
        self._store = store
        self._memories = memories
        self._file = SqliteFile(path, _SCHEMA, _VERSION, durable=True)
        self._clock = clock
        self._changed: dict[ContactId, float] = {}
        """Contacts whose facts may be others, and from when on that is looked at."""
        self._next_all = 0.0

    def changed(self, *contacts: ContactId) -> None:
        """Their graphs are made anew at the next `step`."""
        for contact in contacts:
            self._changed.setdefault(contact, 0.0)

    async def step(self) -> None:
        """Graphs are as their files are, where the server answers; each hour all that are known are looked at."""
        now = self._clock.monotonic()
        if now >= self._next_all:
            self._next_all = now + _ALL_S
            self.changed(*await asyncio.to_thread(self._known))
        for contact in [each for each, due in self._changed.items() if due <= now]:
            if not await self.settle(contact):
                self._changed[contact] = now + _AGAIN_S

    async def settle(self, contact: ContactId) -> bool:
        """True when the contact's graph is as their file is; false when the server did not do it. Repeatable. Raises UnavailableError when
        the file of graphs cannot be used."""
        facts = await asyncio.to_thread(self._holding, contact)
        digest = _digest(facts)
        before = await asyncio.to_thread(self._digest, contact)
        try:
            if not facts and before is not None:
                await self._store.forget(contact)
                await asyncio.to_thread(self._write, contact, None)
            elif facts and before != digest:
                await asyncio.to_thread(self._write, contact, "")
                await self._store.replace(contact, facts)
                await asyncio.to_thread(self._write, contact, digest)
        except SecondmeError as error:
            log.warning("graph_later", contact=mask_contact_id(contact), code=error.code)
            return False
        self._changed.pop(contact, None)
        return True

    async def near(self, contact: ContactId, text: str) -> dict[str, float]:
        """Messages that the graph connects with what `text` names, and how closely (up to 1). Empty when it does not answer in time."""
        try:
            async with asyncio.timeout(_RECALL_S):
                return await self._store.near(contact, names_in(text))
        except (SecondmeError, TimeoutError):
            return {}

    def unsettled(self) -> int:
        """How many of the known graphs are not as their files are. Blocking."""
        return sum(self._digest(contact) != (_digest(self._holding(contact)) or None) for contact in self._known())

    async def close(self) -> None:
        """No file is open, no connection. Repeatable."""
        await self._store.close()
        await asyncio.to_thread(self._file.close)

    def _holding(self, contact: ContactId) -> list[Fact]:
        return [each.fact for each in self._memories.facts(contact) if not each.until_ms]

    def _known(self) -> list[ContactId]:
        return self._file.do(lambda db: [ContactId(contact) for (contact,) in db.execute("SELECT contact FROM graph")])

    def _digest(self, contact: ContactId) -> str | None:
        row = self._file.do(lambda db: db.execute("SELECT digest FROM graph WHERE contact = ?", (contact,)).fetchone())
        return None if row is None else str(row[0])

    def _write(self, contact: ContactId, digest: str | None) -> None:
        if digest is None:
            self._file.do(lambda db: db.execute("DELETE FROM graph WHERE contact = ?", (contact,)))
        else:
            self._file.do(lambda db: db.execute("INSERT OR REPLACE INTO graph VALUES (?, ?)", (contact, digest)))


def _digest(facts: Sequence[Fact]) -> str:
    """What a graph is made of, in short; empty for no facts."""
    return hashlib.sha256(repr([(each.key, each.sources) for each in facts]).encode()).hexdigest() if facts else ""


def names_in(text: str) -> set[str]:
    """Everything in `text` that may be the name of somebody or something: one to three words in a row."""
    words = _WORD.findall(text)[-_MOST_WORDS:]
    return {" ".join(words[at : at + length]) for at in range(len(words)) for length in range(1, _LONGEST_NAME + 1)}
