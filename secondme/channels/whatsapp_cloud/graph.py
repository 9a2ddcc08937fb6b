"""How do we call Meta? The only module that imports the HTTP library: bounded answers, named time-outs, no redirects, no secret in an error.

The access token goes to the Graph API and to Meta's own media hosts, never anywhere else.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from secondme.channels.whatsapp_cloud.account import is_private
from secondme.channels.whatsapp_cloud.refusals import seconds_of
from secondme.core.errors import DataError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.channels.whatsapp_cloud.account import Account

_TIMES = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=5.0)
_CALL_S = 15.0
"""One call of the API, all of it. Below the sender's own 20 s, so that a connection that was never made is known as such."""
_MEDIA_S = 30.0
_ANSWER_BYTES = 256 * 1024
_MEDIA_HOSTS = frozenset({"lookaside.fbsbx.com"})
_MEDIA_DOMAINS = (".fbcdn.net", ".whatsapp.net")
_OK, _REDIRECT, _BAD, _NOT_FOUND, _GONE = 200, 300, 400, 404, 410
_PLAIN = {"accept-encoding": "identity"}
"""A compressed answer could grow a thousandfold after it was counted."""


class NotReachedError(UnavailableError):
    """Nothing left this machine: no connection was made."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said. `payload` is empty when it was no JSON object; `code` is 0 when there was no error object."""

    status: int
    payload: Mapping[str, Any] = field(repr=False)
    code: int
    retry_after_s: float | None

    @property
    def is_good(self) -> bool:
        """True when Meta did what it was asked."""
        return _OK <= self.status < _REDIRECT and self.code == 0

    @property
    def is_no(self) -> bool:
        """True when Meta certainly did not do it; false as well when nobody can tell."""
        return _BAD <= self.status < 500  # noqa: PLR2004  client errors end here


class Graph:
    """The Graph API for one account. `open` before anything else; `close` ends every connection."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._origin = _origin(httpx.URL(account.api_url))
        self._client: httpx.AsyncClient | None = None

    @property
    def is_open(self) -> bool:
        """True when calls can be made."""
        return self._client is not None

    async def open(self) -> None:
        """Calls can be made; nothing is connected yet."""
        context = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)  # reading the authorities takes 20 ms
        self._client = httpx.AsyncClient(verify=context, timeout=_TIMES, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        """Every connection is gone. Repeatable."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, payload: Mapping[str, Any] | None = None
    ) -> Answer:
        """Meta's answer. Raises NotReachedError when it certainly knows nothing of the call, UnavailableError when nobody can tell."""
        request = httpx.Request(method, f"{self._account.base}/{path}", params=params, json=payload, headers=self._headers())
        try:
            status, headers, body = await self._exchange(request, _ANSWER_BYTES, _CALL_S)
        except DataError as error:
            raise UnavailableError("whatsapp_cloud_strange_answer", "Meta's API said far more than it should.") from error
        said = _object(body)
        return Answer(status, said, _code(said), seconds_of(headers.get("retry-after")))

    async def fetch(self, url: str, limit_bytes: int) -> bytes:
        """The bytes at a media address that Meta gave us.

        Raises DataError when there are more than `limit_bytes`, NotFoundError when they are gone, UnavailableError for everything
        else, an address that is not Meta's included: it is never called.
        """
        if not self.may_fetch(url):
            raise UnavailableError("whatsapp_cloud_strange_media_url", "Meta named a media address that is not Meta's.")
        status, _, body = await self._exchange(httpx.Request("GET", url, headers=self._headers()), limit_bytes, _MEDIA_S)
        if status in {_NOT_FOUND, _GONE}:
            raise NotFoundError("media_gone", "WhatsApp no longer has this attachment.")
        if status != _OK:
            raise UnavailableError("whatsapp_cloud_media_refused", f"WhatsApp answered {status} for an attachment.")
        return body

    def may_fetch(self, url: str) -> bool:
        """True when the token may be shown to whoever answers at `url`. Judged by the parser that would connect."""
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError, ValueError):
            return False
        if parsed.userinfo:
            return False
        if _origin(parsed) == self._origin:
            return is_private(self._account.api_url)
        host = parsed.raw_host.decode("ascii", "replace").lower()
        return parsed.scheme == "https" and parsed.port in {None, 443} and (host in _MEDIA_HOSTS or host.endswith(_MEDIA_DOMAINS))

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._account.access_token}", **_PLAIN}

    async def _exchange(self, request: httpx.Request, limit_bytes: int, seconds: float) -> tuple[int, httpx.Headers, bytes]:
        client = self._client
        if client is None:
            raise NotReachedError("whatsapp_cloud_not_connected", "The WhatsApp Business channel is not connected.")
        request.extensions["timeout"] = _TIMES.as_dict()
        try:
            async with asyncio.timeout(seconds):
                response = await client.send(request, stream=True)
                try:
                    return response.status_code, response.headers, await _read(response, limit_bytes)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotReachedError("whatsapp_cloud_unreachable", "Meta's API cannot be reached.") from error
        except (httpx.HTTPError, httpx.StreamError, TimeoutError, RuntimeError) as error:  # RuntimeError: closed in the middle
            raise UnavailableError(
                "whatsapp_cloud_no_answer", f"Meta's API gave no whole answer: {type(error).__name__}."
            ) from error


async def _read(response: httpx.Response, limit_bytes: int) -> bytes:
    """The body as it came, counted; what a header announces is only believed when it is too much."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnavailableError("whatsapp_cloud_strange_answer", "Meta's API answered in a way that was not asked for.")
    announced = response.headers.get("content-length", "")
    too_large = DataError("media_too_large", "The attachment is larger than what is looked at.")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit_bytes:
        raise too_large
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit_bytes:
            raise too_large
    return bytes(body)


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port; a default port is the same as none."""
    return url.scheme, url.raw_host.lower(), url.port


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _code(payload: Mapping[str, Any]) -> int:
    error = payload.get("error")
    if not isinstance(error, dict):
        return 0
    code = error.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else -1
