"""The onboarding wizard: stages, and writing secrets, configuration and persona in an order in which a crash leaves nothing half
done.

It can be left at every question: what was answered is kept beside the configuration, and the next run goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
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
from secondme.cli.prompts import GoneBackError
from secondme.core.clock import SystemClock
from secondme.core.config.files import spare_name, write
from secondme.core.config.loader import Setup, plan_settings
from secondme.core.errors import ConfigError, SecondmeError
from secondme.core.exports.authors import platform_of
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
    site.drop_kept_server()
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
        platform = platform_of(path)
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
    quick: bool = False,
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
    return await onboard(invocation, OnboardingOptions(answers, only, ask=ask, dry_run=dry_run, quick=quick))


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
_WRITE, _LATER, _CHANGE, _MORE, _LEAVE = "write", "later", "change", "all", "leave"
_ALL = "everything"
_QUICK = "quick"


@dataclass(frozen=True, slots=True)
class OnboardingOptions:
    """What was said with the command."""

    answers: Mapping[str, str]
    only: tuple[str, ...] = ()
    ask: bool = True
    """False: nothing is asked."""
    dry_run: bool = False
    quick: bool = False
    """What has a default is not asked."""


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
            site.keep_for_later()
        raise


async def _walk(site: Site, wishes: OnboardingOptions) -> CommandResult:
    await questions.ask_prerequisites(site)
    if not await _decide(site, wishes):
        return _unwritten(site, dry_run=wishes.dry_run)
    await write_all(site)
    site.is_written = True
    site.interview.finish()
    await channels.link(site)
    return await gateway.begin(site)


async def _decide(site: Site, wishes: OnboardingOptions) -> bool:
    """True when everything is answered and is to be written. Going back runs a stage again, up to the question that is open."""
    stages: list[str] = []
    at, last = -1, ""
    while True:
        try:
            if at < 0:
                site.interview.begin("", tuple(STAGES))
                stages, at = await _stages(site, wishes), 0
            while at < len(stages):
                await _run_stage(site, stages[at], "" if stages[at] == last else f"{at + 1} of {len(stages)}")
                at += 1
                last = ""
            answer = await _agreed(site, stages, wishes)
            if answer != _MORE:
                return answer in {_WRITE, _LATER}
            site.interview.is_quick, at = False, 0
        except GoneBackError:
            last = site.interview.stage
            stage = site.interview.go_back()
            at = stages.index(stage) if stage in stages else -1


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
        screen.hint("Enter takes what is shown; < and Enter goes back to the question before.", "dim")
        screen.hint("Ctrl-C leaves; secondme onboard goes on from there.", "dim")
    if site.interview.is_resumed:
        screen.line("You were here before: what you answered is shown, the rest is asked.", "accent")
    screen.line()


async def _stages(site: Site, wishes: OnboardingOptions) -> list[str]:
    """What is to be asked: what was named, else everything; on a home that is set up, what the owner chooses."""
    if wishes.only:
        return [name for name in STAGES if name in wishes.only]
    interview = site.interview
    interview.is_quick = wishes.quick and interview.is_live
    places = site.setup.places
    if not interview.is_live:
        return list(STAGES)
    if interview.is_resumed or not places.config_file.exists():
        if not wishes.quick:
            interview.is_quick = await _ask_way(site) == _QUICK
        return list(STAGES)
    chosen = await interview.choose(
        WizardQuestion("only", "It is set up already. What do you want to change?", "--only", default=_ALL),
        [
            WizardChoice(_ALL, "Go through everything; Enter keeps what is"),
            *(WizardChoice(name, title) for name, (title, _) in STAGES.items()),
        ],
    )
    return list(STAGES) if chosen == _ALL else [chosen]


async def _ask_way(site: Site) -> str:
    """Whether everything is asked, or only what nobody else can know."""
    question = WizardQuestion("way", "How much do you want to be asked?", "--quick", default=_QUICK)
    choices = [
        WizardChoice(_QUICK, "Quick: your key, your name, and go"),
        WizardChoice("all", "All questions"),
    ]
    return await site.interview.choose(question, choices)


async def _run_stage(site: Site, stage: str, where: str) -> None:
    """The stage is answered. `where` is which one it is of how many; empty: its title stands there already."""
    title, ask = STAGES[stage]
    if where and not site.interview.is_quick:
        site.screen.line()
        site.screen.line(f"{title}  ({where})", "bold")
    site.interview.begin(stage, tuple(STAGES))
    await site.run(stage, ask)


async def _agreed(site: Site, stages: list[str], wishes: OnboardingOptions) -> str:
    """Whether it is to be written. The owner may change an answer as often as they like. Raises GoneBackError."""
    interview = site.interview
    while True:
        site.put_in_order(tuple(STAGES))
        edit = plan_settings(site.setup.places, site.plan.settings, home=site.invocation.home)
        site.plan.report["diff"] = edit.diff
        if interview.is_quick:
            _show_defaults(site)
        else:
            site.screen.line()
            site.screen.line(f"{site.setup.places.config_file}{'' if edit.is_change else ' stays as it is'}", "bold")
            show_diff(site.screen, edit)
        if wishes.dry_run:
            return _LEAVE
        if not interview.is_live:
            return _WRITE
        quick = interview.is_quick
        answer = await interview.ask_now(
            WizardQuestion("write", "Go?" if quick else "Write this?", "", default=_WRITE),
            [
                WizardChoice(_WRITE, "Yes, and start it now" if quick else "Yes"),
                *([WizardChoice(_LATER, "Yes, and I start it later")] if quick else []),
                WizardChoice(_CHANGE, "Change something first"),
                *([WizardChoice(_MORE, "Ask me all questions first")] if quick else []),
                WizardChoice(_LEAVE, "No, leave all as it was"),
            ],
        )
        if quick:
            site.plan.start = answer == _WRITE
        if answer != _CHANGE:
            return answer
        await _change(site, stages)


async def _change(site: Site, stages: list[str]) -> None:
    """One answer is another one, or as before. Whatever hangs on it is asked anew; everything else keeps its answer."""
    interview = site.interview
    known = [each for each in interview.answered if each.stage in stages]
    width = max(30, shutil.get_terminal_size().columns - 8)
    choices = [WizardChoice(each.name, _cut(f"{each.text} {each.answer or '-'}", width)) for each in known]
    if not choices:
        return
    try:
        name = await interview.ask_now(WizardQuestion("again", "What?", "", default=choices[0].value), choices)
    except GoneBackError:
        return
    stage = next(each.stage for each in known if each.name == name)
    while True:
        interview.reopen(name)
        try:
            await _run_stage(site, stage, "")
        except GoneBackError:
            if interview.at is None or interview.at.name != name:
                continue  # from a question that only follows: the one that was chosen is asked again
            interview.close(name)
            interview.is_repeating = True
            await _run_stage(site, stage, "")
        return


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _show_defaults(site: Site) -> None:
    """What was not asked on the quick path, and how each of it is changed."""
    settings, report = site.plan.settings, site.plan.report
    model, hours = report.get("model", {}), report.get("hours", {})
    tone = (site.plan.persona or {}).get("tone")
    rows = {
        "model": model.get("name") or "none yet: nobody is answered",
        "store": _STORES.get(report.get("store", {}).get("kind", ""), ""),
        "voice": f"{tone}; its words: secondme persona edit default" if tone else "your persona stays as it is",
        "senses": "voice messages are not listened to",
        "door": _DOORS.get(str(settings.get("pairing.mode")), ""),
        "hours": f"asleep {hours.get('sleep', '')}, {hours.get('timezone', '')}" if hours.get("sleep") != "off" else "never asleep",
        "channels": "this machine alone: secondme chat",
        "running": "in a terminal: secondme serve",
    }
    site.screen.line()
    site.tell("The rest is as most people have it. To change one of them:", "bold")
    site.tell(site.screen.typed("  secondme onboard --only WORD"))
    for name, what in rows.items():
        site.tell(f"  {name:<10}{site.screen.typed(what)}", "dim")


_DOORS = {"owner": "strangers wait until you approve them", "self_verify": "strangers let themselves in with a code"}
_STORES = {"embedded": "a private server on this machine", "url": "in your Redis", "docker": "in containers"}


def _left(site: Site, *, dry_run: bool) -> CommandResult:
    """What was proven is kept, and the owner knows how to go on."""
    if site.is_written:
        return _left_written(site)
    kept = None if dry_run else site.keep_for_later()
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


def _left_written(site: Site) -> CommandResult:
    """Everything was written: what is left is to link a channel, or to start."""
    missing = [name for name in site.plan.channels if name not in {each["id"] for each in site.plan.report.get("channels") or ()}]
    called = program_for(site.invocation.home)

    def show(_: Screen) -> None:
        site.screen.line()
        site.screen.line("Left. It is set up all the same.", "warn")
        for name in missing:
            site.screen.line(f"Not linked yet:  {called} channels connect {name}")
        site.screen.line(f"Start it:  {called} serve")

    data: dict[str, Any] = {"left": "channels" if missing else "start", "written": True, "notLinked": missing}
    return CommandResult(data, show, ExitCode.INTERRUPTED, schema=SCHEMA)


def _unwritten(site: Site, *, dry_run: bool) -> CommandResult:
    if not dry_run:
        site.interview.finish()
    data: dict[str, Any] = {**site.plan.report, "written": False}
    return CommandResult(
        data, lambda _: site.screen.line("Nothing was written."), ExitCode.DONE if dry_run else ExitCode.NO, schema=SCHEMA
    )
