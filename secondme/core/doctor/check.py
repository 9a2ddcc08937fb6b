"""How is one thing looked at without holding up the others? Every check has its own time, and its own way to fail.

A check looks and changes nothing. What it comes to is a value: all is well, not set up, not checked because of something that another
check reports, or findings. A check that raises or hangs is a finding too.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from secondme.core.doctor.kinds import Finding, Severity, found
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.doctor.subject import Subject

_T = TypeVar("_T")
_LONGEST_DETAIL = 200

Status = Literal["ok", "not_set_up", "not_checked", "warning", "error"]


class NotCheckedError(Exception):
    """A check cannot look, for a reason that another check reports. `reason` completes "not checked, because ..."."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Well:
    """All is well; `detail` says what was seen."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotSetUp:
    """The owner does not use it, or not yet. Never an error."""

    detail: str = "not set up"


@dataclass(frozen=True, slots=True)
class Unwell:
    """Something is wrong."""

    findings: tuple[Finding, ...]


Outcome = Well | NotSetUp | Unwell


@dataclass(frozen=True, slots=True)
class Check:
    """Something that can be looked at on its own."""

    id: str
    """What a person types after `secondme doctor`."""
    title: str
    looks_at: str
    look: Callable[[Subject], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Report:
    """What one check came to."""

    check: Check
    status: Status
    detail: str = ""
    findings: tuple[Finding, ...] = ()


def verdict(*findings: Finding | None, detail: str = "") -> Outcome:
    """What these findings come to; without any, all is well."""
    real = tuple(finding for finding in findings if finding is not None)
    return Unwell(real) if real else Well(detail)


async def run_checks(checks: Sequence[Check], subject: Subject, timeout_s: float) -> list[Report]:
    """What every check came to, in their order. They run at the same time, each for `timeout_s` at most. Never raises."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_run(check, subject, timeout_s)) for check in checks]
    return [task.result() for task in running]


async def in_thread(work: Callable[[], _T]) -> _T:
    """What `work` returned. A thread that hangs (a network drive that is gone) is left behind: it keeps the process from nothing."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  raised again where it is awaited
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await done


async def _run(check: Check, subject: Subject, timeout_s: float) -> Report:
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await check.look(subject)
    except NotCheckedError as error:
        return Report(check, "not_checked", error.reason)
    except TimeoutError:
        return _unwell(check, (found("check-timed-out", title=check.title, check=check.id, seconds=f"{timeout_s:g}"),))
    except Exception as error:  # noqa: BLE001  one check's bug must not hide what the others see
        return _unwell(check, (found("check-crashed", title=check.title, check=check.id, where=_where(error)),))
    match outcome:
        case Well(detail):
            return Report(check, "ok", safe_text(detail)[:_LONGEST_DETAIL])
        case NotSetUp(detail):
            return Report(check, "not_set_up", safe_text(detail)[:_LONGEST_DETAIL])
        case Unwell(findings):
            return _unwell(check, tuple(subject.at_home(finding) for finding in findings))


def _unwell(check: Check, findings: tuple[Finding, ...]) -> Report:
    is_error = any(finding.severity is Severity.ERROR for finding in findings)
    return Report(check, "error" if is_error else "warning", "", findings)


def _where(error: BaseException) -> str:
    """Its type and where it was raised. Its text may quote a person or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
