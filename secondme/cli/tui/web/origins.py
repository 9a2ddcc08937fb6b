"""The addresses under which a browser may reach us: this machine's own, and one that the owner names for a tunnel of theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from secondme.core.errors import ConfigError

HOST = "127.0.0.1"
_DEFAULT_PORTS = {"http": 80, "https": 443}
"""What browsers leave out of an address."""
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<name>(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|\[::1\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.ASCII,
)
_LONGEST = 253
_HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
_FIX = "Name it as the browser will: --at https://name.tailnet.ts.net"


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """One address: `host` as browsers write it into the Host header, and whether they come by TLS."""

    host: str
    is_secure: bool = False

    @property
    def origin(self) -> str:
        """As browsers write it into the Origin header."""
        return f"http{'s' if self.is_secure else ''}://{self.host}"

    @property
    def websocket(self) -> str:
        """The same address for WebSockets."""
        return f"ws{'s' if self.is_secure else ''}://{self.host}"


def own_site(port: int) -> WebOrigin:
    """This machine's own address."""
    return WebOrigin(_host(HOST, port, "http"))


def named_site(address: str) -> WebOrigin:
    """The address that the owner's tunnel has. Raises ConfigError for one that is not https, but for this machine's own names, which a
    forwarded port may have, and for one with more than scheme, name and port."""
    found = _ADDRESS.fullmatch(address.strip().lower())
    if found is None or len(found["name"]) > _LONGEST:
        raise ConfigError("bad_address", "That is not the address of a web site.", _FIX)
    scheme, name = found["scheme"], found["name"]
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 1 << 16:
        raise ConfigError("bad_address", "There is no such port.", _FIX)
    if scheme == "http" and name not in _HERE:
        raise ConfigError("address_not_encrypted", "By http everybody on the way could read and decide with you.", _FIX)
    return WebOrigin(_host(name, port, scheme), is_secure=scheme == "https")


def _host(name: str, port: int, scheme: str) -> str:
    return name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"
