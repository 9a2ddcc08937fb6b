"""`secondme proposals`: what skills would change for your contacts, to approve or drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, message_result
from secondme.core.clock import rfc3339

if TYPE_CHECKING:
    from secondme.core.tools.store import Proposal

app = typer.Typer(help="What skills would change for your contacts: you decide.", no_args_is_help=True)

_Reference = Annotated[
    str, typer.Argument(metavar="PROPOSAL", autocompletion=completion.proposals, help="A proposal's id, or the beginning of it.")
]


@app.command("list")
@command("secondme.proposals.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Everything that waits for your word, the oldest first. After 48 hours a proposal is gone."""
    from secondme.core.tools.proposals import values_of

    async with invocation.services() as services:
        waiting = await services.proposals.waiting()

    def show(screen: Screen) -> None:
        rows = [
            (
                each.proposal_id[:8],
                each.contact_id,
                f"{each.skill} {each.tool}",
                ", ".join(value for _, value in values_of(each.input)),
            )
            for each in waiting
        ]
        screen.table(("proposal", "for", "what", "with"), rows, empty="No proposals wait for you.")

    return CommandResult({"proposals": [_data(each) for each in waiting]}, show)


@app.command()
@command("secondme.proposals.show/1")
async def show(invocation: Invocation, proposal: _Reference) -> CommandResult:
    """One proposal, whole."""
    from secondme.core.tools.proposals import in_words

    async with invocation.services() as services:
        found = await services.proposals.find(proposal)

    def show(screen: Screen) -> None:
        screen.line(f"{found.proposal_id[:8]}  for {found.contact_id}", "bold")
        screen.line(in_words(found))

    return CommandResult(_data(found), show)


@app.command()
@command("secondme.proposals.approve/1")
async def approve(invocation: Invocation, proposal: _Reference) -> CommandResult:
    """Do what it says, once."""
    async with invocation.services(deciding=True) as services:
        found, result = await services.proposals.approve(proposal)
    data = {**_data(found), "outcome": result.code or "done", "result": result.text}

    def show(screen: Screen) -> None:
        if result.code:
            screen.line(f"It was not done: {result.text}", "bad")
        else:
            screen.line(f"Done: {found.skill} {found.tool} for {found.contact_id}.", "good")

    return CommandResult(data, show, ExitCode.NO if result.code else ExitCode.DONE)


@app.command()
@command("secondme.proposals.drop/1")
async def drop(invocation: Invocation, proposal: _Reference) -> CommandResult:
    """Drop a proposal: nothing of it is done."""
    async with invocation.services(deciding=True) as services:
        found = await services.proposals.drop(proposal)
    return message_result({**_data(found), "outcome": "dropped"}, f"The proposal for {found.contact_id} is dropped.")


def _data(proposal: Proposal) -> dict[str, Any]:
    return {
        "id": proposal.proposal_id,
        "contactId": proposal.contact_id,
        "skill": proposal.skill,
        "tool": proposal.tool,
        "input": proposal.input,
        "madeAt": rfc3339(proposal.made_at),
    }
