"""The page of jobs: when each comes next, what became of it, and why not; switched, run, looked at before it speaks, edited and deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.editor import TextDialog, ask_until_kept
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import READ_WIDTH, lines, say, wrapped
from secondme.cli.tui.pages.jobs_rows import ALL_OFF, JobsDrawing, on_the_clock, urgency
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.questions import asks
from secondme.cli.tui.sheets import LineDialog, SheetDialog
from secondme.cli.tui.theme import SOFT
from secondme.core.clock import from_ms, parse_duration
from secondme.core.errors import DataError, NotFoundError
from secondme.core.jobs.schedule import AtSchedule, CronSchedule, EverySchedule, in_words, zone_of
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.jobs.desk import JobDesk, ReadyJob
    from secondme.core.jobs.records import JobRecord, JobRun, JobView

_FRAME = 56
"""Cells of a line in a dialog."""


class JobsPage(ListPage):
    """What failed first, then what comes next first."""

    TITLE: ClassVar[str] = "Jobs"
    EMPTY: ClassVar[str] = (
        "No jobs yet: nothing is said that nobody asked for.\n\nn shows the ready-made ones, and what each would say now.\n"
        "Reminders: secondme remind 'tomorrow 9:00' call the dentist"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "switch", "Switch the job on or off", show=False),
        Binding("r", "run", "Run the job now", show=False),
        Binding("t", "try_it", "What the job would say now", show=False),
        Binding("e", "edit", "Edit the job", show=False),
        Binding("d", "no", "Delete the job", show=False),
        Binding("n", "new", "New job: a ready-made one", show=False),
        Binding("y", "copy", "Copy the job's id", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = JobsDrawing()
        super().__init__(desk, page_id)
        self._is_read = False
        self._works = False
        """True while a gateway runs, which runs jobs."""

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Every job, and what became of the one under the cursor."""
        del now_ms
        desk, drawing = self._job_desk(), self._drawing
        views = sorted(await desk.all(), key=urgency)
        drawing.is_off = await desk.is_off()
        current = self.rows.current or (views[0].job.id if views else None)
        jobs = {view.job.id: view for view in views}
        drawing.runs = {current: await self._runs_of(current)} if current is not None and current in jobs else {}
        drawing.jobs = jobs
        drawing.names = {each.contact_id: each.display_name or "" for each in snapshot.listing.approved}
        self._works, self._is_read = bool(snapshot.overview.runs), True

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = self._drawing.now = now
        if not self._is_read:
            self.put([], LOOKING)
            return
        self.put(list(self._drawing.jobs), foot=ALL_OFF if self._drawing.is_off else "")

    def tick(self, now: datetime) -> None:
        """What is due now says so."""
        self._drawing.now = now
        super().tick(now)

    def tell(self) -> None:
        """What became of the job under the cursor is read."""
        super().tell()
        current = self.rows.current
        if self.is_shown and current is not None and current not in self._drawing.runs:
            self.desk.look_again()

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """Name, next time, and how it stands."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """What it does, and what became of it."""
        return self._drawing.sheet(key, min(READ_WIDTH, width), self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """The job's name, and where it was made."""
        view = self._drawing.jobs.get(key)
        return ("", "") if view is None else (safe_name(view.job.name), f"{view.job.id} · made by {safe_name(view.job.origin)}")

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done with this job."""
        view = self._drawing.jobs.get(key or "")
        if view is None:
            return (("n", "New"),)
        switch = "Switch off" if view.state.enabled else "Switch on"
        found: list[Hint] = [("r", "Run now"), ("o", switch), ("t", "Try"), ("n", "New"), ("e", "Edit"), ("d", "Delete")]
        return [*found, ("y", "Copy id"), ("Enter", "Its runs")]

    def _current(self) -> JobView | None:
        return self._drawing.jobs.get(self.rows.current or "")

    # What the owner does

    def action_copy(self) -> None:
        """The id, as the commands take it, is in the terminal's clipboard."""
        if (view := self._current()) is not None:
            self.desk.copy(view.job.id, "the job's id")

    @asks
    async def action_switch(self) -> None:
        """On, or off."""
        if (view := self._current()) is not None:
            await self.desk.decide(partial(self._switch, view))

    @asks
    async def action_run(self) -> None:
        """Run it now, whatever its schedule says."""
        if (view := self._current()) is not None:
            await self.desk.decide(partial(self._call, view))

    @asks
    async def action_try_it(self) -> None:
        """What it would say now."""
        view = self._current()
        if view is None:
            return
        text = view.job.text or await self.desk.fetch(partial(self._preview, view.job.id))
        if text is not None:
            title = {"ask": "asks the clone", "write": "has the clone write", "followup": "has the clone write"}.get(
                view.job.kind, "says now"
            )
            body = say(safe_text(text) or "It would say nothing now.")
            await self.app.push_screen_wait(SheetDialog(f"What {safe_name(view.job.name)} {title}", body, {}))

    @asks
    async def action_new(self) -> None:
        """One of the ready-made jobs, after a look at what it would say."""
        ready = await self.desk.fetch(self._ready)
        if not ready:
            return
        choices = [Choice(each.id, each.title, f"{_usual_time(each)}{', on' if is_on else ''}") for each, is_on in ready]
        chosen = await self.app.push_screen_wait(ChoiceDialog("Which ready-made job?", choices, choices[0].value))
        found = next((each for each, _ in ready if each.id == chosen), None)
        text = await self.desk.fetch(partial(self._preview, found.id)) if found else None
        if found is None or text is None:
            return
        when = f"{_usual_time(found)}. It says nothing when {found.says_nothing_when}."
        head = [*wrapped(when, _FRAME, SOFT), say(""), say(("Now it would say:", SOFT)), say("")]
        body = lines(*head, *wrapped(safe_text(text) or "(nothing)", _FRAME))
        if await self.app.push_screen_wait(SheetDialog(found.title, body, {"a": "Switch it on"})) == "a":
            await self.desk.decide(partial(self._choose, found))

    @asks
    async def action_no(self) -> None:
        """Get rid of it, after a confirmation."""
        if (view := self._current()) is None:
            return
        body = "It does not come again, and what became of it is forgotten. Drafts that it wrote stay."
        if await self.app.push_screen_wait(ConfirmDialog(f"Delete {safe_name(view.job.name)}?", body, "Delete")):
            await self.desk.decide(partial(self._remove, view))

    @asks
    async def action_edit(self) -> None:
        """What it says, when it comes, or what it is called."""
        if (view := self._current()) is None:
            return
        job, name = view.job, safe_name(view.job.name)
        what = [
            Choice("text", "Its words", "a ready-made job has none" if not job.text else "", is_possible=bool(job.text)),
            Choice("when", "When it comes", in_words(job.schedule), is_possible=_typed_time(job) is not None),
            Choice("name", "Its name", name),
        ]
        usual = next(each.value for each in what if each.is_possible)
        match await self.app.push_screen_wait(ChoiceDialog(f"Change what about {name}?", what, usual)):
            case "text":
                text = safe_text(job.text)
                await ask_until_kept(
                    self, lambda typed: TextDialog(f"The words of {name}", typed, text), text, partial(self._edit, job, "text")
                )
            case "when":
                question, typed = _typed_time(job) or ("", "")
                await ask_until_kept(
                    self, lambda typed: LineDialog(question, "keep", typed), typed, partial(self._edit, job, "when")
                )
            case "name":
                await ask_until_kept(
                    self, lambda typed: LineDialog(f"What is {name} called?", "keep", typed), name, partial(self._edit, job, "name")
                )
            case _:
                pass

    async def _edit(self, job: JobRecord, what: str, typed: str) -> str:
        desk = self._job_desk()
        match what, job.schedule:
            case "text", _:
                kept = await desk.edit(job.id, text=typed)
            case "name", _:
                kept = await desk.edit(job.id, name=typed)
            case _, CronSchedule():
                kept = await desk.edit(job.id, cron_line=typed)
            case _, EverySchedule():
                if (gap := parse_duration(typed)) is None:
                    raise DataError("bad_duration", f"I do not understand {safe_name(typed)!r}.", "Like: 90m, 2h or 1d")
                kept = await desk.edit(job.id, gap=gap)
            case _:
                kept = await desk.edit(job.id, at=typed)
        view = await desk.find(kept.id)
        return f"{safe_name(kept.name)} is changed{self._said_next(view)}."

    async def _switch(self, view: JobView) -> str:
        desk = self._job_desk()
        if view.state.enabled:
            await desk.pause(view.job.id)
            return f"{safe_name(view.job.name)} is off."
        return f"{safe_name(view.job.name)} is on{self._said_next(await desk.resume(view.job.id))}."

    def _said_next(self, view: JobView) -> str:
        return f": {on_the_clock(view, self.now)}" if view.next_at and self.now is not None else ""

    async def _call(self, view: JobView) -> str:
        await self.desk.link.services.jobs.call(view.job.id)
        when = "in a moment" if self._works else "as soon as a gateway does: secondme serve"
        return f"{safe_name(view.job.name)} runs {when}."

    async def _ready(self) -> list[tuple[ReadyJob, bool]]:
        return await self._job_desk().ready()

    async def _choose(self, ready: ReadyJob) -> str:
        await self._job_desk().choose(ready.id)
        return f"{ready.title} is on: {_usual_time(ready)}."

    async def _remove(self, view: JobView) -> str:
        await self._job_desk().remove(view.job.id)
        return f"{safe_name(view.job.name)} is deleted."

    async def _preview(self, job: str) -> str:
        from secondme.job_desk import preview

        return await preview(self.desk.link.services, job)

    async def _runs_of(self, job: str) -> list[JobRun]:
        try:
            return await self.desk.link.services.jobs.runs(job)
        except NotFoundError:
            return []

    def _job_desk(self) -> JobDesk:
        from secondme.job_desk import job_desk

        return job_desk(self.desk.link.services)


def _usual_time(ready: ReadyJob) -> str:
    return in_words(CronSchedule(expr=ready.cron, zone="UTC"))


def _typed_time(job: JobRecord) -> tuple[str, str] | None:
    """The question for its time, and its time as one types it; None for a job that is not kept by a clock."""
    match job.schedule:
        case CronSchedule(expr=expr, zone=zone):
            return f"When? Minute, hour, day, month, weekday ({zone})", expr
        case EverySchedule(every_s=every_s):
            return "How often? Like 90m, 2h or 1d", _gap(every_s)
        case AtSchedule(at_ms=at_ms, zone=zone):
            return f"When? Like tomorrow 9:00 ({zone})", f"{from_ms(at_ms).astimezone(zone_of(zone)):%Y-%m-%d %H:%M}"
        case _:
            return None


def _gap(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
