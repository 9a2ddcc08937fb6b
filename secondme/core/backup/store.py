"""The store's part of a backup: all of a private store; of a server that others use too, only our keys, out of one moment and back."""

from __future__ import annotations

import inspect
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError, ResponseError

from secondme.core.admit.control_store import ControlStore
from secondme.core.clock import from_ms
from secondme.core.errors import BusyError, ConfigError, DataError
from secondme.core.fault_points import point
from secondme.core.store import keys
from secondme.core.store.failures import explain
from secondme.core.store.namespace import Namespace
from secondme.core.store.rdb import Reading, private_store, take_snapshot
from secondme.core.store.scan import Keyspace, scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from datetime import datetime
    from pathlib import Path

    from redis.asyncio import Redis

    from secondme.core.ports import Clock
    from secondme.core.store.client import Store


_FOOTER = 10
_OLDER = (11).to_bytes(2, "little")
_POLYNOMIAL = 0x95AC9329AC4BC9B5
"""Jones', with its bits reversed."""


def as_older(dumped: bytes) -> bytes:
    """The same value with the footer of format 11, which Redis 7.2 and newer accept."""
    body = dumped[:-_FOOTER] + _OLDER
    return body + crc64(body).to_bytes(8, "little")


def crc64(data: bytes) -> int:
    """The checksum of `data` as the servers compute it. Some 10 MB a second."""
    table, crc = _table(), 0
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


BATCH = 100
"""Keys in one round trip."""
_WRONG_FORMAT = "DUMP payload version or checksum are wrong"


class Direct:
    """A client of a server that only this process uses, in the shape that `scan` takes."""

    def __init__(self, client: Redis, namespace: Namespace | None = None) -> None:
        self.client = client
        self.namespace = namespace or Namespace()

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
    found.discard(keys.PROBE.encode())
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
    return isinstance(value, str) and not value.startswith("events:") and name not in {"QUEUE_GROUP", "NUDGES"}


async def note_backup(store: Store, clock: Clock) -> None:
    """A backup was made now."""
    await store.call(store.client.set(keys.BACKUP_AT, clock.now_ms()))


async def last_backup_at(store: Store) -> datetime | None:
    """When the last backup was made; None when none is known of."""
    raw = await store.call(store.client.get(keys.BACKUP_AT))
    return from_ms(int(raw)) if raw is not None and raw.isdigit() else None


async def save_store(store: Store, into: Path, clock: Clock, *, binary: str = "") -> None:
    """The file `into`, which is there and empty, holds the store at one moment, in a form that our own server reads.

    What a shared server hands out is everybody's: it lies beside `into` until ours was picked out of it. Raises as `take_snapshot`, and
    DataError when the local server cannot read it.
    """
    if store.server is not None:
        with into.open("wb") as file:
            await take_snapshot(store.client, file, private=True)
        return
    everything, ours = into.with_name(f"{into.name}.all"), into.with_name(f"{into.name}.ours")
    with everything.open("wb") as file:
        await take_snapshot(store.client, file, private=False)
    database = int(store.client.connection_pool.connection_kwargs.get("db") or 0)
    async with private_store(ours, binary=binary) as picked:
        async with Reading(everything, clock, binary=binary, database=database, namespace=store.namespace) as reading:
            await copy_ours(Direct(reading.client, reading.namespace), Direct(picked))
        everything.unlink()
        with into.open("wb") as file:
            await take_snapshot(picked, file, private=True)


async def check_free(target: Store, digest: str, *, overwrite: bool) -> None:
    """Nobody works on `target`, and nothing of ours would be lost there. Raises BusyError or ConfigError."""
    if await ControlStore(target).alive():
        raise BusyError(
            "gateway_running",
            "A gateway or worker is working on the store behind redis_url.",
            "Stop every one, wait 15 seconds, and try again.",
        )
    begun = await target.call(target.client.get(keys.RESTORING))
    if not overwrite and begun != digest.encode() and await holds_any(target):
        raise ConfigError(
            "store_not_empty",
            "The store behind redis_url holds somebody's clone already.",
            "Add --overwrite to replace it; what is there is saved first. Or --embedded for a private store.",
        )


async def fill(target: Store, laid: Path, digest: str, saved: Path, clock: Clock, *, binary: str) -> int:
    """`target` holds our keys of the store in the directory `laid`, and no other of ours; returns how many.

    What was there before is in the file `saved`, unless that is there from a try that was broken off. Until `settled`, a mark says which
    backup is on its way.
    """
    begun = await target.call(target.client.get(keys.RESTORING))
    if begun != digest.encode() and await holds_any(target):
        fresh = saved.with_name(f"{saved.name}.new")
        fresh.touch(0o600)
        await save_store(target, fresh, clock, binary=binary)
        fresh.replace(saved)
    await target.call(target.client.set(keys.RESTORING, digest))
    point("restore.marked")
    await remove_all(target)
    async with private_store(laid, binary=binary) as source:
        return await copy_ours(Direct(source), target)


async def forward_jobs(client: Redis) -> None:
    """Jobs go on from now: what was due since the backup was made is not run, for it was run then, or its time is over. A line in each log says so."""
    seconds, _ = await client.time()
    names: list[bytes] = await client.zrange(keys.JOBS_INDEX, 0, -1)  # type: ignore[assignment]  # the library knows more answers than this one
    for raw in names:
        job = raw.decode()
        if await client.exists(keys.job_state(job)):
            await client.hset(keys.job_state(job), mapping={"cursor": seconds * 1000, "open": "0", "lease_until": "0"})
            await client.rpush(
                keys.job_log(job), json.dumps({"occurrence": seconds * 1000, "outcome": "restored", "at": seconds * 1000})
            )
    await client.delete(keys.JOBS_DUE)


async def settled(target: Store) -> None:
    """The mark is gone. Repeatable."""
    await target.call(target.client.delete(keys.RESTORING))
