"""What a Telegram export leaves: its ids say whose words are whose, so names decide nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.watching import everything
from remember.exports.test_telegram import ANNA, ME, account, chat, message
from remember.test_importing import Keeping

from secondme.core.errors import DataError
from secondme.core.exports.importer import FileReport, Importer, ImportOptions
from secondme.core.ids import ContactId
from secondme.core.remember.store import StyleStore
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.history import HistoryStore

CONTACT = ContactId("telegram:77")
BEN = {"from": "Ben", "from_id": "user9"}


def now(who: dict[str, str], text: Any, minutes: int = 10, **more: Any) -> dict[str, Any]:
    """A message of so many minutes ago. The phone's own time is somewhere else."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    return message(who, text, **more) | {
        "date": f"{moment + timedelta(hours=9):%Y-%m-%dT%H:%M:%S}",
        "date_unixtime": str(int(moment.timestamp())),
    }


async def do(store: Store, folder: Path, content: Any, **wishes: Any) -> FileReport:
    path = folder / "result.json"
    path.write_text(json.dumps(content))
    asked = ImportOptions(zone=UTC, now=datetime.now(UTC), usual_name="nobody", **wishes)
    return await Importer(Keeping(store), asked).telegram(path)


TALK = [now(ANNA, "coming?", 9), now(ME, "yes", 8), now(ME, "not mine", 7, forwarded_from="Ben"), now(ME, "look", 6, photo="a.jpg")]


async def test_one_chat_needs_neither_names_nor_a_zone(store: Store, tmp_path: Path) -> None:
    await store.client.set(keys.approved(CONTACT), "{}")
    report = await do(store, tmp_path, chat(*TALK), approved=((CONTACT, None),))
    assert (report.chats[0].why, report.turns.added, report.own.added) == ("id", 3, 2)
    turns = await HistoryStore(store).recent(CONTACT, 10)
    assert [turn.content for turn in turns] == ["coming?", "yes", "look"]
    assert timedelta(0) < datetime.now(UTC) - turns[-1].timestamp < timedelta(hours=1)
    again = await do(store, tmp_path, chat(*TALK), approved=((CONTACT, None),))
    assert (again.turns.added, again.own.added) == (0, 0)


async def test_a_name_is_no_id(store: Store, tmp_path: Path) -> None:
    report = await do(store, tmp_path, chat(*TALK), approved=((ContactId("telegram:78"), "Anna"), (ContactId("4915@c.us"), "Anna")))
    assert (report.chats[0].contact, report.chats[0].why, report.turns.added) == (None, "not_approved", 0)
    assert set(await everything(store.client)) == {keys.STYLE_OVERALL}


async def test_of_an_account_only_chats_with_people_are_read(store: Store, tmp_path: Path) -> None:
    await store.client.set(keys.approved(CONTACT), "{}")
    others = [chat(now(ME, f"to {kind}"), kind=kind, number=5) for kind in ("saved_messages", "bot_chat", "public_channel")]
    group = chat(now(ME, "to all"), now(BEN, "secret"), kind="private_group", number=3)
    report = await do(store, tmp_path, account(*others, chat(*TALK), group), approved=((CONTACT, "Anna"),))
    assert [each.why for each in report.chats] == ["saved_messages", "bot", "channel", "id", "group"]
    assert (report.own.found, report.own.added, report.turns.added) == (3, 3, 3)
    assert [each.text for each in await StyleStore(store).own(CONTACT)] == ["yes", "look"]
    assert "secret" not in str(await everything(store.client))


async def test_the_newest_over_all_chats_are_measured(store: Store, tmp_path: Path) -> None:
    old = chat(*[now(ME, f"old {n}", 50_000 + n) for n in range(600)], number=1)
    new = chat(*[now(ME, f"new {n}", 10 + n) for n in range(600)], number=2)
    report = await do(store, tmp_path, account(new, old))
    assert (report.own.found, report.own.added, report.own.known) == (1200, 1000, 0)


async def test_a_group_alone_does_not_say_who_exported_it(store: Store, tmp_path: Path) -> None:
    group = chat(now(ME, "hi"), now(ANNA, "ho"), now(BEN, "hu"), kind="private_group")
    with pytest.raises(DataError, match="In it speak: Sam, Anna, Ben"):
        await do(store, tmp_path, group)
    assert (await do(store, tmp_path, group, me="sam")).own.added == 1


async def test_a_contact_is_named_for_one_chat_only(store: Store, tmp_path: Path) -> None:
    two = account(chat(*TALK), chat(*TALK, number=78))
    with pytest.raises(DataError, match="names one chat"):
        await do(store, tmp_path, two, contact=CONTACT)
    assert (await do(store, tmp_path, account(chat(*TALK)), contact=ContactId("4915@c.us"))).chats[0].why == "named"
