"""`secondme import`: what you said elsewhere becomes what the clone knows of you."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

app = typer.Typer(help="Read chats that WhatsApp or Telegram exported. Nothing is sent.", no_args_is_help=True)

_Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="As it was exported.", readable=False)]
_Me = Annotated[str, typer.Option("--me", metavar="NAME", help="Who you are in it.")]
_Contact = Annotated[str, typer.Option("--contact", metavar="ID", help="Whose chat it is; then what they said is kept too.")]
_Timezone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Where the phone was, like Europe/Madrid.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be kept.")]


@app.command()
def whatsapp(
    context: typer.Context,
    files: _Files,
    me: _Me = "",
    contact: _Contact = "",
    timezone: _Timezone = "",
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Read WhatsApp's exports: a .txt, or the .zip with it. What you wrote teaches the clone your style; repeating it changes nothing."""
    _import(context, "whatsapp", files, (me, contact, timezone), dry_run=dry_run, as_json=as_json)


@app.command()
def telegram(
    context: typer.Context,
    files: _Files,
    me: _Me = "",
    contact: _Contact = "",
    timezone: _Timezone = "",
    dry_run: _DryRun = False,
    as_json: Json = False,
) -> None:
    """Read Telegram's exports in JSON, of one chat or of the whole account."""
    _import(context, "telegram", files, (me, contact, timezone), dry_run=dry_run, as_json=as_json)


def _import(
    context: typer.Context, platform: str, files: list[Path], said: tuple[str, str, str], *, dry_run: bool, as_json: bool
) -> None:
    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.importing import import_files

        return await import_files(invocation, platform, files, said, dry_run=dry_run)

    run(context, f"secondme.import.{platform}/1", work, as_json=as_json)
