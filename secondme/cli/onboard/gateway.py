"""The wizard's end: a service, or a gateway in this terminal; either way the owner sees the first message arrive."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from secondme.cli.commands.service import change_service, install_service
from secondme.cli.onboard.prompts import WizardQuestion
from secondme.cli.output import CommandResult, ExitCode, Screen, emit, program_for
from secondme.cli.service.manager import manager_for
from secondme.cli.service.program import program_of
from secondme.core.clock import SystemClock
from secondme.core.errors import SecondmeError
from secondme.core.files import is_held
from secondme.core.send.pacing import SleepSchedule

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site

_ALL = "all"
_PREVIEW_S = 5.0


async def ask(site: Site) -> None:
    """Whether it is a service, and whether it starts now, is decided. A service is offered only where something runs services."""
    interview, plan = site.interview, site.plan
    if interview.has("service") or (interview.is_live and _has_manager(site)):
        question = WizardQuestion("service", "Keep it running as a service, started with this machine?", "--service", default="no")
        plan.service = await interview.confirm(question)
    note = "A note in your own chat at 7:30, when something happened? It costs nothing and goes to nobody else."
    if interview.is_live and (preview := await _preview(site)):
        site.aside(preview)
    plan.digest = await interview.confirm(WizardQuestion("digest", note, "--digest", default="no"))
    default = "yes" if interview.is_live else "no"
    plan.start = await interview.confirm(WizardQuestion("start", "Start it now?", "--start", default=default))


async def _preview(site: Site) -> str:
    """What the note would say now, of a home that has something to say."""
    if not site.setup.places.config_file.exists():
        return ""
    from secondme.job_desk import preview
    from secondme.services import open_services

    try:
        async with asyncio.timeout(_PREVIEW_S), open_services(site.setup) as services:
            return await preview(services, "digest")
    except (SecondmeError, TimeoutError):
        return ""


async def keep_digest(site: Site) -> None:
    """The note comes each morning from now on, where it was wished for. A store that is not there is no reason to stop."""
    if not site.plan.digest:
        return
    from secondme.job_desk import job_desk
    from secondme.services import open_services

    try:
        async with open_services(site.setup) as services:
            await job_desk(services).choose("digest")
    except SecondmeError as error:
        site.failed(error)
    else:
        site.good("A note comes at 7:30 when something happened; off again with: secondme jobs pause digest")


async def begin(site: Site) -> CommandResult:
    """What it came to. A start that was wished for is made: as the service, whose first events are shown, or in this very terminal, and then
    this does not return. Raises what installing the service raises when nobody is there to read it."""
    plan = site.plan
    plan.runs = is_held(site.setup.places.gateway_lock)
    plan.service = plan.service and _installed(site)
    called = program_for(site.invocation.home)
    data = {**plan.report, "service": plan.service, "started": plan.start, "next": f"{called} serve"}
    words = _sentences(site, called)

    def show(screen: Screen) -> None:
        for text, style in words:
            screen.line(text, style)

    result = CommandResult(data, show, ExitCode.DONE)
    if not plan.start or (plan.service and not site.interview.is_live) or (plan.runs and not plan.service):
        return result
    emit(result, as_json=False, home=site.invocation.home)
    sys.stdout.flush()
    if plan.service:
        await _show_events(site, called)
        return CommandResult(data, lambda _: None, ExitCode.DONE)
    return _become_gateway(site)


def _has_manager(site: Site) -> bool:
    try:
        manager_for(program_of(site.invocation, _ALL), site.setup.places.logs).require()
    except SecondmeError:
        return False
    return True


def _installed(site: Site) -> bool:
    """True when the service is there, with the new answers if it is to run. What keeps it from being is said, and raised when nobody can read it."""
    try:
        install_service(site.invocation, _ALL, now=site.plan.start, linger=False).show(site.screen)
        if site.plan.start and site.plan.runs:
            change_service(site.invocation, _ALL, "restart")
    except SecondmeError as error:
        if not site.interview.is_live:
            raise
        site.failed(error)
        return False
    return True


def _sentences(site: Site, called: str) -> list[tuple[str, str]]:
    linked = [each["id"] for each in site.plan.report.get("channels") or []]
    tried = (
        f"Have somebody write to you on {' or '.join(linked)}."
        if linked
        else f"Write to it from another terminal:  {called} chat --as Anna"
    )
    said = [
        ("", ""),
        ("It is set up.", "good"),
        (_start_words(site, called), "bold"),
        (tried, "accent"),
        ("Who writes appears here, with the command that approves them.", ""),
        (f"Is all well?  {called} doctor", "dim"),
        (f"Everything on one screen:  {called} tui", "dim"),
    ]
    if site.plan.exports:
        words = [str(site.plan.exports[0]), *(("--me", site.plan.export_owner) if site.plan.export_owner else ())]
        said.append((f"How much does it sound like you?  {called} rehearse --import {shlex.join(words)}", "dim"))
    sleep, now = site.setup.settings.sleep, SystemClock().now()
    if SleepSchedule(sleep).is_asleep(now):
        tried_now = f"{called} --set sleep.enabled=false serve"
        said[5:5] = [("It is night where you are: answers wait until you wake. To try it now:", "warn"), (f"  {tried_now}", "warn")]
    elif sleep.awake_until is not None and now < sleep.awake_until:
        said.insert(5, (f"You count as awake until {sleep.awake_until:%H:%M}; after that, answers wait for the morning.", ""))
    return said


def _start_words(site: Site, called: str) -> str:
    plan = site.plan
    if plan.service and plan.start:
        return "It runs."
    if plan.runs:
        return f"It runs with the old answers. With the new ones:  {called} restart"
    return "It starts now." if plan.start else f"Start it:  {called} serve"


async def _show_events(site: Site, called: str) -> None:
    """What the service does is said here, until Ctrl-C."""
    from secondme.cli.commands.serve import announce
    from secondme.core.store.server import Role
    from secondme.services import open_services

    site.screen.line("Ctrl-C leaves this view; the service goes on.", "dim")
    greeted, left = asyncio.Event(), asyncio.Event()
    greeted.set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, left.set)
    try:
        async with open_services(site.setup, Role.ATTACH) as services, asyncio.TaskGroup() as group:
            telling = group.create_task(announce(site.screen, services, called, asyncio.Event(), greeted))
            await left.wait()
            telling.cancel()
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _become_gateway(site: Site) -> CommandResult:
    """This process is the gateway from now on, without anything that the wizard had to load."""
    home = ["--home", str(site.invocation.home)] if site.invocation.home is not None else []
    words = [word for item in site.invocation.settings for word in ("--set", item)]
    called = [sys.argv[0]] if os.path.basename(sys.argv[0]) == "secondme" else ["-m", "secondme"]  # noqa: PTH119  a word
    os.execv(sys.executable, [sys.executable, *called, *home, *words, "serve"])  # noqa: S606  ourselves
