"""MCP over HTTP: a request is a POST, and its answer JSON or a stream of events.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports. A bearer token at most; no redirect is followed, and what is
packed is not unpacked. The address is the owner's own, so a proxy of the environment is taken, as for every other server of theirs.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from secondme.core.errors import CredentialsError, DataError, UnavailableError
from secondme.core.http import NetworkConfigError, open_client
from secondme.skills.mcp.client import CALL_BYTES, LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_TIMEOUT_S = 30.0
"""Of one step; the client has a limit for the whole."""
_CLOSE_S = 2.0
_SESSION = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
_DENIED, _GONE = (401, 403), 404
_LOCAL = {"localhost", "ip6-localhost"}


class HttpTransport:
    """Speaks with one address."""

    def __init__(self, url: str, token: str = "") -> None:
        self.version = ""
        self.is_over = False
        self._url = url
        self._session = ""
        self._token = token
        self._http: httpx.AsyncClient | None = None

    async def exchange(self, message: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """As the protocol."""
        http = await self._opened()
        try:
            async with http.stream("POST", self._url, json=message, headers=self._headers()) as answer:
                self._check(answer)
                if answer.headers.get("content-type", "").partition(";")[0].strip() == "text/event-stream":
                    async with contextlib.aclosing(_events(answer)) as events:
                        async for event in events:
                            yield event
                else:
                    body = bytearray()
                    async for chunk in answer.aiter_raw():
                        body += chunk
                        if len(body) > LINE_BYTES:
                            raise DataError("too_long", f"An answer has more than {LINE_BYTES} bytes.")
                    yield bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise UnavailableError("unreachable", f"The server cannot be reached: {type(error).__name__}.") from error

    async def tell(self, message: dict[str, Any]) -> None:
        """As the protocol."""
        http = await self._opened()
        try:
            async with http.stream("POST", self._url, json=message, headers=self._headers()) as answer:
                self._check(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise UnavailableError("unreachable", f"The server cannot be reached: {type(error).__name__}.") from error

    async def close(self) -> None:
        """The server is told that the session is over, if there is one."""
        http, self._http = self._http, None
        if http is None:
            return
        if self._session:
            with contextlib.suppress(httpx.HTTPError, OSError):
                await http.delete(self._url, headers=self._headers(), timeout=_CLOSE_S)
            self._session = ""
        await http.aclose()

    async def _opened(self) -> httpx.AsyncClient:
        if self._http is None:
            try:
                self._http = await open_client(self._url, timeout=_TIMEOUT_S)
            except NetworkConfigError as error:
                raise UnavailableError(error.code, error.message, error.fix) from error
        return self._http

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json, text/event-stream", "Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers |= {"Mcp-Session-Id": self._session} if self._session else {}
        return headers | ({"MCP-Protocol-Version": self.version} if self.version else {})

    def _check(self, answer: httpx.Response) -> None:
        """Raises for what is no answer; remembers the session."""
        if answer.status_code in _DENIED:
            raise CredentialsError("denied", "The server wants a token, or another one.", "Give it one: secondme skills config")
        if answer.status_code == _GONE and self._session:
            self.is_over = True
            raise UnavailableError("ended", "The server ended the session.")
        if not answer.is_success:
            raise UnavailableError("unreachable", f"The server answered {answer.status_code}.")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise DataError("not_json", "The answer is packed, although that was not asked for.")
        session = answer.headers.get("mcp-session-id", "")
        if session and not self._session:
            if not _SESSION.fullmatch(session):
                raise DataError("not_json", "The session's name is none.")
            self._session = session


def address_problem(url: str) -> str:
    """Why no server can be asked at `url`, in plain words; empty when one can. Without TLS only on this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "it is no address"
    if not host or not url.isascii() or not url.isprintable() or " " in url or parts.username is not None or parts.fragment:
        return "it is no address, or has a password in it"
    if parts.scheme == "https" or (parts.scheme == "http" and (host in _LOCAL or _is_loopback(host))):
        return ""
    return "it must begin with https://, but on this machine"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _events(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The data of each event (https://html.spec.whatwg.org/multipage/server-sent-events.html), bounded."""
    pending, data, left_bytes, had_return = bytearray(), bytearray(), CALL_BYTES, False
    async for chunk in answer.aiter_raw():
        left_bytes -= len(chunk)
        if left_bytes < 0:
            raise DataError("too_much", "The server says too much.")
        # a line ends with CR, LF, or both, and the two may come apart
        text = chunk[1:] if had_return and chunk[:1] == b"\n" else chunk
        had_return = chunk.endswith(b"\r")
        pending += text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = pending.split(b"\n")
        pending = bytearray(rest)
        for line in lines:
            field, _, value = line.partition(b":")
            if field == b"data":
                data += (b"\n" if data else b"") + value.removeprefix(b" ")
            elif not line and data:
                event, data = bytes(data), bytearray()
                yield event
        if len(pending) + len(data) > LINE_BYTES:
            raise DataError("too_long", f"A message has more than {LINE_BYTES} bytes.")
