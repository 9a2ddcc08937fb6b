"""`secondme drafts`: replies that were held back, for the owner to send or drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from secondme.cli.options import Json
from secondme.cli.run import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen
    from secondme.core.records import HeldReply

app = typer.Typer(help="Replies that were held back for you.", no_args_is_help=True)

_Draft = Annotated[str, typer.Argument(help="A draft's id, or the beginning of it.")]


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Show every held reply with its text and the reason."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, outbox_store
        from secondme.cli.exits import ExitCode
        from secondme.cli.output import CommandResult
        from secondme.core.clock import rfc3339

        setup = invocation.setup()
        async with open_store(setup) as store:
            held, corrupt = await outbox_store(store, setup.settings).held()
        drafts = [
            {
                "id": item.row.reply_id,
                "contactId": item.row.contact_id,
                "reason": item.reason,
                "heldAt": rfc3339(item.held_at),
                "text": item.row.text,
            }
            for item in held
        ]

        def show(screen: Screen) -> None:
            screen.table(
                ("draft", "contact", "held because", "text"),
                [(draft["id"][:8], draft["contactId"], _REASONS[draft["reason"]], draft["text"]) for draft in drafts],
                empty="No drafts wait for you.",
            )

        code = ExitCode.BAD_INPUT if corrupt else ExitCode.DONE
        return CommandResult("secondme.drafts.list/1", {"drafts": drafts}, show, code, errors=list(corrupt))

    run(context, "secondme.drafts.list/1", work, as_json=as_json)


@app.command()
def send(context: typer.Context, draft: _Draft, as_json: Json = False) -> None:
    """Send a held reply; it passes the same checks as any other."""
    run(context, "secondme.drafts.send/1", lambda invocation: _settle(invocation, draft, "send"), as_json=as_json)


@app.command()
def drop(context: typer.Context, draft: _Draft, as_json: Json = False) -> None:
    """Drop a held reply for good."""
    run(context, "secondme.drafts.drop/1", lambda invocation: _settle(invocation, draft, "drop"), as_json=as_json)


async def _settle(invocation: Invocation, draft: str, verb: Literal["send", "drop"]) -> CommandResult:
    from secondme.cli.compose import open_store, outbox_store
    from secondme.cli.output import CommandResult

    setup = invocation.setup()
    async with open_store(setup) as store:
        outbox = outbox_store(store, setup.settings)
        held, _ = await outbox.held()
        item = _find(held, draft)
        await (outbox.release(item) if verb == "send" else outbox.discard(item))
    done = "is on its way" if verb == "send" else "was dropped"

    def show(screen: Screen) -> None:
        screen.line(f"The draft for {item.row.contact_id} {done}.")

    data = {"id": item.row.reply_id, "contactId": item.row.contact_id, "outcome": "sent" if verb == "send" else "dropped"}
    return CommandResult(f"secondme.drafts.{verb}/1", data, show)


def _find(held: list[HeldReply], draft: str) -> HeldReply:
    from secondme.core.errors import NotFoundError

    found = {item.row.reply_id: item for item in held if draft and item.row.reply_id.startswith(draft)}
    if len(found) != 1:
        what = "No draft has" if not found else "Several drafts have"
        raise NotFoundError("no_such_draft", f"{what} that id.", "secondme drafts list")
    return next(iter(found.values()))


_REASONS = {
    "tier": "the contact is restricted",
    "paused": "the contact was paused",
    "ambiguous": "it may have gone out already",
    "undeliverable": "the channel refused it",
}
