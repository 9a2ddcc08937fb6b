"""Options and arguments that several commands share, and how their text becomes a value."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

_DURATION = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "min": 60, None: 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=365)


def duration(text: str) -> timedelta:
    """`90s`, `60m`, `2h`, `1d`; a bare number is minutes. Raises typer.BadParameter for anything else, zero, or over a year."""
    match = _DURATION.fullmatch(text.strip())
    value = timedelta(seconds=int(match[1]) * _UNIT_S[match[2]]) if match else timedelta(0)
    if not timedelta(0) < value <= _LONGEST:
        raise typer.BadParameter("a duration looks like 90s, 60m, 2h or 1d")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON envelope for scripts.")]
"""`--json`"""
