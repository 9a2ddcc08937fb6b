"""May this call be made, and what did it cost? Every call to a model passes here, whoever makes it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ModelSize, Usage
from secondme.core.reply.prices import MICROS, Prices, prompt_tokens

if TYPE_CHECKING:
    from secondme.core.config.models import BudgetSettings, ModelSettings
    from secondme.core.messages import ModelOutcome, Prompt
    from secondme.core.ports import Clock, Model
    from secondme.core.reply.store import Charge, SpendingStore

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
