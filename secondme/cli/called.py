"""How is this program called here? So that a hint can be copied into another terminal and works there."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.cli.run import Invocation


_COMMAND = re.compile(r"(^|[:;.,] +|\| |[`'])secondme (?=[a-z])")
"""Where a command stands in our sentences. A name in the middle of one is none: `the words of secondme are`."""


def program() -> str:
    """The words to type: `secondme` where that is this program, else its path, or the interpreter with it."""
    called = Path(sys.argv[0])
    found = shutil.which("secondme")
    if found is not None and called.exists() and Path(found).resolve() == called.resolve():
        return "secondme"
    if called.name == "secondme":
        return shlex.quote(str(called))
    return f"{shlex.quote(sys.executable)} -m secondme"


def typed(text: str, home: Path | None) -> str:
    """The commands in `text` as they are to be typed here: with the home that was typed, which one without it would not find."""
    if home is None:
        return text
    return _COMMAND.sub(lambda found: f"{found[1]}secondme --home {shlex.quote(str(home))} ", text)


def program_for(invocation: Invocation) -> str:
    """The words to type for the very home of this call."""
    return program() if invocation.home is None else f"{program()} --home {shlex.quote(str(invocation.home))}"
