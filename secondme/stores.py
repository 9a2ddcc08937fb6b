"""Every store of one home, each built when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from secondme.core.clock import SystemClock

if TYPE_CHECKING:
    from datetime import tzinfo

    from secondme.core.admit.control_store import ControlStore
    from secondme.core.admit.pairing_store import Listing, PairingStore
    from secondme.core.admit.store import ContactChoices
    from secondme.core.admit.witness import Witness
    from secondme.core.config.loader import Settings, Setup
    from secondme.core.gateway.store import ActivityStore, ConversationStates, NoteStore, TraceStore
    from secondme.core.jobs.store import JobStore
    from secondme.core.media.shelf import Shelf
    from secondme.core.memory.store import JournalStore
    from secondme.core.queue.store import DeadLetterStore, InboxStore
    from secondme.core.remember.occasion_store import OccasionStore
    from secondme.core.remember.store import RelationshipStore, StyleStore
    from secondme.core.reply.store import ContextStore, OutageStore, PersonaUse, SpendingStore
    from secondme.core.send.store import DraftStore, OutboxStore
    from secondme.core.store.client import Store
    from secondme.core.store.events import EventLog
    from secondme.core.store.history import HistoryStore
    from secondme.core.store.persons import PersonStore
    from secondme.core.tools.store import SkillStore
    from secondme.core.webhooks.store import WebhookStore


class Stores:
    """What one home keeps, over one connection to its store."""

    def __init__(self, setup: Setup, store: Store, *, clock: SystemClock | None = None) -> None:
        self.setup = setup
        self.settings: Settings = setup.settings
        self.store = store
        self.clock = clock or SystemClock()

    @cached_property
    def pairing_store(self) -> PairingStore:
        """Who waits, who was approved, who was denied."""
        from secondme.core.admit.pairing_store import PairingStore

        return PairingStore(self.store, self.settings.pairing)

    @cached_property
    def witness(self) -> Witness:
        """How many people were approved, as a file of the home says."""
        from secondme.core.admit.witness import Witness

        return Witness(self.setup.places.witness, self.pairing_store, self.clock)

    def forget_rehearsals(self, contact: str) -> None:
        """No rehearsal has a word of this contact's, or to them. Repeatable."""
        if self.setup.places.rehearsals.exists():
            from secondme.core.rehearse.archive import RunArchive

            RunArchive(self.setup.places.rehearsals).forget_contact(contact)

    async def listing(self) -> Listing:
        """Everybody who waits, was approved or was denied, right now."""
        return await self.pairing_store.listing()

    @cached_property
    def control(self) -> ControlStore:
        """Pauses, the kill switch, running processes and what waits."""
        from secondme.core.admit.control_store import ControlStore

        return ControlStore(self.store)

    @cached_property
    def persons(self) -> PersonStore:
        """Which contacts are one person."""
        from secondme.core.store.persons import PersonStore

        return PersonStore(self.store)

    @cached_property
    def history(self) -> HistoryStore:
        """What was said."""
        from secondme.core.store.history import HistoryStore

        return HistoryStore(self.store)

    @cached_property
    def inbox(self) -> InboxStore:
        """What waits to be worked on."""
        from secondme.core.queue.store import InboxStore

        return InboxStore(self.store, self.settings.queue)

    @cached_property
    def dead_letters(self) -> DeadLetterStore:
        """What could not be worked on."""
        from secondme.core.queue.store import DeadLetterStore

        return DeadLetterStore(self.store)

    @cached_property
    def outbox(self) -> OutboxStore:
        """Replies on their way, and held ones."""
        from secondme.core.send.store import OutboxStore

        return OutboxStore(self.store, self.settings.delivery)

    @cached_property
    def draft_store(self) -> DraftStore:
        """Held replies, as they are stored."""
        from secondme.core.send.store import DraftStore

        return DraftStore(self.store, self.settings.drafts, self.settings.jobs)

    @cached_property
    def spending(self) -> SpendingStore:
        """What models cost."""
        from secondme.core.reply.store import SpendingStore

        return SpendingStore(self.store)

    @cached_property
    def outages(self) -> OutageStore:
        """Why the model's server refuses us, while it does."""
        from secondme.core.reply.store import OutageStore

        return OutageStore(self.store)

    @cached_property
    def persona_use(self) -> PersonaUse:
        """Which persona is used for everybody and for each relationship."""
        from secondme.core.reply.store import PersonaUse

        return PersonaUse(self.store)

    @cached_property
    def contexts(self) -> ContextStore:
        """What replies need to know of a contact."""
        from secondme.core.reply.store import ContextStore

        is_any_on = self.skill_store.is_any_on
        return ContextStore(self.store, self.history, self.style, self.relationships, self.persona_use, is_any_on)

    @cached_property
    def choices(self) -> ContactChoices:
        """What the owner chose for single contacts."""
        from secondme.core.admit.store import ContactChoices

        return ContactChoices(self.store)

    @cached_property
    def style(self) -> StyleStore:
        """How the owner writes."""
        from secondme.core.remember.store import StyleStore

        return StyleStore(self.store)

    @cached_property
    def occasions(self) -> OccasionStore:
        """When contacts have their birthdays, and what the owner promised them."""
        from secondme.core.remember.occasion_store import OccasionStore

        return OccasionStore(self.store)

    @cached_property
    def relationships(self) -> RelationshipStore:
        """What contacts are to the owner."""
        from secondme.core.remember.store import RelationshipStore

        return RelationshipStore(self.store)

    @cached_property
    def notes(self) -> NoteStore:
        """What the owner is told in their own chat."""
        from secondme.core.gateway.store import NoteStore

        return NoteStore(self.store)

    @cached_property
    def activity(self) -> ActivityStore:
        """When something was last heard and said, who is paused, what today cost."""
        from secondme.core.gateway.store import ActivityStore

        return ActivityStore(self.store)

    @cached_property
    def traces(self) -> TraceStore:
        """What became of each message."""
        from secondme.core.gateway.store import TraceStore

        return TraceStore(self.store)

    @cached_property
    def conversations(self) -> ConversationStates:
        """How each conversation stands."""
        from secondme.core.gateway.store import ConversationStates

        return ConversationStates(self.store)

    @cached_property
    def shelf(self) -> Shelf:
        """Recordings and pictures that are kept."""
        from secondme.core.media.shelf import Shelf

        return Shelf(self.setup.places.media, self.settings.attachments.keep_days)

    @cached_property
    def journals(self) -> JournalStore:
        """What memory still has to read."""
        from secondme.core.memory.store import JournalStore

        return JournalStore(self.store)

    @cached_property
    def jobs(self) -> JobStore:
        """What the clone does without being written to."""
        from secondme.core.jobs.store import JobStore

        return JobStore(self.store)

    @cached_property
    def webhook_store(self) -> WebhookStore:
        """Endpoints, and what waits for them."""
        from secondme.core.webhooks.store import WebhookStore

        return WebhookStore(self.store)

    @cached_property
    def events(self) -> EventLog:
        """What happened, as long as it is kept."""
        from secondme.core.store.events import EventLog

        return EventLog(self.store)

    @cached_property
    def skill_store(self) -> SkillStore:
        """Which skills are on, what they remember, did and propose."""
        from secondme.core.tools.store import SkillStore

        return SkillStore(self.store)


def time_zone(settings: Settings) -> tzinfo:
    """The owner's time zone."""
    from zoneinfo import ZoneInfo

    from secondme.core.send.pacing import machine_zone

    return ZoneInfo(settings.sleep.timezone) if settings.sleep.timezone else machine_zone()
