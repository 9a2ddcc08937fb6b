"""What strangers wrote, read by a built-in skill's own function in the sandbox: files and answers that the gateway itself must not take apart."""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import DataError
from secondme.skills.registry import SkillKind
from secondme.skills.sandbox.sandbox import CallFailed, Returned, SandboxCall, SandboxLimits
from secondme.skills.sandbox.zygote_process import Preload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.core.ports import Clock
    from secondme.skills.registry import Skill, SkillRegistry
    from secondme.skills.sandbox.sandbox import Sandbox

_PART = 80_000
"""Characters, of which each may take 12 bytes of the megabyte that one answer has."""
_WALL_S = 4.0
"""Within the time of the call that asked for it."""
_LINE_BYTES = 1 << 20


class SealedReader:
    """Reads for the gateway. Nothing that is read so can ask for anything but its own text."""

    def __init__(self, registry: SkillRegistry, sandbox: Sandbox, zone: str, clock: Clock) -> None:
        """`zone`: the owner's."""
        self._registry = registry
        self._sandbox = sandbox
        self._zone = zone
        self._clock = clock

    async def settings(self, name: str) -> Mapping[str, Any]:
        """What the owner chose for the built-in skill; nothing while it is off. Raises SecondmeError."""
        skill = await self._skill(name)
        return await self._registry.config(skill) if skill and skill.is_on else {}

    async def read(self, name: str, function: str, text: str, given: dict[str, Any]) -> Any:  # a JSON value of a stranger's making
        """What the function of that built-in skill makes of `text`. Raises DataError when it fails or takes too long."""
        skill = await self._skill(name)
        manifest = skill.manifest if skill and skill.running else None
        if skill is None or skill.running is None or manifest is None:
            raise DataError("unreadable", f"The skill {name} is not there.")
        parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]

        async def ask(question: dict[str, Any]) -> dict[str, Any]:
            at = question.get("part")
            return {"answer": parts[at]} if type(at) is int and 0 <= at < len(parts) else {"error": "bad_ask"}

        call = SandboxCall(
            skill=name,
            code=skill.running.files[manifest.entry],
            function=function,
            input={**given, "parts": len(parts)},
            config={},
            now=rfc3339(from_ms(self._clock.now_ms())),
            zone=self._zone,
            preload=await asyncio.to_thread(_preload, manifest.requires.python),
            limits=SandboxLimits(wall_s=_WALL_S, line_bytes=_LINE_BYTES, call_bytes=_LINE_BYTES, asks=len(parts)),
        )
        match await self._sandbox.call(call, ask, is_inner=True):
            case Returned(value):
                return value
            case CallFailed():
                raise DataError("unreadable", "It cannot be read.")

    async def _skill(self, name: str) -> Skill | None:
        found = await self._registry.all()
        return next((each for each in found if each.name == name and each.kind is SkillKind.BUILT_IN), None)


@cache
def _preload(modules: tuple[str, ...]) -> Preload | None:
    """The modules of our own dependencies and, for what they read, every time zone: 8 MB of the process that calls come from, once needed."""
    if not modules:
        return None
    found = [find_spec(name) for name in modules]
    paths = {
        str(Path(each.origin).parent if each.submodule_search_locations is None else Path(each.origin).parents[1])
        for each in found
        if each and each.origin
    }
    return Preload(modules, tuple(sorted(paths)), tuple(sorted(available_timezones())))
