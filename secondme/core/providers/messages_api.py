"""The Messages API on the wire: the request, the answer as it is read, a refusal's cause; and two small questions without the SDK.

Replies go through `claude.py`, with the same request and the same reading, so that what the wizard and the doctor prove is what replies
send; key and version are sent as the SDK sends them, which a test makes sure of. Other servers than the vendor's leave things out (usage,
the names of events, the stream itself): what they mean is plain all the same. Source: Anthropic's API reference, "Messages", "Streaming",
"Errors" and "Models".
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from socket import gaierror
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.http import causes_of, network_fault
from secondme.core.log import get_logger
from secondme.core.messages import (
    PICTURE_REFUSED,
    Asked,
    Block,
    Composed,
    ModelOutcome,
    ModelRefused,
    ModelSize,
    Prompt,
    ToolCall,
    Usage,
    Utterance,
    prompt_tokens,
    text_tokens,
)
from secondme.core.text import is_too_deep, safe_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    import httpx

    from secondme.core.config.models import ModelSettings

    Json = dict[str, Any]  # JSON of a stranger's server: looked at piece by piece

log = get_logger(__name__)

OFFICIAL = "https://api.anthropic.com"
_VERSION = "2026-10-21"
_MOST_MODELS = 1000
_NO_LIST = frozenset({404, 405, 501})
"""Statuses of a server that has no such page."""
_LONGEST_NAME = 128
_CALL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)
_DEPTH = 32
"""Levels of a tool's input."""
_MOST_BYTES = 16 * 1024 * 1024
"""Of one answer. The longest allowed one has 32,768 tokens, each an event of some 200 bytes."""
_MOST_TOKENS = 10_000_000
"""Of one call. A number above is no count; it would be a bill that nobody has to pay."""
_CALL_TIMEOUT_S = 20.0
_KIND = re.compile(r"[A-Za-z][\w.-]{1,63}", re.ASCII)
_EFFORT = re.compile("effort|output_config", re.IGNORECASE)
_READ = 4000
"""Characters of a refusal that are looked at."""
_NO_CREDIT = re.compile(
    r"credit balance|usage limit|regain access|insufficient[_ ](?:quota|balance|credit|funds)|exceeded your current quota",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"regain access on (\d{4}-\d\d-\d\d)(?: at (\d\d:\d\d))?", re.ASCII | re.IGNORECASE)
_STATUS = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""For an error in the middle of a stream, whose status was 200."""
_WHOLE = frozenset(
    [
        "end_turn",
        "stop_sequence",
        "stop",
        "end",
        "eos",
        "eos_token",
        "end_of_turn",
        "stop_token",
        "finish",
        "finished",
        "complete",
        "completed",
        "done",
    ]
)
"""Stop reasons after which the words are whole; the first two are the vendor's. Any other one means that something is missing."""
_WITHHELD = frozenset({"refusal", "content_filter", "safety"})
PROOF = Prompt(
    system=(Block("Answer with one short word.", cached=True), Block("This only tries the connection.")),
    turns=(Utterance("user", "Hi"),),
    max_tokens=0,
)
"""Shaped like a reply; its length is that of the settings."""


def address(settings: ModelSettings) -> str:
    """Where the server is asked: everything before `/v1`."""
    return settings.base_url or OFFICIAL


def host(settings: ModelSettings) -> str:
    """The model's server as errors name it. Raises ConfigError."""
    return host_of(address(settings))


def host_of(base: str) -> str:
    """A server as errors name it: host and port, and no name or password that may stand in the address `base`. Raises ConfigError."""
    try:
        parts = urlsplit(base)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
        shown = (parts.netloc or base).rpartition("@")[2]
    except ValueError:
        is_address, shown = False, base.rpartition("@")[2]
    shown = safe_text(shown)[:_LONGEST_NAME]
    if not is_address:
        raise ConfigError("bad_base_url", f"{shown} is not an address.", "It looks like http://127.0.0.1:8080.")
    return shown


def key_of(settings: ModelSettings) -> str:
    """The key. Raises CredentialsError when there is none, or it is none that could be sent."""
    if settings.api_key is None:
        raise CredentialsError("no_model_key", "No key for the model is set.", "secondme config set model.api_key")
    key = settings.api_key.get_secret_value()
    if not key.isascii() or not key.isprintable():
        raise CredentialsError("model_key_refused", "The key has characters that no key has.", "secondme config set model.api_key")
    return key


def request_body(settings: ModelSettings, prompt: Prompt, *, effort: bool = True) -> Json:
    """The body of every call. A block that stays the same ends a part that the vendor may keep. No sampling parameters: newer models
    refuse them."""
    body: Json = {
        "model": settings.small if prompt.size is ModelSize.SMALL else settings.name,
        "max_tokens": prompt.max_tokens,
        "stream": True,
        "system": [
            {"type": "text", "text": block.text, **({"cache_control": {"type": "ephemeral"}} if block.cached else {})}
            for block in prompt.system
        ],
        "messages": [{"role": turn.role, "content": _content(turn)} for turn in prompt.turns] + _exchanges(prompt),
    }
    if prompt.tools:
        body["tools"] = _tools(prompt)
        body["tool_choice"] = {"type": "auto" if prompt.may_ask else "none"}
    amount = prompt.thinking.value if prompt.thinking else settings.effort
    if amount and effort:
        body["output_config"] = {"effort": amount}
    if prompt.thinking:
        body["thinking"] = {"type": "adaptive"}
    return body


def _content(turn: Utterance) -> str | list[Json]:
    """What a turn says; with pictures, each behind its number, and then the words (Anthropic, "Vision")."""
    if not turn.pictures:
        return turn.text
    blocks: list[Json] = []
    for number, picture in enumerate(turn.pictures, 1):
        source = {"type": "base64", "media_type": "image/jpeg", "data": b64encode(picture.data).decode()}
        blocks += [{"type": "text", "text": f"Picture {number}:"}, {"type": "image", "source": source}]
    return [*blocks, {"type": "text", "text": turn.text}]


def _tools(prompt: Prompt) -> list[Json]:
    """The tools in their order; the last one ends a part that the vendor may keep."""
    tools: list[Json] = [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)} for tool in prompt.tools
    ]
    tools[-1]["cache_control"] = {"type": "ephemeral"}
    return tools


def _exchanges(prompt: Prompt) -> list[Json]:
    """Each round as the API wants it: the model's answer as it came, then one message with a result for every call in it."""
    messages: list[Json] = []
    for exchange in prompt.exchanges:
        results = [
            {"type": "tool_result", "tool_use_id": call, "content": result.text, **({"is_error": True} if result.code else {})}
            for call, result in exchange.results
        ]
        messages.append({"role": "assistant", "content": [dict(block) for block in exchange.content]})
        messages.append({"role": "user", "content": results})
    return messages


@dataclass(eq=False)
class RefusedCallError(Exception):
    """The server answered with an error: `status` (200 for one inside of a stream) and the text of its body."""

    status: int
    text: str
    retry_after_s: float | None = None

    def cause(self, where: str) -> SecondmeError:
        """What it means. Only the server's own word for the error is quoted: its sentence may repeat what a person wrote."""
        kind, sentence = self._said()
        status = self._real_status
        shown = f"{status}, {kind}" if kind else str(status)
        words = f"{kind} {sentence}"
        is_limited = status == 429 and self.retry_after_s is not None  # noqa: PLR2004
        if status == 402 or (400 <= status < 500 and _NO_CREDIT.search(words) and not is_limited):  # noqa: PLR2004
            return _no_credit(words, f"The model's account at {where}", shown)
        if status in {401, 403}:
            words = f"The model's server at {where} refused the key ({shown})."
            return CredentialsError("model_key_refused", words, "secondme config set model.api_key")
        if status in {400, 404, 413, 422}:
            words = f"The model's server at {where} refused the request ({shown})."
            fix = 'secondme config set model.effort ""' if self.is_about_effort else "Check model.name and model.base_url."
            return ConfigError("model_request_refused", words, fix)
        by = _STATUS.get(kind, status)
        code = {429: "model_rate_limited", 529: "model_overloaded"}.get(by if by in {429, 529} else status, "model_failed")
        return UnavailableError(code, f"The model's server at {where} failed ({shown}).", retry_after_s=self.retry_after_s)

    @property
    def is_about_effort(self) -> bool:
        """True when the server, or a model of before the fifth generation, does not know `output_config.effort`."""
        return self._real_status in {400, 422} and _EFFORT.search(self.text[:_READ]) is not None

    @property
    def _real_status(self) -> int:
        return _STATUS.get(self._said()[0], 500) if self.status < 400 else self.status  # noqa: PLR2004  an error in a stream that began well

    def _said(self) -> tuple[str, str]:
        """The server's word for the error, and its sentence."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            return "", self.text[:_READ]
        error = body.get("error", body) if isinstance(body, dict) else {}
        if not isinstance(error, dict):
            return "", str(error)[:_READ]
        kinds = (error.get(name) for name in ("type", "code"))
        kind = next((each for each in kinds if isinstance(each, str) and each != "error" and _KIND.fullmatch(each)), "")
        return kind, str(error.get("message", ""))[:_READ]


def _no_credit(words: str, account: str, shown: str) -> CredentialsError:
    until = _UNTIL.search(words)
    if until is None and "usage limit" not in words.lower():
        return CredentialsError("model_no_credit", f"{account} has no credit ({shown}).", "Add credit to the account.")
    end = f"; it ends on {until[1]}{f' at {until[2]} UTC' if until[2] else ''}" if until else ""
    said = f"{account} has reached its usage limit ({shown}){end}."
    return CredentialsError("model_no_credit", said, "Raise the limit in the vendor's console, or wait.")


def failure(error: Exception, where: str, url: str = "") -> SecondmeError:
    """What kept a call to `url` from an answer. Whatever a library raises over a server's answer is the server's trouble: the message waits."""
    if url and (fault := network_fault(error, url)) is not None:
        return fault
    causes = tuple(causes_of(error))
    names = {type(each).__name__ for each in causes}  # the SDK's HTTP library has the names of httpx, and classes of its own
    if any("Timeout" in name for name in names):
        return UnavailableError("model_timeout", f"The model's server at {where} did not answer in time.")
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        said = f"Nobody listens at {where}: connection refused."
    elif any(isinstance(each, gaierror) for each in causes):
        said = f"The model's server cannot be found: the name in {where} is unknown."
    else:
        said = f"The model's server at {where} does not answer properly."
        log.warning("model_answer_unread", server=where, error=type(error).__name__)
    return UnavailableError("model_unreachable", said)


async def ask(
    send: Callable[[Json], Awaitable[ModelOutcome]], settings: ModelSettings, prompt: Prompt, *, effort: bool = True
) -> tuple[ModelOutcome, bool]:
    """What the server answers, and whether it takes `effort`: refused for it, the request is sent once more without.

    `send` raises RefusedCallError, or whatever its library raises; this raises CredentialsError, ConfigError, UnavailableError, and DataError
    `picture_refused` when the request had pictures and may be taken without them.
    """
    body = request_body(settings, prompt, effort=effort)
    with _explained(settings, prompt):
        try:
            return await send(body), effort
        except RefusedCallError as refused:
            if "output_config" not in body or not refused.is_about_effort:
                raise
            return await send(request_body(settings, prompt, effort=False)), False


@contextmanager
def _explained(settings: ModelSettings, prompt: Prompt) -> Iterator[None]:
    """What is raised inside leaves as one of our errors, with the server's name in it."""
    where = host(settings)
    try:
        yield
    except RefusedCallError as refused:
        cause = refused.cause(where)
        if cause.code == "model_request_refused" and any(turn.pictures for turn in prompt.turns):
            raise DataError(PICTURE_REFUSED, f"The model's server at {where} refused a request with pictures.") from refused
        raise cause from refused
    except SecondmeError:
        raise
    except Exception as error:
        raise failure(error, where, address(settings)) from error


async def read_answer(chunks: AsyncIterator[bytes], prompt: Prompt, model: str) -> ModelOutcome:
    """The answer in a body: events, with or without their names, or one whole message although a stream was asked for.

    Raises RefusedCallError for an error inside, ValueError for what is no message.
    """
    stream, data, name = _Stream(), "", ""
    whole: list[str] = []
    async for line in _lines(chunks):
        if whole or line.lstrip("\ufeff \t").startswith("{"):
            whole.append(line)
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:]
            event = _parsed(data)
            if event is not None:
                stream.take(event, name)
                data = ""
        elif not line.strip():
            if data.strip() not in {"", "[DONE]"}:
                raise ValueError("an event that is no JSON")
            data = name = ""
        if stream.is_over:
            break
    message = _parsed("\n".join(whole).lstrip("\ufeff")) if whole else stream.message()
    if not message:
        raise ValueError("a body that is no message")
    _raise_error(message)
    return _outcome(message, prompt, model)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a body as server-sent events know them (WHATWG): other separators of Unicode stand inside of words."""
    rest, size = b"", 0
    async for chunk in chunks:
        size += len(chunk)
        if size > _MOST_BYTES:
            raise ValueError("an answer without an end")
        *lines, rest = re.split(rb"\r\n|\n|\r(?!\Z)", rest + chunk)
        for line in lines:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.rstrip(b"\r").decode("utf-8", "replace")


def _parsed(text: str) -> Json | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _raise_error(event: Json) -> None:
    if event.get("type") == "error" or ("error" in event and "content" not in event):
        raise RefusedCallError(200, json.dumps(event))


class _Stream:
    """A message, put together from its events."""

    def __init__(self) -> None:
        self.is_over = False
        self._opening: Json = {}
        self._ending: Json = {}
        self._counts: Json = {}
        self._blocks: dict[Any, Json] = {}

    def take(self, event: Json, name: str) -> None:
        """What one event says; an unknown one says nothing. Raises RefusedCallError for an `error`."""
        _raise_error(event)
        match event.get("type", name):
            case "message_start":
                self._opening = _inner(event, "message")
            case "content_block_start":
                self._blocks[event.get("index")] = dict(_inner(event, "content_block"))
            case "content_block_delta":
                self._grow(event.get("index"), _inner(event, "delta"))
            case "message_delta":
                self._ending |= {name: value for name, value in _inner(event, "delta").items() if value is not None}
                self._counts |= {name: count for name, count in _inner(event, "usage").items() if count}
            case "message_stop":
                self.is_over = True
            case _:
                pass

    def _grow(self, index: Any, delta: Json) -> None:
        """A block is longer by `delta`. The input of a tool comes as pieces of its JSON, and a signature in one piece."""
        for name in ("text", "thinking", "signature", "partial_json"):
            piece = delta.get(name)
            if isinstance(piece, str):
                block = self._blocks.setdefault(index, {"type": "text"})
                before = block.get(name)
                block[name] = f"{before if isinstance(before, str) else ''}{piece}"

    def message(self) -> Json | None:
        """The message as one that was not streamed; None when no event told of one. What was said of its end and its length before the words
        came does not count."""
        if not (self._opening or self._blocks or self._ending):
            return None
        counts = {**_inner(self._opening, "usage"), "output_tokens": None, **self._counts}
        return {**self._opening, "content": list(self._blocks.values()), "stop_reason": None, **self._ending, "usage": counts}


def _inner(value: Json, name: str) -> Json:
    """The object in there; an empty one where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _outcome(message: Json, prompt: Prompt, model: str) -> ModelOutcome:
    if "content" not in message:
        raise ValueError("no message")
    reason = message.get("stop_reason")
    if not isinstance(reason, str):  # the connection was cut, or the server does not say whether it had more to say
        raise UnavailableError("model_unreachable", "The answer of the model's server has no end: no stop_reason.")
    content = message["content"] or []
    blocks = (
        [{"type": "text", "text": content}] if isinstance(content, str) else [each for each in content if isinstance(each, dict)]
    )
    text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text").strip()
    usage = _usage(message, prompt, text + _asked_text(blocks), model)
    reason = reason.lower()
    if reason in _WITHHELD:
        return ModelRefused("refusal", usage)
    if message.get("role", "assistant") != "assistant":
        return ModelRefused("wrong_role", usage)
    if reason == "tool_use" or any(block.get("type") == "tool_use" for block in blocks):
        return _asked(blocks, prompt, usage, is_whole=reason in {*_WHOLE, "tool_use"})
    is_cut = reason not in _WHOLE
    if not text:
        return ModelRefused("cut_short" if is_cut else reason, usage)
    return Composed(text, usage, is_cut=is_cut)


def _asked_text(blocks: list[Json]) -> str:
    """What was written besides words, to be estimated where nobody counted it."""
    others = [block for block in blocks if block.get("type") == "tool_use"]
    return json.dumps(others) if others else ""


def _asked(blocks: list[Json], prompt: Prompt, usage: Usage, *, is_whole: bool) -> ModelOutcome:
    """The calls of an answer. What was cut inside of one, or asks for tools although none may be used, is no answer."""
    calls, content = [], []
    for block in blocks:
        if block.get("type") != "tool_use":
            if (
                block.get("type") != "text" or str(block.get("text") or "").strip()
            ):  # a block without words is refused when it comes back
                content.append({name: value for name, value in block.items() if name != "partial_json"})
            continue
        given, name, id_ = _input_of(block), block.get("name"), block.get("id")
        if not isinstance(name, str) or not isinstance(id_, str) or not _CALL_ID.fullmatch(id_):
            return ModelRefused("tool_use", usage)
        calls.append(ToolCall(id_, name[:_LONGEST_NAME], given))
        content.append({"type": "tool_use", "id": id_, "name": name[:_LONGEST_NAME], "input": given or {}})
    if not is_whole:
        return ModelRefused("cut_short", usage)
    is_sound = prompt.tools and prompt.may_ask and calls and len({call.id for call in calls}) == len(calls)
    return Asked(tuple(content), tuple(calls), usage) if is_sound else ModelRefused("tool_use", usage)


def _input_of(block: Json) -> Json | None:
    """A call's input; None for what is no object: some servers send words there."""
    pieces = block.get("partial_json")
    given = block.get("input")
    if isinstance(pieces, str) and pieces.strip():
        if is_too_deep(pieces.encode("utf-8", "replace"), _DEPTH):
            return None
        given = _parsed(pieces)
    return given if isinstance(given, dict) else None


def _usage(message: Json, prompt: Prompt, text: str, model: str) -> Usage:
    """What it cost. A number that the server leaves out is estimated: the prompt as long as it may be, the words as they came."""
    counts = {name: count for name, count in _inner(message, "usage").items() if type(count) is int and 0 <= count <= _MOST_TOKENS}
    name = message.get("model")
    return Usage(
        counts.get("input_tokens", prompt_tokens(prompt)),
        counts.get("output_tokens", text_tokens(text)),
        counts.get("cache_read_input_tokens", 0),
        counts.get("cache_creation_input_tokens", 0),
        name if isinstance(name, str) and name else model,
        is_estimated=not {"input_tokens", "output_tokens"} <= counts.keys(),
    )


async def list_models(settings: ModelSettings, timeout_s: float = 10.0) -> tuple[str, ...]:
    """The ids of the models that the server offers, as it orders them (the newest first); empty when it keeps no list.

    Raises CredentialsError without a key or when it is refused, UnavailableError when the server does not answer properly in time.
    """
    with _explained(settings, PROOF):
        async with _client(settings, timeout_s) as client:
            answer = await client.get(f"/v1/models?limit={_MOST_MODELS}")
            if answer.status_code in _NO_LIST:
                return ()
            _refuse(answer)
            found = dict(answer.json()).get("data")
    names = [entry.get("id") for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return tuple(safe_text(name)[:_LONGEST_NAME] for name in names[:_MOST_MODELS] if isinstance(name, str) and name)


async def try_model(settings: ModelSettings, name: str, timeout_s: float = _CALL_TIMEOUT_S) -> bool:
    """The model `name` wrote a word as it will write replies: key, account, name and server are good. False when it knows no effort.
    Costs a fraction of a cent.

    Raises as `list_models`, and ConfigError when the server knows no such model or refuses what replies send.
    """
    proof = Prompt(PROOF.system, PROOF.turns, settings.max_tokens)

    async def send(body: Json) -> ModelOutcome:
        async with _client(settings, timeout_s) as client, client.stream("POST", "/v1/messages", json=body) as answer:
            if not answer.is_success:
                await answer.aread()
                if answer.status_code == 404:  # noqa: PLR2004
                    words = f"The model's server at {host(settings)} knows no model {name}."
                    raise ConfigError("no_such_model", words, "secondme onboard --only model")
                _refuse(answer)
            return await read_answer(answer.aiter_bytes(), proof, name)

    _, takes_effort = await ask(send, settings.model_copy(update={"name": name}), proof)
    return takes_effort


@asynccontextmanager
async def _client(settings: ModelSettings, timeout_s: float) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server. The time is bounded over everything that is done with it."""
    import asyncio  # noqa: PLC0415  only who asks pays

    from secondme.core.http import open_client  # noqa: PLC0415  as above

    base = address(settings)
    headers = {"authorization": f"Bearer {key_of(settings)}", "anthropic-version": _VERSION}
    async with asyncio.timeout(timeout_s), await open_client(base, base_url=base, timeout=timeout_s, headers=headers) as client:
        yield client


def _refuse(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise RefusedCallError(answer.status_code, answer.text, retry_after(answer.headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """After how many seconds the server wants to be asked again; None when it does not say."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
