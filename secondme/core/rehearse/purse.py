"""The purse of a rehearsal: what was paid for once is never paid for again, and no call is made that could pass the limit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.messages import Asked, Composed, ModelOutcome, ModelRefused, ModelSize, Prompt, Usage
from secondme.core.reply.store import REHEARSAL
from secondme.core.text import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.core.config.models import ModelSettings
    from secondme.core.reply.budget import Prices
    from secondme.core.reply.collaborators import Purse

OVER_LIMIT = "over_rehearsal_limit"
_USUAL_ANSWER = 150
"""Tokens of an answer; measured ones have 40 to 250."""


class Limit:
    """How much one run may spend, in millionths of a dollar. Spent and reserved together never pass it."""

    def __init__(self, micros: int, spent: int = 0) -> None:
        self.micros = micros
        self.spent = spent
        self._reserved = 0

    def reserve(self, most: int) -> None:
        """A call that may cost so much may be made. Raises UnavailableError `over_rehearsal_limit` when it could pass the limit."""
        if self.spent + self._reserved + most > self.micros:
            raise UnavailableError(
                OVER_LIMIT, "The rehearsal has spent what it may.", "Go on with --resume and a higher --max-usd."
            )
        self._reserved += most

    def settle(self, most: int, micros: int) -> None:
        """It was reserved as `most` and cost `micros`."""
        self._reserved -= most
        self.spent += micros


def call_key(prompt: Prompt, model: str) -> str:
    """The same for the same whole prompt to the same model, and for no other."""
    return hashlib.sha256(f"{model}\n{json.dumps(asdict(prompt), sort_keys=True, ensure_ascii=True)}".encode()).hexdigest()


class RehearsalPurse:
    """A model, paid from the account of rehearsals."""

    def __init__(
        self,
        purse: Purse,
        prices: Prices,
        models: ModelSettings,
        limit: Limit,
        known: dict[str, ModelOutcome],
        keep: Callable[[str, str, ModelOutcome, int], None],
    ) -> None:
        """`known` are calls that were paid for, by `call_key`; `keep` writes another one down, with whom it is for, before it is used."""
        self._purse = purse
        self._prices = prices
        self._models = models
        self._limit = limit
        self._known = known
        self._keep = keep
        self.micros = 0
        """What was paid in all."""
        self.last: Prompt | None = None
        """The last prompt that was asked."""

    async def ask(self, who: str, prompt: Prompt, **facts: Any) -> ModelOutcome:  # noqa: ARG002  of a rehearsal nothing else is told
        """See `Purse`. Raises UnavailableError `over_rehearsal_limit` without calling when the limit could be passed."""
        model = self._models.small if prompt.size is ModelSize.SMALL else self._models.name
        key = call_key(prompt, model)
        self.last = prompt
        if (known := self._known.get(key)) is not None:
            return known
        most = self._prices.most(prompt, model)
        self._limit.reserve(most)
        micros = most  # cancelled, or timed out: it may be billed
        try:
            outcome = await self._purse.ask(REHEARSAL, prompt, classification=REHEARSAL)
            micros = self._prices.micros(outcome.usage, outcome.usage.model or model)
        except SecondmeError as error:
            micros = most if error.code == "model_timeout" else 0
            raise
        finally:
            self._limit.settle(most, micros)
            self.micros += micros
        self._known[key] = outcome
        self._keep(who, key, outcome, micros)
        return outcome


class Estimate:
    """Asks nobody, and adds up what the calls would cost."""

    def __init__(self, prices: Prices, models: ModelSettings, known: dict[str, ModelOutcome]) -> None:
        self._prices = prices
        self._models = models
        self._known = known
        self.micros = 0
        """With answers of the usual length."""
        self.most = 0
        """With the longest that the model may write."""
        self.prompts: list[Prompt] = []

    async def ask(self, who: str, prompt: Prompt, **facts: Any) -> ModelOutcome:  # noqa: ARG002  as above
        """See `Purse`. What it returns is seen by nobody."""
        model = self._models.small if prompt.size is ModelSize.SMALL else self._models.name
        self.prompts.append(prompt)
        if call_key(prompt, model) not in self._known:
            told = (*(block.text for block in prompt.system), *(turn.text for turn in prompt.turns))
            usual = Usage(input_tokens=sum(map(estimate_tokens, told)), output_tokens=min(_USUAL_ANSWER, prompt.max_tokens))
            self.micros += self._prices.micros(usual, model)
            self.most += self._prices.most(prompt, model)
        return Composed("ok", Usage(model=model))


def outcome_to_json(outcome: ModelOutcome) -> dict[str, Any]:
    """As it is kept."""
    match outcome:
        case Composed(text, usage, is_cut):
            return {"text": text, "cut": is_cut, "usage": asdict(usage)}
        case ModelRefused(reason, usage):
            return {"refused": reason, "usage": asdict(usage)}
        case Asked():
            raise ValueError("a rehearsal gives no tools")


def outcome_from_json(raw: dict[str, Any]) -> ModelOutcome:
    """What `outcome_to_json` made. Raises KeyError, TypeError for anything else."""
    usage = Usage(**raw["usage"])
    return ModelRefused(raw["refused"], usage) if "refused" in raw else Composed(raw["text"], usage, is_cut=raw["cut"])
