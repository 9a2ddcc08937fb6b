"""Who may call the API: the token file, and a guard that is asked before anything looks at what is called for."""

from __future__ import annotations

import contextlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from secondme.core.api.problems import FORBIDDEN, TOO_MANY_WRONG, UNAUTHORIZED, Refusal, has_body, refuse
from secondme.core.api.sockets import Address, own_hosts
from secondme.core.errors import ConfigError
from secondme.core.files import read_private, replacement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from secondme.core.api.limits import Limits
    from secondme.core.retry import AttemptLimit


_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43,128}")
"""256 bits in base64, at least."""


class TokenFile:
    """The token at `path`, 0600. Nothing is created by looking."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ensure(self) -> str:
        """The token, made now if there was none. Safe in several processes at once. Raises ConfigError when the file is not usable."""
        found = self._read()
        if found is None:
            with contextlib.suppress(FileExistsError):  # another process was faster: then theirs it is
                self._write(over=False)
            found = self._read()
        if found is None:
            raise ConfigError("unusable_api_token", f"{self.path} cannot be made.", "Check the directory's owner and free space.")
        return found.decode()

    def renew(self) -> str:
        """A new token; the old one has no power any more. Raises ConfigError."""
        self._write(over=True)
        return self.ensure()

    def admits(self, offered: bytes) -> bool:
        """True when `offered` is the token. Takes as long for every wrong one. False for everybody when the file is not usable."""
        try:
            token = self._read()
        except ConfigError:
            return False
        return token is not None and hmac.compare_digest(offered, token)

    def _read(self) -> bytes | None:
        """None when there is no file. Raises ConfigError when it is a link, not ours, open to others, or holds something else."""
        try:
            text = read_private(self.path)
        except ConfigError:
            raise self._unusable("others can read it") from None
        except (OSError, UnicodeError) as error:
            raise self._unusable(getattr(error, "strerror", "") or "unreadable") from error
        token = None if text is None else text.strip().encode()
        if token is not None and not _TOKEN.fullmatch(token):
            raise self._unusable("it holds no token")
        return token

    def _write(self, *, over: bool) -> None:
        try:
            with replacement(self.path, over=over) as file:
                file.write(secrets.token_urlsafe(32).encode() + b"\n")
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unusable(error.strerror or "unwritable") from error

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError("unusable_api_token", f"{self.path} cannot be used: {why}.", "secondme api token --new")


_LONGEST = 512
"""Bytes of a header that are looked at; a token is 43."""


class Guard:
    """Lets a request through to `app`, or refuses it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        hosts: frozenset[str],
        address: Address | None = None,
        token: TokenFile | None = None,
        attempts: AttemptLimit,
        alarm: Callable[[str, int], Awaitable[None]],
    ) -> None:
        """`address` is that of a TCP listener; `token` None means that whoever reaches the listener may call. `alarm` gets why the last
        call was refused (`host`, `origin`, `websocket`, `token`), and how many since it was last told, once a minute."""
        self._app = app
        self._limits = limits
        self._hosts = hosts
        self._address = address
        self._token = token
        self._attempts = attempts
        self._alarm = alarm

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Whatever is wrong with it, it is answered before its body is read."""
        why, refusal = self._objection(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await refuse(refusal, self._limits, scope, receive, send)
        if count := self._attempts.refused():
            await self._alarm(why, count)

    def _objection(self, scope: Scope) -> tuple[str, Refusal | None]:
        headers = scope["headers"]
        hosts = self._hosts
        if self._address is not None and scope.get("server"):
            hosts |= own_hosts(self._address, *scope["server"])
        if _only(headers, b"host") not in hosts:
            return "host", FORBIDDEN
        if any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers):
            return "websocket", FORBIDDEN
        if _count(headers, b"origin") and _only(headers, b"origin") not in {f"http://{host}" for host in hosts if host}:
            return "origin", FORBIDDEN
        if self._token is None or (scope["method"] == "GET" and scope["path"] == "/health" and not has_body(headers)):
            return "", None
        offered = _bearer(_only(headers, b"authorization"))
        if offered is not None and self._token.admits(offered):
            return "", None
        return "token", TOO_MANY_WRONG if self._attempts.is_one_too_many() else UNAUTHORIZED


def _count(headers: list[tuple[bytes, bytes]], wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)


def _only(headers: list[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """The value of a header that is there exactly once, in lower case but for the token; None otherwise."""
    found = [value for name, value in headers if name == wanted]
    if len(found) != 1 or len(found[0]) > _LONGEST:
        return None
    text = found[0].decode("latin-1").strip()
    return text if wanted == b"authorization" else text.lower()


def _bearer(header: str | None) -> bytes | None:
    scheme, _, token = (header or "").partition(" ")
    return token.strip().encode("latin-1") if scheme.lower() == "bearer" and token else None
