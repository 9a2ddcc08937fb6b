"""Which keys are ours on a server that others use too, and how do they get from one store into another? Only ours, each with its end."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from secondme.core.backup.dump_format import as_older
from secondme.core.errors import DataError
from secondme.core.fault_points import point
from secondme.core.migrate.scanning import scan
from secondme.core.store import keys
from secondme.core.store.client import explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from redis.asyncio import Redis

    from secondme.core.migrate.scanning import Keyspace

BATCH = 100
"""Keys in one round trip."""
_WRONG_FORMAT = "DUMP payload version or checksum are wrong"


class Direct:
    """A client of a server that only this process uses, in the shape that `scan` takes."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    async def call(self, command: Awaitable[Any]) -> Any:  # the library's types do not know that we decode
        """What the command returned, errors turned into ours."""
        try:
            return await command
        except (RedisError, OSError) as error:
            raise explain(error) from error


@cache
def beginnings() -> tuple[bytes, ...]:
    """How the name of each of our keys begins, from `keys`, so that none that is added there can be forgotten here."""
    found = {keys.__dict__[name].encode() for name in dir(keys) if name.isupper() and _is_key(name, keys.__dict__[name])}
    found.discard(keys.RESTORING.encode())  # it says that the others are not all there yet
    for _, build in inspect.getmembers(keys, inspect.isfunction):
        found.add(build("\0").partition("\0")[0].encode())
    return tuple(sorted(found))


def is_ours(name: bytes) -> bool:
    """True for a key that `keys` builds."""
    return name.startswith(beginnings())


async def ours(keyspace: Keyspace) -> AsyncIterator[list[bytes]]:
    """Our keys, in pages."""
    async for names in scan(keyspace):
        if found := [name for name in names if is_ours(name)]:
            yield found


async def holds_any(keyspace: Keyspace) -> bool:
    """True when there is a key of ours. On a store of others that has none, every name is looked at."""
    async for _ in ours(keyspace):
        return True
    return False


async def remove_all(keyspace: Keyspace) -> int:
    """No key of ours is there; returns how many were."""
    count = 0
    async for names in ours(keyspace):
        count += int(await keyspace.call(keyspace.client.unlink(*names)))
    return count


async def copy_ours(source: Keyspace, target: Keyspace) -> int:
    """Every key of ours in `source` is in `target`, with the same value and the same end; returns how many. One that has ended is not.

    Repeatable. Raises DataError when the target's server cannot take a value.
    """
    count, is_older = 0, False
    async for names in ours(source):
        for start in range(0, len(names), BATCH):
            page = names[start : start + BATCH]
            values = await _read(source, page)
            failed = await _write(target, values, is_older=is_older)
            if failed and not is_older:
                is_older = True
                failed = await _write(target, failed, is_older=True)
            if failed:
                raise DataError(
                    "store_refuses_values",
                    "The server behind redis_url cannot take the backup's values: it is too old.",
                    "Use Redis 7.2, Valkey 7.2 or newer, or restore into a private store: add --embedded.",
                )
            count += len(values)
            point("restore.batch")
    return count


Dumped = tuple[bytes, bytes, int]
"""Name, value, and Unix ms of its end; 0: it has none."""


async def _read(source: Keyspace, names: Sequence[bytes]) -> list[Dumped]:
    pipe = source.client.pipeline(transaction=False)
    for name in names:
        pipe.dump(name)
        pipe.pexpiretime(name)  # type: ignore[arg-type]  # the library takes bytes too
    answers = await source.call(pipe.execute())
    return [
        (name, value, max(0, end))
        for name, value, end in zip(names, answers[0::2], answers[1::2], strict=True)
        if value is not None
    ]


async def _write(target: Keyspace, values: Sequence[Dumped], *, is_older: bool) -> list[Dumped]:
    """Those that the target's server does not take in this format. Raises what else it says."""
    pipe = target.client.pipeline(transaction=False)
    for name, value, end in values:
        pipe.restore(name, end, as_older(value) if is_older else value, replace=True, absttl=bool(end))
    answers = await target.call(pipe.execute(raise_on_error=False))
    failed = []
    for dumped, answer in zip(values, answers, strict=True):
        if isinstance(answer, ResponseError) and (_WRONG_FORMAT in str(answer) or "Bad data format" in str(answer)):
            failed.append(dumped)
        elif isinstance(answer, Exception):
            raise explain(answer) from answer
    return failed


def _is_key(name: str, value: object) -> bool:
    return isinstance(value, str) and not value.startswith("events:") and name != "QUEUE_GROUP"
