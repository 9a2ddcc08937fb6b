"""The one look: calm, dark, and readable without colour too. A state is always a word, never a colour alone."""

from textual.theme import Theme

THEME = Theme(
    name="secondme",
    primary="#86aed1",
    secondary="#7d8fa8",
    accent="#a3c9a8",
    foreground="#d7dce3",
    background="#12161c",
    surface="#171c24",
    panel="#202733",
    success="#94c4a0",
    warning="#dcb677",
    error="#dd8a8a",
    dark=True,
    variables={
        "footer-key-foreground": "#86aed1",
        "footer-background": "#171c24",
        "block-cursor-background": "#2c3a4d",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#212a37",
        "block-cursor-blurred-foreground": "#d7dce3",
        "input-selection-background": "#3b5573",
        "border": "#3b4a5f",
    },
)

QUIET = "#8b96a5"
GOOD = "#94c4a0"
WARN = "#dcb677"
BAD = "#dd8a8a"
ACCENT = "#86aed1"
