"""`secondme backup`: everything that a person would miss, in one file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.backup/1"


def backup(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Where to; `-` is stdout. Else a name with the time, here.")] = "",
    encrypt: Annotated[bool, typer.Option("--encrypt", help="With a passphrase; the program `age` opens it too.")] = False,
    passphrase_file: Annotated[Path | None, typer.Option(help="Its first line is the passphrase; implies --encrypt.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Save settings, personas, keys, channels and conversations as they are at one moment, while the gateway runs or not."""
    if file == "-" and (as_json or sys.stdout.isatty()):
        raise typer.BadParameter("`-` writes the archive to stdout: redirect it, and leave --json away")

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.backup import back_up

        return await back_up(invocation, file, encrypt=encrypt, passphrase_file=passphrase_file, overwrite=overwrite)

    run(context, SCHEMA, work, as_json=as_json)
