"""What every channel promises, whichever platform is behind it. A channel's own tests subclass `ChannelContract` and give a `rig`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Protocol

import pytest
from fakes import opus
from fakes.channel_host import RecordingHost

from secondme.core.channel_manifest import Manifest
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId, is_contact_id
from secondme.core.media.ogg import voice_note
from secondme.core.messages import ChannelState, ChatKind, MessageContent, NotSent, Sent
from secondme.core.ports import Channel


class Rig(Protocol):
    """A channel and the platform on its other side. The channel does not run until a test starts it."""

    manifest: Manifest
    channel: Channel

    def contact_id(self, person: str) -> ContactId:
        """The id under which the channel must know `person` (`anna` or `bert`)."""

    async def write(self, person: str, text: str) -> str:
        """`person` writes: the platform keeps the message until it is confirmed. Its native id."""

    async def repeat(self, native: str) -> None:
        """The platform delivers that message once more, as if it had not been confirmed."""

    async def shown(self, person: str) -> list[str]:
        """What `person` sees of us, in order."""

    async def heard(self, person: str) -> list[bytes]:
        """The files of the voice notes that `person` was sent, in order, as far as the platform keeps them."""

    async def is_confirmed(self, native: str) -> bool:
        """True when the platform would not deliver that message again."""


class ChannelContract:
    """Facts about every channel."""

    @pytest.fixture
    async def rig(self) -> Rig:
        """Each channel's own; see its tests."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def running(self, rig: Rig) -> AsyncIterator[RecordingHost]:
        host = RecordingHost()
        task = asyncio.create_task(rig.channel.run(host))
        try:
            await host.until(lambda: host.state is ChannelState.CONNECTED or task.done())
            assert not task.done(), task
            yield host
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def test_a_message_arrives_whole_under_the_id_of_who_wrote_it(self, rig: Rig) -> None:
        async with self.running(rig) as host:
            await rig.write("anna", "Hello, is it you?\nTwo lines, ünï¢ode 🌍")
            (message,) = await host.heard(1)
        assert message.text == "Hello, is it you?\nTwo lines, ünï¢ode 🌍"
        assert message.contact_id == rig.contact_id("anna")
        assert is_contact_id(message.contact_id)
        assert message.channel_id == rig.channel.id == rig.manifest.id
        assert message.kind is ChatKind.DIRECT
        assert not message.from_me
        assert message.sent_at.tzinfo is UTC

    async def test_each_conversation_arrives_in_its_order(self, rig: Rig) -> None:
        async with self.running(rig) as host:
            for number in range(10):
                await rig.write("anna", f"a{number}")
                await rig.write("bert", f"b{number}")
            messages = await host.heard(20)
        for person in ("anna", "bert"):
            said = [message.text for message in messages if message.contact_id == rig.contact_id(person)]
            assert said == [f"{person[0]}{number}" for number in range(10)]

    async def test_a_repeated_message_has_the_same_id(self, rig: Rig) -> None:
        async with self.running(rig) as host:
            native = await rig.write("anna", "once")
            await host.heard(1)
            await rig.repeat(native)
            await rig.write("anna", "the last")
            await host.until(lambda: any(message.text == "the last" for message in host.messages))
        once = {message.message_id for message in host.messages if message.text == "once"}
        assert len(once) == 1
        assert len({message.message_id for message in host.messages}) == 2

    async def test_nothing_is_confirmed_before_it_is_safe(self, rig: Rig) -> None:
        async with self.running(rig) as host:
            host.is_down = True
            native = await rig.write("anna", "keep this")
            await host.until(lambda: len(host.offered) >= 2)
            assert not await rig.is_confirmed(native)
            host.is_down = False
            await host.until(lambda: any(message.text == "keep this" for message in host.messages))
            async with asyncio.timeout(20):
                while not await rig.is_confirmed(native):
                    await asyncio.sleep(0.01)

    async def test_what_is_sent_is_shown_to_the_right_person(self, rig: Rig) -> None:
        async with self.running(rig):
            sent = await rig.channel.send(rig.contact_id("anna"), MessageContent("for Anna 🌍"), "row-1")
            assert isinstance(sent, Sent)
            assert isinstance(await rig.channel.send(rig.contact_id("bert"), MessageContent("for Bert"), "row-2"), Sent)
            assert await rig.shown("anna") == ["for Anna 🌍"]
            assert await rig.shown("bert") == ["for Bert"]

    async def test_a_voice_note_arrives_as_the_very_file_and_its_words_do_not(self, rig: Rig) -> None:
        assert rig.manifest.sends_voice
        note = voice_note(opus.silence(1.4))
        content = MessageContent("the very words", voice=note)
        with contextlib.suppress(UnavailableError):
            assert isinstance(
                await rig.channel.send(rig.contact_id("bert"), MessageContent("", voice=note), "row-0"), Sent | NotSent
            )
        async with self.running(rig):
            sent = await rig.channel.send(rig.contact_id("anna"), content, "row-1")
            assert isinstance(sent, Sent)
            assert sent.native_id
            assert isinstance(await rig.channel.send(rig.contact_id("anna"), MessageContent("text"), "row-2"), Sent)
            assert await rig.heard("anna") == [note.data]
            assert voice_note((await rig.heard("anna"))[0]) == note
            said = await rig.shown("anna")
        assert said[-1] == "text"
        assert "the very words" not in "".join(said)

    async def test_who_is_asked_for_is_who_stands_in_the_address_book(self, rig: Rig) -> None:
        anna = rig.contact_id("anna")
        with contextlib.suppress(UnavailableError):  # nothing is connected
            assert await rig.channel.contact(anna) is None
            assert await rig.channel.contacts() == []
        async with self.running(rig) as host:
            await rig.write("anna", "hello")
            await host.heard(1)
            for each in await rig.channel.contacts():
                assert await rig.channel.contact(each.contact_id) == each
            found = await rig.channel.contact(anna)
            assert found is None or (found.contact_id, found.display_name) == (anna, found.display_name.strip())
            assert await rig.channel.contact(ContactId("nobody:here")) is None

    async def test_a_resend_collapses_where_the_manifest_says_so(self, rig: Rig) -> None:
        async with self.running(rig):
            for _ in range(3):
                await rig.channel.send(rig.contact_id("anna"), MessageContent("one"), "row-1")
            shown = await rig.shown("anna")
        assert shown == ["one"] if rig.manifest.collapses_resends else shown[0] == "one"

    async def test_typing_never_raises_even_when_nothing_is_connected(self, rig: Rig) -> None:
        await rig.channel.typing(rig.contact_id("anna"))
        async with self.running(rig):
            await rig.channel.typing(rig.contact_id("anna"))
            await rig.channel.typing(rig.contact_id("anna"), recording=True)
        await rig.channel.typing(rig.contact_id("anna"), recording=True)

    async def test_it_can_be_started_again_and_leaves_no_task_behind(self, rig: Rig) -> None:
        before = asyncio.all_tasks()
        for number in range(3):
            async with self.running(rig) as host:
                await rig.write("anna", f"round {number}")
                await host.until(lambda number=number: any(m.text == f"round {number}" for m in host.messages))
        await asyncio.sleep(0)
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
