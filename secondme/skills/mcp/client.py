"""Our client of the Model Context Protocol: what a clone needs of it, and every answer bounded before it is read.

https://modelcontextprotocol.io/specification/2025-11-25. Sampling, elicitation and roots are never offered: a server cannot have a model
asked, the owner asked, or a folder told. Servers are strangers: what is too long, too deep, too much or too slow ends the connection.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from secondme import __version__
from secondme.core.errors import DataError, UnavailableError
from secondme.core.text import is_too_deep
from secondme.skills.sandbox.stranger_lines import parse_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    Json = dict[str, Any]  # a message of a stranger: looked at piece by piece

OFFERED_VERSION = "2025-11-25"
VERSIONS = frozenset((OFFERED_VERSION, "2025-06-18", "2025-03-26", "2024-11-05"))
LINE_BYTES = 1 << 20
CALL_BYTES = 4 << 20
"""All that may come until a request is answered, notifications included."""
START_S = 30.0
"""Until a server that was just started has answered the first request; a Node server takes half a second, one that is loaded over the network
several."""
LIST_S = 15.0
CALL_S = 8.0
"""As any tool's: the loop that asks for it ends at 10 s."""
_DEPTH = 64
_PAGES = 32
_MOST_TOOLS = 512
_MOST_REQUESTS = 32
"""Of the server's own, until one of ours is answered."""
_LONG_LINE = 65_536
"""A longer line is parsed in a thread: a megabyte takes 15 ms."""
_NO_SUCH_METHOD = -32601


class Transport(Protocol):
    """How messages reach a server and come back."""

    version: str
    """What was agreed on; empty before."""

    @property
    def is_over(self) -> bool:
        """True when nobody is there to answer any more, as far as that is known."""

    def exchange(self, message: Json) -> AsyncGenerator[bytes, None]:
        """Sends a request; what the server says from then on, message by message. Raises DataError, UnavailableError."""

    async def tell(self, message: Json) -> None:
        """Sends what has no answer. Raises as above."""

    async def close(self) -> None:
        """Nothing of it is left. Repeatable."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool said: its text, and in brackets what else it sent. `is_error`: it says that it failed."""

    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class RawListing:
    """What a server says it is and has, as it said it."""

    server: str
    version: str
    instructions: str
    tools: tuple[Json, ...]


class McpClient:
    """One session with a server, one request at a time. After any failure it is of no more use, and must be closed."""

    def __init__(self, transport: Transport, call_s: float = CALL_S) -> None:
        self._transport = transport
        self._call_s = call_s
        self._asked = 0
        self._turn = asyncio.Lock()
        self._greeting: Json = {}
        self.is_broken = False
        self.dropped = 0
        """Notifications that nobody read."""
        self.has_new_list = False
        """True since the server said that its tools are others."""

    @property
    def is_busy(self) -> bool:
        """True while somebody waits for an answer."""
        return self._turn.locked()

    @property
    def is_there(self) -> bool:
        """False when it is of no more use."""
        return not self.is_broken and not self._transport.is_over

    async def start(self) -> None:
        """The session is open. Raises UnavailableError, DataError; DataError `mcp_version` when we do not speak its version."""
        hello = {
            "protocolVersion": OFFERED_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "secondme", "version": __version__},
        }
        self._greeting = await self._ask("initialize", hello, START_S)
        version = self._greeting.get("protocolVersion")
        if version not in VERSIONS:
            self.is_broken = True
            raise DataError(
                "mcp_version", "It speaks a version of MCP that secondme does not know.", "Update the server, or secondme."
            )
        self._transport.version = version
        await self._transport.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def listing(self) -> RawListing:
        """Every tool, over all pages. Raises as `start`."""
        tools: list[Json] = []
        cursor: object = None
        for _ in range(_PAGES):
            page = await self._ask("tools/list", {"cursor": cursor} if cursor is not None else {}, LIST_S)
            found = page.get("tools")
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise self._failed("not_json", "Its list of tools is none.")
            tools += found
            cursor = page.get("nextCursor")
            if len(tools) > _MOST_TOOLS:
                break
            if not isinstance(cursor, str) or not cursor:
                self.has_new_list = False
                return RawListing(self._named(), self._transport.version, _text(self._greeting.get("instructions")), tuple(tools))
        raise self._failed("too_much", f"It has more than {_MOST_TOOLS} tools, or does not end listing them.")

    async def call(self, tool: str, given: Mapping[str, Any]) -> ToolAnswer:
        """What the tool answered. Raises as `start`; DataError `mcp_refused` when the server would not do it, which breaks nothing."""
        result = await self._ask("tools/call", {"name": tool, "arguments": dict(given)}, self._call_s)
        content = result.get("content")
        parts = [_part(each) for each in content] if isinstance(content, list) else []
        if not parts and "structuredContent" in result:
            parts = [json.dumps(result["structuredContent"], ensure_ascii=False)]
        return ToolAnswer("\n".join(parts), bool(result.get("isError")))

    async def ping(self) -> None:
        """It answers. Raises as `start`."""
        await self._ask("ping", {}, self._call_s)

    async def close(self) -> None:
        """The session is over, and the process, if it has one, is dead. Repeatable."""
        self.is_broken = True
        await self._transport.close()

    async def _ask(self, method: str, params: Json, limit_s: float) -> Json:
        async with self._turn:
            if self.is_broken:
                raise UnavailableError("ended", "The server's connection was closed.")
            is_answered = False
            try:
                async with asyncio.timeout(limit_s):
                    answer = await self._answer(method, params)
                is_answered = True
            except TimeoutError as error:
                raise UnavailableError("timed_out", f"The server did not answer within {limit_s:.0f} s.") from error
            finally:  # whoever is cancelled leaves half a message too, or an answer that the next one would take for its own
                self.is_broken |= not is_answered
            if "result" in answer and isinstance(answer["result"], dict):
                return answer["result"]
            if isinstance(answer.get("error"), dict):
                words = _text(answer["error"].get("message"))[:200]
                raise DataError("mcp_refused", f"The server refused {method}: {words}")
            raise self._failed("not_json", "Its answer is none.")

    async def _answer(self, method: str, params: Json) -> Json:
        """The answer with our request's number. What else comes is refused, or counted and dropped."""
        self._asked += 1
        number, requests = self._asked, 0
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        async with aclosing(self._transport.exchange(request)) as lines:
            async for line in lines:
                message = await _parsed(line)
                if "method" not in message:
                    if message.get("id") == number and type(message["id"]) is int:
                        return message
                    self.dropped += 1
                elif "id" not in message:
                    self.dropped += 1
                    self.has_new_list |= message["method"] == "notifications/tools/list_changed"
                elif requests >= _MOST_REQUESTS:
                    raise DataError("asks_too_often", "The server asks too much itself.")
                else:
                    requests += 1
                    await self._transport.tell(_reply_to(message))
        raise UnavailableError("ended", "The server ended the connection.")

    def _named(self) -> str:
        info = self._greeting.get("serverInfo")
        info = info if isinstance(info, dict) else {}
        return f"{_text(info.get('name'))[:80]} {_text(info.get('version'))[:40]}".strip()

    def _failed(self, code: str, words: str) -> DataError:
        self.is_broken = True
        return DataError(code, words)


async def _parsed(line: bytes) -> Json:
    """Raises DataError."""
    return await asyncio.to_thread(_parse, line) if len(line) > _LONG_LINE else _parse(line)


def _parse(line: bytes) -> Json:
    if is_too_deep(line, _DEPTH):
        raise DataError("too_deep", f"It is nested deeper than {_DEPTH}, or little but brackets.")
    return parse_object(line, _DEPTH)


def _reply_to(request: Json) -> Json:
    number = request["id"]
    number = number if isinstance(number, (int, str)) and len(str(number)) < 100 else None  # noqa: PLR2004  it is sent back as it came
    if request["method"] == "ping":
        return {"jsonrpc": "2.0", "id": number, "result": {}}
    return {"jsonrpc": "2.0", "id": number, "error": {"code": _NO_SUCH_METHOD, "message": "Method not found"}}


def _part(content: Any) -> str:  # of a stranger
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "text":
        return _text(content.get("text"))
    return f"[{kind}]" if kind in {"image", "audio", "resource", "resource_link"} else "[unknown]"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
