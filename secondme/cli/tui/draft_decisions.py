"""What the owner decides about drafts, on whatever page: send, write anew, drop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.core.errors import BusyError
from secondme.core.format import counted
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import App

    from secondme.cli.tui.editor import WrittenDraft
    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions
    from secondme.core.gateway.draft_views import DraftView
    from secondme.core.send.drafts import Draft

ONLY_YOURS = "It can leave only in your own words: e."
_LINE = 300
"""Characters of a message that are quoted in a question."""


def acts_of(draft: Draft) -> tuple[Hint, ...]:
    """What can be done with a draft; one that may not leave as it is offers no sending."""
    if not draft.may_send:
        return (("e", "Write it yourself"), ("d", "Drop"))
    return (("s", "Send"), ("e", "Edit"), ("d", "Drop"))


class DraftDecisions:
    """Decisions, each about a draft as the owner read it. Called in workers: they ask."""

    def __init__(self, desk: Actions) -> None:
        self._desk = desk
        self.settled: set[str] = set()
        """Drafts that were sent or dropped here."""

    async def send(self, app: App[Any], view: DraftView) -> None:
        """It is on its way as it is; one that was overtaken only after a second look, at what was said since."""
        draft = view.draft
        if not draft.may_send:
            app.notify(f"The checks found a fault in it. {ONLY_YOURS}", severity="warning", markup=False)
            return
        if draft.overtaken:
            newest = await self._desk.fetch(partial(self._newest, view))
            if newest is None:
                return
            body = f"{newest}\n\nIt would say: {_one_line(draft.text)}"
            if not await app.push_screen_wait(ConfirmDialog(f"Send it to {name_of(view)} all the same?", body, "Send")):
                return
        await self._desk.decide(partial(self._send, view, anyway=draft.overtaken))

    async def send_all(self, app: App[Any], views: Sequence[DraftView]) -> bool:
        """Those that may leave as they are, are on their way, after a confirmation. False when the owner thought better of it."""
        able = [view for view in views if view.draft.may_send and not view.draft.overtaken]
        left = len(views) - len(able)
        stays = (
            f" {counted(left, 'other')} may not leave as {'it is, and stays' if left == 1 else 'they are, and stay'}."
            if left
            else ""
        )
        if not able:
            app.notify("None of these may leave as it is.", severity="warning", markup=False)
            return False
        if not await app.push_screen_wait(
            ConfirmDialog(f"Send {counted(len(able), 'draft')}?", f"Each goes out as it was read.{stays}", "Send")
        ):
            return False
        await self._desk.decide_all([partial(self._send, view) for view in able], "{} replies are on their way.")
        return True

    async def edit(self, app: App[Any], view: DraftView) -> None:
        """It says what the owner wrote. Asked until it is kept or given up: what was typed is not lost because the store was away."""
        from secondme.cli.tui.editor import WriteDialog

        text = view.draft.text
        while True:
            written = await app.push_screen_wait(WriteDialog(f"To {name_of(view)}, in your own words", text))
            if written is None or await self._desk.decide(partial(self._write, view, written)):
                return
            text = written.text

    async def drop(self, app: App[Any], views: Sequence[DraftView]) -> bool:
        """They are gone for good, after a confirmation. False when the owner thought better of it."""
        whom = f"the reply to {name_of(views[0])}" if len(views) == 1 else counted(len(views), "draft")
        body = "They get no answer to what they wrote, unless you write one yourself."
        if not await app.push_screen_wait(ConfirmDialog(f"Drop {whom}?", body, "Drop")):
            return False
        await self._desk.decide_all([partial(self._drop, view) for view in views], "{} drafts are dropped.")
        return True

    async def _newest(self, view: DraftView) -> str:
        """What was said last in its conversation, and by whom."""
        turns = await self._desk.link.services.history.recent(view.draft.contact_id, 1)
        since = f"Since {view.job_name or 'a job'} wrote it, something was said"
        if not turns:
            return f"{since}."
        who = name_of(view) if turns[-1].type == "incoming" else "you"
        return f"{since}. The newest, by {who}: “{_one_line(turns[-1].shown)}”"

    async def _send(self, view: DraftView, *, anyway: bool = False) -> str:
        drafts = self._desk.link.services.drafts
        if (await drafts.find(view.draft.id)).texts != view.draft.texts:  # nobody sends what they have not seen
            raise BusyError("draft_changed", "That draft was changed meanwhile.", "Look at it again.")
        await drafts.send(view.draft.id, anyway=anyway)
        self.settled.add(view.draft.id)
        return f"The reply to {name_of(view)} is on its way."

    async def _write(self, view: DraftView, written: WrittenDraft) -> str:
        drafts = self._desk.link.services.drafts
        await drafts.edit(view.draft.id, written.text)
        if not written.is_sent:
            return f"The reply to {name_of(view)} is in your words and waits. s sends it."
        try:
            await drafts.send(view.draft.id)
            self.settled.add(view.draft.id)
        except BusyError as error:
            return f"Your words to {name_of(view)} are kept and not sent: {error.message}"
        return f"Your words to {name_of(view)} are on their way."

    async def _drop(self, view: DraftView) -> str:
        await self._desk.link.services.drafts.drop(view.draft.id)
        self.settled.add(view.draft.id)
        return f"The reply to {name_of(view)} is dropped."


def name_of(view: DraftView) -> str:
    """To whom a draft is, in one line that is safe to show."""
    return _one_line(view.name)


def _one_line(words: str) -> str:
    line = " ".join(safe_text(words).split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
