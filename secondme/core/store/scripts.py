"""The Lua scripts: loaded from their files, each behind the shared prelude, each run as one round trip."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from redis.asyncio import Redis

_FUNCTION = re.compile(r"^local function (\w+)\(", re.MULTILINE)
_FLAGS = re.compile(r"^-- FLAGS (\S+)$", re.MULTILINE)
_FOLDERS = ("store", "admit", "queue", "reply", "send", "remember", "gateway", "migrate")
"""Where scripts lie: in `lua/` beside the code that runs them. Their names are unique over all of them."""

_PRELUDE = "common.lua"

Answer = Any
"""What a script returns: bytes, an integer, or a list of them. Its header says which."""


class Script:
    """One script, known to the server by its SHA-1 and sent in full only when the server has not seen it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = _text(name)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Redis, keys: tuple[str, ...], args: tuple[str | bytes | int, ...]) -> Answer:
        """Run it: one EVALSHA, and one EVAL more on a server that was restarted or flushed (a script runs only once)."""
        execute: Any = client.execute_command  # untyped in the library
        try:
            return await execute("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await execute("EVAL", self.text, len(keys), *keys, *args)


@cache
def script(name: str) -> Script:
    """The script of `lua/<name>.lua`; each file is read once."""
    return Script(name)


def names() -> list[str]:
    """Every script there is, sorted."""
    return sorted(_paths())


@cache
def _paths() -> dict[str, Traversable]:
    found = [entry for folder in _FOLDERS for entry in files(f"secondme.core.{folder}").joinpath("lua").iterdir()]
    return {entry.name[:-4]: entry for entry in found if entry.name.endswith(".lua") and entry.name != _PRELUDE}


def _text(name: str) -> str:
    """The script behind the shared functions it needs: making all of them anew for each call would cost as much as two commands.

    Behind `-- FLAGS` it may say what it never does: what writes nothing is run where nothing can be written, on a full disk too.
    """
    body = _paths()[name].read_text("utf-8")
    for block in reversed(files("secondme.core.store").joinpath("lua", _PRELUDE).read_text("utf-8").split("\n\n")):
        function = _FUNCTION.search(block)
        if function and re.search(rf"\b{function[1]}\(", body):
            body = f"{block}\n{body}"
    flags = _FLAGS.search(body)
    return f"#!lua{f' flags={flags[1]}' if flags else ''}\n{body}"
