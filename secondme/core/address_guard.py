"""The guard of addresses: which hosts a URL of somebody else's may lead to, looked up once and dialled as looked up.

A name is resolved once and that address is dialled, so that a second answer of a name server cannot lead inside (DNS rebinding). Whoever
asks other servers for somebody uses this one guard: OWASP's cheat sheet on server-side request forgery says what it is against.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host. Raises OSError."""

PLAIN_HOST = re.compile(r"[a-z0-9.-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out (IANA): outside of it stand private addresses, multicast, and IPv4 in disguise (mapped, NAT64)."""
_TUNNELS = (ip_network("2001::/32"), ip_network("2002::/16"))
"""IPv4 in disguise inside of it: Teredo and 6to4, which nobody serves from (RFC 7526)."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as this machine knows them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """`text` as an address, without the interface that it may name; None when it is none."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(text: str) -> bool:
    """True for an address of the public internet; never for one that leads to an IPv4 address in disguise."""
    found = address_of(text)
    if found is None or (found.version == 6 and (found not in _UNICAST or any(found in net for net in _TUNNELS))):  # noqa: PLR2004
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def is_numeric(host: str) -> bool:
    """True for what some would take for an address: `127.1`, `0x7f000001` and `2130706433` too."""
    return address_of(host) is not None or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


@dataclass(frozen=True, slots=True)
class PinnedUrl:
    """A URL with one address in the place of its host, and what its server must still be told."""

    url: str
    headers: Mapping[str, str]
    extensions: Mapping[str, str]
    """For httpx: the name that the server's certificate must have."""


def pin(url: str, host: str, port: int, address: str) -> PinnedUrl:
    """`url`, to be asked of `address` and of no other."""
    parts = urlsplit(url)
    at = f"[{address}]" if ":" in address else address
    dialled = parts._replace(netloc=f"{at}:{port}", fragment="").geturl()
    extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
    return PinnedUrl(dialled, {"host": parts.netloc.rpartition("@")[2]}, extensions)
