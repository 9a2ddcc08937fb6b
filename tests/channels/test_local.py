"""The local channel on a real socket: what is not its protocol harms nobody, what waits survives, what repeats collapses."""

import asyncio
import contextlib
import json
import os
import stat
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import permutations
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from contracts.channel import ChannelContract, Rig
from fakes import opus
from fakes.channel_host import RecordingHost
from fakes.process import eventually
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.channels.local import setup
from secondme.channels.local.channel import LocalChannel, LocalMailbox, mail_path, voice_path
from secondme.channels.local.client import LocalClient
from secondme.channels.local.manifest import MANIFEST
from secondme.channels.local.protocol import LINE_LIMIT, OWNER, contact_of
from secondme.core.channel_plugin import ChannelContext
from secondme.core.clock import SystemClock
from secondme.core.errors import DataError, UnavailableError
from secondme.core.ids import ChannelId, ContactId, contact_id
from secondme.core.media.ogg import voice_note
from secondme.core.messages import Admission, Challenge, ChatKind, InboundMessage, MessageContent, NotSent, OwnerAddress, Sent

ANNA = contact_of("anna")


class Town(RecordingHost):
    """A channel that runs, and the line it hands over to."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.socket, self.mail = home / "run" / "local.sock", home / "mail"
        self.channel = LocalChannel(self.socket, self.mail, SystemClock())
        self.heard = self.messages
        self.error: UnavailableError | None = None

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        if self.error is not None:
            raise self.error
        return await super().receive(message)


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[Town]:
    town = Town(home)
    task = asyncio.ensure_future(town.channel.run(town))
    await eventually(town.socket.exists)
    try:
        yield town
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def town(home: Path) -> AsyncIterator[Town]:
    async with running(home) as made:
        yield made


class Line:
    """One end of the socket that says whatever it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def say(self, line: bytes | dict[str, Any]) -> None:
        self._writer.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """The next event; an empty one at the end."""
        async with asyncio.timeout(30):
            line = await self._reader.readline()
        return json.loads(line) if line else {}

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def line(town: Town, name: object = None) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_unix_connection(town.socket, limit=LINE_LIMIT)
    made = Line(reader, writer)
    if name is not None:
        made.say({"type": "hello", "as": name})
        assert (await made.hear())["type"] == "welcome"
    try:
        yield made
    finally:
        made.close()
        await writer.wait_closed()


BAD = [
    b"not json\n",
    b"\xff\xfe\n",
    b"[]\n",
    b"5\n",
    b"null\n",
    b"\n",
    b'{"type": 5}\n',
    b'{"type": "nonsense"}\n',
    b'{"type": "message"}\n',
    b'{"type": "message", "id": 5, "text": "x"}\n',
    b'{"type": "message", "id": "x", "text": null}\n',
    b'{"type": "ack"}\n',
    b'{"type": "hello"}\n',
    b"[" * 100_000 + b"\n",
    b'{"type": "message", "sentAt": ' + b"9" * 5000 + b"}\n",
    b"x" * (LINE_LIMIT + 10) + b"\n",
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
@pytest.mark.filterwarnings("error")
async def test_a_bad_line_ends_its_own_conversation_only(bad: bytes, town: Town) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with line(town, "anna") as good:
        for name in (None, "ben"):
            async with line(town, name) as evil:
                evil.say(bad)
                assert (await evil.hear(), await evil.hear()) == ({"type": "error", "code": "bad_line"}, {})
        good.say({"type": "message", "id": "m1", "text": "hello"})
        assert await good.hear() == {"type": "accepted", "id": "m1", "outcome": "queued"}
    assert ([message.text for message in town.heard], failures) == (["hello"], [])


@pytest.mark.parametrize("name", ["", " ", "\u200b", 5, None, ["anna"], {"a": 1}])
async def test_a_hello_without_a_visible_name_is_refused(name: object, town: Town) -> None:
    async with line(town) as evil:
        evil.say({"type": "hello", "as": name})
        assert await evil.hear() == {"type": "error", "code": "bad_line"}


@pytest.mark.parametrize(
    "name", ["x" * 65_536, "../../etc/passwd", "a\ud800", "\x1b]0;x\x07", "local:anna", "a\nb", "[bold]b[/bold]"]
)
async def test_a_hostile_name_is_a_contact_like_any_other(name: str, town: Town) -> None:
    async with line(town, name) as hostile:
        hostile.say({"type": "message", "id": "\ud800" * 200, "text": "hi", "fromOwner": "yes", "sentAt": True})
        assert (await hostile.hear())["outcome"] == "queued"
    (message,) = town.heard
    assert message.contact_id == contact_of(name) != ANNA
    assert (message.from_me, len(message.display_name) <= 64, message.message_id[:7]) == (False, True, "sha256-")
    assert await town.channel.send(message.contact_id, MessageContent("welcome"), "r1") == Sent("r1")
    assert {path.parent for path in town.mail.rglob("*")} == {town.mail}


async def test_a_time_that_cannot_be_is_now(town: Town) -> None:
    now = SystemClock().now_ms()
    async with line(town, "anna") as anna:
        for sent in (0, -5, 10**18, 1.5, "soon", None, now + 3_600_000):
            anna.say({"type": "message", "id": "m", "text": "x", "sentAt": sent})
            await anna.hear()
        anna.say({"type": "message", "id": "m", "text": "x", "sentAt": 1_000})
        await anna.hear()
    *now_ones, old = [message.sent_at.timestamp() * 1000 for message in town.heard]
    assert all(now - 1000 <= moment <= SystemClock().now_ms() + 1 for moment in now_ones)
    assert old == 1000


async def test_what_the_gate_cannot_take_is_refused_and_offered_again(town: Town) -> None:
    town.error = UnavailableError("store_slow", "The store did not answer in time.")
    client = LocalClient(town.socket, "anna", SystemClock())
    client.say("keep me")
    task = asyncio.ensure_future(client.run())
    kinds = []
    async with asyncio.timeout(30):
        while not kinds or kinds[-1] != "accepted":
            event = await client.events.get()
            kinds.append(event.kind)
            if event.kind == "refused":
                assert (event.text, client.unaccepted) == ("store_slow", 1)
                town.error = None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ([message.text for message in town.heard], client.unaccepted) == (["keep me"], 0)


async def test_a_message_that_is_too_long_is_refused_at_once_and_the_next_one_is_heard(town: Town) -> None:
    client = LocalClient(town.socket, "anna", SystemClock())
    refused = client.say("x" * LINE_LIMIT)
    client.say("hello")
    task = asyncio.ensure_future(client.run())
    async with asyncio.timeout(30):
        await client.all_accepted()
    events = [client.events.get_nowait() for _ in range(client.events.qsize())]
    assert [(event.kind, event.text) for event in events] == [("refused", "too_long"), ("connected", ""), ("accepted", "queued")]
    assert ([message.text for message in town.heard], refused == events[0].id) == (["hello"], True)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_resend_under_the_same_id_is_shown_once(town: Town) -> None:
    async with line(town, "anna") as anna:
        for _ in range(3):
            assert await town.channel.send(ANNA, MessageContent("hello"), "r1") == Sent("r1")
        assert await town.channel.send(ANNA, MessageContent("bye"), "r2") == Sent("r2")
        assert [await anna.hear() for _ in range(2)] == [
            {"type": "message", "id": "r1", "text": "hello"},
            {"type": "message", "id": "r2", "text": "bye"},
        ]


async def test_a_terminal_is_told_where_the_last_voice_note_is(town: Town) -> None:
    notes = [voice_note(opus.silence(seconds)) for seconds in (0.3, 9.3)]
    path = voice_path(town.mail, ANNA)
    async with line(town, "anna") as anna:
        for number, note in enumerate((*notes, notes[1])):
            await town.channel.send(ANNA, MessageContent("the words", voice=note), f"r{min(number, 1)}")
            assert (path.read_bytes(), path.stat().st_mode & 0o777) == (note.data, 0o600)
        assert [(await anna.hear())["text"] for _ in notes] == [f"[voice message, {seconds} s] {path}" for seconds in (1, 9)]
    setup.forget(ChannelContext({}, town.mail, SystemClock(), Random(1)), ANNA)
    assert list(town.mail.iterdir()) == []


async def test_every_terminal_of_a_contact_sees_typing_and_messages_and_no_other_does(town: Town) -> None:
    async with line(town, "anna") as one, line(town, "Anna") as two, line(town, "ben") as ben:
        await town.channel.typing(ANNA)
        await town.channel.typing(ANNA, recording=True)
        await town.channel.send(ANNA, MessageContent("hi"), "r1")
        await town.channel.send(contact_of("ben"), MessageContent("for ben"), "r2")
        for each in (one, two):
            assert [(await each.hear())["type"] for _ in range(3)] == ["typing", "typing", "message"]
        assert (await ben.hear())["text"] == "for ben"


async def test_what_was_not_acknowledged_waits_through_a_restart_of_the_channel(home: Path) -> None:
    async with running(home) as before:
        for number in range(3):
            await before.channel.send(ANNA, MessageContent(f"text {number}"), f"r{number}")
        async with line(before, "anna") as anna:
            assert (await anna.hear())["id"] == "r0"
            anna.say({"type": "ack", "id": "r0"})
            anna.say({"type": "ack", "id": "r0"})
            anna.say({"type": "ack", "id": "never heard of"})
            anna.say({"type": "message", "id": "m", "text": "done"})
            while (await anna.hear())["type"] != "accepted":
                pass
    async with running(home) as after, line(after, "anna") as anna:
        assert [(await anna.hear())["id"] for _ in range(2)] == ["r1", "r2"]
        assert await after.channel.send(ANNA, MessageContent("text 0"), "r0") == Sent("r0")
        await after.channel.send(ANNA, MessageContent("new"), "r3")
        assert (await anna.hear())["id"] == "r3"


async def test_it_ends_at_once_while_a_client_is_connected(home: Path) -> None:
    async with AsyncExitStack() as clients:
        async with running(home) as town:
            anna = await clients.enter_async_context(line(town, "anna"))
        assert (await anna.hear(), town.socket.exists()) == ({}, False)


async def test_a_client_that_went_away_finds_its_mail_when_it_is_back(town: Town) -> None:
    async with line(town, "anna"):
        pass
    assert await town.channel.send(ANNA, MessageContent("while you were away"), "r1") == Sent("r1")
    async with line(town, "anna") as anna:
        assert (await anna.hear())["text"] == "while you were away"


async def test_the_socket_and_the_mail_are_private(town: Town) -> None:
    await town.channel.send(ANNA, MessageContent("secret"), "r1")
    paths = [town.socket, town.socket.parent, town.mail, *town.mail.iterdir()]
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in paths] == ["0o600", "0o700", "0o700", "0o600"]


async def test_mail_that_cannot_be_written_is_not_sent_and_an_acknowledgement_of_it_harms_nobody(town: Town) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    await town.channel.send(ANNA, MessageContent("first"), "r1")
    (path,) = town.mail.iterdir()
    path.unlink()
    path.mkdir()
    assert await town.channel.send(ANNA, MessageContent("second"), "r2") == NotSent("local_mail_unwritable")
    async with line(town, "anna") as anna:
        assert (await anna.hear())["id"] == "r1"
        anna.say({"type": "ack", "id": "r1"})
        assert await anna.hear() == {}
    path.rmdir()
    assert await town.channel.send(ANNA, MessageContent("second"), "r2") == Sent("r2")
    assert failures == []


def test_mail_is_compacted_and_still_knows_what_it_had(tmp_path: Path) -> None:
    mail = LocalMailbox(tmp_path, ANNA)
    for number in range(300):
        assert mail.add(f"r{number}", "x" * 100)
        if number % 3:
            mail.acknowledge(f"r{number}")
    (path,) = tmp_path.iterdir()
    assert len(path.read_text().splitlines()) <= 401
    again = LocalMailbox(tmp_path, ANNA)
    assert [message for message, _ in again.waiting()] == [f"r{number}" for number in range(0, 300, 3)]
    assert not any(again.add(f"r{number}", "again") for number in range(150, 300))


@pytest.mark.parametrize("cut", range(2, 30, 4))
def test_a_line_that_was_cut_off_by_a_kill_loses_no_other(cut: int, tmp_path: Path) -> None:
    mail = LocalMailbox(tmp_path, ANNA)
    mail.add("r1", "kept")
    mail.add("r2", "cut off")
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - cut)
    again = LocalMailbox(tmp_path, ANNA)
    assert again.waiting() == [("r1", "kept")]
    assert again.add("r2", "cut off")
    assert LocalMailbox(tmp_path, ANNA).waiting() == [("r1", "kept"), ("r2", "cut off")]


def test_garbage_between_lines_of_mail_is_passed_over(tmp_path: Path) -> None:
    mail = LocalMailbox(tmp_path, ANNA)
    mail.add("r1", "one")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'garbage\n[]\n{"ack": []}\n{"id": "x"}\n')
    mail.add("r2", "two")
    assert LocalMailbox(tmp_path, ANNA).waiting() == [("r1", "one"), ("r2", "two")]


class LocalRig:
    """Terminals of two people, opened when they first write or look."""

    manifest = MANIFEST

    def __init__(self, home: Path) -> None:
        self._socket = home / "local.sock"
        self.channel = LocalChannel(self._socket, home / "mail", SystemClock())
        self._clients: dict[str, tuple[LocalClient, asyncio.Task[None]]] = {}
        self._texts: dict[str, str] = {}
        self._shown: dict[str, list[str]] = {}

    def contact_id(self, person: str) -> ContactId:
        return contact_of(person)

    async def write(self, person: str, text: str) -> str:
        native = self._client(person).say(text)
        self._texts[native] = person
        return native

    async def repeat(self, native: str) -> None:
        """The terminal comes back and did not hear that the message was accepted."""
        client, task = self._clients[self._texts[native]]
        text = "once"
        task.cancel()
        client._offered[native] = {"type": "message", "id": native, "text": text, "sentAt": 1, "fromOwner": False}
        self._clients[self._texts[native]] = (client, asyncio.create_task(client.run()))

    async def shown(self, person: str) -> list[str]:
        client, seen = self._client(person), self._shown.setdefault(person, [])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1 if seen else 10):
                while True:
                    event = await client.events.get()
                    if event.kind == "message":
                        seen.append(event.text)
                        if client.events.empty():
                            break
        return seen

    async def heard(self, person: str) -> list[bytes]:
        path = voice_path(self.channel._mail_directory, self.contact_id(person))
        return [path.read_bytes()] if path.exists() else []

    async def is_confirmed(self, native: str) -> bool:
        return native not in self._client(self._texts[native])._offered

    def close(self) -> None:
        for _, task in self._clients.values():
            task.cancel()

    def _client(self, person: str) -> LocalClient:
        if person not in self._clients:
            client = LocalClient(self._socket, person, SystemClock())
            self._clients[person] = (client, asyncio.create_task(client.run()))
        return self._clients[person][0]


class TestLocal(ChannelContract):
    @pytest.fixture
    async def rig(self, home: Path) -> AsyncIterator[Rig]:
        rig = LocalRig(home)
        yield rig
        rig.close()
        await asyncio.sleep(0)

    async def test_it_can_be_started_again_and_leaves_no_task_behind(self, rig: Rig) -> None:
        await rig.write("anna", "first")  # so that the terminal's own task is there before
        await super().test_it_can_be_started_again_and_leaves_no_task_behind(rig)


NAMES = [
    "anna",
    "José Ángel",
    "Zoë",
    "ÅSA",
    "müller",
    "Ñandú",
    "Σίσυφος",
    "Έλλη",
    "Иван Йорк",
    "Straße",
    "ΐος",
    "Nguyễn Thị",
    "각하",
]


def variant(name: str, rng: Random) -> str:
    """The same name in other capitals, another Unicode form, with space around it."""
    cased = "".join(rng.choice([str.upper, str.lower, str.title])(character) for character in name)
    formed = unicodedata.normalize(rng.choice(["NFC", "NFD"]), cased)
    return rng.choice(["", " ", "\t", "\u00a0", "\n"]) + formed + rng.choice(["", "  ", "\u3000"])


def test_five_hundred_variants_of_a_name_are_one_contact() -> None:
    rng, ids = Random(6), {}
    for name in NAMES:
        ids[name] = {contact_of(variant(name, rng)) for _ in range(500)}
    print({"names": len(NAMES), "variants each": 500, "ids": sum(map(len, ids.values()))})
    assert {name: len(found) for name, found in ids.items()} == dict.fromkeys(NAMES, 1)
    assert len(set.union(*ids.values())) == len(NAMES)


LOOKALIKES = [
    "anna",
    "\u0430nna",
    "anná",
    "ann a",
    "anna.",
    "anna-",
    "anna_",
    "a.nna",
    "4nna",
    "ann\u0430",
    "ànna",
    "~anna",
    "local:anna",
]


def test_names_that_only_look_alike_are_different_contacts() -> None:
    assert len({contact_of(name) for name in LOOKALIKES}) == len(LOOKALIKES)


def test_a_hashed_id_cannot_be_written_as_a_name() -> None:
    hashed = contact_of("Zoë")
    assert contact_of(hashed.removeprefix("local:")) != hashed
    assert contact_of(hashed) != hashed


@settings(deadline=None, database=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_two_names_share_an_id_only_when_they_differ_in_case_form_or_outer_space(one: str, other: str) -> None:
    def folded(name: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())

    try:
        ids = [contact_of(one), contact_of(other)]
    except DataError:
        return
    assert (ids[0] == ids[1]) == (folded(one) == folded(other))
    assert [contact_id(each) for each in ids] == ids


@pytest.mark.parametrize("name", ["", " ", "\n\t", "\u200b", "\x1b", "\u202e\u202c", "\ufeff"])
def test_a_name_of_nothing_visible_is_refused(name: str) -> None:
    with pytest.raises(DataError):
        contact_of(name)


class Flaky(Town):
    """Refuses the attempts that it is told to."""

    def __init__(self, home: Path, refusals: list[bool]) -> None:
        super().__init__(home)
        self.refusals = list(refusals)

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        if self.refusals and self.refusals.pop(0):
            raise UnavailableError("store_slow", "The store did not answer in time.")
        return await super().receive(message)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 20))
@settings(max_examples=25)
def test_a_refused_message_is_overtaken_by_none_that_comes_later(refusals: list[bool], count: int) -> None:
    """Whichever attempts the store refuses, what the contact said arrives in its order, once, and is accepted."""

    async def talk() -> tuple[list[str], int]:
        with tempfile.TemporaryDirectory(prefix="smh-", dir="/tmp") as home:
            town = Flaky(Path(home), refusals)
            town.channel = LocalChannel(town.socket, town.mail, Hasty())
            task = asyncio.ensure_future(town.channel.run(town))
            await eventually(town.socket.exists)
            client = LocalClient(town.socket, "anna", Hasty())
            running = asyncio.ensure_future(client.run())
            for number in range(count):
                client.say(str(number))
                await asyncio.sleep(0)
            async with asyncio.timeout(20):
                await client.all_accepted()
            for each in (running, task):
                each.cancel()
            await asyncio.gather(running, task, return_exceptions=True)
            seen = list({message.message_id: message.text for message in town.messages}.values())
            return seen, client.unaccepted

    assert asyncio.run(talk()) == ([str(number) for number in range(count)], 0)


class Hasty(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.001))


async def test_a_client_that_never_offers_again_has_its_messages_taken_in_order(home: Path) -> None:
    async with running(home) as town:
        town.error = UnavailableError("store_slow", "The store did not answer in time.")
        reader, writer = await asyncio.open_unix_connection(town.socket)
        said = [{"type": "message", "id": str(number), "text": str(number), "sentAt": 1} for number in range(3)]
        for event in ({"type": "hello", "as": "anna"}, *said):
            writer.write(json.dumps(event).encode() + b"\n")
        answers = [json.loads(await reader.readline()) for _ in range(2)]
        assert [answer["type"] for answer in answers] == ["welcome", "refused"]
        town.error = None
        answers = [json.loads(await reader.readline()) for _ in range(3)]
        assert [(answer["type"], answer["id"]) for answer in answers] == [("accepted", str(number)) for number in range(3)]
        assert [message.text for message in town.messages] == ["0", "1", "2"]
        writer.close()


async def test_what_a_client_said_that_gave_up_is_not_taken_later(home: Path) -> None:
    async with running(home) as town:
        town.error = UnavailableError("store_slow", "The store did not answer in time.")
        reader, writer = await asyncio.open_unix_connection(town.socket)
        event = {"type": "message", "id": "1", "text": "never mind", "sentAt": 1}
        writer.write(json.dumps({"type": "hello", "as": "anna"}).encode() + b"\n" + json.dumps(event).encode() + b"\n")
        assert [json.loads(await reader.readline())["type"] for _ in range(2)] == ["welcome", "refused"]
        writer.close()
        await eventually(lambda: not town.channel._lines)
        town.error = None
    assert town.messages == []


# The owner's own chat


async def test_the_owner_s_chat_is_known_from_the_moment_they_open_it(home: Path) -> None:
    context = ChannelContext({}, home / "mail", SystemClock(), Random(1))
    async with running(home) as town:
        async with line(town, "anna") as anna:
            anna.say({"type": "message", "id": "m", "text": "x"})
            await anna.hear()
        assert (town.channel.owner_chat, setup.owner_chat(context)) == (None, None)
        client = LocalClient(town.socket, "", SystemClock())
        client.say("list")
        task = asyncio.ensure_future(client.run())
        async with asyncio.timeout(30):
            await client.all_accepted()
            await town.channel.send(OWNER, MessageContent(text="Nobody waits."), "n1")
            while (event := await client.events.get()).kind != "message":
                pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert event.text == "Nobody waits."
        assert [(each.kind, each.contact_id, each.from_me, each.text) for each in town.heard[1:]] == [
            (ChatKind.OWNER, OWNER, False, "list")
        ]
        assert (town.channel.owner_chat, setup.owner_chat(context)) == (OWNER, OWNER)
        assert OWNER not in {each.contact_id for each in await town.channel.contacts()}  # it is in no address book
    assert setup.owner_chat(context) == OWNER  # a restart later
    assert stat.S_IMODE(mail_path(home / "mail", OWNER).stat().st_mode) == 0o600


@given(st.text())
def test_no_name_is_the_owner(name: str) -> None:
    with contextlib.suppress(DataError):
        assert contact_of(name) != OWNER


@pytest.mark.parametrize("value", [1, "true", "yes", [True], {}, None, False])
async def test_only_the_word_itself_opens_the_owner_s_chat(town: Town, value: object) -> None:
    reader, writer = await asyncio.open_unix_connection(town.socket)
    writer.write(json.dumps({"type": "hello", "as": "~owner", "self": value}).encode() + b"\n")
    welcome = json.loads(await reader.readline())
    writer.close()
    assert welcome["contactId"] not in {OWNER, ""}
    assert town.channel.owner_chat is None


def test_a_terminal_serves_who_has_no_other_chat() -> None:
    """Whoever has a chat on a platform is told there, also while that is away: nobody sees a terminal that they do not look at."""
    far_open, far_away, near = (
        OwnerAddress(ChannelId(name), ContactId(f"{name}:1"), is_open=is_open, is_terminal=is_terminal)
        for name, is_open, is_terminal in (("b", True, False), ("a", False, False), ("local", True, True))
    )
    for order in permutations([far_open, far_away, near]):
        assert sorted(order, key=attrgetter("rank")) == [far_open, far_away, near]
