"""`secondme webhooks`: servers elsewhere that are told what happens here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, note

if TYPE_CHECKING:
    from datetime import datetime

    from secondme.core.webhooks.records import DeadWebhook, ListedEndpoint

app = typer.Typer(help="Tell other servers what happens: docs/webhooks.md.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", autocompletion=completion.webhooks, help="As `secondme webhooks list` shows it.")]


@app.command()
@command("secondme.webhooks.add/1")
async def add(
    invocation: Invocation,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https://, of a server on the internet.")],
    events: Annotated[
        str,
        typer.Option(metavar="A,B", help="What of: names like draft.held, groups like draft.*, or *. docs/webhooks.md lists them."),
    ],
    local: Annotated[bool, typer.Option("--local", help="A server on this machine; http:// will do.")] = False,
    with_ids: Annotated[bool, typer.Option("--with-ids", help="Tell whom it is about; otherwise contacts are masked.")] = False,
) -> CommandResult:
    """Tell a server what happens from now on. Prints the secret that its deliveries are signed with, this once."""
    from secondme.core.webhooks.desk import NewWebhook

    wanted = [each.strip() for each in events.split(",") if each.strip()]
    async with invocation.services(deciding=True) as services:
        endpoint, secret = await services.webhook_desk.add(NewWebhook(url, wanted, is_local=local, with_ids=with_ids))
        listed = await services.webhook_desk.show(endpoint.id)

    def show(screen: Screen) -> None:
        screen.line(secret)
        note(f"{endpoint.id} is told of {', '.join(wanted)}. The secret is not shown again.", "accent")
        note(screen.typed(f"Try it: secondme webhooks test {endpoint.id}"), "accent")

    return CommandResult({**_row(listed), "secret": secret}, show)


@app.command("list")
@command("secondme.webhooks.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Show where what happens is told, and whether it arrives."""
    from secondme.core.format import ago

    async with invocation.services() as services:
        listed = await services.webhook_desk.all()
    now = services.clock.now()

    def standing(each: ListedEndpoint) -> str:
        if each.state.disabled_at is not None:
            return f"disabled: {each.state.disabled_why}"
        if each.state.failing_since is not None:
            return f"failing for {ago(each.state.failing_since, now)}: {each.state.last_status}"
        return "delivers" if each.state.last_success_at is not None else "nothing sent yet"

    def show(screen: Screen) -> None:
        rows = [
            (
                each.endpoint.id,
                each.endpoint.url,
                ", ".join(each.endpoint.events),
                standing(each),
                str(each.state.waiting),
                str(each.state.dead),
            )
            for each in listed
        ]
        empty = "Nothing is told to anybody: secondme webhooks add URL --events draft.held"
        screen.table(("id", "url", "events", "stands", "wait", "dead"), rows, empty=empty)

    return CommandResult({"webhooks": [_row(each) for each in listed]}, show)


@app.command()
@command("secondme.webhooks.test/1")
async def test(invocation: Invocation, identity: _Id) -> CommandResult:
    """Send a `test` event now, and say what came back. It is not tried again."""
    async with invocation.services() as services:
        result = await services.webhook_desk.test(identity)
    said = f"It arrived: {result.status}." if result.is_delivered else f"It did not arrive: {result.status}."
    return CommandResult(
        {"id": identity, "delivered": result.is_delivered, "status": result.status},
        lambda screen: screen.line(said, "good" if result.is_delivered else "bad"),
        ExitCode.DONE if result.is_delivered else ExitCode.NO,
    )


@app.command()
@command("secondme.webhooks.rotate/1")
async def rotate(invocation: Invocation, identity: _Id) -> CommandResult:
    """Print a new secret, this once. For 24 hours deliveries are signed with the one before it too."""
    async with invocation.services(deciding=True) as services:
        secret = await services.webhook_desk.rotate(identity)

    def show(screen: Screen) -> None:
        screen.line(secret)
        note("The secret before it is good for 24 hours more.", "accent")

    return CommandResult({"id": identity, "secret": secret}, show)


@app.command()
@command("secondme.webhooks.dead/1")
async def dead(invocation: Invocation, identity: _Id) -> CommandResult:
    """Show what was never delivered, and what the server answered."""
    from secondme.core.format import local_time

    async with invocation.services() as services:
        letters = await services.webhook_desk.dead(identity)
    now, rows = services.clock.now(), [_letter(each) for each in letters]

    def show(screen: Screen) -> None:
        cells = [
            (
                row["messageId"],
                row["type"],
                local_time(row["at"], now),
                str(row["tries"]),
                row["why"],
                local_time(row["diedAt"], now),
            )
            for row in rows
        ]
        screen.table(("message", "event", "of", "tries", "why", "given up"), cells, empty="Everything was delivered.")
        if rows:
            screen.hint(f"Try them again: secondme webhooks replay {identity}", "accent")

    return CommandResult({"letters": rows}, show)


@app.command()
@command("secondme.webhooks.replay/1")
async def replay(invocation: Invocation, identity: _Id) -> CommandResult:
    """Try every dead letter again, under the id that it had."""
    from secondme.core.format import counted

    async with invocation.services(deciding=True) as services:
        count = await services.webhook_desk.replay(identity)
    said = f"{counted(count, 'delivery', 'deliveries')} will be tried again." if count else "Everything was delivered."
    return CommandResult({"id": identity, "replayed": count}, lambda screen: screen.line(said))


@app.command()
@command("secondme.webhooks.enable/1")
async def enable(invocation: Invocation, identity: _Id) -> CommandResult:
    """Switch a disabled webhook on: it is told of what happens from now on."""
    async with invocation.services(deciding=True) as services:
        await services.webhook_desk.enable(identity)
    return CommandResult({"id": identity}, lambda screen: screen.line(f"{identity} is on.", "good"))


@app.command()
@command("secondme.webhooks.remove/1")
async def remove(invocation: Invocation, identity: _Id) -> CommandResult:
    """Tell a server nothing any more; what waits for it is gone."""
    async with invocation.services(deciding=True) as services:
        await services.webhook_desk.remove(identity)
    return CommandResult({"id": identity}, lambda screen: screen.line(f"{identity} is told of nothing any more.", "good"))


def _row(listed: ListedEndpoint) -> dict[str, Any]:
    endpoint, state = listed.endpoint, listed.state
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "local": endpoint.local,
        "withIds": endpoint.with_ids,
        "createdAt": _moment(endpoint.created_at),
        "waiting": state.waiting,
        "dead": state.dead,
        "sent": state.sent,
        "lastStatus": state.last_status,
        "lastTryAt": _moment(state.last_try_at),
        "lastSuccessAt": _moment(state.last_success_at),
        "failingSince": _moment(state.failing_since),
        "disabledAt": _moment(state.disabled_at),
        "disabledWhy": state.disabled_why,
    }


def _letter(letter: DeadWebhook) -> dict[str, Any]:
    message = letter.message
    return {
        "messageId": message.id,
        "type": message.type,
        "at": _moment(message.at),
        "contactId": message.contact_id,
        "tries": letter.tries,
        "why": letter.why,
        "diedAt": _moment(letter.died_at),
    }


def _moment(when: datetime | None) -> str | None:
    from secondme.core.clock import rfc3339

    return None if when is None else rfc3339(when)
