"""A model that costs nothing: it says what the test scripted, or echoes."""

import asyncio
from collections.abc import Awaitable, Callable

from secondme.core.messages import Composed, ModelOutcome, Prompt, Usage

Script = Callable[[Prompt], ModelOutcome | Awaitable[ModelOutcome]]


class ScriptedModel:
    """Answers `re: <last line>` unless `script` says otherwise; remembers every prompt.

    Questions whether something is small talk are kept apart, and by default nothing is.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.prompts: list[Prompt] = []
        self.routed: list[Prompt] = []
        self.router: Script = lambda _: Composed("substantive", Usage(20, 1))

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        routing = "phatic" in prompt.system[0].text
        (self.routed if routing else self.prompts).append(prompt)
        script = self.router if routing else self.script
        if script is None:
            return Composed("re: " + prompt.turns[-1].text.splitlines()[-1], Usage(10, 5))
        outcome = script(prompt)
        return await outcome if asyncio.iscoroutine(outcome) else outcome  # type: ignore[return-value]
