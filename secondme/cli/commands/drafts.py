"""`secondme drafts`: replies that wait for the owner, to read, send, write anew or drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, Json, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen
    from secondme.core.send.drafts import Draft

app = typer.Typer(help="Replies that wait for you.", no_args_is_help=True)

_Reference = Annotated[str, typer.Argument(metavar="DRAFT", help="A draft's id, or the beginning of it.")]


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show every draft with its text and why it waits."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.clone import drafts
        from secondme.cli.compose import open_store
        from secondme.cli.output import CommandResult, ExitCode
        from secondme.core.gateway.trace_messages import why_held

        setup = invocation.setup()
        async with open_store(setup) as store:
            waiting, corrupt = await drafts(store, setup).waiting()

        def show(screen: Screen) -> None:
            screen.table(
                ("draft", "contact", "waits because", "text"),
                [(draft.id[:8], draft.contact_id, screen.typed(why_held(draft.reason)), draft.text) for draft in waiting],
                empty="No drafts wait for you.",
            )

        code = ExitCode.BAD_INPUT if corrupt else ExitCode.DONE
        data = {"drafts": [_data(draft) for draft in waiting]}
        return CommandResult(data, show, code, errors=list(corrupt))

    run(context, "secondme.drafts.list/1", work, as_json=as_json)


@app.command()
def show(context: typer.Context, draft: _Reference, as_json: Json = False) -> None:
    """Show one draft, whole."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.clone import drafts
        from secondme.cli.compose import open_store
        from secondme.cli.output import CommandResult
        from secondme.core.gateway.trace_messages import why_held

        setup = invocation.setup()
        async with open_store(setup) as store:
            found = await drafts(store, setup).find(draft)

        def show(screen: Screen) -> None:
            screen.line(f"{found.id[:8]}  to {found.contact_id}  ({screen.typed(why_held(found.reason))})", "bold")
            if found.fault:
                screen.line(f"It cannot be sent as it is: {found.fault.replace('_', ' ')}.", "warn")
            for text in found.texts:
                screen.line()
                screen.line(text)

        return CommandResult(_data(found), show)

    run(context, "secondme.drafts.show/1", work, as_json=as_json)


@app.command()
def send(context: typer.Context, draft: _Reference, as_json: Json = False) -> None:
    """Send a draft; it passes the same checks as any other reply."""

    async def work(invocation: Invocation) -> CommandResult:
        return await _settled(invocation, draft, "send")

    run(context, "secondme.drafts.send/1", work, as_json=as_json)


@app.command()
def edit(
    context: typer.Context,
    draft: _Reference,
    text: Annotated[
        str | None, typer.Option(help="The new words; without it your editor opens, and - reads standard input.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it at once.")] = False,
    as_json: Json = False,
) -> None:
    """Write a draft anew, in your own words."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.clone import drafts
        from secondme.cli.compose import open_store
        from secondme.cli.output import CommandResult
        from secondme.cli.prompts import words_for

        setup = invocation.setup()
        async with open_store(setup) as store:
            desk = drafts(store, setup)
            before = await desk.find(draft)
            edited = await desk.edit(before.id, words_for(before.text, text))
            if send:
                await desk.send(edited.id)
        said = f"The draft for {edited.contact_id} {'is on its way' if send else 'is changed'}."

        def show(screen: Screen) -> None:
            screen.line(said)
            if not send:
                screen.hint(f"secondme drafts send {edited.id[:8]}", "accent")

        return CommandResult({**_data(edited), "outcome": "sent" if send else "edited"}, show)

    run(context, "secondme.drafts.edit/1", work, as_json=as_json)


@app.command()
def drop(context: typer.Context, draft: _Reference, as_json: Json = False) -> None:
    """Drop a draft for good."""

    async def work(invocation: Invocation) -> CommandResult:
        return await _settled(invocation, draft, "drop")

    run(context, "secondme.drafts.drop/1", work, as_json=as_json)


async def _settled(invocation: Invocation, reference: str, verb: str) -> CommandResult:
    from secondme.cli.clone import drafts
    from secondme.cli.compose import open_store
    from secondme.cli.output import message_result

    setup = invocation.setup()
    async with open_store(setup) as store:
        desk = drafts(store, setup)
        draft = await (desk.send(reference) if verb == "send" else desk.drop(reference))
    outcome = "sent" if verb == "send" else "dropped"
    words = "is on its way" if verb == "send" else "was dropped"
    data = {"id": draft.id, "contactId": draft.contact_id, "outcome": outcome}
    return message_result(data, f"The draft for {draft.contact_id} {words}.")


def _data(draft: Draft) -> dict[str, Any]:
    from secondme.core.clock import rfc3339

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
    }
