"""`secondme api`: what a program needs to call the HTTP API: its token, and its description."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen

app = typer.Typer(help="Call your clone from programs: docs/http-api.md.", no_args_is_help=True)


@app.command()
def token(
    context: typer.Context,
    new: Annotated[bool, typer.Option("--new", help="Make another one; the old one has no power any more, from now on.")] = False,
    as_json: Json = False,
) -> None:
    """Print the token that calls over TCP need, made at first use. With --json, where it is and not what it is."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult
        from secondme.core.api.auth import TokenFile
        from secondme.core.config.paths import private_dir

        places = invocation.setup().places
        private_dir(places.data)
        file = TokenFile(places.api_token)
        secret = file.renew() if new else file.ensure()

        def show(screen: Screen) -> None:
            screen.line(secret)

        return CommandResult({"path": str(file.path), "renewed": new}, show)

    run(context, "secondme.api.token/1", work, as_json=as_json)


@app.command()
def openapi(context: typer.Context, as_json: Json = False) -> None:
    """Print the OpenAPI document. No gateway is needed."""

    async def work(invocation: Invocation) -> CommandResult:
        import json

        from secondme.cli.output import CommandResult
        from secondme.core.api.app import document

        del invocation  # the document is the same for everybody
        described = document()
        text = json.dumps(described, indent=2, sort_keys=True)

        def show(screen: Screen) -> None:
            screen.line(text)

        return CommandResult({"document": described}, show)

    run(context, "secondme.api.openapi/1", work, as_json=as_json)
