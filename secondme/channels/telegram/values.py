"""How is a value taken out of JSON that somebody else wrote? By its type and within bounds, or not at all. Nothing here raises."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
"""An object as `json.loads` made it."""

_ID_LIMIT = 2**53
"""Telegram's ids have at most 52 significant bits."""
DEPTH_LIMIT = 32


def table(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def positive(value: object) -> int | None:
    """`value` if it is a whole number from 1 to 2**53, which `True` is not."""
    return value if type(value) is int and 0 < value < _ID_LIMIT else None


def count(value: object) -> int | None:
    """`value` if it is a whole number from 0 to 2**53."""
    return value if type(value) is int and 0 <= value < _ID_LIMIT else None


def text(value: object, limit: int) -> str:
    """`value` if it is a string, at most `limit` characters of it; half a character (a lone surrogate) becomes `?`."""
    return value[:limit].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def is_deeper(value: object, limit: int = DEPTH_LIMIT) -> bool:
    """True when objects and lists lie in each other more than `limit` deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(outer: Json | list[Any]) -> list[Any]:
    return list(outer.values()) if isinstance(outer, dict) else outer
