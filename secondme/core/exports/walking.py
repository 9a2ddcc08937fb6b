"""What is in a JSON file that is larger than memory, and that anybody may have made? Its chats and messages, one after the other.

Bounded: how deep it goes, how much one message is made of, how long one string is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from secondme.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secondme.core.exports.reading import Counted, ExportFile

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
    """One thing that was found: `chat` (another one begins), its `name`, `type` or `id`, a `message` of it, or the `owner`'s number."""

    what: str
    value: Any  # JSON


def walk(file: ExportFile, progress: Callable[[int], None] | None = None) -> Iterator[Found]:
    """Everything of `file` that matters, in its order. Raises DataError when it is no JSON."""
    import ijson  # type: ignore[import-untyped]  # it has no types  # noqa: PLC0415  only who imports from Telegram pays for it

    with file.stream(progress) as raw:
        watch = _Watch(raw, file.path.name)
        try:
            yield from _walk(ijson.basic_parse(watch, use_float=True), watch, file.path.name, ijson.ObjectBuilder)
        except (ijson.JSONError, ValueError, OverflowError) as error:
            raise DataError(
                "broken_json",
                f"{file.path.name} is not the JSON that Telegram writes.",
                "Export the chat as machine-readable JSON.",
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
            yield Found(path[-1], value)
        elif event in _SCALARS and path == ["personal_information", "user_id"]:
            yield Found("owner", value)
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
    depth = 1
    for parts, (event, value) in enumerate(events):
        watch.moved()
        made.event(event, value)
        if event in {"start_map", "start_array"}:
            depth += 1
        elif event in {"end_map", "end_array"}:
            depth -= 1
        if depth == 0:
            break
        if depth > _DEEPEST or parts > _MOST_PARTS:
            raise DataError("hostile_json", f"{name} has a message that is larger than any of Telegram's.")
    found: dict[str, Any] = made.value
    return found


class _Watch:
    """The file, until too much of it was read without anything coming of it."""

    def __init__(self, raw: Counted, name: str) -> None:
        self._raw = raw
        self._name = name
        self._mark = 0
        self._is_new = True

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
