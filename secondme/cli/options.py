"""Options and arguments that several commands share, and how their text becomes a value."""

from __future__ import annotations

from datetime import timedelta  # noqa: TC003  typer reads annotations
from typing import Annotated

import typer

from secondme.core.clock import parse_duration


def duration(text: str) -> timedelta:
    """`90s`, `60m`, `2h`, `1d`; a bare number is minutes. Raises typer.BadParameter for anything else, zero, or over a year."""
    value = parse_duration(text)
    if value is None:
        raise typer.BadParameter("a duration looks like 90s, 60m, 2h or 1d")
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON envelope for scripts.")]
"""`--json`"""
