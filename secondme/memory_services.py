"""The services of memory: one lazy part of a home's, from the files of contacts up to what the owner asks."""

from __future__ import annotations

from functools import cached_property
from random import SystemRandom
from typing import TYPE_CHECKING

from secondme.core.log import get_logger
from secondme.stores import Stores, time_zone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.dates import NamedDate
    from secondme.core.exports.memory_sink import MemorySink
    from secondme.core.ids import ContactId
    from secondme.core.memory.desk import MemoryDesk
    from secondme.core.memory.facts import Fact
    from secondme.core.memory.feed import MemoryFeed
    from secondme.core.memory.keeper import MemoryKeeper
    from secondme.core.memory.library import Memories
    from secondme.core.memory.service import ConversationMemory
    from secondme.core.ports import EmbeddingProvider
    from secondme.core.remember.occasions import OccasionLearner

log = get_logger(__name__)


class MemoryServices(Stores):
    """Memory of one home. Vendors and servers are known only where the owner chose them."""

    @cached_property
    def memories(self) -> Memories:
        """What is remembered, a file a contact."""
        from secondme.core.memory.library import Memories

        return Memories(self.setup.places.memory, self.settings.memory, zone=time_zone(self.settings))

    @cached_property
    def memory_keeper(self) -> MemoryKeeper:
        """Where everything that is remembered is written and forgotten; vendors and servers only where the owner chose them."""
        from secondme.core.memory.keeper import MemoryKeeper

        settings, places = self.settings.memory, self.setup.places.memory
        keeper = MemoryKeeper(self.memories, settings)
        keeper.tell_facts = self._keep_occasions if self.occasion_learner is not None and settings.finds_facts else None
        cache = places / "embeddings.cache"
        if settings.embeddings != "none" or cache.exists():  # what is forgotten leaves it, also when nothing is embedded any more
            from secondme.core.memory.embedding_cache import CachedEmbeddings, EmbeddingCache

            keeper.cache = EmbeddingCache(cache)
            if provider := self._embedding_provider():
                from secondme.core.memory.meaning import MeaningIndex

                keeper.meaning = MeaningIndex(self.memories, CachedEmbeddings(provider, keeper.cache), self.clock)
        if settings.automem_url:
            from secondme.core.memory.automem import AutoMemArchive
            from secondme.core.memory.automem_outbox import AutoMemOutbox
            from secondme.core.providers.automem import AutoMem

            outbox = AutoMemOutbox(places / "automem.outbox", self.clock, SystemRandom())
            keeper.archive = AutoMemArchive(AutoMem(settings, self.clock), outbox)
        if settings.graph_url and settings.facts != "off":
            from secondme.core.memory.graph import FactGraph
            from secondme.core.memory.graph_store import GraphStore

            store = GraphStore(settings.graph_url.get_secret_value())
            keeper.graph = FactGraph(store, self.memories, places / "graph.outbox", self.clock)
        return keeper

    def _embedding_provider(self) -> EmbeddingProvider | None:
        """What the owner chose; None also when it lacks its key or its packages: words alone find what was said then, and doctor says so."""
        from secondme.core.errors import ConfigError, CredentialsError
        from secondme.core.providers.embeddings import embedding_provider

        try:
            return embedding_provider(self.settings.memory, self.clock, SystemRandom())
        except (ConfigError, CredentialsError) as error:
            log.warning("embeddings_unusable", code=error.code)
            return None

    @cached_property
    def occasion_learner(self) -> OccasionLearner | None:
        """What keeps birthdays and promises as they are said; None where the owner does not want that."""
        from secondme.core.memory.facts import Spoken, birthday_of, facts_in
        from secondme.core.messages import Speaker
        from secondme.core.remember.occasions import OccasionLearner

        if not self.settings.learning.occasions:
            return None

        def birthdays_in(text: str) -> list[NamedDate]:
            facts = facts_in(Spoken("", 0, Speaker.CONTACT, text), "birthday")
            return [named for named in map(birthday_of, facts) if named is not None]

        rules = None if self.settings.memory.finds_facts else birthdays_in
        return OccasionLearner(self.occasions, time_zone(self.settings), self.clock, rules)

    async def _keep_occasions(self, contact: ContactId, facts: Sequence[Fact]) -> None:
        """The birthday of the contact is the newest that memory knows, and promises are kept that the model saw in the owner's words. A record
        of them that cannot be written keeps nothing from being remembered. Raises UnavailableError."""
        from secondme.core.errors import DataError
        from secondme.core.ids import mask_contact_id

        try:
            if not facts or any(fact.kind == "birthday" for fact in facts):
                await self._keep_birthday(contact)
            await self._keep_promises(contact, facts)
        except DataError as error:
            log.warning("occasions_refused", contact=mask_contact_id(contact), code=error.code)

    async def _keep_birthday(self, contact: ContactId) -> None:
        import asyncio

        from secondme.core.clock import from_ms
        from secondme.core.memory.facts import birthday_of

        holding = [each.fact for each in await asyncio.to_thread(self.memories.facts, contact) if not each.until_ms]
        dated = ((birthday_of(fact), fact) for fact in holding)  # the newest first
        said = next(((named, fact.sources[-1], from_ms(fact.at_ms)) for named, fact in dated if named is not None), None)
        if self.occasion_learner is not None:
            await self.occasion_learner.remembered(contact, said)

    async def _keep_promises(self, contact: ContactId, facts: Sequence[Fact]) -> None:
        import asyncio

        from secondme.core.clock import from_ms
        from secondme.core.messages import Speaker

        found = [fact.sources[-1] for fact in facts if fact.kind.startswith("promise") and fact.speaker is Speaker.OWNER]
        said = await asyncio.to_thread(self.memories.said_in, contact, found) if found else []
        for message_id, at_ms, who, words, _ in said:
            if who == Speaker.OWNER.value and self.occasion_learner is not None:
                await self.occasion_learner.promised(contact, message_id, words, from_ms(at_ms))

    @cached_property
    def memory(self) -> ConversationMemory:
        """What of a person's past belongs into a reply."""
        from secondme.core.memory.service import ConversationMemory

        async def names(contact: ContactId) -> Sequence[str]:
            found = await self.pairing_store.approved(contact)
            return found.names if found else ()

        owner, settings = self.settings.persona.name, self.settings.memory
        return ConversationMemory(self.memory_keeper, self.persons, names, owner, settings, time_zone(self.settings), self.clock)

    @cached_property
    def memory_desk(self) -> MemoryDesk:
        """Memory as the owner sees and steers it."""
        from secondme.core.memory.desk import MemoryDesk

        feed, settings = self.memory_feed, self.settings.memory
        desk = MemoryDesk(
            self.memory_keeper, self.memory, self.journals, self.persons, settings, self.clock, read_waiting=feed.read_waiting
        )
        desk.drop_files = self.shelf.drop
        return desk

    @cached_property
    def memory_feed(self) -> MemoryFeed:
        """What keeps memory in step with what is said."""
        from secondme.core.memory.feed import MemoryFeed

        feed = MemoryFeed(self.journals, self.memory_keeper, self.history, self._approved_ids, self.settings.memory, self.clock)
        feed.tell = self.control.publish_status
        return feed

    async def _approved_ids(self) -> list[ContactId]:
        from secondme.core.ids import ContactId

        return [ContactId(each.contact_id) for each in (await self.listing()).approved]

    @cached_property
    def memory_sink(self) -> MemorySink:
        """Where whole conversations of exports go."""
        from secondme.core.exports.memory_sink import MemorySink

        async def read_heard(contact: ContactId) -> None:
            await self.memory_feed.fill(contact)
            await self.memory_feed.read_waiting(contact)

        return MemorySink(self.memory_keeper, self._approved_ids, read_heard)
