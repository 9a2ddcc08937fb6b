"""`secondme api`: what a program needs to call the HTTP API: its token, and its description."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult

app = typer.Typer(help="Call your clone from programs: docs/http-api.md.", no_args_is_help=True)


@app.command()
@command("secondme.api.token/1")
async def token(
    invocation: Invocation,
    new: Annotated[bool, typer.Option("--new", help="Make another one; the old one has no power any more, from now on.")] = False,
) -> CommandResult:
    """Print the token that calls over TCP need, made at first use. With --json, where it is and not what it is."""
    from secondme.core.api.auth import TokenFile
    from secondme.core.files import private_dir

    places = invocation.setup().places
    private_dir(places.data)
    file = TokenFile(places.api_token)
    secret = file.renew() if new else file.ensure()
    return CommandResult({"path": str(file.path), "renewed": new}, lambda screen: screen.line(secret))


@app.command()
@command("secondme.api.openapi/1")
async def openapi(_: Invocation) -> CommandResult:
    """Print the OpenAPI document. No gateway is needed."""
    from secondme.core.api.app import document

    described = document()
    text = json.dumps(described, indent=2, sort_keys=True)
    return CommandResult({"document": described}, lambda screen: screen.line(text))
