"""Of `services.py`, what the owner sees of conversations and says in them: drafts, what they answer, and words of the owner's own."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from secondme.event_services import EventServices

if TYPE_CHECKING:
    from secondme.core.gateway.conversation_desk import ConversationDesk
    from secondme.core.gateway.draft_views import DraftViews
    from secondme.core.gateway.owner_messages import OwnerMessages
    from secondme.core.send.drafts import Drafts


class ConversationServices(EventServices):
    """Conversations of one home. `by` is who decides, as the records say."""

    @cached_property
    def drafts(self) -> Drafts:
        """Decisions about held replies."""
        from secondme.core.send.drafts import Drafts

        return Drafts(self.draft_store)

    @cached_property
    def draft_views(self) -> DraftViews:
        """Drafts with what they answer, whose they are and why they wait."""
        from secondme.core.gateway.draft_views import DraftViews

        return DraftViews(self.drafts, self.history, self.pairing_store, self.traces, self.jobs.names)

    @cached_property
    def conversation_desk(self) -> ConversationDesk:
        """Who talks, what was said, and what of it is not over."""
        from secondme.core.gateway.conversation_desk import ConversationDesk

        return ConversationDesk(self.conversations, self.pairing_store, self.control, self.drafts)

    @cached_property
    def owner_messages(self) -> OwnerMessages:
        """The owner writing to contacts as themselves."""
        from secondme.core.gateway.owner_messages import OwnerMessages

        return OwnerMessages(
            self.conversations,
            self.pairing_store,
            self.draft_store,
            self.security,
            takeover=self.settings.takeover,
            by=self.by,
        )
