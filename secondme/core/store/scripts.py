"""The Lua scripts: loaded from their files, each behind the shared prelude, each run as one round trip."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_FUNCTION = re.compile(r"^local function (\w+)\(", re.MULTILINE)
_FLAGS = re.compile(r"^-- FLAGS (\S+)$", re.MULTILINE)

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
    folder = files("secondme.core.store").joinpath("lua")
    return sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".lua") and entry.name != "common.lua")


def _text(name: str) -> str:
    """The script behind the shared functions it needs: making all of them anew for each call would cost as much as two commands.

    Behind `-- FLAGS` it may say what it never does: what writes nothing is run where nothing can be written, on a full disk too.
    """
    folder = files("secondme.core.store").joinpath("lua")
    body = folder.joinpath(f"{name}.lua").read_text("utf-8")
    for block in reversed(folder.joinpath("common.lua").read_text("utf-8").split("\n\n")):
        function = _FUNCTION.search(block)
        if function and re.search(rf"\b{function[1]}\(", body):
            body = f"{block}\n{body}"
    flags = _FLAGS.search(body)
    return f"#!lua{f' flags={flags[1]}' if flags else ''}\n{body}"
