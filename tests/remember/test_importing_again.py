"""A file that is imported again replaces what it gave before, and nothing else; its order is kept to the millisecond; and whole conversations
are handed on."""

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from fakes.town import Town
from fakes.watching import everything
from remember.test_importing import ANNA, APPROVED, Keeping, do, lines, said_at

from secondme.core.clock import to_ms
from secondme.core.exports.importer import BATCH, ImportedMessage, Importer, ImportOptions
from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage, Turn
from secondme.core.remember.store import RecollectionStore, StyleStore, contacts_given
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.history import HistoryStore

BEN = ContactId("local:ben")
TALK = lines(("Anna", "are you coming?"), ("Sam", "yes"), ("Anna", "good"), ("Sam", "at eight"))


async def words(store: Store, contact: ContactId = ANNA) -> tuple[list[str], list[str]]:
    """What the history and the style have, in their order."""
    turns = await HistoryStore(store).said(contact)
    return [turn.content for turn in turns], [each.text for each in await StyleStore(store).own(contact)]


async def measures(store: Store) -> int:
    return await store.client.hlen(keys.STYLE_OVERALL)


async def test_whom_it_was_wrongly_given_to_has_nothing_of_it_any_more(store: Store, tmp_path: Path) -> None:
    await do(store, tmp_path, TALK, contact=BEN)
    report = await do(store, tmp_path, TALK, contact=ANNA)
    assert (report.replaced, await words(store, BEN)) == (6, ([], []))
    assert await words(store) == (["are you coming?", "yes", "good", "at eight"], ["yes", "at eight"])
    assert {contact async for contact in contacts_given(store, "")} == set()
    assert await measures(store) == 2
    assert not await store.client.exists(keys.history(BEN), keys.own_messages(BEN))


async def test_another_owner_of_the_same_file_changes_all_rows(store: Store, tmp_path: Path) -> None:
    await do(store, tmp_path, TALK, contact=ANNA, me="Anna")
    assert (await words(store))[1] == ["are you coming?", "good"]
    report = await do(store, tmp_path, TALK, contact=ANNA, me="Sam")
    assert (report.replaced, report.turns.added, report.own.added) == (6, 4, 2)
    assert await words(store) == (["are you coming?", "yes", "good", "at eight"], ["yes", "at eight"])
    assert await measures(store) == 2
    before = await everything(store.client)
    again = await do(store, tmp_path, TALK, contact=ANNA, me="Sam")
    assert (again.replaced, await everything(store.client) == before) == (0, True)


async def test_a_dry_run_says_what_would_be_replaced(store: Store, tmp_path: Path) -> None:
    await do(store, tmp_path, TALK, contact=ANNA, me="Anna")
    before = await everything(store.client)
    report = await do(store, tmp_path, TALK, contact=ANNA, me="Sam", execute=False)
    assert (report.replaced, await everything(store.client) == before) == (6, True)


@pytest.mark.parametrize("first", [0, 1])
async def test_what_another_file_gave_too_stays(first: int, store: Store, tmp_path: Path) -> None:
    files = [TALK, TALK + lines(("Sam", "bye"), minutes=2)]
    await do(store, tmp_path, files[first], contact=ANNA)
    await do(store, tmp_path, files[1 - first], contact=ANNA)
    expected = (["are you coming?", "yes", "good", "at eight", "bye"], ["yes", "at eight", "bye"])
    assert await words(store) == expected
    await do(store, tmp_path, files[1], contact=BEN)  # the longer one was somebody else's: what it alone gave is gone
    assert await words(store) == (expected[0][:4], expected[1][:2])
    await do(store, tmp_path, files[0], contact=BEN)
    assert await words(store) == ([], [])


async def test_what_was_kept_as_it_was_said_stays(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    await town.writes("anna", "are you coming?", sent_at=said_at(TALK))
    await town.writes("anna", "wait", from_me=True, sent_at=said_at(TALK) + timedelta(seconds=20))
    await town.learner.catch_up()
    await do(store, tmp_path, TALK, approved=APPROVED)
    await do(store, tmp_path, TALK, contact=BEN)
    assert await words(store) == (["are you coming?", "wait"], ["wait"])


async def test_a_stranger_whose_chat_is_named_later_is_measured_once(store: Store, tmp_path: Path) -> None:
    await do(store, tmp_path, TALK)
    assert await measures(store) == 2
    await do(store, tmp_path, TALK, contact=ANNA)
    assert await measures(store) == 2


async def test_a_zip_is_the_same_file_as_its_text(store: Store, tmp_path: Path) -> None:
    from zipfile import ZipFile

    await do(store, tmp_path, TALK, contact=ANNA, me="Anna")
    with ZipFile(tmp_path / "chat.zip", "w") as archive:
        archive.writestr("_chat.txt", TALK)
    wishes = ImportOptions(zone=UTC, now=datetime.now(UTC), me="Sam", contact=ANNA)
    assert (await Importer(Keeping(store), wishes).whatsapp(tmp_path / "chat.zip")).replaced == 6


async def test_what_a_better_reader_leaves_out_is_gone_and_what_it_moves_is_moved(store: Store) -> None:
    """As the stores see two readers of one file: by its digest, and by what each takes for a person's words."""
    start, digest = datetime.now(UTC) - timedelta(hours=1), "0123456789abcdef01234567"

    def turn(name: str, at: int) -> Turn:
        return Turn(
            id=f"import:{name}",
            role="assistant",
            content=name,
            timestamp=start + timedelta(milliseconds=at),
            type="fromMe",
            sources=(digest,),
        )

    def own(name: str, before: str) -> OwnMessage:
        return OwnMessage(id=f"import:{name}", at=start, text=name, before=before, sources=(digest,))

    recollection, style = RecollectionStore(store, execute=True), StyleStore(store)
    await recollection.recollect(ANNA, [turn("a", 0), turn("notice", 1), turn("c", 2)], named=True, digest=digest)
    await style.add(ANNA, [own("a", ""), own("notice", "")], named=True, digest=digest)
    done = await recollection.recollect(ANNA, [turn("a", 0), turn("b", 1), turn("c", 5)], named=True, digest=digest)
    assert (done.added, done.known, done.gone) == (1, 2, 1)
    assert [(each.content, to_ms(each.timestamp) - to_ms(start)) for each in await HistoryStore(store).said(ANNA)] == [
        ("a", 0),
        ("b", 1),
        ("c", 5),
    ]
    assert await style.add(ANNA, [own("a", "more of it")], named=True, digest=digest) == 0
    assert await style.retract(ANNA, digest, await style.given(ANNA, digest) - {"import:a"}) == 1
    assert [(each.text, each.before) for each in await style.own(ANNA)] == [("a", "more of it")]
    assert await store.client.zcard(keys.history(ANNA)) == 3


async def test_rows_of_a_version_that_knew_no_files_are_brought_into_order(store: Store, tmp_path: Path) -> None:
    text = lines(("Anna", "how?"), *[("Sam", f"part {9 - n}") for n in range(9)], step=0)
    await do(store, tmp_path, text, contact=ANNA)
    style = StyleStore(store)
    own = [each.model_copy(update={"at": said_at(text), "sources": None}) for each in await style.own(ANNA)]
    await store.client.delete(keys.own_messages(ANNA), keys.history(ANNA))
    await style.add(ANNA, own, named=True)
    await do(store, tmp_path, text, contact=ANNA)
    assert (await words(store))[1] == [f"part {9 - n}" for n in range(9)]


async def test_a_row_remembers_eight_files(store: Store) -> None:
    message = OwnMessage(id="import:a", at=datetime.now(UTC), text="a")
    for n in range(12):
        await StyleStore(store).add(ANNA, [message.model_copy(update={"sources": (f"{n:024}",)})], named=True, digest=f"{n:024}")
    (kept,) = await StyleStore(store).own(ANNA)
    assert kept.sources == tuple(f"{n:024}" for n in range(4, 12))


@pytest.mark.parametrize("seed", range(5))
async def test_answers_of_a_minute_keep_their_order_everywhere(seed: int, store: Store, town: Town, tmp_path: Path) -> None:
    """40 answers of three messages, all of one in one minute, some in the minute of a question."""
    await town.let_in("anna")
    rng, said = Random(seed), []
    moment = datetime.now(UTC).replace(second=0) - timedelta(hours=5)
    for number in range(40):
        moment += timedelta(minutes=rng.randint(0, 3))
        said.append((moment, "Anna", f"question {rng.random()}"))
        moment += timedelta(minutes=rng.randint(0, 1))
        said += [(moment, "Sam", f"{rng.random()} part {number}.{part}") for part in range(3)]
    text = "".join(f"{at:%Y-%m-%d %H:%M} - {who}: {words}\n" for at, who, words in said)
    for _ in range(2):
        await do(store, tmp_path, text, approved=APPROVED)
        turns, own = await words(store)
        assert own == [words for _, who, words in said if who == "Sam"]
        assert turns == [words for _, _, words in said][-100:]
    longer = text + lines(("Anna", "and now?"), ("Sam", "now"), minutes=1, step=0)
    await do(store, tmp_path, longer, approved=APPROVED)
    assert (await words(store))[1][-2:] == [said[-1][2], "now"]
    profile = await StyleStore(store).profile(ANNA)
    assert profile is not None
    assert profile.messages_per_answer > 2


async def test_an_import_stands_right_among_what_was_seen_live(store: Store, town: Town, tmp_path: Path) -> None:
    await town.let_in("anna")
    text = lines(("Sam", "one"), ("Sam", "two"), ("Sam", "three"), step=0)
    await town.writes("anna", "two", from_me=True, sent_at=said_at(text) + timedelta(seconds=30))
    await town.learner.catch_up()
    for _ in range(2):
        await do(store, tmp_path, text, contact=ANNA)
        assert await words(store) == (["one", "two", "three"], ["one", "two", "three"])
    turns = await HistoryStore(store).recent(ANNA, 10)
    assert sorted(turns, key=lambda turn: turn.timestamp) == turns


async def test_the_same_words_in_a_minute_that_comes_again_are_two_messages(store: Store, tmp_path: Path) -> None:
    a, b = lines(("Sam", "ok")), lines(("Sam", "late"), minutes=61)
    await do(store, tmp_path, a + b + a, contact=ANNA)
    assert (await words(store))[1] == ["late", "ok", "ok"]


class ListSink:
    """Keeps what is handed on, as an index would."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[ImportedMessage]] = {}
        self.sizes: list[int] = []

    async def replace(self, contact: ContactId, digest: str, messages: AsyncIterator[Sequence[ImportedMessage]]) -> None:
        new: list[ImportedMessage] = []
        async for batch in messages:
            self.sizes.append(len(batch))
            new += batch
        self.kept[contact, digest] = new

    async def withdraw(self, digest: str, contacts: Collection[ContactId]) -> None:
        self.kept = {key: rows for key, rows in self.kept.items() if key[1] != digest or key[0] in contacts}


async def handed(store: Store, folder: Path, text: str, sink: ListSink, **wishes: object) -> None:
    path = folder / "chat.txt"
    path.write_text(text)
    asked = ImportOptions(zone=UTC, now=datetime.now(UTC), usual_name="Sam", **wishes)  # type: ignore[arg-type]
    await Importer(Keeping(store), asked, sink=sink).whatsapp(path)


async def test_a_conversation_is_handed_on_whole_in_order_and_in_batches(store: Store, tmp_path: Path) -> None:
    sink = ListSink()
    talk = [("Anna" if n % 3 else "Sam", "<Media omitted>" if n % 50 == 7 else f"word {n}") for n in range(2_700)]
    text = lines(*talk, minutes=60 * 24 * 900, step=400)
    await handed(store, tmp_path, text, sink, contact=ANNA)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    rows = sink.kept[ANNA, digest]
    assert [(each.speaker, each.text) for each in rows] == [
        ("owner" if who == "Sam" else "contact", words) for who, words in talk if not words.startswith("<")
    ]
    assert {(each.contact, each.digest) for each in rows} == {(ANNA, digest)}
    assert len({each.id for each in rows}) == len(rows)
    assert [each.at_ms for each in rows] == sorted({each.at_ms for each in rows})
    assert (max(sink.sizes) <= BATCH, len(sink.sizes) > 4) == (True, True)
    before = dict(sink.kept)
    await handed(store, tmp_path, text, sink, contact=ANNA)
    assert sink.kept == before
    await handed(store, tmp_path, text, sink, contact=BEN)
    assert set(sink.kept) == {(BEN, digest)}
    await handed(store, tmp_path, text, sink)
    assert sink.kept == {}


async def test_ids_that_are_handed_on_are_those_of_the_history(store: Store, tmp_path: Path) -> None:
    sink = ListSink()
    await handed(store, tmp_path, TALK, sink, contact=ANNA)
    (rows,) = sink.kept.values()
    stored = [json.loads(raw) for raw in await store.client.zrange(keys.history(ANNA), 0, -1)]
    assert [(each.id, each.at_ms) for each in rows] == [(each["id"], each["timestamp"]) for each in stored]


async def test_of_who_may_not_be_kept_nothing_is_handed_on(store: Store, tmp_path: Path) -> None:
    sink = ListSink()
    await handed(store, tmp_path, TALK, sink, approved=APPROVED)  # revoked meanwhile: the store does not know them
    await handed(store, tmp_path, TALK + lines(("Ben", "me too")), sink, me="Sam", contact=ANNA)
    assert sink.kept == {}
