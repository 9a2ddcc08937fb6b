"""The screen: a bar, its pages, and the keys. It reads the store like any other client and keeps itself fresh.

Events say that something changed; the lists themselves are read anew, so the screen is right after every gap too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import Footer, Static, TabPane

from secondme.cli.tui.commands import ScreenCommands
from secondme.cli.tui.help import HelpDialog
from secondme.cli.tui.link import Actions, Snapshot, StoreLink
from secondme.cli.tui.pages.approved import ApprovedPage
from secondme.cli.tui.pages.channels import ChannelsPage
from secondme.cli.tui.pages.conversations import ConversationsPage
from secondme.cli.tui.pages.drafts import DraftsPage
from secondme.cli.tui.pages.jobs import JobsPage
from secondme.cli.tui.pages.memory import MemoryPage
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.pages.pairing import DeniedPage, PendingPage
from secondme.cli.tui.pages.security import SecurityPage
from secondme.cli.tui.pages.skills import SkillsPage
from secondme.cli.tui.pages.usage import UsagePage
from secondme.cli.tui.pages.voice import VoicePage
from secondme.cli.tui.widgets import KEYS, PAGES, THEME, Bar, PageTabs, Switches, label_of, labels
from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError
from secondme.core.log import security_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from datetime import datetime

    from secondme.core.config.loader import Setup
    from secondme.core.ports import Clock

_POLL_S = 2.0
"""A look without an event: a gateway that was killed says nothing."""
_BURST_S = 0.05
"""Events that come together cause one look."""
_TICK_S = 1.0
_STDIN = 0
_CLOSE_S = 8.0
"""Longer than a server needs to end."""
_HEIGHTS = [(0, "-short"), (12, "-low"), (18, "-tall")]
"""From so many lines on, the screen has this class."""
_TOASTS = 3
"""More drafts that come at once are one toast."""


class SecondmeApp(App[None]):
    """What the owner sees and does."""

    TITLE = "secondme"
    CSS_PATH = "theme.tcss"
    COMMANDS = {ScreenCommands}  # noqa: RUF012  as the framework declares it
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"page('{page}')", PAGES[page], show=False) for page, key in KEYS.items()),
        Binding("p", "pause", "Pause"),
        Binding("k", "kill", "Kill"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, setup: Setup, clock: Clock) -> None:
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name  # from the start: a theme that comes later styles everything twice
        self._clock = clock
        self._link = StoreLink(setup, clock)
        self._changed = asyncio.Event()
        desk = Actions(self, self._link, self._changed.set)
        self._bar = Bar()
        self._banner = Static(id="banner", markup=False)
        log_file = security_file(setup.places.logs)
        self._pages: dict[str, Page] = {
            "pending": PendingPage(desk, "pending"),
            "approved": ApprovedPage(desk, "approved"),
            "denied": DeniedPage(desk, "denied"),
            "security": SecurityPage(desk, "security", log_file),
            "channels": ChannelsPage(desk, "channels"),
            "conversations": ConversationsPage(desk, "conversations"),
            "drafts": DraftsPage(desk, "drafts"),
            "voice": VoicePage(desk, "voice"),
            "usage": UsagePage(desk, "usage"),
            "skills": SkillsPage(desk, "skills"),
            "memory": MemoryPage(desk, "memory"),
            "jobs": JobsPage(desk, "jobs"),
        }
        self._switches = Switches(self, desk)
        self._snapshot: Snapshot | None = None
        self._counts: dict[str, int] = {}
        self._held: set[str] = set()
        """Contacts to whom a reply was held since the last look."""
        self._is_on_terminal = False
        self._lost: SecondmeError | None = None
        self._linking: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        """Bar, banner, pages, keys."""
        yield self._bar
        yield self._banner
        with PageTabs(initial="pending"):
            for page, title in PAGES.items():
                with TabPane(label_of(page, title), id=page):
                    yield self._pages[page]
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """It looks, listens, and counts down."""
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
                snapshot = await self._link.read(all_drafts=self._page == "drafts")
                with self._link.in_use():
                    await self._pages[self._page].read(snapshot, self._clock.now_ms())
            except SecondmeError as error:
                if self._snapshot is not None or self._lost is not None:
                    self._lose(error)
            else:
                self._show(snapshot)
            await self._clock.sleep(_BURST_S)

    def _heard(self, event: dict[str, Any]) -> None:
        kind, page = event.get("type"), self._page
        if kind == "reply_held" and page != "drafts":
            self._held.add(str(event.get("contactId", "")))
        who = shown_name(str(event.get("displayName") or ""), str(event.get("contactId", "")))
        if kind == "proposal_made" and page != "skills":
            self.notify(f"A skill would do something for {who}. Press 0.", markup=False)
        if kind == "pairing_request" and page != "pending":
            self.notify(f"{who} asks to be approved. Press 1.", markup=False)
        if kind == "pairing_verified":  # by a code of their own: nobody pressed a key here
            self.notify(f"{who} sent the right code and is approved.", markup=False)
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
        self._bar.show(snapshot.overview, now, is_lost=False, drafts=snapshot.draft_count)
        for page in self._pages.values():
            page.show(snapshot, now)
        listing = snapshot.listing
        self._counts = {
            "pending": len(listing.pending),
            "approved": len(listing.approved),
            "denied": len(listing.denied),
            "drafts": snapshot.draft_count,
        }
        self._label_tabs()
        self._tell_held(snapshot)
        if listing.corrupt:
            self._banner.update(f"{len(listing.corrupt)} records cannot be read: secondme pairing list names them.")
            self._banner.add_class("shown")
        else:
            self._banner.remove_class("shown")

    def _label_tabs(self) -> None:
        shown = self.query(PageTabs)
        try:
            for page, label in labels(self.size.width, self._counts, self._page).items() if shown else ():
                shown.first().get_tab(page).label = Text(label)
        except NoMatches:
            self._changed.set()  # the tabs come up after what holds them, and go before it: look again

    def _tell_held(self, snapshot: Snapshot) -> None:
        """Replies that were held since the last look, and wait still, are said, unless their page is shown."""
        waiting = {draft.contact_id for draft in snapshot.drafts or ()} if snapshot.drafts is not None else self._held
        fresh, self._held = sorted(self._held & waiting), set()
        if self._page == "drafts":
            return
        if len(fresh) > _TOASTS:
            self.notify(f"Replies to {len(fresh)} people wait for you. Press 7.", markup=False)
            return
        names = {contact.contact_id: contact.display_name for contact in snapshot.listing.approved} if fresh else {}
        for contact in fresh:
            self.notify(f"A reply to {shown_name(names.get(contact), contact)} waits for you. Press 7.", markup=False)

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
            self._bar.show(self._snapshot.overview, now, is_lost=False, drafts=self._snapshot.draft_count)

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())

    # What the owner does

    @property
    def _page(self) -> str:
        shown = self.query(PageTabs)  # not there while the screen is put up or taken down
        return (shown.first().active if shown else "") or "pending"

    def action_page(self, page: str) -> None:
        """Another page."""
        self.query_one(PageTabs).active = page
        self._pages[page].focus_page()

    def shown_actions(self) -> Iterator[tuple[Binding, Callable[[], Awaitable[object]]]]:
        """What can be done now: on the shown page first, then everywhere."""
        page = next((each for each in self._pages.values() if each.is_shown), None)
        for owner in filter(None, (page, self)):
            for binding in owner.BINDINGS:
                if isinstance(binding, Binding) and binding.show:
                    yield binding, partial(self.run_action, binding.action, owner)

    def on_tabbed_content_tab_activated(self, event: PageTabs.TabActivated) -> None:
        """A page came up, by key or click: its keys work, and what only it shows is read."""
        page = self._pages.get(event.pane.id or "")
        if page is not None and self.screen_stack:  # none is left while we close
            if self.focused is None or page not in self.focused.ancestors:
                page.focus_page()
            self._label_tabs()
            self._changed.set()

    def on_resize(self) -> None:
        """The tabs' titles fit."""
        self._label_tabs()

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(HelpDialog())

    @work
    async def action_pause(self) -> None:
        """Pause everybody, or answer again."""
        await self._switches.pause(self._snapshot.overview.everybody if self._snapshot else None)

    @work
    async def action_kill(self) -> None:
        """The kill switch, on or off, after a confirmation."""
        await self._switches.kill(self._snapshot.overview.everybody if self._snapshot else None)
