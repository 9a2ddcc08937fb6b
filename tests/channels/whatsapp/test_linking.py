"""Linking a phone by QR code and by pairing code, and unlinking it: nothing is saved before it worked, nothing is left behind."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest
from fakes.channel_host import RecordingHost
from fakes.whatsapp_phone import JumpingClock, Phone, running
from fakes.whatsapp_protos import OWN_DEVICE, OWN_LID, OWN_PHONE, from_contact, jid, own_device, pb

from secondme.channels.whatsapp.account import WhatsAppAccount, load_account, read_spool, save_account, write_spool
from secondme.channels.whatsapp.jids import OwnDevice
from secondme.channels.whatsapp.manifest import MANIFEST
from secondme.channels.whatsapp.process import COMMAND, link, unlink_device
from secondme.channels.whatsapp.setup import QUESTIONS, build, connect, forget, is_set_up, read_phone
from secondme.core.channel_plugin import ChannelContext, Linked, LinkQuestion, Say, ShowCode, ShowQr, Step
from secondme.core.clock import SystemClock
from secondme.core.errors import BusyError, ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId


def paired(status: int = 2) -> pb.PairStatus:
    return pb.PairStatus(ID=jid(OWN_PHONE, device=OWN_DEVICE), BusinessName="", Platform="android", Status=status)


async def begun(phone: Phone, number: str = "") -> AsyncGenerator[Step, None]:
    steps = link(phone.context, number, phone.command)
    assert isinstance(await anext(steps), Say)
    return steps


async def started(phone: Phone, steps: AsyncGenerator[Step, None]) -> "asyncio.Task[Step]":
    """The step that is waited for, once the library is connecting."""
    step = asyncio.create_task(anext(steps))  # type: ignore[arg-type]
    await phone.until(lambda: phone.named("Neonize") or step.done())
    return step


async def failed(step: "asyncio.Task[Step]") -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await step
    return caught.value


async def test_a_qr_code_is_shown_and_replaced_until_the_phone_has_scanned_one(new_phone: Phone) -> None:
    phone = new_phone
    assert not is_set_up(phone.context)
    async with aclosing(await begun(phone)) as steps:
        step = await started(phone, steps)
        phone.order(do="qr", payload="2@first")
        assert await step == ShowQr("2@first", 60.0)
        phone.order(do="qr", payload="2@second")
        assert await anext(steps) == ShowQr("2@second", 20.0)
        phone.event(paired())
        phone.event(pb.Connected(status=True))
        assert not is_set_up(phone.context)
        assert await anext(steps) == Linked(account=f"+{OWN_PHONE}")
    assert is_set_up(phone.context)
    assert load_account(phone.directory) == WhatsAppAccount(OwnDevice(OWN_PHONE, OWN_LID, OWN_DEVICE, "The owner"))
    assert phone.named("PairPhone") == []
    modes = {path.name: path.stat().st_mode & 0o777 for path in phone.directory.iterdir()}
    assert modes == dict.fromkeys(("device.db", "device.db-wal", "device.db-shm", "device.lock", "linked.json"), 0o600)
    assert phone.directory.stat().st_mode & 0o777 == 0o700


async def test_nobody_who_scans_is_told_so_in_time_and_nothing_is_saved(new_phone: Phone) -> None:
    clock = new_phone.context.clock
    assert isinstance(clock, JumpingClock)
    async with aclosing(await begun(new_phone)) as steps:
        step = await started(new_phone, steps)
        for number in range(6):
            new_phone.order(do="qr", payload=f"2@{number}")
            await step
            step = asyncio.create_task(anext(steps))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        clock.jump(20)
        await asyncio.sleep(0.05)
        assert not step.done(), "a little late is not too late"
        clock.jump(20)
        error = await failed(step)
    assert isinstance(error, UnavailableError)
    assert (error.code, error.fix) == ("whatsapp_qr_expired", "secondme channels connect whatsapp")
    assert not is_set_up(new_phone.context)


async def test_a_pairing_code_is_asked_for_once_with_the_number(new_phone: Phone) -> None:
    phone = new_phone
    async with aclosing(await begun(phone, OWN_PHONE)) as steps:
        step = await started(phone, steps)
        phone.order(do="qr", payload="2@first")
        assert await step == ShowCode("ABCD-1234", 160.0)
        phone.order(do="qr", payload="2@second")
        phone.event(paired())
        phone.event(pb.Connected(status=True))
        assert await anext(steps) == Linked(account=f"+{OWN_PHONE}")
    (asked,) = phone.named("PairPhone")
    assert asked["phone"] == OWN_PHONE
    assert asked["shown_as"] == "Chrome (Linux)"


async def test_a_refused_link_is_the_owners_matter(new_phone: Phone) -> None:
    async with aclosing(await begun(new_phone)) as steps:
        step = await started(new_phone, steps)
        new_phone.order(do="qr", payload="2@first")
        await step
        new_phone.event(paired(status=1))
        error = await failed(asyncio.create_task(anext(steps)))  # type: ignore[arg-type]
    assert isinstance(error, CredentialsError)
    assert error.code == "whatsapp_pairing_refused"
    new_phone.facts["errors"] = {"PairPhone": "bad request"}
    new_phone.calls.clear()
    async with aclosing(await begun(new_phone, "4915112345678")) as steps:
        step = await started(new_phone, steps)
        new_phone.order(do="qr", payload="2@first")
        assert (await failed(step)).code == "whatsapp_pairing_refused"
    assert not is_set_up(new_phone.context)


async def test_messages_that_arrive_while_linking_wait_for_the_gateway(new_phone: Phone) -> None:
    phone = new_phone
    async with aclosing(await begun(phone)) as steps:
        step = await started(phone, steps)
        phone.event(paired())
        phone.event(from_contact("anna", "early", "EARLY", at=phone.context.clock.now_ms()))
        phone.event(pb.Connected(status=True))
        assert isinstance(await step, Linked)
    phone.says_connected = True
    async with running(phone) as host:
        (found,) = await host.heard(1)
    assert (found.message_id, found.text) == ("EARLY", "early")


async def test_a_session_has_one_connection_and_whoever_comes_second_is_told(phone: Phone, home: Path) -> None:
    async with running(phone) as host:
        for second in (Phone(home).channel.run(RecordingHost()), unlink_device(phone.context, phone.command)):
            with pytest.raises(BusyError) as caught:
                await second
            assert caught.value.code == "whatsapp_in_use"
        assert is_set_up(phone.context)
        assert len(phone.named("Neonize")) == 1
        await phone.write("anna", "still connected")
        await host.heard(1)


async def test_whoever_stops_listening_leaves_no_process_behind(new_phone: Phone) -> None:
    steps = await begun(new_phone)
    step = await started(new_phone, steps)
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    await steps.aclose()
    async with aclosing(await begun(new_phone)) as steps:
        new_phone.calls.clear()
        step = await started(new_phone, steps)  # the lock is free
        assert new_phone.named("Neonize")
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)


async def test_unlinking_logs_out_and_erases_the_session(phone: Phone) -> None:
    write_spool(phone.directory, [{"id": "X", "contact": "4915112345678@c.us"}])
    await unlink_device(phone.context, phone.command)
    assert len(phone.named("Logout")) == 1
    assert [path.name for path in phone.directory.iterdir()] == ["device.lock"]
    await unlink_device(phone.context, phone.command)
    assert len(phone.named("Logout")) == 1


async def test_unlinking_without_a_connection_erases_the_session_all_the_same(phone: Phone) -> None:
    clock = phone.context.clock
    assert isinstance(clock, JumpingClock)
    phone.says_connected = False
    unlinking = asyncio.create_task(unlink_device(phone.context, phone.command))
    await phone.until(lambda: phone.named("Neonize"))
    clock.jump(31)
    await unlinking
    assert not is_set_up(phone.context)
    assert [path.name for path in phone.directory.iterdir()] == ["device.lock"]


async def test_a_device_that_was_logged_out_is_linked_from_scratch(phone: Phone) -> None:
    save_account(phone.directory, WhatsAppAccount(OwnDevice(OWN_PHONE, OWN_LID, OWN_DEVICE), is_logged_out=True))
    (phone.directory / "device.db").write_text("keys that WhatsApp would refuse")
    phone.facts["me"] = base64.b64encode(own_device(with_lid=False).SerializeToString()).decode()
    async with aclosing(await begun(phone)) as steps:
        step = await started(phone, steps)
        assert (phone.directory / "device.db").read_text() == ""
        assert isinstance(await step, Linked)
    account = load_account(phone.directory)
    assert account is not None
    assert (account.is_logged_out, account.own.lid) == (False, "")


async def test_a_machine_without_the_library_is_told_what_to_install(new_phone: Phone) -> None:
    blocked = (
        "import sys; sys.modules['magic'] = None; from secondme.channels.whatsapp.device.__main__ import main; main(sys.argv[1:])"
    )
    async with aclosing(link(new_phone.context, "", (COMMAND[0], "-P", "-c", blocked))) as steps:
        await anext(steps)
        with pytest.raises(ConfigError) as caught:
            await anext(steps)
    assert caught.value.code == "whatsapp_library_missing"
    assert "libmagic" in caught.value.fix


@pytest.mark.parametrize(
    ("typed", "digits"), [("", ""), ("  ", ""), ("+49 151 2345678", "491512345678"), ("0049 (151) 23-45.678", "491512345678")]
)
def test_a_phone_number_is_understood_as_people_write_it(typed: str, digits: str) -> None:
    assert read_phone(typed) == digits


@pytest.mark.parametrize("typed", ["0151 2345678", "12", "hello", "+49x", "٤٩١٥١١٢٣٤٥٦٧٨", "1" * 16])
async def test_what_is_no_phone_number_is_refused_before_anything_starts(tmp_path: Path, typed: str) -> None:
    asked: list[LinkQuestion] = []

    async def ask(question: LinkQuestion) -> str:
        asked.append(question)
        return typed

    context = ChannelContext({}, tmp_path / "whatsapp", SystemClock(), Random(1))
    with pytest.raises(DataError):
        await anext(aiter(connect(context, ask)))
    assert asked == [QUESTIONS["phone"]]
    assert not context.directory.exists()


def test_forgetting_a_contact_takes_their_messages_out_of_the_spool(tmp_path: Path) -> None:
    context = ChannelContext({}, tmp_path, SystemClock(), Random(1))
    messages = [
        {"id": "1", "contact": "4915112345678@c.us", "aliases": ["111222333444@lid"]},
        {"id": "2", "contact": "4917098765432@c.us", "aliases": []},
    ]
    write_spool(tmp_path, messages)
    forget(context, ContactId("111222333444@lid"))
    assert read_spool(tmp_path) == messages[1:]
    forget(context, ContactId("4917098765432@c.us"))
    assert list(tmp_path.iterdir()) == []
    forget(context, ContactId("4917098765432@c.us"))


def test_what_the_manifest_promises(tmp_path: Path) -> None:
    channel = build(ChannelContext({}, tmp_path, SystemClock(), Random(1)))
    assert channel.id == MANIFEST.id == "whatsapp"
    assert len(MANIFEST.icon) == 1
