"""Jobs in the owner's own chat: reminders are made, and jobs shown, run, paused and taken back. Nobody is allowed anything from there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from secondme.core.clock import from_ms
from secondme.core.jobs.desk import ready_jobs
from secondme.core.jobs.schedule import zone_of
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.jobs.desk import JobDesk
    from secondme.core.jobs.records import JobView
    from secondme.core.remember.occasion_store import OccasionStore

HELP = """remind tomorrow 9:00 call the dentist
jobs
run JOB, off JOB, on JOB, undo JOB
done PROMISE, not one PROMISE"""
SHORT = 4
"""Characters of a job's id that are shown: enough to tell a hundred apart, mostly."""
_JOB = re.compile("[0-9a-f]{3,32}")
_MOST_SHOWN = 20
_NOT_ONE = 2
"""Words behind `not`."""


class JobCommands:
    """Carries out one command about jobs and says what came of it."""

    def __init__(
        self, desk: JobDesk, occasions: OccasionStore, call: Callable[[str], Awaitable[bool]], now_ms: Callable[[], Awaitable[int]]
    ) -> None:
        self._desk = desk
        self._occasions = occasions
        self._call = call
        self._now_ms = now_ms

    def is_meant(self, verb: str, words: list[str]) -> bool:
        """True when it is a command and not a note that begins like one."""
        match verb:
            case "remind":
                return bool(words)
            case "jobs":
                return not words
            case "done":
                return len(words) == 1 and bool(_JOB.fullmatch(words[0].casefold()))
            case "not":
                return len(words) == _NOT_ONE and words[0].casefold() == "one" and bool(_JOB.fullmatch(words[1].casefold()))
            case "run" | "off" | "on" | "undo":
                return len(words) == 1 and (
                    bool(_JOB.fullmatch(words[0].casefold())) or words[0].casefold() in {each.id for each in ready_jobs()}
                )
            case _:
                return False

    async def carry_out(self, verb: str, words: list[str]) -> str:
        """What came of it. Raises SecondmeError: it was not done."""
        match verb:
            case "remind":
                return await self._remind(" ".join(words))
            case "jobs":
                return await self._listed()
            case "done":
                return await self._settle(words[0], "done")
            case "not":
                return await self._settle(words[1], "not_one")
            case "undo":
                return f"{(await self._desk.undo(words[0])).name}: not any more."
            case "off":
                return f"{(await self._desk.pause(words[0])).job.name} is off. on {words[0]}"
            case "on":
                return await self._switch_on(words[0])
            case _:
                view = await self._desk.find(words[0])
                await self._call(view.job.id)
                return f"{view.job.name} runs now."

    async def _settle(self, reference: str, verdict: Literal["done", "not_one"]) -> str:
        contact, promise = await self._occasions.settle(reference.casefold(), verdict)
        how = "Done" if verdict == "done" else "Not a promise"
        return safe_text(f'{how}: "{promise.text[:80]}" ({contact})')

    async def _remind(self, typed: str) -> str:
        job, moment = await self._desk.remind(typed)
        return f"Reminder {job.id[:SHORT]}: {moment.in_words(from_ms(await self._now_ms()))}. undo {job.id[:SHORT]}"

    async def _switch_on(self, reference: str) -> str:
        name = reference.casefold()
        known = {view.job.id for view in await self._desk.all()}
        if name in {each.id for each in ready_jobs()} and name not in known:
            await self._desk.choose(name)
        view = await self._desk.resume(name)
        return f"{view.job.name} is on: {_next(view)}."

    async def _listed(self) -> str:
        views = [view for view in await self._desk.all() if view.state.why != "done"]
        lines = [
            f"{view.job.id[:8] if view.job.origin == 'ready' else view.job.id[:SHORT]} {view.job.name}: {_next(view)}"
            for view in views
        ]
        more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
        off = ["No job runs by itself: secondme jobs on"] if await self._desk.is_off() else []
        return safe_text("\n".join([*off, *lines[:_MOST_SHOWN], *more])) or "No jobs. Like: remind tomorrow 9:00 call the dentist"


def _next(view: JobView) -> str:
    if not view.state.enabled:
        return view.state.why or "off"
    if view.next_at is None:
        return "on call" if view.job.schedule.kind == "call" else "now"
    return f"{view.next_at.astimezone(zone_of(view.job.schedule.zone)):%a %d %b %H:%M}"
