"""`secondme doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult


def doctor(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help="Only these checks; else all.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the checks and run none.")] = False,
    fixing: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe to mend: modes, and what killed processes left.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.2, max=120, help="How long each check may take; they run at the same time.")
    ] = 3.0,
    as_json: Json = False,
) -> None:
    """Look for what is wrong, and name the command that mends it. Changes nothing without --fix. Exits 1 with findings."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.doctor import examine, list_checks
        from secondme.core.errors import NotFoundError

        if listing:
            return list_checks()
        try:
            return await examine(invocation, names or [], timeout_s=timeout, fixing=fixing)
        except NotFoundError as error:
            raise typer.BadParameter(f"{error.message} {error.fix}", param_hint="CHECK") from error

    run(context, "secondme.doctor/1", work, as_json=as_json)
