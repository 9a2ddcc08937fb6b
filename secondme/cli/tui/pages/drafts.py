"""The page of drafts: each reply that was held, with the reason, to read, send, write anew or drop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Static

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.forms import ONLY_YOURS, DraftDialog, WriteDialog, WrittenDraft
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import QUIET, WARN
from secondme.core.errors import BusyError
from secondme.core.format import ago
from secondme.core.gateway.trace_messages import why_held
from secondme.core.jobs.facts import quoted
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.send.drafts import Draft

_MOST = 500
_LINE = 300
"""Characters of a draft in its row."""


class DraftsPage(Page):
    """Drafts, the oldest on top."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("To", 8, flexible=2, most=24),
        Column("Age", 6),
        Column("Waits because", 24, flexible=4, most=56, from_width=66),
        Column("From", 8, flexible=1, most=24, from_width=76),
        Column("It would say", 12, flexible=6),
    )
    EMPTY: ClassVar[str] = (
        "Nothing waits for you.\n\nReplies that need your word appear here by themselves:\n"
        "to people in draft mode, and what the checks did not let out."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "send", "Send"),
        Binding("e", "edit", "Edit"),
        Binding("d", "drop", "Drop"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._warning = Static(classes="warning")
        self._drafts: dict[str, Draft] = {}
        self._names: dict[str, str] = {}
        self._jobs: dict[str, str] = {}
        """What the jobs are called that wrote some of them."""
        self._aimed: str | None = None
        """The draft that came under the cursor by itself, because the one before it is gone."""
        self._settled: set[str] = set()
        """What the owner sent or dropped here."""

    def compose(self) -> ComposeResult:
        """The table below what is wrong."""
        yield self._warning
        yield from super().compose()

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The names of jobs, where one wrote a draft."""
        del now_ms
        if any(draft.job for draft in snapshot.drafts or ()):
            self._jobs = {view.job.id: safe_name(view.job.name) for view in (await self.desk.link.services.jobs.all())[0]}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The drafts that wait."""
        if snapshot.drafts is not None:
            self._drafts = {draft.id: draft for draft in snapshot.drafts[:_MOST]}
            wanted = {draft.contact_id for draft in self._drafts.values()}
            self._names = {
                each.contact_id: each.display_name or "" for each in snapshot.listing.approved if each.contact_id in wanted
            }
        lines = []
        if snapshot.unreadable_drafts:
            lines.append(f"{snapshot.unreadable_drafts} drafts cannot be read: secondme drafts list names them.")
        if snapshot.draft_count > _MOST:
            lines.append(f"The oldest {_MOST} are shown.")
        self._warning.update(Text(" ".join(lines), style=WARN))
        self._warning.set_class(bool(lines), "shown")
        before = self.table.current
        self._put(now)
        if before is not None and before not in self._drafts and before not in self._settled and self.is_shown:
            self._aimed = self.table.current

    def tick(self, now: datetime) -> None:
        """The ages are right."""
        if self.is_shown:
            self._put(now)

    def detail_of(self, key: str) -> Text:
        """Why it waits, and the beginning of what it says."""
        draft = self._drafts[key]
        text = Text(f"To {self._who(draft)}", style="bold")
        whose = f"  by {self._from(draft)}" if draft.job else ""
        style = f"not bold {WARN if draft.fault or draft.overtaken else QUIET}"
        text.append(f"  {safe_name(draft.contact_id)}{whose}  {self._why(draft)}", style=style)
        text.append(f"\n{_one_line(draft)}", style="not bold")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_read()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The owner sees what is under the cursor."""
        if self._aimed is not None and event.row_key.value != self._aimed:
            self._aimed = None
        super().on_data_table_row_highlighted(event)

    @work
    async def action_read(self) -> None:
        """The whole of it, and what can be done."""
        draft = self._current()
        if draft is None:
            return
        choice = await self.app.push_screen_wait(DraftDialog(f"A reply to {self._who(draft)}", self._why(draft), draft))
        match choice:
            case "send":
                await self._ask_send(draft)
            case "edit":
                await self._edit(draft)
            case "drop":
                await self._ask_drop(draft)
            case _:
                pass

    @work
    async def action_send(self) -> None:
        """Send it as it is."""
        draft = self._current()
        if draft is None:
            return
        if self._aimed == draft.id:
            self._aimed = None
            self.app.notify("The draft that was here is gone. Press s again to send this one.", severity="warning", markup=False)
        elif draft.fault:
            self.app.notify(f"The checks found a fault in it. {ONLY_YOURS}", severity="warning", markup=False)
        else:
            await self._ask_send(draft)

    @work
    async def action_edit(self) -> None:
        """Say it in the owner's own words."""
        draft = self._current()
        if draft is not None:
            await self._edit(draft)

    @work
    async def action_drop(self) -> None:
        """Get rid of it, after a confirmation."""
        draft = self._current()
        if draft is not None:
            await self._ask_drop(draft)

    async def _edit(self, draft: Draft) -> None:
        """Asked until it is kept or given up: what was typed is not lost because the store was away."""
        text = draft.text
        while True:
            written = await self.app.push_screen_wait(WriteDialog(f"To {self._who(draft)}, in your own words", text))
            if written is None:
                return
            if await self.desk.decide(partial(self._write, draft, written)):
                return
            text = written.text

    async def _ask_send(self, draft: Draft) -> None:
        """Sent; one that was overtaken only after a second look, at what was said since."""
        if draft.overtaken:
            newest = await self.desk.fetch(partial(self._newest, draft))
            if newest is None:
                return
            body = f"{newest}\n\nIt would say: {_one_line(draft)}"
            if not await self.app.push_screen_wait(ConfirmDialog(f"Send it to {self._who(draft)} all the same?", body, "Send")):
                return
        await self.desk.decide(partial(self._send, draft, anyway=draft.overtaken))

    async def _newest(self, draft: Draft) -> str:
        """What was said last in its conversation, and by whom."""
        turns = await self.desk.link.services.history.recent(draft.contact_id, 1)
        since = f"Since {self._from(draft)} wrote it, something was said"
        if not turns:
            return f"{since}."
        who = self._who(draft) if turns[-1].type == "incoming" else "you"
        return f"{since}. The newest, by {who}: {quoted(turns[-1].shown, _LINE)}"

    async def _ask_drop(self, draft: Draft) -> None:
        body = "They get no answer to what they wrote, unless you write one yourself."
        if await self.app.push_screen_wait(ConfirmDialog(f"Drop the reply to {self._who(draft)}?", body, "Drop")):
            await self.desk.decide(partial(self._drop, draft))

    async def _send(self, draft: Draft, *, anyway: bool = False) -> str:
        await self._check(draft)
        await self.desk.link.services.drafts.send(draft.id, anyway=anyway)
        self._settled.add(draft.id)
        return f"The reply to {self._who(draft)} is on its way."

    async def _write(self, draft: Draft, written: WrittenDraft) -> str:
        drafts = self.desk.link.services.drafts
        await drafts.edit(draft.id, written.text)
        if not written.is_sent:
            return f"The reply to {self._who(draft)} is in your words and waits. s sends it."
        try:
            await drafts.send(draft.id)
            self._settled.add(draft.id)
        except BusyError as error:
            return f"Your words to {self._who(draft)} are kept and not sent: {error.message}"
        return f"Your words to {self._who(draft)} are on their way."

    async def _drop(self, draft: Draft) -> str:
        await self.desk.link.services.drafts.drop(draft.id)
        self._settled.add(draft.id)
        return f"The reply to {self._who(draft)} is dropped."

    async def _check(self, draft: Draft) -> None:
        """Nobody sends what they have not seen. Raises BusyError when the draft says something else by now, NotFoundError when it is gone."""
        if (await self.desk.link.services.drafts.find(draft.id)).texts != draft.texts:
            raise BusyError("draft_changed", "That draft was changed meanwhile.", "Look at it again.")

    def _put(self, now: datetime) -> None:
        self.put([self._row(draft, now) for draft in self._drafts.values()])

    def _current(self) -> Draft | None:
        key = self.table.current
        return self._drafts.get(key) if key is not None else None

    def _who(self, draft: Draft) -> str:
        return shown_name(self._names.get(draft.contact_id), draft.contact_id)

    def _why(self, draft: Draft) -> str:
        if draft.fault:
            return f"only in your own words: {safe_name(draft.fault.replace('_', ' '))}"
        if draft.overtaken:
            return "overtaken: something was said since"
        return why_held(draft.reason)

    def _from(self, draft: Draft) -> str:
        """The job that wrote it, by its name; empty for a reply."""
        return self._jobs.get(draft.job, draft.job) if draft.job else ""

    def _row(self, draft: Draft, now: datetime) -> Row:
        return draft.id, (
            (self._who(draft), "bold"),
            (ago(draft.held_at, now), QUIET),
            (self._why(draft), WARN if draft.fault or draft.overtaken else ""),
            (self._from(draft), QUIET),
            (_one_line(draft), ""),
        )


def _one_line(draft: Draft) -> str:
    return " ".join(safe_text(draft.text[:_LINE]).split())
