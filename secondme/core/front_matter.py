"""Front matter: a small, strict part of YAML above a Markdown text. Personas and skills begin with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from secondme.core.format import size

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
    """One value and where it stands. A list is a tuple of words, each with its own line; a map is one of words by name."""

    line: int
    value: str | tuple[tuple[int, str], ...] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Parts:
    """A file, taken apart: its fields by name with the line of each name, and the text below."""

    fields: dict[str, Field]
    body: str


def split(text: str, maps: frozenset[str] = frozenset()) -> Parts:
    """`text` taken apart; without a first line `---` all of it is the body. The fields in `maps` may be maps of words, no others.
    Raises FrontMatterError."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != _MARK:
        return Parts({}, "\n".join(lines).strip())
    end = next((at for at, line in enumerate(lines) if at and line.rstrip() == _MARK), None)
    if end is None:
        raise FrontMatterError(1, "the front matter has no second line `---` that ends it")
    head = "\n".join(lines[1:end])
    if len(head) > _LIMIT:
        raise FrontMatterError(1, f"the front matter is longer than {size(_LIMIT)}")
    return Parts(_fields(head, maps), "\n".join(lines[end + 1 :]).strip())


def _fields(head: str, maps: frozenset[str]) -> dict[str, Field]:
    import yaml  # noqa: PLC0415  a light command pays nothing for it

    for at, line in enumerate(head.split("\n")):
        if any((character < " " and character != "\t") or character in _UNSEEN for character in line):
            raise FrontMatterError(at + 2, "there is an invisible control character")
    try:
        events = list(yaml.parse(head, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        return _mapping(events, maps)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "not YAML"
        raise FrontMatterError(mark.line + 2 if mark else 2, f"not YAML: {said}") from error
    except yaml.YAMLError as error:
        raise FrontMatterError(2, "not YAML: a character that it does not know") from error


def _mapping(
    events: list[Any], maps: frozenset[str]
) -> dict[str, Field]:  # Any: the library's events have no common type with what we read
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
        fields[key], at = _value(inner, at + 1, line, has_map=key in maps)
    return fields


def _value(events: list[Any], at: int, line: int, *, has_map: bool) -> tuple[Field, int]:
    if has_map and _is(events[at], "MappingStartEvent"):
        return _map(events, at, line)
    if not _is(events[at], "SequenceStartEvent"):
        return Field(line, _word(events[at])), at + 1
    words = []
    _plain(events[at])
    at += 1
    while not _is(events[at], "SequenceEndEvent"):
        words.append((events[at].start_mark.line + 2, _word(events[at])))
        at += 1
    return Field(line, tuple(words)), at + 1


def _map(events: list[Any], at: int, line: int) -> tuple[Field, int]:
    words: dict[str, str] = {}
    _plain(events[at])
    at += 1
    while not _is(events[at], "MappingEndEvent"):
        key = _word(events[at])
        if key in words:
            raise FrontMatterError(events[at].start_mark.line + 2, f"`{key}` is there twice")
        words[key] = _word(events[at + 1])
        at += 2
    return Field(line, words), at + 1


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
