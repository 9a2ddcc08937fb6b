"""The API's sockets, and the names under which it may be called. They are bound here, because the web server would make its unix
socket open to everybody.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import BusyError, ConfigError
from secondme.core.files import private_dir

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.config.models import ApiSettings

_BACKLOG = 128
_HTTP_PORT = 80
"""The port that callers leave out of a Host header."""
UNIX_HOSTS = frozenset({"", "localhost", "secondme"})
"""What a caller of the unix socket may put into its Host header: it has to put something there."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on. Port 0 lets the operating system choose."""

    host: str
    port: int


def tcp_address(settings: ApiSettings) -> Address | None:
    """The address of `api.listen`, None when TCP was not asked for. Raises ConfigError when other machines could reach it and
    `api.allow_remote` is off."""
    if not settings.listen:
        return None
    host, _, port = settings.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]").lower()
    if host == "localhost":
        host = "127.0.0.1"
    if not (_is_loopback(host) or settings.allow_remote):
        raise ConfigError(
            "api_reachable_by_others",
            f"api.listen names {host}, which other machines can reach.",
            "Use 127.0.0.1, or set api.allow_remote and put TLS in front of it.",
        )
    return Address(host, int(port))


def hosts_of(address: Address, port: int) -> frozenset[str]:
    """The Host headers under which a listener on `address` may be called; `port` is the one that it really has."""
    names = {address.host, "127.0.0.1", "localhost", "::1"}
    return frozenset(form for name in names for form in _forms(name, port))


def own_hosts(address: Address, local: str, port: int) -> frozenset[str]:
    """The Host headers that name the very address a connection came in on, when the listener has every address of this machine.

    An address cannot be rebound by a stranger's name server; a name could.
    """
    try:
        if not ipaddress.ip_address(address.host).is_unspecified:
            return frozenset()
        ip = ipaddress.ip_address(local)
    except ValueError:
        return frozenset()
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return frozenset(_forms(str(mapped or ip), port))


def bind_tcp(address: Address) -> socket.socket:
    """A socket that listens on `address`. Raises OSError. May ask a name server."""
    family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(_BACKLOG)
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


def bind_unix(path: Path) -> socket.socket:
    """A socket that listens at `path`, for its owner alone from its first moment, in the place of one whose process is gone.

    Raises BusyError when somebody answers there, ConfigError when something else has the name, OSError. It is bound beside `path` and
    moved there: whoever finds it can connect.
    """
    private_dir(path.parent)
    if _somebody_answers(path):
        raise BusyError("api_socket_in_use", f"Another process listens at {path}.", "secondme status")
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        bound.bind(str(fresh))
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    try:
        bound.listen(_BACKLOG)
        bound.settimeout(0)
        fresh.replace(path)
    except OSError:
        bound.close()
        fresh.unlink(missing_ok=True)
        raise
    return bound


def unbind_unix(path: Path, inode: int) -> None:
    """Nothing is at `path` any more, unless it is somebody else's by now. Repeatable."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        pass


def _somebody_answers(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigError("api_socket_taken", f"{path} is there and is not a socket.", f"Remove {path}.")
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # alive, with a full queue
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _forms(name: str, port: int) -> list[str]:
    shown = f"[{name}]" if ":" in name else name
    return [f"{shown}:{port}", shown] if port == _HTTP_PORT else [f"{shown}:{port}"]
