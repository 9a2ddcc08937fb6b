"""What a stranger says is bounded before it is read, and is plain JSON or an error of ours."""

import asyncio
import json
import socket
from typing import Any

import pytest
from fakes.size import sized
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secondme.core.errors import DataError
from secondme.skills.sandbox.stranger_lines import StrangerLines, parse_object

DEPTH = 32
CODES = {"too_deep", "not_json", "too_long", "too_much"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
pieces = st.sampled_from(
    [b'{"result":', b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"1", b"e999", b"\\ud800", b"\xff", b"null", b" ", b"\n"]
)
near_json = st.lists(pieces, max_size=60).map(b"".join)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def object_or_code(line: bytes) -> dict[str, Any] | str:
    try:
        return parse_object(line, DEPTH)
    except DataError as error:
        return error.code


@settings(max_examples=sized(2000, 30))
@given(st.dictionaries(st.text(), json_values))
def test_an_object_comes_back_as_it_was(value: dict[str, Any]) -> None:
    line = json.dumps(value).encode()
    if depth_of(value) <= DEPTH:
        assert parse_object(line, DEPTH) == value


@settings(max_examples=sized(20_000, 500))
@given(st.binary(max_size=300) | near_json)
@example(b'{"a":"' + b'\\"' * 50_000)
@example(b'{"a":' * 40 + b"1" + b"}" * 40)
@example(b'{"a":"' + b"]" * 100 + b'","b":' + b"[" * 40 + b"]" * 40 + b"}")
@example(b'{"a":' + b"1" * 5000 + b"}")
def test_anything_else_is_an_error_of_ours(line: bytes) -> None:
    value = object_or_code(line)
    if isinstance(value, str):
        assert value in CODES
    else:
        assert depth_of(value) <= DEPTH
        assert json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("text", ["[" * 40 + "]" * 40, '\\"[[[' * 20, "}" * 100])
def test_brackets_in_text_are_text(text: str) -> None:
    assert parse_object(json.dumps({"a": text}).encode(), DEPTH) == {"a": text}


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30))
def test_lines_are_the_same_however_they_arrive(texts: list[bytes], size: int) -> None:
    async def heard() -> list[Any]:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        theirs.settimeout(0)
        with ours, theirs:
            sent = b"".join(json.dumps({"text": text.hex()}).encode() + b"\n" for text in texts) + b'{"cut'
            lines = StrangerLines(ours, line_bytes=200, total_bytes=2000, depth=2)

            async def say() -> None:  # beside the reader: a socket holds some hundred packets, however short
                for start in range(0, len(sent), size):
                    await loop.sock_sendall(theirs, sent[start : start + size])
                    await asyncio.sleep(0)
                theirs.close()

            saying, got = asyncio.ensure_future(say()), []
            while (line := await lines.next()) is not None:
                got.append(line)
            await saying
            return got

    assert asyncio.run(heard()) == [{"text": text.hex()} for text in texts]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b'{"a":"' + b"x" * 100 + b'"}\n', "too_long"),
        (b"x" * 101, "too_long"),
        (b'{"a":1}\n' * 30, "too_much"),
        (b"[1]\n", "not_json"),
        (b"\n", "not_json"),
    ],
)
async def test_limits_are_of_bytes_as_they_come(sent: bytes, code: str) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        theirs.sendall(sent)
        lines = StrangerLines(ours, line_bytes=100, total_bytes=200, depth=4)

        async def read_all() -> None:
            while await lines.next():
                pass

        with pytest.raises(DataError) as caught:
            await read_all()
        assert caught.value.code == code
