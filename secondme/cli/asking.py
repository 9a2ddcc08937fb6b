"""How does a turn of the owner's own go, from the words to where the answer is left?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from secondme.cli.clone import asking_claude, drafts
from secondme.cli.compose import note_store, open_store, pairing_store
from secondme.cli.contact_lookup import approved_contact
from secondme.cli.output import CommandResult, note
from secondme.core.admit.pairing import channel_of
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.send.split import split_reply

if TYPE_CHECKING:
    from secondme.cli.command import Invocation
    from secondme.cli.output import Screen
    from secondme.core.config.loader import Setup
    from secondme.core.enums import Thinking
    from secondme.core.reply.owner_turn import Said
    from secondme.core.store.client import Store

SELF = "self"
"""What is typed for the owner's own chat."""
_MOST = 64 * 1024


async def take_turn(
    invocation: Invocation,
    message: str,
    *,
    to: str | None,
    thinking: Thinking | None,
    persona: str | None,
    dry_run: bool,
) -> CommandResult:
    """The clone has answered its owner; the answer is where `to` says. Raises NotFoundError before anything is asked when that is nobody."""
    setup = invocation.setup()
    words = sys.stdin.read(_MOST) if message == "-" else message
    async with open_store(setup) as store, asking_claude(store, setup) as desk:
        if to is None or to == SELF:
            own_chat = await _own_chat(store, setup) if to == SELF else None
            said = await desk.answer(words, thinking=thinking, persona=persona)
            left: dict[str, Any] = {"to": to, "outcome": "answered"}
            if own_chat is not None and not dry_run:
                channel, chat = own_chat
                rows = [await note_store(store).say(channel, chat, part) for part in split_reply(said.text)]
                left = {"to": SELF, "outcome": "sent", "channelId": channel, "rowIds": rows}
        else:
            contact = approved_contact(to, (await pairing_store(store, setup.settings).listing()).approved)
            said = await desk.write_to(contact, words, thinking=thinking)
            left = {"to": contact.contact_id, "outcome": "composed"}
            if not dry_run:
                who = ContactId(contact.contact_id)
                channel = contact.channel_id or channel_of(contact.contact_id)
                reply = await drafts(store, setup).suggest(who, channel, said.text, fault=said.fault)
                left = {"to": who, "outcome": "draft", "draftId": reply}
    return _result(said, left, dry_run=dry_run)


async def try_voice(invocation: Invocation, message: str, *, persona: str | None, contact: str | None) -> CommandResult:
    """How a message would be answered. Nothing is sent and nothing is kept but what it cost."""
    setup = invocation.setup()
    async with open_store(setup) as store:
        approved = (await pairing_store(store, setup.settings).listing()).approved
        who = approved_contact(contact, approved) if contact is not None else None
        async with asking_claude(store, setup) as desk:
            said = await desk.try_voice(message, persona=persona, contact=who)
    data = {"text": said.text, "persona": said.persona, "fault": said.fault or None, "usage": _usage(said)}

    def show(screen: Screen) -> None:
        screen.line(said.text)
        if said.fault:
            note(f"The checks would hold this for you: {said.fault.replace('_', ' ')}.", "warn")

    return CommandResult(data, show)


async def _own_chat(store: Store, setup: Setup) -> tuple[str, ContactId]:
    """Where the owner's own chat is, as the running gateway knows it. Raises NotFoundError without one."""
    from secondme.cli.compose import overview

    for channel in (await overview(store, setup)).channels:
        if channel.owner_chat and channel.state == "connected":
            return channel.id, ContactId(channel.owner_chat)
    raise NotFoundError("no_owner_chat", "No gateway runs that knows a chat of your own.", "secondme channels connect telegram")


def _result(said: Said, left: dict[str, Any], *, dry_run: bool) -> CommandResult:
    data = {
        **left,
        "text": said.text,
        "persona": said.persona,
        "fault": said.fault or None,
        "dryRun": dry_run,
        "usage": _usage(said),
    }

    def show(screen: Screen) -> None:
        screen.line(said.text)
        if left["outcome"] == "draft":
            command = f"secondme drafts {'edit' if said.fault else 'send'} {left['draftId'][:8]}"
            note(f"It waits for you: {screen.typed(command)}", "accent")
        elif left["outcome"] == "sent":
            note("It is on its way to your own chat.", "accent")

    return CommandResult(data, show)


def _usage(said: Said) -> dict[str, Any]:
    usage = said.usage
    return {
        "model": usage.model,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cacheRead": usage.cache_read_tokens,
        "cacheWrite": usage.cache_write_tokens,
    }
