"""What can be decided about an approved contact, asked in dialogs: tier and note, who they are, how and in which voice they are answered."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from secondme.cli.tui.dialogs import TierChoice, TierDialog
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import shown_name
from secondme.core.enums import Relationship, ReplyMode
from secondme.core.ids import ContactId
from secondme.core.text import safe_name
from secondme.services import persona_library

if TYPE_CHECKING:
    from secondme.cli.tui.link import Actions
    from secondme.cli.tui.pages.page import Page
    from secondme.core.config.loader import Setup
    from secondme.core.records import ApprovedContact


_UNSAID = ""
"""The value of a choice that is taken back."""
_MODES = {
    ReplyMode.AUTO: "answered",
    ReplyMode.DRAFT: "you approve every reply",
    ReplyMode.OBSERVE: "listened to, not answered",
    ReplyMode.OFF: "neither answered nor kept",
}


def how_answered(contact: ApprovedContact) -> str:
    """The contact's reply mode in words, and who decided it."""
    by = "you said so" if contact.reply_mode is not None else f"by tier {contact.tier.value}"
    return f"{contact.mode.value}: {_MODES[contact.mode]} ({by})"


async def ask_mode(page: Page, contact: ApprovedContact) -> None:
    """The contact's messages are treated as the owner chose. Called in a worker, as the others here."""
    who = shown_name(contact.display_name, contact.contact_id)
    choices = [Choice(mode.value, mode.value, says) for mode, says in _MODES.items()]
    choices.append(Choice(_UNSAID, "by tier", f"as anybody who is {contact.tier.value}"))
    dialog = ChoiceDialog(
        f"What happens to {who}'s messages?", choices, contact.reply_mode.value if contact.reply_mode else _UNSAID
    )
    choice = await page.app.push_screen_wait(dialog)
    if choice is not None:
        await page.desk.decide(partial(_set_mode, page.desk, contact, who, choice))


async def ask_relationship(page: Page, contact: ApprovedContact) -> None:
    """The contact is to the owner what they said."""
    who, identity = shown_name(contact.display_name, contact.contact_id), ContactId(contact.contact_id)
    standing = await page.desk.fetch(lambda: page.desk.link.services.relationships.of(identity))
    if standing is None:
        return
    choices = [Choice(each.value, each.value.replace("_", " ")) for each in Relationship]
    guess = "" if standing.manual else f"so far: {standing.type.value.replace('_', ' ')}"
    choices.append(Choice(_UNSAID, "let hints tell", guess or "what they write decides"))
    dialog = ChoiceDialog(f"Who is {who} to you?", choices, standing.type.value if standing.manual else _UNSAID)
    choice = await page.app.push_screen_wait(dialog)
    if choice is not None:
        await page.desk.decide(partial(_relate, page.desk, identity, who, choice))


async def ask_voice(page: Page, contact: ApprovedContact) -> None:
    """The contact is answered in the voice that the owner chose."""
    who = shown_name(contact.display_name, contact.contact_id)
    choices = await page.desk.fetch(lambda: asyncio.to_thread(_voices, page.desk.link.setup))
    if choices is None:
        return
    known = {choice.value for choice in choices}
    if contact.persona and contact.persona not in known:
        gone = Choice(contact.persona, safe_name(contact.persona), "is not there: the built-in default speaks", is_possible=False)
        choices.append(gone)
    choices.append(Choice(_UNSAID, "as usual", "by relationship, or your default"))
    choice = await page.app.push_screen_wait(
        ChoiceDialog(f"In which of your voices is {who} answered?", choices, contact.persona or _UNSAID)
    )
    if choice is not None:
        await page.desk.decide(partial(_set_persona, page.desk, contact, who, choice))


async def ask_about(page: Page, contact: ApprovedContact) -> None:
    """Tier, note, and who the contact is to the owner, are as they chose."""
    who = shown_name(contact.display_name, contact.contact_id)
    what = [
        Choice("tier", "Tier and note", contact.tier.value),
        Choice("relation", "Who they are to you", "family, friend, colleague …"),
    ]
    match await page.app.push_screen_wait(ChoiceDialog(f"Change what about {who}?", what, "tier")):
        case "tier":
            choice = await page.app.push_screen_wait(TierDialog(who, "Save", contact.tier, contact.notes or ""))
            if choice is not None:
                await page.desk.decide(partial(_edit, page.desk, contact, choice))
        case "relation":
            await ask_relationship(page, contact)
        case _:
            pass


async def _edit(desk: Actions, contact: ApprovedContact, choice: TierChoice) -> str:
    decision = await desk.link.services.pairing.edit(contact.contact_id, tier=choice.tier, notes=choice.notes)
    return f"{shown_name(decision.display_name, contact.contact_id)} is {decision.tier}."


async def _set_mode(desk: Actions, contact: ApprovedContact, who: str, choice: str) -> str:
    record = await desk.link.services.answering.set_mode(ContactId(contact.contact_id), ReplyMode(choice) if choice else None)
    return f"{who}: {how_answered(record)}."


async def _relate(desk: Actions, contact: ContactId, who: str, choice: str) -> str:
    standing = await desk.link.services.relationships.set_by_owner(contact, Relationship(choice) if choice else None)
    kind = standing.type.value.replace("_", " ")
    return f"{who} is {kind} to you." if standing.manual else f"{who} seems to be {kind}; that may change by itself."


async def _set_persona(desk: Actions, contact: ApprovedContact, who: str, choice: str) -> str:
    await desk.link.services.choices.set_persona(ContactId(contact.contact_id), choice or None)
    return f"{safe_name(choice)} speaks to {who} from now on." if choice else f"{who} is answered in the usual voice."


def _voices(setup: Setup) -> list[Choice]:
    """What there is to choose from; a broken file cannot be chosen. Raises ConfigError."""
    personas = persona_library(setup)
    sound = [Choice(each.id, safe_name(each.id), safe_name(each.tone or each.name)) for each in personas.all()]
    broken = [Choice(each.id, safe_name(each.id), "cannot be used: see Voice", is_possible=False) for each in personas.broken()]
    return sorted([*sound, *broken], key=lambda choice: choice.value)
