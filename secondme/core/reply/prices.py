"""What does a model's answer cost? A price table in data; the owner's own prices win over it. Pure."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.config.models import BudgetSettings
    from secondme.core.messages import Prompt, Usage

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
