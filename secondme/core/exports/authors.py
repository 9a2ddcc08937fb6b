"""Who writes in an export: its people with how much each wrote, before anything of it is imported."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.exports.conversation import name_key
from secondme.core.exports.export_file import ExportFile
from secondme.core.exports.importer import TELEGRAM, WHATSAPP
from secondme.core.exports.telegram import TelegramExport
from secondme.core.exports.whatsapp import WhatsAppExport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from secondme.core.exports.message import ExportedChat

_MOST = 30
"""Of a group of hundreds, those who write most: the owner is among them, or names themselves."""


@dataclass(frozen=True, slots=True)
class ExportAuthors:
    """The people of an export."""

    platform: str
    """`whatsapp` or `telegram`."""
    people: tuple[tuple[str, int], ...]
    """Name, as `--me` takes it, and number of messages, who wrote most first; at most thirty. Not safe to show as they are."""
    owner: str = ""
    """Who exported it, where the file says so."""


def platform_of(path: Path) -> str:
    """Which program exported the file, by its name and, for a zip, by what is in it."""
    if path.suffix.lower() == ".zip":
        import zipfile  # noqa: PLC0415  only for a zip

        try:
            with zipfile.ZipFile(path) as archive:
                return "telegram" if TELEGRAM.choose(archive.namelist()[:_NAMES]) else "whatsapp"
        except (OSError, zipfile.BadZipFile, ValueError):
            return "whatsapp"  # whose reader says what is wrong
    return "telegram" if path.suffix.lower() == ".json" else "whatsapp"


_NAMES = 10_000


async def authors_of(path: Path, today: date, platform: str = "") -> ExportAuthors:
    """Who writes in the file. It is read once, in a thread. Raises DataError, NotFoundError or UnavailableError for what cannot be read."""
    return await asyncio.to_thread(_read, path, today, platform or platform_of(path))


def _read(path: Path, today: date, platform: str) -> ExportAuthors:
    choice = TELEGRAM if platform == "telegram" else WHATSAPP
    file = ExportFile(path, choice)
    file.check()
    chats: Sequence[ExportedChat]
    if platform == "telegram":
        chats = [chat for chat in TelegramExport(file).survey() if not chat.skipped]
    else:
        chats = [WhatsAppExport(file, today=today).survey()]
    people, spelt = Counter[str](), dict[str, str]()
    for chat in chats:
        for who, count in chat.people.items():
            people[spelt.setdefault(name_key(chat.name_of(who)), chat.name_of(who))] += count
    if not people:
        raise DataError("no_messages", f"Nobody writes in {path.name}.", "Export the chat again and give that file as it is.")
    owners = {chat.name_of(chat.owner) for chat in chats if chat.owner is not None}
    is_said = len(owners) == 1 and all(chat.owner is not None for chat in chats)
    return ExportAuthors(platform, tuple(people.most_common(_MOST)), owners.pop() if is_said else "")
