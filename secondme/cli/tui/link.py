"""How does the screen learn what changed, and how does it act? Through one connection that comes back by itself.

The link borrows the store: with no gateway it runs the private server itself, and it gives that up at once when a gateway starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.cli import compose
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.core.store.embedded import Role
from secondme.core.store.events import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secondme.core.admit.pairing import Owner
    from secondme.core.admit.steering import Steering
    from secondme.core.overview import Overview
    from secondme.core.ports import Clock
    from secondme.core.records import Pause
    from secondme.core.settings import Setup
    from secondme.core.store.connect import Store
    from secondme.core.store.pairing import Listing

BY_TUI = "tui"
"""Who approved, in the records."""
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the screen shows, read together."""

    overview: Overview
    listing: Listing
    pauses: dict[str, Pause]


class Link:
    """The screen's connection to the store."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self._setup = setup
        self._clock = clock
        self._store: Store | None = None
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    async def run(self, heard: Callable[[dict[str, Any]], None], lost: Callable[[SecondmeError], None]) -> None:
        """Keep the connection until cancelled. `heard` gets every event, and {} when everything may have changed; `lost` says why there
        is no connection. A failure of any known cause is tried again."""
        while True:
            try:
                async with compose.open_store(self._setup, Role.BORROW) as store:
                    self._store = store
                    try:
                        await self._hear(store, heard)
                    finally:
                        self._store = None
                        await self._unused.wait()  # what is under way ends by itself, or by its time-out
            except SecondmeError as error:
                lost(error)
                await self._clock.sleep(_AGAIN_S)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """The connection is not closed meanwhile, however much it is lost: a command under way would open it again."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def _hear(self, store: Store, heard: Callable[[dict[str, Any]], None]) -> None:
        """Say what happens until a gateway wants the server, which is found again at the next turn."""
        heard({})
        async for event in listen(store, *keys.EVENTS, missed=lambda: heard({})):
            if event is not None:
                heard(event[1])
            if store.is_wanted:
                return

    async def read(self) -> Snapshot:
        """How everything stands now. Raises UnavailableError without a connection."""
        with self.in_use():
            store = self._connected()
            listing = await compose.pairing_store(store, self._setup.settings).listing()
            contacts = [ContactId(each.contact_id) for each in listing.approved]
            pauses = await compose.control_store(store).contact_pauses(contacts)
            return Snapshot(await compose.overview(store, self._setup), listing, pauses)

    @property
    def owner(self) -> Owner:
        """The owner's decisions. Raises UnavailableError without a connection."""
        return compose.owner(self._connected(), self._setup, BY_TUI)

    @property
    def steering(self) -> Steering:
        """The owner's pauses. Raises UnavailableError without a connection."""
        return compose.steering(self._connected(), self._setup, BY_TUI)

    def _connected(self) -> Store:
        if self._store is None:
            raise UnavailableError("store_unreachable", "The store does not answer.", "Nothing was changed; try again in a moment.")
        return self._store
