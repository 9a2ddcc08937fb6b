"""Where nothing confines: the built-in skills that read nothing foreign run in a thread of ours. Everything else is refused there."""

from __future__ import annotations

import asyncio
import types
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from secondme.skills.sandbox.sandbox import CallFailed, Returned
from secondme.skills.sandbox.skill_call import AskError, SkillError

if TYPE_CHECKING:
    from secondme.skills.registry import Skill
    from secondme.skills.sandbox.sandbox import Ask, CallOutcome, SandboxCall


def is_harmless(skill: Skill) -> bool:
    """True for code that comes with secondme and may ask for nothing: no word of anybody's but the typed input is in it."""
    return skill.kind.value == "built-in" and skill.manifest is not None and not skill.manifest.permissions


async def run_here(call: SandboxCall, ask: Ask) -> CallOutcome:
    """What came of our own code, as the sandbox says it. Never raises but when cancelled."""
    loop = asyncio.get_running_loop()

    def asked(operation: str, **words: Any) -> Any:
        answer = asyncio.run_coroutine_threadsafe(_answered(ask, {**words, "op": operation}), loop).result()
        if "error" in answer:
            raise AskError(answer["error"])
        return answer["answer"]

    try:
        async with asyncio.timeout(call.limits.wall_s):
            return await asyncio.to_thread(_run, call, asked)
    except TimeoutError:
        return CallFailed("timed_out")


async def _answered(ask: Ask, question: dict[str, Any]) -> dict[str, Any]:
    return await ask(question)


def _run(call: SandboxCall, asked: Any) -> CallOutcome:
    now = datetime.fromisoformat(call.now).astimezone(ZoneInfo(call.zone))
    vars(asked).update(now=now, zone=call.zone, config=dict(call.config))
    module = types.ModuleType(call.skill)
    vars(module).update(SkillError=SkillError, AskError=AskError)
    try:
        exec(compile(call.code, "skill.py", "exec"), vars(module))  # noqa: S102  a file of this package
        return Returned(vars(module)[call.function](dict(call.input), asked))
    except SkillError as error:
        return CallFailed(error.code, error.say)
    except Exception as error:  # noqa: BLE001  as in the sandbox
        return CallFailed("failed", type(error).__name__)
