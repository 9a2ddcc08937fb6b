"""Do messages that were set aside come back once, in their order, and only to who is let in?"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes.process import Cli
from fakes.town import Town
from redis import Redis

from secondme.core.errors import BusyError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.queue.store import DeadLetterStore, Revived
from secondme.core.records import Burst
from secondme.core.store import keys

ANNA = ContactId("local:anna")


async def crash(town: Town, count: int = 6) -> None:
    """Every message that waits is begun and not finished so often that the first one of each contact is set aside."""
    for _ in range(count):
        for token in await town.tokens():
            burst = await town.inbox.begin(token, "w")
            if isinstance(burst, Burst):
                await town.inbox.defer(token, "w", burst.fence, delay_s=0, reason="error", forgive=False)


async def dead(town: Town, *texts: str, who: str = "anna") -> None:
    """These messages of a contact were set aside, the first one first."""
    for text in texts:
        await town.writes(who, text)
        await crash(town)
    assert await waiting(town, who) == []


async def waiting(town: Town, who: str = "anna") -> list[str]:
    """What the contact's inbox holds, oldest first."""
    return [json.loads(raw)["content"] for raw in await town.store.client.lrange(keys.inbox(f"local:{who}"), 0, -1)]


async def replies(town: Town) -> list[str]:
    """What each burst came to, and that nothing is left of them."""
    done = await town.work()
    assert await town.store.client.xlen(keys.QUEUE) == 0
    return done


async def test_they_come_back_before_what_waits_and_are_answered_once(town: Town) -> None:
    await town.let_in("anna")
    await dead(town, "one", "two")
    await town.writes("anna", "three")
    store = DeadLetterStore(town.store)
    assert [letter.mail.content for letter in await store.letters() if letter.mail] == ["one", "two"]
    assert await store.retry(ANNA) == Revived(2, 0)
    assert await waiting(town) == ["one", "two", "three"]
    assert await replies(town) == ["answered"]
    assert (await waiting(town), await store.letters()) == ([], [])
    with pytest.raises(NotFoundError):
        await store.retry(ANNA)


async def test_an_empty_inbox_gets_a_token_and_a_full_one_keeps_its_own(town: Town) -> None:
    await town.let_in("anna")
    await dead(town, "one")
    assert await town.store.client.xlen(keys.QUEUE) == 0
    await DeadLetterStore(town.store).retry(ANNA)
    assert await town.store.client.xlen(keys.QUEUE) == 1
    assert await town.store.client.sismember(keys.QUEUE_ACTIVE, ANNA)
    assert await replies(town) == ["answered"]


async def test_what_is_being_composed_meanwhile_is_void_and_composed_anew_with_all_of_it(town: Town) -> None:
    await town.let_in("anna")
    await dead(town, "one")
    await town.writes("anna", "two")
    [token] = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert isinstance(burst, Burst)
    await DeadLetterStore(town.store).retry(ANNA)
    assert await town.inbox.finish(burst, "w", []) is False
    assert await waiting(town) == ["one", "two"]
    await town.inbox.defer(token, "w", None, delay_s=0, reason="handed_back", forgive=True)  # as a worker that lost its lease does
    assert await replies(town) == ["answered"]
    assert await waiting(town) == []


async def test_nothing_is_there_twice(town: Town) -> None:
    await town.let_in("anna")
    await dead(town, "one")
    [letter] = await town.store.client.lrange(keys.dead(ANNA), 0, -1)
    await town.store.client.rpush(keys.dead(ANNA), letter)
    await town.store.client.rpush(keys.inbox(ANNA), letter)
    assert await DeadLetterStore(town.store).retry(ANNA) == Revived(0, 0)
    assert await waiting(town) == ["one"]


async def test_what_cannot_be_read_and_what_has_no_room_stays(town: Town) -> None:
    await town.let_in("anna")
    await dead(town, "one")
    await town.store.client.rpush(keys.dead(ANNA), "garbage", '{"messageId":"x"}')
    store = DeadLetterStore(town.store)
    assert [letter.mail is None for letter in await store.letters()] == [False, True, True]
    assert await store.retry(ANNA) == Revived(1, 2)
    assert await replies(town) == ["answered"]
    many = [json.dumps({"messageId": f"n{n}", "content": "x", "channelId": "local", "timestamp": 1}) for n in range(200)]
    await town.store.client.rpush(keys.inbox(ANNA), *many)
    await town.store.client.rpush(keys.dead(ANNA), many[0].replace("n0", "new"))
    assert await store.retry(ANNA) == Revived(0, 3)
    assert await store.drop(ANNA) == 3
    assert (await store.letters(), await town.store.client.exists(keys.dead(ANNA))) == ([], 0)


@pytest.mark.parametrize(("change", "code"), [("revoke", "not_approved"), ("off", "not_answered"), ("observe", "not_answered")])
async def test_who_would_not_be_answered_is_refused_and_keeps_their_letters(town: Town, change: str, code: str) -> None:
    await town.let_in("anna")
    await dead(town, "one")
    record = await town.store.client.get(keys.approved(ANNA))
    if change == "revoke":
        await town.store.client.delete(keys.approved(ANNA))
    else:
        await town.store.client.set(keys.approved(ANNA), record[:-1] + b',"replyMode":"%s"}' % change.encode())
    with pytest.raises(BusyError) as refused:
        await DeadLetterStore(town.store).retry(ANNA)
    assert refused.value.code == code
    assert (len(await DeadLetterStore(town.store).letters()), await waiting(town)) == (1, [])


# The command

LETTER: Callable[[str], str] = lambda who: json.dumps(  # noqa: E731
    {
        "messageId": f"m-{who}",
        "contactId": f"local:{who}",
        "channelId": "local",
        "normalizedContactId": f"local:{who}",
        "contactName": f"\x1b[31m{who}",
        "content": "\x1b]0;secret\x07 words\n2nd",
        "timestamp": 1_700_000_000_000,
    }
)


@pytest.fixture
def letters(door: Redis) -> Redis:
    """A message of Anna's, one of Cara's who was denied, and one that cannot be read."""
    for number, who in enumerate(("anna", "cara")):
        door.rpush(keys.dead(f"local:{who}"), LETTER(who))
        door.zadd(keys.DEAD_INDEX, {f"local:{who}": 1_700_000_001_000 + number})
    door.rpush(keys.dead("local:anna"), "garbage")
    return door


def data(result: Any) -> dict[str, Any]:
    return json.loads(result.stdout)["data"]  # type: ignore[no-any-return]


@pytest.mark.usefixtures("letters")
def test_the_list_says_who_when_and_why_and_the_words_only_when_asked(cli: Cli) -> None:
    rows = data(cli("dead", "list", "--json"))["letters"]
    assert [(row["contactId"], row["readable"], row["sentAt"]) for row in rows] == [
        ("local:cara", True, "2023-11-14T22:13:20Z"),
        ("local:anna", True, "2023-11-14T22:13:20Z"),
        ("local:anna", False, None),
    ]
    assert rows[0]["displayName"] == "[31mcara"
    assert "text" not in rows[0]
    shown = cli("dead", "list").stdout
    assert ("words" in shown, "5 attempts failed" in shown, "it cannot be read" in shown) == (False, True, True)
    asked = cli("dead", "list", "--text").stdout
    assert "]0;secret words 2nd" in asked
    assert "\x1b" not in asked


def test_all_puts_back_what_may_and_says_what_may_not(cli: Cli, letters: Redis) -> None:
    result = cli("dead", "retry", "--all", "--json")
    envelope = json.loads(result.stdout)
    assert (result.exit_code, envelope["status"]) == (75, "partial")
    outcome = {"contactId": "local:anna", "outcome": "revived", "messages": 1, "left": 1, "tooOld": True}
    assert envelope["data"]["contacts"] == [outcome]
    assert [error["fix"] for error in envelope["errors"]] == ["secondme dead drop local:cara"]
    assert letters.llen(keys.inbox("local:anna")) == 1
    assert letters.xlen(keys.QUEUE) == 1


def test_a_letter_is_dropped_by_name_or_id_and_nothing_else_is(cli: Cli, letters: Redis) -> None:
    assert cli("dead", "drop", "local:cara").stdout == "1 message of local:cara dropped.\n"
    assert cli("dead", "drop", "Anna").stdout == "2 messages of local:anna dropped.\n"
    assert letters.exists(keys.DEAD_INDEX) == 0
    assert cli("dead", "list").stdout == "Every message could be worked on.\n"
    gone = cli("dead", "retry", "anna")
    assert (gone.exit_code, gone.stderr) == (65, "secondme: Nothing of local:anna was set aside. Try: secondme dead list\n")
    assert cli("dead", "retry", "--all").exit_code == 0


@pytest.mark.parametrize("words", [(), ("anna", "--all")])
def test_one_contact_or_all_must_be_named(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("dead", "drop", *words).exit_code == 2
