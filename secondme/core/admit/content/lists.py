"""Word lists of the content analyser: files in `admit/lists`, read once, when the first message is analysed."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def domains(name: str) -> frozenset[str]:
    """The domains in `lists/<name>.txt`: one a line, `#` starts a comment."""
    lines = _read(f"{name}.txt").splitlines()
    return frozenset(word for line in lines if (word := line.partition("#")[0].strip()))


@cache
def table(name: str) -> dict[str, Any]:  # Any: TOML; each reader knows its own file's shape, and a test reads every file
    """What `lists/<name>.toml` says."""
    return tomllib.loads(_read(f"{name}.toml"))


def _read(name: str) -> str:
    return files("secondme.core.admit").joinpath("lists", name).read_text("utf-8")
