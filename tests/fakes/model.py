"""A model that costs nothing: it says what the test scripted, or echoes."""

import asyncio
from collections.abc import Awaitable, Callable

from secondme.core.types import Composed, ModelOutcome, Prompt

Script = Callable[[Prompt], ModelOutcome | Awaitable[ModelOutcome]]


class ScriptedModel:
    """Answers `re: <last line>` unless `script` says otherwise; remembers every prompt."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.prompts: list[Prompt] = []

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        self.prompts.append(prompt)
        if self.script is None:
            return Composed("re: " + prompt.turns[-1].text.splitlines()[-1], 10, 5)
        outcome = self.script(prompt)
        return await outcome if asyncio.iscoroutine(outcome) else outcome  # type: ignore[return-value]
