"""`secondme agent`: one turn with the clone, as its owner. Made for cron."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, note, typed
from secondme.cli.prompts import confirm
from secondme.core.enums import Thinking
from secondme.core.errors import NotFoundError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from secondme.core.ids import ContactId
    from secondme.core.messages import ToolCall, ToolResult, ToolSpec, ToolTurn, Usage
    from secondme.core.reply.owner_turn import OwnerAnswer, OwnerTurn
    from secondme.services import Services

SELF = "self"
"""What is typed for the owner's own chat."""
_MOST = 64 * 1024


@command("secondme.agent/1")
async def agent(
    invocation: Invocation,
    message: Annotated[str, typer.Option("--message", "-m", help="What you say to it; - reads standard input.")],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="self|CONTACT",
            autocompletion=completion.people,
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but send nothing and keep no draft.")] = False,
) -> CommandResult:
    """Ask your clone something; the answer is on stdout. It speaks in your own voice and has your rights.

    What it writes for a contact is a draft: it leaves when you approve it. It may use every skill that is on; what changes something is
    asked for at a terminal, and refused without one unless you allow it by name.
    """
    if persona is not None and to not in {None, SELF}:
        hint = typed("secondme persona use NAME --contact ID", invocation.home)
        raise typer.BadParameter(f"a contact's persona is chosen for them: {hint}")

    from secondme.cli.contact_lookup import approved_contact
    from secondme.core.admit.pairing import channel_of
    from secondme.core.ids import ContactId
    from secondme.core.send.split import split_reply

    words = sys.stdin.read(_MOST) if message == "-" else message
    async with invocation.services() as services, _clone(services) as clone:
        if to is None or to == SELF:
            own_chat = await _own_chat(services) if to == SELF else None
            answer = await clone.answer(
                words, thinking=thinking, persona=persona, turn=_turn(message, allow or [], dry_run=dry_run)
            )
            outcome: dict[str, Any] = {"to": to, "outcome": "answered"}
            if own_chat is not None and not dry_run:
                channel, chat = own_chat
                rows = [await services.notes.say(channel, chat, part) for part in split_reply(answer.text)]
                outcome = {"to": SELF, "outcome": "sent", "channelId": channel, "rowIds": rows}
        else:
            contact = approved_contact(to, (await services.listing()).approved)
            answer = await clone.write_to(contact, words, thinking=thinking)
            outcome = {"to": contact.contact_id, "outcome": "composed"}
            if not dry_run:
                who, channel = ContactId(contact.contact_id), contact.channel_id or channel_of(contact.contact_id)
                draft = await services.drafts.suggest(who, channel, answer.text, fault=answer.fault)
                outcome = {"to": who, "outcome": "draft", "draftId": draft}

    texts = {"text": answer.text, "persona": answer.persona, "fault": answer.fault or None}
    data = {**outcome, **texts, "dryRun": dry_run, "usage": usage_row(answer.usage)}
    return CommandResult(data, lambda screen: _show(screen, answer, outcome))


def _show(screen: Screen, answer: OwnerAnswer, outcome: dict[str, Any]) -> None:
    screen.line(answer.text)
    if outcome["outcome"] == "draft":
        command = f"secondme drafts {'edit' if answer.fault else 'send'} {outcome['draftId'][:8]}"
        note(f"It waits for you: {screen.typed(command)}", "accent")
    elif outcome["outcome"] == "sent":
        note("It is on its way to your own chat.", "accent")


def _clone(services: Services) -> AbstractAsyncContextManager[OwnerTurn]:
    """The clone with every tool that is on; a person has time to say yes."""
    from secondme.core.reply.tool_loop import ToolLimits

    return services.asking_claude(ConfirmingToolbox(services), ToolLimits(wall_s=600, call_s=300))


def _turn(message: str, allow: list[str], *, dry_run: bool) -> ToolTurn:
    """Whose rights the tools have: yours with you there to ask, or a script's. Who tries something out changes nothing."""
    from secondme.core.messages import Origin, ToolTurn

    is_there = message != "-" and sys.stdin.isatty() and sys.stderr.isatty() and not dry_run
    return ToolTurn(Origin.OWNER if is_there else Origin.SCRIPT, allowed=frozenset([] if dry_run else allow))


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


async def _own_chat(services: Services) -> tuple[str, ContactId]:
    """Where the owner's own chat is, as the running gateway knows it. Raises NotFoundError without one."""
    from secondme.core.ids import ContactId

    for channel in (await services.status()).channels:
        if channel.owner_chat and channel.state == "connected":
            return channel.id, ContactId(channel.owner_chat)
    raise NotFoundError("no_owner_chat", "No gateway runs that knows a chat of your own.", "secondme channels connect telegram")


def usage_row(usage: Usage) -> dict[str, Any]:
    """What an answer took, as JSON values."""
    return {
        "model": usage.model,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens,
    }
