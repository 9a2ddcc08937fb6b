"""The page of jobs: when each comes next, what became of it, and why not; switched, run, looked at before it speaks, and removed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.widgets import Static

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.sheets import SheetDialog
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import BAD, GOOD, QUIET, WARN
from secondme.core.clock import to_ms
from secondme.core.errors import NotFoundError
from secondme.core.format import counted
from secondme.core.jobs.desk import coming, ready_jobs
from secondme.core.jobs.records import SELF
from secondme.core.jobs.schedule import CronSchedule, in_words, zone_of
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from textual.app import ComposeResult
    from textual.widgets import DataTable

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.table import Cell
    from secondme.core.jobs.desk import JobDesk, ReadyJob
    from secondme.core.jobs.records import JobRun, JobView

_SHOWN = 5
"""Next times, and runs, of the job under the cursor."""
_HALF = 28
"""Cells of the next times, before what became of the last ones."""
_TEXT = 240
_STOPPED = {
    "paused": ("○ off", QUIET, "you switched it off: Space"),
    "done": ("✓ done", QUIET, "it is over"),
    "failed": ("▲ failed", BAD, "it came to nothing too often; Space tries on"),
    "broken": ("▲ broken", BAD, "it can never come to anything: Enter says why"),
}
_OUTCOMES = {
    "nothing": ("nothing to say", QUIET),
    "idle": ("nothing new", QUIET),
    "queued": ("on its way", GOOD),
    "sent": ("sent", GOOD),
    "draft": ("a draft waits", WARN),
    "dropped": ("dropped", QUIET),
    "expired": ("expired", WARN),
    "overtaken": ("overtaken", WARN),
    "undeliverable": ("not delivered", BAD),
    "failed": ("tried again", WARN),
    "given_up": ("failed", BAD),
    "missed": ("missed", WARN),
    "waiting": ("waits", WARN),
    "limit": ("over its limit", WARN),
    "clock_back": ("clock put back", WARN),
    "refused": ("refused", BAD),
}
_WHY = {
    "no_owner_chat": "no chat of yours is known",
    "reach": "jobs.reach does not let it",
    "not_approved": "not approved any more",
    "mode": "their mode does not let it",
    "stopped": "paused, or the kill switch is on",
    "unanswered": "they have not answered the last ones",
    "open_draft": "a draft for them waits already",
    "limit": "enough was said for now",
    "in_conversation": "you are talking just now",
    "time_of_day": "not at this time of day",
    "runs_today": "it ran often enough today",
    "died": "the process ended in it",
    "timeout": "it took too long",
    "crashed": "a bug: see the log",
    "owner": "you dropped it",
    "over_budget": "the day's budget is spent",
    "over_contact_budget": "the day's budget of jobs is spent",
    "over_run_budget": "it would cost more than a run may",
}
_DOES = {"say": "Tells you", "ask": "Asks the clone", "write": "Has the clone write to {}"}
_URGENCY = {"failed": 0, "broken": 0, "": 1, "paused": 3, "done": 4}


class JobsPage(Page):
    """What failed first, then what comes next first."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("State", 8),
        Column("Job", 14, flexible=3, most=32),
        Column("When", 14, flexible=3, most=44, from_width=60),
        Column("Next", 16, from_width=44),
        Column("For", 8, flexible=1, most=20, from_width=100),
        Column("Last", 14, from_width=74),
        Column("Why not", 12, flexible=4, from_width=110),
    )
    EMPTY: ClassVar[str] = (
        "No jobs yet: nothing is said that nobody asked for.\n\na shows the ready-made ones, and what each would say now.\n"
        "Reminders: secondme remind 'tomorrow 9:00' call the dentist"
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "switch", "On, off", key_display="Space"),
        Binding("r", "run", "Run now"),
        Binding("p", "preview", "Preview"),
        Binding("a", "choose", "Ready-made"),
        Binding("d", "remove", "Remove"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._warning = Static(classes="warning", markup=False)
        self._jobs: dict[str, JobView] | None = None
        self._runs: dict[str, list[JobRun]] = {}
        """Of the job under the cursor."""
        self._names: dict[str, str] = {}
        self._works = False
        """True while a gateway runs, which runs jobs."""

    def compose(self) -> ComposeResult:
        """The table below what is wrong."""
        yield self._warning
        yield from super().compose()

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Every job, and what became of the one under the cursor."""
        del now_ms
        desk = self._job_desk()
        views = sorted(await desk.all(), key=_urgency)
        self._jobs = {view.job.id: view for view in views}
        current = self.table.current or (views[0].job.id if views else None)
        self._runs = {current: await self._runs_of(current)} if current in self._jobs else {}
        self._names = {each.contact_id: each.display_name or "" for each in snapshot.listing.approved}
        self._works = bool(snapshot.overview.runs)
        is_off = await desk.is_off()
        self._warning.update("No job runs by itself. secondme jobs on" if is_off else "")
        self._warning.set_class(is_off, "shown")

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self._put(now)

    def tick(self, now: datetime) -> None:
        """What is due now says so."""
        if self.is_shown:
            self._put(now)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """What became of the job under the cursor is read."""
        super().on_data_table_row_highlighted(event)
        if self.is_shown and self.table.current not in self._runs:
            self.desk.look_again()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_history()

    def detail_of(self, key: str) -> Text:
        """What it does, its next times, and what became of the last ones."""
        view = (self._jobs or {})[key]
        job = view.job
        text = Text(safe_name(job.name), style="bold", no_wrap=True, overflow="ellipsis")
        text.append(
            f"  {job.id}  {in_words(job.schedule)}, {job.schedule.zone}; made by {safe_name(job.origin)}", style=f"not bold {QUIET}"
        )
        text.append(f"\n{self._does(view)}", style="not bold")
        if why := _why_not(view):
            text.append(f"\n{why[0].upper()}{why[1:]}.", style=f"not bold {WARN}")
        zone = zone_of(job.schedule.zone)
        times = [f"{at.astimezone(zone):%a %d %b %Y %H:%M}" for at in coming(view, _SHOWN)]
        runs = [_run_line(run, zone) for run in self._runs.get(key, [])[:_SHOWN]]
        half = _HALF if times else 0
        text.append(f"\n{'Next times' if times else '':<{half}}{'What became of it' if runs else ''}", style=f"not bold {QUIET}")
        for at in range(max(len(times), len(runs))):
            text.append(f"\n{times[at] if at < len(times) else '':<{half}}", style="not bold")
            if at < len(runs):
                text.append_text(runs[at])
        return text

    @work
    async def action_history(self) -> None:
        """What became of it, all of it."""
        view = self._current()
        if view is None:
            return
        runs = await self.desk.fetch(partial(self._runs_of, view.job.id))
        if runs is not None:
            text = _history(runs, zone_of(view.job.schedule.zone))
            await self.app.push_screen_wait(SheetDialog(f"What became of {safe_name(view.job.name)}", text, {}))

    @work
    async def action_switch(self) -> None:
        """On, or off."""
        view = self._current()
        if view is not None:
            await self.desk.decide(partial(self._switch, view))

    @work
    async def action_run(self) -> None:
        """Run it now, whatever its schedule says."""
        view = self._current()
        if view is not None:
            await self.desk.decide(partial(self._call, view))

    @work
    async def action_preview(self) -> None:
        """What it would say now."""
        view = self._current()
        if view is None:
            return
        text = view.job.text or await self.desk.fetch(partial(self._preview, view.job.id))
        if text is not None:
            title = {"ask": "asks the clone", "write": "has the clone write", "followup": "has the clone write"}.get(
                view.job.kind, "says now"
            )
            body = Text(safe_text(text) or "It would say nothing now.")
            await self.app.push_screen_wait(SheetDialog(f"What {safe_name(view.job.name)} {title}", body, {}))

    @work
    async def action_choose(self) -> None:
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
        body = Text(f"{_usual_time(found)}. It says nothing when {found.says_nothing_when}.\n\nNow it would say:\n\n", style=QUIET)
        body.append(safe_text(text) or "(nothing)", style="not bold #d7dce3")
        if await self.app.push_screen_wait(SheetDialog(found.title, body, {"y": "Switch it on"})) == "y":
            await self.desk.decide(partial(self._choose, found))

    @work
    async def action_remove(self) -> None:
        """Get rid of it, after a confirmation."""
        view = self._current()
        if view is None:
            return
        body = "It does not come again, and what became of it is forgotten. Drafts that it wrote stay."
        if await self.app.push_screen_wait(ConfirmDialog(f"Remove {safe_name(view.job.name)}?", body, "Remove")):
            await self.desk.decide(partial(self._remove, view))

    async def _switch(self, view: JobView) -> str:
        desk = self._job_desk()
        if view.state.enabled:
            await desk.pause(view.job.id)
            return f"{safe_name(view.job.name)} is off."
        resumed = await desk.resume(view.job.id)
        return f"{safe_name(view.job.name)} is on{f': {_on_the_clock(resumed)}' if resumed.next_at else ''}."

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
        return f"{safe_name(view.job.name)} is removed."

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

    def _current(self) -> JobView | None:
        return (self._jobs or {}).get(self.table.current or "")

    def _put(self, now: datetime) -> None:
        if self._jobs is None:
            self.put([], "Looking …")
            return
        self.put([self._row(view, now) for view in self._jobs.values()])

    def _row(self, view: JobView, now: datetime) -> Row:
        job = view.job
        last: Cell = _OUTCOMES.get(view.last.outcome, (_plain(view.last.outcome), "")) if view.last else ("", "")
        return job.id, (
            _state(view),
            (safe_name(job.name), "bold"),
            (in_words(job.schedule), ""),
            (_next(view, now), ""),
            (self._who(view), QUIET),
            last,
            (_why_not(view), WARN),
        )

    def _who(self, view: JobView) -> str:
        target = view.job.target
        return "you" if target == SELF else shown_name(self._names.get(target), target)

    def _does(self, view: JobView) -> str:
        if view.job.kind in _DOES:
            words = " ".join(safe_text(view.job.text[:_TEXT]).split())
            return f"{_DOES[view.job.kind].format(self._who(view))}: {words}"
        ready = next((each for each in ready_jobs() if each.id == view.job.id), None)
        return f"Ready-made: it says nothing when {ready.says_nothing_when}." if ready else "Tells you what there is to tell."


def _urgency(view: JobView) -> tuple[int, int]:
    rank = _URGENCY.get("" if view.state.enabled else view.state.why, 3)
    if rank == 1 and view.next_at is None:
        rank = 2
    return rank, to_ms(view.next_at) if view.next_at else 0


def _state(view: JobView) -> Cell:
    state = view.state
    if state.is_open:
        return "● runs", GOOD
    return ("● on", GOOD) if state.enabled else _STOPPED.get(state.why, ("○ off", QUIET, ""))[:2]


def _next(view: JobView, now: datetime) -> str:
    """When it comes next, on the clock of its zone."""
    due_ms = view.state.due_ms
    if view.state.is_open or (due_ms is not None and due_ms <= to_ms(now)):
        return "now"
    if not view.state.enabled:
        return "-"
    return {"trigger": "when it is so", "call": "when run"}.get(view.job.schedule.kind) or _on_the_clock(view)


def _on_the_clock(view: JobView) -> str:
    return f"{view.next_at.astimezone(zone_of(view.job.schedule.zone)):%a %d %b %H:%M}" if view.next_at else "-"


def _why_not(view: JobView) -> str:
    """Why it does not run, or why its last run came to nothing; empty when all is well."""
    if not view.state.enabled:
        return _STOPPED[view.state.why][2] if view.state.why in _STOPPED else "it is off"
    if view.last is None or view.last.outcome in {"sent", "queued", "draft", "nothing", "idle"}:
        return ""
    return _reason(view.last)


def _reason(run: JobRun) -> str:
    return _WHY.get(run.why, _plain(run.why))


def _plain(word: str) -> str:
    return safe_name(word.replace("_", " "))


def _usual_time(ready: ReadyJob) -> str:
    return in_words(CronSchedule(expr=ready.cron, zone="UTC"))


def _run_line(run: JobRun, zone: tzinfo) -> Text:
    words, style = _OUTCOMES.get(run.outcome, (_plain(run.outcome), ""))
    text = Text(f"{run.occurrence.astimezone(zone):%a %d %b %H:%M}  ", style="not bold")
    text.append(words, style=f"not bold {style}".strip())
    more = [
        _reason(run),
        f"{counted(run.skipped, 'one')} before it not made up for" if run.skipped else "",
        " ".join(map(safe_name, run.platform_ids)),
    ]
    text.append("".join(f"  {each}" for each in more if each), style=f"not bold {QUIET}")
    return text


def _history(runs: Sequence[JobRun], zone: tzinfo) -> Text:
    text = Text()
    for run in runs:
        text.append_text(_run_line(run, zone))
        text.append(f"  {run.ms} ms\n" if run.ms else "\n", style=f"not bold {QUIET}")
    return text if runs else Text("It has not run yet.")
