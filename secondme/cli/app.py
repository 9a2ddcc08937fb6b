"""The command tree, one line per group. Importing it loads no library but typer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from secondme import __version__
from secondme.cli.commands import (
    agent,
    api,
    channels,
    chat,
    config,
    contacts,
    control,
    drafts,
    import_,
    migrate,
    pairing,
    persona,
    security,
    serve,
    status,
    style,
    trace,
    tui,
    usage,
    watch,
)
from secondme.cli.run import Invocation

app = typer.Typer(
    name="secondme",
    help="Your AI clone: it answers the people you let in, in your voice, and falls silent when you speak.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(readable=False, help="Keep everything under this directory (else SECONDME_HOME).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override one setting for this call.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Remember what was typed before the command."""
    if version:
        sys.stdout.write(f"secondme {__version__}\n")
        raise typer.Exit
    context.obj = Invocation(home=home, settings=tuple(settings or ()))


app.command()(serve.serve)
app.command()(status.status)
app.command()(tui.tui)
app.command()(chat.chat)
app.command()(watch.watch)
app.add_typer(pairing.app, name="pairing")
app.add_typer(channels.app, name="channels")
app.add_typer(contacts.app, name="contacts")
app.add_typer(drafts.app, name="drafts")
app.add_typer(persona.app, name="persona")
app.add_typer(style.app, name="style")
app.add_typer(import_.app, name="import")
app.add_typer(security.app, name="security")
app.command()(agent.agent)
app.command()(usage.usage)
app.command()(trace.trace)
app.command()(control.pause)
app.command()(control.resume)
app.command()(control.kill)
app.add_typer(migrate.app, name="migrate")
app.add_typer(api.app, name="api")
app.add_typer(config.app, name="config")
