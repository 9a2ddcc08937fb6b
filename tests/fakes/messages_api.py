"""A local server that speaks Anthropic's Messages API over HTTP/1.1, and fails as told.

It answers `POST /v1/messages` (server-sent events or one JSON object) and `GET /v1/models`, and remembers every request.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

_REASONS = {200: "OK", 429: "Too Many Requests", 529: "Overloaded"}
_PIECE = 7
"""Characters of one text delta."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json

    @property
    def is_routing(self) -> bool:
        """True when it asks whether a message is small talk."""
        return "phatic" in json.dumps(self.body.get("system", ""))

    @property
    def last_text(self) -> str:
        """The text of the last turn that is not a tool's result."""
        for turn in reversed(self.body["messages"]):
            content = turn["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if texts := [str(block["text"]) for block in blocks if block["type"] == "text"]:
                return texts[-1]
        raise LookupError("a request without words")

    @property
    def results(self) -> list[Json]:
        """The results of tools that came with the last message, in order."""
        content = self.body["messages"][-1]["content"]
        return [] if isinstance(content, str) else [block for block in content if block["type"] == "tool_result"]


@dataclass(frozen=True)
class Say:
    """An answer. Only tools, no text at all, and every stop reason are possible."""

    text: str = ""
    stop_reason: str = "end_turn"
    tools: tuple[tuple[str, Any], ...] = ()
    """Name and input of each; an input that is text is sent as it is, broken JSON included."""
    thinking: str = ""
    role: str = "assistant"
    usage: tuple[int, int, int, int] = (11, 3, 0, 0)
    """Input, output, read from a cache, written to one."""


@dataclass(frozen=True)
class Fail:
    """An HTTP error with the API's error object; with no `kind`, the HTML page of some proxy."""

    status: int
    kind: str = "api_error"
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    """The sentence beside the kind."""
    body: Json | None = None
    """Instead of the API's error object, as servers of other makers have it."""


@dataclass(frozen=True)
class Odd:
    """An answer as servers of other makers give it: `say`, and what is unusual about it."""

    say: Say = Say("Sure, see you Friday.")
    change: Callable[[list[Json]], object] = len
    """Changes the events in their list."""
    is_named: bool = True
    """False: no `event:` lines."""
    is_json: bool = False
    """One whole message, although a stream was asked for."""
    ending: str = ""
    """What stands behind the last event."""


@dataclass(frozen=True)
class FailInStream:
    """A stream that begins well and then carries an `error` event."""

    kind: str = "overloaded_error"
    message: str = ""


@dataclass(frozen=True)
class Cut:
    """A connection that is lost: before the first header, or in the middle of the stream."""

    where: Literal["before_headers", "in_stream"]


@dataclass(frozen=True)
class EndEarly:
    """A stream that ends in good order, but without the events that end a message."""


@dataclass(frozen=True)
class Garbage:
    """A stream with an event that is no JSON."""


@dataclass(frozen=True)
class Silence:
    """Nothing comes, from the start or after the first words."""

    where: Literal["before_headers", "in_stream"] = "before_headers"


Outcome = Say | Odd | Fail | FailInStream | Cut | EndEarly | Garbage | Silence
Script = Callable[[Request], Outcome]


class MessagesApi:
    """The server. What comes next is `outcomes` in order, then what `script` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.routed: list[Request] = []
        """Questions whether something is small talk, apart from the rest: by default nothing is."""
        self.is_small_talk: Callable[[Request], bool] = lambda _: False
        self.asked = asyncio.Event()
        self.outcomes: list[Outcome] = []
        self.gate = asyncio.Event()
        """Answers come while it is set."""
        self.gate.set()
        self.script: Script = lambda request: Say("re: " + request.last_text.splitlines()[-1])
        self.models = ["claude-test"]
        self.knows_effort = True
        """False: a request that names one is refused."""
        self.keys: set[str] | None = None
        """The keys that are good; None: every one."""
        self.port = 0
        self._handlers: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while (request := await _read_request(reader)) is not None and await self._answer(request, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            self._handlers.discard(task)
            writer.close()

    async def _answer_routing(self, request: Request, writer: asyncio.StreamWriter) -> None:
        await _stream(request, Say("phatic" if self.is_small_talk(request) else "substantive"), writer)

    async def close(self) -> None:
        """Every connection has ended."""
        for task in list(self._handlers):
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """True while the connection can be used again."""
        if self.keys is not None and request.headers.get("authorization", "").removeprefix("Bearer ") not in self.keys:
            _write_json(writer, 401, _error("authentication_error"))
            return True
        if (request.method, request.path) == ("GET", "/v1/models"):
            _write_json(writer, 200, {"data": [{"type": "model", "id": name} for name in self.models], "has_more": False})
            return True
        if (request.method, request.path) != ("POST", "/v1/messages"):
            _write_json(writer, 404, _error("not_found_error"))
            return True
        if request.is_routing and (self.knows_effort or "output_config" not in request.body):
            self.routed.append(request)
            await self._answer_routing(request, writer)
            return True
        self.requests.append(request)
        self.asked.set()
        if words := _refusal(request.body, knows_effort=self.knows_effort):
            _write_json(writer, 400, _error("invalid_request_error", words))
            return True
        await self.gate.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else self.script(request)
        match outcome:
            case Fail(status, kind, headers):
                error = outcome.body or _error(kind, outcome.message)
                _write_json(writer, status, error if kind else "<html>Bad Gateway</html>", headers)
                return True
            case Odd(is_json=True):
                _write_json(writer, 200, _message(request, outcome.say))
                return True
            case Cut("before_headers"):
                writer.transport.abort()
                return False
            case Silence("before_headers"):
                await asyncio.Event().wait()
            case Say() if not request.body.get("stream"):
                _write_json(writer, 200, _message(request, outcome))
                return True
        return await _stream(request, outcome, writer)


def _refusal(body: Json, *, knows_effort: bool) -> str:
    """What the vendor says to a request that it does not take; empty when it does. Source: API reference, "Tool use"."""
    if "output_config" in body and not knows_effort:
        return "output_config: Extra inputs are not permitted"
    turns = [turn["content"] if isinstance(turn["content"], list) else [{"type": "text"}] for turn in body["messages"]]
    offered = {tool["name"] for tool in body.get("tools", [])}
    for turn, following in zip(turns, [*turns[1:], []], strict=True):
        uses = [block["id"] for block in turn if block["type"] == "tool_use"]
        kinds = [block["type"] for block in following]
        results = [block["tool_use_id"] for block in following if block["type"] == "tool_result"]
        if uses != results or any(not isinstance(block["input"], dict) for block in turn if block["type"] == "tool_use"):
            return "`tool_use` ids were found without `tool_result` blocks immediately after"
        if results and kinds[0] != "tool_result":
            return "`tool_result` blocks must come first"
        if any(block["type"] == "text" and block.get("text") == "" for block in turn):
            return "text content blocks must be non-empty"
        if uses and not offered:
            return "`tools` must be given where `tool_use` blocks are"
    return ""


@asynccontextmanager
async def messages_api() -> AsyncIterator[MessagesApi]:
    """A running server on a port of its own."""
    api = MessagesApi()
    server = await asyncio.start_server(api.handle, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        await api.close()
        await server.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    line = (await reader.readline()).decode("latin-1").split()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (raw := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = raw.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(line[0], line[1].partition("?")[0], headers, json.loads(body) if body else {})


async def _stream(request: Request, outcome: Outcome, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    if isinstance(outcome, Say):
        outcome = Odd(outcome)
    if isinstance(outcome, Odd):
        events = [event for _, event in _events(_message(request, outcome.say))]
        outcome.change(events)
        for event in events:
            await _send(writer, event["type"] if outcome.is_named else "", json.dumps(event))
        if outcome.ending:
            await _send(writer, "", outcome.ending)
        writer.write(b"0\r\n\r\n")
        return True
    for name, event in _events(_message(request, Say("half a sentence")))[:4]:
        await _send(writer, name, json.dumps(event))
    match outcome:
        case FailInStream(kind, words):
            await _send(writer, "error", json.dumps(_error(kind, words)))
        case Garbage():
            await _send(writer, "content_block_delta", '{"type": "content_block_delta", "index": 0, "del')
        case Silence():
            await asyncio.Event().wait()
        case Cut():
            with suppress(ConnectionError):
                await writer.drain()
            writer.transport.abort()
            return False
    writer.write(b"0\r\n\r\n")
    return True


async def _send(writer: asyncio.StreamWriter, name: str, data: str) -> None:
    block = (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()
    writer.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
    await writer.drain()


def _write_json(writer: asyncio.StreamWriter, status: int, value: Json | str, headers: dict[str, str] | None = None) -> None:
    body = (value if isinstance(value, str) else json.dumps(value)).encode()
    kind = "text/html" if isinstance(value, str) else "application/json"
    lines = {"content-type": kind, "content-length": str(len(body)), "request-id": "req_test", **(headers or {})}
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\n" + "".join(f"{key}: {text}\r\n" for key, text in lines.items())
    writer.write(head.encode() + b"\r\n" + body)


def _error(kind: str, message: str = "") -> Json:
    return {"type": "error", "error": {"type": kind, "message": message or f"scripted {kind}"}, "request_id": "req_test"}


def _message(request: Request, say: Say) -> Json:
    content: list[Json] = [{"type": "thinking", "thinking": say.thinking, "signature": "SIGNED"}] if say.thinking else []
    content += [{"type": "text", "text": say.text}] if say.text else []
    content += [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": value} for at, (name, value) in enumerate(say.tools)
    ]
    return {
        "id": "msg_test",
        "type": "message",
        "role": say.role,
        "model": request.body["model"],
        "content": content,
        "stop_reason": say.stop_reason,
        "stop_sequence": None,
        "usage": dict(
            zip(("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), say.usage, strict=True)
        ),
    }


def _events(message: Json) -> list[tuple[str, Json]]:
    """The message as the events of its stream."""
    opening = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    events: list[Json] = [{"type": "message_start", "message": opening}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, whole = {**block, "text": ""}, block["text"]
            deltas = [{"type": "text_delta", "text": whole[at : at + _PIECE]} for at in range(0, len(whole), _PIECE)]
        elif block["type"] == "thinking":
            empty = {**block, "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}, {"type": "signature_delta", "signature": "SIGNED"}]
        else:
            given = block["input"]
            empty, whole = {**block, "input": {}}, given if isinstance(given, str) else json.dumps(given)
            deltas = [{"type": "input_json_delta", "partial_json": whole[at : at + _PIECE]} for at in range(0, len(whole), _PIECE)]
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": message["usage"]["output_tokens"]}})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]
