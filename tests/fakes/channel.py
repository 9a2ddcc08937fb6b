"""A channel without a phone: it remembers what it was given and fails as told."""

import asyncio
from collections.abc import Callable

from secondme.core.ids import ChannelId, ContactId
from secondme.core.ports import Inbox
from secondme.core.types import SendOutcome, Sent


class FakeChannel:
    """Collapses resends by client id, as a good platform does; `raw` has every call."""

    def __init__(self, name: str = "local") -> None:
        self.id = ChannelId(name)
        self.raw: list[tuple[str, str, str]] = []
        self.shown: dict[str, tuple[str, str]] = {}
        self.typed: list[str] = []
        self.outcome: Callable[[str, str, str], SendOutcome] | None = None
        self.inbox: Inbox | None = None

    async def run(self, inbox: Inbox) -> None:
        self.inbox = inbox
        await asyncio.Event().wait()

    async def send(self, contact_id: ContactId, text: str, client_message_id: str) -> SendOutcome:
        self.raw.append((contact_id, text, client_message_id))
        if self.outcome is not None:
            outcome = self.outcome(contact_id, text, client_message_id)
            if not isinstance(outcome, Sent):
                return outcome
        self.shown.setdefault(client_message_id, (contact_id, text))
        return Sent(client_message_id)

    async def typing(self, contact_id: ContactId) -> None:
        self.typed.append(contact_id)

    def texts(self, contact: str) -> list[str]:
        """What the contact saw, in order."""
        return [text for who, text in self.shown.values() if who == contact]
