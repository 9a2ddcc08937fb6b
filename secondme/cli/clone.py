"""The composition root's other half: how is the clone itself put together? Its voices, its purse, what it learns, what waits for its owner.

Imports are inside the functions, as in `compose`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import tzinfo

    from secondme.core.config.loader import Settings, Setup
    from secondme.core.ports import Model
    from secondme.core.remember.learning import Learner
    from secondme.core.reply.agent import Agent
    from secondme.core.reply.budget import Budget
    from secondme.core.reply.owner_turn import Asking
    from secondme.core.reply.store import SpendingStore
    from secondme.core.reply.voice import Voices
    from secondme.core.send.drafts import Drafts
    from secondme.core.send.store import DraftStore
    from secondme.core.store.client import Store


def draft_store(store: Store, settings: Settings) -> DraftStore:
    """Held replies, as they are stored."""
    from secondme.core.send.store import DraftStore

    return DraftStore(store, settings.drafts)


def drafts(store: Store, setup: Setup) -> Drafts:
    """The owner's decisions about drafts."""
    from secondme.core.send.drafts import Drafts

    return Drafts(draft_store(store, setup.settings))


def spending_store(store: Store) -> SpendingStore:
    """What models cost."""
    from secondme.core.reply.store import SpendingStore

    return SpendingStore(store)


def zone_of(settings: Settings) -> tzinfo:
    """The owner's time zone."""
    from zoneinfo import ZoneInfo

    from secondme.core.send.pacing import machine_zone

    return ZoneInfo(settings.sleep.timezone) if settings.sleep.timezone else machine_zone()


def voices(store: Store, setup: Setup) -> Voices:
    """In whose voice contacts are answered."""
    from secondme.core.clock import SystemClock
    from secondme.core.remember.store import RelationshipStore, StyleStore
    from secondme.core.reply.personas import Library
    from secondme.core.reply.store import PersonaUse
    from secondme.core.reply.voice import Voices

    library = Library(setup.places.personas)
    file = setup.settings.persona.file
    return Voices(library, PersonaUse(store), StyleStore(store), RelationshipStore(store), file, SystemClock())


def budget(store: Store, setup: Setup, model: Model) -> Budget:
    """A model with a purse."""
    from secondme.core.clock import SystemClock
    from secondme.core.reply.budget import Budget

    return Budget(model, spending_store(store), setup.settings.budget, setup.settings.model, SystemClock())


def agent(store: Store, setup: Setup, model: Model) -> Agent:
    """Who composes replies."""
    from secondme.core.clock import SystemClock
    from secondme.core.reply.agent import Agent
    from secondme.core.store.history import ConversationStore

    settings = setup.settings
    purse, conversation = budget(store, setup, model), ConversationStore(store)
    return Agent(purse, conversation, voices(store, setup), settings, zone_of(settings), SystemClock())


def asking(store: Store, setup: Setup, model: Model) -> Asking:
    """Where the owner's own turns are taken."""
    from secondme.core.clock import SystemClock
    from secondme.core.reply.owner_turn import Asking
    from secondme.core.store.history import ConversationStore

    settings = setup.settings
    purse, conversation = budget(store, setup, model), ConversationStore(store)
    return Asking(purse, conversation, voices(store, setup), settings, zone_of(settings), SystemClock())


@contextlib.asynccontextmanager
async def asking_claude(store: Store, setup: Setup) -> AsyncIterator[Asking]:
    """`asking` with Claude behind it, for the length of one command: its connections are closed afterwards."""
    from secondme.core.providers.claude import Claude

    claude = Claude(setup.settings.model)
    try:
        yield asking(store, setup, claude)
    finally:
        await claude.close()


def learner(store: Store) -> Learner:
    """Who learns from what the owner and their contacts write."""
    from secondme.core.clock import SystemClock
    from secondme.core.remember.learning import Learner
    from secondme.core.remember.store import RelationshipStore, StyleStore

    return Learner(StyleStore(store), RelationshipStore(store), SystemClock())
