"""What contacts sent and is still kept: chosen by the owner, and opened by the program that their desktop has for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from functools import partial
from shutil import which
from typing import TYPE_CHECKING

from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from secondme.cli.tui.link import Actions
    from secondme.cli.tui.pages.page import Page
    from secondme.core.ids import ContactId
    from secondme.core.media.shelf import KeptFile
    from secondme.core.records import Turn

_MOST = 50
_LINE = 200
"""Characters of one line of the choice."""
_UNKNOWN = ".bin"
"""A file of a kind that we do not name: what a desktop would do with it is decided by what a stranger wrote into it."""
_SECRETS = ("SECONDME_", "ANTHROPIC_")


async def open_sent(page: Page, contact: ContactId) -> None:
    """What the contact sent last is open, or what the owner chose when there is more; either way they were told where it is."""
    found = await page.desk.fetch(partial(_kept, page.desk, contact))
    if found is None:
        return
    if not found:
        page.app.notify("Nothing that was sent here is kept.", markup=False)
        return
    number = "0"
    if len(found) > 1:
        choices = [Choice(str(at), words) for at, (_, words) in enumerate(found)]
        number = await page.app.push_screen_wait(ChoiceDialog("Open what?", choices, number)) or ""
    if number:
        path = found[int(number)][0].path
        is_here = not page.app.is_web  # the browser of the screen may be at the other end of a tunnel
        is_opened = is_here and path.suffix != _UNKNOWN and await asyncio.to_thread(_open, path)
        page.app.notify(f"{'Opening' if is_opened else 'It is kept here:'} {safe_text(str(path))}", markup=False)


async def _kept(desk: Actions, contact: ContactId) -> list[tuple[KeptFile, str]]:
    """What is kept of the conversation, the newest first, each with a line that says what it is."""
    services = desk.link.services
    turns = {turn.id: turn for turn in reversed(await services.history.said(contact)) if turn.media}
    kept = await asyncio.to_thread(services.shelf.kept, contact, list(turns))
    return [(each, _line(turns[each.message], each.number)) for each in kept[:_MOST]]


def _line(turn: Turn, number: int) -> str:
    lines: Sequence[str] = turn.shown.split("\n")
    said = lines[number] if number < len(lines) else ""
    return " ".join(safe_text(f"{turn.timestamp.astimezone():%a %H:%M}  {said}"[:_LINE]).split())


def _open(path: Path) -> bool:
    """The desktop's own program was started on the file, and lives as long as it likes; False where there is none."""
    opener = which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None:
        return False
    try:
        process = subprocess.Popen(  # noqa: S603  the desktop's opener, and a path of ours
            [opener, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)},
            start_new_session=True,  # Ctrl-C on our terminal, and its end, are not meant for it
        )
    except OSError:
        return False
    threading.Thread(target=process.wait, daemon=True).start()  # reaped whenever it ends
    return True
