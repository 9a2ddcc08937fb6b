"""Who stays behind when the owner moves to another store? Asked of the present one, and said in the same words wherever it is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from secondme.cli.output import counted
from secondme.core.config.loader import home_of, load
from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.cli.command import Invocation
    from secondme.cli.output import CommandResult, Screen
    from secondme.core.config.loader import Setup

_ASK_S = 10.0
"""How long the present store has for its answer; one that is gone may be the reason for leaving it."""


def present_setup(invocation: Invocation) -> Setup:
    """The home as its files say it is: what the environment says is a wish, not the present. Raises ConfigError, or CredentialsError for a
    keyring that does not open."""
    return load({}, {}, home=home_of(invocation.home))


async def people_in(present: Setup) -> int:
    """How many are let in, as far as the present store can be asked; none is started only for that where there is no data."""
    from secondme.cli.compose import open_store, pairing_store

    if present.settings.redis_url is None and not present.places.store.exists():
        return 0
    try:
        async with asyncio.timeout(_ASK_S), open_store(present) as store:
            return (await pairing_store(store, present.settings).stats()).approved
    except (SecondmeError, TimeoutError):
        return 0


def say_who_stays(screen: Screen, people: int, called: str, first: str, then: str) -> None:
    """The owner knows how many stay in the present store, and how they come along: `first` and `then` are to be done around the backup."""
    screen.line(f"  {counted(people, 'approved contact')}, with all that was said, would stay in the present store.", "warn")
    screen.line(f"  To take them along: {first}, {called} backup moving.tar.gz, {then}, then {called} restore moving.tar.gz", "dim")


async def changed(invocation: Invocation, change: Callable[[], CommandResult]) -> CommandResult:
    """The change of a setting is made; where the home has another store by it, the result says who stays in the present one."""
    try:
        present = present_setup(invocation)
    except SecondmeError:
        return change()  # it may be what mends them
    result = change()
    try:
        is_same = _url(present) == _url(present_setup(invocation))
    except SecondmeError:
        return result  # what is wrong with them now is the next command's to say
    if is_same:
        return result
    people = await people_in(present)
    from secondme.cli.output import program_for

    def show(screen: Screen) -> None:
        result.show(screen)
        if people:
            say_who_stays(screen, people, program_for(invocation.home), "put it back as it was", "change it again")

    return replace(result, data={**result.data, "leavesBehind": people}, show=show)


def _url(setup: Setup) -> str | None:
    known = setup.settings.redis_url
    return None if known is None else known.get_secret_value()
