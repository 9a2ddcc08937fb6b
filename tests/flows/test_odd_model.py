"""A real gateway and a model's server that is not the vendor's, that cuts its answers, or that takes nobody's requests: what people see of
it, what waits, and what the owner hears.
"""

import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fakes.bot_api_rig import OWNER
from fakes.messages_api import Fail, Odd, Outcome, Request, Say
from fakes.process import eventually
from fakes.telegram_town import TelegramTown, contact_of, telegram_town

from secondme.core.store import keys
from secondme.services import Services

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.heavy]  # a gateway for all, and restarts
Json = dict[str, Any]
CONFIG = "[persona]\nname = 'Sam'\n[limits]\nmessages = 1000\n[budget]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 1\n"
PEOPLE = range(4_500_100, 4_500_130)
WORDS = "At nine, at the station."
ASKED = "when and where do we meet tomorrow?"
STUMP = "Sure, I looked at the timetable and the first train leaves at 9:12 from platform 4, so we should be the"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def town(redis_url: str) -> AsyncIterator[TelegramTown]:
    """One home for all tests here; each has people of its own."""
    home = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    async with telegram_town(home, redis_url, CONFIG) as built:
        await built.let_in(*PEOPLE)
        await built.start()
        yield built
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def model(town: TelegramTown) -> Any:
    """Sets what the model's server does, for one test."""
    usual = town.model.script

    def play(script: Callable[[Request], Outcome]) -> None:
        town.model.script = script

    yield play
    town.model.script, town.model.knows_effort = usual, True


def lose(*path: str, value: Any = None) -> Callable[[list[Json]], object]:
    """The field of the first or the last-but-one event is `value`."""

    def change(events: list[Json]) -> None:
        inner = events[0] if path[0] == "message" else events[-2]
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


ODD = [
    Odd(Say(WORDS), lose("message", "usage")),
    Odd(Say(WORDS), lose("message", "usage", value={})),
    Odd(Say(WORDS), lose("usage")),
    Odd(Say(WORDS), lose("usage", value={})),
    Odd(Say(WORDS), lose("message", "content")),
    Odd(Say(WORDS), is_named=False),
    Odd(Say(WORDS), is_json=True),
    Odd(Say(f"<think>she asks</think>{WORDS}")),
]


async def test_odd_servers_answer_like_any_other_and_cost_little(town: TelegramTown, model: Any) -> None:
    for who, odd in zip(PEOPLE, ODD, strict=False):
        model(lambda _, odd=odd: odd)
        town.writes(who, ASKED)
        assert await town.shown(who) == [WORDS]
    assert len(town.logged("model_counts_no_tokens")) == 1
    assert town.logged("job_crashed") == []
    assert {each["reason"] for each in town.logged("put_off")} <= {"gathering"}
    logged = await Services(town.setup, town.store).spending.messages(50)
    by_contact = {entry["contactId"]: entry for entry in logged if entry["classification"] == "reply"}
    assert [by_contact[contact_of(who)].get("estimated", False) for who in PEOPLE[: len(ODD)]] == [True] * 4 + [False] * 4
    assert all(0 < entry["costMicros"] < 5000 for entry in by_contact.values())


async def test_a_server_without_effort_answers_and_the_log_says_once_how_to_set_it(town: TelegramTown, model: Any) -> None:
    model(lambda _: Say(WORDS))
    town.model.knows_effort = False
    for who in PEOPLE[10:12]:
        town.writes(who, ASKED)
        assert await town.shown(who) == [WORDS]
    said = town.logged("model_knows_no_effort")
    assert [entry["fix"] for entry in said] == ['secondme config set model.effort ""']


@pytest.mark.parametrize(
    ("who", "text", "reason"),
    [
        (PEOPLE[12], ASKED, "max_tokens"),
        (PEOPLE[13], "ok 👍", "max_tokens"),
        (PEOPLE[14], ASKED, "model_context_window_exceeded"),
        (PEOPLE[15], ASKED, "pause_turn"),
    ],
)
async def test_a_stump_is_never_sent(town: TelegramTown, model: Any, who: int, text: str, reason: str) -> None:
    model(lambda _: Say(STUMP, stop_reason=reason))
    town.writes(who, text)
    note = await town.told(rf"A reply waits for you, to .*telegram:{who}")
    assert "It can leave only in your own words: the model stopped before it had said everything." in note
    (held,) = await town.held_for(who)
    assert (held.row.text, held.row.fault) == (STUMP, "cut_short")
    draft = re.findall("edit ([0-9a-f]{6})", note)[0]
    town.writes(OWNER, f"send {draft}")
    await town.told("(?s)^(?!A reply waits).*own words")
    assert town.api.shown[who] == []


REFUSALS = [
    (Fail(401, "authentication_error"), "Nobody can be answered: .*refused the key", "Contacts are answered again."),
    (
        Fail(400, "invalid_request_error", message="Your credit balance is too low to access the Anthropic API."),
        "Nobody can be answered: .*no credit",
        "Contacts are answered again.",
    ),
    (
        Fail(400, "invalid_request_error", message="You will regain access on 2027-02-01 at 00:00 UTC."),
        "Nobody can be answered: .*2027-02-01",
        "Contacts are answered again.",
    ),
    (Fail(402, "billing_error"), "Nobody can be answered: .*no credit", "Contacts are answered again."),
    (Fail(400, "invalid_request_error"), "Messages cannot be answered: .*invalid_request_error", "Messages are answered again."),
]


async def two_wait(town: TelegramTown) -> None:
    """Two contacts are put off."""

    async def do_wait() -> bool:
        return int(await town.store.client.zcard(keys.QUEUE_LATER)) == 2

    await eventually(do_wait)


@pytest.mark.parametrize(
    "number", [0, 2, *(pytest.param(number, marks=pytest.mark.slow) for number in range(len(REFUSALS)) if number not in {0, 2})]
)  # 10 s each
async def test_the_owner_hears_once_that_nobody_is_answered_and_once_that_it_is_over(
    town: TelegramTown, model: Any, number: int
) -> None:
    refusal, words, over = REFUSALS[number]
    who, other = PEOPLE[20 + 2 * number : 22 + 2 * number]
    before = len(town.api.shown[OWNER])

    def told(pattern: str) -> int:
        return sum(bool(re.search(pattern, text)) for text in town.api.shown[OWNER][before:])

    model(lambda _: refusal)
    town.writes(who, ASKED)
    await eventually(lambda: told(words) == 1)
    town.writes(other, ASKED)
    await two_wait(town)
    await town.stop()
    asked = len(town.model.requests)
    await town.start()  # what waits is tried at once by a new process
    await eventually(lambda: len(town.model.requests) >= asked + 2)
    await two_wait(town)
    assert (told(words), told(over)) == (1, 0)
    model(lambda _: Say(WORDS))
    await Services(town.setup, town.store).inbox.hurry()
    for each in (who, other):
        assert await town.shown(each) == [WORDS]
    await eventually(lambda: told(over) == 1)
    await town.stop()
    await town.start()
    town.writes(who, "and when do we come back?")
    assert (await town.shown(who, 2))[1] == WORDS
    assert (told(words), told(over)) == (1, 1)
