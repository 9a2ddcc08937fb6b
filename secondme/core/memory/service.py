"""Memory as the rest of the program asks it: what of a person's past belongs into a reply, and what the owner looks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError
from secondme.core.ids import ContactId, mask_contact_id
from secondme.core.log import get_logger
from secondme.core.memory.query import read_query
from secondme.core.memory.ranking import MemoryHints
from secondme.core.memory.recall import pack
from secondme.core.messages import KnownPerson, Recollection, Remembered, Speaker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import tzinfo

    from secondme.core.config.models import MemorySettings
    from secondme.core.memory.keeper import MemoryKeeper
    from secondme.core.memory.ranking import RankedMessage
    from secondme.core.ports import Clock
    from secondme.core.store.persons import PersonStore

log = get_logger(__name__)

_RECALL_S = 1.5
"""A reply waits no longer for what was said long ago."""
_ARCHIVE_S = 1.2
"""A little longer than a call to AutoMem may take, which counts its own failures."""
_MOST_TRACED = 20
"""Ids in a trace: the words stay where they can be forgotten."""
_MOST_CHARACTERS = 2000
"""Of what is asked for: the end of a long burst says best what it is about."""


class ConversationMemory:
    """The memory of one home."""

    def __init__(
        self,
        keeper: MemoryKeeper,
        persons: PersonStore,
        names: Callable[[ContactId], Awaitable[Collection[str]]],
        owner: str,
        settings: MemorySettings,
        zone: tzinfo,
        clock: Clock,
    ) -> None:
        """`names` gives what the contact is called; `owner` is the owner's name."""
        self._keeper = keeper
        self._memories = keeper.memories
        self._persons = persons
        self._names = names
        self._owner = owner
        self._settings = settings
        self._zone = zone
        self._clock = clock

    async def recall(
        self, contact: ContactId, query: str, *, shown: AbstractSet[str], person: KnownPerson | None = None
    ) -> Recollection:
        """As the port says."""
        if not self._settings.budget_tokens:
            return Recollection()
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(_RECALL_S):
                ranked = await self.search(contact, query, person)
        except (SecondmeError, TimeoutError) as error:
            code = error.code if isinstance(error, SecondmeError) else "timed_out"
            log.warning("memory_not_read", contact=mask_contact_id(contact), code=code)
            return Recollection(facts={"memory": {"code": code}})
        rows = pack(ranked, budget_tokens=self._settings.budget_tokens, zone=self._zone, shown=shown)
        items = tuple(Remembered(row.id, row.said_at, Speaker(row.speaker), row.text) for row in rows)
        why = sorted({reason for row in rows for reason in row.why})
        ids = [each.message_id for each in items[:_MOST_TRACED]]
        facts = {"found": len(items), "ms": int((self._clock.monotonic() - began) * 1000), "why": why, "messages": ids}
        return Recollection(items, {"memory": facts})

    async def search(self, contact: ContactId, query: str, person: KnownPerson | None = None) -> list[RankedMessage]:
        """What was said with this person and answers `query`, the best first. Raises BusyError, UnavailableError."""
        if person is None:
            person = KnownPerson(await self._persons.members(contact), list(await self._names(contact)))
        members, names = person.members, person.names
        text, weights = query[-_MOST_CHARACTERS:], self._settings.weights
        async with asyncio.TaskGroup() as asking:  # at once: what they take is taken from what the words have
            near = asking.create_task(self._near(members, text)) if weights.semantic else None
            found = {each: asking.create_task(self._known_of(each, text)) for each in members} if weights.graph else {}
        meant, known = near.result() if near else {}, {each: task.result() for each, task in found.items()}
        return await asyncio.to_thread(self._search, members, text, names, meant, known)

    async def _near(self, contacts: Sequence[ContactId], text: str) -> Mapping[str, Mapping[str, tuple[float, float]]]:
        return {} if self._keeper.meaning is None else await self._keeper.meaning.near(contacts, text)

    async def _known_of(self, contact: ContactId, text: str) -> dict[str, float]:
        """What AutoMem and the graph find: message ids and how sure they are."""
        if self._keeper.graph is None:
            return await self._archived(contact, text)
        archived, linked = await asyncio.gather(self._archived(contact, text), self._keeper.graph.near(contact, text))
        return {each: max(archived.get(each, 0.0), linked.get(each, 0.0)) for each in archived | linked}

    async def _archived(self, contact: ContactId, text: str) -> dict[str, float]:
        """What AutoMem finds: message ids and how sure it is. Empty without one, and when it does not answer in time."""
        if self._keeper.archive is None:
            return {}
        try:
            async with asyncio.timeout(_ARCHIVE_S):
                found = await self._keeper.archive.recall(contact, text)
        except (SecondmeError, TimeoutError) as error:
            log.info("automem_recall_failed", code=error.code if isinstance(error, SecondmeError) else "timed_out")
            return {}
        return {message_id: min(1.0, max(0.0, each.score)) for each in reversed(found) for message_id in each.message_ids}

    def _search(
        self,
        members: Sequence[ContactId],
        text: str,
        names: Collection[str],
        near: Mapping[str, Mapping[str, tuple[float, float]]],
        found: Mapping[ContactId, Mapping[str, float]],
    ) -> list[RankedMessage]:
        """Blocking."""
        asked = read_query(text, contact_names=names, owner_names=[self._owner])
        hints: dict[str, MemoryHints] = {}
        for member in members:
            sure = dict(found.get(member, {}))
            if self._settings.facts != "off" and self._settings.weights.graph:
                for kept, score in self._memories.facts_about(member, text):
                    sure |= {each: max(score, sure.get(each, 0.0)) for each in kept.fact.sources}
            hints[member] = MemoryHints(meanings=near.get(member, {}), graph=sure)
        return self._memories.search(members, asked, hints=hints)
