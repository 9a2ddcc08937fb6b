"""`secondme api`: what a program needs to call the HTTP API: its token, and its description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command, duration
from secondme.cli.output import CommandResult, Screen, note
from secondme.core.clock import rfc3339
from secondme.core.format import ago

if TYPE_CHECKING:
    from secondme.core.config.loader import Setup
    from secondme.core.tokens import NamedToken

SCOPES = (
    "read",
    "events:read",
    "drafts:read",
    "drafts:decide",
    "conversations:read",
    "conversations:write",
    "agent:ask",
    "agent:draft",
    "jobs:read",
    "jobs:run",
    "jobs:write",
    "pairing",
    "control",
    "memory",
    "skills",
    "all",
)
"""As `TokenScope`, which costs more to import than the help needs."""

app = typer.Typer(help="Call your clone from programs: docs/http-api.md.", no_args_is_help=True)


@app.command()
@command("secondme.api.token/1")
async def token(
    invocation: Invocation,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a token for one program, which may do no more than its scopes.")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(metavar="SCOPE", help=f"What it may do: {', '.join(SCOPES)}.")] = None,
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="When it ends, like 30d; a year at most.")] = "90d",
    new: Annotated[bool, typer.Option("--new", help="Make another one; the old one has no power any more, from now on.")] = False,
) -> CommandResult:
    """Print the token that calls over TCP need, made at first use. With --json, where it is and not what it is.

    With --name: a token of its own for one program, printed this once and kept nowhere.
    """
    from secondme.core.files import private_dir
    from secondme.core.tokens import TokenFile

    places = invocation.setup().places
    if name is not None:
        if new:
            raise typer.BadParameter(f"--new is for the token without a name: secondme api revoke {name}")
        return _named(invocation.setup(), name, scope or [], lasts)
    if scope or lasts != "90d":
        raise typer.BadParameter("--scope and --for are for a token with a --name")
    private_dir(places.data)
    file = TokenFile(places.api_token)
    secret = file.renew() if new else file.ensure()
    return CommandResult({"path": str(file.path), "renewed": new}, lambda screen: screen.line(secret))


def _named(setup: Setup, name: str, scopes: list[str], lasts: str) -> CommandResult:
    from secondme.core.clock import SystemClock
    from secondme.core.security_log import SecurityEvent, SecurityLog
    from secondme.core.tokens import NAME, NamedTokens, TokenScope
    from secondme.services import set_up_log

    if not NAME.fullmatch(name):
        raise typer.BadParameter("a name has small letters, digits, dots and dashes, 32 at most, like zapier")
    if wrong := [each for each in scopes if each not in SCOPES]:
        raise typer.BadParameter(f"there is no scope {wrong[0]}: it is one of {', '.join(SCOPES)}")
    if not scopes:
        raise typer.BadParameter(f"--scope says what it may do: {', '.join(SCOPES)}")
    now = SystemClock().now()
    ends = now + duration(lasts)
    set_up_log(setup)
    made, secret = NamedTokens(setup.places.api_tokens).make(name, [TokenScope(each) for each in scopes], now, ends)
    SecurityLog().write(SecurityEvent.API_TOKEN_MADE, token=made.name, scopes=" ".join(made.scopes))

    def show(screen: Screen) -> None:
        screen.line(secret)
        note(f"{name} may {', '.join(made.scopes)}, until {rfc3339(made.expires_at)[:10]}. It is not shown again.", "accent")

    return CommandResult({**_row(made), "token": secret}, show)


@app.command()
@command("secondme.api.tokens/1")
async def tokens(invocation: Invocation) -> CommandResult:
    """List the named tokens: what each may do, when it ends, and when it was last used."""
    from secondme.core.clock import SystemClock
    from secondme.core.tokens import NamedTokens

    kept, now = NamedTokens(invocation.setup().places.api_tokens), SystemClock().now()
    found = [(each, kept.last_use(each.name)) for each in kept.all()]

    def show(screen: Screen) -> None:
        rows = [
            [
                each.name,
                ", ".join(each.scopes),
                rfc3339(each.expires_at)[:10] if each.expires_at > now else "ended",
                "never" if used is None else f"{ago(used, now)} ago",
            ]
            for each, used in found
        ]
        screen.table(
            ("name", "may", "until", "used"),
            rows,
            empty="No program has a token of its own: secondme api token --name zapier --scope drafts:read",
        )

    listed = [
        {**_row(each), "ended": each.expires_at <= now, "lastUsedAt": None if used is None else rfc3339(used)}
        for each, used in found
    ]
    return CommandResult({"tokens": listed}, show)


@app.command()
@command("secondme.api.revoke/1")
async def revoke(
    invocation: Invocation, name: Annotated[str, typer.Argument(metavar="NAME", help="As `secondme api tokens` lists it.")]
) -> CommandResult:
    """Take a named token back: it has no power any more, from the next call on."""
    from secondme.core.security_log import SecurityEvent, SecurityLog
    from secondme.core.tokens import NamedTokens
    from secondme.services import set_up_log

    setup = invocation.setup()
    set_up_log(setup)
    gone = NamedTokens(setup.places.api_tokens).revoke(name)
    SecurityLog().write(SecurityEvent.API_TOKEN_REVOKED, token=gone.name, scopes=" ".join(gone.scopes))
    return CommandResult({"name": gone.name}, lambda screen: screen.line(f"{gone.name} has no power any more.", "good"))


def _row(token: NamedToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": list(token.scopes),
        "createdAt": rfc3339(token.created_at),
        "expiresAt": rfc3339(token.expires_at),
    }


@app.command()
@command("secondme.api.openapi/1")
async def openapi(_: Invocation) -> CommandResult:
    """Print the OpenAPI document. No gateway is needed."""
    from secondme.core.api.app import document

    described = document()
    text = json.dumps(described, indent=2, sort_keys=True)
    return CommandResult({"document": described}, lambda screen: screen.line(text))
