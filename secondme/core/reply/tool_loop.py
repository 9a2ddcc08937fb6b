"""The tool loop: the model asks for tools, they are used, it goes on; bounded in rounds, calls, time, length and failures.

Every round passes the budget like any other call of a model. What a tool says is data in a marked place: it never changes rights, and the
list of tools is the same in every round, so that a vendor keeps the prompt's beginning.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.log import get_logger
from secondme.core.messages import Asked, Exchange, ModelOutcome, ModelRefused, Origin, Prompt, ToolCall, ToolResult, ToolTurn
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.ports import Clock, Toolbox
    from secondme.core.records import Burst

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """How far one reply may go with tools."""

    rounds: int = 4
    calls: int = 8
    parallel: int = 4
    """Of one round; what is asked for beyond is answered, and not run."""
    wall_s: float = 45.0
    call_s: float = 10.0
    """A tool's own limit is 8 s; this is for a toolbox that forgets."""
    result_chars: int = 6000
    total_chars: int = 16_000
    same: int = 2
    """How often the same call is run."""
    failures: int = 3


_LONG = 1500
"""Characters from which a look takes more than a moment, and a thread."""
TOO_MANY = ToolResult("Not run: too many calls for one reply. Answer with what you have.", "too_many_calls")
REPEATED = ToolResult("Not run: the same call was made before. Answer with what you have.", "repeated")
UNKNOWN = ToolResult("There is no such tool.", "no_such_tool")
NO_OBJECT = ToolResult("The input must be a JSON object.", "bad_input")
TOO_SLOW = ToolResult("It took too long.", "timed_out")


@dataclass(slots=True)
class ToolUse:
    """What was done with tools for one reply."""

    exchanges: tuple[Exchange, ...] = ()
    calls: list[dict[str, Any]] = field(default_factory=list)
    """For the trace: name, code and ms of each; never what was asked or told."""
    is_over: bool = False
    """True when no more tools may be used for this reply."""
    seen: dict[str, int] = field(default_factory=dict)
    chars: int = 0
    failures: int = 0
    is_tainted: bool = False
    """True since a tool told something that looks like an attempt to give orders."""

    @property
    def told(self) -> tuple[str, ...]:
        """What the tools said: a reply may repeat it."""
        return tuple(result.text for exchange in self.exchanges for _, result in exchange.results)


class ToolLoop:
    """Composes with tools. `may_go_on` is false once the contact may not be answered any more: paused, killed, revoked. `is_suspect` is
    true for words that look like an attempt to give orders."""

    def __init__(
        self,
        toolbox: Toolbox,
        clock: Clock,
        may_go_on: Callable[[ContactId, str], Awaitable[bool]],
        is_suspect: Callable[[str], bool],
        limits: ToolLimits | None = None,
    ) -> None:
        self._toolbox = toolbox
        self._clock = clock
        self._may_go_on = may_go_on
        self._is_suspect = is_suspect
        self._limits = limits or ToolLimits()

    async def turn_of(self, burst: Burst) -> ToolTurn:
        """Whose turn it is to answer `burst`."""
        contact = burst.contact
        is_tainted = await self._is_any_suspect([mail.content for mail in burst.mail])
        last = burst.mail[-1].message_id
        return ToolTurn(Origin.CONTACT, contact.tier, contact.contact_id, burst.channel_id, last, is_tainted=is_tainted)

    async def run(
        self, prompt: Prompt, turn: ToolTurn, ask: Callable[[Prompt], Awaitable[ModelOutcome]], use: ToolUse
    ) -> ModelOutcome:
        """The model's words, and never an `Asked`. With nothing to offer it is one call, as if there were no tools.

        `use` remembers what was done; given again, it goes on from there. Raises UnavailableError `paused` when the contact may not be
        answered any more, and what `ask` raises.
        """
        tools = await self._toolbox.offered(turn)
        if not tools:
            return await ask(prompt)
        prompt, offered = replace(prompt, tools=tools), {tool.name for tool in tools}
        started = self._clock.monotonic()
        for number in range(self._limits.rounds + 1):
            spent = self._clock.monotonic() - started
            is_last = use.is_over or number == self._limits.rounds or spent > self._limits.wall_s
            if number:
                await self._check(turn)
            outcome = await ask(replace(prompt, exchanges=use.exchanges, may_ask=not is_last))
            if not isinstance(outcome, Asked):
                return outcome
            if is_last:
                use.is_over = True
                return ModelRefused("tool_use", outcome.usage)
            await self._check(turn)
            turn = replace(turn, is_tainted=turn.is_tainted or use.is_tainted)
            await self._round(outcome, turn, offered, use, self._limits.wall_s - spent)
        raise AssertionError("the last round answers")

    async def _is_any_suspect(self, texts: list[str]) -> bool:
        if sum(map(len, texts)) <= _LONG:
            return any(map(self._is_suspect, texts))
        return await asyncio.to_thread(lambda: any(map(self._is_suspect, texts)))

    async def _check(self, turn: ToolTurn) -> None:
        if turn.contact_id and not await self._may_go_on(ContactId(turn.contact_id), turn.channel_id):
            raise UnavailableError("paused", "This contact may not be answered any more.", retry_after_s=0.0)

    async def _round(self, asked: Asked, turn: ToolTurn, offered: set[str], use: ToolUse, left_s: float) -> None:
        """Every call has its result, in the order in which they were asked for."""
        limits, runs = self._limits, 0
        async with asyncio.TaskGroup() as group:
            tasks: list[ToolResult | asyncio.Task[ToolResult]] = []
            for call in asked.calls:
                refused = self._refusal(call, offered, use, runs)
                if refused is None:
                    runs += 1
                    tasks.append(group.create_task(self._run(turn, call, use, min(limits.call_s, max(left_s, 1.0)))))
                else:
                    tasks.append(refused)
        results = []
        for call, done in zip(asked.calls, tasks, strict=True):
            result = done if isinstance(done, ToolResult) else done.result()
            use.failures += bool(result.code)
            use.is_tainted = use.is_tainted or await self._is_any_suspect([result.text])
            room = min(limits.result_chars, max(0, limits.total_chars - use.chars))
            shown = replace(result, text=marked(call.name, safe_text(result.text)[:room]))
            use.chars += len(shown.text)
            results.append((call.id, shown))
        use.exchanges = (*use.exchanges, Exchange(asked.content, tuple(results)))
        use.is_over = use.failures >= limits.failures or use.chars >= limits.total_chars or len(use.calls) >= limits.calls

    def _refusal(self, call: ToolCall, offered: set[str], use: ToolUse, runs: int) -> ToolResult | None:
        """Why a call is not run; None when it is."""
        if call.name not in offered:
            return UNKNOWN
        if call.input is None:
            return NO_OBJECT
        same = f"{call.name} {json.dumps(call.input, sort_keys=True, default=str)}"
        use.seen[same] = use.seen.get(same, 0) + 1
        if use.seen[same] > self._limits.same:
            return REPEATED
        if runs >= self._limits.parallel or len(use.calls) + runs >= self._limits.calls:
            return TOO_MANY
        return None

    async def _run(self, turn: ToolTurn, call: ToolCall, use: ToolUse, limit_s: float) -> ToolResult:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(limit_s):
                await self._check(turn)
                result = await self._toolbox.call(turn, call)
        except TimeoutError:
            result = TOO_SLOW
        except UnavailableError as error:  # before the next round it is raised where somebody waits for it
            result = ToolResult("Not run.", error.code)
        spent_ms = int((self._clock.monotonic() - started) * 1000)
        use.calls.append({"tool": call.name, "code": result.code or "ok", "ms": spent_ms})
        log.info("tool_used", tool=call.name, code=result.code or "ok", ms=spent_ms)
        return result


def marked(name: str, text: str) -> str:
    """A result as data that cannot end where it stands."""
    return json.dumps({"tool": name, "data": text}, ensure_ascii=False).replace("<", "\\u003c")
