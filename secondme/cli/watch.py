"""How do events reach a script? One JSON object a line, as they happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Never

from secondme.cli.compose import open_store
from secondme.cli.output import emit_event, note
from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import UnavailableError
from secondme.core.store.events import listen
from secondme.core.store.server import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.config.loader import Setup

_AGAIN_S = 0.5


async def watch(setup: Setup, channels: Sequence[str]) -> Never:
    """Print the events of these channels until cancelled. Never owns a server: it would stand in the gateway's way."""
    said = False
    while True:
        try:
            async with open_store(setup, Role.ATTACH) as store:
                async for heard in listen(store, *channels):
                    said = False
                    if heard is not None:
                        channel, event = heard
                        stamp = event.get("timestamp")
                        at = rfc3339(from_ms(int(stamp))) if isinstance(stamp, int | float) else None
                        emit_event({**event, "at": at, "channel": channel})
        except UnavailableError as error:
            if not said:
                note(f"secondme: waiting for the gateway ({error.code})", "dim")
                said = True
            await asyncio.sleep(_AGAIN_S)  # noqa: TID251  a person's command, not the message path
