"""The owner's persona files, and which of them answers a contact: the order in which the choices count.

    the contact's own choice > what the owner chose for its relationship > a persona that lists the relationship
    > what the owner chose for everybody > persona.file > the built-in default

A choice may name a file that was renamed since. Then the built-in default speaks, and not the next choice in the row: that could be the
family's voice for a boss, while silence would be the price of one renamed file. A file that is there and broken is another matter: whoever
it speaks to waits until a human has mended it. So does a contact for whose relationship a broken file may be meant, when no sound one is.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.enums import Relationship
from secondme.core.errors import BusyError, ConfigError, NotFoundError
from secondme.core.files import new_file, private_dir, replacement
from secondme.core.log import get_logger
from secondme.core.reply.persona import NEUTRAL, SUFFIX, Persona, parse, persona_id, plain_path, read
from secondme.core.text import did_you_mean, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

log = get_logger(__name__)

_MOST_FILES = 200
DEFAULT = "default"
"""The slot of what is used for everybody."""


def slot_of(relationship: Relationship | None) -> str:
    """Under which name the owner's choice is kept: for a relationship, or for everybody."""
    return DEFAULT if relationship is None else f"relationship:{relationship.value}"


@dataclass(frozen=True, slots=True)
class Broken:
    """A persona file that cannot be used."""

    id: str
    error: ConfigError
    may_be_for: frozenset[Relationship]
    """Relationships whose word stands in its front matter: it may be meant for these."""


class PersonaLibrary:
    """The personas in a directory. An edit counts at the next call; what did not change is not understood anew."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._known: dict[str, tuple[bytes, Persona | Broken]] = {}
        self._warned: set[str] = set()

    def all(self) -> list[Persona]:
        """Every sound persona, by id. A broken file hides nobody else."""
        return [each for each in self._each() if isinstance(each, Persona)]

    def broken(self) -> list[Broken]:
        """The files that cannot be used, by id."""
        return [each for each in self._each() if isinstance(each, Broken)]

    def get(self, identity: str) -> Persona:
        """The persona of this id. Raises NotFoundError when there is no such file, ConfigError when it cannot be used."""
        files = self._files()
        if identity not in files:
            hint = did_you_mean(identity, files, "secondme persona list")
            raise NotFoundError("no_such_persona", "There is no such persona.", hint)
        return _sound(self._load(identity, self.directory / files[identity]))

    def path_of(self, identity: str) -> Path:
        """Where this persona's file is. Raises NotFoundError when there is none."""
        files = self._files()
        if identity not in files:
            raise NotFoundError("no_such_persona", "There is no such persona.", "secondme persona list")
        return self.directory / files[identity]

    def from_file(self, file: str) -> Persona | None:
        """The persona in the file of this name; None when it does not exist. Raises ConfigError when it cannot be used."""
        path = plain_path(self.directory, file)
        try:
            return _sound(self._read(path, path.stem, file))
        except FileNotFoundError:
            return None

    def create(self, name: str, fields: Mapping[str, str], relationships: Iterable[Relationship], guide: str) -> Path:
        """The file of a new persona is there, 0600, and can be used. Raises ConfigError when it is there already or could not be used."""
        identity = persona_id(name)
        if identity is None:
            raise ConfigError("bad_persona", "A persona's name is up to 64 letters, digits, - and _.", "secondme persona new work")
        path = self.directory / f"{identity}{SUFFIX}"
        private_dir(self.directory)
        try:
            with new_file(path) as file:
                file.write(_text_of(fields, relationships, guide).encode())
        except FileExistsError as error:
            raise ConfigError("persona_exists", f"{path} is there already.", f"secondme persona edit {identity}") from error
        except OSError as error:
            raise ConfigError("bad_persona", f"{path} cannot be written: {error.strerror}.", "Check its owner and mode.") from error
        try:
            parse(read(path), path, identity)
        except ConfigError:
            path.unlink()
            raise
        return path

    def text_of(self, identity: str) -> str:
        """What the persona's file says, sound or not. Raises NotFoundError, and ConfigError when it is no text or cannot be read."""
        path = self.path_of(identity)
        try:
            return read(path).decode()
        except FileNotFoundError as error:
            raise NotFoundError("no_such_persona", "There is no such persona.", "secondme persona list") from error
        except UnicodeDecodeError as error:
            raise ConfigError("bad_persona", f"{path} is not UTF-8 text.", f"Save {path} as UTF-8.") from error

    def fault_in(self, identity: str, text: str) -> str:
        """What would be wrong with the persona if its file said `text`, as `parse` names it; empty when nothing would be."""
        try:
            parse(text.encode("utf-8", "replace"), self.path_of(identity), identity)
        except ConfigError as error:
            return error.message
        return ""

    def rewrite(self, identity: str, text: str, *, before: str) -> Persona:
        """The persona's file says `text` in place of `before`, whole, and can be used. A link is followed, and the file keeps its mode.

        Raises ConfigError, and changes nothing, when it could not be used so or not be written, BusyError when it does not say `before` any
        more, NotFoundError as `text_of`.
        """
        path = self.path_of(identity)
        persona = parse(text.encode("utf-8", "replace"), path, identity)
        if self.text_of(identity) != before:
            raise BusyError("persona_changed", f"{path} was changed meanwhile.", "Save again to put what you wrote in its place.")
        try:
            kept = path.resolve(strict=True)
            with replacement(kept, stat.S_IMODE(kept.stat().st_mode)) as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            raise ConfigError("bad_persona", f"{path} cannot be written: {error.strerror}.", "Check its owner and mode.") from error
        return persona

    def warn_once(self, slot: str) -> None:
        """The log says, once in a process, that a choice names a persona that is not there."""
        if slot not in self._warned:
            self._warned.add(slot)
            log.warning("persona_missing", chosen_for=slot.partition(":")[2] or slot)

    def _each(self) -> Iterator[Persona | Broken]:
        for identity, name in sorted(self._files().items()):
            found = self._load(identity, self.directory / name)
            if found is not None:
                yield found

    def _files(self) -> dict[str, str]:
        """Id -> file name of everything in the directory that can be a persona."""
        try:
            with os.scandir(self.directory) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
        except FileNotFoundError:
            return {}
        except OSError as error:
            where = self.directory
            raise ConfigError("bad_persona", f"{where} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
        found = {identity: name for name in sorted(names) if (identity := persona_id(name.removesuffix(SUFFIX)))}
        return dict(list(found.items())[:_MOST_FILES])

    def _load(self, identity: str, path: Path) -> Persona | Broken | None:
        try:
            return self._read(path, identity, path.name)
        except FileNotFoundError:
            return None  # deleted since the directory was read

    def _read(self, path: Path, identity: str, name: str) -> Persona | Broken:
        """What the file says now. Its bytes decide whether it is as before: two edits within one tick of the file system's clock may leave
        the same time and size."""
        try:
            raw = read(path)
        except ConfigError as error:
            self._known.pop(name, None)
            return Broken(identity, error, frozenset())
        known = self._known.get(name)
        if known is not None and known[0] == raw:
            return known[1]
        found: Persona | Broken
        try:
            found = parse(raw, path, identity)
        except ConfigError as error:
            found = Broken(identity, error, _mentioned(raw))
        self._known[name] = (raw, found)
        return found


def _text_of(fields: Mapping[str, str], relationships: Iterable[Relationship], guide: str) -> str:
    plain = {key: " ".join(safe_text(value).split()) for key, value in fields.items()}
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items() if value]
    if names := ", ".join(each.value for each in relationships):
        lines.append(f"relationships: [{names}]")
    return "\n".join(["---", *lines, "---", "", guide, ""])


def choose(
    library: PersonaLibrary, *, contact: str | None, relationship: Relationship | None, used: Mapping[str, str], default_file: str
) -> Persona:
    """The voice for a contact whose own choice is `contact` and who is a `relationship` of the owner's; `used` is what the owner chose.

    Raises ConfigError when the file that was chosen is broken.
    """
    if contact:
        return _chosen(library, contact, "contact")
    if relationship is not None:
        slot = slot_of(relationship)
        if used.get(slot):
            return _chosen(library, used[slot], slot)
        meant = _meant_for(library, relationship)
        if meant is not None:
            return meant
    if used.get(DEFAULT):
        return _chosen(library, used[DEFAULT], DEFAULT)
    return library.from_file(default_file) or NEUTRAL


def _meant_for(library: PersonaLibrary, relationship: Relationship) -> Persona | None:
    meant = next((each for each in library.all() if relationship in each.relationships), None)
    if meant is None:
        broken = next((each for each in library.broken() if relationship in each.may_be_for), None)
        if broken is not None:
            raise broken.error
    return meant


def _chosen(library: PersonaLibrary, identity: str, slot: str) -> Persona:
    try:
        return library.get(identity)
    except NotFoundError:
        library.warn_once(slot)
        return NEUTRAL


def _mentioned(raw: bytes) -> frozenset[Relationship]:
    head = raw.lstrip(b"\xef\xbb\xbf").partition(b"\n---")[0] if raw.lstrip(b"\xef\xbb\xbf").startswith(b"---") else b""
    words = set(re.findall(rb"[a-z_]+", head.lower()))
    return frozenset(each for each in Relationship if each.value.encode() in words)


def _sound(found: Persona | Broken | None) -> Persona:
    if isinstance(found, Broken):
        raise found.error
    if found is None:
        raise NotFoundError("no_such_persona", "There is no such persona.", "secondme persona list")
    return found
