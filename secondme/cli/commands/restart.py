"""`secondme restart` and `secondme reload`: settings that were changed while the gateway runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen
from secondme.core.errors import SecondmeError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.service.manager import Manager
    from secondme.core.config.loader import Setup
    from secondme.core.config.paths import Places

_CHECK_S = 20.0
"""How long a process may look whether it could start anew: it tries a store that is another."""
_READY_S = 150.0
"""How long a process may take to end in order and to be ready again."""
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class _Running:
    """A process of this home that answers, or that starts anew just now."""

    path: Path
    pid: int
    part: str
    run: str = ""
    """Empty for one that is between its end and its start."""

    @property
    def name(self) -> str:
        return f"The {'worker' if self.part == 'worker' else 'gateway'} (pid {self.pid})"


@command("secondme.restart/1")
async def restart(invocation: Invocation) -> CommandResult:
    """Start the gateway anew, with the settings as they are now. Its workers too: what they do is ended in order, and no message is lost or
    answered twice. With settings that cannot work they go on as before. Exits 1 when nothing runs."""
    setup = invocation.setup()
    running = await _running(setup.places)
    if not running:
        return _nothing_runs(setup.places, {"restarted": [], "elsewhere": []})
    for each in running:
        await _asked_unless_starting(each, "check")
    elsewhere = await _elsewhere(setup, running)
    restarted = []
    for each in running:
        manager = await asyncio.to_thread(_service_of, invocation, setup.places, each)
        now = await (_by_itself(setup.places, each) if manager is None else _by_its_service(setup.places, each, manager))
        restarted.append({"part": now.part, "pid": now.pid, "by": "itself" if manager is None else "service"})

    def show(screen: Screen) -> None:
        for one in restarted:
            name = "worker" if one["part"] == "worker" else "gateway"
            screen.line(f"The {name} was started anew, and is ready (pid {one['pid']}).", "good")
        _show_elsewhere(screen, elsewhere, "secondme restart")

    return CommandResult({"restarted": restarted, "elsewhere": elsewhere}, show)


@command("secondme.reload/1")
async def reload(invocation: Invocation) -> CommandResult:
    """Have a running gateway take over changed settings. It says which it took over, and which need `secondme restart`. Personas and skills are
    read anew anyway. Exits 1 when nothing runs."""
    setup = invocation.setup()
    running = [each for each in await _running(setup.places) if each.run]
    if not running:
        return _nothing_runs(setup.places, {"processes": [], "elsewhere": []})
    told: list[dict[str, Any]] = []
    for each in running:
        said = await _asked(each, "reload", within_s=_CHECK_S)
        told.append({"part": each.part, "pid": each.pid, "taken": list(said["taken"]), "waiting": list(said["waiting"])})
    elsewhere = await _elsewhere(setup, running)

    def show(screen: Screen) -> None:
        taken, waiting = (dict.fromkeys(name for one in told for name in one[word]) for word in ("taken", "waiting"))
        if not taken and not waiting:
            screen.line("No setting was changed.")
        if taken:
            screen.line(f"Taken over: {', '.join(taken)}.", "good")
        if waiting:
            screen.hint(f"Needs a new start: {', '.join(waiting)}. Type: secondme restart", "warn")
        _show_elsewhere(screen, elsewhere, "secondme reload")

    return CommandResult({"processes": told, "elsewhere": elsewhere}, show)


def _nothing_runs(places: Places, data: dict[str, Any]) -> CommandResult:
    """The answer where nobody can be asked. Raises UnavailableError for a gateway that runs and does not answer."""
    from secondme.core.files import is_held

    if is_held(places.gateway_lock):
        fix = "Stop it (Ctrl-C where it runs), then: secondme serve"
        raise UnavailableError("gateway_silent", "A gateway of this home runs, and cannot be asked.", fix)

    def show(screen: Screen) -> None:
        screen.hint("Nothing runs here. Start it: secondme serve", "warn")

    return CommandResult(data, show, ExitCode.NO)


async def _running(places: Places) -> list[_Running]:
    """The processes of this home, the gateway first. Sockets and notes of those that are gone are removed."""
    from secondme.core.gateway.control_socket import ask
    from secondme.core.gateway.lifecycle import clear_notes, pid_of
    from secondme.core.processes import is_alive

    clear_notes(places, is_alive)
    found: dict[int, _Running] = {}
    for path in places.control_sockets():
        try:
            said = await ask(path, "about")
        except UnavailableError:
            continue
        found[int(said["pid"])] = _Running(path, int(said["pid"]), str(said["part"]), str(said["run"]))
    for note in places.restart_notes():
        with contextlib.suppress(ValueError, OSError):
            pid, part = pid_of(note), str(json.loads(note.read_text("utf-8")).get("part", "all"))
            found.setdefault(pid, _Running(places.control_socket(part, pid), pid, part))
    return sorted(found.values(), key=lambda each: (each.part == "worker", each.pid))


async def _asked(one: _Running, what: str, *, within_s: float) -> dict[str, Any]:
    """What a process answers. Raises what is in its way."""
    from secondme.core.gateway.control_socket import ask

    return await ask(one.path, what, within_s=within_s)


async def _asked_unless_starting(one: _Running, what: str) -> None:
    """It was asked; or it lives and is starting anew already, because of another command. Raises what is in its way."""
    from secondme.core.processes import is_alive

    if not one.run:
        return
    try:
        await _asked(one, what, within_s=_CHECK_S)
    except UnavailableError as error:
        if error.code != "process_silent" or not is_alive(one.pid):
            raise


async def _by_itself(places: Places, one: _Running) -> _Running:
    """The process has ended in order and started anew under its own id. Raises what kept it from that."""
    await _asked_unless_starting(one, "restart")
    return await _until_ready(places, one)


async def _by_its_service(places: Places, one: _Running, manager: Manager) -> _Running:
    """The service was started anew by who runs it, and is ready."""
    await asyncio.to_thread(manager.restart)
    pid = (await asyncio.to_thread(manager.standing)).pid or one.pid
    return await _until_ready(places, _Running(places.control_socket(one.part, pid), pid, one.part, one.run))


async def _until_ready(places: Places, one: _Running) -> _Running:
    """Another run of the process than `one` is ready. Raises what came in its way, and UnavailableError for one that is gone or takes too long."""
    from secondme.core.gateway.control_socket import ask
    from secondme.core.processes import is_alive

    note = places.restart_note(one.pid)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READY_S):
            while True:
                with contextlib.suppress(UnavailableError):
                    said = await ask(one.path, "about")
                    if said["ready"] and said["run"] != one.run and not note.exists():
                        return _Running(one.path, int(said["pid"]), one.part, str(said["run"]))
                if not is_alive(one.pid):
                    raise _failure(note, one)
                await asyncio.sleep(_LOOK_S)  # noqa: TID251  a person waits for it
    raise UnavailableError("restart_slow", f"{one.name} is not ready yet.", "secondme logs")


def _failure(note: Path, one: _Running) -> SecondmeError:
    """Why a process that ended did not start anew."""
    from secondme.core.gateway.control_socket import as_error

    with contextlib.suppress(OSError, ValueError):
        said = json.loads(note.read_text("utf-8"))
        note.unlink(missing_ok=True)
        if "code" in said:
            why = as_error(said)
            why.message = f"{one.name} has ended, and could not start anew: {why.message}"
            return why
    return UnavailableError("restart_failed", f"{one.name} has ended, and did not start anew.", "secondme serve")


def _service_of(invocation: Invocation, places: Places, one: _Running) -> Manager | None:
    """Who runs this process as a service of this machine; None for one that somebody started by hand."""
    from secondme.cli.service.manager import manager_for, read_ours
    from secondme.cli.service.program import program_of

    with contextlib.suppress(SecondmeError):
        manager = manager_for(program_of(invocation, one.part), places.logs)
        if read_ours(manager.path) is not None and manager.standing().pid == one.pid:
            return manager
    return None


async def _elsewhere(setup: Setup, running: list[_Running]) -> list[dict[str, Any]]:
    """Processes on the same store that a command of this home cannot ask: on another machine, or of another home."""
    from secondme.services import open_services

    ours = {each.pid for each in running}
    with contextlib.suppress(SecondmeError):
        async with open_services(setup) as services:
            found = (await services.status()).processes
        here = socket.gethostname()
        return [
            {"part": each.part, "pid": each.pid, "host": each.host} for each in found if each.host != here or each.pid not in ours
        ]
    return []


def _show_elsewhere(screen: Screen, elsewhere: list[dict[str, Any]], words: str) -> None:
    for each in elsewhere:
        screen.hint(f"Not asked: {each['part']} on {each['host']} (pid {each['pid']}). There: {words}", "warn")
