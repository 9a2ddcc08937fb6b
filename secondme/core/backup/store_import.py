"""How does a backup get into a server that others may use too? Only over no keys of ours, or with the owner's word; gone on with when it was broken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.admit.control_store import ControlStore
from secondme.core.backup.aof_writer import private_store
from secondme.core.backup.key_copy import Direct, copy_ours, holds_any, remove_all
from secondme.core.backup.store_export import save_store
from secondme.core.errors import BusyError, ConfigError
from secondme.core.fault_points import point
from secondme.core.store import keys

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.ports import Clock
    from secondme.core.store.client import Store


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


async def settled(target: Store) -> None:
    """The mark is gone. Repeatable."""
    await target.call(target.client.delete(keys.RESTORING))
