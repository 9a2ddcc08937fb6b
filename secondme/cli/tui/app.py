"""The screen: a bar, ten pages, and the keys. It reads the store like any other client and keeps itself fresh.

Events say that something changed; the lists themselves are read anew, so the screen is right after every gap too.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Event, InputEvent, Key
from textual.widgets import ContentSwitcher

from secondme.cli.tui.bar import Banner, Bar, Standing
from secondme.cli.tui.commands import ScreenCommands
from secondme.cli.tui.hints import Hints
from secondme.cli.tui.layout import AsciiOnly, shown_name
from secondme.cli.tui.link import Actions, Snapshot, StoreLink
from secondme.cli.tui.nav import BEHIND, DIGITS, PAGES, Nav
from secondme.cli.tui.questions import asks
from secondme.cli.tui.switches import Switches
from secondme.cli.tui.theme import NIGHT, THEMES, is_ascii, is_plain, variables
from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from datetime import datetime

    from textual.filter import LineFilter
    from textual.screen import Screen

    from secondme.cli.tui.pages.page import Page
    from secondme.core.config.loader import Setup
    from secondme.core.ports import Clock

_PAGES = "secondme.cli.tui.pages"
_TITLES = PAGES | {page: title for page, (_, title) in BEHIND.items()}
_MODULES = {page: f"{_PAGES}.{page}:{title}Page" for page, title in _TITLES.items()}
"""Page id -> where its class is. A page that is never looked at is never imported."""
_POLL_S = 2.0
"""A look without an event: a gateway that was killed says nothing."""
_BURST_S = 0.05
"""Events that come together cause one look."""
_TICK_S = 1.0
_BLINK_S = 0.3
"""A first look that takes no longer is not spoken of."""
_STDIN = 0
_CLOSE_S = 8.0
"""Longer than a server needs to end."""
_WIDTHS = [(0, "-thin"), (76, "-narrow"), (110, "-wide")]
_HEIGHTS = [(0, "-tiny"), (20, "-low"), (28, "-tall")]
"""From so many columns or lines on, the screen has this class."""
_REST_S = 5.0
"""Without a key for so long, the owner does not wait for the screen."""
_COLLECT_S = 60.0
_TWICE_S = 3.0
_TOASTS = 3
"""More drafts that come at once are one toast."""


class SecondmeApp(App[None]):
    """What the owner sees and does."""

    TITLE = "secondme"
    CSS_PATH = "theme.tcss"
    COMMANDS = {ScreenCommands}  # noqa: RUF012  as the framework declares it
    COMMAND_PALETTE_DISPLAY = "Commands"
    NOTIFICATION_TIMEOUT = 4
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = _WIDTHS
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(digit, f"page('{page}')", PAGES[page], show=False) for page, digit in DIGITS.items()),
        Binding("l,right", "pane(1)", "Next pane", show=False),
        Binding("h,left", "pane(-1)", "Pane before", show=False),
        Binding("p", "pause", "Pause everybody, or answer again", show=False),
        Binding("exclamation_mark", "stop", "Stop", show=False),
        Binding("question_mark", "help", "Help", show=False),
        Binding("q", "quit", "Leave", show=False),
        Binding("ctrl+c", "leave", "Leave", show=False, system=True),
    ]

    def __init__(self, setup: Setup, clock: Clock) -> None:
        super().__init__(ansi_color=True if is_plain() else None)
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        wanted = setup.settings.tui.theme
        self.theme = (
            wanted if wanted in self.available_themes else THEMES[0].name
        )  # from the start: a later one styles everything twice
        self._filters_of_ours: list[LineFilter] = [AsciiOnly()] if is_ascii() else []
        self._setup, self._clock = setup, clock
        self._link = StoreLink(setup, clock)
        self._changed = asyncio.Event()
        self.desk = Actions(self, self._link, self._changed.set)
        self._bar, self._nav, self._banner, self._hints = Bar(), Nav(), Banner(), Hints()
        self._pages: dict[str, Page] = {}
        """Those that were looked at."""
        self._page = "today"
        self._switches = Switches(self, self.desk)
        self._standing = Standing()
        self.is_asking = False
        """True while an action asks, or takes a moment."""
        self._pressed_at = self._collected_at = time.monotonic()
        self._left_at = -_TWICE_S
        self._held: set[str] = set()
        """Contacts to whom a reply was held since the last look."""
        self._is_on_terminal = False
        self._linking: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Every theme has our roles, the framework's own ones too."""
        return variables(NIGHT)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Also ours, for terminals that draw no signs."""
        return [*super().get_line_filters(), *self._filters_of_ours]

    def get_default_screen(self) -> Screen[Any]:
        """Without colour, and in ASCII, it is styled by classes of its own."""
        screen = super().get_default_screen()
        self.dress(screen)
        return screen

    def dress(self, screen: Screen[Any]) -> None:
        """The screen, or a dialog, has the classes of this terminal."""
        screen.set_class(is_plain(), "-plain")
        screen.set_class(is_ascii(), "-ascii")

    def compose(self) -> ComposeResult:
        """Bar, pages, banner, what is shown, keys."""
        yield self._bar
        yield self._nav
        yield self._banner
        yield ContentSwitcher()
        yield self._hints

    async def on_mount(self) -> None:
        """It looks, listens, and counts down."""
        self._is_on_terminal = not self.is_headless and os.isatty(_STDIN)
        await self.action_page(self._page)
        self._linking = self._kept(self._link.run(self._heard, self._lose))
        self._looking = self._kept(self._keep_fresh())
        self.set_interval(_TICK_S, self._tick)
        self.set_timer(_BLINK_S, self._say_looking)
        self._tell()

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
            page = self._pages[self._page]
            try:
                snapshot = await self._link.read(all_drafts=self._page == "drafts")
                with self._link.in_use():
                    await page.read(snapshot, self._clock.now_ms())
            except SecondmeError as error:
                if self._standing.snapshot is not None or self._standing.lost:
                    self._lose(error)
            else:
                self._show(snapshot)
            await self._clock.sleep(_BURST_S)

    def _heard(self, event: dict[str, Any]) -> None:
        kind, page = event.get("type"), self._page
        if kind == "reply_held" and page not in {"drafts", "today"}:
            self._held.add(str(event.get("contactId", "")))
        who = shown_name(str(event.get("displayName") or ""), str(event.get("contactId", "")))
        if kind == "proposal_made" and page != "skills":
            self.notify(f"A skill would do something for {who}. Press {DIGITS['skills']}.", markup=False)
        if kind == "pairing_request" and page not in {"people", "today"}:
            self.notify(f"{who} asks to be approved. Press {DIGITS['people']}.", markup=False)
        if kind == "pairing_verified":  # by a code of their own: nobody pressed a key here
            self.notify(f"{who} sent the right code and is approved.", markup=False)
        self._changed.set()

    def _lose(self, error: SecondmeError) -> None:
        self._standing = replace(
            self._standing, lost=f"{error.message} {error.fix}".strip() if not self._standing.snapshot else error.message
        )
        self._tell()

    def _show(self, snapshot: Snapshot) -> None:
        now = self._now()
        self._standing = Standing(
            snapshot=snapshot,
            known_at=now,
            asleep_until=self._link.asleep_until(now),
            is_fresh=self._link.is_fresh,
        )
        self._tell()
        self._pages[self._page].show(snapshot, now)
        self._tell_held(snapshot)

    def _tell(self) -> None:
        """Bar, banner and pages say how things stand."""
        standing = self._standing
        self._bar.show(standing, self._now())
        self._banner.show(standing)
        if self.screen_stack:
            self.screen_stack[0].set_class(self._banner.has_class("shown"), "-banner")
        snapshot = standing.snapshot
        waiting = {} if snapshot is None else {
            "drafts": snapshot.draft_count, "people": len(snapshot.listing.pending), "skills": snapshot.proposals,
        }  # fmt: skip
        self._nav.show(self._page, waiting)

    def _tell_held(self, snapshot: Snapshot) -> None:
        """Replies that were held since the last look, and wait still, are said, unless their page is shown."""
        waiting = {draft.contact_id for draft in snapshot.drafts or ()} if snapshot.drafts is not None else self._held
        fresh, self._held = sorted(self._held & waiting), set()
        if self._page in {"drafts", "today"}:
            return
        if len(fresh) > _TOASTS:
            self.notify(f"Replies to {len(fresh)} people wait for you. Press {DIGITS['drafts']}.", markup=False)
            return
        names = {contact.contact_id: contact.display_name for contact in snapshot.listing.approved} if fresh else {}
        for contact in fresh:
            self.notify(
                f"A reply to {shown_name(names.get(contact), contact)} waits for you. Press {DIGITS['drafts']}.", markup=False
            )

    def _say_looking(self) -> None:
        self._standing = replace(self._standing, is_looking=True)
        self._bar.show(self._standing, self._now())

    def _tick(self) -> None:
        if self._is_on_terminal and not os.isatty(_STDIN):
            self.exit()  # it was hung up; the framework would ask the dead line for keys without end
            return
        self._collect()
        now = self._now()
        self._bar.show(self._standing, now)
        if page := self._pages.get(self._page):
            page.tick(now)

    async def on_event(self, event: Event) -> None:
        """What the owner presses is remembered by its time."""
        if isinstance(event, InputEvent):
            self._pressed_at = time.monotonic()
        await super().on_event(event)

    def on_key(self, event: Key) -> None:
        """A key that was pressed before the focus moved is for what has the focus now: letters that are typed right behind `w` are text."""
        focused = self.focused
        if focused is not None and focused.check_consume_key(event.key, event.character):
            event.prevent_default()
            focused.post_message(Key(event.key, event.character))

    def action_leave(self) -> None:
        """Ctrl-C twice leaves; once says so, for it may have been meant for a text."""
        now = time.monotonic()
        if now - self._left_at < _TWICE_S:
            self.exit()
        self._left_at = now
        self.notify("Ctrl+C again leaves. What you typed is not kept then.", timeout=_TWICE_S, markup=False)

    def _collect(self) -> None:
        """Garbage of all kinds is collected now and then, while nobody waits for the screen."""
        now = time.monotonic()
        if now - self._pressed_at > _REST_S and now - self._collected_at > _COLLECT_S:
            self._collected_at = now
            gc.collect()

    def _now(self) -> datetime:
        return from_ms(self._clock.now_ms())

    @property
    def snapshot(self) -> Snapshot | None:
        """How everything stood at the last look; None before the first one."""
        return self._standing.snapshot

    @property
    def is_looking(self) -> bool:
        """True until it is known how things stand, or that this cannot be known."""
        return self._standing.snapshot is None and not self._standing.lost

    # What the owner does

    async def action_page(self, page: str) -> None:
        """This page is shown, and its keys work."""
        switcher = self.query_one(ContentSwitcher)
        if page not in self._pages:
            module, _, name = _MODULES[page].partition(":")
            self._pages[page] = getattr(import_module(module), name)(self.desk, page)
            self._pages[page].display = False
            await switcher.mount(self._pages[page])
        self._page = page
        switcher.current = f"page-{page}"
        shown = self._pages[page]
        if self._standing.snapshot is not None:
            shown.show(self._standing.snapshot, self._now())
        shown.focus_page()
        self._tell()
        self.refresh_hints()
        self._changed.set()

    async def go_to(self, page: str, key: str) -> None:
        """This page is shown, its cursor on this row."""
        await self.action_page(page)
        self._pages[page].reveal(key)

    @property
    def page(self) -> Page:
        """The page that is shown."""
        return self._pages[self._page]

    def refresh_hints(self) -> None:
        """The last line says which keys do what now."""
        page = self._pages.get(self._page)
        if page is not None and page.is_attached and len(self.screen_stack) == 1:
            self._hints.show(page.hints(), typing=page.is_typing)

    def on_descendant_focus(self) -> None:
        """The hints are those of what has the focus."""
        self.refresh_hints()

    @on(Nav.Chosen)
    async def _chosen(self, event: Nav.Chosen) -> None:
        await self.action_page(event.page)

    def action_pane(self, by: int) -> None:
        """The next pane of the page has the focus, or the one before."""
        if by > 0:
            self.screen.focus_next(".panel Rows, .panel Sheet, .panel TextArea")
        else:
            self.screen.focus_previous(".panel Rows, .panel Sheet, .panel TextArea")

    def shown_actions(self) -> Iterator[tuple[Binding, Callable[[], Awaitable[object]]]]:
        """What can be done on the shown page now, then everywhere."""
        page = self.page
        offered = {key for key, _ in page.hints()}
        for owner in (page, self):
            for binding in owner.BINDINGS:
                if not isinstance(binding, Binding) or not binding.description or binding.action.startswith(("page(", "pane(")):
                    continue
                if owner is self or _shown_key(binding) in offered:
                    yield binding, partial(self.run_action, binding.action, owner)

    def action_help(self) -> None:
        """Every key."""
        from secondme.cli.tui.help import HelpDialog

        self.push_screen(HelpDialog(self._page))

    @asks
    async def action_pause(self) -> None:
        """Pause everybody, or answer again."""
        await self._switches.pause(self._everybody)

    @asks
    async def action_stop(self) -> None:
        """Stop something: everybody, one chat, or all of it. The second key says what."""
        await self._switches.stop(self._everybody, self.page.contact())

    @property
    def _everybody(self) -> Any:
        snapshot = self._standing.snapshot
        return snapshot.overview.everybody if snapshot else None

    def choose_theme(self, name: str) -> None:
        """The screen looks like this, today and from now on."""
        self.theme = name
        self.keep_theme(name)

    @work
    async def keep_theme(self, name: str) -> None:
        """The choice is in the settings."""
        await self.desk.decide(partial(self._link.keep_theme, name))


def _shown_key(binding: Binding) -> str:
    named = {"slash": "/", "space": "Space", "enter": "Enter", "escape": "Esc"}
    return binding.key_display or named.get(binding.key, binding.key.partition(",")[0])
