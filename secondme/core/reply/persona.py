"""A persona file: front matter and a Markdown text that a person edits."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError
from secondme.core.format import size
from secondme.core.front_matter import Field, FrontMatterError, split
from secondme.core.text import EncodingError, near, plain_text, safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


DEFAULT_STYLE = "Keep responses brief and natural."
SUFFIX = ".md"
_LIMIT_BYTES = 64 * 1024
_KNOWN = ("name", "tone", "language", "relationships", "examples")
_TONE_LIMIT, _EXAMPLE_LIMIT, _MOST_EXAMPLES = 200, 1000, 50
_ID = re.compile(r"[^\W_][\w-]{0,63}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*", re.ASCII)
"""BCP 47 without extensions: language, script, region, variants."""


@dataclass(frozen=True, slots=True)
class Persona:
    """One of the owner's voices."""

    id: str
    """The file's name without `.md`; empty for the built-in default."""
    name: str = ""
    tone: str = ""
    language: str = ""
    """A BCP 47 tag; empty: whatever language the contact uses."""
    style_guide: str = DEFAULT_STYLE
    examples: tuple[str, ...] = ()
    """Messages that sound like this voice, written down by the owner."""
    relationships: tuple[Relationship, ...] = ()
    """For whom it is meant, where the owner did not choose."""


NEUTRAL = Persona("", name="Default")
"""The built-in default: nobody's special voice, so it is wrong for nobody."""


def persona_id(name: str) -> str | None:
    """`name` as a persona's id in NFC, or None: up to 64 letters, digits, `-` and `_`, the first a letter or digit."""
    composed = unicodedata.normalize("NFC", name)
    return composed if _ID.fullmatch(composed) else None


def plain_path(directory: Path, file: str) -> Path:
    """`directory`/`file`. Raises ConfigError unless `file` is a plain name in it."""
    path = directory / file
    if path.parent != directory or "\0" in file:
        raise ConfigError("bad_persona", "persona.file must be a plain file name.", "Correct persona.file.")
    return path


def read(path: Path) -> bytes:
    """What is in the file, at most 64 KB. A link is followed, for people who keep their files elsewhere; what is no file is not waited for.

    Raises FileNotFoundError when there is none, ConfigError when it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError("bad_persona", f"{path} cannot be read: it is not a file.", "Remove it.")
            raw = file.read(_LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError("bad_persona", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    if len(raw) > _LIMIT_BYTES:
        raise ConfigError("bad_persona", f"{path} is larger than {size(_LIMIT_BYTES)}.", "Shorten it.")
    return raw


def parse(raw: bytes, path: Path, identity: str) -> Persona:
    """The persona that the file at `path` describes. Raises ConfigError naming file and line; nothing is repaired."""
    if len(raw) > _LIMIT_BYTES:
        raise ConfigError("bad_persona", f"{path} is larger than {size(_LIMIT_BYTES)}.", "Shorten it.")
    try:
        text = plain_text(raw)
    except EncodingError as error:
        raise ConfigError("bad_persona", f"{path}:{error.line or 1}: is {error.words}.", f"Save {path} as UTF-8.") from error
    try:
        parts = split(text)
        return _persona(identity, parts.fields, parts.body)
    except FrontMatterError as error:
        raise ConfigError("bad_persona", f"{path}:{error.line}: {error.words}.", f"secondme persona edit {identity}") from error


def _persona(identity: str, fields: Mapping[str, Field], body: str) -> Persona:
    for key, field in fields.items():
        if key not in _KNOWN:
            meant = (
                "".join(f"did you mean `{each}`?" for each in near(key, _KNOWN, cutoff=0.5)) or f"there are: {', '.join(_KNOWN)}"
            )
            raise FrontMatterError(field.line, f"`{safe_name(key)}` is not known; {meant}")
    return Persona(
        id=identity,
        name=safe_name(_text(fields, "name", 64)) or identity,
        tone=_text(fields, "tone", _TONE_LIMIT),
        language=_language(fields),
        style_guide=body or DEFAULT_STYLE,
        examples=_examples(fields),
        relationships=_relationships(fields),
    )


def _text(fields: Mapping[str, Field], key: str, limit: int) -> str:
    field = fields.get(key)
    if field is None:
        return ""
    if not isinstance(field.value, str):
        raise FrontMatterError(field.line, f"`{key}` is one text, not a list")
    if len(field.value) > limit:
        raise FrontMatterError(field.line, f"`{key}` is longer than {limit} characters")
    return " ".join(field.value.split())


def _list(fields: Mapping[str, Field], key: str, like: str) -> tuple[tuple[int, str], ...]:
    field = fields.get(key)
    if field is None or field.value == "":
        return ()
    if not isinstance(field.value, tuple):
        raise FrontMatterError(field.line, f"`{key}` is a list, like {like}")
    return field.value


def _language(fields: Mapping[str, Field]) -> str:
    language = _text(fields, "language", 35)
    if language and not LANGUAGE.fullmatch(language):
        raise FrontMatterError(fields["language"].line, "`language` is a language tag, like es, pt-BR or zh-Hant")
    return language


def _relationships(fields: Mapping[str, Field]) -> tuple[Relationship, ...]:
    found: list[Relationship] = []
    for line, word in _list(fields, "relationships", "[friend, family]"):
        try:
            relationship = Relationship(word.casefold().replace("-", "_").replace(" ", "_"))
        except ValueError:
            raise FrontMatterError(line, f"`{safe_name(word)}` is no relationship; there are: {', '.join(Relationship)}") from None
        if relationship not in found:
            found.append(relationship)
    return tuple(found)


def _examples(fields: Mapping[str, Field]) -> tuple[str, ...]:
    examples = _list(fields, "examples", '["On my way!", "Call you later"]')
    for at, (line, text) in enumerate(examples):
        if len(text) > _EXAMPLE_LIMIT:
            raise FrontMatterError(line, f"an example is longer than {_EXAMPLE_LIMIT} characters")
        if at >= _MOST_EXAMPLES:
            raise FrontMatterError(line, f"there are more than {_MOST_EXAMPLES} examples")
    return tuple(text for _, text in examples if text)
