"""How is one contact paused, or answered again, on whichever page it is under the cursor?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from secondme.cli.tui.dialogs import PauseDialog, length_of
from secondme.cli.tui.pages.page import shown_name

if TYPE_CHECKING:
    from secondme.cli.tui.desk import Desk
    from secondme.cli.tui.pages.page import Page
    from secondme.core.records import ApprovedContact


async def pause_or_resume(page: Page, contact: ApprovedContact, *, is_paused: bool) -> None:
    """The contact is paused for as long as the owner chose, or answered again. Called in a worker: it asks."""
    who = shown_name(contact.display_name, contact.contact_id)
    if is_paused:
        await page.desk.decide(partial(_resume, page.desk, contact.contact_id, who))
        return
    choice = await page.app.push_screen_wait(PauseDialog(f"Pause {who} for how long?"))
    if choice is not None:
        await page.desk.decide(partial(_pause, page.desk, contact.contact_id, who, choice))


async def _resume(desk: Desk, contact: str, who: str) -> str:
    await desk.link.steering.resume(contact)
    return f"{who} is answered again."


async def _pause(desk: Desk, contact: str, who: str, choice: str) -> str:
    await desk.link.steering.pause(contact, length_of(choice))
    return f"{who} is paused, {choice}."
