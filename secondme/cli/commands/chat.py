"""`secondme chat`: a contact at the terminal of this machine, going through the same gate as everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult


def chat(
    context: typer.Context,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are.")],
    message: Annotated[list[str] | None, typer.Option(help="Send this and do not ask for more; may be repeated.")] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, max=3600, help="With --message: wait this long for an answer.")
    ] = 30.0,
    as_owner: Annotated[
        bool, typer.Option("--as-owner", help="Speak as the owner in NAME's chat, as from your own phone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each event.")] = False,
) -> None:
    """Write to the clone as a contact would. With --message: exits 0 when an answer came, 1 when none did."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.chatting import converse, deliver

        setup = invocation.setup()
        if message:
            return await deliver(setup, name, message, wait_s=wait, as_owner=as_owner, as_json=as_json)
        return await converse(setup, name, as_owner=as_owner, as_json=as_json)

    run(context, "secondme.chat/1", work, as_json=False)
