"""`secondme doctor`: the checks are put together, run on this home, and told; what is safe to fix is fixed."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, typed
from secondme.core.clock import SystemClock
from secondme.core.errors import NotFoundError, SecondmeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.channel_manifest import Manifest
    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places
    from secondme.core.doctor.check import Check, CheckReport, Finding
    from secondme.core.doctor.checks.channels import ChannelProbe
    from secondme.core.doctor.checks.skills import SkillLook
    from secondme.core.store.client import Store

_MARKS = {"ok": ("✓", "good"), "not_set_up": ("–", "dim"), "warning": ("!", "warn"), "error": ("✗", "bad")}  # noqa: RUF001  the plan's own mark
_HEADING = "SecondMe Doctor"


@command("secondme.doctor/1")
async def doctor(
    invocation: Invocation,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CHECK]...", autocompletion=completion.checks, help="Only these checks; else all."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the checks and run none.")] = False,
    fixing: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe to mend: modes, what killed processes left, broken records.")
    ] = False,
    accepting: Annotated[
        bool, typer.Option("--accept-empty", help="The store has all there is: go on although people are missing from it.")
    ] = False,
    timeout: Annotated[  # noqa: ASYNC109  the option's name
        float, typer.Option(metavar="SECONDS", min=0.2, max=120, help="How long each check may take; they run at the same time.")
    ] = 3.0,
) -> CommandResult:
    """Look for what is wrong, and name the command that mends it. Changes nothing without --fix. Exits 1 with findings."""
    if listing:
        return _list_checks()
    from secondme.core.channel_manifest import manifests
    from secondme.core.config.loader import home_of
    from secondme.core.config.paths import find_places
    from secondme.core.doctor.fixes import STORE_REPAIRS, repair
    from secondme.core.doctor.registry import chosen

    channels = manifests()
    try:
        wanted = chosen(checks(channels), names or [])
    except NotFoundError as error:
        raise typer.BadParameter(f"{error.message} {error.fix}", param_hint="CHECK") from error
    if accepting:
        async with invocation.services() as services:
            await services.witness.accept()
    reports = await _run(invocation, wanted, channels, timeout)
    fixed: list[str] = []
    if fixing:
        mended = [finding for report in reports for finding in report.findings if finding.can_fix]
        fixed = repair(find_places(home_of(invocation.home)), mended)
        if any(finding.id in STORE_REPAIRS for finding in mended):
            fixed += await _mend_store(invocation)
        if fixed:
            reports = await _run(invocation, wanted, channels, timeout)
    findings = [finding for report in reports for finding in report.findings]
    data = {
        "checks": [_to_dict(report, invocation) for report in reports],
        "findings": len(findings),
        "fixed": fixed,
        "healthy": not findings,
    }
    show = partial(_show, reports=reports, fixed=fixed, invocation=invocation, has_fixed=fixing)
    return CommandResult(data, show, ExitCode.NO if findings else ExitCode.DONE)


def checks(channels: Sequence[Manifest] | None = None) -> list[Check]:
    """Every check there is, those of channels that came as packages among them."""
    from secondme.core.channel_manifest import manifests
    from secondme.core.doctor.checks.skills import check_of
    from secondme.core.doctor.registry import all_checks

    return all_checks([_probe(each) for each in channels or manifests() if each.needs_link], [check_of(_look_at_skills)])


def _list_checks() -> CommandResult:
    """The checks, without running any."""
    known = checks()
    rows = [{"id": check.id, "title": check.title, "about": check.looks_at} for check in known]

    def show(screen: Screen) -> None:
        screen.table(("check", "looks at"), [(check.id, check.looks_at) for check in known], empty="There are no checks.")

    return CommandResult({"checks": rows}, show, schema="secondme.doctor.list/1")


async def _run(
    invocation: Invocation, wanted: Sequence[Check], channels: Sequence[Manifest], timeout_s: float
) -> list[CheckReport]:
    from secondme.core.config.loader import home_of
    from secondme.core.config.paths import find_places
    from secondme.core.doctor.check import DoctorContext, run_checks

    setup: Setup | SecondmeError
    try:
        setup = invocation.setup(even_open=True)  # the check of the files reports it, and hides nothing else
    except SecondmeError as error:
        setup = error
    places = find_places(home_of(invocation.home))
    subject = DoctorContext(
        places,
        setup,
        channels,
        SystemClock(),
        timeout_s=timeout_s,
        environ=os.environ,
        has_service=partial(_has_service, invocation, places),
    )
    try:
        return await run_checks(wanted, subject, timeout_s)
    finally:
        await subject.close()


async def _mend_store(invocation: Invocation) -> list[str]:
    """What was mended in the store, which is started for it if need be; nothing when it cannot be reached, and that is found again."""
    from secondme.core.doctor.store import mend_records

    try:
        async with invocation.services() as services:
            return await mend_records(services.store, services.settings.queue)
    except SecondmeError:
        return []


async def _look_at_skills(setup: Setup, store: Store) -> SkillLook:
    """How skills stand. What confines code is tried out only where some is on: it takes a second."""
    from secondme.core.doctor.checks.skills import SkillFacts, SkillLook
    from secondme.services import Services

    services = Services(setup, store)
    wanted = await services.skill_store.states()
    skills = await services.skills.all()
    facts = [
        SkillFacts(each.name, each.state.value, each.reason, each.fix, wanted.get(each.name, False), each.kind.value == "own")
        for each in skills
    ]
    fault = None
    try:
        services.skills.lock.read()
    except SecondmeError as error:
        fault = error.message, error.fix
    level, level_fix = "", ""
    if any(each.is_on and each.tools for each in skills):
        from secondme.skills.sandbox.probe import probe

        confinement = await asyncio.to_thread(probe, is_quick=True)
        level, level_fix = confinement.level.value, confinement.fix
    runs = await services.skill_store.runs(200)
    open_folder = str(services.skills.directory) if services.skills.is_open_to_others() else ""
    too_many = await services.skill_toolbox.too_many_for()
    return SkillLook(facts, fault, open_folder, level, level_fix, too_many, runs)


def _probe(manifest: Manifest) -> ChannelProbe:
    """The channel with the look that its setup module offers, where it does."""
    from secondme.core.channel_plugin import setup_of
    from secondme.core.doctor.checks.channels import ChannelProbe
    from secondme.services import channel_context

    def is_set_up(setup: Setup) -> bool:
        return setup_of(manifest).is_set_up(channel_context(manifest, setup))

    async def look(setup: Setup, timeout_s: float) -> str:
        module = setup_of(manifest)
        if not hasattr(module, "look"):
            return "linked"
        return f"linked as {await module.look(channel_context(manifest, setup), timeout_s)}"

    return ChannelProbe(manifest, is_set_up, look)


def _has_service(invocation: Invocation, places: Places) -> bool:
    """True when `secondme service install` has run for this home."""
    from secondme.cli.service.manager import manager_for
    from secondme.cli.service.program import program_of

    try:
        return manager_for(program_of(invocation, "all"), places.logs).path.exists()
    except SecondmeError:  # nobody runs services on this machine
        return False


def _to_dict(report: CheckReport, invocation: Invocation) -> dict[str, Any]:  # JSON values
    return {
        "id": report.check.id,
        "title": report.check.title,
        "status": report.status,
        "detail": report.detail,
        "findings": [{**finding.to_dict(), "fix": _typed(finding, invocation)} for finding in report.findings],
    }


def _show(screen: Screen, *, reports: Sequence[CheckReport], fixed: Sequence[str], invocation: Invocation, has_fixed: bool) -> None:
    screen.line(_HEADING, "bold")
    screen.line("=" * len(_HEADING))
    for line in fixed:
        screen.line(f"Mended: {line}", "good")
    for report in reports:
        if report.findings:
            for finding in report.findings:
                mark, style = _MARKS[finding.severity.value]
                screen.line(f"{mark} {report.check.title}: {finding.what}", style)
                screen.line(f"  Fix: {_typed(finding, invocation)}")
        elif report.status != "not_checked":
            mark, style = _MARKS[report.status]
            screen.line(f"{mark} {report.check.title}: {report.detail}".removesuffix(": "), style)
    _show_not_checked(screen, reports)
    _show_sum(screen, reports, has_fixed=has_fixed)


def _show_not_checked(screen: Screen, reports: Sequence[CheckReport]) -> None:
    """Once for each reason, however many checks it stops."""
    reasons: dict[str, list[str]] = {}
    for report in reports:
        if report.status == "not_checked":
            reasons.setdefault(report.detail, []).append(report.check.title)
    for reason, titles in reasons.items():
        mark, style = _MARKS["not_set_up"]
        screen.line(f"{mark} Not checked, because {reason}: {', '.join(titles)}", style)


def _show_sum(screen: Screen, reports: Sequence[CheckReport], *, has_fixed: bool) -> None:
    findings = [finding for report in reports for finding in report.findings]
    screen.line()
    if not findings:
        screen.line("No issues found.", "good")
        return
    count = "1 issue found." if len(findings) == 1 else f"{len(findings)} issues found."
    mendable = sum(finding.can_fix for finding in findings)
    if mendable and not has_fixed:  # what it could not fix just now it will not fix by being asked again
        count += f" Run 'secondme doctor --fix' to mend {'it' if mendable == len(findings) == 1 else f'{mendable} of them'}."
    screen.hint(count, "bold")


def _typed(finding: Finding, invocation: Invocation) -> str:
    """The fix as it is to be typed here: with the home that was typed, which a command without it would not find."""
    return typed(finding.fix, invocation.home)
