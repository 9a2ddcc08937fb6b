"""What does another Redis hold? Read only, one bounded answer at a time: nothing is ever written there, and no script runs there."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.store.client import explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from types import TracebackType

    from redis.asyncio.client import Pipeline

    from secondme.core.store.client import Store

_SCHEMES = ("redis://", "rediss://", "unix://")
ABSENT = b"none"
"""The type of a key that is not there."""


def has_secret(url: str) -> bool:
    """True when `url` carries a password, or cannot be taken apart to see whether it does."""
    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class Value:
    """A string as it is in the other store. `raw` is None when there is none, or it is larger than was asked for, or of another type."""

    raw: bytes | None
    trouble: str = ""
    """`wrong_type`, `too_large`, or nothing."""


class Source:
    """A connection to another Redis. Use as an async context manager."""

    def __init__(self, url: str, timeout_s: float) -> None:
        if not url.startswith(_SCHEMES):
            raise ConfigError("bad_source_url", "The URL to migrate from cannot be used.", "Use redis://, rediss:// or unix://.")
        try:
            self.client: Redis = Redis.from_url(url, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 1))
        except ValueError:  # its text quotes the part it stumbled over, which may be the password
            raise ConfigError(
                "bad_source_url", "The URL to migrate from cannot be used.", "Use redis://, rediss:// or unix://."
            ) from None
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        """Connected, or raises UnavailableError, CredentialsError or ConfigError."""
        try:
            await self.call(self.client.ping())
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnected."""
        await self.close()

    async def close(self) -> None:
        """See `__aexit__`."""
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose(close_connection_pool=True)

    async def call(self, command: Awaitable[Any]) -> Any:  # the library's types do not know that we decode
        """What one command returned. Raises UnavailableError or CredentialsError, in words about the other store."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            if isinstance(explain(error), CredentialsError):
                raise CredentialsError(
                    "source_refused", "The Redis to migrate from refused our credentials.", "Correct SECONDME_MIGRATE_FROM."
                ) from error
            raise UnavailableError(
                "source_unreachable", "The Redis to migrate from does not answer.", "Start it, or correct --from."
            ) from error

    async def is_same(self, store: Store) -> bool:
        """True when `store` is the very database that this reads."""
        theirs = await self.call(self.client.info("server"))
        ours = await store.call(store.client.info("server"))
        return bool(theirs.get("run_id") == ours.get("run_id") and _database(self.client) == _database(store.client))

    def batch(self) -> Pipeline:
        """Commands to send together with `ask`."""
        return self.client.pipeline(transaction=False)

    async def ask(self, batch: Pipeline) -> list[Any]:  # one answer or ResponseError for each command
        """The answers of a batch. A command that meets another type answers with its error, and hides none of the others."""
        answers: list[Any] = await self.call(batch.execute(raise_on_error=False))
        return answers

    async def strings(self, names: Sequence[str], most: int) -> list[Value]:
        """The strings called `names`, each of at most `most` bytes. One round trip."""
        pipe = self.batch()
        for name in names:
            pipe.getrange(name, 0, most)
        return [value_of(answer, most) for answer in await self.ask(pipe)]


def value_of(answer: Any, most: int) -> Value:  # what GETRANGE answered: bytes, or an error as a value
    """The answer of one GETRANGE of at most `most` bytes and one more."""
    if isinstance(answer, ResponseError):
        return Value(None, "wrong_type")
    if len(answer) > most:
        return Value(None, "too_large")
    return Value(answer or None)


def _database(client: Redis) -> int:
    return int(client.connection_pool.connection_kwargs.get("db") or 0)
