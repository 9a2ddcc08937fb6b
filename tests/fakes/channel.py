"""A channel without a phone: it remembers what it was given and fails as told."""

import asyncio
from collections.abc import Callable

from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelFactory
from secondme.core.errors import NotFoundError, UnavailableError
from secondme.core.ids import ChannelId, ContactId
from secondme.core.messages import ChannelContact, ChannelState, InboundMessage, MessageContent, SendOutcome, Sent, VoiceNote
from secondme.core.ports import ChannelHost


class FakeChannel:
    """Collapses resends by client id, as a good platform does; `raw` has every call. It is its own outlet: always open."""

    is_open = True

    def __init__(self, name: str = "local", *, collapses: bool = True) -> None:
        self.id = ChannelId(name)
        self.manifest = Manifest(name, name.title(), name[0], "nowhere", collapses_resends=collapses, sends_voice=True)
        self.raw: list[tuple[str, str, str]] = []
        self.shown: dict[str, tuple[str, str]] = {}
        self.voices: list[tuple[str, VoiceNote]] = []
        self.typed: list[str] = []
        self.recorded: list[str] = []
        self.outcome: Callable[[str, str, str], SendOutcome] | None = None
        self.host: ChannelHost | None = None
        self.files: dict[str, bytes] = {}
        self.address_book: list[ChannelContact] = []
        self.owner_chat: ContactId | None = None
        self.platform: asyncio.Queue[InboundMessage] = asyncio.Queue()
        """What waits to be received, and is repeated until it was."""

    async def run(self, host: ChannelHost) -> None:
        self.host = host
        host.report(ChannelState.CONNECTED)
        while True:
            message = await self.platform.get()
            while True:
                try:
                    await host.receive(message)
                    break
                except UnavailableError:
                    await asyncio.sleep(0.01)
            self.platform.task_done()

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        text = content.text
        if content.voice is not None and client_message_id not in self.shown:
            self.voices.append((contact_id, content.voice))
            text = ""
        self.raw.append((contact_id, text, client_message_id))
        if self.outcome is not None:
            outcome = self.outcome(contact_id, text, client_message_id)
            if not isinstance(outcome, Sent):
                return outcome
        self.shown.setdefault(client_message_id, (contact_id, text))
        return Sent(client_message_id)

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:  # noqa: ARG002
        (self.recorded if recording else self.typed).append(contact_id)

    async def contacts(self) -> list[ChannelContact]:
        return self.address_book

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        return next((each for each in self.address_book if each.contact_id == contact_id), None)

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        del limit_bytes
        if handle not in self.files:
            raise NotFoundError("no_such_attachment", "Gone.")
        return self.files[handle]

    def texts(self, contact: str) -> list[str]:
        """What the contact saw, in order."""
        return [text for who, text in self.shown.values() if who == contact]

    def factory(self) -> ChannelFactory:
        """What a gateway is given."""
        return ChannelFactory(self.manifest, lambda: self)
