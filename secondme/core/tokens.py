"""Tokens: the one that may do everything, and named ones that may do what they were made for, until they end."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field, TypeAdapter, ValidationError

from secondme.core.errors import BusyError, ConfigError, NotFoundError
from secondme.core.files import hold, private_dir, read_private, replacement, write_private
from secondme.core.records import CamelModel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_SECRET = re.compile(rb"[A-Za-z0-9_-]{43,128}")
"""256 bits in base64, at least."""
_BYTES = 32
_MOST = 50
_LOCK_S = 5.0
_MINUTE = timedelta(minutes=1)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


class TokenScope(StrEnum):
    """What a token may do."""

    READ = "read"
    """How things stand: status, channels, pauses, metrics. Nobody's words."""
    EVENTS_READ = "events:read"
    DRAFTS_READ = "drafts:read"
    DRAFTS_DECIDE = "drafts:decide"
    """Send, edit and drop drafts: speak in the owner's name."""
    CONVERSATIONS_READ = "conversations:read"
    """Read who talks, and what was said."""
    CONVERSATIONS_WRITE = "conversations:write"
    """Write to contacts as the owner, at once."""
    AGENT_ASK = "agent:ask"
    """Ask the clone, and have the answer told in the owner's own chat."""
    AGENT_DRAFT = "agent:draft"
    """Have the clone write drafts for contacts; the owner decides about them."""
    JOBS_READ = "jobs:read"
    """Read jobs, what became of them, and who may be written to unasked."""
    JOBS_RUN = "jobs:run"
    """Have a job run now; not make or change one."""
    JOBS_WRITE = "jobs:write"
    """Make, change, pause and remove jobs."""
    PAIRING = "pairing"
    """Read and decide who is let in; the address book."""
    CONTROL = "control"
    """Pause and resume, the kill switch, channels on and off."""
    MEMORY = "memory"
    """Read, correct and forget what is remembered of contacts."""
    SKILLS = "skills"
    """Skills on and off, their settings, and what they propose."""
    HOOK = "hook"
    """Run the one job that it was made for."""
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what they may do."""

    name: str
    scopes: frozenset[TokenScope]
    job: str = ""
    """The only job that it may run; empty: any, where its scopes allow one."""

    def covers(self, scope: TokenScope) -> bool:
        """True when a route that takes `scope` may be called."""
        return TokenScope.ALL in self.scopes or scope in self.scopes


OWNER = Caller("", frozenset({TokenScope.ALL}))
"""Whoever reaches the unix socket, or knows the token that may do everything."""


class TokenFile:
    """The token that may do everything, at `path`, 0600. Nothing is created by looking."""

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
        if token is not None and not _SECRET.fullmatch(token):
            raise self._unusable("it holds no token")
        return token

    def _write(self, *, over: bool) -> None:
        try:
            with replacement(self.path, over=over) as file:
                file.write(secrets.token_urlsafe(_BYTES).encode() + b"\n")
        except FileExistsError:
            raise
        except OSError as error:
            raise self._unusable(error.strerror or "unwritable") from error

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError("unusable_api_token", f"{self.path} cannot be used: {why}.", "secondme api token --new")


class NamedToken(CamelModel):
    """A token as it is kept: not what it is, but how to recognise it. Times are aware UTC."""

    name: str = Field(pattern=rf"^{NAME.pattern}$")
    scopes: list[TokenScope] = Field(min_length=1)
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256. The token has 256 random bits: there is nothing to guess, and nothing to slow down."""
    created_at: datetime
    expires_at: datetime
    job: str | None = None
    """The only job that it may run: it is a hook."""


_FILE = TypeAdapter(list[NamedToken])


class NamedTokens:
    """The named tokens of a home, in one file, 0600. Nothing is created by looking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[tuple[int, int, int], list[NamedToken]] | None = None
        self._noted: dict[str, datetime] = {}

    def all(self) -> list[NamedToken]:
        """Each of them, also those that have ended, by name. Raises ConfigError when the file is not usable."""
        try:
            facts = self.path.stat()
            version = (facts.st_ino, facts.st_mtime_ns, facts.st_mode)
            if self._seen is not None and self._seen[0] == version:
                return self._seen[1]
            text = read_private(self.path)
            found = [] if text is None else _FILE.validate_json(text)
        except FileNotFoundError:
            return []
        except ConfigError:
            raise self._unusable("others can read it") from None
        except (OSError, UnicodeError, ValidationError) as error:
            raise self._unusable(getattr(error, "strerror", "") or "it holds no tokens") from error
        self._seen = version, found
        return found

    def make(
        self, name: str, scopes: Collection[TokenScope], now: datetime, expires_at: datetime, *, job: str | None = None
    ) -> tuple[NamedToken, str]:
        """A new token, and what it is: it is told once and kept nowhere. `job`: the only one that it may run. Raises BusyError when one that has not ended has this name."""
        secret = secrets.token_urlsafe(_BYTES)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        made = NamedToken(name=name, scopes=sorted(set(scopes)), digest=digest, created_at=now, expires_at=expires_at, job=job)
        with self._changing() as tokens:
            others = [each for each in tokens if each.name != name]
            if len(others) < len(tokens) and any(each.name == name and each.expires_at > now for each in tokens):
                raise BusyError("token_exists", f"There is a token called {name} already.", f"secondme api revoke {name}")
            if len(others) >= _MOST:
                raise BusyError("too_many_tokens", f"There are {_MOST} tokens already.", "secondme api tokens")
            tokens[:] = sorted([*others, made], key=lambda each: each.name)
            self._mark(name).unlink(missing_ok=True)
        return made, secret

    def revoke(self, name: str) -> NamedToken:
        """The token has no power any more, from the next call on. Raises NotFoundError when there is none of this name."""
        with self._changing() as tokens:
            found = next((each for each in tokens if each.name == name), None)
            if found is None:
                raise NotFoundError("unknown_token", "There is no token of this name.", "secondme api tokens")
            tokens.remove(found)
            self._mark(name).unlink(missing_ok=True)
        return found

    def last_use(self, name: str) -> datetime | None:
        """When the token was last shown to be let in, to the minute; None when never."""
        try:
            return datetime.fromtimestamp(self._mark(name).stat().st_mtime, UTC)
        except OSError:
            return None

    def caller(self, offered: bytes, now: datetime) -> Caller | Literal["expired"] | None:
        """What `offered` may do, whose use is noted; None when it is no token of ours, or when the file is not usable."""
        try:
            tokens = self.all()
        except ConfigError:
            return None
        digest = hashlib.sha256(offered).hexdigest()
        match = [each for each in tokens if hmac.compare_digest(each.digest, digest)]
        if not match:
            return None
        if match[0].expires_at <= now:
            return "expired"
        self._note_use(match[0].name, now)
        return Caller(match[0].name, frozenset(match[0].scopes), match[0].job or "")

    def _note_use(self, name: str, now: datetime) -> None:
        """The token was used now; written at most once a minute. Who cannot write it lets the caller in all the same."""
        last = self._noted.get(name)
        if last is not None and abs(now - last) < _MINUTE:
            return
        self._noted[name] = now
        mark = self._mark(name)
        with contextlib.suppress(OSError, ConfigError):
            private_dir(mark.parent)
            mark.touch(0o600)
            os.utime(mark, (now.timestamp(), now.timestamp()))

    def _mark(self, name: str) -> Path:
        """The empty file whose time says when the token was last used: nothing to lock, nothing to lose."""
        return self.path.with_name("api-token-uses") / name

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[NamedToken]]:
        """The list, to be changed; it is written at the end. Two processes do it one after the other."""
        private_dir(self.path.parent)
        lock = hold(self.path.with_suffix(".lock"), _LOCK_S)
        if lock is None:
            raise BusyError("tokens_busy", "Another command changes the tokens.", "Try again.")
        try:
            self._seen = None
            tokens = list(self.all())
            yield tokens
            write_private(
                self.path, json.dumps(_FILE.dump_python(tokens, mode="json", by_alias=True, exclude_none=True), indent=1) + "\n"
            )
        except OSError as error:
            raise self._unusable(error.strerror or "unwritable") from error
        finally:
            os.close(lock)

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError("unusable_api_token", f"{self.path} cannot be used: {why}.", f"rm {self.path}")
