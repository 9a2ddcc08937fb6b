"""What the owner lets skills know, as the gateway tells it: cards of contacts, and notes. Who may see what is decided here, in no skill."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError
from secondme.core.front_matter import FrontMatterError, split
from secondme.core.tools.asks import error
from secondme.core.tools.owner_files import read_files
from secondme.core.tools.permissions import Audience

if TYPE_CHECKING:
    from secondme.core.tools.asks import AskContext

Json = dict[str, Any]
ChosenSettings = Callable[[str], Awaitable[Mapping[str, Any]]]
"""What the owner chose for a built-in skill; nothing while it is off. What a stranger's skill calls its own settings never counts here."""
SealedRead = Callable[[str, str, str, Json], Awaitable[Any]]
"""What this function of this built-in skill, sealed, makes of a text, with these words. Its shape is a stranger's. Raises DataError."""

_CARD_BYTES, _CARDS_BYTES = 4 * 1024 * 1024, 4 * 1024 * 1024
_NOTE_BYTES, _NOTES_BYTES = 200 * 1024, 8 * 1024 * 1024
_MOST_CARDS, _MOST_NOTES, _MOST_WORDS, _LONGEST_QUESTION = 10, 8, 8, 200
_LONGEST_VALUE, _MOST_VALUES = 200, 8
_LONGEST_NUMBER = 40
_SHARED = {"standard": Audience.STANDARD, "trusted": Audience.TRUSTED}
_CARD_WORDS = ("name", "nickname", "organization", "title", "birthday")
_CARD_LISTS = ("phones", "emails", "addresses")


@dataclass(frozen=True, slots=True)
class KnownContact:
    """A contact as the home knows it: what its platform vouches for, and the name it goes by."""

    name: str
    number: str
    """In E.164 digits; empty when none is known."""
    since: str
    """The day of the approval."""


KnownContacts = Callable[[str], Awaitable[list[KnownContact]]]
"""The approved contacts that are one person with this one, itself first; with an empty id: all of them."""


class ContactSource:
    """Answers `contacts`: the card of who writes; for the owner those of anybody."""

    def __init__(self, settings: ChosenSettings, read: SealedRead, known_contacts: KnownContacts) -> None:
        self._settings = settings
        self._read = read
        self._known_contacts = known_contacts

    async def answer(self, asking: AskContext, question: Json) -> Json:
        """`cards` of the owner's files and `known` of this home. Raises SecondmeError."""
        words = words_of(question.get("find", ""))
        if words is None:
            return error("bad_ask")
        settings = await self._settings("contacts")
        code = str(settings.get("country_code") or "")
        if asking.may("contacts:all") and asking.is_for_owner and words:
            cards = await self._cards(settings, {"words": words})
            everybody = await self._known_contacts("")
            known = [each for each in everybody if all(word in each.name.casefold() for word in words)]
        elif asking.may("contacts:self") and asking.turn.contact_id and asking.audience is not None:
            known = await self._known_contacts(asking.turn.contact_id)
            cards = await self._cards_of(known, settings, code)
        else:
            return error("not_allowed")
        shown = [{"name": each.name, "number": each.number, "since": each.since} for each in known[:_MOST_CARDS]]
        return {"answer": {"cards": cards, "known": shown}}

    async def birthdays_of(self, contact: str) -> list[str]:
        """The birthdays on the cards that have a number of this approved contact, as they are written there. Raises SecondmeError."""
        settings = await self._settings("contacts")
        if not settings.get("files"):
            raise DataError("no_cards", "The skill contacts has no files of cards, or is off.", "secondme skills config contacts")
        known = await self._known_contacts(contact)
        cards = await self._cards_of(known, settings, str(settings.get("country_code") or ""))
        return [card["birthday"] for card in cards if card.get("birthday")]

    async def _cards_of(self, known: list[KnownContact], settings: Mapping[str, Any], code: str) -> list[Json]:
        """The cards with a number that the platform vouches for."""
        numbers = {each.number for each in known if each.number}
        found = await self._cards(settings, {"numbers": sorted(numbers), "country_code": code}) if numbers else []
        return [card for card in found if any(digits(phone, code) in numbers for phone in card["phones"])]

    async def _cards(self, settings: Mapping[str, Any], wanted: Json) -> list[Json]:
        if not settings.get("files"):
            return []
        path = Path(str(settings["files"]))
        files = await asyncio.to_thread(read_files, path, (".vcf", ".vcard"), _CARD_BYTES, _CARDS_BYTES)
        text = "\n".join(raw.decode("utf-8", "replace") for _, raw in files)
        found = await self._read("contacts", "cards", text, wanted)
        if not isinstance(found, list):
            raise DataError("unreadable", "The cards cannot be read.")
        return [_card(each) for each in found[:_MOST_CARDS] if isinstance(each, dict)]


def digits(phone: str, country_code: str) -> str:
    """The number in E.164 digits; one written without its country is taken for one of `country_code`. Empty for what is no number."""
    text = re.sub(r"[\s().\-/\u00a0\u2010-\u2015]", "", phone[:_LONGEST_NUMBER].replace("(0)", ""))
    if text.startswith(("+", "00")):
        text = text[1:] if text[0] == "+" else text[2:]
    elif text.startswith("0") and country_code:
        text = country_code + text[1:]
    elif text.startswith("0"):
        return ""
    return text if re.fullmatch(r"[1-9][0-9]{6,14}", text, re.ASCII) else ""


def words_of(text: object) -> list[str] | None:
    """What is looked for, in small letters; None when that is no text, or too long."""
    if not isinstance(text, str) or len(text) > _LONGEST_QUESTION:
        return None
    return text.casefold().split()[:_MOST_WORDS]


def _card(found: Json) -> Json:
    """Only what a card is known to have, and never a note about somebody."""
    card: Json = {name: str(found[name])[:_LONGEST_VALUE] for name in _CARD_WORDS if isinstance(found.get(name), str)}
    for name in _CARD_LISTS:
        values = found.get(name)
        texts = [each[:_LONGEST_VALUE] for each in values if isinstance(each, str)] if isinstance(values, list) else []
        card[name] = texts[:_MOST_VALUES]
    return card


@dataclass(frozen=True, slots=True)
class OwnerNote:
    """A note of the owner's folder, and who may see it."""

    name: str
    text: str
    audience: Audience


class NoteSource:
    """Answers `notes`: the notes that the owner shared with whoever is served, searched or read."""

    def __init__(self, settings: ChosenSettings) -> None:
        self._settings = settings

    async def answer(self, asking: AskContext, question: Json) -> Json:
        """A list of `name` and `line` for `find`; `name` and `text` for `name`, which is compared and opens nothing. Raises SecondmeError."""
        theirs = asking.audience
        if not asking.may("notes:read") or theirs is None:
            return error("not_allowed")
        folder = (await self._settings("notes")).get("folder")
        if not folder:
            return error("not_set_up")
        notes = await asyncio.to_thread(_notes, Path(str(folder)), theirs)
        name = question.get("name")
        if isinstance(name, str):
            wanted = name.removesuffix(".md").casefold()
            note = next((each for each in notes if each.name.casefold() == wanted), None)
            return error("no_such_note") if note is None else {"answer": {"name": note.name, "text": note.text}}
        words = words_of(question.get("find"))
        return error("bad_ask") if not words else {"answer": await asyncio.to_thread(_search, notes, words)}


def _notes(folder: Path, theirs: Audience) -> list[OwnerNote]:
    files = read_files(folder, (".md", ".markdown"), _NOTE_BYTES, _NOTES_BYTES)
    return [note for name, raw in files if (note := _note(name, raw)).audience >= theirs]


def _note(name: str, raw: bytes) -> OwnerNote:
    """What is not plainly shared is the owner's alone."""
    shown, text = name.rpartition(".")[0], raw.decode("utf-8", "replace")
    try:
        parts = split(text)
    except FrontMatterError:
        return OwnerNote(shown, text, Audience.OWNER)
    field = parts.fields.get("share")
    value = field.value.casefold() if field and isinstance(field.value, str) else ""
    return OwnerNote(shown, parts.body, _SHARED.get(value, Audience.OWNER))


def _search(notes: list[OwnerNote], words: list[str]) -> list[Json]:
    """The notes with most of the words, each with the first line that has one."""
    found = []
    for note in notes:
        text = f"{note.name}\n{note.text}".casefold()
        if hits := sum(word in text for word in words):
            lines = (" ".join(line.split()) for line in note.text.splitlines())
            line = next((line for line in lines if any(word in line.casefold() for word in words)), "")
            found.append((-hits, note.name, line[:_LONGEST_VALUE]))
    return [{"name": name, "line": line} for _, name, line in sorted(found)[:_MOST_NOTES]]
