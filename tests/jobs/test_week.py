"""A week of an owner's: a digest, reminders, who waits, a birthday that is greeted and one that is let be. What arrived, when, and what it cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.job_house import OWNER, JobHouse
from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock

from secondme.core.clock import from_ms, to_ms
from secondme.core.config.loader import load
from secondme.core.dates import NamedDate
from secondme.core.enums import ReplyMode
from secondme.core.ids import ContactId
from secondme.core.messages import Composed, Prompt, Usage
from secondme.core.remember.occasions import birthday
from secondme.core.reply.store import JOBS
from secondme.core.store.client import Store

MONDAY = datetime(2026, 11, 30, 6, tzinfo=UTC)
ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")


@pytest.fixture
async def house(redis_url: str, store: Store, model: ScriptedModel, clock: StoreClock, tmp_path: Any) -> JobHouse:
    zone = {"sleep.timezone": "Europe/Berlin", "sleep.start": "23:00", "sleep.end": "07:00", "sleep.spread_minutes": 0}
    values = {"redis_url": redis_url, "pacing.enabled": False, "persona.name": "Sam", "jobs.reach": "drafts", **zone}
    clock.set(to_ms(MONDAY))
    house = JobHouse(load(values, {}, home=tmp_path / "home"), store, model, clock)
    await house.begin()
    for who in ("anna", "ben"):
        await house.town.let_in(who)
    return house


async def test_a_week(house: JobHouse) -> None:
    def write(prompt: Prompt) -> Composed:
        return Composed("Happy birthday, and a good year!" if "birthday" in str(prompt.turns[-1]) else "re", Usage(800, 20))

    house.town.model.script = write
    for name in ("digest", "owed", "birthdays", "week"):
        await house.desk.choose(name)
    await house.services.occasions.set_birthday(ANNA, birthday(NamedDate(1, 12, 1986), "owner", MONDAY))
    await house.services.occasions.set_birthday(BEN, birthday(NamedDate(3, 12, None), "owner", MONDAY))
    await house.desk.remind("tomorrow 6:30 take the early train")
    await house.desk.remind("fri 18:00 flowers")
    await house.services.answering.set_mode(BEN, ReplyMode.OBSERVE)
    diary: list[str] = []

    async def until(moment: datetime) -> None:
        while from_ms(house.clock.ms) < moment:
            before = len(house.told())
            await house.pass_time(min(moment, from_ms(house.clock.ms) + timedelta(minutes=30)))
            at = from_ms(house.clock.ms)
            diary.extend(f"{at:%a %H:%M} UTC | {text}" for text in house.told()[before:])

    await until(MONDAY + timedelta(hours=4))
    await house.town.writes("anna", "lunch on Thursday?", sent_at=from_ms(house.clock.ms))
    await house.town.writes("ben", "could you look over the contract before Friday?", sent_at=from_ms(house.clock.ms))
    await house.town.work()
    await until(MONDAY + timedelta(days=1, hours=4))
    (greeting,) = (await house.town.drafts.waiting())[0]
    await house.town.drafts.send(greeting.id)
    await until(MONDAY + timedelta(days=7))
    print("\n" + "\n".join(diary))
    spent = await house.services.spending.account(house.clock.ms, 8, [JOBS])
    print(f"model calls of jobs: {spent.contacts[JOBS].calls}, micros: {spent.contacts[JOBS].micros}")
    text = "\n".join(diary)
    for words in ("take the early train", "flowers", "Anna: birthday today, turns 40", "Ben: birthday in 3 days", "This week:"):
        assert text.count(words) == 1, words
    assert '• Ben, since Mon 11:00: "could you look over the contract before Friday?"' in text
    assert text.count("could you look over the contract") == 1
    assert house.town.channel.texts(ANNA)[-1] == "Happy birthday, and a good year!"
    assert house.town.channel.texts(BEN) == []
    assert "Tue 05:30 UTC | take the early train" in text or "Tue 06:00 UTC | take the early train" in text
    assert spent.contacts[JOBS].calls <= 2
    assert {who for who, *_ in house.town.channel.shown.values()} == {ANNA, OWNER}
