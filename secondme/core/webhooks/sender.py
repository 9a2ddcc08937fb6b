"""The sender of webhooks: one signed request to the address that was looked up, bounded as a whole; nothing of the answer is read but its head."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from secondme.core import address_guard
from secondme.core.address_guard import pin
from secondme.core.errors import DataError
from secondme.core.http import NetworkConfigError, make_guarded_client, make_tls
from secondme.core.webhooks.signature import signed_headers
from secondme.core.webhooks.target import WebhookTarget, addresses_to_dial, check_target, target_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.address_guard import Resolve
    from secondme.core.ports import Clock
    from secondme.core.webhooks.records import WebhookEndpoint, WebhookMessage

_WHOLE_S = 15.0
_ADDRESSES = 3
"""Of a host, at most so many are tried."""
_LONGEST_WAIT_S = 86_400.0
_GONE, _TOO_MANY, _UNAVAILABLE = 410, 429, 503
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What came back of one try."""

    status: str
    """A status of HTTP; or `timed_out`, `unreachable`, `webhook_address_refused`."""
    is_delivered: bool = False
    is_gone: bool = False
    """The receiver said that it wants no more."""
    retry_after_s: float = 0.0
    """How long it asked to be left alone, a day at most."""


class WebhookSender:
    """Tries deliveries. `resolve` and `verify` are others in tests."""

    def __init__(
        self,
        clock: Clock,
        *,
        allow_private: bool,
        resolve: Resolve = address_guard.resolve,
        verify: ssl.SSLContext | None = None,
        whole_s: float = _WHOLE_S,
    ) -> None:
        self._clock = clock
        self._allow_private = allow_private
        self._resolve = resolve
        self._verify = verify
        self._whole_s = whole_s

    async def check(self, url: str, *, is_local: bool) -> None:
        """The URL may be asked, as far as can be told now. Raises DataError."""
        await check_target(target_of(url, is_local=is_local), self._resolve, allow_private=self._allow_private)

    async def send(self, endpoint: WebhookEndpoint, message: WebhookMessage, signers: Sequence[str]) -> DeliveryResult:
        """What came back of a try, whatever that was. The host is looked up once, and asked at the address that was found. Never raises but
        when cancelled."""
        import httpx  # noqa: PLC0415  only a gateway with webhooks pays for it

        try:
            async with asyncio.timeout(self._whole_s):
                target = target_of(endpoint.url, is_local=endpoint.local)
                found = await addresses_to_dial(target, self._resolve, allow_private=self._allow_private)
                *first, last = found[:_ADDRESSES]
                for address in first:  # one may be of IPv6, where there is none here
                    with contextlib.suppress(httpx.ConnectError):
                        return await self._post(target, address, message, signers)
                return await self._post(target, last, message, signers)
        except TimeoutError:
            return DeliveryResult("timed_out")
        except DataError as error:
            return DeliveryResult(error.code)
        except (httpx.HTTPError, httpx.InvalidURL, NetworkConfigError, OSError, ValueError):
            return DeliveryResult("unreachable")

    async def _post(self, target: WebhookTarget, address: str, message: WebhookMessage, signers: Sequence[str]) -> DeliveryResult:
        if self._verify is None:
            self._verify = await make_tls()
        now_ms, body = self._clock.now_ms(), message.body()
        pinned = pin(target.url, target.host, target.port, address)
        headers = {
            **pinned.headers,
            **signed_headers(signers, message.id, now_ms // 1000, body),
            "content-type": "application/json",
            "user-agent": "secondme",
            "accept-encoding": "identity",
        }
        client = make_guarded_client(self._verify, self._whole_s)
        request = client.build_request("POST", pinned.url, headers=headers, content=body, extensions=dict(pinned.extensions))
        async with client:
            answer = await client.send(request, stream=True)
            await answer.aclose()
        status = answer.status_code
        is_busy = status in {_TOO_MANY, _UNAVAILABLE}
        wait_s = _seconds_of(answer.headers.get("retry-after", ""), now_ms) if is_busy else 0.0
        return DeliveryResult(str(status), status in _SUCCESS, status == _GONE, wait_s)


def _seconds_of(header: str, now_ms: int) -> float:
    """What a Retry-After header asks for (RFC 9110, 10.2.3): seconds, or a date; 0 when it says nothing that can be read."""
    if header.isascii() and header.isdigit():
        return min(float(header), _LONGEST_WAIT_S)
    try:
        moment: datetime = parsedate_to_datetime(header)
        return min(max(0.0, moment.timestamp() - now_ms / 1000), _LONGEST_WAIT_S)
    except (ValueError, OverflowError):
        return 0.0
