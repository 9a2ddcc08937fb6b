"""A phone that answers by itself, a program that answers at once, and people, who do neither."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town

from secondme.core.messages import Composed
from secondme.core.records import Mail, Turn
from secondme.core.reply.machines import is_automatic, is_too_fast

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
AWAY = "I am driving right now and will call you back. Sent at {}:15, 2026-11-2{}."
HUMAN = ["are we still on for tonight?", "great, shall I bring the wine?", "red or white?", "see you at eight then"]


def said(*lines: str) -> list[Turn]:
    """`>` ours, `!` the owner's, the rest the contact's; a minute apart."""
    kinds = {">": ("assistant", "outgoing"), "!": ("assistant", "fromMe")}
    turns = []
    for at, line in enumerate(lines):
        role, kind = kinds.get(line[0], ("user", "incoming"))
        turns.append(Turn(id=f"m{at}", role=role, type=kind, content=line.lstrip(">!"), timestamp=T0 + timedelta(minutes=at)))
    return turns


def mail(text: str) -> list[Mail]:
    return [Mail(message_id="now", contact_id="c", channel_id="local", normalized_contact_id="c", content=text, timestamp=T0)]


@pytest.mark.parametrize(
    ("history", "now", "automatic"),
    [
        (["I'm driving", ">ok", "I'm driving", ">call me"], "I'm driving", True),
        ([AWAY.format(1, 1), ">ok", AWAY.format(2, 2), ">sure"], AWAY.format(3, 3), True),
        (["hi there you", ">hi", AWAY.format(1, 1), ">ok", AWAY.format(2, 2), ">a", ">b"], AWAY.format(3, 3), True),
        ([AWAY.format(1, 1), ">ok"], AWAY.format(2, 2), False),  # twice is no habit
        ([AWAY.format(1, 1), ">ok", AWAY.format(2, 2), ">sure"], "back home, what did you want?", False),
        ([AWAY.format(1, 1), ">ok", "lunch on Friday?", ">yes", AWAY.format(2, 2), ">ok"], AWAY.format(3, 3), False),
        ([AWAY.format(1, 1), ">ok", AWAY.format(2, 2), "!call me"], AWAY.format(3, 3), False),  # the owner is in it
        ([AWAY.format(1, 1), AWAY.format(2, 2)], AWAY.format(3, 3), False),  # nobody answered them: they insist
        (["ok", ">a", "ok", ">b", "ok", ">c"], "ok", False),  # people say so
        (["ok", ">a", "ok", ">b", "OK!", ">c", "ok", ">d", "ok", ">e"], "Ok.", True),
        ([], AWAY.format(1, 1), False),
        (["the 1st question is long", ">a", "the 2nd question is long", ">b"], "the 3rd question is long", False),
        (["Out of office until Monday", ">a", "out of office until monday!", ">b"], "Out of the office until Monday", True),
        (["12", ">a", "13", ">b", "14", ">c", "15", ">d", "16", ">e"], "17", False),  # an answer each
    ],
)
def test_who_says_the_same_again_and_again_with_only_us_in_between_is_a_machine(
    history: list[str],
    now: str,
    automatic: bool,
) -> None:
    assert is_automatic(said(*history), mail(now)) is automatic


@pytest.mark.parametrize(("minutes", "automatic"), [(1, True), (9, True), (11, False), (1440, False)])
def test_who_says_the_same_each_day_is_a_person(minutes: int, automatic: bool) -> None:
    turns = [
        Turn(id=f"m{at}", role=role, type=kind, content="Good morning!", timestamp=T0 + timedelta(minutes=minutes * at))
        for at, (role, kind) in enumerate([("user", "incoming"), ("assistant", "outgoing")] * 6)
    ]
    late = mail("Good morning!")[0].model_copy(update={"timestamp": T0 + timedelta(minutes=minutes * 12)})
    assert is_automatic(turns, [late]) is automatic


@pytest.mark.parametrize(
    ("wait_s", "exchanges", "owner", "fast"),
    [(2, 15, False, True), (2, 14, False, False), (5, 18, False, True), (30, 19, False, False), (2, 19, True, False)],
)
def test_who_answers_within_seconds_all_the_time_is_fast(wait_s: int, exchanges: int, owner: bool, fast: bool) -> None:
    turns = []
    for at in range(exchanges):
        ours = T0 + timedelta(seconds=60 * at)
        turns.append(Turn(id=f"a{at}", role="assistant", type="outgoing", content="x", timestamp=ours))
        turns.append(
            Turn(id=f"u{at}", role="user", type="incoming", content=f"new {at}", timestamp=ours + timedelta(seconds=wait_s))
        )
    if owner:
        turns[4] = turns[4].model_copy(update={"type": "fromMe"})
    assert is_too_fast(turns, 15) is fast
    assert not is_too_fast([], 15)
    assert not is_too_fast(turns, 0)


async def test_a_machine_is_met_with_silence_until_something_else_comes(town_with: Callable[..., Town]) -> None:
    town = town_with(limits__messages=1000)
    await town.let_in("anna")
    for number in range(6):
        await town.writes("anna", AWAY.format(number, number))
        await town.work()
        await town.deliver()
    assert len(town.model.prompts) == len(town.channel.texts("local:anna")) == 2
    await town.writes("anna", "back home now, what is it?")
    assert await town.work() == ["answered"]
    assert len(town.model.prompts) == 3


async def test_a_fast_machines_next_answer_waits_for_the_owner(town_with: Callable[..., Town]) -> None:
    town = town_with()
    await town.let_in("anna")
    town.model.script = lambda _: Composed(f"{HUMAN[len(town.model.prompts) % 4]} {len(town.model.prompts)}")
    for number in range(20):
        await town.store.client.delete("SEEN:local:anna")  # the limit of messages is not what is looked at here
        await town.writes("anna", f"{HUMAN[number % 4]} {number * 7919}")
        await town.work()
        await town.deliver()
    drafts = (await town.draft_store.held())[0]
    assert {each.reason for each in drafts} == {"machine"}
    assert len(town.channel.texts("local:anna")) == 15
