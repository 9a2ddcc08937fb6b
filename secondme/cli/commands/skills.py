"""`secondme skills`: what the clone can do besides writing. Code of others runs sealed, and only as you approved it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from secondme.cli import mcp_commands
from secondme.cli.command import Invocation, Json, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, emit_event, flush, message_result

if TYPE_CHECKING:
    from pydantic import BaseModel

    from secondme.core.messages import ToolTurn
    from secondme.core.tools.reports import RunReport, SettingReport, SkillSheet
    from secondme.services import Services

app = typer.Typer(help="What the clone can do besides writing, and who may cause it.", no_args_is_help=True)
app.add_typer(mcp_commands.app, name="mcp")

_Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=completion.skills, help="A skill: its folder's name.")]
_AUDIENCES = ("owner", "trusted", "standard")
_LOOK_S = 0.5
_MOST_AT_ONCE = 1000
_TELLING = {"machine", "landlock"}
"""Probes that say more than that they went well."""
_OFF = "No skill is on. Switch one on: secondme skills enable clock"


@app.command("list")
@command("secondme.skills.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Every skill, how it stands, and who may cause it."""
    async with invocation.services() as services:
        reports = await services.skill_desk.reports()

    def show(screen: Screen) -> None:
        cells = [(each.name, each.kind, _state_in_words(each.state), each.audience or "", str(len(each.tools))) for each in reports]
        screen.table(("skill", "kind", "state", "for", "tools"), cells, empty="There are no skills.")
        for each in reports:
            if each.reason and (each.kind in {"own", "mcp"} or each.state == "unusable"):
                screen.line(f"{each.name}: {each.reason} {screen.typed(each.fix or '')}".rstrip(), "warn")
        if not any(each.enabled for each in reports):
            screen.line(screen.typed(_OFF), "dim")

    return CommandResult({"skills": [_data(each) for each in reports]}, show)


@app.command()
@command("secondme.skills.show/1")
async def show(invocation: Invocation, name: _Name) -> CommandResult:
    """One skill: what it may do in plain words, its tools, what changed since you approved it."""
    async with invocation.services() as services:
        detail = await services.skill_desk.detail(name)

    def show(screen: Screen) -> None:
        screen.line(f"{detail.name}  {_state_in_words(detail.state)}", "bold")
        if detail.reason:
            screen.line(f"{detail.reason} {screen.typed(detail.fix or '')}".rstrip(), "warn")
        _show_sheet(screen, detail.sheet)
        if detail.health:
            words = "it is well" if detail.health == "ok" else f"it failed ({detail.health})"
            screen.line(f"  last look: {words}", "dim" if detail.health == "ok" else "warn")
        for row in detail.config:
            screen.line(f"  {row.label}: {_value_in_words(row)}", "dim")

    return CommandResult(_data(detail), show)


@app.command()
@command("secondme.skills.new/1")
async def new(invocation: Invocation, name: _Name) -> CommandResult:
    """Make a small working skill, to be changed."""
    async with invocation.services() as services:
        path = services.skill_catalog.new(name)
    return message_result(
        {"name": name, "path": str(path)}, f"{path} is there.", f"Look at it, then: secondme skills approve {name}"
    )


@app.command()
@command("secondme.skills.check/1")
async def check(
    invocation: Invocation, path: Annotated[Path, typer.Argument(help="A folder or a zip; or the name of one of your skills.")]
) -> CommandResult:
    """Read a skill and say everything that is wrong with it. Nothing is written, nothing is run."""
    from secondme.skills.catalog import sheet

    async with invocation.services() as services:
        own = services.skills.directory / path
        folder = services.skill_catalog.look_at(own if not path.exists() and own.exists() else path)
    problems = [{"file": each.file, "line": each.line or None, "problem": each.words, "fix": each.fix} for each in folder.problems]
    shown = sheet(folder)
    data = {**_data(shown), "problems": problems}

    def show(screen: Screen) -> None:
        for each in folder.problems:
            screen.line(each.text, "bad")
            if each.fix:
                screen.line(f"    {screen.typed(each.fix)}", "dim")
        if not folder.problems:
            screen.line(f"{folder.name} can be used.", "good")
            _show_sheet(screen, shown)

    return CommandResult(data, show, ExitCode.BAD_INPUT if problems else ExitCode.DONE)


@app.command()
@command("secondme.skills.add/1")
async def add(
    invocation: Invocation,
    path: Annotated[Path, typer.Argument(help="A folder or a zip.")],
    digest: Annotated[str, typer.Option(help="The digest that you were promised: another one is refused.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needs --digest.")] = False,
) -> CommandResult:
    """Take a skill in, look at what it may do, and approve it. Without a terminal: --yes and --digest."""
    from secondme.cli.prompts import confirm
    from secondme.core.errors import BusyError, DataError
    from secondme.skills.catalog import sheet
    from secondme.skills.desk import report_of

    if yes and not digest:
        raise typer.BadParameter("--yes needs --digest: what you did not look at must be what you were promised")
    async with invocation.services(deciding=True) as services:
        catalog = services.skill_catalog
        folder = catalog.look_at(path)
        if folder.problems:
            words = "; ".join(each.text for each in folder.problems[:3])
            raise DataError("bad_skill", f"{path} cannot be used: {words}.", folder.problems[0].fix or "Correct it.")
        before = next((each for each in await services.skills.all() if each.name == folder.name), None)
        if before is not None and before.kind.value != "own":
            raise BusyError("skill_exists", f"{folder.name} is the name of a built-in skill.", "Rename it, in its files too.")
        if not yes:
            _show_sheet(Screen(sys.stderr, home=invocation.home), sheet(folder, before.running if before else None))
            confirm(f"Approve {folder.name}?")
        catalog.add(folder, digest=digest)
        skill = await catalog.approve(folder.name, digest=folder.digest)
    return message_result(report_of(skill), f"{skill.name} is approved and on.", f"Try it: secondme skills test {skill.name} TOOL")


@app.command()
@command("secondme.skills.approve/1")
async def approve(
    invocation: Invocation,
    name: _Name,
    digest: Annotated[str, typer.Option(help="What you looked at: another one is refused.")] = "",
    tier: Annotated[str, typer.Option(help="Who may cause it at most: owner, trusted or standard.")] = "standard",
    auto: Annotated[
        list[str] | None,
        typer.Option("--auto", metavar="TOOL", help="A tool that writes without asking you, five times a day at most."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needs --digest.")] = False,
) -> CommandResult:
    """Approve your skill as it lies there now: this copy runs, whatever becomes of the folder."""
    from secondme.cli.prompts import confirm
    from secondme.core.tools.permissions import Audience
    from secondme.skills.catalog import sheet
    from secondme.skills.desk import report_of

    if tier not in _AUDIENCES:
        raise typer.BadParameter("owner, trusted or standard", param_hint="--tier")
    if yes and not digest:
        raise typer.BadParameter("--yes needs --digest: what you did not look at must be what you expect")
    audience = Audience(_AUDIENCES.index(tier))
    async with invocation.services(deciding=True) as services:
        skill = await services.skills.get(name)
        if not yes and not skill.folder.problems:
            _show_sheet(Screen(sys.stderr, home=invocation.home), sheet(skill.folder, skill.running, audience))
            confirm(f"Approve {name}?")
        done = await services.skill_catalog.approve(
            name, digest=digest or skill.folder.digest, audience=audience, auto=frozenset(auto or ())
        )
    return message_result(report_of(done), f"{name} is approved and on.", f"Try it: secondme skills test {name} TOOL")


@app.command()
@command("secondme.skills.enable/1")
async def enable(invocation: Invocation, name: _Name) -> CommandResult:
    """Switch a skill on: it counts from the next reply on."""
    async with invocation.services(deciding=True) as services:
        report = await services.skill_desk.enable(name)
    return message_result(_data(report), f"{name} is on.{f' But: {report.reason}' if report.reason else ''}", report.fix or "")


@app.command()
@command("secondme.skills.disable/1")
async def disable(invocation: Invocation, name: _Name) -> CommandResult:
    """Switch a skill off, at once."""
    async with invocation.services(deciding=True) as services:
        report = await services.skill_desk.disable(name)
        needing = [each.name for each in await services.skill_desk.reports() if each.reason == f"It needs the skill {name}."]
    also = f" So is what needs it: {', '.join(needing)}." if needing else ""
    return message_result(_data(report), f"{name} is off.{also}")


@app.command()
@command("secondme.skills.remove/1")
async def remove(
    invocation: Invocation,
    name: _Name,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Keep what you chose for it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> CommandResult:
    """Remove one of your skills, or an MCP server: its folder, its approval, its settings."""
    from secondme.cli.prompts import confirm

    async with invocation.services(deciding=True) as services:
        skill = await services.skill_catalog.removable(name)
        if not yes:
            confirm(f"Remove {name}{'' if skill.kind.value == 'mcp' else ' and its folder'}?")
        await services.skill_catalog.remove(name, keep_data=keep_data)
        if skill.kind.value == "mcp":
            services.mcp_listings.forget(name)
        for each in set() if keep_data else services.skill_secret_names(name):
            services.keep_skill_secret(name, each, None)
    return message_result({"name": name, "removed": True}, f"{name} is gone.")


@app.command()
@command("secondme.skills.config/1")
async def config(
    invocation: Invocation,
    name: _Name,
    setting: Annotated[str | None, typer.Argument(metavar="[SETTING]", help="Which setting.")] = None,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE]", help="Its value; a secret is asked for, or read.")] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Its default again.")] = False,
) -> CommandResult:
    """Show a skill's settings, or change one. Secrets are kept where all secrets are, and no skill sees one."""
    from secondme.cli.prompts import secret_value
    from secondme.core.tools.manifest import value_from_text

    async with invocation.services(deciding=setting is not None) as services:
        skill = await services.skills.get(name)
        fields = skill.manifest.config if skill.manifest else {}
        if setting is not None:
            field, chosen = fields.get(setting), None
            if field is not None and not unset:
                chosen = secret_value(name, setting, value) if field.type == "secret" else value_from_text(field, value or "")
            await services.skill_desk.configure(name, {setting: chosen})
        detail = await services.skill_desk.detail(name)

    def show(screen: Screen) -> None:
        cells = [(row.name, _value_in_words(row), row.type, row.label) for row in detail.config]
        screen.table(("setting", "value", "type", "what"), cells, empty=f"{name} has no settings.")
        if detail.reason:
            screen.line(detail.reason, "warn")

    data = _data(detail)
    return CommandResult({"name": name, "state": detail.state, "config": data["config"]}, show)


@app.command("test")
@command("secondme.skills.test/1")
async def try_(
    invocation: Invocation,
    name: _Name,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="One of its tools.")],
    given: Annotated[str, typer.Option("--input", metavar="JSON", help="What it is called with.")] = "{}",
    contact: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="CONTACT", autocompletion=completion.approved, help="With the rights of this contact: an id or a name."
        ),
    ] = None,
) -> CommandResult:
    """Call a tool as a reply would, and show what it tells. What writes is proposed for a contact, and done for you."""
    from secondme.core.errors import NotFoundError
    from secondme.core.messages import ToolCall
    from secondme.skills.catalog import nearest_tool

    value = _object(given)
    async with invocation.services() as services:
        skill = await services.skills.get(name)
        granted = next((each for each in skill.tools if tool in {each.tool.name, getattr(each.tool, "remote", "")}), None)
        if granted is None:
            reason = f" {skill.reason}" if skill.reason else ""
            raise NotFoundError("no_such_tool", f"{name} has no tool {tool!r}.{reason}", skill.fix or nearest_tool(skill, tool))
        turn = await _turn(services, contact)
        result = await services.skill_toolbox.call(turn, ToolCall("test", granted.name, value))
    data = {"skill": name, "tool": granted.name, "code": result.code or "ok", "text": result.text}
    code = ExitCode.NO if result.code else ExitCode.DONE
    return CommandResult(data, lambda screen: screen.line(result.text, "bad" if result.code else ""), code)


@app.command()
@command("secondme.skills.dev/1", has_json=False)
async def dev(
    invocation: Invocation,
    path: Annotated[Path, typer.Argument(help="The folder of the skill that you write.")],
    tool: Annotated[str, typer.Argument(metavar="[TOOL]", help="One of its tools; else the first.")] = "",
    given: Annotated[str, typer.Option("--input", metavar="JSON", help="What it is called with.")] = "{}",
) -> CommandResult:
    """Call a tool anew at each save, sealed and with your rights, until Ctrl-C. Nobody else is offered it, and nothing is approved."""
    from secondme.skills.loader import read_folder, signature_of

    value = _object(given)
    screen, seen = Screen(home=invocation.home), None
    async with invocation.services() as services:
        while True:
            signature = signature_of(path)
            if signature != seen:
                seen = signature
                folder = await asyncio.to_thread(read_folder, path.resolve())
                result = await services.skill_toolbox.try_out(folder, tool, value)
                screen.line(f"{result.code or 'ok'}: {result.text}", "bad" if result.code else "good")
                flush(sys.stdout)
            await services.clock.sleep(_LOOK_S)


@app.command()
@command("secondme.skills.log/1")
async def log(
    invocation: Invocation,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=completion.skills, help="Only of this skill.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they come, until interrupted.")] = False,
    as_json: Json = False,
) -> CommandResult:
    """Which tools were used, for whom, and how it went; what was asked and told is not kept. With --follow: the newest last, --json an object a line."""
    async with invocation.services() as services:
        runs = await services.skill_desk.runs(name or "", limit)
        if follow:
            await _follow(services, name or "", runs, as_json=as_json)

    def show(screen: Screen) -> None:
        cells = [_run_cells(run) for run in runs]
        screen.table(("when", "tool", "result", "took", "for"), cells, empty="No tool was used yet.")

    return CommandResult({"runs": [_data(run) for run in runs]}, show)


@app.command()
@command("secondme.skills.sandbox/1")
async def sandbox(_: Invocation) -> CommandResult:
    """What confines skills on this machine, found out by trying."""
    from secondme.skills.sandbox.probe import ConfinementLevel, probe

    found = await asyncio.to_thread(probe)
    can_confine = found.level is not ConfinementLevel.NONE
    probes = [{"name": each.name, "ok": each.is_ok, "why": each.why or None, "fix": each.fix or None} for each in found.probes]
    data = {"level": found.level.value, "fix": found.fix or None, "probes": probes}

    def show(screen: Screen) -> None:
        for each in found.probes:
            why = f": {each.why}" if each.why and (not each.is_ok or each.name in _TELLING) else ""
            screen.line(f"{'✓' if each.is_ok else '-'} {each.name.replace('_', ' ')}{why}", "" if each.is_ok else "dim")
            if each.fix:
                screen.line(f"    {each.fix}", "dim")
        screen.line(
            f"Skills run {found.level.value}." if can_confine else "Nothing confines a skill here.",
            "good" if can_confine else "bad",
        )
        if found.fix:
            screen.line(found.fix, "dim")

    return CommandResult(data, show, ExitCode.DONE if can_confine else ExitCode.NO)


async def _turn(services: Services, contact: str | None) -> ToolTurn:
    """Whose rights a tool is tried with: the owner's, or a contact's."""
    from secondme.cli.contact_lookup import find_approved
    from secondme.core.messages import Origin, ToolTurn

    if contact is None:
        return ToolTurn(Origin.OWNER)
    found = await find_approved(services, contact)
    channel = found.channel_id or found.contact_id.partition(":")[0]
    return ToolTurn(Origin.CONTACT, found.tier, found.contact_id, channel, message_id="test")


def _object(given: str) -> dict[str, Any]:
    """The JSON object that was typed. Raises DataError."""
    from secondme.core.errors import DataError

    try:
        value = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise DataError("bad_input", "--input is no JSON.", """Like: --input '{"place": "Tokyo"}'""") from error
    if not isinstance(value, dict):
        raise DataError("bad_input", "--input must be a JSON object.", """Like: --input '{"place": "Tokyo"}'""")
    return value


async def _follow(services: Services, name: str, runs: list[RunReport], *, as_json: bool) -> Never:
    """Print these uses of tools, and those that come, until cancelled."""
    screen, last = Screen(), ""
    while True:
        for run in reversed(runs):
            last = run.id
            if as_json:
                emit_event(_data(run))
            else:
                screen.line("  ".join(_run_cells(run)))
                flush(screen.stream)
        await services.clock.sleep(_LOOK_S)
        runs = await services.skill_desk.runs(name, _MOST_AT_ONCE, after=last)


def _run_cells(run: RunReport) -> tuple[str, ...]:
    return run.at, f"{run.skill}_{run.tool}", run.code, f"{run.ms} ms", run.contact_id or "you"


def _data(report: BaseModel) -> dict[str, Any]:
    return report.model_dump(mode="json", by_alias=True)


def _value_in_words(row: SettingReport) -> str:
    if row.type == "secret":
        return "***" if row.set else "not set"
    return "not set" if row.value is None else str(row.value)


def _state_in_words(state: str) -> str:
    return {"enabled": "on", "disabled": "off", "not_set_up": "not set up"}.get(state, state)


def _show_sheet(screen: Screen, shown: SkillSheet) -> None:
    """What the owner decides by: what it may do first, what is new before all else."""
    from secondme.core.tools.permissions import AUDIENCE_WORDS

    about = " ".join(filter(None, [shown.name, shown.version, f"by {shown.author}" if shown.author else ""]))
    screen.line(f"{about}: {shown.description}")
    screen.line("It may:" if shown.permissions else "It may ask for nothing: it only computes.")
    for each in shown.permissions:
        screen.line(f"  {'NEW ' if each.new else ''}{each.words}  ({each.permission})", "warn" if each.new else "")
    for tool in shown.tools:
        does = "proposes" if tool.access == "write" else "reads"
        screen.line(f"  {tool.name} {does}, for {AUDIENCE_WORDS[tool.audience]}: {tool.description}")
    for hint in shown.hints:
        screen.line(f"  look: {hint}", "dim")
    for line in shown.changes:
        screen.line(f"  {line}", "dim")
    screen.line(f"  {shown.digest}", "dim")
