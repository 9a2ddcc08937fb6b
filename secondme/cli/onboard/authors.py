"""Which of an export's authors the owner is: a choice of names with how much each wrote, for the wizard and for `secondme import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.onboard.prompts import TerminalPrompter, WizardChoice, WizardQuestion
from secondme.core.exports.conversation import name_key
from secondme.core.format import counted
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from secondme.core.exports.authors import ExportAuthors


def who_are_you(authors: ExportAuthors, usual: str = "") -> tuple[WizardQuestion, list[WizardChoice]]:
    """The question and its choices, who wrote most first. What Enter means is whoever is called `usual`, as far as one of them is."""
    called = {name_key(name): name for name, _ in authors.people}
    wanted = name_key(usual)
    first = [name for key, name in called.items() if wanted and key.split()[:1] == wanted.split()[:1]]
    meant = called.get(wanted) or (first[0] if len(first) == 1 else None)
    choices = [WizardChoice(name, f"{safe_name(name)} ({counted(count, 'message')})") for name, count in authors.people]
    return WizardQuestion("import_me", "Who of them are you?", "--import-me", meant, is_quick=True), choices


async def ask_who(authors: ExportAuthors, usual: str = "") -> str:
    """The name of the author whom the person at the terminal says they are. Raises KeyboardInterrupt or EOFError when they leave,
    GoneBackError when they go back."""
    question, choices = who_are_you(authors, usual)
    return await TerminalPrompter().choose(question, choices)
