"""One broken record hurts one contact: no script does half its work, and nothing of anybody else stops."""

import ast
import inspect
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.house import house
from fakes.job_house import live_with_jobs
from fakes.process import environment, eventually
from fakes.town import Town
from fakes.watching import Ear, everything
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

import secondme
from secondme.core.clock import from_ms
from secondme.core.config.loader import Setup
from secondme.core.dates import NamedDate
from secondme.core.doctor.store import missing_right
from secondme.core.enums import Relationship, Tier
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, Attachment, AttachmentKind, Challenge, Usage
from secondme.core.records import NewRow, OwnMessage, Turn
from secondme.core.remember.occasions import BirthdaySource, birthday
from secondme.core.remember.store import RecollectionStore
from secondme.core.store import key_types, keys, scripts
from secondme.core.store.client import Store
from secondme.core.store.clock_store import ClockSetBack, ClockStore
from secondme.core.store.failures import explain
from secondme.core.store.server import Role
from secondme.core.webhooks.desk import NewWebhook
from secondme.core.webhooks.records import WebhookMessage
from secondme.core.webhooks.store import ClaimedMessage, TryOutcome

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
ELSEWHERE = {"account", "adopt", "expect", "inherit", "keep"}
"""Scripts of the migration: run by hand into a home of its own, and all of it may be repeated."""
READERS = {"due", "recent", "glance"}
TOLERANT = {"remove", "forget"}
"""What must be taken away is, however broken it is: they write as far as they can."""


class RecordingStore(Store):
    """Remembers what each script was last called with, and what was in the store just before."""

    async def run(self, name: str, args: tuple[str | bytes | int, ...] = (), /, **of: str | Iterable[str]) -> Any:
        kept = {key: await self.client.dump(key) for key in [key async for key in self.client.scan_iter()]}
        self.calls.setdefault(name, []).append(
            (args, {each: value if isinstance(value, str) else list(value) for each, value in of.items()}, kept)
        )
        return await super().run(name, args, **of)

    calls: dict[str, list[tuple[tuple[Any, ...], dict[str, Any], dict[bytes, bytes]]]]


@pytest.fixture
async def recorder(setup: Setup, store: Store) -> AsyncIterator[RecordingStore]:
    async with RecordingStore(setup, Role.ATTACH) as recording:
        recording.calls = {}
        assert await store.client.dbsize() == 0
        yield recording


async def _live(town: Town) -> None:  # noqa: PLR0915  one step for each script
    """Everything that a script does is done at least once."""
    await town.services.memory_feed.begin()
    await town.writes("cleo", "hello")
    await town.writes("cleo", "000000")
    await town.owner.deny("local:cleo")
    await town.owner.unblock("local:cleo")
    await town.writes("dan", (await town.owner.invite("Dan", Tier.STANDARD, timedelta(hours=1))).code)
    await town.owner.cancel_invite((await town.owner.invite("Eve", Tier.STANDARD, timedelta(hours=1))).code)
    await town.let_in("anna")
    await town.let_in("ben")
    await town.writes("anna", "one", message_id=MessageId("first"))
    await town.writes("anna", "one!", edit_of=MessageId("first"), message_id=MessageId("edit"))
    await town.writes("anna", "not this", message_id=MessageId("second"), expires_s=60)
    await town.writes("anna", "", revokes="second")
    await town.writes("ben", "[photo]", album="album", expires_s=60)
    await town.store.client.zadd(keys.HISTORY_EXPIRING, {BEN: 1})
    await town.conversation.expire()
    await town.conversation.recent(BEN, 10)
    await town.control.take_lease("local", "us", {"pid": 1}, 15)
    (token, *_) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    await town.inbox.renew(burst, "w")  # type: ignore[arg-type]
    await town.inbox.defer(token, "w", burst.fence, delay_s=0.001, reason="gathering", forgive=True, messages=["first"])  # type: ignore[union-attr]
    await town.inbox.hurry()
    await town.inbox.wake()
    await town.inbox.repair()
    await town.work()
    head = await town.outbox.head(ANNA)
    assert head is not None
    await town.outbox.precede(head, head.model_copy(update={"row_id": "before"}))
    steps = await town.outbox.take(ANNA, "local", "s")
    await town.outbox.retry(steps, delay_s=0, final=False)  # type: ignore[arg-type]
    await town.deliver()
    await town.draft_store.suggest(ANNA, "r1", [_row("r1")])
    await town.draft_store.revise(ANNA, "r1", [_row("r1", "anew")])
    await town.draft_store.expire()
    await town.draft_store.release(ANNA, "local", "r1")
    await town.deliver()
    await town.store.client.rpush(keys.dead(ANNA), b'{"messageId":"d","content":"c","channelId":"local","timestamp":1}')
    await town.store.client.zadd(keys.DEAD_INDEX, {ANNA: 1})
    await town.services.dead_letters.retry(ANNA)
    await town.rooms.gate._gate.set_aside(town.message("anna", "aside"))
    await town.services.dead_letters.drop(ANNA)
    await town.store.run("repost", (ANNA,), contact=ANNA, channel="local")
    await town.writes("anna", "mine", from_me=True)
    await town.writes("anna", "I'll send you the contract tomorrow", from_me=True)
    await town.services.owner_messages.write(ANNA, "mine too", once="key")
    await town.learner.learn(ANNA)
    ((_, promise),) = await town.services.occasions.promises(ANNA)
    await town.services.occasions.settle(promise.id, "done")
    await town.services.occasions.set_birthday(ANNA, birthday(NamedDate(4, 5), BirthdaySource.OWNER, from_ms(1)))
    await town.services.occasions.clear_birthday(ANNA)
    await town.services.relationships.heard(ANNA, Relationship.FRIEND, 0.9, 1)
    await town.control.resume(ANNA)
    await town.control.pause(ANNA, timedelta(minutes=1))
    await town.services.persons.link((ANNA, "local"), (BEN, "local"))
    await town.services.persons.agree(BEN)
    await town.owner.edit(ANNA, tier=Tier.TRUSTED)
    await town.services.choices.set_persona(ANNA, "p")
    await town.services.persons.unlink(BEN)
    await town.services.notes.tell("local", ContactId("local:owner"), "text", "cause")
    spending = town.services.spending
    charge = await spending.reserve(ANNA, 1, 100, day_cap=10**9, contact_cap=10**9)
    await spending.settle(charge, 50, Usage(1, 1), now_ms=1, facts={})  # type: ignore[arg-type]
    said = [OwnMessage(id=f"o{n}", at=from_ms(n), text=f"well then {n}", before="", follows=False) for n in range(1, 60)]
    await town.services.style.add(ANNA, said)
    await town.services.style.profile(ANNA)
    old = Turn(id="import:1", role="user", content="old", timestamp=datetime.now(UTC) - timedelta(days=1), type="incoming")
    await RecollectionStore(town.store, execute=True).recollect(ANNA, [old], named=True)
    await town.services.style.retract(ANNA, "0" * 24, ["o1"])
    await town.services.conversation_desk.ranked()
    await town.let_in("eve")
    await town.writes("eve", "look", attachments=(Attachment(AttachmentKind.PHOTO, handle="gone"),))
    await town.work()
    await town.read()
    await town.services.memory_feed.catch_up()
    await live_with_jobs(town.services.jobs, ANNA)
    await _clock_put_back(town)
    assert await missing_right(town.store) is None
    await town.owner.revoke(ANNA)
    await _webhooks(town)
    await town.services.persons.forget(BEN, "local")


async def _clock_put_back(town: Town) -> None:
    """What a gateway does when the store's clock was put back."""
    clocks, change = ClockStore(town.store, town.clock), ClockSetBack(1000, 1)
    await clocks.look()
    await town.writes("anna", "in the meantime")
    await town.work()
    for replan in (clocks.replan, town.control.replan):
        await replan(change)
    await town.inbox.replan()
    await town.outbox.replan("local", change)


async def _webhooks(town: Town) -> None:
    """An endpoint is added, fails until its letter is dead, and has it replayed."""
    desk, kept = town.services.webhook_desk, town.services.webhook_store
    endpoint, _ = await desk.add(NewWebhook("http://127.0.0.1:5678/", ["*"], is_local=True))
    message = WebhookMessage(id="msg_1", type="test", at=from_ms(1))
    await kept.enqueue(endpoint.id, (await kept.cursor(endpoint.id) or "", "9-0"), [("", message)])
    for kind in ("retry", "dead"):
        claimed = await kept.claim(endpoint.id)
        assert isinstance(claimed, ClaimedMessage)
        await kept.conclude(endpoint.id, claimed, TryOutcome(kind, "500"))  # type: ignore[arg-type]
    await desk.rotate(endpoint.id)
    assert await desk.replay(endpoint.id) == 1
    await desk.enable(endpoint.id)


def _row(reply: str, text: str = "text") -> NewRow:
    return NewRow(row_id=reply, reply_id=reply, contact_id=ANNA, channel_id="local", kind="reply", text=text)


async def test_a_script_that_fails_for_a_wrong_type_has_changed_nothing(setup: Setup, recorder: RecordingStore, model: Any) -> None:
    """Each call of a whole life is made again on the store as it was then, with each of its keys broken in turn."""
    from random import Random

    town = Town(setup, recorder, model, Random(7))
    await _live(town)
    tried, failed, halves, codes = 0, set(), {}, set()
    client = recorder.client
    for name, calls in recorder.calls.items():
        for args, of, kept in calls[-3:]:
            for key, kept_as in zip(scripts.script(name).keys(**of), scripts.script(name).names, strict=False):
                wrong = "set" if key_types.TYPES.get(kept_as) != "set" else "string"
                await client.flushall()
                for each, value in kept.items():
                    if value is not None:
                        await client.restore(each, 0, value)
                await client.delete(key)
                await (client.sadd(key, "wrong") if wrong == "set" else client.set(key, "wrong"))
                before = await everything(client)
                tried, refused = tried + 1, False
                try:
                    await Store.run(recorder, name, args, **of)
                except (DataError, UnavailableError) as error:
                    refused = True
                    failed.add(name)
                    codes.add(error.code)
                after = await everything(client)
                if refused and after != before:
                    halves[name, kept_as] = sorted(each for each in {*before, *after} if before.get(each) != after.get(each))
    await town.pairing.stats()
    await town.services.activity.look()
    missing = set(scripts.EVERY) - set(recorder.calls) - ELSEWHERE
    print(
        f"{tried} broken keys in {len(recorder.calls)} scripts, {len(failed)} of them refuse some; never called: {sorted(missing)}"
    )
    assert halves == {}
    assert codes == {"record_unusable", "store_index_broken"}
    assert not failed & TOLERANT
    assert missing == set()


def test_the_types_in_the_register_are_those_that_its_words_say() -> None:
    tree = ast.parse(inspect.getsource(keys))
    said: dict[str, str] = {}
    for node, behind in zip(tree.body, [*tree.body[1:], None], strict=True):
        words = ""
        if isinstance(node, ast.FunctionDef):
            name, words = node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.Assign) and isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant):
            name, words = ast.unparse(node.targets[0]).lower(), str(behind.value.value)
        kind = words.split(" ")[0].rstrip(",.")
        if kind in {"STREAM", "ZSET", "SET", "STRING", "HASH", "LIST"}:
            said[name] = kind.lower()
    del said["broken"]  # it has any
    assert dict(sorted(said.items())) == dict(sorted(key_types.TYPES.items()))


@pytest.mark.parametrize("contact", ["local:anna", "telegram:5", "4915112345678@s.whatsapp.net", "local:due:x", "local:ids"])
def test_a_key_is_known_by_its_name_and_its_contact(contact: str) -> None:
    for make in (*keys.OF_A_CONTACT, keys.mailbox):
        assert key_types.known(make(contact)) == (make.__name__, key_types.TYPES[make.__name__], contact)
    assert key_types.known(keys.outbox_due("local")) == ("outbox_due", "zset", "")
    assert key_types.known(keys.QUEUE) == ("queue", "stream", "")
    assert key_types.known("of:somebody:else") is None


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ResponseError("WRONGTYPE Operation against a key script: abc, on @user_script:3."), DataError, "record_unusable"),
        (ResponseError("Command # 1 (LLEN INBOX:x) of pipeline caused error: WRONGTYPE Operation"), DataError, "record_unusable"),
        (ResponseError("value is not an integer or out of range script: abc, on @user_script:3."), DataError, "record_unusable"),
        (
            ResponseError("user_script:9: attempt to compare nil with number script: a, on @user_script:9."),
            DataError,
            "record_unusable",
        ),
        (OutOfMemoryError("command not allowed, on @user_script:3."), UnavailableError, "store_out_of_memory"),
        (ResponseError("OOM command not allowed, on @user_script:3."), UnavailableError, "store_out_of_memory"),
        (ResponseError("MISCONF Errors writing to the AOF file, on @user_script:3."), UnavailableError, "store_disk_full"),
        (ResponseError("BUSY Redis is busy running a script"), UnavailableError, "store_busy"),
        (ResponseError("Script killed by user with SCRIPT KILL. script: a, on @user_script:3."), UnavailableError, "store_busy"),
        (ResponseError("NOREPLICAS Not enough good replicas, on @user_script:3."), UnavailableError, "store_failed"),
        (ResponseError("NOGROUP No such key, on @user_script:3."), UnavailableError, "store_failed"),
        (ReadOnlyError("You can't write against a read only replica, on @user_script:3."), UnavailableError, "store_read_only"),
        (ResponseError("ACL failure in script: no permissions, on @user_script:3."), CredentialsError, "store_forbidden"),
        (ResponseError("Unknown Redis command called from script, on @user_script:3."), ConfigError, "old_store_server"),
    ],
)
def test_only_what_a_record_is_to_blame_for_is_its_contacts(error: ResponseError, kind: type[SecondmeError], code: str) -> None:
    found = explain(error)
    assert (type(found), found.code) == (kind, code)


CONTACTS_KEYS = (*keys.OF_A_CONTACT, keys.mailbox)


@pytest.mark.parametrize("make", CONTACTS_KEYS, ids=lambda make: str(make.__name__))
async def test_a_broken_record_stops_nobody_else_and_no_message_is_lost(
    town_with: Callable[..., Town], ear: Ear, make: Callable[[str], str]
) -> None:
    """Each of a contact's keys is of a wrong type in turn, while a whole gateway runs; another contact is answered all the same."""
    town = town_with(queue__lease_s=1, pacing__gather_s=0)
    await town.let_in("anna")
    await town.let_in("ben")
    client = town.store.client
    await client.delete(make(ANNA))
    wrong = "list" if key_types.TYPES[make.__name__] != "list" else "string"
    await (client.rpush(make(ANNA), "wrong") if wrong == "list" else client.set(make(ANNA), "wrong"))
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        for number in range(3):
            await town.channel.platform.put(town.message("anna", f"broken {number}", message_id=MessageId(f"a{number}")))
            await town.channel.platform.put(town.message("ben", f"whole {number}"))
        await town.channel.platform.join()
        await eventually(lambda: any("whole 2" in text for text in town.channel.texts(BEN)))
        dead = await client.lrange(keys.dead(ANNA), 0, -1) if make is not keys.dead else []
        kept = [*dead, *([] if make is keys.inbox else await client.lrange(keys.inbox(ANNA), 0, -1))]
        for number in range(3):
            is_kept = any(f"broken {number}".encode() in raw for raw in kept)
            assert is_kept or town.channel.texts(ANNA) or make is keys.pause, number
    told = {event["contactId"] for event in await ear.heard() if event.get("type") == "record_broken"}
    assert told == {ANNA} if dead else told <= {ANNA}


@pytest.mark.parametrize("make", [keys.seen, keys.mailbox, keys.outbox, keys.held], ids=lambda make: str(make.__name__))
async def test_the_owner_is_told_once_of_a_broken_record(town: Town, make: Callable[[str], str]) -> None:
    await town.let_in("anna")
    await town.store.client.delete(make(ANNA))
    await town.store.client.set(make(ANNA), "x")
    town.channel.owner_chat = ContactId("local:owner")
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        for number in range(3):
            await town.channel.platform.put(town.message("anna", f"broken {number}"))
        await eventually(lambda: any("local:anna" in text for text in town.channel.texts("local:owner")))
        await town.channel.platform.join()
    told = [text for text in town.channel.texts("local:owner") if "A record of local:anna in the store is broken" in text]
    assert (len(told), "secondme doctor store" in told[0], "broken 0" in told[0]) == (1, True, False)


async def test_status_says_what_it_cannot_read_and_shows_the_rest(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    whole = (await town.services.status()).report()
    client = town.store.client
    for key in (keys.HELD_INDEX, keys.DEAD_INDEX, keys.GATEWAYS, keys.PAUSED_INDEX, keys.outbox_due("local"), keys.history(ANNA)):
        await client.delete(key)
        await client.set(key, "x")
    found = (await town.services.status()).report()
    assert set(found.unreadable) == {"gateways", "pairing", keys.HELD_INDEX, keys.DEAD_INDEX, keys.outbox_due("local")}
    assert (found.queue.messages, found.queue.waiting) == (whole.queue.messages, whole.queue.waiting) == (1, {})


async def test_what_was_set_aside_is_answered_when_the_record_is_mended(town: Town) -> None:
    await town.let_in("anna")
    await town.store.client.set(keys.seen(ANNA), "x")
    message = town.message("anna", "dinner at eight?")
    assert [await town.gateway.receive(message) for _ in range(3)] == [Admission.SET_ASIDE] * 3
    assert [letter.mail.content for letter in await town.services.dead_letters.letters() if letter.mail] == ["dinner at eight?"]
    await town.store.client.delete(keys.seen(ANNA))
    await town.services.dead_letters.retry(ANNA)
    assert await town.work() == ["answered"]
    assert town.model.prompts[-1].turns[-1].text == "dinner at eight?"


async def test_lists_of_everybody_show_the_others_beside_a_broken_record(town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who, Tier.RESTRICTED)
        await town.writes(who, "hi")
    await town.work()
    client = town.store.client
    for contact in (ANNA, BEN):
        await client.rpush(keys.dead(contact), b'{"messageId":"d","content":"c","channelId":"local","timestamp":1,"contactId":"x"}')
        await client.zadd(keys.DEAD_INDEX, {contact: 1})
    for make in (keys.held, keys.dead, keys.history, keys.mailbox, keys.outbox, keys.inbox, keys.trace):
        await client.delete(make(ANNA))
        await client.set(make(ANNA), "wrong")
    held, corrupt = await town.draft_store.held()
    assert ([each.row.contact_id for each in held], len(corrupt)) == ([BEN], 1)
    assert {each.contact_id for each in await town.services.dead_letters.letters()} == {BEN}
    states = await town.services.conversations.of([ANNA, BEN])
    assert (states[ANNA].newest, states[ANNA].queued, states[BEN].newest is not None) == (None, 0, True)
    assert set(await town.services.conversations.newest_ms([ANNA, BEN])) == {BEN}
    assert await town.services.traces.whose("m", [ANNA, BEN]) == []


async def test_nothing_is_sent_that_could_not_be_kept(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    await town.work()
    await town.store.client.delete(keys.history(ANNA))
    await town.store.client.set(keys.history(ANNA), "wrong")
    with pytest.raises(DataError):
        await town.deliver()
    assert town.channel.raw == []


async def test_nothing_of_a_stranger_with_a_broken_record_is_kept(town: Town) -> None:
    await town.store.client.rpush(keys.pending("local:zed"), "x")
    before = await everything(town.store.client)
    assert await town.writes("zed", "a secret of a stranger") is Challenge.CLOSED
    assert await everything(town.store.client) == before


async def test_a_broken_record_of_everybody_is_nobodys_fault_and_keeps_the_message_at_its_platform(town: Town) -> None:
    await town.let_in("anna")
    await town.store.client.delete(keys.QUEUE)
    await town.store.client.set(keys.QUEUE, "x")
    before = await everything(town.store.client)
    with pytest.raises(UnavailableError) as caught:
        await town.writes("anna", "hi")
    assert (caught.value.code, "QUEUE:messages" in caught.value.message) == ("store_index_broken", True)
    assert await everything(town.store.client) == before


async def test_the_owners_own_words_to_somebody_with_a_broken_record_still_silence_the_clone(town: Town) -> None:
    await town.let_in("anna")
    await town.store.client.set(keys.seen(ANNA), "x")
    assert await town.writes("anna", "I answer this myself", from_me=True) is Admission.SET_ASIDE
    assert (await town.control.contact_pause(ANNA)) is not None


async def test_mail_that_no_index_knows_is_found_again(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "are you there?")
    client = town.store.client
    await client.delete(keys.mailbox(ANNA), keys.QUEUE, keys.QUEUE_ACTIVE)
    await town.inbox.open()
    assert await town.inbox.repair() == 0
    assert await town.inbox.search(0) == (0, 1)
    assert await town.work() == ["answered"]
    await client.delete(keys.outbox_due("local"))
    assert await town.deliver() == []
    assert await town.inbox.search(0) == (0, 1)
    assert await town.deliver() == ["sent"]
    assert await town.inbox.search(0) == (0, 0)


@pytest.mark.parametrize("spoil", ["missing", "empty", "no prelude"])
def test_an_installation_without_one_of_its_scripts_is_one_clear_error_at_the_start(spoil: str, tmp_path: Any) -> None:
    """The package is copied, one file of it is spoilt, and the copy is started."""
    shutil.copytree(Path(secondme.__file__).parent, tmp_path / "secondme", ignore=shutil.ignore_patterns("__pycache__"))
    core = tmp_path / "secondme" / "core"
    match spoil:
        case "missing":
            (core / "queue" / "lua" / "finish.lua").unlink()
        case "empty":
            (core / "queue" / "lua" / "finish.lua").write_text("")
        case _:
            (core / "store" / "lua" / "common.lua").unlink()
    environ = environment(PYTHONPATH=str(tmp_path), SECONDME_HOME=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-m", "secondme", "serve"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (78, False), done.stderr
    assert "installation is damaged" in done.stderr
    assert "pip install --force-reinstall secondme" in done.stderr
