"""Is this JSON what it says it is? Checks of foreign values: what fails raises ValueError, and nothing is repaired."""

from __future__ import annotations

import json
import re
from typing import Any

from secondme.core.text import safe_name

LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, where datetime ends."""
_SAMPLES = 100
_PAIRS = 200
_DECIMAL = re.compile(rb"-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,3})?")


def parse(raw: bytes) -> Any:  # whatever JSON holds
    """`raw` as JSON, without the numbers that JSON does not know."""

    def refuse(_: str) -> None:
        raise ValueError("not a number of JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def object_of(raw: bytes) -> dict[str, Any]:
    """`raw` as a JSON object."""
    found = parse(raw)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  every fault of a value is one kind here
    return found


def text_of(value: Any) -> str:
    """`value`, which is text."""
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004  as above
    return value


def some_text(value: Any) -> str:
    """`value`, which is text and not empty."""
    if not text_of(value):
        raise ValueError("empty")
    return str(value)


def number_of(value: Any) -> int | float:
    """`value`, which is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LATEST_MS:
        raise ValueError("not a number")
    return value


def count_of(value: Any) -> int:
    """`value` as a whole number, zero or more."""
    found = number_of(value)
    if found < 0 or found != int(found):
        raise ValueError("not a count")
    return int(found)


def ms_of(value: Any) -> int:
    """`value` as a moment in Unix milliseconds."""
    return count_of(value)


def decimal_of(raw: bytes) -> str:
    """`raw` as the decimal number it is, in the digits it has."""
    if not _DECIMAL.fullmatch(raw):
        raise ValueError("not a decimal number")
    return raw.decode("ascii")


def samples_of(value: Any) -> list[int | float]:
    """`value` as a list of numbers: the newest 100."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004  as above
    return [number_of(each) for each in value[-_SAMPLES:]]


def pairs_of(value: Any) -> list[list[Any]]:
    """`value` as at most 200 pairs of a word, made safe to show, and its count."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004  as above
    kept = []
    for pair in value[:_PAIRS]:
        if not isinstance(pair, list) or len(pair) != 2:  # noqa: PLR2004  a word and its count
            raise ValueError("not a pair")
        kept.append([safe_name(text_of(pair[0])), count_of(pair[1])])
    return kept
