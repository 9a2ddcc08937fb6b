"""A whole conversation out of an export, in a reply of today: imported by the real command, recalled by the real gateway, replaced, withdrawn
and forgotten."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli
from fakes.town import Town
from flows.test_memory import ANNA, BEN, asked

from secondme.core.clock import from_ms, to_ms
from secondme.core.ids import ContactId
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Attachment, AttachmentKind, Composed, Usage
from secondme.core.store import keys

LONG_AGO = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=240)
DAY_MS = 86_400_000
TALK = (
    ("Anna", "we finally chose a name for the dog"),
    ("Sam", "tell me!"),
    ("Anna", "he is called Bartholomew"),
    ("Sam", "my sister is called Josephine, like her grandmother"),
)


@pytest.fixture
async def town(town: Town) -> Town:
    """Anna and Ben are in. No gateway has run yet: people import their chats first."""
    await town.let_in("anna")
    await town.let_in("ben")
    return town


def export(folder: Path, *said: tuple[str, str], since: datetime = LONG_AGO, name: str = "chat.txt") -> Path:
    """A chat, a line a minute."""
    lines = (f"{since + timedelta(minutes=at):%Y-%m-%d, %H:%M} - {who}: {text}\n" for at, (who, text) in enumerate(said))
    path = folder / name
    path.write_text("".join(lines))
    return path


async def imports(cli: Cli, path: Path, contact: str = ANNA) -> dict[str, Any]:
    """What the real command says that it did."""
    words = ("import", "whatsapp", str(path), "--me", "Sam", "--contact", contact, "--timezone", "UTC", "--json")
    result = await asyncio.to_thread(cli, *words)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout)["data"])


def texts(town: Town, contact: ContactId = ANNA) -> list[str]:
    return [each.text for each in town.services.memories.messages(contact)]


def bytes_left(town: Town, *words: str) -> list[str]:
    """The words that any file of the memory still holds."""
    held = b"".join(path.read_bytes() for path in town.setup.places.memory.rglob("*") if path.is_file())
    return [word for word in words if word.encode() in held]


async def test_what_an_export_says_is_in_the_prompt_of_this_person_and_of_nobody_else(town: Town, cli: Cli, tmp_path: Path) -> None:
    await imports(cli, export(tmp_path, *TALK))
    await town.services.memory_feed.begin()
    recalled = await asked(town, "anna", "what is the name of the dog again?")
    rows = [json.loads(line) for line in recalled.splitlines()]
    (row,) = [each for each in rows if "Bartholomew" in json.dumps(each)]
    assert row["who"] == "contact"
    assert f"{LONG_AGO:%Y-%m-%d}" in json.dumps(row)
    assert [each["who"] for each in rows if "Josephine" in json.dumps(each)] in ([], ["owner"])
    assert await asked(town, "ben", "what is the name of the dog again? is it Bartholomew?") == ""
    assert all(
        "Bartholomew is" not in block.text and "called Bartholomew" not in block.text for block in town.model.prompts[-1].system
    )
    assert town.services.memories.messages(BEN) == []


async def test_importing_again_changes_nothing_and_a_longer_export_adds_what_is_new(town: Town, cli: Cli, tmp_path: Path) -> None:
    await imports(cli, export(tmp_path, *TALK))
    before = town.services.memories.messages(ANNA)
    await imports(cli, export(tmp_path, *TALK))
    assert town.services.memories.messages(ANNA) == before
    await imports(cli, export(tmp_path, *TALK, ("Anna", "see you in Porto")))
    await town.services.memory_feed.begin()
    await imports(cli, export(tmp_path, *TALK))
    assert texts(town) == [*(text for _, text in TALK), "see you in Porto"]
    assert [each.at_ms for each in town.services.memories.messages(ANNA)] == [
        to_ms(LONG_AGO + timedelta(minutes=at)) for at in range(5)
    ]


async def test_a_file_that_was_given_to_the_wrong_person_is_theirs_no_more(town: Town, cli: Cli, tmp_path: Path) -> None:
    """Also when it is of today, and a gateway has read the histories since."""
    path = export(tmp_path, *TALK, since=datetime.now(UTC) - timedelta(hours=1))
    await imports(cli, path, BEN)
    await town.services.memory_feed.begin()
    await imports(cli, path, ANNA)
    assert (texts(town, BEN), texts(town)) == ([], [text for _, text in TALK])
    town.services.memories.forget(ANNA)
    assert bytes_left(town, "Bartholomew", "bartholomew", "Josephine") == []


async def test_what_another_file_gave_too_stays(town: Town, cli: Cli, tmp_path: Path) -> None:
    short, whole = export(tmp_path, *TALK[:3], name="short.txt"), export(tmp_path, *TALK, name="whole.txt")
    await imports(cli, short)
    await imports(cli, whole)
    await imports(cli, short, BEN)  # it was his, as it turns out
    assert texts(town) == [text for _, text in TALK]
    await imports(cli, whole, BEN)
    assert (texts(town), texts(town, BEN)) == ([], [text for _, text in TALK])


LONG = tuple(("Anna" if number % 2 else "Sam", f"line number {number}") for number in range(12))
CHANGED = (*LONG[:4], ("Sam", "line number four, corrected"), *LONG[5:7], *LONG[8:], ("Anna", "and one more"))
"""A later export of the same chat: one line was edited, one deleted (whose minute is not there any more)."""


def line(number: int) -> str:
    return LONG[number][1]


def later_export(folder: Path) -> Path:
    """`CHANGED`, each line at the time that it had."""
    minutes = [*range(7), *range(8, 13)]
    lines = zip(minutes, CHANGED, strict=True)
    path = folder / "later.txt"
    path.write_text("".join(f"{LONG_AGO + timedelta(minutes=at):%Y-%m-%d, %H:%M} - {who}: {text}\n" for at, (who, text) in lines))
    return path


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
async def test_a_line_that_was_edited_or_deleted_before_a_newer_export_is_so_in_memory(
    order: tuple[int, ...], town: Town, cli: Cli, tmp_path: Path
) -> None:
    files = [export(tmp_path, *LONG), later_export(tmp_path)]
    for number in order:
        await imports(cli, files[number])
    assert texts(town) == [text for _, text in CHANGED]
    assert bytes_left(town, line(7)) == []


async def test_another_chat_and_another_time_are_left_alone(town: Town, cli: Cli, tmp_path: Path) -> None:
    other = tuple((who, f"somewhere else {number}") for number, (who, _) in enumerate(LONG))
    await imports(cli, export(tmp_path, *LONG, name="one.txt"))
    await imports(cli, export(tmp_path, *other, name="other.txt"))  # another app, at the same time
    await imports(cli, export(tmp_path, *LONG[6:], since=LONG_AGO + timedelta(minutes=6), name="end.txt"))  # as apps cut long chats
    assert sorted(texts(town)) == sorted(text for _, text in (*LONG, *other))


async def test_an_import_that_fails_in_its_middle_has_changed_nothing(town: Town, cli: Cli, tmp_path: Path) -> None:
    await imports(cli, export(tmp_path, *TALK[:3]))
    before = town.services.memories.messages(ANNA)
    await town.store.client.delete(keys.history(ANNA))
    await town.store.client.set(keys.history(ANNA), "no history")  # found when the whole file was read
    words = ("import", "whatsapp", str(export(tmp_path, *TALK)), "--me", "Sam", "--contact", ANNA)
    assert (await asyncio.to_thread(cli, *words)).exit_code == 65
    assert town.services.memories.messages(ANNA) == before


async def test_the_clone_s_own_words_are_nobody_s_facts_and_stand_there_once(town: Town, cli: Cli, tmp_path: Path) -> None:
    """The owner's phone exports what the clone wrote as the owner's."""
    await town.services.journals.switch(on=False)  # they were said before there was a memory
    replies = ["My sister is called Philomena.", "I live in Atlantis."]
    for reply in replies:
        town.model.script = lambda _, reply=reply: Composed(reply, Usage(10, 5))  # type: ignore[misc]
        await town.writes("anna", f"hm? {reply[:4]}")
        await town.work()
        await town.deliver()
    turns = [json.loads(turn) for turn in await town.store.client.zrange(keys.history(ANNA), 0, -1)]
    lines = []
    for number, turn in enumerate(turns):
        # the phone has its own clock: here a few seconds later, in the next minute
        at = from_ms(turn["timestamp"]) + timedelta(seconds=60 if number == len(turns) - 1 else 0)
        lines.append(f"{at:%Y-%m-%d, %H:%M} - {'Anna' if turn['role'] == 'user' else 'Sam'}: {turn['content']}\n")
    path = tmp_path / "chat.txt"
    path.write_text("".join(lines))
    await imports(cli, path)
    said = town.services.memories.messages(ANNA)
    assert [each.text for each in said] == [turn["content"] for turn in turns]
    assert [each.speaker for each in said if each.text in replies] == ["clone", "clone"]
    assert town.services.memories.facts(ANNA) == []


async def test_the_owner_s_words_of_an_export_are_the_owner_s_facts(town: Town, cli: Cli, tmp_path: Path) -> None:
    await imports(cli, export(tmp_path, *TALK, ("Anna", "I live in Porto")))
    facts = [(each.fact.speaker.value, each.fact.kind, each.fact.object) for each in town.services.memories.facts(ANNA)]
    assert sorted(facts) == [("contact", "home", "Porto"), ("owner", "kin_sister", "Josephine")]
    await imports(cli, export(tmp_path, *TALK, ("Anna", "I live in Porto")), BEN)
    assert town.services.memories.facts(ANNA) == []


async def test_what_can_be_looked_at_once_is_only_a_word_in_brackets(town: Town) -> None:
    await town.services.memory_feed.begin()
    photo = Attachment(AttachmentKind.PHOTO, is_view_once=True)
    await town.writes("anna", "", attachments=(photo,))
    await town.services.memory_feed.catch_up()
    assert texts(town) == ["[photo, view once]"]


async def test_what_is_withdrawn_is_gone_from_every_file_within_one_pass(town: Town) -> None:
    feed = town.services.memory_feed
    await feed.begin()
    first, second = town.message("anna", "my dog is called Quicksilver"), town.message("anna", "the code is zebra")
    await town.gateway.receive(first)
    await feed.catch_up()
    assert [each.fact.object for each in town.services.memories.facts(ANNA)] == ["Quicksilver"]
    await town.gateway.receive(second)
    await town.gateway.receive(town.message("anna", "", revokes=first.message_id))
    await town.gateway.receive(town.message("anna", "", revokes=second.message_id))  # before anybody has read it
    await feed.catch_up()
    assert (texts(town), town.services.memories.facts(ANNA)) == ([], [])
    assert bytes_left(town, "Quicksilver", "quicksilv", "zebra") == []


async def test_what_is_older_than_the_owner_wants_is_forgotten(town_with: Callable[..., Town], cli: Cli, tmp_path: Path) -> None:
    town = town_with(memory__keep_days=100)
    await town.let_in("anna")
    await imports(cli, export(tmp_path, *TALK))
    now_ms = town.clock.now_ms()
    said = [MemoryMessage(f"d{days}", now_ms - days * DAY_MS, "contact", f"said {days} days ago") for days in (101, 99, 1)]
    town.services.memories.append(ANNA, said)
    assert len(texts(town)) == len(TALK) + 3
    await town.services.memory_feed.tidy()
    assert texts(town) == ["said 99 days ago", "said 1 days ago"]
    assert bytes_left(town, "Bartholomew", "bartholomew", "Josephine", "101") == []
    await town.services.close()
