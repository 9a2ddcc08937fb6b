"""A persona file: front matter (a small, strict part of YAML) and a Markdown text that a person edits."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError
from secondme.core.format import size
from secondme.core.text import near, safe_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_MARK = "---"
_LIMIT = 16 * 1024
"""Characters; a front matter is a dozen lines."""
_UNSEEN = "\x85\u2028\u2029"
"""YAML takes them for ends of lines, an editor does not."""


class FrontMatterError(Exception):
    """The front matter cannot be used: `line` of the file, counted from 1, and what is wrong with it in plain words."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line
        self.words = words


class Field(NamedTuple):
    """One value and where it stands. A list is a tuple of words, each with its own line."""

    line: int
    value: str | tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A file, taken apart: its fields by name with the line of each name, and the text below."""

    fields: dict[str, Field]
    body: str


def split(text: str) -> Parts:
    """`text` taken apart; without a first line `---` all of it is the body. Raises FrontMatterError."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != _MARK:
        return Parts({}, "\n".join(lines).strip())
    end = next((at for at, line in enumerate(lines) if at and line.rstrip() == _MARK), None)
    if end is None:
        raise FrontMatterError(1, "the front matter has no second line `---` that ends it")
    head = "\n".join(lines[1:end])
    if len(head) > _LIMIT:
        raise FrontMatterError(1, f"the front matter is longer than {size(_LIMIT)}")
    return Parts(_fields(head), "\n".join(lines[end + 1 :]).strip())


def _fields(head: str) -> dict[str, Field]:
    import yaml  # noqa: PLC0415  a light command pays nothing for it

    for at, line in enumerate(head.split("\n")):
        if any((character < " " and character != "\t") or character in _UNSEEN for character in line):
            raise FrontMatterError(at + 2, "there is an invisible control character")
    try:
        events = list(yaml.parse(head, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        return _mapping(events)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "not YAML"
        raise FrontMatterError(mark.line + 2 if mark else 2, f"not YAML: {said}") from error
    except yaml.YAMLError as error:
        raise FrontMatterError(2, "not YAML: a character that it does not know") from error


def _mapping(events: list[Any]) -> dict[str, Field]:  # Any: the library's events have no common type with what we read
    """The fields that these events describe: one mapping of words to words or lists of words."""
    inner = [event for event in events if type(event).__name__ not in _AROUND]
    if not inner or _is_nothing(inner[0]):
        return {}
    if not _is(inner[0], "MappingStartEvent") or _count(events, "DocumentStartEvent") > 1:
        raise FrontMatterError(inner[0].start_mark.line + 2, "write one `name: value` on each line")
    fields: dict[str, Field] = {}
    at = 1
    while not _is(inner[at], "MappingEndEvent"):
        key, line = _word(inner[at]), inner[at].start_mark.line + 2
        if key in fields:
            raise FrontMatterError(line, f"`{key}` is there twice")
        fields[key], at = _value(inner, at + 1, line)
    return fields


def _value(events: list[Any], at: int, line: int) -> tuple[Field, int]:
    if not _is(events[at], "SequenceStartEvent"):
        return Field(line, _word(events[at])), at + 1
    words = []
    _plain(events[at])
    at += 1
    while not _is(events[at], "SequenceEndEvent"):
        words.append((events[at].start_mark.line + 2, _word(events[at])))
        at += 1
    return Field(line, tuple(words)), at + 1


def _word(event: Any) -> str:
    _plain(event)
    if not _is(event, "ScalarEvent"):
        raise FrontMatterError(event.start_mark.line + 2, "only words and lists of words can stand here, nothing inside them")
    return "" if _is_nothing(event) else str(event.value).strip()


def _plain(event: Any) -> None:
    """Raises FrontMatterError for what YAML would unfold or obey."""
    line = event.start_mark.line + 2
    if _is(event, "AliasEvent") or getattr(event, "anchor", None):
        raise FrontMatterError(line, "anchors and aliases (& and *) are not used here; quote a word that begins so")
    if getattr(event, "tag", None) not in {None, "!"}:
        raise FrontMatterError(line, "tags (!) are not used here; quote a word that begins so")


def _is_nothing(event: Any) -> bool:
    return _is(event, "ScalarEvent") and event.style in {None, ""} and event.value in {"", "~", "null"}


def _is(event: Any, name: str) -> bool:
    return bool(type(event).__name__ == name)


def _count(events: list[Any], name: str) -> int:
    return sum(_is(event, name) for event in events)


_AROUND = {"StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"}


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
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError("bad_persona", f"{path}:{line}: is not UTF-8 text.", f"Save {path} as UTF-8.") from error
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
    if isinstance(field.value, str):
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
