"""`redis_url`, taken apart before anything is connected to: what is wrong with it is said in words that repeat no password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_SCHEMES = {"redis": False, "rediss": True, "unix": False}
"""Scheme -> whether it is TLS."""
_PORT = 6379
_SCHEMES_FIX = "Use redis://, rediss:// or unix://."
_FIX = "secondme config set redis_url"
_NAME = re.compile(r"[A-Za-z_]{1,32}")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OF_TLS = (*_FILES, "ssl_ca_path", "ssl_cert_reqs", "ssl_check_hostname", "ssl_password")
_MOST_DIGITS = 5
_YES_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_HIDDEN = "its address"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a server is and how it is asked: what the client library's connections take."""

    scheme: str
    where: str
    """`host:port` or a path, without what is secret."""
    options: dict[str, Any]

    @property
    def database(self) -> int:
        """The number of the database; 0 where none is named."""
        return int(self.options.get("db", 0))


def parse_address(url: str) -> StoreAddress:
    """The parts of `url`. Raises ConfigError `bad_redis_url`, which says what of it cannot be used."""
    try:
        parts = urlsplit(url)
        _check_encoding(parts)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unencoded() if "@" in url else _bad("redis_url cannot be used.", _SCHEMES_FIX) from None
    if parts.scheme not in _SCHEMES:
        raise _bad("redis_url cannot be used.", _SCHEMES_FIX)
    options = _query(parts)
    for name, value in (("username", parts.username), ("password", parts.password)):
        if value:
            options[name] = unquote(value)
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise _bad("redis_url names no socket.", "Write unix:///path/to/the/socket.")
        return StoreAddress("unix", parts.path, options | {"path": unquote(parts.path)})
    if parts.path not in {"", "/"}:
        options["db"] = _database(parts.path[1:])
    options |= {"host": unquote(host) if host else "localhost", "port": port or _PORT}
    return StoreAddress(parts.scheme, where_of(url), options)


def where_of(url: str) -> str:
    """The address in `url`, as `host:port` or a path, without what is secret in it; in words where that cannot be told apart."""
    try:
        parts = urlsplit(url)
        _check_encoding(parts)
        if parts.scheme == "unix":
            return parts.path
        host = parts.hostname or "localhost"
        return f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORT}"
    except (ValueError, ConfigError):
        return _HIDDEN


def _check_encoding(parts: SplitResult) -> None:
    """A password that was written as it is ends the host's name early: whatever stands behind is a piece of it."""
    path = parts.path if parts.netloc or parts.scheme != "unix" else ""  # a socket's path may have an @
    if "@" in f"{path}{parts.query}" or parts.fragment:
        raise _unencoded()


def _unencoded() -> ConfigError:
    return _bad(
        "redis_url cannot be read: in a password, characters like @ / : # ? % must be percent-encoded.",
        "Write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F and % as %25: secondme config set redis_url",
    )


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise _bad(
            "redis_url ends in something that is no number of a database.", "End it behind the port, or with / and a number."
        )
    return int(text)


def _query(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    allowed = {"db", "username", "password", *(_OF_TLS if _SCHEMES[parts.scheme] else ())}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in allowed:
            shown = f": {name}" if _NAME.fullmatch(name) else ""
            other = ", which is for rediss:// only" if name in _OF_TLS else ""
            raise _bad(
                f"redis_url has an unknown part{shown}{other}.", f"Take it out; these can be used: {', '.join(sorted(allowed))}."
            )
        found[name] = _value(name, value)
    return found


def _value(name: str, value: str) -> str | int | bool:
    if name == "db":
        return _database(value)
    if name == "ssl_check_hostname":
        if value.lower() not in _YES_NO:
            raise _bad("ssl_check_hostname in redis_url is neither true nor false.", _FIX)
        return _YES_NO[value.lower()]
    if name == "ssl_cert_reqs" and value not in {"none", "optional", "required"}:
        raise _bad("ssl_cert_reqs in redis_url is none of: none, optional, required.", _FIX)
    if name in _FILES and not Path(value).is_file():
        raise _bad(f"{name} in redis_url names no file.", _FIX)
    return value


def _bad(message: str, fix: str) -> ConfigError:
    return ConfigError("bad_redis_url", message, fix)
