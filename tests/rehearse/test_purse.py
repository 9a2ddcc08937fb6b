"""The purse of a rehearsal: never over its limit, and nothing is paid for twice."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from fakes.size import sized

from secondme.core.config.models import BudgetSettings, ModelSettings
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.messages import Asked, Block, Composed, ModelOutcome, ModelRefused, ModelSize, Prompt, Usage, Utterance
from secondme.core.rehearse.purse import Limit, RehearsalPurse, call_key, outcome_from_json, outcome_to_json
from secondme.core.reply.budget import Prices

MODEL = "claude-sonnet-5-5"
PRICES = Prices(BudgetSettings())


def prompt(words: str, size: ModelSize = ModelSize.LARGE, most: int = 500) -> Prompt:
    return Prompt((Block("rules " * 100, cached=True),), (Utterance("user", words),), most, size)


class Vendor:
    """Costs anything up to the most that a call may cost, and fails as it likes."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.paid = 0
        self.calls: list[str] = []

    async def ask(self, who: str, prompt: Prompt, **_: Any) -> ModelOutcome:
        self.calls.append(who)
        await asyncio.sleep(0)
        kind = self.chance.random()
        if kind < 0.1:
            raise UnavailableError("model_overloaded", "Busy.")
        if kind < 0.2:
            self.paid += PRICES.most(prompt, MODEL)  # the worst: it worked, and nobody heard of it
            raise UnavailableError("model_timeout", "Late.")
        usage = Usage(self.chance.randrange(200), self.chance.randrange(prompt.max_tokens), model=MODEL)
        self.paid += PRICES.micros(usage, MODEL)
        return Composed("hi", usage) if kind < 0.9 else ModelRefused("refused", usage)


def purse_of(vendor: Vendor, limit: Limit, keep: Callable[..., None] = lambda *_: None) -> RehearsalPurse:
    return RehearsalPurse(vendor, PRICES, ModelSettings(name=MODEL, small=MODEL), limit, {}, keep)


@pytest.mark.parametrize("seed", range(sized(500, 100)))
async def test_no_sequence_of_calls_passes_the_limit(seed: int) -> None:
    chance = Random(seed)
    vendor, limit = Vendor(chance), Limit(chance.randrange(1, 120_000), spent=0)
    purse = purse_of(vendor, limit)
    refused = 0
    for round_ in range(30):
        asked = [purse.ask("local:anna", prompt(f"{round_}-{at}", most=chance.randrange(1, 2000))) for at in range(3)]
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, SecondmeError):
                refused += outcome.code == "over_rehearsal_limit"
            elif isinstance(outcome, BaseException):
                raise outcome
        assert vendor.paid <= limit.spent <= limit.micros
    assert set(vendor.calls) <= {"rehearsal"}
    assert refused or limit.spent < limit.micros


async def test_what_was_paid_for_is_not_asked_again_and_what_failed_is() -> None:
    vendor, kept = Vendor(Random(1)), list[tuple[Any, ...]]()
    vendor.chance.random = lambda: 0.5  # type: ignore[method-assign]  it answers
    purse = purse_of(vendor, Limit(10**9), lambda *each: kept.append(each))
    first, again = await purse.ask("local:anna", prompt("a")), await purse.ask("local:anna", prompt("a"))
    assert first == again
    assert len(vendor.calls) == 1
    assert [each[:2] for each in kept] == [("local:anna", call_key(prompt("a"), MODEL))]
    vendor.chance.random = lambda: 0.0  # type: ignore[method-assign]  it is busy
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await purse.ask("local:anna", prompt("b"))
    assert len(vendor.calls) == 3
    assert len(kept) == 1


@pytest.mark.parametrize(
    "other",
    [prompt("b"), prompt("a", most=501), prompt("a", ModelSize.SMALL), Prompt((Block("other"),), (Utterance("user", "a"),), 500)],
)
def test_another_prompt_is_another_call(other: Prompt) -> None:
    assert call_key(other, MODEL) != call_key(prompt("a"), MODEL)
    assert call_key(prompt("a"), "claude-haiku-5-5") != call_key(prompt("a"), MODEL)


@pytest.mark.parametrize(
    "outcome",
    [
        Composed("hi \ud800 \u2028", Usage(1, 2, 3, 4, "m", is_estimated=True)),
        Composed("", is_cut=True),
        ModelRefused("refused", Usage(7)),
    ],
)
def test_what_is_kept_of_a_call_is_what_it_was(outcome: ModelOutcome) -> None:
    assert outcome_from_json(outcome_to_json(outcome)) == outcome


def test_a_rehearsal_keeps_no_tools() -> None:
    with pytest.raises(ValueError, match="no tools"):
        outcome_to_json(Asked((), Usage()))
