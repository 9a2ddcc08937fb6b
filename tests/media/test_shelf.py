"""What is kept of recordings and pictures: for the owner alone, for as long as they said, and gone with what it came with."""

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import opus
from fakes.town import Town
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.media.shelf import Shelf
from secondme.core.messages import Attachment, AttachmentKind

ANNA, BEN = "telegram:1", "telegram:2"
NOW, DAY_MS = 1_800_000_000_000, 86_400_000


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "media", 7)


def keep(shelf: Shelf, contact: str = ANNA, message: str = "m1", number: int = 0, *, now_ms: int = NOW, expires_s: int = 0) -> None:
    shelf.keep(contact, message, number, b"OggS", "audio/ogg", now_ms=now_ms, expires_s=expires_s)


def test_what_is_kept_is_found_by_its_message_and_is_nobody_elses(shelf: Shelf, tmp_path: Path) -> None:
    keep(shelf)
    keep(shelf, number=2)
    keep(shelf, BEN)
    assert sorted(shelf.find(ANNA, "m1")) == [0, 2]
    assert (shelf.find(ANNA, "m2"), list(shelf.find(BEN, "m1"))) == ({}, [0])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "media").rglob("*")}
    assert modes == {0o600, 0o700}
    assert "telegram" not in " ".join(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))


def test_it_goes_when_its_time_is_over_and_not_before(shelf: Shelf, tmp_path: Path) -> None:
    keep(shelf)
    keep(shelf, message="m2", expires_s=3600)
    assert shelf.next_ms() == NOW + 3_600_000
    assert shelf.sweep(NOW + 3_599_000) == 0
    assert shelf.sweep(NOW + 3_601_000) == 1
    assert list(shelf.find(ANNA, "m1")) == [0]
    assert shelf.sweep(NOW + 7 * DAY_MS + 1000) == 1
    assert (shelf.size(), shelf.next_ms(), list((tmp_path / "media").iterdir())) == ((0, 0), None, [])


def test_kept_again_it_is_there_once_and_for_as_long_as_the_last_time(shelf: Shelf) -> None:
    keep(shelf)
    keep(shelf, now_ms=NOW + DAY_MS)
    assert shelf.size()[0] == 1
    assert shelf.sweep(NOW + 7 * DAY_MS + 1000) == 0


def test_what_is_kept_for_no_days_is_there_for_the_reply(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "media", 0)
    keep(shelf)
    assert (shelf.sweep(NOW + 3_599_000), shelf.sweep(NOW + 3_601_000)) == (0, 1)


def test_what_a_kill_left_half_written_goes_an_hour_later(shelf: Shelf, tmp_path: Path) -> None:
    keep(shelf)
    (folder,) = (tmp_path / "media").iterdir()
    (folder / ".half-written").write_bytes(b"x")
    written_ms = int((folder / ".half-written").stat().st_mtime * 1000)
    assert shelf.sweep(written_ms) == 0 or written_ms > NOW + 7 * DAY_MS
    assert shelf.sweep(written_ms + 3_601_000) >= 1
    assert not (folder / ".half-written").exists()


def test_forgetting_takes_a_message_or_everything_of_a_contact(shelf: Shelf) -> None:
    for message in ("m1", "m2"):
        keep(shelf, message=message)
        keep(shelf, BEN, message)
    assert (shelf.drop(ANNA, "m1"), shelf.drop(ANNA, "m1")) == (1, 0)
    shelf.forget(BEN)
    assert [list(shelf.find(*each)) for each in ((ANNA, "m1"), (ANNA, "m2"), (BEN, "m1"))] == [[], [0], []]


@given(contact=st.text(max_size=80), message=st.text(max_size=80))
def test_no_id_leads_out_of_the_folder(contact: str, message: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "media"
        shelf = Shelf(root, 1)
        keep(shelf, contact, message)
        assert list(shelf.find(contact, message)) == [0]
        assert all(path.is_relative_to(root) for path in Path(place).rglob("*") if path.is_file())


async def test_a_note_of_a_disappearing_chat_disappears_with_it(town: Town) -> None:
    town.channel.files["p"] = b"no picture"
    await town.let_in("anna")
    note = Attachment(AttachmentKind.DOCUMENT, "image/png", handle="p")
    await town.writes("anna", "look", attachments=(note,), expires_s=60)
    await town.work()
    await town.read()
    (turn,) = await town.conversation.said(ContactId("local:anna"))
    assert turn.expires_at is not None
    assert turn.expires_at - turn.timestamp == timedelta(seconds=60)  # its line was rewritten, its end was not


async def test_a_restricted_contacts_note_is_heard_and_its_reply_is_the_owners(town_with: Callable[..., Town]) -> None:
    town = town_with(speech__enabled=True, speech__consent="stock-voice", speech__provider="command", speech__command="cat")
    town.channel.files["v"] = opus.silence(2)
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "hear this", attachments=(Attachment(AttachmentKind.VOICE, "audio/ogg", handle="v"),))
    assert await town.work() == ["answered"]
    ((held,), _) = await town.draft_store.held()
    assert (held.reason, held.row.speak) == ("tier", False)
    await town.services.close()
