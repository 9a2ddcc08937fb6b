"""Targets of webhooks: which addresses the owner may type, and which of them are dialled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from secondme.core.address_guard import PLAIN_HOST, address_of, is_numeric, is_public
from secondme.core.errors import DataError

if TYPE_CHECKING:
    from secondme.core.address_guard import Resolve

_LONGEST = 2048
_WEB = {"https": 443, "http": 80}
_FREE_FROM = 1024
"""Ports below belong to other services, mail servers among them, which would take a request for their own protocol."""
_LOOK_UP_S = 3.0
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""What `webhooks.allow_private` opens: RFC 1918, shared addresses (RFC 6598, Tailscale's too), unique local ones (RFC 4193)."""
_METADATA = frozenset(map(ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
"""Where clouds tell machines their credentials, inside of those; 169.254.169.254 and its like are not among them."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where deliveries go, as far as its text says it."""

    url: str
    host: str
    port: int
    is_local: bool
    """On this machine only."""


def target_of(url: str, *, is_local: bool) -> WebhookTarget:
    """What `url` says. Raises DataError for one that is never asked, whatever its host resolves to."""
    if len(url) > _LONGEST or not url.isprintable() or not url.isascii() or any(each in url for each in "\\ #"):
        raise _refused("it is no plain address")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise _refused("it is no address") from None
    if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
        raise _refused("it must begin with https://", "With --local, for this machine only, http:// will do.")
    if "@" in parts.netloc or not PLAIN_HOST.fullmatch(host):
        raise _refused("its host is none, or has a name and a password before it")
    if is_numeric(host) and address_of(host) is None:
        raise _refused("its host is a number in a form that nobody needs")
    port = _WEB[parts.scheme] if port is None else port
    if port < _FREE_FROM and port not in _WEB.values():
        raise _refused(f"port {port} is not for the web")
    return WebhookTarget(url, host, port, is_local)


async def addresses_to_dial(target: WebhookTarget, resolve: Resolve, *, allow_private: bool) -> list[str]:
    """The addresses of the target's host, looked up now; every one that it has may be dialled. Raises DataError when one may not be, OSError
    when there is none."""
    found = await resolve(target.host, target.port)
    if not found:
        raise OSError(f"{target.host} has no address")
    for each in found:
        if not _may_be_dialled(each, target, allow_private=allow_private):
            raise _refused(
                "it leads to this machine or into a private network",
                "For this machine: --local. For a private network: secondme config set webhooks.allow_private true",
            )
    return found


async def check_target(target: WebhookTarget, resolve: Resolve, *, allow_private: bool) -> None:
    """The target may be asked, as far as can be told now: a host that is not known yet is looked up again for each delivery. Raises DataError."""
    try:
        async with asyncio.timeout(_LOOK_UP_S):
            await addresses_to_dial(target, resolve, allow_private=allow_private)
    except (OSError, TimeoutError):
        return


def _may_be_dialled(text: str, target: WebhookTarget, *, allow_private: bool) -> bool:
    found = address_of(text)
    if found is None:
        return False
    if target.is_local:
        return _is_loopback(found)
    return is_public(text) or (allow_private and found not in _METADATA and any(found in net for net in _PRIVATE))


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return address.is_loopback and (isinstance(address, IPv4Address) or address == IPv6Address("::1"))


def _refused(why: str, fix: str = "Use the https:// address of a server on the internet.") -> DataError:
    return DataError("webhook_address_refused", f"This address cannot be used: {why}.", fix)
