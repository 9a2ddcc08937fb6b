"""`secondme agent`: one turn with the clone, as its owner. Made for cron."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen, note, typed
from secondme.core.enums import Thinking
from secondme.core.errors import NotFoundError

if TYPE_CHECKING:
    from secondme.core.ids import ContactId
    from secondme.core.messages import Usage
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Answer, but send nothing and keep no draft.")] = False,
) -> CommandResult:
    """Ask your clone something; the answer is on stdout. It speaks in your own voice and has your rights.

    What it writes for a contact is a draft: it leaves when you approve it.
    """
    if persona is not None and to not in {None, SELF}:
        hint = typed("secondme persona use NAME --contact ID", invocation.home)
        raise typer.BadParameter(f"a contact's persona is chosen for them: {hint}")

    from secondme.cli.contact_lookup import approved_contact
    from secondme.core.admit.pairing import channel_of
    from secondme.core.ids import ContactId
    from secondme.core.send.split import split_reply

    words = sys.stdin.read(_MOST) if message == "-" else message
    async with invocation.services() as services, services.asking_claude() as clone:
        if to is None or to == SELF:
            own_chat = await _own_chat(services) if to == SELF else None
            answer = await clone.answer(words, thinking=thinking, persona=persona)
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

    def show(screen: Screen) -> None:
        screen.line(answer.text)
        if outcome["outcome"] == "draft":
            command = f"secondme drafts {'edit' if answer.fault else 'send'} {outcome['draftId'][:8]}"
            note(f"It waits for you: {screen.typed(command)}", "accent")
        elif outcome["outcome"] == "sent":
            note("It is on its way to your own chat.", "accent")

    texts = {"text": answer.text, "persona": answer.persona, "fault": answer.fault or None}
    return CommandResult({**outcome, **texts, "dryRun": dry_run, "usage": usage_row(answer.usage)}, show)


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
