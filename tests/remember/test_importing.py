"""What an import leaves in the store: for whom the owner named or let in, nobody else, once, at its own time; the real stores, the real scripts."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fakes.town import Town
from fakes.watching import everything

from secondme.core.clock import to_ms
from secondme.core.errors import DataError
from secondme.core.exports.conversation import MOST_OF_CONTACT, MOST_OVERALL, MOST_TURNS
from secondme.core.exports.importer import FileReport, Importer, ImportOptions
from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage, Turn
from secondme.core.remember.store import OVERALL_CAP, OWN_CAP, Recollected, RecollectionStore, StyleStore, contacts_given
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.history import HistoryStore

ANNA = ContactId("local:anna")
APPROVED = ((ANNA, "Anna"),)


class Keeping:
    """The real stores behind what an importer knows of them."""

    def __init__(self, store: Store, *, execute: bool = True) -> None:
        self.recollection, self.style = RecollectionStore(store, execute=execute), StyleStore(store)
        self.store, self.execute = store, execute

    async def turns(self, contact: ContactId, turns: Sequence[Turn], *, named: bool, digest: str) -> Recollected:
        return await self.recollection.recollect(contact, turns, named=named, digest=digest)

    async def own(self, contact: ContactId | None, messages: Sequence[OwnMessage], *, named: bool, digest: str) -> int:
        return await self.style.add(contact, messages, named=named, digest=digest) if self.execute else 0

    async def given(self, contact: ContactId | None, digest: str) -> set[str]:
        return await self.style.given(contact, digest)

    async def retract(self, contact: ContactId | None, digest: str, ids: Collection[str]) -> int:
        return await self.style.retract(contact, digest, ids, execute=self.execute)

    def contacts(self, digest: str) -> AsyncIterator[ContactId]:
        return contacts_given(self.store, digest)


def lines(*said: tuple[str, str], minutes: int = 60, step: int = 1) -> str:
    """A chat that began so many minutes ago, in UTC."""
    start = datetime.now(UTC).replace(second=0) - timedelta(minutes=minutes)
    moments = (start + timedelta(minutes=n * step) for n in range(len(said)))
    return "".join(f"{moment:%Y-%m-%d %H:%M} - {who}: {text}\n" for moment, (who, text) in zip(moments, said, strict=True))


def said_at(line: str) -> datetime:
    """When a line of `lines` was said."""
    return datetime.fromisoformat(line[:16]).replace(tzinfo=UTC)


async def do(store: Store, folder: Path, text: str, *, execute: bool = True, zone: tzinfo = UTC, **wishes: Any) -> FileReport:
    path = folder / "chat.txt"
    path.write_text(text)
    asked = ImportOptions(zone=zone, now=datetime.now(UTC), usual_name="Sam", **wishes)
    return await Importer(Keeping(store, execute=execute), asked).whatsapp(path)


TALK = lines(("Anna", "are you coming?"), ("Sam", "yes"), ("Sam", "at eight"), ("Anna", "<Media omitted>"), ("Anna", "good"))


async def test_a_chat_of_somebody_let_in_becomes_history_and_style(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    report = await do(store, tmp_path, TALK, approved=APPROVED)
    assert (report.chats[0].why, report.chats[0].contact, report.chats[0].me) == ("name", ANNA, "Sam")
    assert (report.turns.added, report.own.added, report.own.found) == (4, 2, 2)
    turns = await HistoryStore(store).recent(ANNA, 10)
    assert [(turn.role, turn.type, turn.content) for turn in turns] == [
        ("user", "incoming", "are you coming?"),
        ("assistant", "fromMe", "yes"),
        ("assistant", "fromMe", "at eight"),
        ("user", "incoming", "good"),
    ]
    own = await StyleStore(store).own(ANNA)
    assert [(each.text, each.before, each.follows) for each in own] == [("yes", "are you coming?", False), ("at eight", "", True)]
    assert [each.id for each in own] == [turn.id for turn in turns if turn.role == "assistant"]


async def test_doing_it_again_adds_nothing_and_changes_nothing(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    await do(store, tmp_path, TALK, approved=APPROVED)
    before = await everything(store.client)
    again = await do(store, tmp_path, TALK, approved=APPROVED)
    assert (again.turns.added, again.turns.known, again.own.added, again.own.known) == (0, 4, 0, 2)
    assert await everything(store.client) == before
    longer = await do(store, tmp_path, TALK + lines(("Sam", "bye"), minutes=1), approved=APPROVED)
    assert (longer.turns.added, longer.own.added) == (1, 1)


async def test_of_a_stranger_nothing_is_kept(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, TALK, approved=APPROVED[:0])
    assert (report.chats[0].why, report.turns.found, report.own.added) == ("unknown", 0, 2)
    left = await everything(store.client)
    assert set(left) == {keys.STYLE_OVERALL}
    assert not any(word in str(left) for word in ("Anna", "coming", "eight", "good"))


async def test_a_dry_run_writes_nothing(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    before = await everything(store.client)
    report = await do(store, tmp_path, TALK, execute=False, approved=APPROVED)
    assert (report.turns.added, await everything(store.client) == before) == (4, True)


async def test_whom_the_owner_names_is_kept_before_being_let_in(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, TALK, contact=ANNA)
    assert (report.chats[0].why, report.turns.added, report.own.added) == ("named", 4, 2)


async def test_who_was_revoked_meanwhile_is_not_kept(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, TALK, approved=APPROVED)
    assert (report.chats[0].contact, report.chats[0].why) == (None, "not_approved")
    assert await everything(store.client) == {}


async def test_a_name_must_be_one_persons(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, TALK, approved=((ANNA, "ANNA"), (ContactId("local:other"), "anna")))
    assert (report.chats[0].contact, report.chats[0].why, report.turns.added) == (None, "several", 0)


async def test_of_a_group_only_the_owners_words_are_measured(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    before = await everything(store.client)
    report = await do(store, tmp_path, TALK + lines(("Ben", "me too")), approved=APPROVED, me="Sam", contact=ANNA)
    assert (report.chats[0].contact, report.chats[0].why, report.own.added) == (None, "group", 2)
    left = await everything(store.client)
    assert set(left) - set(before) == {keys.STYLE_OVERALL}


@pytest.mark.parametrize(
    ("text", "me", "code"),
    [
        (TALK.replace("Sam", "Samuel"), "", "owner_unknown"),
        (TALK, "Carl", "no_such_person"),
        (TALK + lines(("Ben", "x")), "", "owner_unknown"),
        (TALK + lines(("SAM", "x")), "sam", "name_not_unique"),
    ],
    ids=["another name", "nobody of that name", "three people", "two of that name"],  # the talk names the minute of the import
)
async def test_an_owner_who_is_not_clear_is_asked_for_with_the_names(
    text: str, me: str, code: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as refused:
        await do(store, tmp_path, text, me=me)
    assert (refused.value.code, "Anna" in refused.value.message, "--me" in refused.value.fix) == (code, True, True)
    assert await everything(store.client) == {}


async def test_the_owner_is_named_in_any_case_and_form(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, TALK.replace("Sam", "~ Zoé"), me="ZOE\u0301", contact=ANNA)
    assert (report.chats[0].me, report.own.added) == ("~ Zoé", 2)


async def test_what_was_kept_when_it_was_said_is_not_kept_twice(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    asked, answered = (said_at(line) + timedelta(seconds=40) for line in TALK.splitlines()[:2])  # exports know minutes
    await town.writes("anna", "are you coming?", sent_at=asked)
    await town.writes("anna", "yes", from_me=True, sent_at=answered)
    await town.learner.catch_up()
    report = await do(store, tmp_path, TALK, approved=APPROVED)
    assert (report.turns.added, report.turns.known, report.own.added, report.own.known) == (2, 2, 1, 1)
    assert [turn.content for turn in await HistoryStore(store).recent(ANNA, 10)] == ["are you coming?", "yes", "at eight", "good"]
    assert await town.learner.learn(ANNA) == 0


async def test_what_was_said_in_the_minute_of_a_live_turn_stands_after_it(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    text = lines(("Anna", "one"), ("Sam", "two"), ("Anna", "three"), step=0)
    await town.writes("anna", "one", sent_at=said_at(text) + timedelta(seconds=50))
    await do(store, tmp_path, text, approved=APPROVED)
    assert [turn.content for turn in await HistoryStore(store).recent(ANNA, 10)] == ["one", "two", "three"]


async def test_the_same_words_said_once_in_life_are_one_of_two_in_an_export(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    text = lines(("Anna", "ok"), ("Anna", "ok"), ("Sam", "ok"))
    await town.writes("anna", "ok", sent_at=said_at(text))
    report = await do(store, tmp_path, text, approved=APPROVED)
    assert (report.turns.added, report.turns.known) == (2, 1)
    assert (await do(store, tmp_path, text, approved=APPROVED)).turns.added == 0


async def test_messages_of_one_minute_keep_their_order_and_their_time(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    texts = [("Anna" if n % 3 else "Sam", f"{chr(122 - n)} says") for n in range(26)] + [("Anna", "same"), ("Anna", "same")]
    await do(store, tmp_path, lines(*texts, step=0), approved=APPROVED)
    turns = await HistoryStore(store).recent(ANNA, 50)
    assert [turn.content for turn in turns] == [text for _, text in texts]
    assert len({turn.timestamp for turn in turns}) == len(texts)
    assert turns[-1].timestamp - turns[0].timestamp == timedelta(milliseconds=len(texts) - 1)
    own = await StyleStore(store).own(ANNA)
    assert [each.text for each in own] == [text for who, text in texts if who == "Sam"]


async def test_the_history_holds_the_newest_hundred_of_a_week_and_ends_with_them(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    week = [("Anna" if n % 2 else "Sam", f"word {n}") for n in range(400)]
    text = lines(*week, minutes=60 * 24 * 12, step=40)
    report = await do(store, tmp_path, text, approved=APPROVED)
    raw = await store.client.zrange(keys.history(ANNA), 0, -1, withscores=True)
    assert (len(raw), json.loads(raw[-1][0])["content"], report.turns.added) == (100, "word 399", 100)
    ends_in = await store.client.pttl(keys.history(ANNA))
    assert abs(ends_in - (raw[-1][1] + 7 * 86_400_000 - to_ms(datetime.now(UTC)))) < 60_000
    assert (await do(store, tmp_path, text, approved=APPROVED)).turns.added == 0
    assert (await do(store, tmp_path, lines(*week[:10], minutes=60 * 24 * 8), approved=APPROVED)).turns.found == 0


async def test_many_messages_keep_the_newest(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    text = lines(*[("Anna" if n % 2 else "Sam", f"word {n}") for n in range(3000)], minutes=4000)
    assert (await do(store, tmp_path, text, approved=())).own.added == OVERALL_CAP
    report = await do(store, tmp_path, text, approved=APPROVED)
    own = await StyleStore(store).own(ANNA)
    assert (report.own.found, report.own.added, len(own), own[-1].text) == (1500, OWN_CAP, OWN_CAP, "word 2998")


def test_as_much_is_gathered_as_is_kept() -> None:
    assert (MOST_OF_CONTACT, MOST_OVERALL, MOST_TURNS) == (OWN_CAP, OVERALL_CAP, 100)


async def test_the_zone_says_when_it_was(store: Store, tmp_path: Path) -> None:
    text = "2024-07-01 12:00 - Sam: hi\n2024-07-01 12:01 - Anna: ho\n"
    await do(store, tmp_path, text, contact=ANNA, zone=ZoneInfo("Asia/Kolkata"))
    assert [each.at.isoformat() for each in await StyleStore(store).own(ANNA)] == ["2024-07-01T06:30:00+00:00"]


async def test_what_was_before_is_clipped_newest_last(store: Store, tmp_path: Path) -> None:
    await do(
        store, tmp_path, lines(("Anna", "x" * 400), ("Anna", "y" * 200), ("Sam", "ok"), ("Anna", "z"), ("Sam", "no")), contact=ANNA
    )
    first, second = await StyleStore(store).own(ANNA)
    assert (first.before, second.before, second.follows) == ("x" * 299 + "\n" + "y" * 200, "z", False)


async def test_two_imports_at_once_keep_everything_once(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    (tmp_path / "other").mkdir()
    both = await asyncio.gather(
        do(store, tmp_path, TALK, approved=APPROVED), do(store, tmp_path / "other", TALK, approved=APPROVED)
    )
    assert sum(each.turns.added for each in both) == 4
    assert len(await HistoryStore(store).recent(ANNA, 10)) == 4


async def test_a_cancelled_import_reads_no_further(store: Store, tmp_path: Path) -> None:
    path, told, begun, go_on = tmp_path / "chat.txt", [], threading.Event(), threading.Event()
    path.write_text(TALK * 10_000)

    def progress(_: Path, more: int, __: int) -> None:
        told.append(more)
        begun.set()
        go_on.wait(60)

    wishes = ImportOptions(zone=UTC, now=datetime.now(UTC), me="Sam", contact=ANNA)
    importing = asyncio.ensure_future(Importer(Keeping(store), wishes, progress).whatsapp(path))
    await asyncio.to_thread(begun.wait, 60)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert (len(told), await everything(store.client)) == (1, {})


async def test_a_history_that_is_none_is_left_as_it_is(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    await store.client.set(keys.history(ANNA), "not a history")
    with pytest.raises(DataError, match="left as it is"):
        await do(store, tmp_path, TALK, approved=APPROVED)
    assert await store.client.get(keys.history(ANNA)) == b"not a history"


async def test_forgetting_a_contact_forgets_what_was_imported(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    await do(store, tmp_path, TALK, approved=APPROVED)
    await town.owner.deny("local:anna")
    left = str(await everything(store.client))
    assert not any(word in left for word in ("are you coming", "at eight", "good"))
