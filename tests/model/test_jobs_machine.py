"""Whatever happens to jobs, in any order: each occurrence is run once or accounted for, and nothing of an old version is said."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.job_house import job_of
from fakes.size import sized
from fakes.store_clock import StoreClock, moved
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from model.corridor import Corridor, open_corridor, walks

from secondme.core.clock import to_ms
from secondme.core.errors import BusyError
from secondme.core.ids import ContactId
from secondme.core.jobs.records import JobRecord
from secondme.core.jobs.schedule import EverySchedule
from secondme.core.jobs.store import Due, Ending, JobStore
from secondme.core.records import NewRow, OutboxRow
from secondme.core.store import keys

START = to_ms(datetime(2026, 11, 30, 12, tzinfo=UTC))
HOUR = 3_600_000
CHAT = ContactId("telegram:1")
NAMES = ("tea", "milk")
ACTIONS = (*(["passes", "claims", "concludes"] * 4), *(["fails", "dies", "edits", "tends"] * 2), "pauses", "resumes", "removes", "puts", "calls",
           "kills", *(["spares"] * 2), "goes_back")  # fmt: skip
passed: Counter[str] = Counter()


class JobsMachine(RuleBasedStateMachine):
    """The oracle is what an owner would say: which versions there are, and what each of them has said."""

    corridor: Corridor
    clock: StoreClock

    @initialize()
    def begin_empty(self) -> None:
        self.jobs = JobStore(self.corridor.town.store)
        self.do(self.corridor.empty())
        self.clock.set(START)
        self.records: dict[str, JobRecord] = {}
        self.held: dict[str, tuple[int, int, int]] = {}
        """Job -> revision, fence and occurrence of a run that somebody believes to have."""
        self.said: set[str] = set()
        self.killed = False
        self.called: set[int] = set()
        """Occurrences that somebody asked for."""
        for name in NAMES:
            self.puts(name, 0)

    def do(self, step: Any) -> Any:
        return self.corridor.do(step)

    @rule(action=st.sampled_from(ACTIONS), name=st.sampled_from(NAMES), amount=st.integers(1, 200))
    def goes_on(self, action: str, name: str, amount: int) -> None:
        """One rule, so that every walk has a share of everything."""
        getattr(self, action)(name, amount)

    def _due(self, name: str) -> Due | None:
        return next((due for due in self.do(self.jobs.every()) if due.job.id == name), None)

    def puts(self, name: str, _: int) -> None:
        if name in self.records:
            return
        schedule = EverySchedule(every_s=3600, anchor_ms=START, zone="UTC")
        self.records[name] = self.do(self.jobs.put(job_of(name, schedule, grace_s=7200), now_ms=self.clock.ms))

    def passes(self, _: str, minutes: int) -> None:
        self.clock.set(self.clock.ms + minutes * 60_000)

    def goes_back(self, _: str, minutes: int) -> None:
        self.clock.set(max(START, self.clock.ms - minutes * 30_000))

    def claims(self, name: str, amount: int) -> None:
        """As the timekeeper does, by its own code; mostly once it is time."""
        due = self._due(name)
        if due is None or due.state.due_ms is None:
            return
        if due.state.due_ms > self.clock.ms and amount % 4:
            self.clock.set(due.state.due_ms + amount)
            due = self._due(name)
            assert due is not None
        taken = self.do(self.corridor.keeper._take(due))  # type: ignore[attr-defined]
        if taken is None:
            return
        claim, run, _due = taken
        passed["claimed"] += 1
        self.held[name] = (due.job.rev, claim.fence, run.occurrence_ms)
        if due.calls or not due.state.enabled:
            self.called.add(run.occurrence_ms)

    def tends(self, name: str, _: int) -> None:
        if name in self.held:
            self.do(self.jobs.tend(name, self.held[name][1]))

    def dies(self, name: str, _: int) -> None:
        """Its lease runs out; whoever held it may still believe to have it."""
        self.clock.set(self.clock.ms + 16_000)
        passed["died"] += name in self.held

    def concludes(self, name: str, _: int) -> None:
        if name not in self.held:
            return
        rev, fence, occurrence = self.held.pop(name)
        row = f"job-{name}-{rev}-{occurrence}"
        made = NewRow(
            row_id=row, reply_id=row, contact_id=CHAT, channel_id="telegram", kind="owner", text=f"v{rev}", scheduled=True, job=name
        )
        due = self._due(name)
        following = None if due is None else occurrence + HOUR
        outcome = self.do(self.jobs.conclude(name, fence, Ending("queued", rows=[made], next_ms=following)))
        passed[outcome] += 1
        if outcome == "done":
            assert due is not None
            assert self.records[name].rev == rev
            assert due.state.enabled or occurrence in self.called
            assert not self.killed
            assert row not in self.said
            self.said.add(row)

    def fails(self, name: str, seconds: int) -> None:
        if name in self.held:
            _, fence, _ = self.held.pop(name)
            ending = Ending("failed", "failed", again_after_s=float(seconds), next_ms=self.clock.ms + HOUR)
            passed[self.do(self.jobs.conclude(name, fence, ending))] += 1

    def edits(self, name: str, number: int) -> None:
        if name in self.records:
            self._put(name, text=f"text {number}", enabled=True)

    def pauses(self, name: str, _: int) -> None:
        if name in self.records:
            self._put(name, text=self.records[name].text, enabled=False)

    resumes = edits

    def _put(self, name: str, *, text: str, enabled: bool) -> None:
        stale = self.records[name].model_copy(update={"rev": 99, "text": "never"})
        try:
            self.do(self.jobs.put(stale))
        except BusyError:
            passed["changed"] += 1
        changed = self.records[name].model_copy(update={"text": text})
        self.records[name] = self.do(self.jobs.put(changed, enabled=enabled, why="" if enabled else "paused"))

    def calls(self, name: str, number: int) -> None:
        if name in self.records:
            self.do(self.jobs.call(name, key=f"k{number}"))

    def removes(self, name: str, _: int) -> None:
        self.do(self.jobs.remove(name))
        self.records.pop(name, None)

    def kills(self, _: str, __: int) -> None:
        self.killed = True
        self.do(self.corridor.client.set(keys.KILLED, "1"))

    def spares(self, _: str, __: int) -> None:
        self.killed = False
        self.do(self.corridor.client.delete(keys.KILLED))

    @invariant()
    def everything_is_once_and_has_a_next_step(self) -> None:
        rows = Counter(OutboxRow.decode(raw, "").row_id for raw in self.do(self.corridor.client.lrange(keys.outbox(CHAT), 0, -1)))
        assert set(rows) == self.said
        assert all(count == 1 for count in rows.values())
        for due in self.do(self.jobs.every()):
            assert due.job.text == self.records[due.job.id].text
            if due.state.enabled:
                assert due.state.due_ms is not None
            elif not due.calls and not due.state.is_open:  # the owner may run one that is paused
                assert due.state.due_ms is None


def test_jobs_agree_with_a_plain_model_of_them(redis_url: str, tmp_path: Path) -> None:
    from random import Random

    from jobs.test_timekeeping import Saying

    from secondme.core.clock import SystemClock
    from secondme.core.jobs.timekeeper import Timekeeper
    from secondme.core.security_log import SecurityLog

    passed.clear()
    with moved(), open_corridor(redis_url, tmp_path / "home") as opened:
        jobs = JobStore(opened.town.store)
        opened.keeper = Timekeeper(jobs, Saying(Random(1)), SecurityLog(), "w1", SystemClock())  # type: ignore[attr-defined]

        class Machine(JobsMachine):
            corridor = opened
            clock = StoreClock(redis_url, START)

        run_state_machine_as_test(Machine, settings=walks(examples=sized(2000, 120), steps=60))
    print(f"jobs: {dict(sorted(passed.items()))}")
    for step in ("claimed", "done", "stale", "again", "changed", "died"):
        assert passed[step] > 0, step
