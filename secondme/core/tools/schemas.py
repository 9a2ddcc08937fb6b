"""Schemas of tools' inputs: a part of JSON Schema that cannot be made slow, checked when a skill is read and at every call.

No `pattern` (a regular expression of a stranger can run for ever), no `$ref`, no alternatives.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Json = Any  # a JSON value of a stranger: looked at piece by piece

_DEPTH = 5
_LONGEST = 8 * 1024
_LONGEST_KEY = 64
_TYPES: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in {int, float} and math.isfinite(value),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_NOTES = {"description", "title", "format", "default"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems"}
_KEYWORDS = (
    _NOTES | _COUNTS | {"type", "properties", "required", "additionalProperties", "enum", "const", "minimum", "maximum", "items"}
)


def faults(schema: Json) -> list[str]:
    """What is wrong with `schema` as that of a tool's input, in plain words; empty when it can be used."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return ['the schema of an input has "type": "object"']
    if len(json.dumps(schema)) > _LONGEST:
        return [f"a schema has at most {_LONGEST:,} characters"]
    return list(_faults(schema, "", 1))


def _faults(schema: Json, where: str, depth: int) -> Iterator[str]:
    at = f" in {where}" if where else ""
    if not isinstance(schema, dict):
        yield f"a schema is an object{at}"
        return
    if depth > _DEPTH:
        yield f"a schema has at most {_DEPTH} levels{at}"
        return
    yield from (f"{json.dumps(key)[:_LONGEST_KEY]} is not used here{at}" for key in schema if key not in _KEYWORDS)
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        yield f'"type" is one of {", ".join(_TYPES)}{at}'
    for key in _COUNTS & schema.keys():
        if type(schema[key]) is not int or schema[key] < 0:
            yield f'"{key}" is a whole number{at}'
    for key in {"minimum", "maximum"} & schema.keys():
        if not _TYPES["number"](schema[key]):
            yield f'"{key}" is a number{at}'
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield f'"enum" is a list with something in it{at}'
    if "items" in schema:
        yield from _faults(schema["items"], f"{where}[]", depth + 1)
    yield from _object_faults(schema, where, at, depth)


def _object_faults(schema: Mapping[str, Json], where: str, at: str, depth: int) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield f'"properties" is an object{at}'
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield f'"additionalProperties": false is missing{at}'
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) and name in properties for name in required):
        yield f'"required" lists names of "properties"{at}'
    for name, inner in properties.items():
        if not name or len(name) > _LONGEST_KEY:
            yield f"a property's name has 1 to {_LONGEST_KEY} characters{at}"
        yield from _faults(inner, f"{where}.{name}".lstrip("."), depth + 1)


def violation(schema: Mapping[str, Json], value: Json, where: str = "") -> str:
    """What speaks against `value` as `schema` has it, in plain words without any of its text; empty when nothing does. Linear in both."""
    shown = where or "the input"
    if not _TYPES[schema["type"]](value):
        return f"{shown} must be of type {schema['type']}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{shown} must be {json.dumps(schema['const'])}"
    if "enum" in schema and not any(_same(value, each) for each in schema["enum"]):
        return f"{shown} must be one of {json.dumps(schema['enum'], ensure_ascii=False)}"
    if isinstance(value, str):
        return _outside(len(value), schema, ("minLength", "maxLength"), f"{shown} must have", "characters")
    if isinstance(value, list):
        inner = (violation(schema["items"], each, f"{where}[{at}]") for at, each in enumerate(value)) if "items" in schema else ()
        bounds = _outside(len(value), schema, ("minItems", "maxItems"), f"{shown} must have", "entries")
        return bounds or next(filter(None, inner), "")
    if isinstance(value, dict):
        return _object_violation(schema, value, where, shown)
    return _outside(value, schema, ("minimum", "maximum"), f"{shown} must be", "") if type(value) in {int, float} else ""


def _object_violation(schema: Mapping[str, Json], value: Mapping[str, Json], where: str, shown: str) -> str:
    properties = schema.get("properties", {})
    if any(name not in properties for name in value):
        return f"{shown} has a property that is not known; there are: {', '.join(properties) or 'none'}"
    if missing := [name for name in schema.get("required", []) if name not in value]:
        return f"{shown} lacks {', '.join(missing)}"
    inner = (violation(properties[name], each, f"{where}.{name}".lstrip(".")) for name, each in value.items())
    return next(filter(None, inner), "")


def _outside(count: float, schema: Mapping[str, Json], names: tuple[str, str], words: str, unit: str) -> str:
    least, most = (schema.get(name) for name in names)
    if least is not None and count < least:
        return f"{words} at least {least} {unit}".rstrip()
    return f"{words} at most {most} {unit}".rstrip() if most is not None and count > most else ""


def _same(one: Json, other: Json) -> bool:
    """As JSON has it: true is not 1."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)
