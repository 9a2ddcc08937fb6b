"""The schema of a tool's input: what is taken, what is refused, and that no input can make it slow."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.tools.schemas import faults, violation

OBJECT = {"type": "object", "additionalProperties": False}


def of(**properties: Any) -> dict[str, Any]:
    return {**OBJECT, "properties": properties}


DEEP: dict[str, Any] = {"type": "string"}
for _ in range(6):
    DEEP = of(a=DEEP)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ([], 'the schema of an input has "type": "object"'),
        ({"type": "string"}, 'the schema of an input has "type": "object"'),
        ({"type": "object"}, '"additionalProperties": false is missing'),
        ({"type": "object", "additionalProperties": True}, '"additionalProperties": false is missing'),
        (of(a={"type": "string", "pattern": "(a+)+$"}), '"pattern" is not used here in a'),
        (of(a={"$ref": "#/definitions/b"}), '"$ref" is not used here in a'),
        (of(a={"type": "string", "anyOf": []}), '"anyOf" is not used here in a'),
        ({**of(), "patternProperties": {}}, '"patternProperties" is not used here'),
        (of(a={"type": "text"}), '"type" is one of string, integer, number, boolean, array, object, null in a'),
        (of(a={"type": ["string", "null"]}), '"type" is one of'),
        (of(a={"type": "string", "maxLength": "9"}), '"maxLength" is a whole number in a'),
        (of(a={"type": "string", "maxLength": True}), '"maxLength" is a whole number in a'),
        (of(a={"type": "number", "minimum": "0"}), '"minimum" is a number in a'),
        (of(a={"type": "string", "enum": []}), '"enum" is a list with something in it in a'),
        ({**of(a={"type": "string"}), "required": ["b"]}, '"required" lists names of "properties"'),
        ({**of(), "properties": []}, '"properties" is an object'),
        (of(a={"type": "array", "items": {"type": "x"}}), '"type" is one of'),
        (of(a="string"), "a schema is an object in a"),
        (DEEP, "a schema has at most 5 levels"),
        (of(**{f"p{number}": {"type": "string", "description": "x" * 200} for number in range(60)}), "a schema has at most"),
    ],
)
def test_what_a_schema_must_not_be_is_named(schema: Any, words: str) -> None:
    assert any(found.startswith(words) for found in faults(schema)), faults(schema)


SCHEMA = {
    **of(
        place={"type": "string", "minLength": 1, "maxLength": 5},
        days={"type": "integer", "minimum": 1, "maximum": 7},
        share={"type": "number"},
        unit={"type": "string", "enum": ["c", "f"]},
        one={"type": "integer", "const": 1},
        tags={"type": "array", "items": {"type": "string", "maxLength": 2}, "maxItems": 2},
        at=of(hour={"type": "integer"}),
        on={"type": "boolean"},
        none={"type": "null"},
    ),
    "required": ["place"],
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"place": "Tokyo"}, ""),
        (
            {
                "place": "Rome",
                "days": 7,
                "share": 0.5,
                "unit": "c",
                "one": 1,
                "tags": ["a"],
                "at": {"hour": 3},
                "on": True,
                "none": None,
            },
            "",
        ),
        ("Rome", "the input must be of type object"),
        ({}, "the input lacks place"),
        ({"place": ""}, "place must have at least 1 characters"),
        ({"place": "Lisbon"}, "place must have at most 5 characters"),
        ({"place": 1}, "place must be of type string"),
        ({"place": "Rome", "days": True}, "days must be of type integer"),
        ({"place": "Rome", "days": 8}, "days must be at most 7"),
        ({"place": "Rome", "days": 1.5}, "days must be of type integer"),
        ({"place": "Rome", "share": float("inf")}, "share must be of type number"),
        ({"place": "Rome", "unit": "k"}, 'unit must be one of ["c", "f"]'),
        ({"place": "Rome", "one": True}, "one must be of type integer"),
        ({"place": "Rome", "tags": ["a", "b", "c"]}, "tags must have at most 2 entries"),
        ({"place": "Rome", "tags": ["a", "bcd"]}, "tags[1] must have at most 2 characters"),
        ({"place": "Rome", "at": {"minute": 3}}, "at has a property that is not known; there are: hour"),
        ({"place": "Rome", "url": "https://evil"}, "the input has a property that is not known"),
    ],
)
def test_an_input_is_held_against_it(value: Any, words: str) -> None:
    assert faults(SCHEMA) == []
    assert violation(SCHEMA, value).startswith(words) if words else violation(SCHEMA, value) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, JSON)
def test_whatever_is_given_is_judged(schema: Any, value: Any) -> None:
    if not faults(schema):
        assert isinstance(violation(schema, value), str)
    assert isinstance(violation(SCHEMA, value), str)


def test_a_long_input_takes_a_moment() -> None:
    schema = of(words={"type": "array", "items": {"type": "string", "maxLength": 40}})
    spent = time.process_time()
    assert violation(schema, {"words": ["a" * 40] * 50_000}) == ""
    assert time.process_time() - spent < 5
    assert json.dumps(schema)
