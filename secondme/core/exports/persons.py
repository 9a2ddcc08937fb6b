"""Who of the people in an export is the owner, and who is the other one? Said by the owner, or plain from the export; never guessed."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from secondme.core.errors import DataError
from secondme.core.exports.phrases import MARKS
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from secondme.core.exports.message import Chat
    from secondme.core.ids import ContactId

_CLEAN = str.maketrans("", "", MARKS)
_SHOWN = 20


def name_key(name: str) -> str:
    """A name as names are compared: NFC, letter case and marks of direction aside, and without the `~` of somebody unsaved."""
    flat = " ".join(name.translate(_CLEAN).split()).removeprefix("~").strip()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", flat).casefold())


def same(name: str, chat: Chat) -> list[str]:
    """Who in `chat` is called `name`."""
    wanted = name_key(name)
    return [who for who in chat.people if name_key(chat.name_of(who)) == wanted]


def owner_of(chat: Chat, *, named: str, usual: str, what: str) -> str:
    """Who in `chat` the owner is: `named` by themselves, else as the export says, else who is called as `usual` in a chat of two.

    Raises DataError listing the people of `what` when that is nobody, or several.
    """
    if named:
        found = same(named, chat)
        if len(found) == 1:
            return found[0]
        raise _who(
            "no_such_person" if not found else "name_not_unique",
            f"{named!r} is {'nobody' if not found else 'not one person'}",
            what,
            chat,
        )
    if chat.owner is not None:
        return chat.owner
    found = same(usual, chat) if len(chat.people) <= 2 and not chat.is_group else []  # noqa: PLR2004  a chat of two
    if len(found) == 1:
        return found[0]
    raise _who("owner_unknown", "It is not clear who you are", what, chat)


def other_of(chat: Chat, owner: str) -> str | None:
    """The other one's key in a chat of two; None when nobody else wrote, or in a group."""
    others = [who for who in chat.people if who != owner]
    return others[0] if len(others) == 1 and not chat.is_group else None


def by_name(name: str, contacts: Iterable[tuple[ContactId, str | None]]) -> list[ContactId]:
    """The ids of those of `contacts` (id, display name) who are called `name`."""
    wanted = name_key(name)
    return [contact for contact, known in contacts if wanted and known and name_key(known) == wanted]


def _who(code: str, why: str, what: str, chat: Chat) -> DataError:
    names = [safe_name(chat.name_of(who)) for who, _ in chat.people.most_common(_SHOWN)]
    more = f" and {len(chat.people) - _SHOWN} more" if len(chat.people) > _SHOWN else ""
    return DataError(
        code, f"{why} in {what}. In it speak: {', '.join(names) or 'nobody'}{more}.", "Say who you are with --me NAME."
    )
