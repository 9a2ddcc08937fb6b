"""The roles of colour, in two themes. Nothing else on the screen names a colour: a test reads every page for that."""

from __future__ import annotations

import os
import sys

from textual.theme import Theme

from secondme.cli.marks import shows_marks

NIGHT = {
    "ground": "#10141a",
    "sheet": "#141a22",
    "raised": "#1c2530",
    "picked": "#233349",
    "rule": "#344254",
    "ink": "#dde4ec",
    "soft": "#a3b0bf",
    "faint": "#909eae",
    "accent": "#8cbcf0",
    "clone": "#86d0b4",
    "good": "#8fd19e",
    "waits": "#efbd6c",
    "bad": "#f29a97",
    "guard": "#c7adf0",
    "waits-field": "#33291a",
    "good-field": "#1a2e26",
    "bad-field": "#381f22",
    "guard-field": "#2a2440",
    "quiet-field": "#222c38",
}
"""Role -> colour on a dark ground. `waits` is said of what waits for the owner and of nothing else; `bad` of faults and the kill switch."""
PAPER = {
    "ground": "#f3f0e9",
    "sheet": "#fbf9f5",
    "raised": "#ebe6db",
    "picked": "#d9e6f4",
    "rule": "#cdc5b5",
    "ink": "#22272e",
    "soft": "#4f5965",
    "faint": "#58616c",
    "accent": "#175a96",
    "clone": "#14644c",
    "good": "#23633a",
    "waits": "#7d4e00",
    "bad": "#a1282a",
    "guard": "#6238a0",
    "waits-field": "#f6e3bd",
    "good-field": "#d9ebdc",
    "bad-field": "#f7dcd8",
    "guard-field": "#e6dcf6",
    "quiet-field": "#e7e2d6",
}
"""The same roles on a light ground."""

INK, SOFT, FAINT, RULE = "$sm-ink", "$sm-soft", "$sm-faint", "$sm-rule"
ACCENT, CLONE, GOOD, WAITS, BAD = "$sm-accent", "$sm-clone", "$sm-good", "$sm-waits", "$sm-bad"


def is_plain() -> bool:
    """True when the owner wants no colour (https://no-color.org): weight, reverse, brackets and signs then say all."""
    return bool(os.environ.get("NO_COLOR"))


def is_ascii() -> bool:
    """True on a terminal that draws no other signs: the console of Linux, one whose encoding has none, or where the owner says so."""
    drawn_on = sys.__stderr__  # the framework's choice
    is_poor = drawn_on is not None and drawn_on.isatty() and not shows_marks(drawn_on)
    return os.environ.get("TERM") == "linux" or bool(os.environ.get("SECONDME_ASCII")) or is_poor


def variables(roles: dict[str, str]) -> dict[str, str]:
    """The roles as variables of styles: `$sm-ink`."""
    return {f"sm-{role}": colour for role, colour in roles.items()}


def _theme(name: str, roles: dict[str, str], *, dark: bool) -> Theme:
    """Our roles, and what the framework's own widgets ask for."""
    return Theme(
        name=name,
        dark=dark,
        primary=roles["accent"],
        secondary=roles["soft"],
        accent=roles["accent"],
        foreground=roles["ink"],
        background=roles["ground"],
        surface=roles["sheet"],
        panel=roles["raised"],
        success=roles["good"],
        warning=roles["waits"],
        error=roles["bad"],
        variables={
            **variables(roles),
            "block-cursor-background": roles["picked"],
            "block-cursor-foreground": roles["ink"],
            "block-cursor-text-style": "none",
            "block-cursor-blurred-background": roles["raised"],
            "block-cursor-blurred-foreground": roles["ink"],
            "block-cursor-blurred-text-style": "none",
            "input-cursor-background": roles["accent"],
            "input-cursor-foreground": roles["ground"],
            "input-selection-background": roles["picked"],
        },
    )


THEMES = (_theme("night", NIGHT, dark=True), _theme("paper", PAPER, dark=False))
"""The first is used until the owner chooses."""
