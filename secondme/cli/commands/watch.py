"""`secondme watch`: everything that happens, as it happens: a line each, for a person on a terminal and as JSON elsewhere."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from secondme.cli.command import Invocation, JsonLines, command, is_piped
from secondme.cli.output import CommandResult, Screen, emit_event, note
from secondme.core.clock import from_ms, rfc3339
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo


class EventKind(StrEnum):
    """What can be watched. `events:` and the kind is the channel's name in the store."""

    PAIRING = "pairing"
    PAUSE = "pause"
    QUEUE = "queue"
    SECURITY = "security"
    STATUS = "status"


_MOST_WORDS = 160
"""Characters of one line for a person."""
_WHO = ("displayName", "contactId", "job", "webhook")
_ASIDE = frozenset({*_WHO, "action", "at", "channel", "channelId", "code", "event", "messageId", "severity", "timestamp", "type"})
"""Not told as further facts."""


@command("secondme.watch/1", is_json=is_piped)
async def watch(
    invocation: Invocation,
    kinds: Annotated[list[EventKind] | None, typer.Argument(metavar="[KIND]...", help="Only these; else all.")] = None,
    as_json: JsonLines = False,
) -> CommandResult:
    """Print each event on a line, as it happens. In words on a terminal, as JSON in a pipe; it waits for a gateway, and survives its restarts."""
    return await print_events(invocation, [f"events:{kind.value}" for kind in kinds or EventKind], as_json=as_json)


async def print_events(invocation: Invocation, channels: Sequence[str], *, as_json: bool) -> Never:
    """Print the events of these channels until cancelled. Never owns a server: it would stand in the gateway's way."""
    from secondme.core.errors import SecondmeError, UnavailableError
    from secondme.core.store.events import follow
    from secondme.core.store.server import Role
    from secondme.services import open_services
    from secondme.stores import time_zone

    is_waiting = False

    def wait(error: SecondmeError) -> None:
        nonlocal is_waiting
        if not isinstance(error, UnavailableError):
            raise error
        if not is_waiting:
            note(f"secondme: waiting for the gateway ({error.code})", "dim")
        is_waiting = True

    async with open_services(invocation.setup(), Role.ATTACH, waits=True) as services:
        tell = emit_event if as_json or is_piped() else _teller(time_zone(services.settings))
        async for heard in follow(services.store, *channels, clock=services.clock, lost=wait):
            is_waiting = False
            if heard is not None:
                channel, event = heard
                stamp = event.get("timestamp")
                at = rfc3339(from_ms(int(stamp))) if isinstance(stamp, int | float) else None
                tell({**timed(event), "at": at, "channel": channel})
    raise AssertionError  # it has no end


def timed(event: dict[str, Any]) -> dict[str, Any]:
    """The event with its moments, which are published as ms, in RFC 3339 and UTC."""
    return {
        name: _moment(value) if name.endswith("At") or name in {"timestamp", "until"} else value for name, value in event.items()
    }


def _moment(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return rfc3339(from_ms(int(value))) if is_number else value  # type: ignore[call-overload]


def _teller(zone: tzinfo) -> Callable[[dict[str, Any]], None]:
    screen = Screen(sys.stdout)
    return lambda event: screen.line(in_words(event, zone))


def in_words(event: dict[str, Any], zone: tzinfo) -> str:
    """`21:14:03  pairing   request: Maria (local:maria)`: when, by the owner's clock, which kind, what, who, and what else is known. What
    strangers wrote in it is on one line, bounded, and moves no cursor."""
    at = f"{datetime.fromisoformat(event['at']).astimezone(zone):%H:%M:%S}" if event.get("at") else "--:--:--"
    kind = safe_name(str(event.get("channel", "")).removeprefix("events:"))
    what = str(event.get("type") or event.get("event") or event.get("action") or "").replace("_", " ").removeprefix(f"{kind} ")
    name, contact = event.get("displayName"), event.get("contactId") or event.get("job") or event.get("webhook")
    who = f"{safe_name(str(name))} ({safe_name(str(contact))})" if name and contact else safe_name(str(contact or ""))
    who = "everybody" if who == "ALL" else who
    more = [
        f"{key} {value}"
        for key, value in sorted(event.items())
        if key not in _ASIDE and not key.endswith("At") and isinstance(value, str | int | float) and value != ""
    ]
    told = f"{what}{': ' if who else ''}{who}{', ' if more else ''}{', '.join(more)}"
    return f"{at}  {kind:<9} {' '.join(safe_text(told).split())[:_MOST_WORDS]}"
