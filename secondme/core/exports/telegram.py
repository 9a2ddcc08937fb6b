"""Telegram's export: chats and messages out of a JSON file that may be larger than memory.

Bounded: how deep it goes, how much one message is made of, how long one string is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from secondme.core.errors import DataError
from secondme.core.exports.mended_json import HUGE, Mended, number_of
from secondme.core.exports.message import ExportedChat, ExportedKind, ExportedMessage
from secondme.core.format import size
from secondme.core.ids import is_contact_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secondme.core.exports.export_file import Counted, ExportFile


_DEEPEST = 64
_MOST_PARTS = 100_000
"""Of one message."""
_LONGEST_STRING = 4 << 20
"""Bytes read without anything coming of them. Telegram's longest message has 4,096 characters."""
_BOM = b"\xef\xbb\xbf"
_CHATS: tuple[list[str], ...] = ([], ["chats", "list", "item"], ["left_chats", "list", "item"])
_SCALARS = frozenset({"string", "number", "integer", "double", "boolean", "null"})
_ABOUT = frozenset({"name", "type", "id"})


class Found(NamedTuple):
    """One thing that was found: `chat` (another one begins), its `name`, `type` or `id`, a `message` of it, or the `owner`'s number,
    `first_name` or `last_name`."""

    what: str
    value: Any  # JSON


def walk(file: ExportFile, progress: Callable[[int], None] | None = None) -> Iterator[Found]:
    """Everything of `file` that matters, in its order. What some versions of Telegram wrote and is no JSON is mended. Raises DataError when
    it is no JSON after that.
    """
    import ijson  # type: ignore[import-untyped]  # it has no types  # noqa: PLC0415  only who imports from Telegram pays for it

    name, given = file.path.name, 0
    faults = (ijson.JSONError, ValueError, OverflowError)
    try:
        with file.stream(progress) as raw:
            watch = _Watch(raw, name)
            for found in _walk(ijson.basic_parse(watch, use_float=True), watch, name, ijson.ObjectBuilder):
                given += 1
                yield found
    except faults:
        with file.stream() as raw:  # from the beginning, for the fault is somewhere in what the parser has taken in
            watch = _Watch(Mended(raw, name), name)
            try:
                again = _walk(ijson.basic_parse(watch, use_float=True), watch, name, ijson.ObjectBuilder)
                yield from islice(again, given, None)
            except faults as error:
                raise DataError(
                    "broken_json",
                    f"{name} is not the JSON that Telegram writes: it breaks off, or is broken, within {size(watch.seen)} of its beginning.",
                    "Export the chat again as machine-readable JSON, with a newer Telegram Desktop.",
                ) from error


def _walk(events: Any, watch: _Watch, name: str, builder: Any) -> Iterator[Found]:  # Any: the library has no types
    path: list[str] = []
    is_open = False
    for event, value in events:
        watch.moved()
        if event == "start_map" and path[-2:] == ["messages", "item"] and path[:-2] in _CHATS:
            if not is_open:
                yield Found("chat", None)
                is_open = True
            yield Found("message", _build(events, watch, name, builder))
            continue
        if event == "start_map" and path in _CHATS:
            is_open = bool(path)  # what is at the top may be one chat, or an account
            if is_open:
                yield Found("chat", None)
        elif event in _SCALARS and path and path[-1] in _ABOUT and path[:-1] in _CHATS:
            if not is_open:
                yield Found("chat", None)
                is_open = True
            yield Found(path[-1], number_of(value) if path[-1] == "id" else value)
        elif event in _SCALARS and path == ["personal_information", "user_id"]:
            yield Found("owner", number_of(value))
        elif event in _SCALARS and path[:1] == ["personal_information"] and path[1:] in (["first_name"], ["last_name"]):
            yield Found(path[-1], value)
        _step(path, event, value, name)


def _step(path: list[str], event: str, value: Any, name: str) -> None:  # Any: JSON
    """Where we are after `event`."""
    if event == "map_key":
        path[-1] = value
    elif event in {"start_map", "start_array"}:
        path.append("item" if event == "start_array" else "")
    elif event in {"end_map", "end_array"}:
        path.pop()
    if len(path) > _DEEPEST:
        raise DataError("hostile_json", f"{name} goes deeper than any export of Telegram's.")


def _build(events: Any, watch: _Watch, name: str, builder: Any) -> dict[str, Any]:  # Any: the library has no types
    """The object that has just begun."""
    made = builder()
    made.event("start_map", None)
    depth, is_readable = 1, True
    for parts, (event, value) in enumerate(events):
        watch.moved()
        made.event(event, value)
        is_readable = is_readable and not (event == "string" and value.startswith(HUGE))
        if event in {"start_map", "start_array"}:
            depth += 1
        elif event in {"end_map", "end_array"}:
            depth -= 1
        if depth == 0:
            break
        if depth > _DEEPEST or parts > _MOST_PARTS:
            raise DataError("hostile_json", f"{name} has a message that is larger than any of Telegram's.")
    found: dict[str, Any] = made.value if is_readable else {}  # what has no time is counted as unreadable
    return found


class _Watch:
    """The file, until too much of it was read without anything coming of it."""

    def __init__(self, raw: Counted | Mended, name: str) -> None:
        self._raw = raw
        self._name = name
        self._mark = 0
        self._is_new = True

    @property
    def seen(self) -> int:
        """Bytes of the file that were read."""
        return self._raw.count

    def moved(self) -> None:
        """Something came of it."""
        self._mark = self._raw.count

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        if self._raw.count - self._mark > _LONGEST_STRING:
            raise DataError("hostile_json", f"{self._name} has a text that is longer than any of Telegram's.")
        block = self._raw.read(size)
        if self._is_new:
            self._is_new = False
            return block.removeprefix(_BOM) or self._raw.read(size)
        return block


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
_USER = "user"
_SHIFT = 1 << 32
_PEERS = {1: _USER, 2: "chat", 3: "channel"}
"""What the high bits of an old number mean."""
_FIRST_YEAR, _LAST_YEAR = 1971, 2499
"""1970 is somebody's bug."""
_NOT_EXPORTED = "("
"""Telegram writes `(File not included. ...)` where a file's name would be."""


class TelegramExport:
    """One exported file. `survey` first; then `messages`, as often as need be."""

    def __init__(self, file: ExportFile) -> None:
        self.file = file
        self.chats: list[ExportedChat] = []
        self.unreadable = 0
        """Entries that are no message."""
        self._same: list[dict[str, str]] = []
        """For each chat, who goes by a name alone in some messages, and which id they have."""

    def survey(self, progress: Callable[[int], None] | None = None) -> list[ExportedChat]:
        """Every chat with its people. Raises DataError when this is no export."""
        self.chats, owner, called = [], None, {}
        for event in walk(self.file, progress):
            match event.what:
                case "owner":
                    owner = f"user{event.value}" if event.value is not None else None
                case "first_name" | "last_name":
                    called[event.what] = str(event.value or "")
                case "chat":
                    if len(self.chats) >= _MOST_CHATS:
                        raise DataError("too_many_chats", f"{self.file.path.name} has more than {_MOST_CHATS:,} chats.")
                    self.chats.append(ExportedChat())
                case "message":
                    self._count(self.chats[-1], event.value)
                case _:
                    _describe(self.chats[-1], event.what, event.value)
        if not any(chat.kinds or chat.title or chat.partner for chat in self.chats):
            raise DataError(
                "no_messages", f"{self.file.path.name} is no export of Telegram's.", "Export the chat as machine-readable JSON."
            )
        name = " ".join(each for each in (called.get("first_name", ""), called.get("last_name", "")) if each)
        self._same = [_settle(chat, owner, name) for chat in self.chats]
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
                who = self._same[at].get(message.who or "") if message.who is not None else None
                if who is not None:
                    message = message._replace(author_id=who)
                chat.kinds[message.kind] += 1
                chat.span.add(message.at)
                yield at, message

    def _count(self, chat: ExportedChat, raw: dict[str, Any]) -> None:
        message = read_message(raw, 0)
        if message is None:
            return
        chat.kinds[message.kind] += 1
        chat.has_numbers = chat.has_numbers or isinstance(raw.get("from_id"), int)
        who = message.who
        if who is not None and (who in chat.people or len(chat.people) < _MOST_PEOPLE):
            chat.people[who] += 1
            chat.names.setdefault(who, message.author or who)


def _describe(chat: ExportedChat, what: str, value: Any) -> None:
    if what == "name" and isinstance(value, str):
        chat.title = value
    elif what == "type":
        chat.is_of_two = value == "personal_chat"
        chat.skipped = _SKIPPED.get(str(value), "")
        chat.is_group = not chat.is_of_two and not chat.skipped
    elif what == "id" and isinstance(value, int) and not isinstance(value, bool):
        chat.partner = str(value)


def _settle(chat: ExportedChat, owner: str | None, owner_name: str) -> dict[str, str]:
    """Who is who is known. In a chat of two Telegram says whose it is: the chat's id is the other one's. Returns who goes by a name alone
    in some messages, and which id they have.
    """
    partner, chat.partner = chat.partner, None
    same: dict[str, str] = {}
    if chat.is_of_two and partner is not None:
        other = _other_of(chat, int(partner))
        contact = f"telegram:{other.removeprefix(_USER)}"
        chat.partner = contact if is_contact_id(contact) else None
        same = _merge(chat, other)
        others = [who for who in chat.people if who != other]
        if len(others) == 1 and (other in chat.people or _is_id(others[0])):
            chat.owner = others[0]
        chat.is_group = len(others) > (1 if any(map(_is_id, chat.people)) else 2)  # then it is no chat of two, whatever it says
    if owner is not None and (owner in chat.people or any(map(_is_id, chat.people)) or not chat.people):
        chat.owner = owner
    elif owner is not None and owner_name in chat.people:  # the oldest exports have names only
        chat.owner = owner_name
    return same


def _is_id(who: str) -> bool:
    """It is an id of Telegram's, not a name."""
    return who.startswith((_USER, "chat", "channel")) and who.lstrip("abcdefghijklmnopqrstuvwxyz").isdecimal()


def _other_of(chat: ExportedChat, number: int) -> str:
    """Who the other one is whose chat has this id: before 2020 it was 2^32 more than theirs."""
    plain, shifted = f"{_USER}{number}", f"{_USER}{number - _SHIFT}"
    is_old = _SHIFT < number < 2 * _SHIFT and chat.has_numbers
    return shifted if plain not in chat.people and (shifted in chat.people or is_old) else plain


def _merge(chat: ExportedChat, other: str) -> dict[str, str]:
    """Who has a name alone is who has the same name and an id; else, in a chat of two, the other one when the chat is called so, when they
    have no name at all, a deleted account, or when everybody else has an id."""
    ids = [who for who in chat.people if _is_id(who)]
    named = [who for who in chat.people if not _is_id(who)]
    same: dict[str, str] = {}
    for who in named:
        called = [each for each in ids if who and chat.names.get(each, "") == who]
        is_other = not who or (other not in ids and (who == chat.title or (len(named) == 1 and len(ids) == 1)))
        if len(called) == 1 or (not called and is_other):
            same[who] = called[0] if called else other
            chat.people[same[who]] += chat.people.pop(who)
            chat.names.setdefault(same[who], chat.names.pop(who, "") or chat.title or who)
    return same


def read_message(raw: dict[str, Any], number: int) -> ExportedMessage | None:  # Any: JSON
    """One entry of `messages`; None when it has no time that can be read."""
    at, instant = _time(raw)
    if at is None:
        return None
    if raw.get("type") != "message":
        return ExportedMessage(ExportedKind.SYSTEM, None, at, str(raw.get("action", ""))[:64], "", number, instant=instant)
    text, own = _text(raw["text"] if "text" in raw else raw.get("text_entities", ""))
    is_other = any(raw.get(key) is not None for key in ("forwarded_from", "forwarded_from_id", "via_bot", "saved_from"))
    is_media = any(key in raw for key in _MEDIA)
    author, author_id = raw.get("from"), raw.get("from_id")
    author_id = _peer(author_id)
    return ExportedMessage(
        ExportedKind.MEDIA if is_media else ExportedKind.TEXT,
        author if isinstance(author, str) and author else author_id or "",
        at,
        text,
        "" if is_other else own.strip(),
        number,
        media=_file_name(raw) if is_media else None,
        instant=instant,
        author_id=author_id,
    )


def _peer(raw: Any) -> str | None:  # Any: JSON
    """An author's id as Telegram writes it today. Before 2020 it was a number, for chats and channels with what they are in its high bits."""
    if isinstance(raw, str):
        raw = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 20 else raw  # noqa: PLR2004  digits of 64 bits
    if isinstance(raw, str):
        return raw or None
    if not isinstance(raw, int) or isinstance(raw, bool) or raw <= 0:
        return None
    kind, number = divmod(raw, _SHIFT)
    return f"{_PEERS.get(kind, _USER)}{number}" if kind in _PEERS else f"{_USER}{raw}"


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
