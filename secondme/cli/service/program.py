"""What a service starts: this very program, for this very home, with nothing secret on its command line."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.config.files import read_env_file
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Setup

NAME = "secondme"
_PLACES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
_FROM_SHELL = ("SECONDME_", "ANTHROPIC_")


@dataclass(frozen=True, slots=True)
class ServiceProgram:
    """A command line, and the name of the service that runs it: one for each home and part."""

    words: tuple[str, ...]
    name: str
    title: str


def program_of(invocation: Invocation, part: str) -> ServiceProgram:
    """How `secondme serve` is started for this home. Raises ConfigError for a path that no service manager can be told."""
    said = invocation.home or (Path(os.environ["SECONDME_HOME"]) if os.environ.get("SECONDME_HOME") else None)
    home = os.path.abspath(said.expanduser()) if said is not None else None  # noqa: PTH100  resolve() would follow links
    words = list(_called())
    if home is not None:
        words += ["--home", home]
    elif elsewhere := [f"{name}={os.environ[name]}" for name in _PLACES if os.environ.get(name)]:
        words = ["/usr/bin/env", *elsewhere, *words]  # what a shell says of places, a service does not hear
    for setting in invocation.settings:
        words += ["--set", setting]
    words += ["serve", *(["--role", part] if part != "all" else [])]
    for word in words:
        if not word.isprintable():  # nor is a lone surrogate, which stands for a byte that is no UTF-8
            raise ConfigError(
                "unspeakable_path", "A path has characters that no service file can hold.", "Use a plain name for the home."
            )
    digest = f"-{hashlib.sha256(os.fsencode(home)).hexdigest()[:8]}" if home is not None else ""
    worker = "-worker" if part == "worker" else ""
    return ServiceProgram(
        tuple(words), f"{NAME}{digest}{worker}", f"secondme{' worker' if worker else ''}{f' of {home}' if home else ''}"
    )


def only_in_shell(setup: Setup) -> list[str]:
    """Names of variables that decide something now and that a service will not have."""
    kept = read_env_file(setup.places.env_file)
    return sorted({source for source in setup.sources.values() if source.startswith(_FROM_SHELL) and source not in kept})


def _called() -> tuple[str, ...]:
    called = Path(sys.argv[0])
    if called.name == NAME and called.exists():
        return (os.path.abspath(called),)  # noqa: PTH100  as above: a link may be all that stays over an upgrade
    return (sys.executable, "-m", NAME)
