"""A client of Meta's Graph API for the WhatsApp Cloud API, and what its refusals mean."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from secondme.channels.whatsapp_cloud.settings import CloudAccount, is_private
from secondme.core.errors import DataError, NotFoundError, UnavailableError
from secondme.core.http import make_client, make_tls
from secondme.core.messages import NotSent, Undeliverable

if TYPE_CHECKING:
    from collections.abc import Mapping


WINDOW_CLOSED = frozenset({470, 131047})
"""The contact has not written for 24 hours: only a paid template could reach it, and that is not what a person would say."""
_TOKEN = frozenset({102, 190, 463, 467})
_PERMISSION = frozenset({3, 10, *range(200, 300)})
_RATE = frozenset({4, 613, 80007, 80008, 130429, 131056})
_RESTRICTED = frozenset({368, 130497, 131031, 131042, 131048, 131049, 133010})
"""The account, not the message: blocked, unpaid, not registered, or taken for spam."""
_UNREACHABLE = frozenset({131021, 131026, 131045, 131050, 131051, 130472, 131009, 131008})
_MEDIA_REFUSED = frozenset({100, 131009, 131051, 131052, 131053})
"""A parameter that is not understood, a kind of message that the recipient cannot have, a file that cannot be read."""
_NOT_ON_TEST_LIST = 131030
"""A number that is not on the list of Meta's test mode, or is on it in another national form: it will be refused each time."""
_GONE_CODES = frozenset({33, 100})
_RATE_S = 10.0
_RESTRICTED_S = 3600.0
"""Only a human or Meta can mend it; asking more often makes it worse."""
_LONGEST_S = 3600.0
_UNAUTHORIZED, _TOO_MANY = 401, 429


def is_token_refused(status: int, code: int) -> bool:
    """True when the access token is wrong, expired or revoked."""
    return code in _TOKEN if code else status == _UNAUTHORIZED


def is_permission_missing(code: int) -> bool:
    """True when the token is right and may not do this."""
    return code in _PERMISSION


def is_gone(code: int) -> bool:
    """True when the thing that was named does not exist for this token."""
    return code in _GONE_CODES


def refusal_of(status: int, code: int, retry_after_s: float | None) -> NotSent | Undeliverable:
    """What a definite no (4xx, or a rate limit's code) means for the message. `code` is 0 when Meta gave none."""
    if code in _RATE or status == _TOO_MANY:
        return NotSent("rate_limited", _RATE_S if retry_after_s is None else retry_after_s)
    if is_token_refused(status, code):
        return NotSent("token_refused")
    if code in WINDOW_CLOSED:
        return Undeliverable("outside_24h_window")
    if code == _NOT_ON_TEST_LIST:
        return Undeliverable("not_on_the_test_list")
    if code in _UNREACHABLE:
        return Undeliverable("unreachable")
    if is_permission_missing(code):
        return NotSent("permission_missing", _RESTRICTED_S)
    if code in _RESTRICTED:
        return NotSent("account_restricted", _RESTRICTED_S)
    if code == 100:  # noqa: PLR2004  "invalid parameter": the same words will be as invalid next time
        return Undeliverable("refused")
    return NotSent(f"refused_{code or status}")


def is_about_the_voice(code: int) -> bool:
    """True when Meta refused a message because of the file in it: the words alone may be taken."""
    return code in _MEDIA_REFUSED


def is_rate(code: int) -> bool:
    """True when the platform says that it was too much, whatever the status beside it."""
    return code in _RATE


def late_failure(code: int) -> str:
    """How the owner is told of a message that Meta took and could not deliver."""
    return "whatsapp_cloud_window_closed" if code in WINDOW_CLOSED else "whatsapp_cloud_delivery_failed"


def seconds_of(header: str | None) -> float | None:
    """A Retry-After header in seconds, between one second and an hour; None when it says no plain number."""
    if header is None or not header.isascii() or not header.isdigit():
        return None
    return min(_LONGEST_S, max(1.0, float(header[:9])))


_TIMES = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=5.0)
_CALL_S = 15.0
"""One call of the API, all of it. Below the sender's own 20 s, so that a connection that was never made is known as such."""
_UPLOAD_S = 10.0
"""A voice note has some hundred kB; one that is not there by then is sent as text, which the sender still waits for."""
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

    def __init__(self, account: CloudAccount) -> None:
        self._account = account
        self._origin = _origin(httpx.URL(account.api_url))
        self._client: httpx.AsyncClient | None = None

    @property
    def is_open(self) -> bool:
        """True when calls can be made."""
        return self._client is not None

    async def open(self) -> None:
        """Calls can be made; nothing is connected yet. Raises NetworkConfigError."""
        self._client = make_client(self._account.base, await make_tls(), timeout=_TIMES)

    async def close(self) -> None:
        """Every connection is gone. Repeatable."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, payload: Mapping[str, Any] | None = None
    ) -> Answer:
        """Meta's answer. Raises NotReachedError when it certainly knows nothing of the call, UnavailableError when nobody can tell."""
        return await self._called(
            httpx.Request(method, f"{self._account.base}/{path}", params=params, json=payload, headers=self._headers())
        )

    async def upload(self, path: str, name: str, mime: str, data: bytes) -> Answer:
        """Meta's answer to a file. Raises as `call`; whatever became of it, nobody was sent anything."""
        fields = {"messaging_product": "whatsapp", "type": mime}
        files = {"file": (name, data, mime)}
        return await self._called(
            httpx.Request("POST", f"{self._account.base}/{path}", data=fields, files=files, headers=self._headers()), _UPLOAD_S
        )

    async def _called(self, request: httpx.Request, seconds: float | None = None) -> Answer:
        try:
            status, headers, body = await self._exchange(request, _ANSWER_BYTES, _CALL_S if seconds is None else seconds)
        except DataError as error:
            raise UnavailableError("whatsapp_cloud_strange_answer", "Meta's API said far more than it should.") from error
        fields = _object(body)
        return Answer(status, fields, _code(fields), seconds_of(headers.get("retry-after")))

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
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
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
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _code(payload: Mapping[str, Any]) -> int:
    error = payload.get("error")
    if not isinstance(error, dict):
        return 0
    code = error.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else -1
