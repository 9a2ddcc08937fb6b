"""`secondme channels`: where people write, and how each of those places stands. Each change reaches a gateway that runs within a second."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, message_result
from secondme.core.errors import ConfigError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from secondme.cli.link_steps import TypedAnswers
    from secondme.core.gateway.status import ChannelFacts, SystemStatus
    from secondme.services import Services

app = typer.Typer(help="Where people write: link, pause, test.", no_args_is_help=True)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="CHANNEL", autocompletion=completion.channels, help="whatsapp, telegram, whatsapp_cloud, or a package's."
    ),
]
_STOP_S = 15.0
_SENT_S = 20.0
_LOOK_S = 0.1


@app.command(name="list")
@command("secondme.channels.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Every channel: linked or not, connected or why not, what passed through it."""
    from secondme.cli.commands.status import show_channel
    from secondme.core.channel_manifest import manifests, sentence_of
    from secondme.core.channel_plugin import setup_of
    from secondme.services import channel_context

    async with invocation.services() as services:
        linked = {each.id: setup_of(each).is_set_up(channel_context(each, services.setup)) for each in manifests()}
        status = await services.status()
    rows = [{**facts.report().model_dump(by_alias=True), "linked": linked.get(facts.id, False)} for facts in status.channels]

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


@app.command()
@command("secondme.channels.connect/1")
async def connect(
    invocation: Invocation,
    name: _Name,
    phone: Annotated[str | None, typer.Option(help="WhatsApp: link by a code for this number instead of a QR code.")] = None,
    answers: Annotated[
        list[str] | None, typer.Option("--answer", metavar="NAME=VALUE", help="Answer a question beforehand; never a secret.")
    ] = None,
) -> CommandResult:
    """Link a channel: a QR code for WhatsApp, a bot's token for Telegram. A running gateway starts it at once."""
    return await connect_channel(invocation, name, phone, answers or [])


async def connect_channel(
    invocation: Invocation,
    name: str,
    phone: str | None,
    answers: list[str],
    kept: dict[str, str] | None = None,
    typed: TypedAnswers | None = None,
) -> CommandResult:
    """The channel is linked, what linking found out is saved, and a running gateway starts it. For `kept` and `typed` see `Answers`."""
    from secondme.cli.link_steps import Answers, draw
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of
    from secondme.core.config.files import save_credentials
    from secondme.core.config.loader import channel_section
    from secondme.services import channel_context, open_services, set_up_log

    setup, manifest = invocation.setup(), manifest_of(name)
    context = channel_context(manifest, setup)
    given = _given(answers, channel_section(name))
    if phone is not None:
        given["phone"] = phone
    set_up_log(setup)
    ask = Answers(given, context.settings, kept, typed).ask
    linked = await draw(setup_of(manifest).connect(context, ask), Screen(sys.stderr))
    save_credentials(setup.places.credentials, channel_section(name), linked.settings or None)
    async with open_services(setup) as services:
        await services.pauses.connect_channel(name, on=True)
        runs = (await services.status()).runs
    then = "The gateway starts it now." if runs else "Start the gateway: secondme serve"

    def show(screen: Screen) -> None:
        screen.line(f"{manifest.title} is linked as {linked.account}. {screen.typed(then)}", "good")

    return CommandResult({"id": name, "account": linked.account, "gatewayRuns": runs}, show)


@app.command()
@command("secondme.channels.disconnect/1")
async def disconnect(
    invocation: Invocation,
    name: _Name,
    forget: Annotated[bool, typer.Option("--forget", help="Unlink it there too, and erase its keys and tokens here.")] = False,
) -> CommandResult:
    """Stop a channel until it is connected again. What people write there meanwhile waits at the platform."""
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of
    from secondme.core.config.files import save_credentials
    from secondme.core.config.loader import channel_section
    from secondme.services import channel_context

    manifest = manifest_of(name)
    async with invocation.services(deciding=True) as services:
        setup = services.setup
        await services.pauses.connect_channel(name, on=False)
        await _until_off(services, name)
    if forget and manifest.needs_link:
        await setup_of(manifest).unlink(channel_context(manifest, setup))
        save_credentials(setup.places.credentials, channel_section(name), None)

    def show(screen: Screen) -> None:
        what = "is unlinked; its keys here are erased" if forget else "is disconnected"
        screen.hint(f"{manifest.title} {what}. Connect it again: secondme channels connect {name}")

    return CommandResult({"id": name, "forgotten": forget}, show)


@app.command()
@command("secondme.channels.pause/1")
async def pause(invocation: Invocation, name: _Name) -> CommandResult:
    """Answer nobody on this channel until resumed; what they write is kept."""
    from secondme.core.channel_manifest import manifest_of

    title = manifest_of(name).title
    async with invocation.services(deciding=True) as services:
        await services.pauses.pause_channel(name)

    def show(screen: Screen) -> None:
        screen.hint(f"{title} is paused until you resume it: secondme channels resume {name}")

    return CommandResult({"id": name, "paused": True}, show)


@app.command()
@command("secondme.channels.resume/1")
async def resume(invocation: Invocation, name: _Name) -> CommandResult:
    """Answer this channel's contacts again."""
    from secondme.core.channel_manifest import manifest_of

    title = manifest_of(name).title
    async with invocation.services(deciding=True) as services:
        outcome = await services.pauses.resume_channel(name)
    text = f"{title} is answered again." if outcome == "resumed" else f"{title} was not paused."
    return message_result({"id": name, "paused": False}, text)


@app.command("test")
@command("secondme.channels.test/1")
async def send_test(invocation: Invocation, name: _Name) -> CommandResult:
    """Send a line to your own chat on this channel, and wait until it has left."""
    from secondme.core.channel_manifest import manifest_of, sentence_of
    from secondme.core.ids import contact_id

    title = manifest_of(name).title
    async with invocation.services() as services:
        facts = _facts(await services.status(), name)
        if facts.state != "connected":
            words, fix = sentence_of(name, facts.code)
            raise UnavailableError("not_connected", f"{title} is not connected. {words}".rstrip(), fix or "secondme channels list")
        if not facts.owner_chat:
            raise NotFoundError("no_owner_chat", f"{title} does not know who you are.", f"secondme channels connect {name}")
        chat = contact_id(facts.owner_chat)
        row = await services.notes.say(name, chat, f"This is a test of secondme on {title}. All is well.")
        try:
            async with asyncio.timeout(_SENT_S):
                while await services.notes.is_waiting(chat, row):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)  # noqa: TID251  a person waits for it
        except TimeoutError:
            raise UnavailableError(
                "test_not_sent", "The test has not left yet; it is sent when it can be.", "secondme channels list"
            ) from None
        state = _facts(await services.status(), name).state

    def show(screen: Screen) -> None:
        screen.line(f"Sent. Look at your own chat on {title}.", "good")

    return CommandResult({"id": name, "sent": True, "state": state}, show)


def _given(answers: list[str], section: str) -> dict[str, str]:
    from secondme.core.config.loader import is_secret

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


async def _until_off(services: Services, name: str) -> None:
    """Return when no gateway runs the channel any more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            while _facts(await services.status(), name).state != "off":  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)  # noqa: TID251  as above
