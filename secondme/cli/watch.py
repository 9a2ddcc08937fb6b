"""How do pairing events reach a script? One JSON object a line, as they happen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Never

from secondme.cli.compose import open_store
from secondme.cli.output import emit_event, note, rfc3339
from secondme.core.clock import from_ms
from secondme.core.errors import UnavailableError
from secondme.core.store import keys
from secondme.core.store.embedded import Role
from secondme.core.store.events import listen

if TYPE_CHECKING:
    from secondme.core.settings import Setup

_AGAIN_S = 0.5


async def watch_pairing(setup: Setup) -> Never:
    """Print events until cancelled. Never owns a server: it would stand in the gateway's way."""
    said = False
    while True:
        try:
            async with open_store(setup, Role.ATTACH) as store:
                async for heard in listen(store, keys.EVENTS_PAIRING):
                    said = False
                    if heard is not None:
                        _, event = heard
                        stamp = event.get("timestamp")
                        emit_event({**event, "at": rfc3339(from_ms(int(stamp))) if isinstance(stamp, int | float) else None})
        except UnavailableError as error:
            if not said:
                note(f"secondme: waiting for the gateway ({error.code})", "dim")
                said = True
            await asyncio.sleep(_AGAIN_S)  # noqa: TID251  a person's command, not the message path
