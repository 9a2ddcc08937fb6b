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
    from secondme.core.config.loader import Setup
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
_SETTLE_S = 15.0
_ANSWER_S = 5.0
_LOOK_S = 0.1
_BEGINNING = frozenset({"off", "connecting", "stopping"})
"""States of a channel that was just switched on and has not said yet whether it can."""


@app.command(name="list")
@command("secondme.channels.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Every channel: linked or not, connected or why not, what passed through it."""
    from secondme.cli.commands.status import show_channel
    from secondme.core.channel_manifest import manifests
    from secondme.core.channel_plugin import setup_of
    from secondme.services import channel_context

    async with invocation.services() as services:
        linked = {each.id: setup_of(each).is_set_up(channel_context(each, services.setup)) for each in manifests()}
        status = await services.status()
    rows = [{**facts.report().model_dump(by_alias=True), "linked": linked.get(facts.id, False)} for facts in status.channels]

    def show(screen: Screen) -> None:
        for row, facts in zip(rows, status.channels, strict=True):
            words, fix = _why_not(facts, is_linked=row["linked"], runs=status.runs)
            if row["state"] == "off" and not row["paused"]:
                plain = f"{words[:1].lower()}{words[1:].rstrip('.')}: {fix}"
                screen.hint(f"{row['id']:<14} {plain}", "" if row["linked"] else "dim")
                continue
            show_channel(screen, row, width=14)
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
    """Link a channel: a QR code for WhatsApp, a bot's token for Telegram. One that you disconnected is connected again as it was linked.
    A running gateway starts it at once."""
    return await connect_channel(invocation, name, phone, answers or [])


async def connect_channel(
    invocation: Invocation,
    name: str,
    phone: str | None,
    answers: list[str],
    kept: dict[str, str] | None = None,
    typed: TypedAnswers | None = None,
) -> CommandResult:
    """The channel is linked, what linking found out is saved, and a running gateway starts it. For `kept` and `typed` see `Answers`.

    Without answers, one that is connected is left alone, and one that the owner only disconnected is connected again."""
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of
    from secondme.core.config.loader import channel_section
    from secondme.services import channel_context, set_up_log

    setup, manifest = invocation.setup(), manifest_of(name)
    given = _given(answers, channel_section(name))
    if phone is not None:
        given["phone"] = phone
    set_up_log(setup)
    before = await _stands(setup, name)
    is_linked = setup_of(manifest).is_set_up(channel_context(manifest, setup))
    is_asked = bool(given) or kept is not None or typed is not None
    knows_owner = bool(before.owner_chat) or not manifest.needs_link
    if before.state == "connected" and not before.disconnected and knows_owner and not is_asked:
        another = f" To link another account: secondme channels disconnect {name} --forget" if manifest.needs_link else ""
        data = {"id": name, "account": None, "gatewayRuns": True, "state": before.state, "code": ""}
        return message_result(data, f"{manifest.title} is connected.{another}")
    account = None
    if not is_linked or is_asked or not before.disconnected:
        account = await _link(setup, name, before, given, kept, typed)
    return await _switched_on(setup, name, account)


async def _link(
    setup: Setup,
    name: str,
    before: ChannelFacts,
    given: dict[str, str],
    kept: dict[str, str] | None,
    typed: TypedAnswers | None,
) -> str:
    """The channel is linked, and what linking found out is saved; the account. A gateway leaves it alone meanwhile: two that speak for one
    account would disturb each other."""
    from secondme.cli.link_steps import Answers, draw
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of
    from secondme.core.config.files import save_credentials
    from secondme.core.config.loader import channel_section
    from secondme.services import channel_context, open_services

    manifest = manifest_of(name)
    context = channel_context(manifest, setup)
    is_stopped = manifest.needs_link and before.state not in {"off", "needs_owner"}
    if is_stopped:
        async with open_services(setup) as services:
            await services.control.set_desired_state(name, on=False)
            await _until_off(services, name)
    try:
        linked = await draw(
            setup_of(manifest).connect(context, Answers(given, context.settings, kept, typed).ask), Screen(sys.stderr)
        )
    except BaseException:
        if is_stopped:
            async with open_services(setup) as services:
                await services.control.set_desired_state(name, on=True)
        raise
    save_credentials(setup.places.credentials, channel_section(name), linked.settings or None)
    return linked.account


async def _switched_on(setup: Setup, name: str, account: str | None) -> CommandResult:
    """The channel shall run; the result says whether it does. `account`: as what it was linked just now."""
    from secondme.core.channel_manifest import manifest_of, sentence_of
    from secondme.services import open_services

    title = manifest_of(name).title
    async with open_services(setup) as services:
        await services.pauses.connect_channel(name, on=True)
        runs = (await services.status()).runs
        facts = await _settled(services, name) if runs else None
    state, code = (facts.state, facts.code) if facts is not None else ("off", "")

    def show(screen: Screen) -> None:
        if account is not None:
            screen.line(f"{title} is linked as {account}.", "good")
        if not runs:
            screen.line(screen.typed(f"{'' if account else f'{title} is switched on. '}Start the gateway: secondme serve"), "good")
        elif state == "connected":
            screen.line(f"{title} is connected.", "good")
        else:
            words, fix = sentence_of(name, code)
            words = f"It is not connected yet ({state.replace('_', ' ')}). {words} {fix or 'Look again: secondme channels list'}"
            screen.line(screen.typed(" ".join(words.split())), "warn")

    return CommandResult({"id": name, "account": account, "gatewayRuns": runs, "state": state, "code": code}, show)


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
        was_linked = setup_of(manifest).is_set_up(channel_context(manifest, setup))
        await services.pauses.connect_channel(name, on=False)
        if not await _until_off(services, name):
            raise UnavailableError(
                "still_stopping", f"{manifest.title} was told to stop, and has not yet.", "secondme channels list"
            )
    is_forgotten = forget and manifest.needs_link
    if is_forgotten:
        await setup_of(manifest).unlink(channel_context(manifest, setup))
        save_credentials(setup.places.credentials, channel_section(name), None)

    def show(screen: Screen) -> None:
        what = "is unlinked; its keys here are erased" if is_forgotten else "is disconnected" if was_linked else "is not linked"
        screen.hint(f"{manifest.title} {what}. Connect it{' again' if was_linked else ''}: secondme channels connect {name}")

    return CommandResult({"id": name, "forgotten": is_forgotten}, show)


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
    from secondme.core.channel_manifest import manifest_of
    from secondme.core.channel_plugin import setup_of
    from secondme.core.ids import contact_id
    from secondme.services import channel_context

    manifest = manifest_of(name)
    title = manifest.title
    async with invocation.services() as services:
        context, status = channel_context(manifest, services.setup), await services.status()
        facts = _facts(status, name)
        if facts.state != "connected" or facts.disconnected:
            words, fix = _why_not(facts, is_linked=setup_of(manifest).is_set_up(context), runs=status.runs)
            raise UnavailableError("not_connected", f"{title} is not connected. {words}".rstrip(), fix or "secondme channels list")
        if not manifest.needs_link:  # nobody is the owner there: whoever is at a terminal has the name that they take
            if (look := getattr(setup_of(manifest), "look", None)) is not None:
                await look(context, _ANSWER_S)
            text = f"{title} answers. Write to your clone there: secondme chat --as Anna"
            return message_result({"id": name, "sent": False, "state": facts.state}, text)
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


def _why_not(facts: ChannelFacts, *, is_linked: bool, runs: bool) -> tuple[str, str]:
    """Why a channel is not connected, and what to type; empty for one that is and has nothing to say."""
    from secondme.core.channel_manifest import sentence_of

    connect = f"secondme channels connect {facts.id}"
    if not is_linked:
        return "Not linked.", connect
    if facts.disconnected:
        return "Disconnected by you.", connect
    if not runs:
        return "Linked, and no gateway runs.", "secondme serve"
    if facts.state == "off":
        return "Linked, and the gateway does not run it.", connect
    if facts.state == "connected" or facts.code:
        return sentence_of(facts.id, facts.code)
    return f"It is {facts.state.replace('_', ' ')}.", "Look again: secondme channels list"


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


async def _stands(setup: Setup, name: str) -> ChannelFacts:
    """How the channel stands; as one that is off in a home where nothing ever ran."""
    from secondme.core.gateway.status import ChannelFacts
    from secondme.services import open_services

    if setup.settings.redis_url is None and not setup.places.store.exists():
        return ChannelFacts(name)
    async with open_services(setup) as services:
        return _facts(await services.status(), name)


async def _settled(services: Services, name: str) -> ChannelFacts:
    """How the channel stands once it is connected, or has said why it is not; as it stands then, when that takes long."""
    facts = _facts(await services.status(), name)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_S):
            while facts.state in _BEGINNING and not facts.code:
                await asyncio.sleep(_LOOK_S)  # noqa: TID251  as above
                facts = _facts(await services.status(), name)
    return facts


async def _until_off(services: Services, name: str) -> bool:
    """Return when no gateway runs the channel any more; false when one still does after a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            while _facts(await services.status(), name).state != "off":  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)  # noqa: TID251  as above
            return True
    return False
