"""The budget: every call to a model is charged before it is made and corrected after it, by whomever it is made."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from secondme.core.clock import SystemClock, from_ms
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ModelOutcome, ModelSize, Prompt, Usage, prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from genai_prices.types import ModelPrice, TieredPrices

    from secondme.core.config.models import BudgetSettings, JobSettings, ModelSettings
    from secondme.core.ports import Clock, Model
    from secondme.core.reply.store import Charge, SpendingStore, Unit


MICROS = 1_000_000
"""Millionths of a dollar in a dollar: sums are whole numbers."""


class Prices:
    """What models cost: genai-prices' table, offline, and what the owner said instead.

    A model that the table does not know costs as much as the dearest one in it, so that a cap holds for a model nobody has heard of.
    """

    def __init__(self, settings: BudgetSettings) -> None:
        self._input, self._output = settings.input_usd_per_mtok, settings.output_usd_per_mtok
        self._known: dict[str, ModelPrice] = {}

    def __contains__(self, model: str) -> bool:
        """True when what `model` costs is at hand."""
        return model in self._known

    def look_up(self, model: str) -> ModelPrice:
        """What `model` costs. The first look reads the table: a tenth of a second of CPU."""
        if model not in self._known:
            self._known[model] = self._price(model)
        return self._known[model]

    def micros(self, usage: Usage, model: str) -> int:
        """What an answer of `model` cost, in millionths of a dollar, rounded up."""
        return self._cost(
            model, usage.input_tokens, usage.output_tokens, cache_read=usage.cache_read_tokens, cache_write=usage.cache_write_tokens
        )

    def most(self, prompt: Prompt, model: str) -> int:
        """The most that an answer to `prompt` may cost, in millionths of a dollar."""
        tokens, answer = prompt_tokens(prompt), prompt.max_tokens
        return max(self._cost(model, tokens, answer), self._cost(model, 0, answer, cache_write=tokens))

    def _cost(self, model: str, fresh: int, answer: int, *, cache_read: int = 0, cache_write: int = 0) -> int:
        price, prompt = self.look_up(model), fresh + cache_read + cache_write
        kinds = ((fresh, None), (cache_read, price.cache_read_mtok), (cache_write, price.cache_write_mtok))
        cost = sum((count * _rate(price.input_mtok if own is None else own, prompt) for count, own in kinds), Decimal(0))
        return math.ceil(cost + answer * _rate(price.output_mtok, prompt))

    def _price(self, model: str) -> ModelPrice:
        from genai_prices.types import ModelPrice  # noqa: PLC0415  a tenth of a second of CPU: nobody pays it before the first call

        price = _table_price(model)
        if self._input is None and self._output is None:
            return price
        own = _rate(price.input_mtok) if self._input is None else Decimal(str(self._input))
        answer = _rate(price.output_mtok) if self._output is None else Decimal(str(self._output))
        return ModelPrice(input_mtok=own, output_mtok=answer, cache_write_mtok=own * Decimal("1.25"), cache_read_mtok=own / 10)


def _table_price(model: str) -> ModelPrice:
    """The price of `model`; that of the dearest one of Anthropic's when the table does not know it."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415  as above

    snapshot, now = get_snapshot(), SystemClock().now()
    try:
        _, known = snapshot.find_provider_model(model, None, "anthropic", None)
    except LookupError:
        provider = next(each for each in snapshot.providers if each.id == "anthropic")
        known = max(provider.models, key=lambda each: _rate(each.get_prices(now).output_mtok))
    return known.get_prices(now)


def _rate(price: Decimal | TieredPrices | None, prompt: int = 0) -> Decimal:
    """Dollars for a million tokens, which is their price in millionths for one. Of tiers by the prompt's length, the last that it passes
    counts for all of it."""
    if price is None:
        return Decimal(0)
    return (
        price
        if isinstance(price, Decimal)
        else next((tier.price for tier in reversed(price.tiers) if prompt > tier.start), price.base)
    )


log = get_logger(__name__)

_SETTLE_S = 2.0
_MAY_BE_BILLED = frozenset({"model_timeout"})
"""Failures after which the vendor may have worked all the same: the prompt is paid for."""


class Budget:
    """A model with a purse."""

    def __init__(
        self,
        model: Model,
        spending: SpendingStore,
        settings: BudgetSettings,
        models: ModelSettings,
        clock: Clock,
        jobs: JobSettings | None = None,
        *,
        whole_day: bool = False,
    ) -> None:
        """The settings are looked at with each call. `jobs`: their caps for a day and for a call stand in the place of a contact's;
        `whole_day`: nothing does, only the day's cap counts."""
        self._model = model
        self._spending = spending
        self._settings = settings
        self._models = models
        self._jobs = jobs
        self._whole_day = whole_day
        self._prices = Prices(settings)
        self._clock = clock

    async def ask(self, who: str, prompt: Prompt, **facts: Any) -> ModelOutcome:
        """The model's answer, accounted for under `who`, with `facts` (JSON values) in the log of calls.

        Raises UnavailableError `over_budget`, `over_contact_budget` or `over_run_budget` without calling when a cap was reached, and whatever the model
        raises. All calls together spend at most a cap and one call.
        """
        model = self._models.small if prompt.size is ModelSize.SMALL else self._models.name
        now_ms, jobs = self._clock.now_ms(), self._jobs
        if model not in self._prices:
            await asyncio.to_thread(self._prices.look_up, model)
        most = self._prices.most(prompt, model)
        if jobs is not None and most > int(jobs.run_usd * MICROS):
            raise UnavailableError("over_run_budget", "One question may not cost so much.", "Raise jobs.run_usd, or ask for less.")
        day_cap = int(self._settings.daily_usd * MICROS)
        contact_cap = int((self._settings.daily_usd_per_contact if jobs is None else jobs.daily_usd) * MICROS)
        if self._whole_day:
            contact_cap = day_cap
        charge = await self._spending.reserve(who, now_ms, most, day_cap=day_cap, contact_cap=contact_cap)
        if isinstance(charge, str):
            raise _over(charge, now_ms)
        usage: Usage | None = None
        micros = charge.micros  # cancelled, or a bug: nobody knows
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._models.timeout_s):
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
        await _written(self._spending.settle(charge, micros, usage, now_ms=self._clock.now_ms(), facts=facts))


class AmountBudget:
    """A purse for what is not counted in tokens: seconds that are listened to, characters that are spoken."""

    def __init__(
        self,
        spending: SpendingStore,
        unit: Unit,
        usd_per_unit: float,
        *,
        settings: BudgetSettings,
        limits: tuple[float, float],
        clock: Clock,
    ) -> None:
        """`limits`: how many units there may be a day, and a contact and day."""
        self._spending = spending
        self._unit: Unit = unit
        self._micros = usd_per_unit * MICROS
        self._settings = settings
        day, contact = limits
        self._limits = (int(day), int(contact))
        self._clock = clock

    async def charge(self, who: str, amount: float) -> Charge | str:
        """So much is charged before it is used; or the limit that was reached: `over_budget`, `over_contact_budget`, `over_limit` or
        `over_contact_limit`. Raises UnavailableError."""
        units = math.ceil(amount)
        caps = (int(self._settings.daily_usd * MICROS), int(self._settings.daily_usd_per_contact * MICROS))
        charge = await self._spending.reserve_amount(
            who, self._clock.now_ms(), self._unit, units, self._price(units), caps=caps, limits=self._limits
        )
        return charge if not isinstance(charge, str) else _OVER[charge]

    async def settle(self, charge: Charge, amount: float, **facts: Any) -> int:
        """It was so much in the end, 0 when it failed; what that cost, in millionths of a dollar. `facts` (JSON values) join the log of
        calls. Never raises."""
        units = math.ceil(amount)
        micros = self._price(units)
        await _written(self._spending.settle_amount(charge, micros, self._unit, units, now_ms=self._clock.now_ms(), facts=facts))
        return micros

    def _price(self, units: int) -> int:
        return math.ceil(units * self._micros)


_OVER = {"day": "over_budget", "contact": "over_contact_budget", "amount": "over_limit", "contact_amount": "over_contact_limit"}


async def _written(settling: Coroutine[Any, Any, None]) -> None:
    """Shielded: money that was spent is written down, even by a worker that is leaving. The charge stays where that fails."""
    try:
        async with asyncio.timeout(_SETTLE_S):
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
