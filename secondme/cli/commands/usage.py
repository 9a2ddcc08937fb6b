"""`secondme usage`: what the models cost, by day, contact and model."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

SCHEMA = "secondme.usage/1"


class By(StrEnum):
    """What the lines of the list are."""

    DAY = "day"
    CONTACT = "contact"
    MODEL = "model"
    MESSAGE = "message"


def usage(
    context: typer.Context,
    by: Annotated[By, typer.Option(help="What each line stands for.")] = By.DAY,
    days: Annotated[int, typer.Option(min=1, max=30, help="How many days back, today included (UTC).")] = 7,
    as_json: Json = False,
) -> None:
    """Show tokens, cache hits and cost, beside the caps."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.spending import show_usage

        return await show_usage(invocation, by.value, days)

    run(context, SCHEMA, work, as_json=as_json)
