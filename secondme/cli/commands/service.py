"""`secondme service`: the gateway runs by itself, in the background and after a restart."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.cli.output import CommandResult

app = typer.Typer(help="Run the gateway in the background, as a service of this machine.", no_args_is_help=True)


class Part(StrEnum):
    """What the service does."""

    ALL = "all"
    GATEWAY = "gateway"
    WORKER = "worker"


_Role = Annotated[Part, typer.Option(help="Which one: `worker` is a service beside the gateway's.")]


@app.command()
def install(
    context: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Start it too.")] = False,
    role: Annotated[Part, typer.Option(help="What it does, as in `secondme serve`.")] = Part.ALL,
    linger: Annotated[bool, typer.Option("--linger", help="Let it run while you are not logged in.")] = False,
    as_json: Json = False,
) -> None:
    """Start the gateway with the machine, and again when it fails. Run again, it shows what changes."""

    def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.service.answers import install

        return install(invocation, role.value, now=now, linger=linger)

    _run(context, "install", work, as_json=as_json)


@app.command()
def uninstall(context: typer.Context, role: _Role = Part.ALL, as_json: Json = False) -> None:
    """Stop the service and remove it. Nothing else is touched."""

    def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.service.answers import uninstall

        return uninstall(invocation, role.value)

    _run(context, "uninstall", work, as_json=as_json)


@app.command()
def start(context: typer.Context, role: _Role = Part.ALL, as_json: Json = False) -> None:
    """Start the service, and wait until it is ready."""
    _change(context, "start", role, as_json=as_json)


@app.command()
def stop(context: typer.Context, role: _Role = Part.ALL, as_json: Json = False) -> None:
    """Stop the service. What waits is kept."""
    _change(context, "stop", role, as_json=as_json)


@app.command()
def restart(context: typer.Context, role: _Role = Part.ALL, as_json: Json = False) -> None:
    """Stop the service and start it, with the settings as they are now."""
    _change(context, "restart", role, as_json=as_json)


@app.command()
def status(context: typer.Context, role: _Role = Part.ALL, as_json: Json = False) -> None:
    """Show whether the service runs. Exits 1 when it does not."""

    def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.service.answers import status

        return status(invocation, role.value)

    _run(context, "status", work, as_json=as_json)


@app.command()
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they come, until interrupted.")] = False,
    role: _Role = Part.ALL,
) -> None:
    """Print what the service said to the machine's own log. `secondme logs` reads the gateway's, which can be searched."""

    def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.service.answers import logs

        return logs(invocation, role.value, lines, follow=follow)

    _run(context, "logs", work, as_json=False)


def _change(context: typer.Context, word: str, role: Part, *, as_json: bool) -> None:
    def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.service.answers import change

        return change(invocation, role.value, word)

    _run(context, word, work, as_json=as_json)


def _run(context: typer.Context, word: str, work: Callable[[Invocation], CommandResult], *, as_json: bool) -> None:
    async def working(invocation: Invocation) -> CommandResult:
        return work(invocation)

    run(context, f"secondme.service.{word}/1", working, as_json=as_json)
