"""`secondme pause`, `resume` and `kill`: what stops the clone, at once and for replies already waiting too."""

from __future__ import annotations

import contextlib
import re
import tomllib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command, duration
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, message_result, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from secondme.core.config.loader import Setup
    from secondme.core.ids import ContactId
    from secondme.services import Services

_ADDRESS = ("redis_url", "secrets")
"""Top-level settings that say where the store is."""
_LINE = re.compile(rf"^\s*(?:{'|'.join(_ADDRESS)})\s*=.*$", re.MULTILINE)

_Contact = Annotated[
    str | None,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.approved, help="A contact, by id or name; nobody named means everybody."
    ),
]
_Paused = Annotated[
    str | None,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.paused, help="A contact, by id or name; nobody named means everybody."
    ),
]


@command("secondme.pause/1")
async def pause(
    invocation: Invocation,
    contact: _Contact = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="90s, 60m, 2h or 1d; else until resumed.")] = None,
) -> CommandResult:
    """Stop answering a contact, or everybody. Waiting replies become drafts."""
    length = duration(for_) if for_ is not None else None
    async with _services(invocation, contact, stops=True) as (services, who):
        await services.pauses.pause(who, length)
    until = f" for {for_}" if for_ else " until you resume"
    return message_result({"contact": who or "ALL", "for": for_}, f"Paused {who or 'everybody'}{until}.")


@command("secondme.resume/1")
async def resume(
    invocation: Invocation,
    contact: _Paused = None,
    answer: Annotated[bool, typer.Option("--answer", help="Answer also what came during the pause.")] = False,
) -> CommandResult:
    """Answer a contact, or everybody, again. Says who wrote meanwhile. The kill switch stays: `kill --off` lifts it."""
    async with _services(invocation, contact) as (services, who):
        outcome = await services.pauses.resume(who)
        missed = await services.pauses.missed(who)
        answered = await services.pauses.answer_missed(who) if answer else 0
    from secondme.core.admit.pauses import told_of_missed

    text = f"{who or 'Everybody'} is answered again." if outcome == "resumed" else f"{who or 'Everybody'} was not paused."
    if missed:
        text += f" {told_of_missed(missed, answer=answer)}"
    data = {"contact": who or "ALL", "outcome": outcome, "missed": [asdict(each) for each in missed], "answered": answered}
    return message_result(
        data, text, "" if answer or not missed else f"Answer them: secondme resume {who + ' ' if who else ''}--answer"
    )


@command("secondme.kill/1")
async def kill(
    invocation: Invocation,
    off: Annotated[bool, typer.Option("--off", help="Lift the kill switch.")] = False,
) -> CommandResult:
    """Stop everything: nothing is sent to anybody until `kill --off`."""
    async with _services(invocation, None, stops=not off) as (services, _):
        await (services.pauses.unkill() if off else services.pauses.kill())
    text = "The kill switch is off." if off else "The kill switch is on. Nothing is sent to anybody."
    return message_result({"killed": not off}, text, "" if off else "Lift it: secondme kill --off")


@contextlib.asynccontextmanager
async def _services(
    invocation: Invocation, contact: str | None, *, stops: bool = False
) -> AsyncIterator[tuple[Services, ContactId | None]]:
    """The home's services, and the approved contact that is meant. Raises NotFoundError, naming the nearest of those that can be stopped, or
    answered again. What stops the clone works with settings that cannot be used, too."""
    from secondme.cli.contact_lookup import find_contact
    from secondme.core.admit.contact_lookup import APPROVED
    from secondme.services import open_services, set_up_log

    setup = _setup_to_stop(invocation) if stops else invocation.setup()
    set_up_log(setup)
    async with open_services(setup) as services:
        if contact is None:
            yield services, None
            return
        wanted = APPROVED if stops else replace(APPROVED, likeliest=await services.pauses.resumable())
        yield services, await find_contact(services, contact, wanted)


def _setup_to_stop(invocation: Invocation) -> Setup:
    """The owner's settings, or of a config.toml that cannot be used only where the store is, with a remark. Raises as `setup` where that is
    no help: the environment or the command line is wrong."""
    from secondme.core.config.loader import home_of, load
    from secondme.core.config.paths import find_places
    from secondme.core.errors import SecondmeError

    try:
        return invocation.setup()
    except SecondmeError as error:
        home = home_of(invocation.home)
        try:
            setup = load(_address(find_places(home).config_file), home=home, config="")
        except SecondmeError:
            raise error from None
        note(f"secondme: {error.message} It is stopped all the same, in the store that the settings name.", "warn")
        return setup


def _address(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return {}
    try:
        written = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        written = {}
        for line in _LINE.findall(text):
            try:
                written |= tomllib.loads(line)
            except (tomllib.TOMLDecodeError, RecursionError):
                continue
    return {name: written[name] for name in _ADDRESS if isinstance(written.get(name), str)}
