"""MCP over the standard input and output of a confined program: a message a line."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError, UnavailableError
from secondme.skills.mcp.client import CALL_BYTES, LINE_BYTES
from secondme.skills.sandbox.stranger_lines import StrangerLines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from secondme.core.ports import Clock
    from secondme.skills.mcp.confined import ConfinedProcess


class StdioTransport:
    """Speaks with one process, and ends it."""

    def __init__(self, process: ConfinedProcess, clock: Clock) -> None:
        self.version = ""
        self.process = process
        self._clock = clock
        self._lines = StrangerLines(process.connection, line_bytes=LINE_BYTES, total_bytes=CALL_BYTES, depth=0)

    @property
    def is_over(self) -> bool:
        """As the protocol: the process has ended."""
        return self.process.is_over

    async def exchange(self, message: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """As the protocol. What it said before it was asked is read first, and counts."""
        self._lines.allow(CALL_BYTES)
        try:
            await self.tell(message)
            while (line := await self._lines.next_line()) is not None:
                yield line
                await self._clock.sleep(0)  # what is there already is read without a pause, and others want to work too
        except OSError as error:
            raise self._ended() from error
        raise self._ended()

    async def tell(self, message: dict[str, Any]) -> None:
        """As the protocol."""
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        if len(line) > LINE_BYTES:
            raise DataError("bad_call", "The call is too long.")
        try:
            await asyncio.get_running_loop().sock_sendall(self.process.connection, line)
        except OSError as error:
            raise self._ended() from error

    async def close(self) -> None:
        """The process is dead."""
        await self.process.stop()

    def _ended(self) -> UnavailableError:
        if self.process.was_too_large:
            return UnavailableError("too_much", "It took more memory, or started more processes, than it may.")
        return UnavailableError("ended", "The server ended.")
