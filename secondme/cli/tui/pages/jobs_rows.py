"""How jobs are drawn: as rows of the list, and as a sheet with what one does, when it comes and what became of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.tui.layout import apart, beside, chip, column, facts, fit, heading, keys, lines, say, shown_name, wrapped
from secondme.cli.tui.theme import BAD, FAINT, GOOD, INK, SOFT, WAITS
from secondme.core.clock import to_ms
from secondme.core.format import coming, counted, money
from secondme.core.jobs.desk import coming as next_times
from secondme.core.jobs.desk import ready_jobs
from secondme.core.jobs.records import SELF
from secondme.core.jobs.schedule import in_words, zone_of
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, tzinfo

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.core.jobs.records import JobRun, JobView

ALL_OFF = "No job runs by itself. secondme jobs on"
_NAME = 20
_TIMES = 5
"""Next times of the job under the cursor."""
_TEXT = 600
_STOPPED = {
    "paused": ("off", "quiet", "you switched it off: o switches it on"),
    "done": ("done", "quiet", "it is over"),
    "failed": ("failed", "bad", "it came to nothing too often; o tries on"),
    "broken": ("broken", "bad", "it can never come to anything: its runs say why"),
}
_OUTCOMES = {
    "nothing": ("nothing to say", SOFT),
    "idle": ("nothing new", SOFT),
    "queued": ("on its way", GOOD),
    "sent": ("sent", GOOD),
    "draft": ("a draft waits", WAITS),
    "dropped": ("dropped", SOFT),
    "expired": ("expired", SOFT),
    "overtaken": ("overtaken", SOFT),
    "undeliverable": ("not delivered", BAD),
    "failed": ("tried again", SOFT),
    "given_up": ("failed", BAD),
    "missed": ("missed", SOFT),
    "waiting": ("waits", SOFT),
    "limit": ("over its limit", SOFT),
    "clock_back": ("clock put back", SOFT),
    "refused": ("refused", BAD),
}
"""What became of a run, in words. Amber is only what waits for the owner."""
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
_FINE = {"sent", "queued", "draft", "nothing", "idle"}
_DOES = {"say": "Tells you", "ask": "Asks the clone", "write": "Has the clone write to {}"}
_URGENCY = {"failed": 0, "broken": 0, "": 1, "paused": 3, "done": 4}


class JobsDrawing:
    """Every job, as of the last look."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobView] = {}
        self.runs: dict[str, list[JobRun]] = {}
        """Of the job under the cursor."""
        self.names: Mapping[str, str] = {}
        self.is_off = False
        """No job runs by itself."""
        self.now: datetime | None = None
        self._reckoned: tuple[JobView, str, list[datetime]] | None = None
        """The job under the cursor, when it comes in words, and its next times: they are reckoned from its schedule, not at every tick."""

    def who(self, view: JobView) -> str:
        """For whom it is."""
        target = view.job.target
        return "you" if target == SELF else shown_name(self.names.get(target), target)

    # Rows

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """One job in one line, or in two."""
        if (view := self.jobs.get(key)) is None:
            return say("")
        name = say(_mark(view), (safe_name(view.job.name), f"bold {INK}"))
        when = say((self._when(view), SOFT), _trouble(view))
        right = beside(*_chips(view))
        if tight:
            return apart(say(column(name, _NAME + 2), " ", when), right, width)
        return lines(apart(name, right, width), fit(say("  ", when), width))

    def _when(self, view: JobView) -> str:
        """When it comes next, on the clock of its zone."""
        state = view.state
        if state.is_open or (self.now is not None and state.due_ms is not None and state.due_ms <= to_ms(self.now)):
            return "now"
        if not state.enabled:
            return "stopped" if state.why in {"failed", "broken"} else ""
        said = {"trigger": "when it is so", "call": "when it is run"}.get(view.job.schedule.kind)
        return said or (on_the_clock(view, self.now) if self.now is not None else "")

    # The sheet

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """What it does and when, why not, the keys, and what became of it."""
        if (view := self.jobs.get(key)) is None:
            return say("")
        job, zone = view.job, zone_of(view.job.schedule.zone)
        words, times = self._reckon(view)
        known: list[tuple[str, str | Content]] = [
            ("Next", self._when(view) or "not while it is off"),
            ("Runs", f"{words}, {job.schedule.zone}"),
            ("Does", self._does(view)),
            ("For", self.who(view)),
            ("Last", _run_line(view.last, zone, self.now) if view.last is not None else "it has not run yet"),
        ]
        drawn = [*self._warning(), beside(*_chips(view)), say(""), *facts(known, width)]
        if why := why_not(view):
            drawn += wrapped(f"{why[0].upper()}{why[1:]}.", width, style=BAD if _is_bad(view) else SOFT)
        if len(times) > 1:
            drawn += [say(""), heading("Next times"), *[say((f"{at:%a %d %b %Y %H:%M}", INK)) for at in times]]
        drawn += [say(""), keys(hint for hint in hints if hint[0] in {"o", "r", "t", "e", "d"})]
        if runs := self.runs.get(key):
            drawn += [say(""), heading("What became of it"), *[_run_line(run, zone, self.now, whole=True) for run in runs]]
        return lines(*drawn)

    def _warning(self) -> list[Content]:
        return [say(("▲ ", BAD), (ALL_OFF, BAD)), say("")] if self.is_off else []

    def _reckon(self, view: JobView) -> tuple[str, list[datetime]]:
        if self._reckoned is None or self._reckoned[0] != view:
            zone = zone_of(view.job.schedule.zone)
            times = [at.astimezone(zone) for at in next_times(view, _TIMES)]
            self._reckoned = view, in_words(view.job.schedule), times
        return self._reckoned[1:]

    def _does(self, view: JobView) -> str:
        if view.job.kind in _DOES:
            words = " ".join(safe_text(view.job.text[:_TEXT]).split())
            return f"{_DOES[view.job.kind].format(self.who(view))}: {words}"
        ready = next((each for each in ready_jobs() if each.id == view.job.id), None)
        return f"Ready-made: it says nothing when {ready.says_nothing_when}." if ready else "Tells you what there is to tell."


def urgency(view: JobView) -> tuple[int, int]:
    """What failed first, then what comes next first, then what does not come."""
    rank = _URGENCY.get("" if view.state.enabled else view.state.why, 3)
    if rank == 1 and view.next_at is None:
        rank = 2
    return rank, to_ms(view.next_at) if view.next_at else 0


def on_the_clock(view: JobView, now: datetime) -> str:
    """Its next time on the clock of its zone; empty when there is none."""
    return coming(view.next_at.astimezone(zone_of(view.job.schedule.zone)), now) if view.next_at else ""


def why_not(view: JobView) -> str:
    """Why it does not run, or why its last run came to nothing; empty when all is well."""
    if not view.state.enabled:
        return _STOPPED[view.state.why][2] if view.state.why in _STOPPED else "it is off: o switches it on"
    if view.last is None or view.last.outcome in _FINE:
        return ""
    return _reason(view.last)


def _is_bad(view: JobView) -> bool:
    if not view.state.enabled:
        return view.state.why in {"failed", "broken"}
    return view.last is not None and _OUTCOMES.get(view.last.outcome, ("", SOFT))[1] == BAD


def _mark(view: JobView) -> tuple[str, str]:
    if not view.state.enabled and view.state.why in {"failed", "broken"}:
        return "▲ ", BAD
    return ("● ", WAITS) if _asks(view) else ("  ", INK)


def _asks(view: JobView) -> bool:
    """What it wrote last waits for the owner."""
    return view.last is not None and view.last.outcome == "draft"


def _chips(view: JobView) -> list[Content]:
    state = view.state
    asks = [chip("1 draft", "waits")] if _asks(view) else []
    if state.is_open:
        return [*asks, chip("runs", "good")]
    word, role = ("on", "good") if state.enabled else _STOPPED.get(state.why, ("off", "quiet", ""))[:2]
    return [*asks, chip(word, role)]


def _trouble(view: JobView) -> Content:
    """Behind the time: what became of the last run, where that was nothing."""
    if not view.state.enabled or view.last is None or view.last.outcome in _FINE:
        return say("")
    words, style = _OUTCOMES.get(view.last.outcome, (_plain(view.last.outcome), SOFT))
    return say((" · ", FAINT), (f"last one {words}", style))


def _reason(run: JobRun) -> str:
    return _WHY.get(run.why, _plain(run.why))


def _plain(word: str) -> str:
    return safe_name(word.replace("_", " "))


def _run_line(run: JobRun, zone: tzinfo, now: datetime | None, *, whole: bool = False) -> Content:
    """One run: when, what became of it, and `whole`: why, and what reached its platform."""
    at = run.occurrence.astimezone(zone)
    year = "" if now is not None and at.year == now.astimezone(zone).year else f" {at.year}"
    words, style = _OUTCOMES.get(run.outcome, (_plain(run.outcome), SOFT))
    more = [
        _reason(run),
        f"{counted(run.skipped, 'one')} before it not made up for" if run.skipped else "",
        " ".join(map(safe_name, run.platform_ids)) if whole else "",
        money(run.micros) if whole and run.micros else "",
        f"{run.ms} ms" if whole and run.ms else "",
    ]
    when = f"{at:%a} {at.day} {at:%b}{year} {at:%H:%M}"
    return say((f"{when}  ", FAINT if whole else INK), (words, style), ("".join(f"  {each}" for each in more if each), FAINT))
