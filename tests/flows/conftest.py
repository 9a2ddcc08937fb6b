"""The screen, for flows that end on it."""

from tui.conftest import screen

__all__ = ["screen"]
