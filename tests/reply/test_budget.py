"""Money: charged before a call, corrected after it, never more than a cap and one call."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random

import pytest
from fakes.clock import FakeClock
from fakes.model import ScriptedModel
from genai_prices import Usage as PricedUsage
from genai_prices.data_snapshot import get_snapshot

from secondme.core.config.models import BudgetSettings, ModelSettings
from secondme.core.errors import CredentialsError, SecondmeError, UnavailableError
from secondme.core.messages import (
    Block,
    Composed,
    ModelOutcome,
    ModelRefused,
    ModelSize,
    Prompt,
    Usage,
    Utterance,
    prompt_tokens,
)
from secondme.core.reply.budget import MICROS, Budget, Prices
from secondme.core.reply.store import SpendingStore
from secondme.core.store import keys
from secondme.core.store.client import Store

ANNA, BOB = "telegram:1", "telegram:2"
SONNET = "claude-sonnet-5-5"

Shape = Callable[..., Budget]


def prompt(words: str = "hi", size: ModelSize = ModelSize.LARGE, max_tokens: int = 1000) -> Prompt:
    return Prompt((Block("rules " * 200, cached=True),), (Utterance("user", words),), max_tokens, size)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shaped(store: Store, model: ScriptedModel, clock: FakeClock) -> Shape:
    def make(**settings: object) -> Budget:
        return Budget(model, SpendingStore(store), BudgetSettings.model_validate(settings), ModelSettings(), clock)

    return make


async def spent(store: Store, clock: FakeClock, who: str | None = None) -> int:
    account = await SpendingStore(store).account(clock.now_ms(), 30, [ANNA, BOB])
    return sum(each.micros for each in (account.days.values() if who is None else [account.contacts[who]]))


async def refusal(asking: Awaitable[ModelOutcome]) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await asking
    return caught.value


@pytest.mark.parametrize(
    ("model", "usage", "micros"),
    [
        (SONNET, Usage(1000, 100, 50_000, 2000), 2000 + 1000 + 5000 + 5000),
        ("claude-haiku-5-5", Usage(50_000, 1000), 5500),
        ("claude-haiku-5-5", Usage(150_000, 1000), (15_000 + 500) * 5),
        ("claude-haiku-4-5-20251001", Usage(1000, 100), 1500),
        ("claude-sonnet-4-6", Usage(1000, 100), 4500),
        ("a-model-nobody-has-heard-of", Usage(1000, 100), 22_500),
        (SONNET, Usage(1, 0), 2),
    ],
)
def test_the_table_says_what_an_answer_cost_and_parts_of_a_millionth_count_whole(model: str, usage: Usage, micros: int) -> None:
    assert Prices(BudgetSettings()).micros(usage, model) == micros


def test_what_is_reckoned_is_what_the_library_of_the_table_reckons() -> None:
    rng, ours = Random(7), Prices(BudgetSettings())
    for model in next(each for each in get_snapshot().providers if each.id == "anthropic").models:
        fresh, read, write, answer = (rng.choice((0, 1, 7, 99_999, 200_001)) for _ in range(4))
        usage = Usage(fresh, answer, read, write, model.id)
        theirs = PricedUsage(
            input_tokens=fresh + read + write, cache_read_tokens=read, cache_write_tokens=write, output_tokens=answer
        )
        assert ours.micros(usage, model.id) == math.ceil(ours.look_up(model.id).calc_price(theirs)["total_price"] * MICROS), usage


def test_the_owners_own_prices_win() -> None:
    own = Prices(BudgetSettings(input_usd_per_mtok=0, output_usd_per_mtok=0))
    assert own.micros(Usage(10**6, 10**6, 10**6, 10**6), "my-own-llama") == 0


@pytest.mark.parametrize(
    "words", ["hello there, how are you?", "привет, как дела?", "こんにちは、元気ですか", "👋🏽👋🏽", "a" * 4000]
)
def test_what_a_prompt_may_cost_is_not_guessed_below_what_it_does(words: str) -> None:
    # The vendor's rule of thumb: four characters a token in English; other scripts up to one token a character.
    at_least = len(words) // 4 if words.isascii() else len(words)
    assert prompt_tokens(Prompt((), (Utterance("user", words),), 10)) >= at_least


async def test_a_call_is_accounted_for_by_day_contact_model_and_message(
    store: Store, shaped: Shape, model: ScriptedModel, clock: FakeClock
) -> None:
    model.script = lambda _: Composed("hi", Usage(100, 10, 1000, 200, SONNET))
    await shaped().ask(ANNA, prompt(), classification="reply", messageId="m1")
    spending = SpendingStore(store)
    account = await spending.account(clock.now_ms(), 1, [ANNA])
    (day,) = account.days.values()
    micros = 200 + 100 + 100 + 500
    assert (day.calls, day.input, day.output, day.cache_read, day.cache_write, day.micros) == (1, 100, 10, 1000, 200, micros)
    assert account.contacts[ANNA] == day
    assert account.models == {SONNET: day}
    (entry,) = await spending.messages(10)
    assert (entry["messageId"], entry["contactId"], entry["costMicros"]) == ("m1", ANNA, micros)
    assert await store.client.hget(keys.token_stats(next(iter(account.days))), "total_messages") == b"1"


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (UnavailableError("model_overloaded", "x"), False),
        (CredentialsError("k", "x"), False),
        (UnavailableError("model_timeout", "x"), True),
    ],
)
async def test_a_call_that_fails_costs_nothing_unless_the_vendor_may_have_worked(
    store: Store, shaped: Shape, model: ScriptedModel, clock: FakeClock, error: SecondmeError, *, charged: bool
) -> None:
    def fail(_: Prompt) -> ModelOutcome:
        raise error

    model.script = fail
    assert (await refusal(shaped().ask(ANNA, prompt()))).code == error.code
    assert (await spent(store, clock) > 0) is charged


async def test_a_refusal_is_paid_for(store: Store, shaped: Shape, model: ScriptedModel, clock: FakeClock) -> None:
    model.script = lambda _: ModelRefused("refusal", Usage(1000, 10, model=SONNET))
    await shaped().ask(ANNA, prompt())
    assert await spent(store, clock) == 2100


async def test_a_worker_that_is_cut_off_leaves_the_charge(
    store: Store, shaped: Shape, model: ScriptedModel, clock: FakeClock
) -> None:
    begun = asyncio.Event()

    async def never(_: Prompt) -> ModelOutcome:
        begun.set()
        return await asyncio.wait_for(asyncio.Event().wait(), 60)  # type: ignore[return-value]

    model.script = never
    asking = asyncio.ensure_future(shaped().ask(ANNA, prompt()))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await spent(store, clock) >= 1000 * 10  # its max_tokens


async def test_over_the_days_cap_nobody_is_answered_until_midnight_utc(
    shaped: Shape, model: ScriptedModel, clock: FakeClock
) -> None:
    model.script = lambda _: Composed("hi", Usage(1000, 1000, model=SONNET))
    budget = shaped(daily_usd=0.001)
    await budget.ask(ANNA, prompt())
    error = await refusal(budget.ask(BOB, prompt()))
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    until_midnight = 86_400 - (now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6)
    assert isinstance(error, UnavailableError)
    assert "budget.daily_usd" in error.fix
    assert (error.code, round(error.retry_after_s or 0), len(model.prompts)) == ("over_budget", round(until_midnight), 1)
    clock.move(until_midnight)
    await budget.ask(BOB, prompt())
    assert len(model.prompts) == 2


async def test_a_contacts_cap_stops_that_contact_only(shaped: Shape, model: ScriptedModel) -> None:
    model.script = lambda _: Composed("hi", Usage(1000, 1000, model=SONNET))
    budget = shaped(daily_usd_per_contact=0.001)
    await budget.ask(ANNA, prompt())
    assert (await refusal(budget.ask(ANNA, prompt()))).code == "over_contact_budget"
    await budget.ask(BOB, prompt())


@pytest.mark.parametrize("seed", range(3))
async def test_in_24_hours_at_the_highest_rate_at_most_the_cap_and_one_call_are_spent(
    store: Store, shaped: Shape, model: ScriptedModel, clock: FakeClock, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, dearest = Random(seed), 0

    async def answer(asked: Prompt) -> ModelOutcome:
        nonlocal dearest
        await asyncio.sleep(0)
        usage = Usage(rng.randrange(200, 500), rng.randrange(asked.max_tokens), rng.randrange(90), rng.randrange(90), SONNET)
        dearest = max(dearest, Prices(BudgetSettings()).micros(usage, SONNET))
        return Composed("hi", usage)

    model.script = answer
    day = clock.now_ms() // 86_400_000
    clock.move(((day + 1) * 86_400_000 - clock.now_ms()) / 1000)
    caps = {"daily_usd": 0.5, "daily_usd_per_contact": 0.2}
    budget = shaped(**caps)
    over = 0
    for _ in range(24):  # each hour eight slots at once, as often as they come
        for _ in range(4):
            asked = [budget.ask(rng.choice([ANNA, BOB, "telegram:3"]), prompt(max_tokens=4000)) for _ in range(8)]
            over += sum(isinstance(each, UnavailableError) for each in await asyncio.gather(*asked, return_exceptions=True))
        clock.move(3599)
    total, hers = await spent(store, clock), await spent(store, clock, ANNA)
    with capsys.disabled():
        print(
            f"\nbudget: {len(model.prompts)} calls, {over} refused, ${total / MICROS:.4f} of $0.50, dearest ${dearest / MICROS:.4f}"
        )
    assert 0.4 * MICROS < total <= 0.5 * MICROS + dearest
    assert hers <= 0.2 * MICROS + dearest
    assert over > 0
