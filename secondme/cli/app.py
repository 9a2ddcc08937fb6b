"""The command tree, one line per command or group. Importing it loads no library but typer, and no command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from secondme import __version__
from secondme.cli.command import Invocation
from secondme.cli.help.table import SECTIONS
from secondme.cli.help.tree import Root


class RootCommand(Root):
    """`secondme`"""

    sections = SECTIONS


app = typer.Typer(
    name="secondme",
    cls=RootCommand,
    help="Your AI clone: it answers the people you approve, in your voice, and falls silent when you speak.",
    add_completion=False,  # typer's own options are below, where they cost nothing
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001  typer's form of a callback
    if wanted and not context.resilient_parsing:
        sys.stdout.write(f"secondme {__version__}\n")
        raise typer.Exit


def _install_completion(context: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:  # noqa: FBT001  as above
    if wanted:
        from typer.completion import install_callback

        from secondme.cli.help.bash import set_up_shells

        set_up_shells()
        install_callback(context, param, wanted)


def _show_completion(context: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:  # noqa: FBT001  as above
    if wanted:
        from typer.completion import show_callback

        from secondme.cli.help.bash import set_up_shells

        set_up_shells()
        show_callback(context, param, wanted)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(readable=False, help="Keep everything under this directory (else SECONDME_HOME).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override one setting for this call.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option("--install-completion", callback=_install_completion, is_eager=True, help="Let Tab complete in your shell."),
    ] = False,
    show_completion: Annotated[
        bool, typer.Option("--show-completion", callback=_show_completion, is_eager=True, help="Print what that would install.")
    ] = False,
) -> None:
    """Remember what was typed before the command."""
    del version, install_completion, show_completion  # done by now
    context.obj = Invocation(home=home, settings=tuple(settings or ()))
