"""What does not fit, in our own words: pydantic's belong to who wrote the model, and not to who typed the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "json_invalid": "is not JSON",
    "json_type": "is not JSON",
    "finite_number": "takes a number that has an end",
    "string_unicode": "takes text",
    "string_pattern_mismatch": "does not have the form it takes",
    "none_required": "takes nothing",
    "int_parsing_size": "takes a smaller number",
    "set_item_not_hashable": "takes plain entries",
    "recursion_loop": "contains itself",
}
"""pydantic's name of an error -> what is to be said of the value."""
_KINDS = {
    "bool": "true or false",
    "bytes": "text",
    "date": "a day like 2026-05-04",
    "datetime": "a moment like 2026-05-04T22:30:00Z",
    "decimal": "a number",
    "dict": "an object",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "mapping": "an object",
    "model": "an object",
    "path": "a path",
    "set": "a list",
    "string": "text",
    "time": "a time of day like 22:30",
    "timedelta": "a duration",
    "time_delta": "a duration",
    "timezone": "a time zone",
    "tuple": "a list",
    "url": "an address like https://example.org",
}
"""What an error's name begins with -> what the value must be."""
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


def complaint(name: str, error: Mapping[str, Any]) -> str:
    """A sentence without its full stop about `name`, of one entry of `ValidationError.errors()`. It never holds the value."""
    words = _words(error)
    return f"{name} {words}" if words else f"{name}: {str(error['msg']).removeprefix('Value error, ')}"


def _words(error: Mapping[str, Any]) -> str:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _BOUNDS:
        words, field = _BOUNDS[kind]
        return f"takes {words} {context.get(field)}"
    if kind in {"literal_error", "enum"}:
        return f"takes {str(context.get('expected')).replace(chr(39), '')}"
    if kind == "int_from_float":
        return "takes a whole number"
    if kind.endswith(("too_short", "too_long")):
        words, field = ("at least", "min_length") if kind.endswith("short") else ("at most", "max_length")
        one, more = ("character", "characters") if kind.startswith(("string", "bytes", "url")) else ("entry", "entries")
        return f"takes {words} {counted(context.get(field) or 0, one, more)}"
    first = max((each for each in _KINDS if kind.startswith(f"{each}_")), key=len, default="")
    return f"takes {_KINDS[first]}" if first else ""
