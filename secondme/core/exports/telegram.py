"""What was said in the chats that Telegram exported as JSON? One chat's `result.json`, or a whole account's; read as a stream, one message
in memory. Replies do not quote, forwards are marked: what somebody else wrote is never the owner's word.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError
from secondme.core.exports.message import Chat, ExportedMessage, Kind
from secondme.core.exports.walking import walk
from secondme.core.ids import is_contact_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secondme.core.exports.reading import ExportFile

_MOST_CHATS = 20_000
_MOST_PEOPLE = 10_000
_SKIPPED = {
    "saved_messages": "saved_messages",
    "bot_chat": "bot",
    "private_channel": "channel",
    "public_channel": "channel",
    "replies": "channel",
    "verification_codes": "bot",
}
_MEDIA = (
    "photo",
    "file",
    "media_type",
    "sticker_emoji",
    "location_information",
    "contact_information",
    "poll",
    "game_title",
    "invoice_information",
    "giveaway_information",
    "todo_list",
    "paid_media",
)
_FIRST_YEAR, _LAST_YEAR = 1971, 2499
"""1970 is somebody's bug."""
_NOT_EXPORTED = "("
"""Telegram writes `(File not included. ...)` where a file's name would be."""


class TelegramExport:
    """One exported file. `survey` first; then `messages`, as often as need be."""

    def __init__(self, file: ExportFile) -> None:
        self.file = file
        self.chats: list[Chat] = []
        self.unreadable = 0
        """Entries that are no message."""

    def survey(self, progress: Callable[[int], None] | None = None) -> list[Chat]:
        """Every chat with its people. Raises DataError when this is no export."""
        self.chats, owner = [], None
        for event in walk(self.file, progress):
            match event.what:
                case "owner":
                    owner = f"user{event.value}"
                case "chat":
                    if len(self.chats) >= _MOST_CHATS:
                        raise DataError("too_many_chats", f"{self.file.path.name} has more than {_MOST_CHATS:,} chats.")
                    self.chats.append(Chat())
                case "message":
                    self._count(self.chats[-1], event.value)
                case _:
                    _describe(self.chats[-1], event.what, event.value)
        if not any(chat.kinds or chat.title or chat.partner for chat in self.chats):
            raise DataError(
                "no_messages", f"{self.file.path.name} is no export of Telegram's.", "Export the chat as machine-readable JSON."
            )
        for chat in self.chats:
            _settle(chat, owner)
        return self.chats

    def messages(self, progress: Callable[[int], None] | None = None) -> Iterator[tuple[int, ExportedMessage]]:
        """Every message with the number of its chat in `chats`."""
        at, number, self.unreadable = -1, 0, 0
        for chat in self.chats:
            chat.kinds.clear()
        for event in walk(self.file, progress):
            if event.what == "chat":
                at += 1
            elif event.what == "message":
                number += 1
                message = read_message(event.value, number)
                if message is None:
                    self.unreadable += 1
                    continue
                chat = self.chats[at]
                chat.kinds[message.kind] += 1
                chat.span.add(message.at)
                yield at, message

    def _count(self, chat: Chat, raw: dict[str, Any]) -> None:
        message = read_message(raw, 0)
        if message is None:
            return
        chat.kinds[message.kind] += 1
        who = message.who
        if who is not None and (who in chat.people or len(chat.people) < _MOST_PEOPLE):
            chat.people[who] += 1
            chat.names.setdefault(who, message.author or who)


def _describe(chat: Chat, what: str, value: Any) -> None:
    if what == "name" and isinstance(value, str):
        chat.title = value
    elif what == "type":
        chat.is_of_two = value == "personal_chat"
        chat.skipped = _SKIPPED.get(str(value), "")
        chat.is_group = not chat.is_of_two and not chat.skipped
    elif what == "id" and isinstance(value, int) and not isinstance(value, bool):
        chat.partner = str(value)


def _settle(chat: Chat, owner: str | None) -> None:
    """In a chat of two Telegram says whose it is: the chat's id is the other one's."""
    partner, chat.partner = chat.partner, None
    if chat.is_of_two and partner is not None:
        contact = f"telegram:{partner}"
        chat.partner = contact if is_contact_id(contact) else None
        others = [who for who in chat.people if who != f"user{partner}"]
        chat.owner = others[0] if len(others) == 1 else None
        chat.is_group = len(others) > 1  # then it is no chat of two, whatever it says
    if owner is not None:
        chat.owner = owner


def read_message(raw: dict[str, Any], number: int) -> ExportedMessage | None:  # Any: JSON
    """One entry of `messages`; None when it has no time that can be read."""
    at, instant = _time(raw)
    if at is None:
        return None
    if raw.get("type") != "message":
        return ExportedMessage(Kind.SYSTEM, None, at, str(raw.get("action", ""))[:64], "", number, instant=instant)
    text, own = _text(raw.get("text", ""))
    is_other = any(raw.get(key) is not None for key in ("forwarded_from", "forwarded_from_id", "via_bot", "saved_from"))
    is_media = any(key in raw for key in _MEDIA)
    author, author_id = raw.get("from"), raw.get("from_id")
    author_id = author_id if isinstance(author_id, str) and author_id else None
    return ExportedMessage(
        Kind.MEDIA if is_media else Kind.TEXT,
        author if isinstance(author, str) and author else author_id or "",
        at,
        text,
        "" if is_other else own.strip(),
        number,
        media=_file_name(raw) if is_media else None,
        instant=instant,
        author_id=author_id,
    )


def _time(raw: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Local as written, and the moment."""
    instant = at = None
    try:
        seconds = int(str(raw.get("date_unixtime", ""))[:12])
        instant = datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        instant = None
    try:
        at = datetime.fromisoformat(str(raw.get("date", ""))[:19])
    except ValueError:
        at = None
    if at is None and instant is not None:
        at = instant.replace(tzinfo=None)
    if at is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        return None, None
    return at.replace(tzinfo=None), instant


def _text(value: Any) -> tuple[str, str]:
    """All of it, and what of it is no quotation. It is a string, or a list of strings and of marked parts."""
    if isinstance(value, str):
        return value, value
    parts, own = [], []
    for part in value if isinstance(value, list) else []:
        words = part.get("text", "") if isinstance(part, dict) else part
        if not isinstance(words, str):
            continue
        parts.append(words)
        if not (isinstance(part, dict) and part.get("type") == "blockquote"):
            own.append(words)
    return "".join(parts), "".join(own)


def _file_name(raw: dict[str, Any]) -> str | None:
    for key in ("file_name", "file", "photo"):
        value = raw.get(key)
        if isinstance(value, str) and value and not value.startswith(_NOT_EXPORTED):
            return value.replace("\\", "/").rpartition("/")[2][:255] or None
    return None
