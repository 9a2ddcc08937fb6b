"""`secondme channels`: where people write, and how each of those places stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

app = typer.Typer(help="Where people write: link, pause, test.", no_args_is_help=True)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="CHANNEL", autocompletion=completion.channels, help="whatsapp, telegram, whatsapp_cloud, or a package's."
    ),
]


@app.command(name="list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Every channel: linked or not, connected or why not, what passed through it."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import list_channels

        return await list_channels(invocation)

    run(context, "secondme.channels.list/1", work, as_json=as_json)


@app.command()
def connect(
    context: typer.Context,
    name: _Name,
    phone: Annotated[str | None, typer.Option(help="WhatsApp: link by a code for this number instead of a QR code.")] = None,
    answers: Annotated[
        list[str] | None, typer.Option("--answer", metavar="NAME=VALUE", help="Answer a question beforehand; never a secret.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Link a channel: a QR code for WhatsApp, a bot's token for Telegram. A running gateway starts it at once."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import connect_channel

        return await connect_channel(invocation, name, phone, answers or [])

    run(context, "secondme.channels.connect/1", work, as_json=as_json)


@app.command()
def disconnect(
    context: typer.Context,
    name: _Name,
    forget: Annotated[bool, typer.Option("--forget", help="Unlink it there too, and erase its keys and tokens here.")] = False,
    as_json: Json = False,
) -> None:
    """Stop a channel until it is connected again. What people write there meanwhile waits at the platform."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import disconnect_channel

        return await disconnect_channel(invocation, name, forget=forget)

    run(context, "secondme.channels.disconnect/1", work, as_json=as_json)


@app.command()
def pause(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """Answer nobody on this channel until resumed; what they write is kept."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import pause_channel

        return await pause_channel(invocation, name, on=True)

    run(context, "secondme.channels.pause/1", work, as_json=as_json)


@app.command()
def resume(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """Answer this channel's contacts again."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import pause_channel

        return await pause_channel(invocation, name, on=False)

    run(context, "secondme.channels.resume/1", work, as_json=as_json)


@app.command("test")
def send_test(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """Send a line to your own chat on this channel, and wait until it has left."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.channels import send_test_line

        return await send_test_line(invocation, name)

    run(context, "secondme.channels.test/1", work, as_json=as_json)
