"""`secondme service`: the gateway runs by itself, in the background and after a restart."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen

if TYPE_CHECKING:
    from secondme.cli.service.manager import Manager, ServiceStatus
    from secondme.core.config.loader import Setup

app = typer.Typer(help="Run the gateway in the background, as a service of this machine.", no_args_is_help=True)


class ServicePart(StrEnum):
    """What the service does."""

    ALL = "all"
    GATEWAY = "gateway"
    WORKER = "worker"


_Role = Annotated[ServicePart, typer.Option(help="Which one: `worker` is a service beside the gateway's.")]


@app.command()
@command("secondme.service.install/1")
async def install(
    invocation: Invocation,
    now: Annotated[bool, typer.Option("--now", help="Start it too.")] = False,
    role: Annotated[ServicePart, typer.Option(help="What it does, as in `secondme serve`.")] = ServicePart.ALL,
    linger: Annotated[bool, typer.Option("--linger", help="Let it run while you are not logged in.")] = False,
) -> CommandResult:
    """Start the gateway with the machine, and again when it fails. Run again, it shows what changes."""
    return install_service(invocation, role.value, now=now, linger=linger)


def install_service(invocation: Invocation, part: str, *, now: bool, linger: bool) -> CommandResult:
    """The service is installed, and runs if `now`."""
    from secondme.cli.service.manager import manager_for, write_definition
    from secondme.cli.service.program import only_in_shell, program_of

    setup = invocation.setup()
    program = program_of(invocation, part)
    manager = manager_for(program, setup.places.logs)
    written = write_definition(manager)
    lingers = manager.linger(wanted=linger)
    if now:
        _refuse_beside_another(setup, manager, part)
        if written.outcome == "updated" and manager.standing().state == "active":
            manager.restart()
        else:
            manager.start()
    data = {
        "name": program.name,
        "path": str(manager.path),
        "outcome": written.outcome,
        "diff": written.diff,
        "started": now,
        **({} if lingers is None else {"lingers": lingers}),
        "onlyInShell": only_in_shell(setup),
        "hasModelKey": setup.settings.model.api_key is not None,
    }

    def show(screen: Screen) -> None:
        screen.line(f"{data['path']}: {data['outcome']}.", "good")
        for line in written.diff:
            screen.line(f"  {line}", "good" if line.startswith("+") else "bad" if line.startswith("-") else "dim")
        _show_missing(screen, setup, data, part)
        if lingers is False:
            screen.hint("It stops when you log out. To let it run without you:  secondme service install --linger", "warn")
        screen.hint("It runs." if now else "Start it:  secondme service start")

    return CommandResult(data, show)


@app.command()
@command("secondme.service.uninstall/1")
async def uninstall(invocation: Invocation, role: _Role = ServicePart.ALL) -> CommandResult:
    """Stop the service and remove it. Nothing else is touched."""
    from secondme.cli.service.manager import remove_definition

    _, manager = _managed(invocation, role.value)
    was_there = remove_definition(manager)
    text = "The service has stopped and is gone. Your home is as it was." if was_there else "There was no service."
    data = {"path": str(manager.path), "outcome": "removed" if was_there else "absent"}
    return CommandResult(data, lambda screen: screen.line(text))


@app.command()
@command("secondme.service.start/1")
async def start(invocation: Invocation, role: _Role = ServicePart.ALL) -> CommandResult:
    """Start the service, and wait until it is ready."""
    return change_service(invocation, role.value, "start")


@app.command()
@command("secondme.service.stop/1")
async def stop(invocation: Invocation, role: _Role = ServicePart.ALL) -> CommandResult:
    """Stop the service. What waits is kept."""
    return change_service(invocation, role.value, "stop")


@app.command()
@command("secondme.service.restart/1")
async def restart(invocation: Invocation, role: _Role = ServicePart.ALL) -> CommandResult:
    """Stop the service and start it, with the settings as they are now."""
    return change_service(invocation, role.value, "restart")


def change_service(invocation: Invocation, part: str, word: str) -> CommandResult:
    """The service was started, stopped or restarted."""
    from secondme.cli.service.manager import require_installed

    setup, manager = _managed(invocation, part)
    require_installed(manager)
    if word != "stop":
        _refuse_beside_another(setup, manager, part)
    {"start": manager.start, "stop": manager.stop, "restart": manager.restart}[word]()
    data = _facts(manager, manager.standing())
    text = "It has stopped. What waits is kept." if word == "stop" else "It runs."
    return CommandResult(data, lambda screen: screen.line(text))


@app.command()
@command("secondme.service.status/1")
async def status(invocation: Invocation, role: _Role = ServicePart.ALL) -> CommandResult:
    """Show whether the service runs. Exits 1 when it does not."""
    from secondme.cli.service.manager import require_installed

    _, manager = _managed(invocation, role.value)
    require_installed(manager)
    standing = manager.standing()
    data = _facts(manager, standing)

    def show(screen: Screen) -> None:
        pid = f" (pid {standing.pid})" if standing.pid else ""
        screen.line(f"{standing.state}{pid}{'' if standing.enabled else ', not started with the machine'}", _style(standing))
        if standing.status:
            screen.line(standing.status)
        if standing.restarts:
            screen.hint(f"Started anew {standing.restarts} times: secondme service logs", "warn")

    code = ExitCode.DONE if standing.state == "active" else ExitCode.NO
    return CommandResult(data, show, code)


@app.command()
@command("secondme.service.logs/1", has_json=False)
async def logs(
    invocation: Invocation,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then go on as they come, until interrupted.")] = False,
    role: _Role = ServicePart.ALL,
) -> CommandResult:
    """Print what the service said to the machine's own log. `secondme logs` reads the gateway's, which can be searched."""
    from secondme.cli.service.manager import no_manager, require_installed

    _, manager = _managed(invocation, role.value)
    require_installed(manager)
    screen = Screen()
    words = manager.log_words(lines, follow=follow)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, errors="replace")  # noqa: ASYNC220, S603  nothing else runs
    except FileNotFoundError:
        raise no_manager(words[0]) from None
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                screen.line(line.rstrip("\n"))
                screen.stream.flush()
        finally:
            process.terminate()
    return CommandResult({}, lambda _: None)


def _managed(invocation: Invocation, part: str) -> tuple[Setup, Manager]:
    from secondme.cli.service.manager import manager_for
    from secondme.cli.service.program import program_of

    setup = invocation.setup()
    return setup, manager_for(program_of(invocation, part), setup.places.logs)


def _facts(manager: Manager, standing: ServiceStatus) -> dict[str, Any]:
    return {"path": str(manager.path), **{name: value for name, value in asdict(standing).items() if value is not None}}


def _refuse_beside_another(setup: Setup, manager: Manager, part: str) -> None:
    """Raises BusyError while a gateway of this home runs that is not the service's."""
    from secondme.core.errors import BusyError
    from secondme.core.files import is_held

    if part != "worker" and is_held(setup.places.gateway_lock) and manager.standing().state not in {"active", "activating"}:
        raise BusyError(
            "gateway_running",
            "A gateway of this home runs already.",
            "Stop it (Ctrl-C where it runs), then:  secondme service start",
        )


def _show_missing(screen: Screen, setup: Setup, data: dict[str, Any], part: str) -> None:
    names = data["onlyInShell"]
    if names:
        screen.line(f"Set in your shell, which a service does not see: {', '.join(names)}.", "warn")
        screen.line(
            f"Write each as a line NAME=VALUE into {setup.places.env_file}, and:  chmod 600 {setup.places.env_file}", "warn"
        )
    elif not data["hasModelKey"] and part != "gateway":
        screen.line(f"No key for the model is set: put ANTHROPIC_API_KEY=... into {setup.places.env_file}, 0600.", "warn")


def _style(standing: ServiceStatus) -> str:
    return {"active": "good", "failed": "bad"}.get(standing.state, "warn")
