"""How is the clone stopped when its settings cannot be used? By what leads to its store alone: a typo stands in nobody's way."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from secondme.cli.output import note
from secondme.core.config.loader import home_of, load
from secondme.core.config.paths import find_places
from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Setup

_ADDRESS = ("redis_url", "secrets")
"""Top-level settings that say where the store is."""
_LINE = re.compile(rf"^\s*(?:{'|'.join(_ADDRESS)})\s*=.*$", re.MULTILINE)


def setup_to_stop(invocation: Invocation) -> Setup:
    """The owner's settings, or of a config.toml that cannot be used only where the store is, with a remark. Raises as `setup` where that is
    no help: the environment or the command line is wrong."""
    try:
        return invocation.setup()
    except SecondmeError as error:
        home = home_of(invocation.home)
        try:
            setup = load(_address(find_places(home).config_file), home=home, config="")
        except SecondmeError:
            raise error from None
        note(f"secondme: {error.message} It is stopped all the same, in the store that the settings name.", "warn")
        return setup


def _address(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        written = {}
        for line in _LINE.findall(text):
            try:
                written |= tomllib.loads(line)
            except tomllib.TOMLDecodeError:
                continue
    return {name: written[name] for name in _ADDRESS if isinstance(written.get(name), str)}
