"""What does `secondme service` do and say? One function for each word."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from secondme.cli.output import CommandResult, ExitCode, Screen
from secondme.cli.service.manager import manager_for, no_manager, remove_definition, require_installed, write_definition
from secondme.cli.service.program import only_in_shell, program_of
from secondme.core.errors import BusyError
from secondme.core.store.lock import is_held

if TYPE_CHECKING:
    from secondme.cli.command import Invocation
    from secondme.cli.service.manager import Manager, Standing
    from secondme.core.config.loader import Setup


def install(invocation: Invocation, part: str, *, now: bool, linger: bool) -> CommandResult:
    """The service is installed, and runs if `now`."""
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

    return CommandResult(data, show, schema="secondme.service.install/1")


def uninstall(invocation: Invocation, part: str) -> CommandResult:
    """The service is gone; everything else stays."""
    _, manager = _managed(invocation, part)
    was_there = remove_definition(manager)
    text = "The service has stopped and is gone. Your home is as it was." if was_there else "There was no service."
    data = {"path": str(manager.path), "outcome": "removed" if was_there else "absent"}
    return CommandResult(data, lambda screen: screen.line(text), schema="secondme.service.uninstall/1")


def change(invocation: Invocation, part: str, word: str) -> CommandResult:
    """The service was started, stopped or restarted."""
    setup, manager = _managed(invocation, part)
    require_installed(manager)
    if word != "stop":
        _refuse_beside_another(setup, manager, part)
    {"start": manager.start, "stop": manager.stop, "restart": manager.restart}[word]()
    data = _facts(manager, manager.standing())
    text = "It has stopped. What waits is kept." if word == "stop" else "It runs."
    return CommandResult(data, lambda screen: screen.line(text), schema=f"secondme.service.{word}/1")


def status(invocation: Invocation, part: str) -> CommandResult:
    """How the service stands; the exit code says whether it runs."""
    _, manager = _managed(invocation, part)
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
    return CommandResult(data, show, code, schema="secondme.service.status/1")


def logs(invocation: Invocation, part: str, lines: int, *, follow: bool) -> CommandResult:
    """What the service said outside of its own log was printed, hostile characters left out."""
    _, manager = _managed(invocation, part)
    require_installed(manager)
    screen = Screen()
    words = manager.log_words(lines, follow=follow)
    try:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, errors="replace")  # noqa: S603
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
    return CommandResult({}, lambda _: None, schema="secondme.service.logs/1")


def _managed(invocation: Invocation, part: str) -> tuple[Setup, Manager]:
    setup = invocation.setup()
    return setup, manager_for(program_of(invocation, part), setup.places.logs)


def _facts(manager: Manager, standing: Standing) -> dict[str, Any]:
    return {"path": str(manager.path), **{name: value for name, value in asdict(standing).items() if value is not None}}


def _refuse_beside_another(setup: Setup, manager: Manager, part: str) -> None:
    """Raises BusyError while a gateway of this home runs that is not the service's."""
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


def _style(standing: Standing) -> str:
    return {"active": "good", "failed": "bad"}.get(standing.state, "warn")
