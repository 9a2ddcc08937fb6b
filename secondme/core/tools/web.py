"""Requests that the gateway makes for skills: one host that was granted, one address that was looked at, bounded in time and length.

A name is resolved once and that address is dialled, so that a second answer of a name server cannot lead inside. Private, loopback and
reserved addresses are refused, but for hosts that the owner typed. Each redirect is a new request with the same questions.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from secondme.core import address_guard
from secondme.core.address_guard import PLAIN_HOST, Resolve, is_numeric, is_public, pin
from secondme.core.http import NetworkConfigError, make_guarded_client, make_tls
from secondme.core.tools.permissions import Leg, Permission, allows_host

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence


MOST_BYTES = 1024 * 1024
_TIMEOUT_S = 5.0
_REDIRECTS = 3
_HTTPS, _HTTP = 443, 80
_LONGEST_URL = 4096
_LONGEST_BODY = 64 * 1024
_METHODS = {"GET", "POST"}
_TYPED_METHODS = _METHODS | {"PROPFIND", "REPORT", "PUT"}
"""A calendar server is asked with these (RFC 4791); only one that the owner typed."""
_HEADERS = {"accept", "accept-language", "content-type", "depth", "if-match", "if-none-match", "user-agent"}
_SHOWN = {"content-type", "etag", "last-modified", "location"}


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What a skill wants to be asked for it."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    most_bytes: int = MOST_BYTES
    """Of the answer, which is cut there."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class WebRefusal:
    """Why nothing was asked, or nothing answered; snake_case."""

    code: str


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    host: str
    port: int
    is_typed: bool


class WebClient:
    """Makes the requests of skills. `typed` are the hosts, with their ports, that the owner typed into a skill's settings."""

    def __init__(self, resolve: Resolve | None = None, verify: ssl.SSLContext | bool | None = None) -> None:  # noqa: FBT001  httpx's own form
        self._resolve = resolve or address_guard.resolve
        self._verify = verify

    async def ask(
        self, request: WebRequest, granted: Sequence[Permission], typed: Sequence[str] = (), auth: str = ""
    ) -> WebAnswer | WebRefusal:
        """The server's answer; `auth` is the value of the Authorization header, sent to the first host only. Never raises but when cancelled."""
        import httpx  # noqa: PLC0415  only who uses a skill pays for it

        url, first = request.url, ""
        if len(request.body) > _LONGEST_BODY:
            return WebRefusal("too_long")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                for _ in range(_REDIRECTS + 1):
                    target = _target(url, request.method, granted, typed)
                    if isinstance(target, WebRefusal):
                        return target
                    address = await self._address(target)
                    if isinstance(address, WebRefusal):
                        return address
                    first = first or target.host
                    answer = await self._send(target, address, request, auth if target.host == first else "")
                    if answer.status not in {301, 302, 303, 307, 308} or "location" not in answer.headers:
                        return answer
                    if request.method not in _METHODS:
                        return WebRefusal("redirected")
                    request = (
                        request
                        if answer.status in {307, 308}
                        else WebRequest(url, "GET", request.headers, most_bytes=request.most_bytes)
                    )
                    url = urljoin(target.url, answer.headers["location"])
                return WebRefusal("redirected")
        except TimeoutError:
            return WebRefusal("timed_out")
        except (httpx.HTTPError, httpx.InvalidURL, NetworkConfigError, OSError, ValueError):
            return WebRefusal("unreachable")

    async def _address(self, target: _Target) -> str | WebRefusal:
        """One address of the host, and every one it has must be one that may be dialled."""
        found = await self._resolve(target.host, target.port)
        if not found:
            return WebRefusal("unknown_host")
        if not target.is_typed and not all(map(is_public, found)):
            return WebRefusal("private_address")
        return found[0]

    async def _send(self, target: _Target, address: str, request: WebRequest, auth: str) -> WebAnswer:
        pinned = pin(target.url, target.host, target.port, address)
        headers = {name: value for name, value in request.headers.items() if name.lower() in _HEADERS}
        headers |= {**pinned.headers, "user-agent": headers.get("user-agent", "secondme"), "accept-encoding": "identity"}
        headers |= {"authorization": auth} if auth else {}
        if self._verify is None:
            self._verify = await make_tls()
        client = make_guarded_client(self._verify, _TIMEOUT_S)
        content = request.body.encode() if request.body else None
        async with (
            client,
            client.stream(
                request.method, pinned.url, headers=headers, content=content, extensions=dict(pinned.extensions)
            ) as answer,
        ):
            body, is_cut = bytearray(), False
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > request.most_bytes:
                    is_cut = True
                    break
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("packed, although it was not asked for: it may be a bomb")
            shown = {name: value[:500] for name, value in answer.headers.items() if name in _SHOWN}
            charset = answer.charset_encoding or "utf-8"
            return WebAnswer(answer.status_code, shown, _text(bytes(body[: request.most_bytes]), charset), is_cut)


def _target(url: str, method: str, granted: Sequence[Permission], typed: Sequence[str]) -> _Target | WebRefusal:
    """Where `url` leads, if it may be asked."""
    if len(url) > _LONGEST_URL or not url.isprintable() or "\\" in url or " " in url or not url.isascii():
        return WebRefusal("bad_address")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return WebRefusal("bad_address")
    if not PLAIN_HOST.fullmatch(host) or "@" in parts.netloc or parts.scheme not in {"http", "https"}:
        return WebRefusal("bad_address")
    port = port or (_HTTPS if parts.scheme == "https" else _HTTP)
    if f"{host}:{port}" in typed and any(each.text == "net:config" for each in granted):
        return _Target(url, host, port, is_typed=True) if method in _TYPED_METHODS else WebRefusal("bad_method")
    is_named = any(each.host and allows_host(each, host) for each in granted)
    if not is_named and not any(each.leg is Leg.OPEN for each in granted):
        return WebRefusal("not_allowed")
    if parts.scheme != "https" or port != _HTTPS or is_numeric(host):
        return WebRefusal("not_allowed")
    return _Target(url, host, port, is_typed=False) if method in _METHODS else WebRefusal("bad_method")


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def host_and_port(url: str) -> str:
    """`host:port` of an address that the owner typed; empty when it is none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return ""
    return f"{host}:{port or (_HTTPS if parts.scheme == 'https' else _HTTP)}" if host and parts.scheme in {"http", "https"} else ""


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
