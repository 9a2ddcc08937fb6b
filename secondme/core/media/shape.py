"""What is known of a file after its headers were read, and how is a file turned down?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["image", "audio", "video"]

UNREADABLE = "media_unreadable"
"""Broken, or made to break who reads it."""
MISMATCH = "media_mismatch"
"""Something else than it says, or two things at once."""


class TurnedDownError(Exception):
    """A file is not to be looked at. `code` says why; the file's own words are never repeated."""

    def __init__(self, code: str = UNREADABLE) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Shape:
    """What the headers say, as far as they could be held against the rest of the file."""

    family: Family
    mime: str
    width: int = 0
    height: int = 0
    frames: int = 1
    duration_s: float = 0.0

    @property
    def pixels(self) -> int:
        """Of all frames together, for an image; of one frame, for a video."""
        return self.width * self.height * self.frames


@dataclass(frozen=True, slots=True)
class Enough:
    """When reading on is of no use: the file is over a limit already. Bounds the work that a crafted file can cause."""

    pixels: int
    seconds: float


def need(condition: object, code: str = UNREADABLE) -> None:
    """Nothing when `condition` holds. Raises TurnedDownError."""
    if not condition:
        raise TurnedDownError(code)
