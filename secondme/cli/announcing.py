"""What does the gateway's own terminal say while it runs? One sentence for each event that the owner may want to act on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from secondme.core.errors import UnavailableError
from secondme.core.gateway.channel_words import words_for
from secondme.core.store import keys
from secondme.core.store.events import listen

if TYPE_CHECKING:
    from secondme.cli.output import Screen
    from secondme.core.store.client import Store

_AGAIN_S = 0.5


async def announce(screen: Screen, store: Store, command: str, listening: asyncio.Event, greeted: asyncio.Event) -> None:
    """Say what happens until cancelled, or until there is nobody to say it to. `listening` is set as soon as nothing can be missed;
    what happens before `greeted` is said after it.

    `command` is how this program is called here, for hints that can be copied.
    """
    while True:
        try:
            async for heard in listen(store, *keys.EVENTS):
                listening.set()
                await greeted.wait()
                if heard is not None:
                    _say(screen, heard[1], command)
        except OSError:
            return  # the terminal is gone; the gateway is not
        except UnavailableError:
            await asyncio.sleep(_AGAIN_S)  # noqa: TID251  a person's screen, not the message path


def _say(screen: Screen, event: dict[str, Any], command: str) -> None:
    kind = str(event.get("type") or event.get("action") or event.get("event"))
    if kind == "channel_state":
        _say_channel(screen, event, command)
    if kind not in _SENTENCES:
        return
    contact = str(event.get("contactId", ""))
    who = "Everybody" if contact == "ALL" else str(event.get("displayName") or "") or contact
    text, style = _SENTENCES[kind]
    screen.line(text.format(who=who, contact=contact, tier=event.get("tier"), command=command), style)


def _say_channel(screen: Screen, event: dict[str, Any], command: str) -> None:
    name, state = str(event.get("channelId", "")), event.get("state")
    words, fix = words_for(str(event.get("code", "")))
    if state == "needs_owner":
        screen.line(f"{name} needs you. {words} {fix.replace('secondme ', f'{command} ', 1)}".rstrip(), "bad")
    elif state == "connected" and name != "local":
        screen.line(f"{name} is connected. {words}".rstrip(), "warn" if words else "good")


_SENTENCES = {
    "pairing_request": ("{who} asks to be let in:  {command} pairing approve {contact}", "accent"),
    "pairing_approved": ("{who} is let in ({tier}).", "good"),
    "pairing_verified": ("{who} is let in ({tier}).", "good"),
    "pairing_denied": ("{who} is turned away.", "warn"),
    "pairing_revoked": ("{who} is not let in any more.", "warn"),
    "pairing_expired": ("The request of {contact} has expired.", "dim"),
    "pairing_closed": ("Too many wrong codes: invites are closed for an hour.", "bad"),
    "pairing_full": ("Too many people wait at the door: new ones are ignored.", "warn"),
    "api_refused": ("Somebody was refused at the HTTP API:  {command} security tail", "bad"),
    "suspicious_content": ("A message looks suspicious:  {command} security tail", "warn"),
    "pairing_migrated": ("Contacts were migrated:  {command} pairing list", "good"),
    "pause": ("{who} is paused.", "warn"),
    "resume": ("{who} is answered again.", "good"),
    "kill": ("The kill switch is on: nothing is sent to anybody.", "bad"),
    "dead_letter": ("A message of {contact} could not be worked on and was set aside.", "bad"),
    "reply_held": ("A reply to {contact} waits for you:  {command} drafts list", "accent"),
}
