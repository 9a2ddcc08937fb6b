"""One chat of an export, read into memory and kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.exports.importer import Importer
from secondme.core.remember.store import Recollected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from pathlib import Path

    from secondme.core.exports.importer import ImportedMessage, ImportOptions
    from secondme.core.ids import ContactId
    from secondme.core.records import OwnMessage, Turn


@dataclass(frozen=True, slots=True)
class SingleChat:
    """Everything that was said in a chat of two, in the order of the file."""

    contact: ContactId
    """Who the other one is."""
    other: str
    """How the export calls them."""
    messages: Sequence[ImportedMessage]


async def read_chat(path: Path, options: ImportOptions, *, otherwise: ContactId) -> SingleChat:
    """The chat of a WhatsApp export, or of one in JSON from Telegram. Of somebody who was neither named nor approved under this name it is
    that of `otherwise`. Raises DataError, NotFoundError."""
    for contact in dict.fromkeys((options.contact, options.contact or otherwise)):
        sink = _Collected()
        importer = Importer(_Nowhere(), replace(options, contact=contact), sink=sink)
        report = await (importer.telegram(path) if path.suffix.casefold() == ".json" else importer.whatsapp(path))
        found = {who: said for who, said in sink.said.items() if said}
        if len(found) > 1:
            raise DataError("several_chats", f"{path.name} has several chats.", "Name one of them with --contact ID.")
        for who, said in found.items():
            row = next(each for each in report.chats if each.contact == who)
            return SingleChat(who, next((row.chat.name_of(each) for each in row.chat.people if each != row.me), ""), said)
    raise DataError("no_chat_of_two", f"{path.name} is no chat of you and one other person.", "Give the export of such a chat.")


class _Collected:
    """Takes conversations."""

    def __init__(self) -> None:
        self.said: dict[ContactId, list[ImportedMessage]] = {}

    async def replace(self, contact: ContactId, digest: str, messages: AsyncIterator[Sequence[ImportedMessage]]) -> None:  # noqa: ARG002  the port's
        """See `ConversationSink`."""
        self.said[contact] = [each async for batch in messages for each in batch]

    async def withdraw(self, digest: str, contacts: Collection[ContactId]) -> None:
        """See `ConversationSink`."""


class _Nowhere:
    """Keeps nothing."""

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool, digest: str) -> Recollected:  # noqa: ARG002  as above
        """See `Keeps`."""
        return Recollected()

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool, digest: str) -> int:  # noqa: ARG002  as above
        """See `Keeps`."""
        return 0

    async def given(self, contact: ContactId | None, digest: str) -> set[str]:  # noqa: ARG002  as above
        """See `Keeps`."""
        return set()

    async def retract(self, contact: ContactId | None, digest: str, ids: Collection[str]) -> int:  # noqa: ARG002  as above
        """See `Keeps`."""
        return 0

    async def contacts(self, digest: str) -> AsyncIterator[ContactId]:  # noqa: ARG002  as above
        """See `Keeps`."""
        nobody: tuple[ContactId, ...] = ()
        for contact in nobody:
            yield contact
