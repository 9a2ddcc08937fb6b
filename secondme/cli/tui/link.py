"""The screen's connection to the store, which comes back by itself, and the actions of its pages.

The link borrows the store: with no gateway it runs the private server itself, and it gives that up at once when a gateway starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.core.store.events import listen
from secondme.core.store.server import Role
from secondme.services import Services, open_services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from textual.app import App

    from secondme.core.admit.pairing_store import Listing
    from secondme.core.config.loader import Setup
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.ports import Clock
    from secondme.core.records import Pause
    from secondme.core.send.drafts import Draft
    from secondme.core.store.client import Store


BY_TUI = "tui"
"""Who approved, in the records."""
_AGAIN_S = 0.5
_FEW = 300
"""So many held messages are read whatever page is shown; more only for the pages that show them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that more than one page shows, read together."""

    overview: SystemStatus
    listing: Listing
    pauses: dict[str, Pause]
    drafts: list[Draft] | None
    """What waits for the owner, the oldest first; None when it is a great deal and was not read."""
    draft_count: int
    unreadable_drafts: int


class StoreLink:
    """The screen's connection to the store."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.setup = setup
        self._clock = clock
        self._services: Services | None = None
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    async def run(self, heard: Callable[[dict[str, Any]], None], lost: Callable[[SecondmeError], None]) -> None:
        """Keep the connection until cancelled. `heard` gets every event, and {} when everything may have changed; `lost` says why there
        is no connection. A failure of any known cause is tried again."""
        while True:
            try:
                async with open_services(self.setup, Role.BORROW, BY_TUI) as services:
                    self._services = services
                    try:
                        await self._hear(services.store, heard)
                    finally:
                        self._services = None
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
        async for event in listen(store, *keys.EVENTS, missed=lambda: heard({})):
            if event is not None:
                heard(event[1])
            if store.is_wanted:
                return

    async def read(self, *, all_drafts: bool) -> Snapshot:
        """How everything stands now; `all_drafts`: with the drafts, however many there are. Raises UnavailableError without a connection."""
        with self.in_use():
            services = self.services
            listing = await services.listing()
            pauses = await services.control.contact_pauses([ContactId(each.contact_id) for each in listing.approved])
            overview = await services.status()
            held, drafts, corrupt = overview.backlog.held, None, 0
            if all_drafts or held <= _FEW:
                drafts, unreadable = await services.drafts.waiting() if held else ([], [])
                held, corrupt = len(drafts), len(unreadable)
            return Snapshot(overview, listing, pauses, drafts, held, corrupt)

    @property
    def services(self) -> Services:
        """What the owner's decisions and the pages need, over this connection; for reading, inside `in_use`. Raises UnavailableError
        without a connection."""
        if self._services is None:
            raise UnavailableError("store_unreachable", "The store does not answer.", "Nothing was changed; try again in a moment.")
        return self._services


T = TypeVar("T")

_LONG_S = 8.0


class Actions:
    """What pages act through."""

    def __init__(self, app: App[Any], link: StoreLink, look_again: Callable[[], None]) -> None:
        self._app = app
        self.link = link
        self.look_again = look_again
        """What the shown page needs is read anew, soon."""

    async def fetch(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What was asked for; None when it could not be had, and the owner was told why."""
        try:
            with self.link.in_use():
                return await ask()
        except SecondmeError as error:
            self._complain(error)
            return None

    async def decide(self, decision: Callable[[], Awaitable[str]]) -> bool:
        """The decision was taken (true), or not; either way the owner was told which."""
        return await self.decide_all([decision]) == 1

    async def decide_all(self, decisions: Sequence[Callable[[], Awaitable[str]]], several: str = "") -> int:
        """Each decision was tried; one that fails does not keep the others from being taken. Returns how many were. More than three
        successes are one toast, `several`, with their number in place of {}."""
        said: list[str] = []
        for decision in decisions:
            try:
                with self.link.in_use():
                    said.append(await decision())
            except SecondmeError as error:
                self._complain(error)
        taken = len(said)
        if several and taken > _TOASTS:
            said = [several.format(taken)]
        for text in said:
            self._app.notify(text, markup=False)
        self.look_again()
        return taken

    def _complain(self, error: SecondmeError) -> None:
        self._app.notify(f"{error.message} {error.fix}".strip(), severity="error", timeout=_LONG_S, markup=False)


_TOASTS = 3
