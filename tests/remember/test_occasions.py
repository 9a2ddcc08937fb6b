"""Birthdays and promises are kept as they are said, by whose word it is, and go with the message that said them."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fakes.town import Town
from fakes.watching import everything

from secondme.core.dates import NamedDate
from secondme.core.enums import ReplyMode, Tier
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.memory.facts import Fact
from secondme.core.messages import Admission, Composed, Speaker, Usage
from secondme.core.remember.occasion_store import MOST_OPEN, OccasionStore
from secondme.core.remember.occasions import Birthday, BirthdaySource, Promise, birthday, promise_id
from secondme.core.store import keys

ANNA, BEN, EVE = ContactId("local:anna"), ContactId("local:ben"), ContactId("local:eve")
CANARY = "zqcanaryzq"
NOW = datetime.now(UTC)
MAY_4 = NamedDate(4, 5)


@pytest.fixture
async def plain(town_with: Callable[..., Town]) -> Any:
    """A town without memory, where Anna and Ben are let in."""
    town = town_with(memory__enabled=False)
    await town.let_in("anna")
    await town.let_in("ben")
    yield town
    await town.services.close()


@pytest.fixture
async def remembering(town: Town) -> Town:
    """A town with memory, where Anna is let in."""
    await town.services.memory_feed.begin()
    await town.let_in("anna")
    return town


def shelf(town: Town) -> OccasionStore:
    return town.services.occasions


async def known(town: Town, contact: ContactId = ANNA) -> tuple[int, int, int | None, str] | None:
    found = await shelf(town).birthday(contact)
    return None if found is None else (found.day, found.month, found.year, found.source.value)


async def told(town: Town, text: str, who: str = "anna", **fields: object) -> None:
    """The contact wrote, and what waited to be learnt is."""
    await town.writes(who, text, **fields)
    await town.learner.catch_up()
    if town.setup.settings.memory.enabled:
        await town.services.memory_feed.catch_up()


async def says(town: Town, text: str, who: str = "anna", **fields: object) -> None:
    """The owner wrote by hand, and what waited to be learnt is."""
    await town.writes(who, text, from_me=True, **fields)
    await town.learner.catch_up()


async def open_promises(town: Town, contact: ContactId | None = ANNA) -> list[str]:
    return [promise.text for _, promise in await shelf(town).promises(contact)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my birthday is on 4 May 1986, by the way", (4, 5, 1986)),
        ("Ich hab am 4.5. Geburtstag", (4, 5, None)),
        ("Mein Geburtstag ist am 4/5", (4, 5, None)),
        ("mi cumpleaños es el 4 de mayo", (4, 5, None)),
        ("mon anniversaire est le 1er mai", (1, 5, None)),
        ("sono nata il 4 maggio 1986", (4, 5, 1986)),
        ("meu aniversário é no dia 4 de maio", (4, 5, None)),
        ("faço anos a 4 de maio", (4, 5, None)),
        ("my birthday is on 4 May 2190", (4, 5, None)),
    ],
)
async def test_what_a_contact_says_of_their_birthday_is_a_date_with_memory_and_without(
    town_with: Callable[..., Town], text: str, expected: tuple[int, int, int | None]
) -> None:
    for is_on, source in ((False, "rules"), (True, "memory")):
        town = town_with(memory__enabled=is_on)
        await town.store.client.flushall()
        if is_on:
            await town.services.memory_feed.begin()
        await town.let_in("anna")
        await told(town, text)
        assert await known(town) == (*expected, source)
        await town.services.close()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("is my birthday on 4 May?", {}),
        ("my birthday is on 4/5", {}),
        ("my birthday is on 4 May", {"is_forwarded": True}),
        ("her birthday is on 4 May", {}),
        ("my birthday is on 31 April", {}),
        ("my birthday is on 4 May", {"expires_s": 60}),
    ],
)
async def test_what_is_asked_passed_on_or_ambiguous_is_no_birthday(plain: Town, text: str, fields: dict[str, object]) -> None:
    await told(plain, text, **fields)
    assert await known(plain) is None


async def test_a_stranger_and_the_clone_tell_no_birthday(plain: Town) -> None:
    await told(plain, "my birthday is on 4 May", "eve")
    plain.model.script = lambda _: Composed("my birthday is on 4 May", usage=Usage(1, 1))
    await told(plain, "hello")
    await plain.work()
    await plain.deliver()
    await plain.learner.catch_up()
    await plain.learner.learn(ANNA)
    assert [await known(plain, each) for each in (ANNA, EVE)] == [None, None]
    assert await plain.raw_keys("FACTS:*") == []


async def test_whoever_counts_more_is_believed_and_the_owner_most(plain: Town) -> None:
    ranked = [BirthdaySource.RULES, BirthdaySource.MEMORY, BirthdaySource.IMPORT, BirthdaySource.ADDRESS_BOOK, BirthdaySource.OWNER]
    for place, source in enumerate(ranked):
        record = birthday(NamedDate(place + 1, 5), source, NOW)
        assert await shelf(plain).set_birthday(ANNA, record) == "kept"
        for weaker in ranked[:place]:
            if {weaker, source} != {BirthdaySource.IMPORT, BirthdaySource.ADDRESS_BOOK}:
                later = birthday(NamedDate(30, 1), weaker, NOW + timedelta(1))
                assert await shelf(plain).learn_birthday(ANNA, later) == "weaker"
    assert await known(plain) == (5, 5, None, "owner")
    await told(plain, "my birthday is on 9 May")
    assert await known(plain) == (5, 5, None, "owner")


async def test_a_newer_word_of_the_same_source_counts_and_an_older_one_does_not(plain: Town) -> None:
    memory = BirthdaySource.MEMORY
    store = shelf(plain)
    assert await store.learn_birthday(ANNA, birthday(NamedDate(4, 5, 1986), memory, NOW, "m1")) == "kept"
    assert await store.learn_birthday(ANNA, birthday(MAY_4, memory, NOW, "m2")) == "known"  # and the year stays
    assert await store.learn_birthday(ANNA, birthday(NamedDate(5, 5), memory, NOW - timedelta(1), "m0")) == "weaker"
    assert await known(plain) == (4, 5, 1986, "memory")
    assert await store.learn_birthday(ANNA, birthday(NamedDate(6, 5), memory, NOW + timedelta(1), "m3")) == "kept"


async def test_a_date_that_the_owner_cleared_is_not_learnt_again_until_they_set_it(plain: Town) -> None:
    store = shelf(plain)
    await told(plain, "my birthday is on 4 May")
    assert (await store.clear_birthday(ANNA), await store.clear_birthday(ANNA)) == (True, False)
    await told(plain, "my birthday is on 4 May")
    assert await known(plain) is None
    await told(plain, "my birthday is on 5 May")
    assert await known(plain) == (5, 5, None, "rules")
    await store.set_birthday(ANNA, birthday(MAY_4, BirthdaySource.OWNER, NOW))
    assert await known(plain) == (4, 5, None, "owner")
    with pytest.raises(NotFoundError):
        await store.set_birthday(EVE, birthday(MAY_4, BirthdaySource.OWNER, NOW))


async def test_a_birthday_follows_the_message_that_told_it(plain: Town) -> None:
    await told(plain, "my birthday is on 4 May", message_id="b1")
    await told(plain, "my birthday is on 5 May!", edit_of="b1")
    assert await known(plain) == (5, 5, None, "rules")
    await told(plain, "my birthday is soon", edit_of="b1")
    assert await known(plain) is None
    await told(plain, "my birthday is on 4 May", message_id="b2")
    plain.learner.heard(ANNA, "my birthday is on 6 May", "b2")  # waits while the message is taken back
    await plain.writes("anna", "", revokes="b2")
    await plain.learner.catch_up()
    assert await known(plain) is None


async def test_memory_s_birthday_is_the_newest_that_it_still_knows(remembering: Town) -> None:
    await told(remembering, "my birthday is on 4 May", message_id="b1")
    await told(remembering, "sorry: my birthday is on 5 May", message_id="b2")
    assert await known(remembering) == (5, 5, None, "memory")
    await told(remembering, "", revokes="b2")
    assert await known(remembering) == (4, 5, None, "memory")
    await told(remembering, "my birthday is on 7 May", edit_of="b1")
    assert await known(remembering) == (7, 5, None, "memory")
    desk = remembering.services.memory_desk
    (fact,) = [each for each in await desk.facts(ANNA, "") if each.kind == "birthday"]
    await desk.correct_fact(ANNA, fact.id, "8 May")
    assert await known(remembering) == (8, 5, None, "memory")
    await desk.forget_all(ANNA)
    assert await known(remembering) is None


async def test_people_who_are_one_share_their_birthday_and_are_listed_once(plain: Town) -> None:
    await plain.services.persons.link((ANNA, "local"), (BEN, "local"))
    await told(plain, "my birthday is on 4 May", "ben")
    await shelf(plain).set_birthday(ANNA, birthday(NamedDate(6, 7, 1990), BirthdaySource.OWNER, NOW))
    assert await known(plain, BEN) == await known(plain, ANNA) == (6, 7, 1990, "owner")
    assert [(who, each.day) for who, each in await shelf(plain).birthdays()] == [(ANNA, 6)]
    await says(plain, "I'll call you on Monday", "ben")
    assert await open_promises(plain, ANNA) == ["I'll call you on Monday"]
    await shelf(plain).clear_birthday(BEN)
    assert await known(plain) is None


@pytest.mark.parametrize("year", [1986, None])
def test_the_age_is_told_when_the_year_is_known(year: int | None) -> None:
    record = birthday(NamedDate(29, 2, year and 1988), BirthdaySource.OWNER, NOW)
    assert record.next_on(date(2027, 2, 1)) == date(2027, 2, 28)
    assert record.age_on(date(2027, 2, 28)) == (39 if year else None)
    assert record.age_on(date(2027, 2, 27)) == (38 if year else None)


async def test_what_the_owner_promises_is_kept_once_with_its_day(plain: Town) -> None:
    await told(plain, "can you send it?")
    await says(plain, "I'll send you the contract tomorrow", message_id="p1")
    await says(plain, "see you tomorrow")
    for _ in range(3):
        await plain.learner.learn(ANNA)
    ((who, promise),) = await shelf(plain).promises()
    tomorrow = (datetime.now().astimezone(None) + timedelta(1)).date()
    assert (who, promise.text, promise.state, promise.id) == (
        ANNA,
        "I'll send you the contract tomorrow",
        "open",
        promise_id(ANNA, "p1"),
    )
    assert promise.day in {tomorrow, (NOW + timedelta(1)).date(), (NOW + timedelta(2)).date()}


@pytest.mark.parametrize("fields", [{"is_forwarded": True}, {"expires_s": 600}])
async def test_what_is_forwarded_or_disappears_is_no_promise(plain: Town, fields: dict[str, object]) -> None:
    await says(plain, "I'll send you the contract tomorrow", **fields)
    assert await open_promises(plain) == []


async def test_what_contacts_and_the_clone_write_is_no_promise(plain: Town) -> None:
    plain.model.script = lambda _: Composed("I'll send you the contract tomorrow", usage=Usage(1, 1))
    await told(plain, "I'll call you on Monday")
    await plain.work()
    await plain.deliver()
    await plain.learner.learn(ANNA)
    assert await open_promises(plain) == []


async def test_a_promise_follows_its_message(plain: Town) -> None:
    await says(plain, "I'll send you the contract tomorrow", message_id="p1")
    await says(plain, "I'll send you the invoice tomorrow", edit_of="p1")
    assert await open_promises(plain) == ["I'll send you the invoice tomorrow"]
    await says(plain, "we'll see", edit_of="p1")
    assert await open_promises(plain) == []
    await says(plain, "I'll send you the contract tomorrow", edit_of="p1")
    assert await open_promises(plain) == ["I'll send you the contract tomorrow"]
    await plain.writes("anna", "", revokes="p1")  # nobody takes back what another one wrote
    assert await open_promises(plain) == ["I'll send you the contract tomorrow"]
    await says(plain, "", revokes="p1")
    await plain.learner.learn(ANNA)
    assert await open_promises(plain) == []


@pytest.mark.parametrize("state", ["done", "not_one"])
async def test_a_settled_promise_never_comes_back_and_its_words_are_gone(plain: Town, state: Any) -> None:
    text = f"I'll send you the {CANARY} tomorrow"
    await says(plain, text, message_id="p1")
    name = promise_id(ANNA, "p1")
    who, promise = await shelf(plain).settle(name[:4].upper(), state)
    assert (who, promise.text) == (ANNA, text)
    plain.learner._occasions._read.clear()  # type: ignore[union-attr]  # as after a restart
    await plain.learner.learn(ANNA)
    await says(plain, f"I'll send you the {CANARY} tomorrow!", edit_of="p1")
    assert await open_promises(plain) == []
    assert CANARY not in str(await plain.store.client.hgetall(keys.promise(ANNA)))
    for reference in (name, "ffff", ""):
        with pytest.raises(NotFoundError):
            await shelf(plain).settle(reference, state)


async def test_a_beginning_that_two_promises_share_settles_neither(plain: Town) -> None:
    ids = {promise_id(ANNA, f"p{number}")[:1]: f"p{number}" for number in range(40)}
    assert len(ids) < 40
    for number in range(40):
        await says(plain, f"I'll send you the book number {number}", message_id=f"p{number}")
    with pytest.raises(NotFoundError, match="open promises begin with"):
        await shelf(plain).settle(promise_id(ANNA, "p0")[:1], "done")


async def test_promises_are_bounded_in_number_length_and_age(plain: Town) -> None:
    ids = [f"p{number:03}" for number in range(MOST_OPEN + 10)]
    await plain.store.client.zadd(keys.history(ANNA), {json.dumps({"id": each}): at for at, each in enumerate([*ids, "old"])})
    said = {
        each: Promise(id=promise_id(ANNA, each), said_at=NOW - timedelta(minutes=90 - at), text="x") for at, each in enumerate(ids)
    }
    old = Promise(id="f" * 12, said_at=NOW - timedelta(days=31), text="x")
    assert await shelf(plain).keep_promises(ANNA, {**said, "old": old}) == MOST_OPEN
    assert await shelf(plain).keep_promises(ANNA, {**said, "old": old}) == 0
    found = await shelf(plain).promises(ANNA)
    assert [promise.id for _, promise in found] == [said[each].id for each in ids[10:]]
    assert 0 < await plain.store.client.pttl(keys.promise(ANNA)) <= 30 * 86_400_000
    await plain.store.client.hset(keys.promise(ANNA), "old", old.encode())
    assert len(await shelf(plain).promises(ANNA)) == MOST_OPEN
    assert await shelf(plain).keep_promises(ANNA, {"gone": said["p020"]}) == 0  # in no history


async def test_the_model_s_promise_of_the_owner_is_kept_in_the_owner_s_own_words(remembering: Town) -> None:
    town = remembering
    await told(town, f"you owe me {CANARY}")
    await says(town, "on it, Thursday at the latest", message_id="p1")
    await town.services.memory_feed.catch_up()
    heard = [each.id for each in town.services.memories.messages(ANNA)]
    claims = [
        ("owner", "promised", Speaker.OWNER, ("p1",)),
        ("contact", "promise", Speaker.CONTACT, (heard[0],)),
        ("owner", "plan", Speaker.OWNER, ("p1",)),
        ("owner", "promise", Speaker.OWNER, (heard[0],)),
    ]
    facts = [Fact(who, kind, CANARY, f"They get {CANARY}.", speaker, 1, sources) for who, kind, speaker, sources in claims]
    for _ in range(2):
        await town.services.memory_keeper.remember_facts(ANNA, facts)
    assert await open_promises(town) == ["on it, Thursday at the latest"]
    assert CANARY not in str([await town.store.client.hgetall(key) for key in await town.raw_keys("FACTS:*")])


async def test_nothing_is_learnt_where_the_owner_does_not_want_it(town_with: Callable[..., Town]) -> None:
    for is_on in (True, False):
        town = town_with(learning__occasions=False, memory__enabled=is_on)
        await town.let_in("anna")
        await told(town, "my birthday is on 4 May")
        await says(town, "I'll send you the contract tomorrow")
        assert await town.raw_keys("FACTS:*") == []
        await town.services.close()


async def test_no_words_of_a_contact_and_nothing_in_the_log(plain: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await told(plain, f"{CANARY}, my birthday is on 4 May {CANARY}")
    await told(plain, f"I'll send you {CANARY} tomorrow")
    await says(plain, "I'll send you the zqownzq tomorrow")
    kept = str([await plain.store.client.hgetall(key) for key in await plain.raw_keys("FACTS:*")])
    assert (await known(plain), "zqownzq" in kept, CANARY in kept) == ((4, 5, None, "rules"), True, False)
    assert not any(word in caplog.text for word in (CANARY, "zqownzq", "May"))


@pytest.mark.parametrize("how", ["forget", "revoke", "deny"])
async def test_nothing_is_left_of_whoever_is_forgotten_or_shut_out(plain: Town, how: str) -> None:
    await told(plain, "my birthday is on 4 May", "ben")
    await says(plain, "I'll send you the contract tomorrow", "ben")
    assert await plain.raw_keys("FACTS:*") == ["FACTS:birthday:local:ben", "FACTS:promise:local:ben"]
    if how == "forget":
        await plain.services.contacts.forget(BEN)
        assert "local:ben" not in str(await everything(plain.store.client))
    else:
        await (plain.owner.revoke(BEN) if how == "revoke" else plain.owner.deny(BEN))
    assert await plain.raw_keys("FACTS:*") == []
    assert (await shelf(plain).birthdays(), await shelf(plain).promises()) == ([], [])


async def test_what_cannot_be_read_is_unknown_and_left_as_it_is(plain: Town) -> None:
    await told(plain, "my birthday is on 4 May", "ben")
    await plain.store.client.hset(keys.birthday(ANNA), "known", "{broken")
    await plain.store.client.hset(keys.promise(ANNA), "p1", "{broken")
    before = await everything(plain.store.client)
    assert (await known(plain), await open_promises(plain, None)) == (None, [])
    assert [who for who, _ in await shelf(plain).birthdays()] == [BEN]
    assert await everything(plain.store.client) == before
    await plain.store.client.set(keys.birthday(ANNA), "wrong type")
    assert [who for who, _ in await shelf(plain).birthdays()] == [BEN]


async def test_a_broken_record_keeps_nothing_else_from_being_learnt_and_remembered(remembering: Town, plain: Town) -> None:
    for key in (keys.birthday(ANNA), keys.promise(ANNA)):
        await plain.store.client.set(key, "wrong type")
    await told(plain, "hola hijo, my birthday is on 4 May")
    assert (await plain.services.relationships.of(ANNA)).signal_count == 1
    await says(plain, "I'll send you the contract tomorrow")
    assert len(await plain.services.style.own(ANNA)) == 1
    await remembering.services.memory_feed.begin()
    await told(remembering, "I live in Oslo. my birthday is on 4 May")
    assert {each.fact.kind for each in remembering.services.memories.facts(ANNA)} == {"home", "birthday"}
    assert await remembering.services.journals.waiting() == 0


async def test_whom_the_owner_only_observes_is_learnt_from_and_whom_they_switched_off_is_not(plain: Town) -> None:
    for contact, mode in ((ANNA, ReplyMode.OBSERVE), (BEN, ReplyMode.OFF)):
        await plain.services.answering.set_mode(contact, mode)
    assert await plain.writes("anna", "my birthday is on 4 May") is Admission.OBSERVED
    assert await plain.writes("ben", "my birthday is on 4 May") is Admission.OFF
    await plain.owner.edit(ANNA, tier=Tier.RESTRICTED)
    await plain.learner.catch_up()
    assert [await known(plain, each) for each in (ANNA, BEN)] == [(4, 5, None, "rules"), None]


def test_a_birthday_is_stored_as_a_date_and_whose_word_it_is() -> None:
    record = birthday(NamedDate(4, 5, 1986), BirthdaySource.MEMORY, NOW, "m1")
    assert set(record.to_dict()) == {"day", "month", "year", "source", "messageId", "at"}
    assert Birthday.decode(record.encode(), "x") == record.model_copy(
        update={"at": record.at.replace(microsecond=NOW.microsecond // 1000 * 1000)}
    )
