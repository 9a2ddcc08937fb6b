"""A toolbox that costs nothing until a skill is on: what skills need is imported and built then, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.core.messages import ToolCall, ToolResult, ToolSpec, ToolTurn
    from secondme.core.ports import Toolbox
    from secondme.core.tools.store import SkillStore


class DeferredToolbox:
    """The toolbox that `build` makes, from the moment a skill is on."""

    def __init__(self, store: SkillStore, build: Callable[[], Toolbox]) -> None:
        self._store = store
        self._build = build
        self._built: Toolbox | None = None

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """As the built one; nothing while no skill is on, or when that cannot be known. Never raises."""
        if self._built is None:
            if not (await self._is_any_on() if turn.has_skills is None else turn.has_skills):
                return ()
            self._built = self._build()
        return await self._built.offered(turn)

    async def _is_any_on(self) -> bool:
        try:
            return any((await self._store.states()).values())
        except SecondmeError:
            return False

    async def call(self, turn: ToolTurn, call: ToolCall) -> ToolResult:
        """As the built one. Never raises."""
        if self._built is None:
            self._built = self._build()
        return await self._built.call(turn, call)
