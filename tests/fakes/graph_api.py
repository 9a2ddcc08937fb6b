"""A local server that speaks as much of Meta's Graph API as a WhatsApp number needs, and a Meta that calls webhooks until it is heard.

No tasks of its own: each connection is a protocol, gets one answer and is closed.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal
from urllib.parse import parse_qs

from secondme.core.messages import WebhookAnswer, WebhookRequest

Json = dict[str, Any]
Hear = Callable[[WebhookRequest], Awaitable[WebhookAnswer]]

PHONE_ID, NUMBER, TOKEN, SECRET, VERIFY = "106540352242922", "15550783881", "EAAG-test-token", "app-secret-of-the-test", "verify-me"


@dataclass(frozen=True)
class Call:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Json
    upload: "Upload | None" = None


@dataclass(frozen=True)
class Upload:
    """A file that Meta was given."""

    name: str
    mime: str
    data: bytes
    fields: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer that a test chooses. `raw` replaces the JSON."""

    status: int = 200
    body: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


def failure(code: int, status: int = 400, **headers: str) -> Reply:
    """An error as the Graph API words it."""
    error = {"message": f"(#{code}) no", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


Trouble = Reply | Literal["cut", "hang"]
"""`cut`: the connection is lost after the request was read. `hang`: nothing is ever answered."""


class GraphApi:
    """What the business number's contacts see, and what is to go wrong."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.shown: dict[str, list[str]] = {}
        self.voices: dict[str, list[bytes]] = {}
        self.typed: list[str] = []
        self.troubles: deque[Trouble] = deque()
        """For the next calls of `/messages`, in order."""
        self.account: Trouble | None = None
        """For every look at the account, while it is set."""
        self.media: dict[str, bytes] = {}
        self.media_facts: dict[str, Json] = {}
        """What is said about a media id instead of the truth."""
        self.media_reply: Trouble | None = None
        self.upload_reply: Trouble | None = None
        self.uploaded: dict[str, Upload] = {}
        self.url = ""
        self._ids = itertools.count(1)

    def answer(self, call: Call) -> Trouble:
        """What is answered to a call."""
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return failure(190, 401)
        parts = call.path.strip("/").split("/")
        if parts[-1] == "messages" and call.method == "POST":
            return self._message(call)
        if parts[-1] == "media" and call.upload is not None:
            return self._upload(call.upload)
        if parts[0] == "bytes":
            return self.media_reply or Reply(raw=self.media[parts[1]])
        if parts[-1] == PHONE_ID:
            return self.account or Reply(body={"id": PHONE_ID, "display_phone_number": "+1 555-078-3881", "verified_name": "Sam"})
        if parts[-1] in self.media or parts[-1] in self.media_facts:
            truth = {"url": f"{self.url}/bytes/{parts[-1]}", "file_size": len(self.media.get(parts[-1], b"")), "id": parts[-1]}
            return Reply(body=self.media_facts.get(parts[-1], truth))
        return failure(100)

    def _upload(self, upload: Upload) -> Trouble:
        if self.upload_reply is not None:
            return self.upload_reply
        media = str(777_000 + len(self.uploaded))
        self.uploaded[media] = upload
        return Reply(body={"id": media})

    def _message(self, call: Call) -> Trouble:
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble is not None:
            return trouble
        if "typing_indicator" in call.body:
            self.typed.append(call.body["message_id"])
            return Reply(body={"success": True})
        who = call.body.get("to") or call.body["recipient"]
        if call.body["type"] == "audio":
            assert call.body["audio"]["voice"] is True
            self.voices.setdefault(who, []).append(self.uploaded[call.body["audio"]["id"]].data)
        else:
            self.shown.setdefault(who, []).append(call.body["text"]["body"])
        return Reply(body={"messaging_product": "whatsapp", "messages": [{"id": f"wamid.OUT{next(self._ids)}"}]})


def _upload_of(kind: str, body: bytes) -> Upload | None:
    """The file in a multipart body, read by the standard library's parser of such."""
    if not kind.startswith("multipart/form-data"):
        return None
    parsed = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
    fields: dict[str, str] = {}
    file = None
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename():
            assert name == "file"
            file = part
        else:
            fields[str(name)] = part.get_content()
    assert file is not None
    return Upload(str(file.get_filename()), file.get_content_type(), file.get_payload(decode=True), fields)


class _Connection(asyncio.Protocol):
    def __init__(self, api: GraphApi) -> None:
        self._api = api
        self._seen = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if len(body) < int(headers.get("content-length", 0)):
            return
        method, target, _ = lines[0].split(" ")
        path, _, query = target.partition("?")
        said = {name: values[0] for name, values in parse_qs(query).items()}
        upload = _upload_of(headers.get("content-type", ""), body)
        call = Call(method, path, said, headers, json.loads(body) if body and upload is None else {}, upload)
        self._api.calls.append(call)
        self._say(self._api.answer(call))

    def _say(self, trouble: Trouble) -> None:
        assert self._transport is not None
        if trouble == "hang":
            return
        if isinstance(trouble, Reply):
            raw = json.dumps(trouble.body).encode() if trouble.raw is None else trouble.raw
            headers = {"content-length": str(len(raw)), "connection": "close", **trouble.headers}
            head = [f"HTTP/1.1 {trouble.status} Something", *(f"{name}: {value}" for name, value in headers.items())]
            self._transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + raw)
        self._transport.close()


@asynccontextmanager
async def graph_api() -> AsyncIterator[GraphApi]:
    """The API on a port of this machine; `url` says which."""
    api = GraphApi()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(api), "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()


def settings_for(url: str, **others: str) -> dict[str, str]:
    """A channel's settings for the number of this API."""
    known = {"access_token": TOKEN, "phone_number_id": PHONE_ID, "app_secret": SECRET, "verify_token": VERIFY, "owner_number": ""}
    return {**known, "api_url": url, "api_version": "v24.0", **others}


def text(sender: str, body: str, native: str, at_s: int, **fields: Any) -> Json:
    """One message as Meta words it."""
    return {"from": sender, "id": native, "timestamp": str(at_s), "type": "text", "text": {"body": body}, **fields}


def change(*messages: Json, name: str = "messages", number: str = PHONE_ID, **value: Any) -> Json:
    """One change of one number."""
    metadata = {"display_phone_number": NUMBER, "phone_number_id": number}
    key = "message_echoes" if name == "smb_message_echoes" else "messages"
    return {"field": name, "value": {"messaging_product": "whatsapp", "metadata": metadata, key: list(messages), **value}}


def envelope(*changes: Json) -> bytes:
    """A webhook's body with these changes."""
    body = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": list(changes)}]}
    return json.dumps(body).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """What Meta puts into X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body: bytes) -> WebhookRequest:
    """A call as Meta makes it."""
    return WebhookRequest("POST", "", (("content-type", "application/json"), ("x-hub-signature-256", signature(body))), body)


class Meta:
    """Calls a webhook in order, each call again and again until it is answered 200."""

    def __init__(self, hear: Hear, now_ms: Callable[[], int]) -> None:
        self._hear = hear
        self._now_ms = now_ms
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._bodies: dict[str, bytes] = {}
        self.confirmed: set[str] = set()
        self._ids = itertools.count(1)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            native, body = await self._waiting.get()
            while (await self._hear(signed(body))).status != 200:
                await asyncio.sleep(0.01)
            self.confirmed.add(native)

    def says(self, sender: str, words: str) -> str:
        """Somebody writes; the id of the message."""
        native = f"wamid.IN{next(self._ids)}"
        contact = {"profile": {"name": "Somebody"}, "wa_id": sender}
        self._bodies[native] = envelope(change(text(sender, words, native, self._now_ms() // 1000), contacts=[contact]))
        self.repeat(native)
        return native

    def repeat(self, native: str) -> None:
        """Deliver it once more."""
        self._waiting.put_nowait((native, self._bodies[native]))


@asynccontextmanager
async def meta(hear: Hear, now_ms: Callable[[], int]) -> AsyncIterator[Meta]:
    """A Meta that delivers."""
    calling = Meta(hear, now_ms)
    task = asyncio.create_task(calling.run())
    try:
        yield calling
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
