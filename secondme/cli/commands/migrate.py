"""`secondme migrate`: an existing installation, and the people it already talks to, come over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.core.enums import Tier

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

app = typer.Typer(help="Bring an existing installation over.", no_args_is_help=True)

_Execute = Annotated[bool, typer.Option("--execute", help="Do it; else only say what would be done.")]
_Verbose = Annotated[bool, typer.Option("--verbose", help="One line for each contact or value.")]
_FROM: Any = typer.Option(
    "--from", metavar="URL", envvar="SECONDME_MIGRATE_FROM", help="Another Redis, like redis://localhost:6380."
)


@app.command()
def pairing(
    context: typer.Context,
    execute: _Execute = False,
    verbose: _Verbose = False,
    source: Annotated[str | None, _FROM] = None,
    tier: Annotated[Tier, typer.Option(help="How far they are trusted.")] = Tier.STANDARD,
    as_json: Json = False,
) -> None:
    """Let in everybody who already has a history. Says what it would do; --execute does exactly that."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.migrating import migrate_pairing, source_url

        url = source_url(context, source)
        return await migrate_pairing(invocation, url, tier, execute=execute, verbose=verbose, as_json=as_json)

    run(context, "secondme.migrate.pairing/1", work, as_json=as_json)


@app.command()
def predecessor(
    context: typer.Context,
    source: Annotated[str, _FROM],
    execute: _Execute = False,
    verbose: _Verbose = False,
    as_json: Json = False,
) -> None:
    """Bring over what the TypeScript SecondMe kept in Redis, for contacts that are let in. Says what it would do; --execute does it."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.migrating import migrate_predecessor, source_url

        url = source_url(context, source) or source
        return await migrate_predecessor(invocation, url, execute=execute, verbose=verbose, as_json=as_json)

    run(context, "secondme.migrate.predecessor/1", work, as_json=as_json)
