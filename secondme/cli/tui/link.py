"""The screen's connection to the store, which comes back by itself, and the actions of its pages.

The link borrows the store: with no gateway it runs the private server itself, and it gives that up at once when a gateway starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from secondme.cli.tui.draft_decisions import DraftDecisions
from secondme.cli.tui.pairing_decisions import PairingDecisions
from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.core.store.events import listen
from secondme.core.store.server import Role
from secondme.services import Services, open_services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from datetime import datetime

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
_RANK_MS = 30_000
_FEW_RANKS = 500
"""Of so few conversations it is known at every look when something was last said."""
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
    ranks: dict[str, int]
    """Contact -> when something was last said there, Unix ms; at most half a minute old."""
    proposals: int
    """How many things skills would do, if the owner says so."""


class StoreLink:
    """The screen's connection to the store."""

    def __init__(self, setup: Setup, clock: Clock) -> None:
        self.setup = setup
        self._clock = clock
        self._services: Services | None = None
        self._users = 0
        self._ranks: tuple[float, frozenset[str], dict[str, int]] | None = None
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
            proposals = len(await services.skill_store.proposals())
            ranks = await self._newest(frozenset(each.contact_id for each in listing.approved))
            return Snapshot(overview, listing, pauses, drafts, held, corrupt, ranks, proposals)

    async def _newest(self, contacts: frozenset[str]) -> dict[str, int]:
        """To know when something was last said everywhere, every conversation's last line is read: not at every look."""
        now_ms = self._clock.now_ms()
        if (
            self._ranks is None
            or self._ranks[1] != contacts
            or (len(contacts) <= _FEW_RANKS or not 0 <= now_ms - self._ranks[0] < _RANK_MS)
        ):
            ranks = await self.services.conversations.newest_ms([ContactId(each) for each in contacts])
            self._ranks = now_ms, contacts, ranks
        return self._ranks[2]

    def note_newest(self, contact: str, at_ms: int) -> None:
        """Something was said there since."""
        if self._ranks is not None:
            self._ranks[2][contact] = at_ms

    def asleep_until(self, now: datetime) -> datetime | None:
        """When the owner wakes; None while they are awake. A kill switch or a pause is no sleep."""
        from secondme.core.send.pacing import SleepSchedule

        schedule = SleepSchedule(self.setup.settings.sleep)
        return schedule.wakes_at(now) if schedule.is_asleep(now) else None

    def now(self) -> datetime:
        """The time on the screen's clock (aware UTC)."""
        return from_ms(self._clock.now_ms())

    @property
    def is_fresh(self) -> bool:
        """True on a home that has no settings of its own yet."""
        return not self.setup.places.config_file.exists()

    def has(self, services: Services) -> bool:
        """False when this connection is lost, or given up as soon as nobody uses it: a gateway waits for the server."""
        return self._services is services

    async def keep_theme(self, name: str) -> str:
        """The theme is in the settings. Raises ConfigError when they cannot be written."""
        places = self.setup.places

        def keep() -> None:
            from secondme.core.config.files import write
            from secondme.core.config.loader import plan_settings

            write(plan_settings(places, {"tui.theme": name}, home=places.config if places.is_apart else None), self._clock.now_ms())

        await asyncio.to_thread(keep)
        return f"The screen keeps the theme {name}."

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
        self.pairing = PairingDecisions(self)
        self.drafts = DraftDecisions(self)

    def now(self) -> datetime:
        """The time on the screen's clock (aware UTC)."""
        return self.link.now()

    def copy(self, words: str, what: str) -> None:
        """The words are in the terminal's clipboard, as far as the terminal takes them (OSC 52)."""
        self._app.copy_to_clipboard(words)
        self._app.notify(f"{what[0].upper()}{what[1:]} is copied: {words}", markup=False)

    async def go_to(self, page: str, key: str) -> None:
        """This page is shown, its cursor on this row."""
        await self._app.go_to(page, key)  # type: ignore[attr-defined]  # there is one app

    async def go_to_page(self, page: str) -> None:
        """This page is shown."""
        await self._app.action_page(page)  # type: ignore[attr-defined]  # as above

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
