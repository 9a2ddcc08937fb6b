"""`secondme agent`: one turn with the clone, as its owner. Made for cron."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, note, typed
from secondme.cli.prompts import confirm
from secondme.core.enums import Thinking

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from secondme.agent_desk import Ask, AskResult
    from secondme.core.messages import ToolCall, ToolResult, ToolSpec, ToolTurn, Usage
    from secondme.core.reply.owner_turn import OwnerAnswer, OwnerTurn
    from secondme.services import Services

SELF = "self"
"""What is typed for the owner's own chat."""
_MOST = 64 * 1024


@command("secondme.agent/1")
async def agent(  # noqa: PLR0913, PLR0917  an option for each thing that a script decides
    invocation: Invocation,
    message: Annotated[str, typer.Option("--message", "-m", help="What you say to it; - reads standard input.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="self|CONTACT",
            autocompletion=completion.approved,
            help="Send the answer to your own chat, or write a draft for a contact.",
        ),
    ] = None,
    thinking: Annotated[Thinking | None, typer.Option(help="How much it thinks first.")] = None,
    persona: Annotated[str | None, typer.Option(autocompletion=completion.personas, help="Answer in this persona's voice.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="TOOL", help="A tool, like calendar_propose, that may change something without asking you."
        ),
    ] = None,
    once: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Do it once for this word, like digest-2026-11-30, within a week: a line that runs again does nothing.",
        ),
    ] = None,
    valid_hours: Annotated[
        float | None, typer.Option(min=0.1, max=720, help="A draft for a contact is dropped when nobody sent it by then.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but send nothing and keep no draft.")] = False,
) -> CommandResult:
    """Ask your clone something; the answer is on stdout. It speaks in your own voice and has your rights.

    What it writes for a contact is a draft: it leaves when you approve it. It may use every skill that is on; what changes something is
    asked for at a terminal, and refused without one unless you allow it by name.
    """
    if persona is not None and to not in {None, SELF}:
        hint = typed("secondme persona use NAME --contact ID", invocation.home)
        raise typer.BadParameter(f"a contact's persona is chosen for them: {hint}")
    if to is None and (once or valid_hours):
        raise typer.BadParameter("--once and --valid-hours are for what is sent or kept: name somebody with --to")

    from secondme.agent_desk import Ask, ask
    from secondme.cli.contact_lookup import find_approved

    words = sys.stdin.read(_MOST) if message == "-" else message
    async with invocation.services() as services, _clone(services) as clone:
        wanted = Ask(
            words,
            "self" if to == SELF else None if to is None else await find_approved(services, to),
            _turn(message, allow or [], dry_run=dry_run),
            thinking=thinking,
            persona=persona,
            once=once or "",
            valid_for=None if valid_hours is None else timedelta(hours=valid_hours),
            is_there=_is_there(message),
            is_trial=dry_run,
        )
        asked = await ask(services, clone, wanted)
    return _result(asked, wanted)


def _result(asked: AskResult, wanted: Ask) -> CommandResult:
    if asked.answer is None:
        done = {"to": asked.to, "outcome": asked.outcome, "once": wanted.once}
        said = f"{wanted.once} was done within the last week: nothing to do."
        return CommandResult(done, lambda screen: screen.line(screen.typed(said), "dim"))
    answer = asked.answer
    texts = {"text": answer.text, "persona": answer.persona, "fault": answer.fault or None}
    data = {**_outcome_row(asked), **texts, "dryRun": wanted.is_trial, "usage": usage_row(answer.usage)}
    return CommandResult(data, lambda screen: _show(screen, answer, asked))


def _outcome_row(asked: AskResult) -> dict[str, Any]:
    row: dict[str, Any] = {"to": asked.to, "outcome": asked.outcome}
    if asked.draft_id:
        row["draftId"] = asked.draft_id
    if asked.row_ids:
        row |= {"channelId": asked.channel_id, "rowIds": list(asked.row_ids), "waitSeconds": round(asked.wait_s)}
    return row


def _show(screen: Screen, answer: OwnerAnswer, asked: AskResult) -> None:
    screen.line(answer.text)
    match asked.outcome:
        case "draft":
            command = f"secondme drafts {'edit' if answer.fault else 'send'} {asked.draft_id[:8]}"
            note(f"It waits for you: {screen.typed(command)}", "accent")
        case "sent":
            note("It is on its way to your own chat.", "accent")
        case "waiting":
            why = "you are asleep" if asked.wait_s else "the channel is not connected"
            note(f"It waits for your own chat: {why}.", "accent")
        case "answered" | "composed" | "already_done":
            pass


def _clone(services: Services) -> AbstractAsyncContextManager[OwnerTurn]:
    """The clone with every tool that is on; a person has time to say yes."""
    from secondme.core.reply.tool_loop import ToolLimits

    return services.asking_claude(ConfirmingToolbox(services), ToolLimits(wall_s=600, call_s=300))


def _turn(message: str, allow: list[str], *, dry_run: bool) -> ToolTurn:
    """Whose rights the tools have: yours with you there to ask, or a script's. Who tries something out changes nothing."""
    from secondme.core.messages import Origin, ToolTurn

    is_there = _is_there(message) and not dry_run
    return ToolTurn(Origin.OWNER if is_there else Origin.SCRIPT, allowed=frozenset([] if dry_run else allow))


def _is_there(message: str) -> bool:
    """True when a person typed it."""
    return message != "-" and sys.stdin.isatty() and sys.stderr.isatty()


class ConfirmingToolbox:
    """The owner's toolbox: at a terminal each change is asked for, with everything that it would be done with."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """As the home's toolbox."""
        return await self._services.toolbox.offered(turn)

    async def call(self, turn: ToolTurn, call: ToolCall) -> ToolResult:
        """As the home's toolbox, after the owner said yes to a change."""
        from secondme.core.messages import Origin, ToolResult
        from secondme.core.tools.proposals import values_of

        asks = turn.origin is Origin.OWNER and call.name not in turn.allowed and call.name in await self._services.changing_tools()
        if asks:
            values = "".join(f"\n  {name}: {value}" for name, value in values_of(call.input or {}))
            try:
                confirm(f"{call.name}{values}\nDo it?")
            except typer.Abort:
                return ToolResult("The owner said no.", "refused")
        return await self._services.toolbox.call(turn, call)


def usage_row(usage: Usage) -> dict[str, Any]:
    """What an answer took, as JSON values."""
    return {
        "model": usage.model,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens,
    }
