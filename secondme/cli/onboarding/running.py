"""How does it run from now on? As a service, or in this terminal; either way the owner sees the first message arrive."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from secondme.cli.exits import ExitCode
from secondme.cli.onboarding.interview import Question
from secondme.cli.output import CommandResult, emit

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site
    from secondme.cli.output import Screen


async def ask(site: Site) -> None:
    """Whether to start is decided."""
    interview, plan = site.interview, site.plan
    default = "yes" if interview.is_live else "no"
    plan.start = await interview.confirm(Question("start", "Start it now?", "--start", default=default))


async def begin(site: Site, schema: str) -> CommandResult:
    """What it came to; with a start wished for, the gateway runs in this very terminal and this does not return."""
    plan = site.plan
    data = {**plan.report, "service": plan.service, "start": plan.start, "next": "secondme serve"}
    words = [*_sentences(site)]

    def show(screen: Screen) -> None:
        for words_, style in words:
            screen.line(words_, style)

    result = CommandResult(schema, data, show, ExitCode.DONE)
    if plan.start:
        emit(result, as_json=False)
        sys.stdout.flush()
        _become_gateway(site)
    return result


def _sentences(site: Site) -> list[tuple[str, str]]:
    linked = site.plan.report.get("channels")
    where = ", ".join(each["id"] for each in linked) if linked else ""
    tried = (
        f"Write to it on {where}"
        if where
        else "Write to it as a contact of this machine, in another terminal: secondme chat --as Anna"
    )
    return [
        ("", ""),
        ("It is set up.", "good"),
        (f"{'It starts now.' if site.plan.start else 'Start it: secondme serve'}", "bold"),
        (f"{tried}; who writes appears here, and you let them in with: secondme pairing approve", ""),
        ("secondme doctor looks whether all is well; secondme tui shows everything.", "dim"),
    ]


def _become_gateway(site: Site) -> None:
    """This process is the gateway from now on, without anything that the wizard had to load."""
    home = ["--home", str(site.invocation.home)] if site.invocation.home is not None else []
    words = [word for item in site.invocation.settings for word in ("--set", item)]
    os.execv(sys.executable, [sys.executable, "-m", "secondme", *home, *words, "serve"])  # noqa: S606  ourselves
