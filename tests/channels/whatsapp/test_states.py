"""How the connection stands, by what WhatsApp says: what passes by itself, and what only the owner can mend."""

import asyncio

import pytest
from fakes.channel_host import RecordingHost
from fakes.whatsapp_phone import Phone, running
from fakes.whatsapp_protos import fill, from_contact, pb

from secondme.channels.whatsapp.account import load_account
from secondme.core.errors import CredentialsError, UnavailableError
from secondme.core.messages import ChannelState


async def test_a_storm_of_reconnects_keeps_one_connection_and_ends_connected(phone: Phone) -> None:
    async with running(phone) as host:
        for number in range(300):
            phone.filled(pb.Disconnected)
            phone.event(pb.Connected(status=True))
            phone.event(from_contact("anna", f"m{number}", f"S{number}", at=phone.context.clock.now_ms()))
        messages = await host.heard(300)
        await phone.sync()
        assert host.state is ChannelState.CONNECTED
    assert [message.text for message in messages] == [f"m{number}" for number in range(300)]
    assert phone.lives == 1
    assert len(phone.named("Neonize")) == 1


async def test_signs_of_life_come_only_while_whatsapp_answers(phone: Phone) -> None:
    async with running(phone) as host:
        await host.until(lambda: host.signs_of_life > 3)
        phone.event(pb.KeepAliveTimeout(ErrorCount=1, LastSuccess=0))
        await phone.sync()
        assert host.state is ChannelState.CONNECTED
        phone.event(pb.KeepAliveTimeout(ErrorCount=2, LastSuccess=0))
        await host.until(lambda: host.states[-1] == (ChannelState.STALLED, "whatsapp_keepalive"))
        await asyncio.sleep(0.1)  # a sign of life that was on its way
        silent = host.signs_of_life
        await asyncio.sleep(0.2)  # four polls
        assert host.signs_of_life == silent
        phone.filled(pb.KeepAliveRestored)
        await host.until(lambda: host.state is ChannelState.CONNECTED)
        await host.until(lambda: host.signs_of_life > silent + 2)
        await phone.set(connected=False)
        phone.filled(pb.Disconnected)
        await host.until(lambda: host.state is ChannelState.CONNECTING)
        await asyncio.sleep(0.1)
        silent = host.signs_of_life
        await asyncio.sleep(0.2)
        assert host.signs_of_life == silent, "a lost connection gives signs of life"
        await phone.set(connected=True)
        await host.until(lambda: host.signs_of_life > silent)
        await phone.hold("IsConnected")
        await asyncio.sleep(0.1)
        silent = host.signs_of_life
        await asyncio.sleep(0.2)
        assert host.signs_of_life == silent, "a library that hangs gives signs of life"
        await phone.write("anna", "the rest goes on")
        await host.heard(1)


NEEDS_OWNER = {
    "replaced": (pb.StreamReplaced(), "whatsapp_replaced", "secondme channels connect whatsapp"),
    "banned": (pb.TemporaryBan(Code=1, Expire=3600), "whatsapp_banned", "secondme channels connect whatsapp"),
    "outdated": (pb.ClientOutdated(), "whatsapp_outdated", "pip install -U secondme"),
    "refused": (
        pb.ConnectFailure(Reason=4, Message="", Raw=fill(pb.Node())),
        "whatsapp_logged_out",
        "secondme channels connect whatsapp",
    ),
}


@pytest.mark.parametrize("name", NEEDS_OWNER)
async def test_what_only_the_owner_can_mend_ends_the_run_and_says_so(phone: Phone, name: str) -> None:
    event, code, fix = NEEDS_OWNER[name]
    async with running(phone):
        phone.event(event)
        error = await phone.ended()
    assert isinstance(error, CredentialsError)
    assert error.code == code
    assert fix in error.fix
    assert ("until 20" in error.message) == (name == "banned")
    assert len(phone.named("Neonize")) == 1, "it fights by reconnecting"


async def test_whatsapps_own_trouble_is_for_later(phone: Phone) -> None:
    async with running(phone):
        phone.event(pb.ConnectFailure(Reason=10, Message="", Raw=fill(pb.Node())))
        error = await phone.ended()
    assert isinstance(error, UnavailableError)
    assert error.code == "whatsapp_unavailable"
    async with running(phone):
        phone.order(do="end", error="failed to connect")
        error = await phone.ended()
    assert isinstance(error, UnavailableError)
    assert error.code == "whatsapp_unreachable"


async def test_a_logged_out_device_is_not_started_again(phone: Phone) -> None:
    async with running(phone):
        phone.event(pb.LoggedOut(OnConnect=False, Reason=2))
        await phone.ended()
    account = load_account(phone.directory)
    assert account is not None
    assert account.is_logged_out
    with pytest.raises(CredentialsError) as caught:
        await phone.channel.run(RecordingHost())
    assert caught.value.code == "whatsapp_logged_out"
    assert phone.lives == 1


async def test_keys_that_are_gone_mean_logged_out(phone: Phone) -> None:
    """Without them the library asks for a phone to scan a code, in the middle of the night."""
    phone.says_connected = False
    task = asyncio.create_task(phone.channel.run(RecordingHost()))
    await phone.until(lambda: phone.named("Neonize"))
    phone.order(do="qr", payload="2@code")
    with pytest.raises(CredentialsError) as caught:
        await task
    assert caught.value.code == "whatsapp_logged_out"
