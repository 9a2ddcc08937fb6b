"""The budget: every call to a model is charged before it is made and corrected after it, by whomever it is made; a failing service is left alone for a while."""

from __future__ import annotations

import asyncio
import math
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ModelOutcome, ModelSize, Prompt, Usage

if TYPE_CHECKING:
    from secondme.core.config.models import BudgetSettings, ModelSettings
    from secondme.core.ports import Clock, Model
    from secondme.core.reply.store import Charge, SpendingStore


_OPEN_AFTER = 10
"""Failures in a row after which the model is left alone."""
_OPEN_S = 15.0


class Breaker:
    """Leaves a failing service alone: after ten failures in a row nobody calls it for 15 s, then one call may try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raises UnavailableError while the service is left alone. Who may pass after that tries for all: the rest wait for it."""
        if self._failures < _OPEN_AFTER:
            return
        left = self._open_until - self._clock.monotonic()
        if left > 0:
            raise UnavailableError(
                "model_down", "The model has failed too often and is left alone for a moment.", retry_after_s=left
            )
        self._open_until = self._clock.monotonic() + _OPEN_S

    def failed(self) -> None:
        """A call failed."""
        self._failures += 1
        if self._failures >= _OPEN_AFTER:
            self._open_until = self._clock.monotonic() + _OPEN_S

    def succeeded(self) -> None:
        """A call succeeded: it is trusted again."""
        self._failures = 0


MICROS = 1_000_000
"""Millionths of a dollar in a dollar: sums are whole numbers."""
_BYTES_PER_TOKEN = 2.5
"""Ordinary text of any script has more bytes to a token than this: what a prompt may cost is not guessed too low."""
_OVERHEAD = 64
"""Tokens for what surrounds the words."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    long_from: int | None = None
    long_times: float = 1.0


class Prices:
    """The table, and what the owner said instead."""

    def __init__(self, settings: BudgetSettings) -> None:
        self._input, self._output = settings.input_usd_per_mtok, settings.output_usd_per_mtok

    def of(self, model: str) -> Price:
        """The price of `model`; that of the dearest one in the table when nothing is known about it."""
        table = _table()
        known = max((name for name in table if model.startswith(name)), key=len, default="")
        price = table[known] if known else max(table.values(), key=lambda each: each.output)
        if self._input is None and self._output is None:
            return price
        own = price.input if self._input is None else self._input
        return Price(own, price.output if self._output is None else self._output, own * 1.25, own * 0.1)

    def micros(self, usage: Usage, model: str) -> int:
        """What an answer of `model` cost, in millionths of a dollar, rounded up."""
        price = self.of(model)
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        dollars = (
            usage.input_tokens * price.input
            + usage.output_tokens * price.output
            + usage.cache_write_tokens * price.cache_write
            + usage.cache_read_tokens * price.cache_read
        )
        if price.long_from is not None and prompt > price.long_from:
            dollars *= price.long_times
        return math.ceil(dollars)  # dollars for a million tokens are millionths of a dollar for one

    def most(self, prompt: Prompt, model: str) -> int:
        """The most that an answer to `prompt` may cost, in millionths of a dollar."""
        price = self.of(model)
        tokens = prompt_tokens(prompt)
        long = price.long_from is not None and tokens > price.long_from
        dollars = tokens * max(price.input, price.cache_write) + prompt.max_tokens * price.output
        return math.ceil(dollars * (price.long_times if long else 1.0))


def prompt_tokens(prompt: Prompt) -> int:
    """How many tokens `prompt` has at most, for text of any script."""
    size = sum(len(block.text.encode("utf-8", "replace")) for block in prompt.system)
    size += sum(len(turn.text.encode("utf-8", "replace")) for turn in prompt.turns)
    return math.ceil(size / _BYTES_PER_TOKEN) + _OVERHEAD


@cache
def _table() -> dict[str, Price]:
    raw = files("secondme.core.reply").joinpath("lists/prices.toml").read_text("utf-8")
    entries = tomllib.loads(raw)["model"]
    return {entry["name"]: Price(**{key: value for key, value in entry.items() if key != "name"}) for entry in entries}


log = get_logger(__name__)

_SETTLE_S = 2.0
_MAY_BE_BILLED = frozenset({"model_timeout"})
"""Failures after which the vendor may have worked all the same: the prompt is paid for."""


class Budget:
    """A model with a purse."""

    def __init__(
        self, model: Model, spending: SpendingStore, settings: BudgetSettings, models: ModelSettings, clock: Clock
    ) -> None:
        self._model = model
        self._spending = spending
        self._day_cap = int(settings.daily_usd * MICROS)
        self._contact_cap = int(settings.daily_usd_per_contact * MICROS)
        self._prices = Prices(settings)
        self._names = {ModelSize.SMALL: models.small, ModelSize.LARGE: models.name}
        self._timeout_s = models.timeout_s
        self._clock = clock

    async def ask(self, who: str, prompt: Prompt, **facts: Any) -> ModelOutcome:
        """The model's answer, accounted for under `who`, with `facts` (JSON values) in the log of calls.

        Raises UnavailableError `over_budget` or `over_contact_budget` without calling when a cap was reached, and whatever the model
        raises. All calls together spend at most a cap and one call.
        """
        model, now_ms = self._names[prompt.size], self._clock.now_ms()
        charge = await self._spending.reserve(
            who, now_ms, self._prices.most(prompt, model), day_cap=self._day_cap, contact_cap=self._contact_cap
        )
        if isinstance(charge, str):
            raise _over(charge, now_ms)
        usage: Usage | None = None
        micros = charge.micros  # cancelled, or a bug: nobody knows
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._model.compose(prompt)
            usage = outcome.usage
            micros = self._prices.micros(usage, usage.model or model)
            return outcome
        except TimeoutError as error:
            micros = self._prompt_only(prompt, model)
            raise UnavailableError("model_timeout", "The model did not answer in time.") from error
        except SecondmeError as error:
            micros = self._prompt_only(prompt, model) if error.code in _MAY_BE_BILLED else 0
            raise
        finally:
            facts["totalLatencyMs"] = int((self._clock.monotonic() - started) * 1000)
            await self._settle(charge, micros, usage, facts)

    def _prompt_only(self, prompt: Prompt, model: str) -> int:
        return self._prices.micros(Usage(input_tokens=prompt_tokens(prompt)), model)

    async def _settle(self, charge: Charge, micros: int, usage: Usage | None, facts: dict[str, Any]) -> None:
        """Shielded: money that was spent is written down, even by a worker that is leaving. The charge stays where that fails."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                settling = self._spending.settle(charge, micros, usage, now_ms=self._clock.now_ms(), facts=facts)
                await asyncio.shield(asyncio.ensure_future(settling))
        except (UnavailableError, TimeoutError) as error:
            log.warning("spending_unsettled", error=type(error).__name__)


def _over(cap: str, now_ms: int) -> UnavailableError:
    now = from_ms(now_ms)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    code = "over_budget" if cap == "day" else "over_contact_budget"
    whose = "Today's budget" if cap == "day" else "Today's budget for this contact"
    setting = "budget.daily_usd" if cap == "day" else "budget.daily_usd_per_contact"
    fix = f"Raise {setting}, or wait for midnight (UTC). secondme usage"
    return UnavailableError(code, f"{whose} is spent.", fix, retry_after_s=(midnight - now).total_seconds())
