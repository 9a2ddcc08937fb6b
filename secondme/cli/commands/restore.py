"""`secondme restore`: a backup becomes a home again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.restore/1"


def restore(  # noqa: PLR0913, PLR0917  what can be typed
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="A backup; `-` is stdin. Without: finish a restore that was killed.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the backup and say what is in it; change nothing.")] = False,
    passphrase_file: Annotated[Path | None, typer.Option(help="Its first line is the passphrase.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the store behind redis_url holds.")] = False,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Into a private store, whatever the backup says about redis_url.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of this home, which is moved aside and not deleted. Refuses while a gateway runs."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.restoring import Wishes, restore

        wishes = Wishes(
            file=file, yes=yes, dry_run=dry_run, passphrase_file=passphrase_file, overwrite=overwrite, embedded=embedded
        )
        return await restore(invocation, wishes)

    run(context, SCHEMA, work, as_json=as_json)
