"""A local server that speaks Telegram's Bot API over HTTP, keeps what was not confirmed, and fails as told.

Written after the Bot API's documentation: an update is confirmed by a getUpdates with a higher offset; a second getUpdates ends the first
one with 409; 4,096 UTF-16 units are the longest message.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from fakes.bot_api_updates import person, private, update

Json = dict[str, Any]

TOKEN = "123456789:zqTokenCanaryzq-AAbbCCddEEffGG_hh12"
BOT = {"id": 123_456_789, "is_bot": True, "first_name": "Clone", "username": "clone_bot"}
_LONGEST_UNITS = 4_096


@dataclass(frozen=True)
class Fail:
    """An error of the Bot API; without a `description`, some proxy's page."""

    status: int
    description: str = ""
    retry_after: int | None = None


@dataclass(frozen=True)
class Cut:
    """A connection that is lost, before or after the call was carried out."""

    when: Literal["before", "after"] = "before"


@dataclass(frozen=True)
class Body:
    """An answer 200 with this body, whatever it is."""

    body: bytes


@dataclass(frozen=True)
class Hang:
    """Nothing comes."""


@dataclass(frozen=True)
class File:
    """A file, and how it is served: in full, endlessly, or with a length that is a lie."""

    data: bytes
    how: Literal["whole", "endless", "dripping"] = "whole"
    claimed: int | None = None
    """What getFile says about its size."""
    length: int | None = None
    """What the header says, if anything else than the truth."""
    path: str = "photos/file_1.jpg"
    status: int = 200


Fault = Fail | Cut | Body | Hang


@dataclass
class BotApi:
    """The server. `faults[method]` are used up one by one, the next calls of the method go well again."""

    token: str = TOKEN
    url: str = ""
    calls: list[tuple[str, Json]] = field(default_factory=list)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    waiting: list[Json] = field(default_factory=list)
    """Updates that were not confirmed."""
    broken: set[int] = field(default_factory=set)
    """Ids of updates that make any answer with them unreadable."""
    repeated: list[Json] = field(default_factory=list)
    """Updates that come once more whatever was confirmed."""
    users: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    shown: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    voices: defaultdict[int, list[Json]] = field(default_factory=lambda: defaultdict(list))
    """As sent; `data` are the bytes of the file."""
    refuses_voice: set[int] = field(default_factory=set)
    actions: list[tuple[int, str]] = field(default_factory=list)
    webhook: Json = field(default_factory=dict)
    webhook_error_s: int | None = None
    webhook_pending: int = 0
    files: dict[str, File] = field(default_factory=dict)
    served_bytes: int = 0
    polls: int = 0
    _server: Any = None
    _next_update: int = 700_000_000
    _next_message: int = 100
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: Json, kind: str = "message") -> Json:
        """The update with `message`, which waits from now on."""
        self._next_update += 1
        made = update(self._next_update, message, kind)
        self.offer(made)
        return made

    def offer(self, made: Json) -> None:
        self.waiting.append(made)
        self._wake()

    def write(self, user_id: int, text: str = "", **fields: Any) -> Json:
        """`user_id` writes to the bot."""
        self._next_message += 1
        self.users.add(user_id)
        return self.put(private(user_id, self._next_message, **({"text": text} if text else {}), **fields))

    def repeat(self, made: Json) -> None:
        self.repeated.append(made)
        self._wake()

    def called(self, method: str) -> list[Json]:
        return [parameters for name, parameters in self.calls if name == method]

    async def left(self) -> None:
        """Every client has left, and nothing of the server's own runs for one."""
        while self._server is None or self._server.connections:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)  # its tasks end a few steps after their connections

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != self.token:
            return _no(401, "Unauthorized")
        method = request.match_info["method"]
        parameters = _read(dict(await request.post()) | dict(request.query))
        self.calls.append((method, parameters))
        fault = self.faults[method].popleft() if self.faults[method] else None
        match fault:
            case Fail():
                return _no(fault.status, fault.description, fault.retry_after)
            case Body():
                return web.Response(body=fault.body, content_type="application/json")
            case Hang():
                await self._closed.wait()
        if fault != Cut("before"):
            answer = await self._answer(method, parameters)
        if isinstance(fault, Cut):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    async def _answer(self, method: str, parameters: Json) -> web.Response:
        match method:
            case "getMe":
                return _yes(
                    {**BOT, "can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
                )
            case "getUpdates":
                return await self._updates(parameters)
            case "sendMessage" | "sendVoice":
                return self._send(parameters) if method == "sendMessage" else self._send_voice(parameters)
            case "sendChatAction":
                self.actions.append((parameters["chat_id"], parameters["action"]))
                return _yes(result=True)
            case "getChat":
                user = parameters["chat_id"]
                return _yes(person(user) | {"type": "private"}) if user in self.users else _no(400, "Bad Request: chat not found")
            case "getFile":
                return self._file(parameters["file_id"])
            case "setWebhook":
                self.webhook = parameters
                return _yes(result=True)
            case "deleteWebhook":
                self.webhook = {}
                return _yes(result=True)
            case "getWebhookInfo":
                return _yes(self._webhook_info())
        return _no(404, "Not Found")

    async def _updates(self, parameters: Json) -> web.Response:
        if self.webhook:
            return _no(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
            )
        self.polls = mine = self.polls + 1
        self._wake()
        offset, limit = parameters.get("offset", 0), parameters.get("limit", 100)
        if offset < 0:
            self.waiting = self.waiting[offset:]
        else:
            self.waiting = [made for made in self.waiting if made["update_id"] >= offset]
        try:
            async with asyncio.timeout(parameters.get("timeout", 0) or 0.001):
                while not (self.waiting or self.repeated or self._closed.is_set()):
                    await self._news.wait()
                    if self.polls != mine:
                        return _no(409, "Conflict: terminated by other getUpdates request")
        except TimeoutError:
            pass
        found = [*self.repeated, *self.waiting][:limit]
        self.repeated = []
        if any(made["update_id"] in self.broken for made in found):
            return web.Response(
                body=json.dumps({"ok": True, "result": found}).encode()[:-2] + b"\x00", content_type="application/json"
            )
        return _yes(found)

    def _send(self, parameters: Json) -> web.Response:
        user, text = parameters["chat_id"], parameters.get("text", "")
        if user not in self.users:
            return _no(400, "Bad Request: chat not found")
        if user in self.blocked:
            return _no(403, "Forbidden: bot was blocked by the user")
        if not text.strip():
            return _no(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > _LONGEST_UNITS:
            return _no(400, "Bad Request: message is too long")
        self._next_message += 1
        self.shown[user].append(text)
        return _yes({**private(user, self._next_message, text=text), "from": BOT})

    def _send_voice(self, parameters: Json) -> web.Response:
        user = parameters["chat_id"]
        if user not in self.users:
            return _no(400, "Bad Request: chat not found")
        if user in self.blocked:
            return _no(403, "Forbidden: bot was blocked by the user")
        if user in self.refuses_voice:
            return _no(400, "Bad Request: VOICE_MESSAGES_FORBIDDEN")
        self._next_message += 1
        self.voices[user].append(parameters)
        voice = {"file_id": "v", "file_unique_id": "v", "duration": parameters["duration"], "mime_type": "audio/ogg"}
        return _yes({**private(user, self._next_message, voice=voice), "from": BOT})

    def _file(self, file_id: str) -> web.Response:
        if file_id not in self.files:
            return _no(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        file = self.files[file_id]
        size = len(file.data) if file.claimed is None else file.claimed
        return _yes({"file_id": file_id, "file_unique_id": "u", "file_size": size, "file_path": file.path})

    def _webhook_info(self) -> Json:
        info = {"url": self.webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": self.webhook_pending}
        if self.webhook_error_s is not None:
            info |= {"last_error_date": self.webhook_error_s, "last_error_message": "Connection refused"}
        return info

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        file = next((file for file in self.files.values() if file.path == request.match_info["path"]), None)
        if request.match_info["token"] != self.token or file is None:
            return _no(404, "Not Found")
        if file.status != 200:
            return web.Response(status=file.status, headers={"Location": f"{self.url}/elsewhere"})
        answer = web.StreamResponse(headers={} if file.length is None else {"Content-Length": str(file.length)})
        try:
            await answer.prepare(request)
            while not self._closed.is_set():
                await answer.write(file.data)
                self.served_bytes += len(file.data)
                if file.how == "whole":
                    break
                if file.how == "dripping":
                    await asyncio.sleep(0.01)
        except (ConnectionError, ValueError):
            pass  # the client had enough
        if file.length is not None and request.transport is not None:
            request.transport.close()
        return answer


def _read(parameters: dict[str, Any]) -> Json:
    """Form fields as the values that they stand for."""
    found: Json = {}
    for name, value in parameters.items():
        if isinstance(value, web.FileField):
            with value.file as file:
                found |= {name: value.filename, "mime": value.content_type, "data": file.read()}
            continue
        plain = name in {"text", "file_id", "url", "secret_token", "action"}
        found[name] = value if plain else json.loads(value)
    return found


def _yes(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _no(status: int, description: str, retry_after: int | None = None) -> web.Response:
    if not description:
        return web.Response(status=status, text="<html>no</html>", content_type="text/html")
    more = {} if retry_after is None else {"parameters": {"retry_after": retry_after}}
    return web.json_response({"ok": False, "error_code": status, "description": description, **more}, status=status)


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """A running server on a free port of this machine."""
    api = BotApi()
    application = web.Application()
    application.router.add_route("*", "/bot{token}/{method}", api._handle)
    application.router.add_route("GET", "/file/bot{token}/{path:.+}", api._serve_file)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    api._server = runner.server
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api._closed.set()
        api._wake()
        await runner.cleanup()
