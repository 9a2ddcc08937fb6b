"""The witness: a file in the home that says how many people were approved, so that a store that lost them is not taken for a new one.

Without it, a store that comes back empty looks like a fresh home: everybody who was approved is a stranger again, and is told so.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError
from secondme.core.files import read_private, write_private
from secondme.core.ids import new_id
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.admit.pairing_store import PairingStore, Tally
    from secondme.core.ports import Clock

log = get_logger(__name__)


_LOOKS, _LOOK_S = 3, 1.0


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the file says: which store it was, how many contacts were approved there at `at_ms` (Unix), and how many approvals had been
    taken back by then."""

    home: str
    approved: int
    removed: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Loss:
    """The store has fewer approved contacts than it can have: it is another one, or lost a part of its data."""

    was: int
    has: int
    at_ms: int
    """When there were so many, Unix."""


def testimony(path: Path) -> Testimony | None:
    """None where there is none, or none that can be read: nobody is stopped for that."""
    try:
        record = json.loads(read_private(path) or "null")
        return Testimony(str(record["home"]), int(record["approved"]), int(record["removed"]), int(record["at"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ConfigError):
        return None


class Witness:
    """Of one home and its store."""

    def __init__(self, path: Path, pairing: PairingStore, clock: Clock) -> None:
        self._path = path
        self._pairing = pairing
        self._clock = clock

    async def loss(self) -> Loss | None:
        """What the store has lost; None when nobody is missing, or there is no witness. Raises as every call of the store."""
        seen, now = testimony(self._path), await self._pairing.tally()
        if seen is None or not _is_missing(seen, now):
            return None
        return Loss(seen.approved, now.approved, seen.at_ms)

    async def is_shared(self) -> bool:
        """False when the store belongs to a gateway whose home is another one than ours. A gateway that is only now writing its file is waited
        for."""
        for _ in range(_LOOKS):
            known = (await self._pairing.tally()).home
            seen = testimony(self._path)
            if not known or (seen is not None and seen.home == known):
                return True
            await self._clock.sleep(_LOOK_S)
        return False

    async def keep(self) -> None:
        """The file says what is there now, unless somebody is missing. Repeatable; what did not change is not written again."""
        seen, now = testimony(self._path), await self._pairing.tally()
        if seen is None or not _is_missing(seen, now):
            await self._write(seen, now)

    async def accept(self) -> Loss | None:
        """What is there now is all there is, by the owner's own word; what was missing."""
        loss = await self.loss()
        await self._write(None, await self._pairing.tally())
        return loss

    async def _write(self, seen: Testimony | None, now: Tally) -> None:
        home = now.home or await self._pairing.name_home(new_id())
        if seen is not None and (seen.home, seen.approved, seen.removed) == (home, now.approved, now.removed):
            return
        record = {"home": home, "approved": now.approved, "removed": now.removed, "at": self._clock.now_ms()}
        try:
            await asyncio.to_thread(write_private, self._path, json.dumps(record) + "\n")
        except (OSError, ConfigError) as error:
            log.warning("witness_unwritable", reason=getattr(error, "strerror", "") or "unusable directory")


def _is_missing(seen: Testimony, now: Tally) -> bool:
    taken_back = max(0, now.removed - seen.removed)
    return seen.approved > 0 and (now.home != seen.home or now.approved < seen.approved - taken_back)
