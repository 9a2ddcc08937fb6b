"""The page of rehearsals, behind Voice: how far the clone can be told from its owner, run by run; begun, gone on with, read side by side, and
tried by the owner."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from string import ascii_uppercase
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog, ask
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import lines, wrapped
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.rehearsal_rows import LoadedRun, RehearsalDrawing, test_of, voices_of, when_of
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rehearsal_dialogs import BlindDialog, RunDialog
from secondme.cli.tui.rehearsal_runner import STOPPED, RehearsalRunner
from secondme.cli.tui.sheets import SheetDialog
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.format import counted, money
from secondme.core.rehearse.archive import RunArchive, RunFile
from secondme.core.rehearse.blind import COUNT, BlindTest
from secondme.core.rehearse.bursts import FEWEST_BEFORE
from secondme.core.text import safe_name
from secondme.rehearsal_desk import HOW_TO_IMPORT, RehearsalDesk, RehearsalWishes
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.rehearsal_dialogs import RunWishes
    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.rehearsal_desk import RehearsalPlan

_WHAT = (
    "Does it sound like you? The clone answers your own past again, with only what was known then, and a small program and you try to "
    "tell the two apart. Nothing is sent, and nothing is learnt."
)
_HOW = "r begins: it says what it costs, and asks, before anything is paid."
_FOOT = "told from you, in 100; 50: it cannot tell"
_AGAIN_MS = 15_000
"""Everybody's past is counted where there is no run: not at every look."""
_LONG_S = 8.0
_FRAME = 56


class RehearsalPage(ListPage):
    """Runs, the newest on top."""

    TITLE: ClassVar[str] = "Rehearsals"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "run", "Rehearse, or go on with this one", show=False),
        Binding("n", "new", "New rehearsal", show=False),
        Binding("b", "blind", "Blind test: which answer is yours?", show=False),
        Binding("d", "no", "Stop or delete the rehearsal", show=False),
        Binding("y", "copy", "Copy the rehearsal's id", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = RehearsalDrawing()
        super().__init__(desk, page_id)
        self._rehearsing = RehearsalRunner(desk.link, self._further, self._ended)
        self._is_read = self._is_reading_past = self._has_people = False
        self._known: tuple[int, int] | None = None
        """How many messages of the owner's are known, and when that was counted."""

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The runs as their files are now; of those that are new, one at each look is counted."""
        drawing, archive = self._drawing, self._archive
        self._has_people = bool(snapshot.listing.approved)
        if not self._is_read:
            archive.expire(self.desk.now())
        drawing.runs = await asyncio.to_thread(_loaded, archive, drawing.runs)
        if not drawing.runs and (self._known is None or not 0 <= now_ms - self._known[1] < _AGAIN_MS):
            self._known = await RehearsalDesk(self.desk.link.services).most_known(), now_ms
        self._is_read = True
        await self._count()

    async def _count(self) -> None:
        drawing, way = self._drawing, self._rehearsing.under_way
        first = drawing.runs.get(self.rows.current or "")
        found = [each for each in ([first] if first else []) + list(drawing.runs.values()) if each.report is None]
        found = [each for each in found if way is None or each.run.head.id != way.run_id]
        if found:
            desk = RehearsalDesk(self.desk.link.services)
            found[0].report = await asyncio.to_thread(desk.report, found[0].run)
        if len(found) > 1:
            self.desk.look_again()

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = now
        self._put()

    def _put(self) -> None:
        self._drawing.under_way = self._rehearsing.under_way
        if not self._is_read:
            self.put([], LOOKING)
            return
        foot = _FOOT
        if self._is_reading_past:
            foot = "reading your past …"
        elif self._rehearsing.under_way is not None and not self._drawing.runs:
            foot = "it begins …"
        self.put(list(self._drawing.runs), self._empty(), foot=foot if self._drawing.runs or foot != _FOOT else "")

    def _empty(self) -> str:
        known = self._known[0] if self._known is not None else FEWEST_BEFORE
        if known > FEWEST_BEFORE:
            return f"{_WHAT}\n\n{_HOW}"
        if not self._has_people:
            return f"{_WHAT}\n\nNobody was let in yet whose past there is.\nA chat's export does too: secondme rehearse --import FILE --me NAME"
        has = f"{counted(known, 'is', 'are')} known" if known else "none is known"
        return f"{_WHAT}\n\nIt takes more than {FEWEST_BEFORE} messages of yours to one person, and {has}.\nA chat's export has them: {HOW_TO_IMPORT}"

    def tick(self, now: datetime) -> None:
        """Nothing here runs down."""
        self.now = now

    def tell(self) -> None:
        """What the run under the cursor came to is counted."""
        super().tell()
        known = self._drawing.runs.get(self.rows.current or "")
        if self.is_shown and known is not None and known.report is None:
            self.desk.look_again()

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """When, in which voice, and what it came to."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """What it came to; opened, every answer side by side."""
        if self.has_class("-open"):
            return self._drawing.side_by_side(key, width)
        return self._drawing.sheet(key, width, self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """Which run it is."""
        known = self._drawing.runs.get(key)
        if known is None:
            return "", ""
        title = "Side by side" if self.has_class("-open") else f"{when_of(known.run.head.begun_at).strip()}  {voices_of(known.run)}"
        return title, key

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done with this run."""
        way, known = self._rehearsing.under_way, self._drawing.runs.get(key or "")
        if known is None:
            return (("r", "Rehearse"),) if way is None else ()
        if way is not None and way.run_id == key:
            return (("d", "Stop it"), ("Enter", "Side by side"), ("y", "Copy id"))
        found: list[Hint] = [] if way is not None else [("r", "Rehearse") if known.run.is_complete else ("r", "Go on")]
        if known.run.answers:
            found += [("b", "Blind test"), ("Enter", "Side by side")]
        found += [] if way is not None or known.run.is_complete else [("n", "New")]
        return [*found, ("d", "Delete"), ("y", "Copy id")]

    def hints(self) -> Sequence[Hint]:
        """Those of the run under the cursor, and the way back."""
        found = super().hints()
        return found if self.has_class("-open") else [*found, ("Esc", "Voice")]

    def open_row(self, key: str) -> None:
        """Every answer side by side."""
        super().open_row(key)
        self._turned()

    def back(self) -> bool:
        """From the answers to the report."""
        is_back = super().back()
        if is_back:
            self._turned()
        return is_back

    def _turned(self) -> None:
        """The sheet is about something else: it begins at its top."""
        self.sheet.scroll_home(animate=False)
        self.tell()

    def action_back(self) -> None:
        """One step back, at last to Voice."""
        if not self.back():
            self.app.call_later(self.desk.go_to_page, "voice")

    # A run

    @asks
    async def action_run(self) -> None:
        """Go on with this one, or where it is finished, rehearse anew."""
        known = self._current()
        if known is not None and not known.run.is_complete:
            await self._go_on(known.run)
        else:
            await self._new()

    @asks
    async def action_new(self) -> None:
        """A new one."""
        await self._new()

    async def _new(self) -> None:
        if self._is_busy():
            return
        personas = await asyncio.to_thread(self._personas)
        wishes = await ask(self.app, RunDialog(personas))
        if wishes is None or (plan := await self._planned(wishes)) is None:
            return
        if await ask(self.app, ConfirmDialog(*_question(plan, plan.head.max_micros), "Rehearse")):
            self._begin(plan)

    async def _go_on(self, run: RehearsalRun) -> None:
        """What may be spent is what is left of the sum that was agreed to, or as much again where that will not do."""
        if self._is_busy():
            return
        left = run.head.max_micros - run.micros
        plan = await self._reading(lambda desk: desk.again(run.head.id, None))
        if plan is None:
            return
        most = left if left >= 2 * plan.micros else run.head.max_micros
        raised = plan.head.model_copy(update={"max_micros": run.micros + most})
        plan = replace(plan, head=raised)
        if await ask(self.app, ConfirmDialog(*_question(plan, most, is_again=True), "Go on")):
            self._begin(plan)

    async def _planned(self, wishes: RunWishes) -> RehearsalPlan | None:
        asked = RehearsalWishes(count=wishes.count, personas=wishes.personas, max_usd=wishes.max_usd)
        return await self._reading(lambda desk: desk.plan(asked))

    async def _reading(self, plan: Callable[[RehearsalDesk], Awaitable[RehearsalPlan]]) -> RehearsalPlan | None:
        """What would be rehearsed; None when that cannot be, and the owner was told why. It says so while the past is read."""
        self._is_reading_past = True
        self._put()
        try:
            return await self.desk.fetch(lambda: plan(RehearsalDesk(self.desk.link.services)))
        finally:
            self._is_reading_past = False
            self._put()

    def _is_busy(self) -> bool:
        if self._rehearsing.under_way is None:
            return False
        self.app.notify("A rehearsal is under way. d on it stops it.", severity="warning", markup=False)
        return True

    def _begin(self, plan: RehearsalPlan) -> None:
        if self._is_busy():
            return
        self._drawing.trouble.pop(plan.head.id, None)
        self._rehearsing.begin(self.app, plan)
        self._put()

    def _further(self) -> None:
        """One more answer is there, or it has an id by now."""
        way = self._rehearsing.under_way
        if way is None or not self.is_attached:
            return
        if way.run_id and way.run_id not in self._drawing.runs:
            self._wanted = way.run_id
            self.desk.look_again()
        self._put()

    def _ended(self, run_id: str, why: str) -> None:
        """It is done, or says in one line why not."""
        if not self.is_attached:
            return
        if why:
            self._drawing.trouble[run_id] = why
        self._drawing.runs = _loaded(self._archive, self._drawing.runs)
        where = "" if self.is_shown else " It is behind Voice: 8, then r."
        if why != STOPPED:
            self.app.notify(
                f"{why or 'The rehearsal is done.'}{where}",
                severity="error" if why else "information",
                timeout=_LONG_S,
                markup=False,
            )
        self._put()
        self.desk.look_again()

    # What the owner does with one

    @asks
    async def action_no(self) -> None:
        """It is stopped while it runs, else deleted; after a confirmation."""
        if (known := self._current()) is None:
            return
        run_id, way = known.run.head.id, self._rehearsing.under_way
        if way is not None and way.run_id == run_id:
            body = "What was answered is kept, and r goes on with it later."
            if await ask(self.app, ConfirmDialog("Stop this rehearsal?", body, "Stop")):
                self._rehearsing.stop()
            return
        body = f"Its {counted(len(known.run.answers), 'answer')} and your blind test of them are gone then. What was paid is not paid back."
        if await ask(
            self.app, ConfirmDialog(f"Delete the rehearsal of {when_of(known.run.head.begun_at).strip()}?", body, "Delete")
        ):
            await self.desk.decide(partial(self._delete, run_id))

    async def _delete(self, run_id: str) -> str:
        way = self._rehearsing.under_way
        if way is not None and way.run_id == run_id:
            raise BusyError("rehearsal_busy", "It is under way.", "Stop it first.")
        await asyncio.to_thread(self._archive.forget, run_id)
        self._drawing.trouble.pop(run_id, None)
        return "The rehearsal is gone."

    @asks
    async def action_blind(self) -> None:
        """The owner tells for themselves, pair by pair, and hears the result at the end."""
        known = self._current()
        if known is None or not known.run.answers or self._is_busy():
            return
        variant = await self._variant(known.run)
        file = await self.desk.fetch(partial(_opened, self._archive, known.run.head.id)) if variant is not None else None
        if file is not None and variant is not None:
            with file:
                await self._tell_apart(file, variant)
            self.desk.look_again()

    async def _tell_apart(self, file: RunFile, variant: int) -> None:
        summary, count = test_of(file.run, variant)
        if summary.is_done and BlindTest(file.run, variant).open(count + COUNT):
            more = {"b": f"{COUNT} more"}
            if await ask(self.app, SheetDialog("Your blind test", _framed(summary.text()), more)) != "b":
                return
            count += COUNT
        elif summary.is_done:
            await ask(self.app, SheetDialog("Your blind test", _framed(f"{summary.text()} There are no more pairs."), {}))
            return
        dialog = BlindDialog(file, variant, count)
        if await ask(self.app, dialog):
            await ask(self.app, SheetDialog("Your blind test", _framed(dialog.summary.text()), {}))
        elif dialog.summary.n:
            self.app.notify("Kept. b goes on with it; the result comes at the end.", markup=False)

    async def _variant(self, run: RehearsalRun) -> int | None:
        """Which of a run's ways of answering; None when the owner thought better of it."""
        if len(run.head.variants) == 1:
            return 0
        choices = [
            Choice(str(at), ascii_uppercase[at % 26], f"{safe_name(each.persona) or 'usual voices'}, {safe_name(each.model)}")
            for at, each in enumerate(run.head.variants)
        ]
        chosen = await ask(self.app, ChoiceDialog("Tell which apart from you?", choices, "0"))
        return None if chosen is None else int(chosen)

    def action_copy(self) -> None:
        """The id, as the command takes it, is in the terminal's clipboard."""
        if (known := self._current()) is not None:
            self.desk.copy(known.run.head.id, "the rehearsal's id")

    def _current(self) -> LoadedRun | None:
        return self._drawing.runs.get(self.rows.current or "")

    def _personas(self) -> list[str]:
        return [each.id for each in persona_library(self.desk.link.setup).all()]

    @property
    def _archive(self) -> RunArchive:
        return RunArchive(self.desk.link.setup.places.rehearsals)


def _loaded(archive: RunArchive, known: Mapping[str, LoadedRun]) -> dict[str, LoadedRun]:
    """Every run, the newest first; those whose file is as it was are not read again, and what is no run is left out."""
    found: list[LoadedRun] = []
    for run_id, stamp in archive.stamps().items():
        before = known.get(run_id)
        if before is not None and before.stamp == stamp:
            found.append(before)
            continue
        try:
            found.append(LoadedRun(stamp, archive.load(run_id)))
        except (DataError, NotFoundError):
            continue
    found.sort(key=lambda each: (each.run.head.begun_at, each.run.head.id), reverse=True)
    return {each.run.head.id: each for each in found}


async def _opened(archive: RunArchive, run_id: str) -> RunFile:
    return await asyncio.to_thread(archive.resume, run_id)


def _question(plan: RehearsalPlan, most: int, *, is_again: bool = False) -> tuple[str, str]:
    """What is asked before anything is paid."""
    count, variants = counted(len(plan.chosen), "answer"), len(plan.head.variants)
    times = f" in {variants} ways" if variants > 1 else ""
    people = counted(len({each.contact for each in plan.chosen}), "person", "people")
    more = " more" if is_again else ""
    cost = f"About {money(plan.micros)}{more}, and it stops before it costs more than {money(most)}{more}."
    days = f"{_day(plan.chosen[0].at)} to {_day(plan.chosen[-1].at)}"
    return (
        f"Go on with {count}{times}?" if is_again else f"Rehearse {count}{times}?",
        f"{cost}\n\nThey are answers of yours to {people}, {days}, and the model is told what was known before each. Nothing is sent to anybody else.",
    )


def _day(moment: datetime) -> str:
    at = moment.astimezone()
    return f"{at.day} {at:%b %Y}"


def _framed(words: str) -> Content:
    return lines(*wrapped(words, _FRAME))
