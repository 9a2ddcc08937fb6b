"""How a screen looks, as text: its lines, and beside each which role of colour every cell has. Two themes that use the same roles give the
same text, so one file is true of both."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from secondme.cli.tui.theme import NIGHT, PAPER

if TYPE_CHECKING:
    from rich.segment import Segment

    from secondme.cli.tui.app import SecondmeApp

FOLDER = Path(__file__).parent.parent / "tui" / "looks"
THEMES = {"night": NIGHT, "paper": PAPER}
_UNSAID = {"ink", "ground"}
"""What a cell has when nothing else is said."""


def look(app: SecondmeApp) -> str:
    """The screen as it is drawn now: a line of text for each, and below the roles, run by run, where they are not the usual ones."""
    roles = {colour: role for role, colour in THEMES[app.theme].items()}
    lines, styles = [], []
    for number, strip in enumerate(app.screen._compositor.render_strips()):
        lines.append(strip.text.rstrip())
        cells = [name for segment in strip for name in [_name(segment, roles)] * cell_len(segment.text)]
        runs = [(name, len(list(group))) for name, group in groupby(cells)]
        if any(name for name, _ in runs):
            styles.append(f"{number + 1:>3} {' '.join(f'{count}{name}' if name else str(count) for name, count in runs)}")
    return "\n".join([*lines, "", *styles, ""])


def _name(segment: Segment, roles: dict[str, str]) -> str:
    style = segment.style
    if style is None:
        return ""
    parts = []
    for colour, sign in ((style.color, ""), (style.bgcolor, "/")):
        if colour is not None and colour.triplet is not None:
            role = roles.get(colour.triplet.hex, "?")  # a dialog lets the page below shine through
            if role not in _UNSAID:
                parts.append(f"{sign}{role}")
    parts += ["*"] if style.bold else []
    parts += ["~"] if style.reverse else []
    return "".join(parts)


def compare(app: SecondmeApp, name: str) -> None:
    """It looks as the file of this name says. With UPDATE_LOOKS=1 the file says what it looks like: read the change before you keep it."""
    path, found = FOLDER / f"{name}.txt", look(app)
    if os.environ.get("UPDATE_LOOKS"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(found)
    assert path.exists(), f"{name} was never looked at: UPDATE_LOOKS=1"
    assert found == path.read_text(), f"{name} looks another way; UPDATE_LOOKS=1 keeps it, and the difference says what changed"
