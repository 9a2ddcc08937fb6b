"""A toolbox whose tools are functions of the test."""

import asyncio
from collections.abc import Callable

from secondme.core.messages import ToolCall, ToolResult, ToolSpec, ToolTurn

ANY = {"type": "object", "properties": {}, "additionalProperties": True}


class FakeToolbox:
    """Offers every tool it has, and remembers what was called by whom."""

    def __init__(self, **tools: Callable[[ToolCall], object]) -> None:
        self.tools = tools
        self.calls: list[tuple[ToolTurn, ToolCall]] = []
        self.turns: list[ToolTurn] = []
        """Whose turn it was, each time it was asked what it offers."""
        self.started = asyncio.Event()

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """All of them, by name."""
        self.turns.append(turn)
        return tuple(ToolSpec(name, f"does {name}", ANY) for name in sorted(self.tools))

    async def call(self, turn: ToolTurn, call: ToolCall) -> ToolResult:
        """What the test's function says: text, or a result."""
        self.calls.append((turn, call))
        self.started.set()
        said = self.tools[call.name](call)
        said = await said if asyncio.iscoroutine(said) else said
        return said if isinstance(said, ToolResult) else ToolResult(str(said))

    @property
    def names(self) -> list[str]:
        """What was called, in order."""
        return [call.name for _, call in self.calls]
