"""`secondme watch`: everything that happens, as it happens: one JSON object a line."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Never

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, emit_event, note

if TYPE_CHECKING:
    from collections.abc import Sequence


class EventKind(StrEnum):
    """What can be watched. `events:` and the kind is the channel's name in the store."""

    PAIRING = "pairing"
    PAUSE = "pause"
    QUEUE = "queue"
    SECURITY = "security"
    STATUS = "status"


@command("secondme.watch/1", has_json=False, is_json=True)
async def watch(
    invocation: Invocation, kinds: Annotated[list[EventKind] | None, typer.Argument(help="Only these; else all.")] = None
) -> CommandResult:
    """Print each event as a JSON object on a line, as it happens. Waits for a gateway, and survives its restarts."""
    return await print_events(invocation, [f"events:{kind.value}" for kind in kinds or EventKind])


async def print_events(invocation: Invocation, channels: Sequence[str]) -> Never:
    """Print the events of these channels until cancelled. Never owns a server: it would stand in the gateway's way."""
    from secondme.core.clock import from_ms, rfc3339
    from secondme.core.errors import SecondmeError, UnavailableError
    from secondme.core.store.events import follow
    from secondme.core.store.server import Role
    from secondme.services import open_services

    is_waiting = False

    def wait(error: SecondmeError) -> None:
        nonlocal is_waiting
        if not isinstance(error, UnavailableError):
            raise error
        if not is_waiting:
            note(f"secondme: waiting for the gateway ({error.code})", "dim")
        is_waiting = True

    async with open_services(invocation.setup(), Role.ATTACH, waits=True) as services:
        async for heard in follow(services.store, *channels, clock=services.clock, lost=wait):
            is_waiting = False
            if heard is not None:
                channel, event = heard
                stamp = event.get("timestamp")
                at = rfc3339(from_ms(int(stamp))) if isinstance(stamp, int | float) else None
                emit_event({**event, "at": at, "channel": channel})
    raise AssertionError  # it has no end
