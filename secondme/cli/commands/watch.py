"""`secondme watch`: everything that happens, as it happens."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult


class Kind(StrEnum):
    """What can be watched. `events:` and the kind is the channel's name in the store."""

    PAIRING = "pairing"
    PAUSE = "pause"
    QUEUE = "queue"
    SECURITY = "security"
    STATUS = "status"


def watch(context: typer.Context, kinds: Annotated[list[Kind] | None, typer.Argument(help="Only these; else all.")] = None) -> None:
    """Print each event as a JSON object on a line, as it happens. Waits for a gateway, and survives its restarts."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.watch import watch

        return await watch(invocation.setup(), [f"events:{kind.value}" for kind in kinds or Kind])

    run(context, "secondme.watch/1", work, as_json=True)
