"""The page of drafts: each reply that was held beside its question, to send, write anew or drop, one at a time or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.draft_decisions import acts_of
from secondme.cli.tui.layout import apart, chip, column, fit, lines, say, shown_name
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.thread import draft_sheet, one_line
from secondme.cli.tui.questions import asks
from secondme.cli.tui.theme import BAD, CLONE, FAINT, INK, SOFT, WAITS
from secondme.core.enums import Tier
from secondme.core.format import lately

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.draft_views import DraftView
    from secondme.core.records import Turn
    from secondme.core.send.drafts import Draft

_MOST = 500
_LINE = 300
"""Characters of a draft in its row."""
_NAME = 18


def mark_of(draft: Draft) -> tuple[str, str]:
    """A fault, or that it waits."""
    return ("▲ ", BAD) if draft.fault or draft.overtaken else ("● ", WAITS)


def why_chip(view: DraftView) -> Content:
    """Why it waits, in a word or two."""
    draft = view.draft
    if draft.reason == "disclosure":
        return chip("asked if machine", "bad")
    if draft.fault:
        return chip("your words only", "bad")
    if draft.overtaken:
        return chip("overtaken", "bad")
    if draft.own:
        return chip("yours")
    if draft.job:
        return chip("from a job")
    if draft.reason == "tier" and view.contact is not None and view.contact.tier is Tier.RESTRICTED:
        return chip("restricted", "guard")
    return chip(_SHORT.get(draft.reason, one_line(draft.reason.replace("_", " "))))


_SHORT = {
    "tier": "needs you",
    "mode": "draft mode",
    "paused": "while paused",
    "machine": "a machine?",
    "ambiguous": "sent already?",
    "undeliverable": "not delivered",
    "unclear": "hard to hear",
    "agent": "you ordered it",
    "proactive": "from a job",
    "rate_limit": "too many",
}


class DraftsPage(ListPage):
    """Drafts: faults first, then the oldest."""

    TITLE: ClassVar[str] = "Drafts"
    EMPTY: ClassVar[str] = (
        "Nothing waits for you.\n\nReplies that need your word appear here by themselves:\n"
        "to people in draft mode, and what the checks did not let out."
    )
    WAITS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "send", "Send", show=False),
        Binding("e", "edit", "Edit", show=False),
        Binding("d", "no", "Drop", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("y", "copy", "Copy the contact's id", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._drafts: dict[str, Draft] | None = None
        self._views: dict[str, DraftView] = {}
        self._earlier: dict[str, list[Turn]] = {}
        self._gone: tuple[DraftView, str] | None = None
        """The draft that was under the cursor when it went, and what became of it: its sheet stays until the cursor moves."""
        self._came: str | None = None
        """What came under the cursor then."""
        self._seen: DraftView | None = None
        """What the owner reads."""
        self._marked: set[str] = set()
        self._unreadable = 0

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """What belongs to the drafts, and what was said before in the conversation of the one under the cursor."""
        del now_ms
        services = self.desk.link.services
        drafts = (snapshot.drafts or [])[:_MOST]
        self._views = {view.draft.id: view for view in await services.draft_views.of(drafts)}
        wanted = self.rows.current if self.rows.current in self._views else next(iter(self._views), None)
        if wanted is not None:
            current = self._views[wanted]
            contact = current.draft.contact_id
            self._earlier = {contact: await services.history.recent(contact, _EARLIER + len(current.draft.answers))}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The drafts that wait."""
        self.now = now
        if snapshot.drafts is None:
            return
        self._unreadable = snapshot.unreadable_drafts
        found = {draft.id: draft for draft in snapshot.drafts[:_MOST]}
        self._notice_gone(found)
        self._drafts = dict(sorted(found.items(), key=lambda item: (not item[1].fault, item[1].held_at)))
        self._marked &= found.keys()
        self._put()
        if self._gone is not None and self._came is None:
            self._came = self.rows.current

    def _notice_gone(self, found: dict[str, Draft]) -> None:
        """Who reads a draft that went by itself is told what took its place, and presses no key at another."""
        seen = self._seen
        if seen is None or seen.draft.id in found or self._gone is not None or not self.is_shown:
            return
        if seen.draft.id not in self.desk.drafts.settled:
            is_newer = any(draft.contact_id == seen.draft.contact_id for draft in found.values())
            self._gone = (
                seen,
                "A newer reply took its place." if is_newer else "It is gone: settled elsewhere, or you wrote yourself.",
            )

    def _put(self) -> None:
        drafts = self._drafts or {}
        count = f"{len(self._marked)} marked" if self._marked else str(len(drafts))
        self.put(list(drafts), LOOKING if self._drafts is None else "", count=count)
        if self._unreadable:
            self.list_pane.border_subtitle = say((f"{self._unreadable} cannot be read: secondme drafts list", WAITS))

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """To whom, why it waits, and what it would say."""
        draft, view = (self._drafts or {}).get(key), self._views.get(key)
        if draft is None:
            return say("")
        name = view.name if view is not None else shown_name(None, draft.contact_id)
        sign, style = ("✓ ", WAITS) if key in self._marked else mark_of(draft)
        left = say((sign, style), (one_line(name), f"bold {INK}"))
        when = f" {lately(draft.held_at, self.now):>6}" if self.now else ""
        right = say(why_chip(view) if view is not None else "", (when, FAINT))
        words = say(("◇ ", CLONE), (one_line(draft.text[:_LINE]), SOFT))
        if tight:
            return apart(say(column(left, _NAME), " ", words), right, width)
        return lines(apart(left, right, width), fit(say("  ", words), width))

    def draw_sheet(self, key: str, width: int) -> Content:
        """The draft beside its question."""
        if self._gone is not None and self.now is not None:
            gone, why = self._gone
            return draft_sheet(gone, self._earlier.get(gone.draft.contact_id, ()), (("j", "The next one"),), width, self.now, why)
        view = self._views.get(key)
        if view is None or self.now is None:
            return say((LOOKING, FAINT))
        hints = (*acts_of(view.draft), ("Enter", "Read here"))
        return draft_sheet(view, self._earlier.get(view.draft.contact_id, ()), hints, width, self.now)

    def title_of(self, key: str) -> tuple[str, str]:
        """To whom it is."""
        view = self._gone[0] if self._gone is not None else self._views.get(key)
        return (f"To {one_line(view.name)}" if view is not None else ""), ""

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be decided about the draft, or about those that are marked."""
        draft = (self._drafts or {}).get(key or "")
        if draft is None:
            return ()
        if self._marked:
            return (("s", f"Send {len(self._marked)}"), ("d", f"Drop {len(self._marked)}"), ("Space", "Mark"))
        return (*acts_of(draft), ("Space", "Mark"), ("Enter", "Read"), ("y", "Copy id"))

    def tell(self) -> None:
        """Another draft: what was said before it is read. That of which one was gone is so until the cursor moves."""
        if self._gone is not None and self._came is not None and self.rows.current != self._came:
            self._gone = self._came = None
        view = self._views.get(self.rows.current or "")
        if self._gone is None:
            self._came, self._seen = None, view
        if view is not None and view.draft.contact_id not in self._earlier:
            self.desk.look_again()
        super().tell()

    def action_copy(self) -> None:
        """The contact's id is in the terminal's clipboard."""
        if (view := self._current()) is not None:
            self.desk.copy(view.draft.contact_id, "the id")

    def _moved_on(self) -> bool:
        """True when the draft that is read is gone: a key meant for it must not decide about another."""
        if self._gone is None:
            return False
        self._gone = self._came = None
        self.tell()
        self.app.notify("The draft that was here is gone. This is another one: press again.", severity="warning", markup=False)
        return True

    def _current(self) -> DraftView | None:
        return self._views.get(self.rows.current or "")

    def _chosen(self) -> list[DraftView]:
        """The marked drafts, or the one under the cursor."""
        wanted = self._marked or {self.rows.current or ""}
        return [view for key in self._drafts or {} if key in wanted and (view := self._views.get(key)) is not None]

    # What the owner does

    def action_mark(self) -> None:
        """The row is marked, or not any more; the cursor goes on."""
        if (key := self.rows.current) is not None and not self._moved_on():
            self._marked ^= {key}
            self._put()
            self.rows.action_move(1)

    @asks
    async def action_send(self) -> None:
        """Send it as it is, or all that are marked."""
        if self._moved_on():
            return
        chosen = self._chosen()
        if self._marked:
            if await self.desk.drafts.send_all(self.app, chosen):
                self._marked.clear()
        elif chosen:
            await self.desk.drafts.send(self.app, chosen[0])

    @asks
    async def action_edit(self) -> None:
        """Say it in the owner's own words."""
        if not self._moved_on() and (view := self._current()) is not None:
            await self.desk.drafts.edit(self.app, view)

    @asks
    async def action_no(self) -> None:
        """Get rid of it, or of all that are marked, after a confirmation."""
        if not self._moved_on() and (chosen := self._chosen()) and await self.desk.drafts.drop(self.app, chosen):
            self._marked.clear()


_EARLIER = 6
