"""`secondme config`: what is set, where it came from, and changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen

app = typer.Typer(help="Show and change the settings.", no_args_is_help=True)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A setting, like sleep.timezone: secondme config show lists them.", autocompletion=completion.settings
    ),
]


@app.command()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Print every setting, its value and its source. Secrets print as ***."""

    async def work(invocation: Invocation) -> CommandResult:
        from pydantic import SecretStr

        from secondme.cli.output import CommandResult
        from secondme.core.config.loader import known_names, value_of

        setup = invocation.setup()
        rows: list[dict[str, object]] = []
        for name in known_names():
            value = value_of(setup.settings, name)
            shown = "***" if isinstance(value, SecretStr) else value
            plain = shown if shown is None or isinstance(shown, bool | int | float) else str(shown)
            if name == "plugins":  # only the packages know which of theirs are secrets
                continue
            rows.append({"name": name, "value": plain, "source": setup.sources[name]})
        packages = sorted(set(setup.sources) - set(known_names()))
        rows += [{"name": name, "value": "***", "source": setup.sources[name]} for name in packages]

        def text(screen: Screen) -> None:
            screen.table(
                ("setting", "value", "source"),
                [(str(row["name"]), "" if row["value"] is None else str(row["value"]), str(row["source"])) for row in rows],
                empty="There are no settings.",
            )

        return CommandResult({"settings": rows}, text)

    run(context, "secondme.config.show/1", work, as_json=as_json)


@app.command()
def path(context: typer.Context, as_json: Json = False) -> None:
    """Print where the configuration, the data and the logs live."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult

        places = invocation.setup().places
        found = {
            "config_file": str(places.config_file),
            "personas": str(places.personas),
            "data": str(places.data),
            "logs": str(places.logs),
        }

        def text(screen: Screen) -> None:
            for name, value in found.items():
                screen.line(f"{name.replace('_', ' '):<12} {value}")

        return CommandResult(dict(found), text)

    run(context, "secondme.config.path/1", work, as_json=as_json)


@app.command(name="set")
def set_(
    context: typer.Context,
    name: _Name,
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="Left away for a secret, which is asked for or read.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change one setting in config.toml, and show the difference. A secret goes to .env or the keyring, never through the command line."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.configuring import set_setting
        from secondme.cli.leaving import changed

        return await changed(invocation, lambda: set_setting(invocation, name, value))

    run(context, "secondme.config.set/1", work, as_json=as_json)


@app.command()
def unset(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """Take one setting out of config.toml, or a secret out of where it is kept: its default counts again."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.configuring import unset_setting
        from secondme.cli.leaving import changed

        return await changed(invocation, lambda: unset_setting(invocation, name))

    run(context, "secondme.config.unset/1", work, as_json=as_json)


@app.command()
def restore(context: typer.Context, as_json: Json = False) -> None:
    """Put the newest config.toml back that can be used. Without one, a broken file is set aside and the defaults count."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.configuring import restore_file
        from secondme.cli.leaving import changed

        return await changed(invocation, lambda: restore_file(invocation))

    run(context, "secondme.config.restore/1", work, as_json=as_json)
