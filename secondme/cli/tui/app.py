"""The screen: a bar, five pages, and the keys. It reads the store like any other client and keeps itself fresh.

Events say that something changed; the lists themselves are read anew, so the screen is right after every gap too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from secondme.cli.tui.bar import Bar
from secondme.cli.tui.desk import Desk
from secondme.cli.tui.dialogs import ConfirmDialog, HelpDialog, PauseDialog, length_of
from secondme.cli.tui.link import Link
from secondme.cli.tui.pages.approved import ApprovedPage
from secondme.cli.tui.pages.channels import ChannelsPage
from secondme.cli.tui.pages.denied import DeniedPage
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.pages.pending import PendingPage
from secondme.cli.tui.pages.security import SecurityPage
from secondme.cli.tui.theme import THEME
from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError
from secondme.core.log import security_file

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from datetime import datetime, timedelta

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Snapshot
    from secondme.core.ports import Clock
    from secondme.core.settings import Setup

_POLL_S = 2.0
"""A look without an event: a gateway that was killed says nothing."""
_BURST_S = 0.05
"""Events that come together cause one look."""
_TICK_S = 1.0
_STDIN = 0
_CLOSE_S = 8.0
"""Longer than a server needs to end."""

PAGES = {"pending": "Waiting", "approved": "Approved", "denied": "Denied", "security": "Security", "channels": "Channels"}


class SecondmeApp(App[None]):
    """What the owner sees and does."""

    TITLE = "secondme"
    CSS_PATH = "theme.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"page('{page}')", PAGES[page], show=False) for number, page in enumerate(PAGES, 1)),
        Binding("p", "pause", "Pause"),
        Binding("k", "kill", "Kill"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, setup: Setup, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._link = Link(setup, clock)
        self._changed = asyncio.Event()
        desk = Desk(self, self._link, self._changed.set)
        self._bar = Bar()
        self._banner = Static(id="banner", markup=False)
        log_file = security_file(setup.places.logs)
        self._pages: dict[str, Page] = {
            "pending": PendingPage(desk, "pending"),
            "approved": ApprovedPage(desk, "approved"),
            "denied": DeniedPage(desk, "denied"),
            "security": SecurityPage(desk, "security", log_file),
            "channels": ChannelsPage(desk, "channels"),
        }
        self._desk = desk
        self._snapshot: Snapshot | None = None
        self._is_on_terminal = False
        self._lost: SecondmeError | None = None
        self._linking: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        """Bar, banner, pages, keys."""
        yield self._bar
        yield self._banner
        with TabbedContent(initial="pending"):
            for number, (page, title) in enumerate(PAGES.items(), 1):
                with TabPane(f"{number} {title}", id=page):
                    yield self._pages[page]
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """It looks, listens, and counts down."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self._bar.show(None, self._now(), is_lost=False)
        self._is_on_terminal = not self.is_headless and os.isatty(_STDIN)
        self._linking = self._kept(self._link.run(self._heard, self._lose))
        self._looking = self._kept(self._keep_fresh())
        self.set_interval(_TICK_S, self._tick)
        self._pages["pending"].focus_page()
        self._tick()

    def _kept(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task whose bug ends the screen, as a worker's would; unlike a worker it is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: None if done.cancelled() else self._ended(done.exception()))
        return task

    def _ended(self, error: BaseException | None) -> None:
        if isinstance(error, Exception):
            self._handle_exception(error)

    async def on_unmount(self) -> None:
        """The store is closed in order, and a server that we ran has ended: the framework would not wait for that."""
        for task in filter(None, (self._looking, self._linking)):
            task.cancel()
            await asyncio.wait([task], timeout=_CLOSE_S)

    def _fatal_error(self) -> None:
        """A bug ends the screen without the framework's traceback: that shows local variables, and they may quote a person. The command
        says in one line what it was."""
        self._close_messages_no_wait()

    @property
    def failure(self) -> Exception | None:
        """The bug that ended the screen, if one did."""
        return self._exception

    # What changes by itself

    async def _keep_fresh(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                snapshot = await self._link.read()
            except SecondmeError as error:
                if self._snapshot is not None or self._lost is not None:
                    self._lose(error)
            else:
                self._show(snapshot)
            await self._clock.sleep(_BURST_S)

    def _heard(self, event: dict[str, Any]) -> None:
        kind, page = event.get("type"), self._page
        if kind == "pairing_request" and page != "pending":
            who = shown_name(str(event.get("displayName") or ""), str(event.get("contactId", "")))
            self.notify(f"{who} asks to be let in. Press 1.", markup=False)
        self._changed.set()

    def _lose(self, error: SecondmeError) -> None:
        self._lost = error
        self._banner.update(f"{error.message} Trying again. What you see may be old. {error.fix}".strip())
        self._banner.add_class("shown")
        self._bar.show(None, self._now(), is_lost=True)

    def _show(self, snapshot: Snapshot) -> None:
        if not self.query("ContentTabs"):
            self._changed.set()  # the screen is being put up or taken down: look again
            return
        self._snapshot = snapshot
        if self._lost is not None:
            self._lost = None
            self._banner.remove_class("shown")
        now = self._now()
        self._bar.show(snapshot.overview, now, is_lost=False)
        for page in self._pages.values():
            page.show(snapshot, now)
        listing = snapshot.listing
        counts = {"pending": len(listing.pending), "approved": len(listing.approved), "denied": len(listing.denied)}
        tabs = self.query_one(TabbedContent)
        for number, (page_id, title) in enumerate(PAGES.items(), 1):
            count = counts.get(page_id)
            tabs.get_tab(page_id).label = Text(f"{number} {title} {count}" if count else f"{number} {title}")
        if listing.corrupt:
            self._banner.update(f"{len(listing.corrupt)} records cannot be read: secondme pairing list names them.")
            self._banner.add_class("shown")
        else:
            self._banner.remove_class("shown")

    def _tick(self) -> None:
        if self._is_on_terminal and not os.isatty(_STDIN):
            self.exit()  # it was hung up; the framework would ask the dead line for keys without end
            return
        now = self._now()
        self._pages["security"].tick(now)
        if self._snapshot is None:
            return  # nothing is known yet: an empty list would be a claim
        for page in self._pages.values():
            page.tick(now)
        if self._lost is None:
            self._bar.show(self._snapshot.overview, now, is_lost=False)

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())

    # What the owner does

    @property
    def _page(self) -> str:
        return self.query_one(TabbedContent).active or "pending"

    def action_page(self, page: str) -> None:
        """Another page."""
        self.query_one(TabbedContent).active = page
        self._pages[page].focus_page()

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """A tab was clicked: its page's keys work."""
        page = event.pane.id
        if page in self._pages and not isinstance(self.focused, DataTable):
            self._pages[page].focus_page()

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(HelpDialog())

    @work
    async def action_pause(self) -> None:
        """Pause everybody, or answer again."""
        everybody = self._snapshot.overview.everybody if self._snapshot else None
        if everybody is not None and everybody.killed:
            self.notify("The kill switch is on, which stops everybody already. Press k.", severity="warning", markup=False)
        elif everybody is not None:
            await self._desk.decide(self._resume)
        else:
            choice = await self.push_screen_wait(PauseDialog("Pause everybody for how long?"))
            if choice is not None:
                await self._desk.decide(lambda: self._pause(choice, length_of(choice)))

    @work
    async def action_kill(self) -> None:
        """The kill switch, on or off, after a confirmation."""
        everybody = self._snapshot.overview.everybody if self._snapshot else None
        if everybody is not None and everybody.killed:
            body = "Who waits is answered again."
            if await self.push_screen_wait(ConfirmDialog("Lift the kill switch?", body, "Lift it")):
                await self._desk.decide(self._unkill)
        else:
            body = "Nothing is sent to anybody until you lift it. Replies on their way become drafts."
            if await self.push_screen_wait(ConfirmDialog("Turn the kill switch on?", body, "Stop everything")):
                await self._desk.decide(self._kill)

    async def _pause(self, choice: str, length: timedelta | None) -> str:
        await self._link.steering.pause(None, length)
        return f"Everybody is paused, {choice}."

    async def _resume(self) -> str:
        await self._link.steering.resume(None)
        return "Everybody is answered again."

    async def _kill(self) -> str:
        await self._link.steering.kill()
        return "The kill switch is on. Nothing is sent to anybody."

    async def _unkill(self) -> str:
        await self._link.steering.unkill()
        return "The kill switch is off."
