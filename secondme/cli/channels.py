"""The channel commands: each change reaches a gateway that runs within a second."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from secondme.cli.commands.status import show_channel
from secondme.cli.compose import (
    channel_context,
    note_store,
    open_store,
    overview,
    steering,
    write_log,
)
from secondme.cli.output import CommandResult, ExitCode, Screen
from secondme.core.channel_manifest import manifest_of, manifests, sentence_of
from secondme.core.channel_plugin import setup_of
from secondme.core.config.loader import channel_section, is_secret
from secondme.core.errors import ConfigError, NotFoundError, UnavailableError
from secondme.core.ids import contact_id

if TYPE_CHECKING:
    from secondme.cli.command import Invocation
    from secondme.core.channel_manifest import Manifest
    from secondme.core.config.loader import Setup
    from secondme.core.gateway.status import ChannelFacts, SystemStatus
    from secondme.core.store.client import Store

_STOP_S = 15.0
_SENT_S = 20.0
_LOOK_S = 0.1


async def list_channels(invocation: Invocation) -> CommandResult:
    """Every channel with its state; `linked` says whether it is set up here."""
    setup = invocation.setup()
    linked = {each.id: setup_of(each).is_set_up(channel_context(each, setup)) for each in manifests()}
    async with open_store(setup) as store:
        found = await overview(store, setup)
    rows = [{**facts.report().model_dump(by_alias=True), "linked": linked.get(facts.id, False)} for facts in found.channels]

    def show(screen: Screen) -> None:
        for row in rows:
            if row["state"] == "off" and not row["paused"]:
                state = "linked, not running" if row["linked"] else f"not linked: secondme channels connect {row['id']}"
                screen.hint(f"{row['id']:<14} {state}", "" if row["linked"] else "dim")
                continue
            show_channel(screen, row, width=14)
            words, fix = sentence_of(row["id"], row["code"])
            if words:
                screen.hint(f"{'':<14} {words} {fix}".rstrip(), "warn")

    return CommandResult({"channels": rows}, show)


async def connect_channel(
    invocation: Invocation, name: str, phone: str | None, answers: list[str], kept: dict[str, str] | None = None
) -> CommandResult:
    """The channel is linked, what linking found out is saved, and a running gateway starts it. For `kept` see `Answers`."""
    from secondme.cli.linking import Answers, draw
    from secondme.core.config.files import save_credentials

    setup, manifest = _named(invocation, name)
    context = channel_context(manifest, setup)
    given = _given(answers, channel_section(name))
    if phone is not None:
        given["phone"] = phone
    write_log(setup)
    ask = Answers(given, context.settings, kept).ask
    linked = await draw(setup_of(manifest).connect(context, ask), Screen(sys.stderr))
    save_credentials(setup.places.credentials, channel_section(name), linked.settings or None)
    async with open_store(setup) as store:
        await steering(store, setup).connect_channel(name, on=True)
        runs = (await overview(store, setup)).runs
    then = "The gateway starts it now." if runs else "Start the gateway: secondme serve"

    def show(screen: Screen) -> None:
        screen.line(f"{manifest.title} is linked as {linked.account}. {screen.typed(then)}", "good")

    return CommandResult({"id": name, "account": linked.account, "gatewayRuns": runs}, show)


async def disconnect_channel(invocation: Invocation, name: str, *, forget: bool) -> CommandResult:
    """The channel does not run; with `forget` its link is undone there and here."""
    from secondme.core.config.files import save_credentials

    setup, manifest = _named(invocation, name)
    write_log(setup)
    async with open_store(setup) as store:
        await steering(store, setup).connect_channel(name, on=False)
        await _until_off(store, setup, name)
    if forget and manifest.needs_link:
        await setup_of(manifest).unlink(channel_context(manifest, setup))
        save_credentials(setup.places.credentials, channel_section(name), None)

    def show(screen: Screen) -> None:
        what = "is unlinked; its keys here are erased" if forget else "is disconnected"
        screen.hint(f"{manifest.title} {what}. Connect it again: secondme channels connect {name}")

    return CommandResult({"id": name, "forgotten": forget}, show)


async def pause_channel(invocation: Invocation, name: str, *, on: bool) -> CommandResult:
    """Nobody on the channel is answered, or everybody again."""
    setup, manifest = _named(invocation, name)
    write_log(setup)
    async with open_store(setup) as store:
        rule = steering(store, setup)
        outcome = "resumed" if on else await rule.resume_channel(name)
        if on:
            await rule.pause_channel(name)

    def show(screen: Screen) -> None:
        if on:
            screen.hint(f"{manifest.title} is paused until you resume it: secondme channels resume {name}")
        else:
            screen.line(f"{manifest.title} is answered again." if outcome == "resumed" else f"{manifest.title} was not paused.")

    return CommandResult({"id": name, "paused": on}, show, schema=f"secondme.channels.{'pause' if on else 'resume'}/1")


async def send_test_line(invocation: Invocation, name: str) -> CommandResult:
    """A line has left for the owner's own chat. Raises NotFoundError when the channel knows none, UnavailableError when it is not connected."""
    setup, manifest = _named(invocation, name)
    async with open_store(setup) as store:
        facts = _facts(await overview(store, setup), name)
        if facts.state != "connected":
            words, fix = sentence_of(name, facts.code)
            raise UnavailableError(
                "not_connected", f"{manifest.title} is not connected. {words}".rstrip(), fix or "secondme channels list"
            )
        if not facts.owner_chat:
            raise NotFoundError(
                "no_owner_chat", f"{manifest.title} does not know who you are.", f"secondme channels connect {name}"
            )
        notes = note_store(store)
        chat = contact_id(facts.owner_chat)
        row = await notes.say(name, chat, f"This is a test of secondme on {manifest.title}. All is well.")
        try:
            async with asyncio.timeout(_SENT_S):
                while await notes.is_waiting(chat, row):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)  # noqa: TID251  a person waits for it
        except TimeoutError:
            raise UnavailableError(
                "test_not_sent", "The test has not left yet; it is sent when it can be.", "secondme channels list"
            ) from None
        after = _facts(await overview(store, setup), name)

    def show(screen: Screen) -> None:
        screen.line(f"Sent. Look at your own chat on {manifest.title}.", "good")

    return CommandResult({"id": name, "sent": True, "state": after.state}, show, ExitCode.DONE)


def _named(invocation: Invocation, name: str) -> tuple[Setup, Manifest]:

    return invocation.setup(), manifest_of(name)


def _given(answers: list[str], section: str) -> dict[str, str]:
    given = {}
    for answer in answers:
        name, equals, value = answer.partition("=")
        if not equals:
            raise ConfigError("bad_answer", "--answer takes NAME=VALUE.")
        if is_secret(f"{section}.{name.strip()}"):
            raise ConfigError("secret_in_argv", f"{name} is a secret: others can read a command line.", "Use the environment.")
        given[name.strip()] = value
    return given


def _facts(found: SystemStatus, name: str) -> ChannelFacts:
    return next(facts for facts in found.channels if facts.id == name)


async def _until_off(store: Store, setup: Setup, name: str) -> None:
    """Return when no gateway runs the channel any more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            while _facts(await overview(store, setup), name).state != "off":  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)  # noqa: TID251  as above
