"""`secondme serve`: the gateway in the foreground, until Ctrl-C or SIGTERM: its lock, store, signals, and what its terminal shows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from secondme import __version__
from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen, program, program_for
from secondme.cli.sd_notify import Readiness
from secondme.core import fault_points
from secondme.core.channel_manifest import needs_link, sentence_of
from secondme.core.errors import BusyError, ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from secondme.core.config.loader import Settings, Setup
    from secondme.core.config.paths import Places
    from secondme.core.config.reload import Reloaded
    from secondme.core.gateway.gateway import Gateway, Part
    from secondme.core.gateway.lifecycle import Lifecycle
    from secondme.services import Services

_LISTEN_S = 2.0
"""How long the greeting waits for the announcements to begin."""

_LOOK_S = 0.05
"""Far longer than a look at a lock takes."""

_DEMO_CONFIG = """# Written by `secondme serve --demo`; gone when it stops.
[persona]
name = "Sam"

[pacing]
scale = 0.15

[sleep]
enabled = false
"""


class ServePart(StrEnum):
    """What this process does."""

    ALL = "all"
    GATEWAY = "gateway"
    WORKER = "worker"


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's: a fifth less CPU for each call of the store; a short command would not earn its import back."""
    import uvloop

    return uvloop.new_event_loop()


@command("secondme.serve/1", has_json=False, loop_factory=_new_event_loop)
async def serve(
    invocation: Invocation,
    role: Annotated[
        ServePart, typer.Option(help="`gateway`: channels and sending; `worker`: composing; `all`: both.")
    ] = ServePart.ALL,
    demo: Annotated[bool, typer.Option("--demo", help="A throw-away home, quick replies, and no key needed.")] = False,
) -> CommandResult:
    """Run the gateway. Ctrl-C stops it within 10 seconds; nothing is lost then, nor by a kill."""
    if demo:
        return await serve_demo(invocation)
    return await serve_home(invocation.setup(), role.value, program_for(invocation.home))


def refuse_unfinished(places: Places) -> None:
    """Raises ConfigError while a restore was begun and has not ended."""
    if places.restore_note.exists():
        raise ConfigError("restore_unfinished", "A restore of this home was broken off.", "secondme restore")


async def serve_home(
    setup: Setup, part: Part, called: str, hints: list[str] | None = None, *, is_lasting: bool = True
) -> CommandResult:
    """Serve until a signal, then drain; told to start anew, this process becomes a new one instead of ending. `called` is how this program is
    called for this home, for hints that can be copied. A home that is not `is_lasting` is gone afterwards.

    Raises BusyError when this home has a gateway already, ConfigError when it cannot be served from."""
    from secondme.core import log
    from secondme.core.files import private_dir

    places = setup.places
    readiness = Readiness.take_from(os.environ)
    private_dir(places.data)
    asyncio.get_running_loop().set_exception_handler(_write_down)
    log.set_up(setup.settings.log.level, private_dir(places.logs), console=True)
    try:
        await refuse_unservable(setup, part)
        served = await _serve(setup, part, called, hints, readiness, is_lasting=is_lasting)
    except Exception as error:
        from secondme.cli.command import cause_of
        from secondme.core.gateway.lifecycle import note_failure

        note_failure(places, cause_of(error))
        raise
    left = served.gateway.manager.left_running
    if left:
        log.get_logger(__name__).error("left_by_force", channels=",".join(left))
    if served.lifecycle.is_restarting:
        _start_anew(readiness)
    if left:
        logging.shutdown()
        os._exit(0)  # all of ours has ended; asyncio would wait for what will not
    return CommandResult({}, lambda _: None)


async def refuse_unservable(setup: Setup, part: Part, running: Settings | None = None) -> None:
    """Raises ConfigError or UnavailableError for what would keep a process from serving with these settings, as far as it shows without starting
    one. A store that is another than that of `running` is tried."""
    from secondme.core.api.sockets import tcp_address
    from secondme.core.store.client import Store
    from secondme.core.store.scripts import check_installed
    from secondme.core.store.server import Role, find_server

    refuse_unfinished(setup.places)
    check_installed()
    settings = setup.settings
    if _has_api(setup, part):
        tcp_address(settings.api)  # a mistake in it is said before anything starts
    if running is None:
        return
    if settings.redis_url is None:
        find_server(settings.store.server)
    elif (settings.redis_url, settings.redis_namespace) != (running.redis_url, running.redis_namespace):
        async with Store(setup, Role.ATTACH):
            pass


async def _serve(
    setup: Setup, part: Part, called: str, hints: list[str] | None, readiness: Readiness, *, is_lasting: bool
) -> _Serving:
    """What was served until it was told to end; nothing of it is open any more."""
    from secondme.core.gateway.lifecycle import Lifecycle
    from secondme.core.store.server import Role
    from secondme.services import build_model, open_services

    stop, ready = asyncio.Event(), asyncio.Event()
    with contextlib.ExitStack() as held:
        if part != "worker":
            held.enter_context(_only_gateway(setup.places.gateway_lock))
        role = Role.ATTACH if part == "worker" else Role.OWN
        async with _whole(open_services(setup, role)) as services:
            if part == "worker":
                await _refuse_another_home(services)
            gateway = services.gateway(build_model(setup.settings, demo=hints is not None), part)

            async def check(wanted: Setup) -> None:
                await refuse_unservable(wanted, part, setup.settings)

            async def taken(found: Reloaded) -> None:
                _set_log_level(setup)
                if not found.waiting:
                    await gateway.settings_are_current()

            lifecycle = Lifecycle(setup, part, stop, ready, check=check, taken=taken, may_restart=is_lasting)
            served = _Serving(services, gateway, part, called, hints, lifecycle, stop, ready)
            await _serve_until_told(served, readiness)
    return served


def _set_log_level(setup: Setup) -> None:
    from secondme.core import log

    log.set_up(setup.settings.log.level, setup.places.logs, console=True)


def _start_anew(readiness: Readiness) -> NoReturn:
    """This process is a new one: the same program with the same arguments, environment, terminal and process id."""
    fault_points.point("serve.anew")
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **readiness.environ})  # noqa: S606  ourselves


async def _refuse_another_home(services: Services) -> None:
    """Raises ConfigError for a worker without the gateway's files, when something that is on lives in them: it would reply without."""
    settings = services.settings
    needs = {
        "memory": settings.memory.enabled,
        "pictures": settings.sight.enabled,
        "voice messages": services.hears,
        "skills": any((await services.skill_store.states()).values()),
    }
    used = [name for name, is_on in needs.items() if is_on]
    if used and not await services.witness.is_shared():
        said = f"{', '.join(used)} {'is' if used == ['memory'] else 'are'} on, and live in the gateway's home, which this worker does not share."
        fix = "Give it the gateway's home (--home, or a shared volume), or switch them off there and here."
        raise ConfigError("home_not_shared", f"{said[0].upper()}{said[1:]}", fix)


@contextlib.asynccontextmanager
async def _whole(opening: AbstractAsyncContextManager[Services]) -> AsyncIterator[Services]:
    """The services; data that cannot be read is the owner's to mend, and no reason for a service manager to try again and again."""
    async with contextlib.AsyncExitStack() as opened:
        try:
            services = await opened.enter_async_context(opening)
        except UnavailableError as error:
            if error.code != "store_damaged":
                raise
            raise ConfigError(error.code, error.message, error.fix) from error
        yield services


@dataclass(frozen=True, slots=True)
class _Serving:
    """What is served."""

    services: Services
    gateway: Gateway
    part: Part
    called: str
    hints: list[str] | None
    lifecycle: Lifecycle
    stop: asyncio.Event
    ready: asyncio.Event


async def _serve_until_told(served: _Serving, readiness: Readiness) -> None:
    """Everything that belongs to the gateway ran, and has ended in order."""
    from secondme.core.gateway.control_socket import answering

    services, gateway, part, hints = served.services, served.gateway, served.part, served.hints
    screen = Screen(sys.stderr)
    stop, ready, greeted = served.stop, served.ready, asyncio.Event()
    control = services.setup.places.control_socket(part, os.getpid())
    with _stop_on_signals(stop, served.lifecycle.end_instead):
        async with answering(control, served.lifecycle.answer), asyncio.TaskGroup() as group:
            is_watched = screen.is_terminal or hints is not None
            watching = await _watch(group, screen, services, served.called, greeted) if is_watched else None
            running = group.create_task(gateway.run(stop, ready))
            group.create_task(readiness.report(ready, stop, gateway.manager.states, lambda: served.lifecycle.is_restarting))
            group.create_task(_clear_notes(services.setup.places, ready, running))
            if _has_api(services.setup, part):
                group.create_task(_serve_api(served))
            if part != "worker":
                group.create_task(_serve_webhooks(services, gateway, ready, stop))
            await _either(ready, running)
            if watching is not None:
                _greet(screen, services.setup, part, hints)
                greeted.set()
                await stop.wait()
                watching.cancel()
                is_restarting = served.lifecycle.is_restarting
                screen.line(
                    "Starting anew, with the settings as they are now." if is_restarting else "Stopping. What waits is kept.", "dim"
                )


def _has_api(setup: Setup, part: Part) -> bool:
    return part != "worker" and setup.settings.api.enabled


async def serve_demo(invocation: Invocation) -> CommandResult:
    """Serve a throw-away home, which is gone afterwards."""
    if os.environ.get("SECONDME_REDIS_URL"):
        raise ConfigError("demo_with_redis_url", "The demo uses a store of its own.", "Unset SECONDME_REDIS_URL first.")
    if invocation.home is not None:
        raise ConfigError("demo_with_home", "The demo has a home of its own, which is gone afterwards.", "Leave --home away.")
    home = Path(tempfile.mkdtemp(prefix="secondme-demo-", dir="/tmp"))
    try:
        (home / "config.toml").write_text(_DEMO_CONFIG, "utf-8")
        command = f"{program()} --home {home}"
        hints = [f"{command} chat --as Anna", f"{command} pairing approve --all"]
        setup = Invocation(home, invocation.settings).setup()
        return await serve_home(setup, "all", command, hints, is_lasting=False)
    finally:
        _remove(home)


def _remove(home: Path) -> None:
    """Gone at once, and not file by file: a screen that is still open may start a server of its own in it meanwhile."""
    shutil.rmtree(home.rename(f"{home}-over"), ignore_errors=True)


async def _serve_api(served: _Serving) -> None:
    """The HTTP API answers until it is told to end."""
    await served.ready.wait()
    manager, stop = served.gateway.manager, served.stop
    await served.services.api(stop.is_set, None, manager.states, manager.channels.get, served.lifecycle).run(stop)


async def _clear_notes(places: Places, ready: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Whoever waits for this process to start anew sees that it did."""
    from secondme.core.gateway.lifecycle import clear_notes
    from secondme.core.processes import is_alive

    await _either(ready, running)
    if ready.is_set():
        clear_notes(places, is_alive)


async def _serve_webhooks(services: Services, gateway: Gateway, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Platforms that call us are heard until `stop`, if the owner wants that."""
    await ready.wait()
    webhooks = services.webhooks(gateway)
    if webhooks is not None:
        await webhooks.run(stop)


def _write_down(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for has failed. The loop's own handler would print its text, which may quote a person."""
    from secondme.core import log

    del loop
    log.get_logger(__name__).error("loop_error", context.get("exception"))


@contextlib.contextmanager
def _only_gateway(path: Path) -> Iterator[None]:
    """This process is the one gateway of its home, until it ends, however it ends."""
    from secondme.core.files import hold

    descriptor = hold(path, _LOOK_S)  # somebody may hold it for the moment in which they look whether it is held
    if descriptor is None:
        pid = path.read_text("ascii", "replace").strip()
        raise BusyError("already_running", f"A gateway of this home is running (pid {pid}).", "secondme status")
    try:
        with contextlib.suppress(OSError):  # a note for a person
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _stop_on_signals(stop: asyncio.Event, ends_instead: Callable[[], bool]) -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP sets `stop`, the second cancels the caller. Of a process that was about to start anew, the first one
    makes that it only ends."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None

    def heard() -> None:
        if stop.is_set() and not ends_instead():
            main.cancel()
        stop.set()

    told = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup the window may close
        told.append(signal.SIGHUP)
    for number in told:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in told:
            loop.remove_signal_handler(number)


async def _either(ready: asyncio.Event, running: asyncio.Task[None]) -> None:
    waiting = asyncio.ensure_future(ready.wait())
    await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _watch(
    group: asyncio.TaskGroup, screen: Screen, services: Services, called: str, greeted: asyncio.Event
) -> asyncio.Task[None]:
    """From now on no event is missed; each is said on the terminal once it was greeted."""
    listening = asyncio.Event()
    watching = group.create_task(announce(screen, services, called, listening, greeted))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LISTEN_S):
            await listening.wait()
    return watching


def _greet(screen: Screen, setup: Setup, part: Part, hints: list[str] | None) -> None:
    settings = setup.settings
    key = settings.model.api_key is not None
    model = (
        settings.model.name
        if key
        else ("a stand-in, labelled [demo]" if hints else f"{settings.model.name}, but no key: set ANTHROPIC_API_KEY")
    )
    screen.line()
    screen.line(f"secondme {__version__} is running. Ctrl-C stops it.", "bold")
    screen.line(f"  home     {setup.places.config}")
    screen.line(f"  store    {'private server' if settings.redis_url is None else 'redis_url'}")
    if part != "gateway":
        screen.line(f"  model    {model}", "" if key or hints else "warn")
    screen.line(f"  pairing  {settings.pairing.mode.value}")
    if hints:
        screen.line()
        screen.line("Type these two in another terminal:", "bold")
        screen.line(f"  1. write to it:      {hints[0]}", "accent")
        screen.line(f"  2. approve Anna:     {hints[1]}", "accent")
        screen.line("Then write again as Anna, and she is answered.")
    screen.line()


# What its terminal says: one sentence for each event that the owner may want to act on


async def announce(screen: Screen, services: Services, command: str, listening: asyncio.Event, greeted: asyncio.Event) -> None:
    """Say what happens until cancelled, or until there is nobody to say it to. `listening` is set as soon as nothing can be missed;
    what happens before `greeted` is said after it.

    `command` is how this program is called here, for hints that can be copied.
    """
    with contextlib.suppress(OSError):  # the terminal is gone; the gateway is not
        async for heard in services.follow():
            listening.set()
            await greeted.wait()
            if heard is not None:
                _say(screen, heard[1], command)


def _say(screen: Screen, event: dict[str, Any], command: str) -> None:
    kind = str(event.get("type") or event.get("action") or event.get("event"))
    if kind == "channel_state":
        _say_channel(screen, event, command)
    if kind not in _SENTENCES:
        return
    contact = str(event.get("contactId", ""))
    who = "Everybody" if contact == "ALL" else str(event.get("displayName") or "") or contact
    text, style = _SENTENCES[kind]
    screen.line(text.format(who=who, contact=contact, tier=event.get("tier"), command=command), style)


def _say_channel(screen: Screen, event: dict[str, Any], command: str) -> None:
    name, state = str(event.get("channelId", "")), event.get("state")
    words, fix = sentence_of(name, str(event.get("code", "")))
    if state == "needs_owner":
        screen.line(f"{name} needs you. {words} {fix.replace('secondme ', f'{command} ', 1)}".rstrip(), "bad")
    elif state == "connected" and needs_link(name):
        screen.line(f"{name} is connected. {words}".rstrip(), "warn" if words else "good")


_SENTENCES = {
    "pairing_request": ("{who} asks to be approved:  {command} pairing approve {contact}", "accent"),
    "pairing_approved": ("{who} is approved ({tier}).", "good"),
    "pairing_verified": ("{who} is approved ({tier}).", "good"),
    "pairing_denied": ("{who} is denied.", "warn"),
    "pairing_revoked": ("{who} is not approved any more.", "warn"),
    "pairing_expired": ("The request of {contact} has expired.", "dim"),
    "pairing_closed": ("Too many wrong codes: invites are closed for an hour.", "bad"),
    "pairing_full": ("Too many people wait: new ones are ignored.", "warn"),
    "api_refused": ("Somebody was refused at the HTTP API:  {command} security tail", "bad"),
    "api_token_refused": ("A program asked the HTTP API for more than its token covers:  {command} security tail", "warn"),
    "webhook_disabled": ("A webhook takes nothing any more:  {command} webhooks list", "warn"),
    "suspicious_content": ("A message looks suspicious:  {command} security tail", "warn"),
    "pairing_migrated": ("Contacts were migrated:  {command} pairing list", "good"),
    "pause": ("{who} is paused.", "warn"),
    "resume": ("{who} is answered again.", "good"),
    "kill": ("The kill switch is on: nothing is sent to anybody.", "bad"),
    "dead_letter": ("A message of {contact} could not be worked on and was set aside.", "bad"),
    "record_broken": ("A record of {contact} is broken; their messages are set aside:  {command} doctor store", "bad"),
    "draft_dropped": ("Too many drafts wait for {contact}, so the oldest was dropped:  {command} drafts list", "warn"),
    "reply_held": ("A reply to {contact} waits for you:  {command} drafts list", "accent"),
}
