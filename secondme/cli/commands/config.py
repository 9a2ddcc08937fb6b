"""`secondme config`: what is set, where it came from, and changing it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, note, program_for
from secondme.core.clock import SystemClock
from secondme.core.errors import ConfigError, NotFoundError, SecondmeError
from secondme.core.files import write_private
from secondme.core.format import counted

if TYPE_CHECKING:
    from pydantic import SecretStr

    from secondme.core.config.files import ConfigEdit
    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places

app = typer.Typer(help="Show and change the settings.", no_args_is_help=True)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A setting, like sleep.timezone: secondme config show lists them.", autocompletion=completion.settings
    ),
]
_MOST = 4096
_HEADING = "# Settings of secondme: secondme config show lists them all.\n"
_ASK_S = 10.0
"""How long the present store has for its answer; one that is gone may be the reason for leaving it."""


@app.command()
@command("secondme.config.show/1")
async def show(invocation: Invocation) -> CommandResult:
    """Print every setting, its value and its source. Secrets print as ***."""
    from pydantic import SecretStr

    from secondme.core.config.loader import known_names, value_of

    setup = invocation.setup()
    rows: list[dict[str, object]] = []
    for name in known_names():
        value = value_of(setup.settings, name)
        shown = "***" if isinstance(value, SecretStr) else value
        plain = shown if shown is None or isinstance(shown, bool | int | float) else str(shown)
        if name in {"plugins", "skill_secrets"}:  # of plugins only the packages know which of theirs are secrets
            continue
        rows.append({"name": name, "value": plain, "source": setup.sources[name]})
    packages = sorted(set(setup.sources) - set(known_names()))
    rows += [{"name": name, "value": "***", "source": setup.sources[name]} for name in packages]

    def show(screen: Screen) -> None:
        screen.table(
            ("setting", "value", "source"),
            [(str(row["name"]), _as_typed(row["value"]), _short(str(row["source"]), setup.places)) for row in rows],
            empty="There are no settings.",
        )

    return CommandResult({"settings": rows}, show)


@app.command()
@command("secondme.config.path/1")
async def path(invocation: Invocation) -> CommandResult:
    """Print where the configuration, the data and the logs live."""
    places = invocation.setup().places
    paths = {"config_file": places.config_file, "personas": places.personas, "data": places.data, "logs": places.logs}

    def show(screen: Screen) -> None:
        for name, each in paths.items():
            screen.line(f"{name.replace('_', ' '):<12} {each}")

    return CommandResult({name: str(each) for name, each in paths.items()}, show)


@app.command()
@command("secondme.config.get/1")
async def get(invocation: Invocation, name: _Name) -> CommandResult:
    """Print the value of one setting, and nothing else. A secret that is set prints as ***, one that is not as nothing."""
    from pydantic import SecretStr

    from secondme.core.config.loader import known_names, value_of

    setup = invocation.setup()
    if name not in set(known_names()):
        raise _no_such(name)
    value = value_of(setup.settings, name)
    plain = "***" if isinstance(value, SecretStr) else value
    plain = plain if plain is None or isinstance(plain, bool | int | float) else str(plain)
    data = {"name": name, "value": plain, "source": setup.sources[name]}
    return CommandResult(data, lambda screen: screen.line(_as_typed(plain)))


def _as_typed(value: object) -> str:
    """A value as `config set` takes it."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _short(source: str, places: Places) -> str:
    """Where a value came from, for a person: a file of this home by its name."""
    return next((each.name for each in (places.config_file, places.env_file) if str(each) == source), source)


@app.command(
    name="set", context_settings={"ignore_unknown_options": True}
)  # -1 is a value, and the setting says what is wrong with it
@command("secondme.config.set/1")
async def set_(
    invocation: Invocation,
    name: _Name,
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="Left away for a secret, which is asked for or read.")
    ] = None,
) -> CommandResult:
    """Change one setting in config.toml, and show the difference. A secret goes to .env or the keyring, never through the command line."""
    from secondme.core.config.files import write
    from secondme.core.config.loader import is_secret, keep_secret, known_names, plan_settings

    if name not in set(known_names()) and not name.startswith("plugins."):
        raise _no_such(name)
    before, places = _present_setup(invocation), _places(invocation)
    if is_secret(name):
        if value is not None:
            raise ConfigError(
                "secret_in_argv", f"{name} is a secret: others can read a command line.", f"secondme config set {name}"
            )
        where = keep_secret(places, name, _read_secret(name), home=invocation.home)
        return await _changed(invocation, before, _secret_result(invocation, name, where, f"{name} is kept in {where}."))
    if value is None:
        raise ConfigError("no_value", f"{name} needs a value.", f"secondme config set {name} VALUE")
    edit = plan_settings(places, {name: value}, home=invocation.home)
    write(edit, SystemClock().now_ms())
    return await _changed(invocation, before, _edit_result(invocation, name, edit))


@app.command()
@command("secondme.config.unset/1")
async def unset(invocation: Invocation, name: _Name) -> CommandResult:
    """Take one setting out of config.toml, or a secret out of where it is kept: its default counts again."""
    from secondme.core.config.files import plan, write
    from secondme.core.config.loader import is_secret, keep_secret

    before, places = _present_setup(invocation), _places(invocation)
    edit = plan(places.config_file, {name: None})
    if not is_secret(name) and not edit.is_change:
        raise NotFoundError("not_set", f"config.toml does not set {name}.", "secondme config show says what does.")
    write(edit, SystemClock().now_ms())
    if is_secret(name):  # by hand it may have been written there, too
        where = keep_secret(places, name, None, home=invocation.home)
        return await _changed(invocation, before, _secret_result(invocation, name, where, f"{name} is not in {where} any more."))
    return await _changed(invocation, before, _edit_result(invocation, name, edit))


@app.command()
@command("secondme.config.edit/1")
async def edit(invocation: Invocation) -> CommandResult:
    """Open config.toml in $VISUAL or $EDITOR. It is checked before it counts: what cannot be used is shown to you again, or thrown away."""
    from secondme.core.config.files import plan, set_aside, write

    before, path = _present_setup(invocation), _places(invocation).config_file
    present = _read_whatever(path)
    with tempfile.TemporaryDirectory(prefix="secondme-") as folder:  # 0700
        draft = Path(folder) / path.name
        draft.write_text(present or _HEADING, "utf-8")
        text = await asyncio.to_thread(_edited, draft, invocation.home)
    if present is not None and not _is_usable(present, invocation.home):
        aside = set_aside(path, SystemClock().now_ms())
        write_private(path, text)
        words = f"{path} can be used again. What it was is {aside.name}."
        mended = CommandResult(_edited_data(path, changed=True), lambda screen: screen.line(words))
        return await _changed(invocation, before, mended)
    planned = replace(plan(path, {}), after=text if text != _HEADING else "")
    write(planned, SystemClock().now_ms())

    def show(screen: Screen) -> None:
        if not planned.is_change:
            screen.line("Nothing was changed.")
            return
        show_diff(screen, planned)
        screen.hint("A running gateway takes it over: secondme reload says what of it needs a restart", "dim")

    return await _changed(invocation, before, CommandResult(_edited_data(path, changed=planned.is_change), show))


@app.command()
@command("secondme.config.restore/1")
async def restore(invocation: Invocation) -> CommandResult:
    """Put the newest config.toml back that can be used. Without one, a broken file is set aside and the defaults count."""
    from secondme.core.config.files import backups, set_aside

    before, path = _present_setup(invocation), _places(invocation).config_file
    present = path.read_text("utf-8", "replace") if path.exists() else None
    texts = {each: each.read_text("utf-8", "replace") for each in backups(path)}
    kept = next((each for each, text in texts.items() if text != present and _is_usable(text, invocation.home)), None)
    if kept is None and present is None:
        raise NotFoundError("nothing_to_restore", f"There is no {path}, and none was kept.", "secondme onboard")
    if kept is None and _is_usable(present or "", invocation.home):
        raise NotFoundError("nothing_to_restore", f"{path} can be used, and no other one was kept.", "secondme config show")
    aside = set_aside(path, SystemClock().now_ms()) if present is not None else None
    aside_name = aside.name if aside else ""
    if kept is not None:
        write_private(path, texts[kept])
        words = f"{path} is again what it was: {kept.name}." + (f" What was there is {aside_name}." if aside else "")
    else:
        words = f"No earlier file was kept: {aside_name} is what was there, and the defaults count now."
    data = {"restored": kept.name if kept else None, "aside": str(aside) if aside else None}
    return await _changed(invocation, before, CommandResult(data, lambda screen: screen.line(words)))


def _places(invocation: Invocation) -> Places:
    """Where this home is. Not through the settings: they may be what is broken."""
    from secondme.core.config.loader import home_of
    from secondme.core.config.paths import find_places

    return find_places(home_of(invocation.home))


def _no_such(name: str) -> ConfigError:
    from secondme.core.config.loader import nearest_name

    near = nearest_name(name)
    return ConfigError(
        "unknown_setting", f"There is no setting {name}.", f"Did you mean {near}?" if near else "secondme config show"
    )


def _read_whatever(path: Path) -> str | None:
    """What is in the file, however broken; None when there is none."""
    from secondme.core.text import plain_text

    try:
        return plain_text(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return path.read_text("utf-8", "replace")


def _edited(draft: Path, home: Path | None) -> str:
    """The text of `draft` once its owner has left the editor with settings that can be used. Raises ConfigError, and nothing was changed, when
    they give up, or cannot be asked."""
    from secondme.cli.prompts import ask_line, edit_file
    from secondme.core.config.loader import home_of, load

    while True:
        edit_file(draft)
        text = _read_whatever(draft) or ""
        try:
            load({}, {}, home=home_of(home), config=text)
        except ConfigError as error:
            if not (sys.stdin.isatty() and sys.stdout.isatty()):
                raise ConfigError(error.code, f"{error.message} Nothing was changed.", error.fix) from error
            note(f"{error.message} {error.fix}")
            if ask_line("Edit it again? [Y/n] ").strip().lower() in {"n", "no"}:
                raise ConfigError("not_edited", "Nothing was changed.", "secondme config edit") from error
        else:
            return text


def _edited_data(path: Path, *, changed: bool) -> dict[str, object]:
    return {"file": str(path), "changed": changed}


def _read_secret(name: str) -> str:
    if sys.stdin.isatty():
        from secondme.cli.prompts import ask_line

        word = ask_line(f"{name} (hidden): ", secret=True)
    else:
        word = sys.stdin.readline(_MOST)
    if not word.strip():
        raise ConfigError("no_value", f"{name} needs a value.", f"secondme config set {name}")
    return word.strip()


def _is_usable(text: str, home: Path | None) -> bool:
    from secondme.core.config.loader import home_of, load

    try:
        load({}, {}, home=home_of(home), config=text)
    except ConfigError:
        return False
    return True


def _say_how(screen: Screen, invocation: Invocation, name: str) -> None:
    """How a gateway that runs gets to know the setting; or that the environment says something else, and wins."""
    from secondme.core.config.reload import is_taken_at_once

    try:
        source = invocation.setup().sources.get(name, "")
    except ConfigError:
        source = ""
    if source.isupper():
        screen.line(f"It does not count yet: {source} says something else, and wins.", "warn")
    else:
        screen.hint(f"A running gateway takes it over: secondme {'reload' if is_taken_at_once(name) else 'restart'}")


def _secret_result(invocation: Invocation, name: str, where: str, words: str) -> CommandResult:
    def show(screen: Screen) -> None:
        screen.line(words)
        _say_how(screen, invocation, name)

    return CommandResult({"name": name, "file": where, "changed": True, "source": where}, show)


def _edit_result(invocation: Invocation, name: str, edit: ConfigEdit) -> CommandResult:
    from secondme.core.config.loader import known_names

    def show(screen: Screen) -> None:
        if not edit.is_change:
            screen.line(f"{name} has that value already.")
            return
        show_diff(screen, edit)
        _say_how(screen, invocation, name)

    try:
        source = invocation.setup().sources.get(name, "default" if name in set(known_names()) else None)  # the environment may win
    except ConfigError:
        source = None
    return CommandResult({"name": name, "file": str(edit.path), "changed": edit.is_change, "source": source}, show)


def show_diff(screen: Screen, edit: ConfigEdit) -> None:
    """The difference, as lines that were and lines that are."""
    for line in edit.diff:
        screen.line(f"  {line}", {"+": "good", "-": "bad"}.get(line[:1], "dim"))


# Moving to another store: who stays behind in the present one


def _present_setup(invocation: Invocation) -> Setup | None:
    """The home as its files say it is; None where they cannot be used: a change may be what mends them."""
    from secondme.core.config.loader import written_setup

    try:
        return written_setup(invocation.home)
    except SecondmeError:
        return None


async def _changed(invocation: Invocation, before: Setup | None, result: CommandResult) -> CommandResult:
    """`result`; where the home has another store by it, it says who stays in the one of `before`."""
    after = _present_setup(invocation)
    if before is None or after is None or _place_of(before) == _place_of(after):
        return result
    people = await people_in(before)

    def show(screen: Screen) -> None:
        result.show(screen)
        if people:
            say_who_stays(screen, people, program_for(invocation.home), "put it back as it was", "change it again")

    return replace(result, data={**result.data, "leavesBehind": people}, show=show)


def _place_of(setup: Setup) -> tuple[SecretStr | None, str]:
    """Where the home's keys are."""
    return setup.settings.redis_url, setup.settings.redis_namespace


async def people_in(present: Setup) -> int:
    """How many are approved, as far as the present store can be asked; none is started only for that where there is no data."""
    from secondme.services import open_services

    if present.settings.redis_url is None and not present.places.store.exists():
        return 0
    try:
        async with asyncio.timeout(_ASK_S), open_services(present) as services:
            return (await services.pairing_store.stats()).approved
    except (SecondmeError, TimeoutError):
        return 0


def say_who_stays(screen: Screen, people: int, program: str, first: str, then: str) -> None:
    """The owner knows how many stay in the present store, and how they come along: `first` and `then` are to be done around the backup."""
    screen.line(f"  {counted(people, 'approved contact')}, with all that was said, would stay in the present store.", "warn")
    screen.line(
        f"  To take them along: {first}, {program} backup moving.tar.gz, {then}, then {program} restore moving.tar.gz", "dim"
    )
