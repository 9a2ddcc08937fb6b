"""Reads the labelled texts beside it."""

import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "corpus"


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def lines(listed: str) -> list[str]:
    """One text a line; `\\n` inside is a line break."""
    return [line.replace("\\n", "\n") for line in listed.strip("\n").split("\n")]
