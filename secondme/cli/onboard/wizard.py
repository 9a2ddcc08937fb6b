"""The onboarding wizard: stages, and writing secrets, configuration and persona in an order in which a crash leaves nothing half
done.

It can be left at every question: what was answered is kept beside the configuration, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.cli.commands.config import show_diff
from secondme.cli.commands.import_ import ImportWishes, import_files
from secondme.cli.onboard import channels, gateway, model, questions, senses
from secondme.cli.onboard.model import given_key
from secondme.cli.onboard.prompts import FILE, Interview, OnboardingDraft, WizardChoice, WizardQuestion
from secondme.cli.onboard.site import Site
from secondme.cli.output import CommandResult, ExitCode, Screen, program_for
from secondme.core.clock import SystemClock
from secondme.core.config.files import spare_name, write
from secondme.core.config.loader import Setup, plan_settings
from secondme.core.errors import ConfigError, SecondmeError
from secondme.core.files import private_dir
from secondme.core.text import did_you_mean
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from secondme.cli.command import Invocation


async def write_all(site: Site) -> None:
    """What was decided counts from now on. Repeatable. Raises ConfigError when the disk refuses; what is written by then is whole."""
    plan, places = site.plan, site.setup.places
    edit = plan_settings(places, plan.settings, home=site.invocation.home)
    secrets = site.keep_secrets()
    backup = write(edit, SystemClock().now_ms())
    plan.report |= {
        "written": True,
        "file": str(places.config_file),
        "backup": str(backup) if backup else None,
        "secrets": secrets,
    }
    site.good(f"Written{f'; what was there is {backup.name}' if backup else ''}" if edit.is_change else "Nothing to change")
    if secrets:
        site.good(f"Keys are in {secrets}")
    _write_persona(site)
    site.setup = site.invocation.setup()
    await _import(site)
    await gateway.keep_digest(site)


def _write_persona(site: Site) -> None:
    fields = site.plan.persona
    if fields is None:
        return
    path = site.setup.places.personas / site.setup.settings.persona.file
    if path.exists():
        path.rename(spare_name(path, SystemClock().now_ms()))
    guide = fields["guide"]
    shown = {name: value for name, value in fields.items() if name != "guide"}
    made = persona_library(site.setup).create(path.stem, shown, (), guide)
    site.good(f"Your voice is {made}; change it whenever you like")


async def _import(site: Site) -> None:
    """Chats are read; one that cannot be is said and no reason to stop: it can be read later."""
    reports = []
    for path in site.plan.exports:
        platform = "telegram" if path.suffix.lower() == ".json" else "whatsapp"
        try:
            result = await import_files(site.invocation, platform, [path], ImportWishes(site.plan.export_owner))
        except SecondmeError as error:
            site.failed(error)
            reports.append({"platform": platform, "code": error.code})
            continue
        result.show(site.screen)
        reports.append({"platform": platform, **result.data})
    if reports:
        site.plan.report["imports"] = reports


async def start_wizard(
    invocation: Invocation,
    options: Mapping[str, str | None],
    *,
    api_key_file: str | None,
    only: tuple[str, ...],
    ask: bool,
    dry_run: bool,
) -> CommandResult:
    """See `wizard.onboard`. Raises ConfigError for a stage that there is not."""
    for name in only:
        if name not in STAGES:
            hint = did_you_mean(name, STAGES, f"There are: {', '.join(STAGES)}.")
            raise ConfigError("bad_answer", f"--only: there is no stage {name}.", hint)
    answers = {name: value for name, value in options.items() if value is not None}
    found = {
        "api_key": given_key(api_key_file),
        "redis_url": os.environ.get("SECONDME_REDIS_URL"),
        "redis_namespace": os.environ.get("SECONDME_REDIS_NAMESPACE"),
        "base_url": os.environ.get("ANTHROPIC_BASE_URL"),
    }
    answers = {**{name: value for name, value in found.items() if value}, **answers}
    return await onboard(invocation, OnboardingOptions(answers, only, ask=ask, dry_run=dry_run))


SCHEMA = "secondme.onboard/1"
STAGES = {
    "model": ("Who writes the replies", model.ask),
    "store": ("Where everything is kept", questions.ask_store),
    "voice": ("Whose voice it is", questions.ask_voice),
    "senses": ("Voice messages", senses.ask),
    "door": ("Who approves people", questions.ask_pairing),
    "hours": ("When you sleep", questions.ask_hours),
    "channels": ("Where people write", channels.ask),
    "running": ("How it runs", gateway.ask),
}
"""Every stage, in order."""
_WRITE, _CHANGE, _LEAVE = "write", "change", "leave"
_ALL = "everything"


@dataclass(frozen=True, slots=True)
class OnboardingOptions:
    """What was said with the command."""

    answers: Mapping[str, str]
    only: tuple[str, ...] = ()
    ask: bool = True
    """False: nothing is asked."""
    dry_run: bool = False


async def onboard(invocation: Invocation, wishes: OnboardingOptions) -> CommandResult:
    """The home is set up as answered; see `Plan`. Raises ConfigError when nobody can be asked for what is missing; then nothing is written.

    Left in the middle, it is as before but for the draft and for a key that was proven.
    """
    screen = Screen(sys.stderr, home=invocation.home)
    if wishes.ask and not (sys.stdin.isatty() and screen.is_terminal):
        raise ConfigError("needs_terminal", "There is no terminal to ask at.", "secondme onboard --non-interactive --help")
    setup = invocation.setup()
    with _untouched(setup) if wishes.dry_run else contextlib.nullcontext():
        return await _begun(invocation, setup, wishes, screen)


@contextlib.contextmanager
def _untouched(setup: Setup) -> Iterator[None]:
    """Directories that were made meanwhile, to see whether they can be, are gone again."""
    places = setup.places
    missing = {each for place in (places.config, places.data, places.logs) for each in (place, *place.parents) if not each.exists()}
    try:
        yield
    finally:
        for directory in sorted(missing, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                directory.rmdir()


async def _begun(invocation: Invocation, setup: Setup, wishes: OnboardingOptions, screen: Screen) -> CommandResult:
    private_dir(setup.places.config)
    site = Site(invocation, setup, _interview(setup, wishes, screen))
    _greet(site)
    try:
        return await _walk(site, wishes)
    except (KeyboardInterrupt, EOFError):  # keys at a question: Ctrl-C is no signal there, Ctrl-D no end
        return _left(site, dry_run=wishes.dry_run)
    except asyncio.CancelledError:
        if wishes.ask and not wishes.dry_run:
            site.keep_secrets()
        raise


async def _walk(site: Site, wishes: OnboardingOptions) -> CommandResult:
    await questions.ask_prerequisites(site)
    stages = await _stages(site, wishes)
    for at, stage in enumerate(stages, 1):
        await _run_stage(site, stage, f"{at} of {len(stages)}")
    if not await _agreed(site, stages, wishes):
        return _unwritten(site, dry_run=wishes.dry_run)
    await write_all(site)
    site.interview.finish()
    await channels.link(site)
    return await gateway.begin(site)


def _interview(setup: Setup, wishes: OnboardingOptions, screen: Screen) -> Interview:
    if not wishes.ask:
        return Interview(wishes.answers, OnboardingDraft(None), None, screen)
    from secondme.cli.onboard.prompts import TerminalPrompter

    return Interview(
        wishes.answers, OnboardingDraft(None if wishes.dry_run else setup.places.config / FILE), TerminalPrompter(), screen
    )


def _greet(site: Site) -> None:
    screen = site.screen
    screen.line()
    screen.line("secondme: your AI clone. A few questions, and it can answer.", "bold")
    if site.interview.is_live:
        screen.hint("Enter takes what is shown. Ctrl-C leaves; secondme onboard goes on from there.", "dim")
    if site.interview.is_resumed:
        screen.line("You were here before: what you answered is shown, the rest is asked.", "accent")
    screen.line()


async def _stages(site: Site, wishes: OnboardingOptions) -> list[str]:
    """What is to be asked: what was named, else everything; on a home that is set up, what the owner chooses."""
    if wishes.only:
        return [name for name in STAGES if name in wishes.only]
    interview = site.interview
    places = site.setup.places
    if not interview.is_live or interview.is_resumed or not places.config_file.exists():
        return list(STAGES)
    chosen = await interview.choose(
        WizardQuestion("only", "It is set up already. What do you want to change?", "--only", default=_ALL),
        [
            WizardChoice(_ALL, "Go through everything; Enter keeps what is"),
            *(WizardChoice(name, title) for name, (title, _) in STAGES.items()),
        ],
    )
    return list(STAGES) if chosen == _ALL else [chosen]


async def _run_stage(site: Site, stage: str, where: str) -> None:
    title, ask = STAGES[stage]
    site.screen.line()
    site.screen.line(f"{title}  ({where})" if where else title, "bold")
    site.interview.stage = stage
    await ask(site)


async def _agreed(site: Site, stages: list[str], wishes: OnboardingOptions) -> bool:
    """True when it is to be written. The owner may go back to a stage as often as they like."""
    while True:
        edit = plan_settings(site.setup.places, site.plan.settings, home=site.invocation.home)
        site.plan.report["diff"] = edit.diff
        site.screen.line()
        site.screen.line(f"{site.setup.places.config_file}{'' if edit.is_change else ' stays as it is'}", "bold")
        show_diff(site.screen, edit)
        if wishes.dry_run:
            return False
        if not site.interview.is_live:
            return True
        question = WizardQuestion("write", "Write this?", "", default=_WRITE)
        answer = await site.interview.choose(
            question,
            [
                WizardChoice(_WRITE, "Yes"),
                WizardChoice(_CHANGE, "Change something first"),
                WizardChoice(_LEAVE, "No, leave all as it was"),
            ],
        )
        site.interview.drop("write")
        if answer != _CHANGE:
            return answer == _WRITE
        titles = [WizardChoice(name, STAGES[name][0]) for name in stages]
        stage = await site.interview.choose(WizardQuestion("again", "What?", "", default=stages[0]), titles)
        site.interview.drop("again")
        site.interview.drop_stage(stage)
        await _run_stage(site, stage, "")


def _left(site: Site, *, dry_run: bool) -> CommandResult:
    """What was proven is kept, and the owner knows how to go on."""
    kept = None if dry_run else site.keep_secrets()
    at = site.interview.at

    def show(_: Screen) -> None:
        screen = site.screen
        screen.line()
        screen.line(f"Left{f' at: {at.text}' if at else '.'}", "warn")
        screen.line(
            "Nothing was written."
            if dry_run
            else f"What you answered is kept. Go on with: {program_for(site.invocation.home)} onboard"
        )
        if kept:
            screen.line(f"Your key is kept in {kept}.", "dim")

    return CommandResult({"left": at.name if at else None}, show, ExitCode.INTERRUPTED, schema=SCHEMA)


def _unwritten(site: Site, *, dry_run: bool) -> CommandResult:
    if not dry_run:
        site.interview.finish()
    data: dict[str, Any] = {**site.plan.report, "written": False}
    return CommandResult(
        data, lambda _: site.screen.line("Nothing was written."), ExitCode.DONE if dry_run else ExitCode.NO, schema=SCHEMA
    )
