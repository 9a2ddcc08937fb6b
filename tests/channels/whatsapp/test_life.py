"""Crashes, hangs and storms of the device process: none touches the gateway, and no message is lost by one."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop
from fakes.channel_host import RecordingHost
from fakes.process import environment
from fakes.whatsapp_phone import JumpingClock, Phone, phone_at, running
from fakes.whatsapp_protos import from_contact

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.messages import Admission, ChannelState, InboundMessage, MessageContent, Sent

TESTS = Path(__file__).parents[2]


class SlowHost(RecordingHost):
    """A store that takes its time with each message."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()

    async def receive(self, message: InboundMessage) -> Admission:
        self.offered.append(message)
        await self.may_go_on.wait()
        return await super().receive(message)  # type: ignore[return-value]


async def test_a_crash_in_the_middle_of_a_message_is_an_error_for_later_and_the_message_comes_again(phone: Phone) -> None:
    for how in ("exit", "segfault"):
        slow = SlowHost()
        async with running(phone, slow):
            native = await phone.write("anna", "do not lose me")
            await slow.until(lambda slow=slow: slow.offered)
            phone.order(do="crash", how=how)
            error = await phone.ended()
        assert isinstance(error, UnavailableError)
        assert error.code == "whatsapp_crashed"
    async with running(phone) as host:
        await phone.repeat(native)  # nothing was confirmed: its callback had not returned
        (message,) = await host.heard(1)
    assert message.message_id == native


async def test_a_frozen_device_process_is_killed_and_the_gateway_goes_on(phone: Phone) -> None:
    clock = phone.context.clock
    assert isinstance(clock, JumpingClock)
    async with running(phone) as host:
        pid = device_pid(phone)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        while not phone.running.done():
            assert time.monotonic() - began < 20
            clock.jump(5)
            await asyncio.sleep(0.02)
        error = await phone.ended()
        assert host.state is ChannelState.CONNECTED
    assert isinstance(error, UnavailableError)
    assert error.code == "whatsapp_hung"
    assert is_gone(pid)


def device_pid(phone: Phone) -> int:
    device = phone.channel._device
    assert device is not None
    assert device.pid is not None
    return device.pid


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_cancelling_ends_even_a_frozen_device_process(phone: Phone) -> None:
    async with running(phone):
        pid = device_pid(phone)
        os.kill(pid, signal.SIGSTOP)
    assert is_gone(pid)


async def test_a_flood_of_2000_messages_arrives_in_order_and_never_blocks_the_gateways_loop(phone: Phone) -> None:
    late: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append(time.perf_counter() - began - 0.005)

    async with running(phone) as host:
        watching = asyncio.create_task(watch())
        began = time.perf_counter()
        for number in range(2000):
            phone.event(from_contact("anna", f"m{number}", f"N{number}", at=phone.context.clock.now_ms()))
        messages = await host.heard(2000, 60)
        took = time.perf_counter() - began
        watching.cancel()
    assert [message.text for message in messages] == [f"m{number}" for number in range(2000)]
    assert not (phone.directory / "spool").exists(), "in ordinary operation nothing is on disk"
    print(f"2000 messages in {took:.2f} s; the loop was late by {max(late) * 1000:.1f} ms at most")
    assert max(late) < 1


def start_gateway(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(TESTS / "fakes" / "whatsapp_gateway.py"), str(home)], env=environment(PYTHONPATH=str(TESTS))
    )


@pytest.mark.parametrize("held", [True, False], ids=["all in the library first", "at once"])
async def test_what_a_killed_gateway_had_not_made_safe_is_spooled_and_offered_again_under_the_same_ids(
    phone: Phone, home: Path, *, held: bool
) -> None:
    """Five messages that WhatsApp believes delivered: one was with the gateway, four were in the library."""
    phone.says_connected = False
    gateway = start_gateway(home)
    try:
        await phone.until(lambda: phone.named("Neonize"))
        if held:
            await phone.hold("Dispatch")  # until the library has all five: the first one ends the gateway
        natives = [f"M{number}" for number in range(5)]
        for native in natives:
            phone.event(from_contact("anna", f"text of {native}", native, at=phone.context.clock.now_ms()))
        if held:
            await phone.sync()
            phone.order(do="release", name="Dispatch")
        await phone.until(lambda: gateway.poll() == -signal.SIGKILL)
        await phone.until(lambda: len(phone.spooled) == 5)
    finally:
        gateway.kill()
        gateway.wait()
    assert phone.spooled == natives
    assert (phone.directory / "spool").stat().st_mode & 0o777 == 0o600
    phone.says_connected = True
    async with running(phone) as host:
        messages = await host.heard(5)
    assert [message.message_id for message in messages] == natives
    assert [message.text for message in messages] == [f"text of {native}" for native in natives]
    assert not (phone.directory / "spool").exists()


async def test_a_stop_in_the_middle_of_a_message_loses_nothing(phone: Phone) -> None:
    """Torn ends and foreign lines, as a power cut may leave them, take nothing with them."""
    slow = SlowHost()
    async with running(phone, slow):
        natives = [await phone.write("anna", "one"), await phone.write("bert", "two")]
        await slow.until(lambda: slow.offered)
    assert phone.spooled == natives
    spool = phone.directory / "spool"
    whole = spool.read_bytes()
    spool.write_bytes(b'{"id": 7}\nnot json\n{"id": "x", "kind": "group"}\n' + whole + whole[: len(whole) // 3])
    async with running(phone) as host:
        assert [message.message_id for message in await host.heard(2)] == natives
        assert not spool.exists()


async def test_a_device_process_that_is_told_to_end_by_the_system_spools_what_is_not_safe(phone: Phone) -> None:
    slow = SlowHost()
    async with running(phone, slow):
        natives = [await phone.write("anna", "one"), await phone.write("bert", "two")]
        await slow.until(lambda: slow.offered)
        os.kill(device_pid(phone), signal.SIGTERM)
        error = await phone.ended()
    assert isinstance(error, UnavailableError)
    assert phone.spooled == natives
    assert phone.named("Disconnect"), "it goes on receiving while it ends"


async def test_a_spool_that_cannot_be_opened_stops_nothing(phone: Phone) -> None:
    (phone.directory / "spool").mkdir()
    async with running(phone) as host:
        await phone.write("anna", "hello")
        await host.heard(1)


async def test_an_account_that_is_missing_or_unreadable_is_the_owners_matter(new_phone: Phone) -> None:
    for text, code in (("", "whatsapp_bad_account"), (None, "whatsapp_not_linked")):
        path = new_phone.directory / "linked.json"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises((ConfigError, CredentialsError)) as caught:
            await new_phone.channel.run(RecordingHost())
        assert caught.value.code == code
    assert new_phone.lives == 0


def test_it_runs_on_uvloop_too(home: Path) -> None:
    async def once() -> None:
        async with phone_at(home) as phone, running(phone) as host:
            await phone.write("anna", "hello")
            await host.heard(1)
            assert isinstance(await phone.channel.send(phone.contact_id("anna"), MessageContent("hi"), "row-1"), Sent)

    uvloop.run(once())
