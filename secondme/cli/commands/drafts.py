"""`secondme drafts`: replies that wait for the owner, to read, send, edit or drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen, message_result
from secondme.core.clock import rfc3339

if TYPE_CHECKING:
    from secondme.core.send.drafts import Draft

app = typer.Typer(help="Replies that wait for you.", no_args_is_help=True)

_Reference = Annotated[str, typer.Argument(metavar="DRAFT", help="A draft's id, or the beginning of it.")]


@app.command("list")
@command("secondme.drafts.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Show every draft with its text and why it waits."""
    from secondme.core.gateway.trace_messages import why_held

    async with invocation.services() as services:
        drafts, corrupt = await services.drafts.waiting()

    def show(screen: Screen) -> None:
        screen.table(
            ("draft", "contact", "waits because", "text"),
            [(draft.id[:8], draft.contact_id, screen.typed(why_held(draft.reason)), draft.text) for draft in drafts],
            empty="No drafts wait for you.",
        )

    code = ExitCode.BAD_INPUT if corrupt else ExitCode.DONE
    return CommandResult({"drafts": [_data(draft) for draft in drafts]}, show, code, list(corrupt))


@app.command()
@command("secondme.drafts.show/1")
async def show(invocation: Invocation, draft: _Reference) -> CommandResult:
    """Show one draft, whole."""
    from secondme.core.gateway.trace_messages import why_held

    async with invocation.services() as services:
        held = await services.drafts.find(draft)

    def show(screen: Screen) -> None:
        screen.line(f"{held.id[:8]}  to {held.contact_id}  ({screen.typed(why_held(held.reason))})", "bold")
        if held.fault:
            screen.line(f"It cannot be sent as it is: {held.fault.replace('_', ' ')}.", "warn")
        if held.job:
            screen.line(f"A job wrote it: secondme jobs show {held.job}", "dim")
        if held.overtaken:
            screen.line("Something was said in that conversation since it was written.", "warn")
        for text in held.texts:
            screen.line()
            screen.line(text)

    return CommandResult(_data(held), show)


@app.command()
@command("secondme.drafts.send/1")
async def send(
    invocation: Invocation,
    draft: _Reference,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="A job's, too, behind which something was said since it was written.")
    ] = False,
) -> CommandResult:
    """Send a draft; it passes the same checks as any other reply."""
    async with invocation.services() as services:
        return _settled(await services.drafts.send(draft, anyway=anyway), "sent", "is on its way")


@app.command()
@command("secondme.drafts.edit/1")
async def edit(
    invocation: Invocation,
    draft: _Reference,
    text: Annotated[
        str | None, typer.Option(help="The new words; without it your editor opens, and - reads standard input.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it at once.")] = False,
) -> CommandResult:
    """Write a draft anew, in your own words."""
    from secondme.cli.prompts import words_for

    async with invocation.services() as services:
        before = await services.drafts.find(draft)
        edited = await services.drafts.edit(before.id, words_for(before.text, text))
        if send:
            await services.drafts.send(edited.id)

    def show(screen: Screen) -> None:
        screen.line(f"The draft for {edited.contact_id} {'is on its way' if send else 'is changed'}.")
        if not send:
            screen.hint(f"secondme drafts send {edited.id[:8]}", "accent")

    return CommandResult({**_data(edited), "outcome": "sent" if send else "edited"}, show)


@app.command()
@command("secondme.drafts.drop/1")
async def drop(invocation: Invocation, draft: _Reference) -> CommandResult:
    """Drop a draft for good."""
    async with invocation.services() as services:
        return _settled(await services.drafts.drop(draft), "dropped", "was dropped")


def _settled(draft: Draft, outcome: str, words: str) -> CommandResult:
    data = {"id": draft.id, "contactId": draft.contact_id, "outcome": outcome}
    return message_result(data, f"The draft for {draft.contact_id} {words}.")


def _data(draft: Draft) -> dict[str, Any]:
    return {
        "id": draft.id,
        "contactId": draft.contact_id,
        "channelId": draft.channel_id,
        "reason": draft.reason,
        "fault": draft.fault or None,
        "heldAt": rfc3339(draft.held_at),
        "text": draft.text,
        "texts": list(draft.texts),
        "answers": list(draft.answers),
        "job": draft.job,
        "overtaken": draft.overtaken,
    }
