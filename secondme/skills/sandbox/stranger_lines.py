"""JSON lines of a stranger: bounded in bytes and depth before they are parsed, and plain JSON afterwards."""

import asyncio
import json
import math
import re
import socket
from typing import Any

from secondme.core.errors import DataError

_CHUNK = 65_536
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""Possessive, and an open string reaches to the end: no line makes it look at a byte twice."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class StrangerLines:
    """What comes over a connection, line by line. Raises DataError for what is too long, too much, too deep or no JSON object."""

    def __init__(self, connection: socket.socket, *, line_bytes: int, total_bytes: int, depth: int) -> None:
        self._connection = connection
        self._line_bytes = line_bytes
        self._left_bytes = total_bytes
        self._depth = depth
        self._pending = bytearray()

    def allow(self, total_bytes: int) -> None:
        """So much may come from now on."""
        self._left_bytes = total_bytes

    async def next(self) -> dict[str, Any] | None:
        """The next line's object; None when the connection has ended. What is left of a last line without its end is no line."""
        line = await self.next_line()
        return None if line is None else parse_object(line, self._depth)

    async def next_line(self) -> bytes | None:
        """The next line, unread."""
        while (end := self._pending.find(b"\n")) < 0:
            if len(self._pending) > self._line_bytes:
                break
            chunk = await asyncio.get_running_loop().sock_recv(self._connection, _CHUNK)
            if not chunk:
                return None
            self._left_bytes -= len(chunk)
            self._pending += chunk
        if not 0 <= end <= self._line_bytes:
            raise DataError("too_long", f"A line has more than {self._line_bytes} bytes.")
        if self._left_bytes < 0:
            raise DataError("too_much", "It says too much.")
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


def parse_object(line: bytes, depth: int) -> dict[str, Any]:
    """The JSON object (RFC 8259) that `line` is: finite numbers of at most 4,300 digits, text that can be encoded.

    Raises DataError when it is none, or nested deeper than `depth`.
    """
    open_brackets = 0
    for bracket in _STRING.sub(b"", line).translate(None, _NO_BRACKETS):
        open_brackets += 1 if bracket in b"[{" else -1
        if open_brackets > depth:
            raise DataError("too_deep", f"It is nested deeper than {depth}.")
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        if _SURROGATE.search(line):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a pair is text that nobody can store
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        raise DataError("not_json", "It is not JSON.") from error
    if not isinstance(value, dict):
        raise DataError("not_json", "It is no object.")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)
