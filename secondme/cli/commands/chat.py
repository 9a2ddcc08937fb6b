"""`secondme chat`: a contact at the terminal of this machine, going through the same gate as everybody."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen, emit_event, note
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.errors import UnavailableError
from secondme.core.format import size
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.channels.local.client import Event, LocalClient
    from secondme.core.config.loader import Setup

    Show = Callable[[Event], None]

_CONNECT_S = 2.0
_LOOK_S = 0.5
_QUIET_S = 1.0
"""After an answer, how long a script waits for its next part."""


@command("secondme.chat/1", has_json=False)
async def chat(
    invocation: Invocation,
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who you are.")] = None,
    as_self: Annotated[
        bool,
        typer.Option("--self", help="Your own chat with the clone: it tells you what you should know, and takes your commands."),
    ] = False,
    message: Annotated[list[str] | None, typer.Option(help="Send this and do not ask for more; may be repeated.")] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=3600, help="With --message: wait this long for an answer.")
    ] = 30.0,
    as_owner: Annotated[
        bool, typer.Option("--as-owner", help="Speak as the owner in NAME's chat, as from your own phone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each event.")] = False,
) -> CommandResult:
    """Write to the clone as a contact would, or as yourself. With --message: exits 0 when an answer came, 1 when none did."""
    if (name is not None) == as_self or (as_self and as_owner):
        raise typer.BadParameter("say who you are: --as NAME, or --self for your own chat with the clone")
    setup = invocation.setup()
    watch = None if as_owner or name is None else _NightWatch(setup)
    zone = setup.settings.sleep.timezone
    show = _json_event if as_json else _plain_event("clone" if as_self else safe_name(setup.settings.persona.name), zone)
    async with _connected(setup, name, as_owner=as_owner) as client:
        if message:
            wait_s = 0 if as_owner else wait  # nobody answers the owner
            is_answered = await _deliver(client, message, show, wait_s, watch)
            return CommandResult({}, lambda _: None, ExitCode.DONE if is_answered or wait_s == 0 else ExitCode.NO)
        if not as_json:
            note(f"{_greeting(name, as_owner=as_owner)} Ctrl-D ends.", "dim")
        await _converse(client, show, _prompt(name) if sys.stdin.isatty() and not as_json else None, watch)
    return CommandResult({}, lambda _: None)


def _prompt(name: str | None) -> str:
    return "you" if name is None else safe_name(name)


def _greeting(name: str | None, *, as_owner: bool) -> str:
    if name is None:
        return "This is your own chat with your clone. Type help for what it does."
    return f"You are {safe_name(name)}{', as the owner' if as_owner else ''}."


@contextlib.asynccontextmanager
async def _connected(setup: Setup, name: str | None, *, as_owner: bool) -> AsyncIterator[LocalClient]:
    """A client that reached the gateway once; the owner's own, without a name. Raises UnavailableError when none runs."""
    from secondme.channels.local.client import LocalClient
    from secondme.channels.local.protocol import contact_of

    if name is not None:
        contact_of(name)  # refuses one that nobody can see before anything is tried
    client = LocalClient(setup.places.local_socket, name or "", SystemClock(), from_owner=as_owner)
    running = asyncio.ensure_future(client.run())
    try:
        try:
            async with asyncio.timeout(_CONNECT_S):
                await client.events.get()
        except TimeoutError:
            raise UnavailableError("no_gateway", "No gateway runs in this home.", "Start it: secondme serve") from None
        yield client
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class _NightWatch:
    """Says, once a night, that nothing is answered because the owner sleeps: a gateway has put the contact off for it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._queued = asyncio.Event()
        self._is_said = False

    def heard(self, event: Event) -> None:
        """Something happened at the contact's end: a message that waits for an answer is looked after, an answer ends that."""
        if event.kind == "accepted" and event.text == "queued" and not self._is_said:
            self._queued.set()
        elif event.kind in {"message", "typing"}:
            self._queued.clear()
            self._is_said = False

    async def run(self, client: LocalClient) -> None:
        """Look until cancelled; what is seen is put into the client's events as `asleep`, with the moment of waking. Without a store nothing is
        said."""
        from secondme.channels.local.client import Event
        from secondme.core.errors import SecondmeError
        from secondme.core.queue.store import InboxStore
        from secondme.core.send.pacing import SleepSchedule
        from secondme.core.store.client import Store
        from secondme.core.store.server import Role

        await self._queued.wait()
        schedule = SleepSchedule(self._setup.settings.sleep)
        with contextlib.suppress(SecondmeError):
            async with Store(self._setup, Role.ATTACH) as store:
                inbox = InboxStore(store, self._setup.settings.queue)
                while True:
                    await self._queued.wait()
                    if await inbox.put_off_because(client.contact) == "asleep" and self._queued.is_set():
                        self._queued.clear()
                        self._is_said = True
                        now = SystemClock().now()
                        until = rfc3339(schedule.wakes_at(now)) if schedule.is_asleep(now) else ""
                        client.events.put_nowait(Event("asleep", "", until))
                    await asyncio.sleep(_LOOK_S)  # noqa: TID251  a person waits for it


@contextlib.asynccontextmanager
async def _watched(client: LocalClient, watch: _NightWatch | None) -> AsyncIterator[None]:
    """Meanwhile the watch looks."""
    looking = asyncio.ensure_future(watch.run(client)) if watch is not None else None
    try:
        yield
    finally:
        if looking is not None:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking


async def _deliver(client: LocalClient, messages: list[str], show: Show, wait_s: float, watch: _NightWatch | None) -> bool:
    """Every message is accepted, and the answers that came within `wait_s` seconds are shown; returns whether one did. Nobody waits for
    somebody who sleeps."""
    async with _watched(client, watch if wait_s > 0 else None):
        return await _deliver_watched(client, messages, show, wait_s, watch)


async def _deliver_watched(client: LocalClient, messages: list[str], show: Show, wait_s: float, watch: _NightWatch | None) -> bool:
    loop = asyncio.get_running_loop()
    is_accepted = is_answered = False
    for text in messages:
        client.say(text)
    end, taken_by = loop.time() + wait_s, loop.time() + _CONNECT_S
    while client.unaccepted or loop.time() < end:
        try:
            async with asyncio.timeout_at(max(end, taken_by) if client.unaccepted else end):
                event = await client.events.get()
        except TimeoutError:
            break
        show(event)
        if watch is not None:
            watch.heard(event)
        if event.kind == "asleep":
            end = loop.time()
        if event.kind == "accepted":
            is_accepted, taken_by = True, loop.time() + _CONNECT_S  # a refusal, again and again, is no reason to wait on
        if event.kind == "message" and is_accepted:  # before that, it is what waited from earlier
            is_answered = True
            end = end if client.unaccepted else min(end, loop.time() + _QUIET_S)
    if client.unaccepted:
        what = f"The gateway did not take {client.unaccepted} of {len(messages)} messages."
        raise UnavailableError("not_accepted", what, "secondme status")
    return is_answered


async def _converse(client: LocalClient, show: Show, prompt: str | None, watch: _NightWatch | None) -> None:
    """Lines from the keyboard (or stdin, without a prompt) go out, events are shown as they come, until the end of input or Ctrl-C."""
    async with _watched(client, watch), asyncio.TaskGroup() as group:
        showing = group.create_task(_show_all(client, show, watch))
        await (_pipe(client) if prompt is None else _type(client, prompt))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                await client.all_accepted()
        showing.cancel()


async def _type(client: LocalClient, name: str) -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.patch_stdout import patch_stdout

    session: PromptSession[str] = PromptSession()
    with patch_stdout(raw=True), contextlib.suppress(EOFError):
        while True:
            line = await session.prompt_async(f"{name}> ")
            if line.strip():
                client.say(line)


async def _pipe(client: LocalClient) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            client.say(line.rstrip("\n"))


async def _show_all(client: LocalClient, show: Show, watch: _NightWatch | None) -> None:
    while True:
        event = await client.events.get()
        show(event)
        if watch is not None:
            watch.heard(event)


def _json_event(event: Event) -> None:
    fields = {
        "type": event.kind,
        "id": event.id or None,
        ("outcome" if event.kind in {"accepted", "refused"} else "text"): event.text or None,
    }
    emit_event({key: value for key, value in fields.items() if value is not None})


def _plain_event(owner: str, zone: str) -> Show:
    from secondme.channels.local.client import TOO_LONG
    from secondme.channels.local.protocol import LINE_LIMIT
    from secondme.core.messages import Admission, Challenge

    last = ""
    remarks: dict[str, str] = {
        Challenge.ALREADY_PENDING.value: "not approved yet; the owner has to",
        Challenge.REQUESTED.value: "the owner was asked",
        Challenge.WRONG_CODE.value: "that code opens nothing",
        Challenge.DENIED.value: "denied",
        Challenge.CLOSED.value: "nobody is approved at the moment",
        Admission.DENIED.value: "denied",
        Admission.PAUSED.value: "received; the owner answers themselves at the moment",
        Admission.KILLED.value: "received; nobody is answered at the moment",
        Admission.RATE_LIMITED.value: "received; too many messages, taking a pause",
        Admission.INBOX_FULL.value: "not answered; too much waits already",
        Admission.SET_ASIDE.value: "set aside; a record of this contact is broken: secondme doctor store",
        Admission.TAKEN_OVER.value: "said as the owner; the clone is silent now",
    }

    def show(event: Event) -> None:
        nonlocal last  # a full disk would say the same twice a second
        same, last = event.kind == last, event.kind
        match event.kind:
            case "message":
                Screen().line(_wrapped(f"{owner}: {event.text}"), "accent")
                sys.stdout.flush()
            case "accepted" if event.text in remarks:
                note(f"({remarks[event.text]})", "dim")
            case "asleep":
                note(f"({_sleeps(owner, event.text, zone)})", "warn")
            case "typing":
                note(f"({owner} is typing)", "dim")
            case "refused" if event.text == TOO_LONG:
                note(f"(that is too long; {size(LINE_LIMIT)} is the most)", "warn")
            case "refused" if not same:
                note("(the gateway cannot take it now; it is offered again)", "warn")
            case "disconnected":
                note("(the gateway went away; waiting for it)", "warn")
            case _:
                pass

    return show


def _sleeps(owner: str, until: str, zone: str) -> str:
    """In the owner's own time, as their hours are meant."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    if not until:
        return f"{owner} sleeps; the answer comes later"
    wakes = datetime.fromisoformat(until).astimezone(ZoneInfo(zone) if zone else None)
    return f"{owner} sleeps until {wakes:%H:%M}{f' ({zone})' if zone else ''}; the answer comes then"


def _wrapped(text: str) -> str:
    """On a terminal no word is torn at its edge, least of all a code."""
    if not sys.stdout.isatty():
        return text
    from secondme.cli.columns import folded

    width = shutil.get_terminal_size().columns
    return "\n".join(row for line in text.splitlines() for row in folded(line, width, hang="  ", tears=False))
