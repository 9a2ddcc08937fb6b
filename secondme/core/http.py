"""HTTP clients: made here and nowhere else, so that one place decides about proxies and certificates for everything that goes out.

What the environment says is read as curl and Python's own library read it: `https_proxy`, `http_proxy` and `all_proxy`, in small letters
first; `no_proxy` with names, addresses and networks; `SSL_CERT_FILE` and `SSL_CERT_DIR`. This machine itself is never asked through a
proxy. What cannot be used is one error that names the variable, and never the password in it.

Guarded requests, those to an address that somebody else may have chosen (webhooks and the web skill), take no proxy: they dial the
address that the guard looked up and judged (`address_guard`), whereas a proxy would look the name up again, and from inside another
network. Where only a proxy leads outside, they cannot be made.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from importlib import import_module
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

from secondme.core.address_guard import address_of
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    import httpx

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ALIASES = {"socks": "socks5"}
"""What GNOME and Clash export."""
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.%]{2,60}", re.ASCII)
_SEPARATORS = re.compile(r"[\s,]+")
_BRACKETS = re.compile(r"^\[([^\]]*)\](/[0-9]+)?$", re.ASCII)
_LONGEST = 2048
_FIX = "Correct {variable}, or remove it, where secondme is started from."
_DEFAULT_KEPT = 20
_REFUSING, _NAMELESS, _SILENT = "connection refused", "its name is unknown", "it does not answer"


class NetworkConfigError(ConfigError):
    """The environment names a proxy, or certificates, that cannot be used. `variable` is the one that says so."""

    def __init__(self, code: str, variable: str, shown: str, why: str) -> None:
        named = f"{variable} ({safe_text(shown)})" if shown else variable
        super().__init__(code, f"{named} cannot be used: {why}.", _FIX.format(variable=variable))
        self.variable = variable


@dataclass(frozen=True, slots=True)
class BrokenProxy:
    """What a variable says and nobody can use; `shown` is never a password."""

    variable: str
    shown: str
    why: str

    def error(self) -> NetworkConfigError:
        """What is raised about it."""
        return NetworkConfigError("proxy_unusable", self.variable, self.shown, self.why)


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """A proxy that a variable names."""

    variable: str
    url: str = field(repr=False)
    """With its name and password, if it has any."""

    @property
    def is_socks(self) -> bool:
        """True for SOCKS 5 (RFC 1928); names are looked up by the proxy."""
        return self.url.startswith("socks5")


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What the environment says about proxies. A broken one is an error only where it would be used."""

    by_scheme: Mapping[str, OutboundProxy | BrokenProxy]
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    names: tuple[tuple[str, int | None], ...] = ()
    """Hosts that are asked directly, with all below them; with a port, only there."""
    is_off: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As `environ` says. Empty variables say nothing; a part of `no_proxy` that is none of its forms says nothing either."""
        chosen: dict[str, OutboundProxy | BrokenProxy] = {}
        for scheme in ("http", "https"):
            both = f"{scheme}_proxy", "all_proxy"
            named = [(name, environ.get(name, "").strip()) for each in both for name in (each, each.upper())]
            if found := next(((name, value) for name, value in named if value), None):
                chosen[scheme] = _proxy(*found)
        excepted = environ.get("no_proxy", "").strip() or environ.get("NO_PROXY", "").strip()
        networks, names, is_off = [], [], False
        for part in filter(None, _SEPARATORS.split(excepted.lower())):
            is_off |= part == "*"
            if (network := _network(part)) is not None:
                networks.append(network)
            elif (name := _name(part)) is not None:
                names.append(name)
        return cls(chosen, tuple(networks), tuple(names), is_off)

    def route(self, url: str) -> OutboundProxy | None:
        """The proxy through which `url` is asked; None: directly. Raises NetworkConfigError when that proxy cannot be used."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return None  # whoever asks says what is wrong with it
        proxy = self.by_scheme.get(scheme)
        if proxy is None or not host or is_this_machine(host) or self._is_excepted(host, port or _PORTS[scheme]):
            return None
        if isinstance(proxy, BrokenProxy):
            raise proxy.error()
        return proxy

    def _is_excepted(self, host: str, port: int) -> bool:
        if self.is_off:
            return True
        address = _plain(address_of(host))
        host = str(address) if address is not None else host
        if address is not None and any(address in network for network in self.networks):
            return True
        return any(
            (host == name or (address is None and host.endswith(f".{name}"))) and wanted in {None, port}
            for name, wanted in self.names
        )


def problems(environ: Mapping[str, str]) -> list[NetworkConfigError]:
    """Every variable that cannot be used although something would use it."""
    broken = dict.fromkeys(each for each in ProxySettings.of(environ).by_scheme.values() if isinstance(each, BrokenProxy))
    found = [each.error() for each in broken]
    try:
        _certificates(environ)
    except NetworkConfigError as error:
        found.append(error)
    return found


def network_fault(error: BaseException, url: str = "") -> UnavailableError | None:
    """What kept `url` (empty: what the HTTP library says it asked) from being asked, where a proxy or a certificate did: named by variable,
    file and host. None for any other cause."""
    causes = list(causes_of(error))
    url = url or next((str(request.url) for each in causes if (request := getattr(each, "_request", None)) is not None), "")
    if not url:
        return None
    host = urlsplit(url).hostname or url
    untrusted = next((each for each in causes if isinstance(each, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        why = str(getattr(untrusted, "verify_message", "") or "it cannot be verified").rstrip(".")
        variable = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
        named = f" {variable} ({safe_text(os.environ[variable])}) says who is trusted." if variable else ""
        return UnavailableError(
            "certificate_untrusted",
            f"The certificate of {host} is not trusted: {safe_text(why)}.{named}",
            f"Correct {variable}, where secondme is started from: the authority that signed it must be in it."
            if variable
            else "Name the authority that signed it, where secondme is started from: SSL_CERT_FILE=/path/ca.pem",
        )
    try:
        proxy = proxy_of(url)
    except NetworkConfigError:
        return None
    if proxy is None:
        return None
    names = {type(each).__name__ for each in causes}
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        why = _REFUSING
    elif any(isinstance(each, socket.gaierror) for each in causes):
        why = _NAMELESS
    elif "ConnectTimeout" in names:
        why = _SILENT
    elif said := next((str(each) for each in causes if type(each).__name__ == "ProxyError"), ""):
        why = "it wants a name and a password" if said.startswith("407") else f"it did not let {host} be reached ({said[:60]})"
    else:
        return None
    return _proxy_fault(proxy, why, host)


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, at most ten of them."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__


async def unreachable_proxies(environ: Mapping[str, str], wait_s: float) -> list[UnavailableError]:
    """A `proxy_unreachable` for each proxy of `environ` that takes no connection within `wait_s`."""
    proxies = {each.url: each for each in ProxySettings.of(environ).by_scheme.values() if isinstance(each, OutboundProxy)}
    whys = await asyncio.gather(*(_why_closed(each, wait_s) for each in proxies.values()))
    return [_proxy_fault(each, why, "") for each, why in zip(proxies.values(), whys, strict=True) if why]


async def _why_closed(proxy: OutboundProxy, wait_s: float) -> str:
    parts = urlsplit(proxy.url)
    try:
        async with asyncio.timeout(wait_s):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.close()
    except TimeoutError:
        return _SILENT
    except socket.gaierror:
        return _NAMELESS
    except OSError as error:
        return _REFUSING if isinstance(error, ConnectionRefusedError) else (error.strerror or "it cannot be reached").lower()
    return ""


def _proxy_fault(proxy: OutboundProxy, why: str, host: str) -> UnavailableError:
    shown = safe_text(proxy.url.rpartition("@")[2].removeprefix("http://"))
    to = f" for {host}" if host else ""
    code = "proxy_unreachable" if why in {_REFUSING, _NAMELESS, _SILENT} or not host else "proxy_refuses"
    fix = _FIX.format(variable=proxy.variable)
    return UnavailableError(code, f"The proxy that {proxy.variable} names ({shown}) cannot be used{to}: {safe_text(why)}.", fix)


def is_this_machine(host: str) -> bool:
    """True for a name or an address that never leaves this machine."""
    name = host.lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    address = _plain(address_of(name.strip("[]")))
    return address is not None and (address.is_loopback or address.is_unspecified)


def proxy_of(url: str) -> OutboundProxy | None:
    """The proxy through which this process asks `url`; None: directly. Raises NetworkConfigError when it cannot be used."""
    return ProxySettings.of(os.environ).route(url)


async def make_tls(library: str = "httpx") -> ssl.SSLContext:
    """What connections with TLS trust. Reading the authorities takes 20 to 40 ms, so a thread does it. Raises NetworkConfigError."""
    return await asyncio.to_thread(_tls, library)


async def open_client(
    base: str, *, library: str = "httpx", limits: httpx.Limits | None = None, **options: Any
) -> httpx.AsyncClient:
    """A client for the server at `base`, not connected yet; `options` are httpx's own. Redirects are not followed unless they say so.

    `library` is `httpx`, or one with its names and classes of its own. Raises NetworkConfigError when the proxy or the certificates that
    `base` needs cannot be used.
    """
    proxy = proxy_of(base)
    is_secret = not base.startswith("http://") or (proxy is not None and proxy.url.startswith("https:"))
    tls = await make_tls(library) if is_secret else None  # who speaks no TLS does not wait for it
    return make_client(base, tls, library=library, limits=limits, **options)


def make_client(
    base: str, tls: ssl.SSLContext | None, *, library: str = "httpx", limits: httpx.Limits | None = None, **options: Any
) -> httpx.AsyncClient:
    """As `open_client`, with certificates that were read before. Without any, the client asks no address that begins with https."""
    made = import_module(library)
    transport = make_transport(base, tls, library=library, limits=limits)
    return cast("httpx.AsyncClient", made.AsyncClient(transport=transport, trust_env=False, **options))


def make_transport(
    base: str, tls: ssl.SSLContext | None, *, library: str = "httpx", limits: httpx.Limits | None = None
) -> httpx.AsyncBaseTransport:
    """What carries the requests of a client that a library makes itself. Raises as `open_client`."""
    proxies = ProxySettings.of(os.environ)
    proxies.route(base)
    return cast("httpx.AsyncBaseTransport", _RoutedTransport(import_module(library), proxies, tls, limits))


def make_local_client(path: Path, **options: Any) -> httpx.AsyncClient:
    """A client for the server that listens at the Unix socket `path`."""
    import httpx  # noqa: PLC0415  only who asks pays

    line = httpx.AsyncHTTPTransport(uds=str(path), verify=False, trust_env=False)
    return httpx.AsyncClient(transport=line, base_url="http://secondme", trust_env=False, **options)


def make_guarded_client(tls: ssl.SSLContext | bool, timeout_s: float) -> httpx.AsyncClient:  # noqa: FBT001  httpx's own form
    """A client for addresses that the guard looked up. It takes no proxy and follows no redirect: this module says why."""
    import httpx  # noqa: PLC0415  as above

    return httpx.AsyncClient(verify=tls, timeout=timeout_s, trust_env=False)


class _RoutedTransport:
    """Sends every request directly or through its proxy. It has the methods of a transport and the class of none: two libraries take it."""

    def __init__(self, library: Any, proxies: ProxySettings, tls: ssl.SSLContext | None, limits: httpx.Limits | None) -> None:
        self._library = library  # a module
        self._proxies = proxies
        self._tls = tls
        self._limits = limits or library.Limits(max_connections=100, max_keepalive_connections=_DEFAULT_KEPT)
        self._lines: dict[OutboundProxy | None, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx's transports. Raises what they raise, and NetworkConfigError."""
        if request.url.scheme == "https" and self._tls is None:
            raise self._library.UnsupportedProtocol("no certificates were read for an address with TLS")
        proxy = self._proxies.route(str(request.url))
        line = self._lines.get(proxy)
        if line is None:
            line = self._lines[proxy] = self._line(proxy)
        if proxy is None or not proxy.is_socks:
            return await line.handle_async_request(request)
        from socksio.exceptions import SOCKSError  # noqa: PLC0415  only who has such a proxy pays

        request.extensions = {**request.extensions, "trace": _Greeting()}
        try:
            return await line.handle_async_request(request)
        except (SOCKSError, AssertionError, IndexError, UnicodeError) as error:  # httpcore's, for a server that speaks no SOCKS
            raise self._library.ProxyError("The proxy does not speak SOCKS 5.") from error

    def _line(self, proxy: OutboundProxy | None) -> httpx.AsyncBaseTransport:
        verify: Any = self._tls if self._tls is not None else False
        if proxy is None:
            made = self._library.AsyncHTTPTransport(verify=verify, limits=self._limits, trust_env=False)
        else:
            # httpcore keeps the place of a connection whose SOCKS greeting was given up: a limit would be used up by a proxy that hangs
            limits = self._library.Limits(max_keepalive_connections=_DEFAULT_KEPT) if proxy.is_socks else self._limits
            to_proxy = self._library.Proxy(proxy.url, ssl_context=self._tls if proxy.url.startswith("https:") else None)
            made = self._library.AsyncHTTPTransport(verify=verify, limits=limits, proxy=to_proxy, trust_env=False)
        return cast("httpx.AsyncBaseTransport", made)

    async def aclose(self) -> None:
        """Every connection is closed."""
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            await line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None = None, error: BaseException | None = None, trace: TracebackType | None = None
    ) -> None:
        await self.aclose()


class _Greeting:
    """Watches how a connection is made, and closes one on which a SOCKS proxy could not be greeted: httpcore leaves it open."""

    def __init__(self) -> None:
        self._stream: Any = None  # httpcore's

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """As httpcore's extension `trace` calls it."""
        if event.endswith(".connect_tcp.complete"):
            self._stream = info["return_value"]
        elif event.endswith(".setup_socks5_connection.failed"):
            await self._stream.aclose()


def _proxy(variable: str, said: str) -> OutboundProxy | BrokenProxy:
    """What a variable says."""
    is_broken = len(said) > _LONGEST or not said.isprintable() or any(each in said for each in "\\#? ")
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")  # curl too takes one without its kind for HTTP
        host, port = parts.hostname or "", parts.port
    except ValueError:
        is_broken, parts, host, port = True, urlsplit(""), "", None
    if is_broken or not _HOST.fullmatch(host):
        return BrokenProxy(variable, "", "it is no address like http://host:port or socks5://host:port")
    scheme = _ALIASES.get(parts.scheme.lower(), parts.scheme.lower())
    at = f"[{host}]" if ":" in host else host
    if scheme not in _PORTS:
        shown = f"{parts.scheme}://{at}{f':{port}' if port else ''}"
        return BrokenProxy(variable, shown, f"its kind is none of {', '.join(_PORTS)}")
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return OutboundProxy(variable, f"{scheme}://{user}{at}:{port or _PORTS[scheme]}")


def _network(part: str) -> IPv4Network | IPv6Network | None:
    """The network, or the one address, that a part of `no_proxy` names; None when it is none."""
    try:
        return ip_network(_BRACKETS.sub(r"\1\2", part), strict=False)
    except ValueError:
        return None


def _name(part: str) -> tuple[str, int | None] | None:
    """Host and port of a part of `no_proxy`; None when it has no host."""
    try:
        parts = urlsplit(part if "://" in part else f"//{part}")
        host, port = (parts.hostname or "").removeprefix("*").strip("."), parts.port
    except ValueError:
        return None
    address = _plain(address_of(host))
    return (str(address) if address is not None else host, port) if host else None


def _plain(address: IPv4Address | IPv6Address | None) -> IPv4Address | IPv6Address | None:
    """The IPv4 address in an IPv6 one that wraps it; every other as it is."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _tls(library: str) -> ssl.SSLContext:
    found = _certificates(os.environ)
    if found is not None:
        return found
    return cast("ssl.SSLContext", import_module(library).create_ssl_context(trust_env=False))


def _certificates(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """What trusts the authorities that the environment names; None when it names none. As OpenSSL, the file counts before the directory."""
    if file := environ.get("SSL_CERT_FILE", ""):
        try:
            Path(file).read_bytes()  # OpenSSL's own words do not say what is wrong with a file that cannot be read
            return ssl.create_default_context(cafile=file)
        except (OSError, ValueError) as error:
            is_ours = isinstance(error, ssl.SSLError) or not getattr(error, "strerror", "")
            why = "it holds no certificates" if is_ours else str(getattr(error, "strerror", "")).lower()
            raise NetworkConfigError("certificates_unusable", "SSL_CERT_FILE", file, why) from error
    if directories := environ.get("SSL_CERT_DIR", ""):
        if not any(_is_readable(each) for each in directories.split(os.pathsep)):
            raise NetworkConfigError("certificates_unusable", "SSL_CERT_DIR", directories, "no such directory can be read")
        return ssl.create_default_context(capath=directories)
    return None


def _is_readable(directory: str) -> bool:
    return os.path.isdir(directory) and os.access(directory, os.R_OK | os.X_OK)  # noqa: PTH112  one of a list with separators
