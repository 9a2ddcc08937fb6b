"""Who may call over TCP? Whoever knows the token in the owner's data directory. It is read anew for each call: a token that was replaced
or removed has no power from that moment on.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{43,128}")
"""256 bits in base64, at least."""
_MOST_BYTES = 256


class TokenFile:
    """The token at `path`, 0600. Nothing is created by looking."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ensure(self) -> str:
        """The token, made now if there was none. Safe in several processes at once. Raises ConfigError when the file is not usable."""
        found = self._read()
        if found is None:
            with self._beside() as fresh, contextlib.suppress(FileExistsError):  # another process was faster: then theirs it is
                os.link(fresh, self.path)
            found = self._read()
        if found is None:
            raise ConfigError("unusable_api_token", f"{self.path} cannot be made.", "Check the directory's owner and free space.")
        return found.decode()

    def renew(self) -> str:
        """A new token; the old one has no power any more. Raises ConfigError."""
        with self._beside() as fresh:
            os.replace(fresh, self.path)  # noqa: PTH105  beside os.link, which pathlib turns around
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
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error.strerror or "unreadable") from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
                raise self._unusable("it is not a file of yours")
            if found.st_mode & 0o077:
                raise self._unusable("others can read it")
            token = os.read(descriptor, _MOST_BYTES).strip()
        finally:
            os.close(descriptor)
        if not _TOKEN.fullmatch(token):
            raise self._unusable("it holds no token")
        return token

    @contextlib.contextmanager
    def _beside(self) -> Iterator[str]:
        """A new token in a file beside ours, whole before it gets the name."""
        fresh = f"{self.path}.{secrets.token_hex(8)}"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, secrets.token_urlsafe(32).encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            yield fresh
        except OSError as error:
            raise self._unusable(error.strerror or "unwritable") from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(fresh)  # noqa: PTH108  as above; gone already after a rename

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError("unusable_api_token", f"{self.path} cannot be used: {why}.", "secondme api token --new")
