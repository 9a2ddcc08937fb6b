"""`secondme hooks`: programs outside that may run one job each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command, duration
from secondme.cli.output import CommandResult, Screen, note
from secondme.core.clock import rfc3339

if TYPE_CHECKING:
    from secondme.core.tokens import NamedToken, NamedTokens

app = typer.Typer(help="Programs outside that may run one job each: docs/automation.md.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="HOOK", help="As `secondme hooks list` shows it.")]
_Lasts = Annotated[
    timedelta | None, typer.Option("--for", parser=duration, metavar="1d..365d", help="When it ends; a year by default.")
]
_YEAR = timedelta(days=365)


@app.command()
@command("secondme.hooks.add/1")
async def add(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(help="What you call it, like github.")],
    job: Annotated[str, typer.Option("--job", metavar="JOB", help="The job that it runs, and the only one.")],
    lasts: _Lasts = None,
) -> CommandResult:
    """Let a program run one job: `POST /api/hooks/JOB` with a token that can do nothing else, printed this once."""
    from secondme.core.tokens import NAME

    if not NAME.fullmatch(name):
        raise typer.BadParameter("a name has small letters, digits, dots and dashes, 32 at most, like github")
    async with invocation.services(deciding=True) as services:
        from secondme.job_desk import job_desk

        found = (await job_desk(services).find(job)).job
    return _made(_tokens(invocation), name, found.id, lasts or _YEAR)


@app.command("list")
@command("secondme.hooks.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Show every hook: which job it runs, and when it ends."""
    from secondme.core.clock import SystemClock

    now = SystemClock().now()
    found = [each for each in _tokens(invocation).all() if each.job]

    def show(screen: Screen) -> None:
        rows = [(each.name, each.job or "", rfc3339(each.expires_at)[:10] if each.expires_at > now else "ended") for each in found]
        screen.table(("hook", "job", "until"), rows, empty="No hooks yet: secondme hooks add github --job JOB")

    return CommandResult({"hooks": [{**_row(each), "ended": each.expires_at <= now} for each in found]}, show)


@app.command()
@command("secondme.hooks.rotate/1")
async def rotate(invocation: Invocation, name: _Name, lasts: _Lasts = None) -> CommandResult:
    """Make another token for a hook; the old one has no power any more."""
    tokens = _tokens(invocation)
    job = _hook(tokens, name).job or ""
    tokens.revoke(name)
    return _made(tokens, name, job, lasts or _YEAR)


@app.command()
@command("secondme.hooks.remove/1")
async def remove(invocation: Invocation, name: _Name) -> CommandResult:
    """Remove a hook: its token has no power any more, from the next call on."""
    tokens = _tokens(invocation)
    gone = _hook(tokens, name)
    tokens.revoke(name)
    return CommandResult({"name": gone.name}, lambda screen: screen.line(f"{gone.name} has no power any more.", "good"))


@app.command()
@command("secondme.hooks.test/1")
async def test(invocation: Invocation, name: _Name) -> CommandResult:
    """Run the job of a hook as a call would, with `{"test": true}` sent along."""
    job = _hook(_tokens(invocation), name).job or ""
    async with invocation.services(deciding=True) as services:
        await services.jobs.call(job, payload='{"test":true}', by_program=True)

    def show(screen: Screen) -> None:
        screen.line("Called: a process that works runs it within seconds.")
        screen.hint(f"What became of it: secondme jobs runs {job}", "dim")

    return CommandResult({"name": name, "job": job, "outcome": "called"}, show)


def _tokens(invocation: Invocation) -> NamedTokens:
    from secondme.core.tokens import NamedTokens

    return NamedTokens(invocation.setup().places.api_tokens)


def _hook(tokens: NamedTokens, name: str) -> NamedToken:
    from secondme.core.errors import NotFoundError

    found = next((each for each in tokens.all() if each.name == name and each.job), None)
    if found is None:
        raise NotFoundError("unknown_hook", "There is no hook of this name.", "secondme hooks list")
    return found


def _made(tokens: NamedTokens, name: str, job: str, lasts: timedelta) -> CommandResult:
    from secondme.core.clock import SystemClock
    from secondme.core.tokens import TokenScope

    now = SystemClock().now()
    made, secret = tokens.make(name, [TokenScope.HOOK], now, now + lasts, job=job)

    def show(screen: Screen) -> None:
        screen.line(secret)
        note(f"{name} may run {job} and nothing else, until {rfc3339(made.expires_at)[:10]}. It is not shown again.", "accent")
        note(f"POST /api/hooks/{job}, with the header  Authorization: Bearer ...", "dim")

    return CommandResult({**_row(made), "token": secret}, show)


def _row(token: NamedToken) -> dict[str, Any]:
    return {"name": token.name, "job": token.job, "createdAt": rfc3339(token.created_at), "expiresAt": rfc3339(token.expires_at)}
