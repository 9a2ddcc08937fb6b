"""What of a store goes into a backup? All of a private one; of a server that others use too only our keys, out of the same one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.backup.aof_writer import Reading, private_store
from secondme.core.backup.key_copy import Direct, copy_ours
from secondme.core.backup.rdb_dump import take_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.ports import Clock
    from secondme.core.store.client import Store


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
        async with Reading(everything, clock, binary=binary, database=database) as reading:
            await copy_ours(Direct(reading.client), Direct(picked))
        everything.unlink()
        with into.open("wb") as file:
            await take_snapshot(picked, file, private=True)
