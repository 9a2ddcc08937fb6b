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
from secondme.core.errors import NotFoundError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from secondme.core.messages import OwnerAddress, ToolCall, ToolResult, ToolSpec, ToolTurn, Usage
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

    from secondme.cli.contact_lookup import approved_contact
    from secondme.core.admit.pairing import channel_of
    from secondme.core.ids import ContactId
    from secondme.core.send.split import split_reply

    words = sys.stdin.read(_MOST) if message == "-" else message
    async with invocation.services() as services, _clone(services) as clone:
        if once and not dry_run and await services.draft_store.is_done(once):
            return _done_before(to, once)
        if to is None or to == SELF:
            own_chat = await _own_chat(services) if to == SELF else None
            answer = await clone.answer(
                words, thinking=thinking, persona=persona, turn=_turn(message, allow or [], dry_run=dry_run)
            )
            outcome: dict[str, Any] = {"to": to, "outcome": "answered"}
            if own_chat is not None and not dry_run:
                rows, wait_s = await _tell(services, own_chat, split_reply(answer.text), once or "", is_asked=_is_there(message))
                if not rows:
                    return _done_before(to, once or "")
                outcome = {
                    "to": SELF,
                    "outcome": "sent" if own_chat.is_open and not wait_s else "waiting",
                    "channelId": own_chat.channel_id,
                    "rowIds": rows,
                    "waitSeconds": round(wait_s),
                }
        else:
            contact = approved_contact(to, (await services.listing()).approved)
            answer = await clone.write_to(contact, words, thinking=thinking)
            outcome = {"to": contact.contact_id, "outcome": "composed"}
            if not dry_run:
                who, channel = ContactId(contact.contact_id), contact.channel_id or channel_of(contact.contact_id)
                until = None if valid_hours is None else services.clock.now() + timedelta(hours=valid_hours)
                draft = await services.drafts.suggest(who, channel, answer.text, fault=answer.fault, until=until, once=once or "")
                if draft is None:
                    return _done_before(to, once or "")
                outcome = {"to": who, "outcome": "draft", "draftId": draft}

    texts = {"text": answer.text, "persona": answer.persona, "fault": answer.fault or None}
    data = {**outcome, **texts, "dryRun": dry_run, "usage": usage_row(answer.usage)}
    return CommandResult(data, lambda screen: _show(screen, answer, outcome))


def _done_before(to: str | None, once: str) -> CommandResult:
    """Nothing was asked or sent: it was done."""
    data = {"to": to, "outcome": "already_done", "once": once}
    return CommandResult(
        data, lambda screen: screen.line(f"{screen.typed(once)} was done within the last week: nothing to do.", "dim")
    )


async def _tell(services: Services, chat: OwnerAddress, texts: list[str], once: str, *, is_asked: bool) -> tuple[list[str], float]:
    """The ids of the rows that are on their way to the owner, none when they were for `once`; and in how many seconds they leave at the
    soonest. What nobody asked for just now waits for the morning, and falls to the kill switch."""
    if is_asked and not once:
        return [await services.notes.say(chat.channel_id, chat.contact_id, text) for text in texts], 0.0
    from random import SystemRandom

    from secondme.core.send.pacing import SleepSchedule

    wait_s = 0.0 if is_asked else SleepSchedule(services.settings.sleep).put_off_s(services.clock.now(), SystemRandom())
    return await services.notes.schedule(chat.channel_id, chat.contact_id, texts, after_s=wait_s, once=once), wait_s


def _show(screen: Screen, answer: OwnerAnswer, outcome: dict[str, Any]) -> None:
    screen.line(answer.text)
    if outcome["outcome"] == "draft":
        command = f"secondme drafts {'edit' if answer.fault else 'send'} {outcome['draftId'][:8]}"
        note(f"It waits for you: {screen.typed(command)}", "accent")
    elif outcome["outcome"] == "sent":
        note("It is on its way to your own chat.", "accent")
    elif outcome["outcome"] == "waiting":
        why = "you are asleep" if outcome["waitSeconds"] else "the channel is not connected"
        note(f"It waits for your own chat: {why}.", "accent")


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


async def _own_chat(services: Services) -> OwnerAddress:
    """Where the owner's own chat is: one that is connected, else one that will be. Raises NotFoundError without any."""
    chats = await services.own_chats()
    if not chats:
        raise NotFoundError("no_owner_chat", "No channel knows a chat of your own.", "secondme channels connect telegram")
    return chats[0]


def usage_row(usage: Usage) -> dict[str, Any]:
    """What an answer took, as JSON values."""
    return {
        "model": usage.model,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens,
    }
