"""Address books are read from the gateway that holds the connections: listed, looked up for an invite, and kept nowhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fakes.channel import FakeChannel
from fakes.house import house
from fakes.process import eventually
from fakes.town import Town
from typer.testing import CliRunner, Result

from secondme.channels.local.channel import LocalChannel
from secondme.channels.local.client import LocalClient
from secondme.channels.local.manifest import MANIFEST
from secondme.cli.app import app
from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelContact

BOOK = [
    ChannelContact(ContactId("491512345678@c.us"), "Ben Smith", "491512345678"),
    ChannelContact(ContactId("491700000001@c.us"), "Cleo", "491700000001"),
    ChannelContact(ContactId("491700000002@c.us"), "cleo", "491700000002"),
]

Cli = Callable[..., Awaitable[Result]]


@pytest.fixture
def typed(town: Town, redis_url: str) -> Cli:
    """A command, typed beside whatever runs."""

    async def typed(*words: str) -> Result:
        line = ["--home", str(town.setup.places.config), *words]
        return await asyncio.to_thread(CliRunner().invoke, app, line, env={"SECONDME_REDIS_URL": redis_url})

    return typed


@pytest.fixture
async def phone(town: Town) -> AsyncIterator[FakeChannel]:
    """A gateway with its API, the real local channel with Anna at a terminal, and a phone with an address book."""
    places, phone = town.setup.places, FakeChannel("whatsapp")
    phone.address_book = list(BOOK)
    local = ChannelFactory(MANIFEST, lambda: LocalChannel(places.local_socket, places.local_mail, SystemClock()))
    async with house(town, local, phone.factory()) as there:
        stop, manager = asyncio.Event(), there.gateway.manager
        api = asyncio.create_task(town.services.api(stop.is_set, None, manager.states, manager.channels.get).run(stop))
        anna = asyncio.create_task(LocalClient(places.local_socket, "Anna", SystemClock()).run())
        await there.connected("local")
        await there.connected("whatsapp")
        await eventually(places.api_socket.exists)
        await eventually(manager.channels["local"].contacts)
        yield phone
        anna.cancel()
        stop.set()
        await api


def book_of(result: Result) -> dict[str, tuple[str, ...]]:
    rows: list[dict[str, Any]] = json.loads(result.stdout)["data"]["addressBook"]
    return {row["contactId"]: (row["channel"], row["name"], row["number"], row["state"]) for row in rows}


@pytest.mark.usefixtures("phone")
async def test_everybody_in_the_address_books_is_listed_and_nobody_kept(town: Town, typed: Cli) -> None:
    everybody = book_of(await typed("contacts", "list", "--address-book", "--json"))
    assert everybody == {
        "local:anna": ("local", "Anna", "", ""),
        **{each.contact_id: ("whatsapp", each.display_name, each.phone_number, "") for each in BOOK},
    }
    assert list(book_of(await typed("contacts", "list", "--address-book", "--search", "SMITH", "--json"))) == ["491512345678@c.us"]
    assert list(book_of(await typed("contacts", "list", "--address-book", "--channel", "local", "--json"))) == ["local:anna"]
    assert "491512345678@c.us" in (await typed("contacts", "list", "--address-book")).stdout
    client = town.store.client
    assert [key for key in await client.keys("*") if b"Smith" in (await client.dump(key) or b"")] == []
    await town.let_in("anna")
    assert book_of(await typed("contacts", "list", "--address-book", "--json"))["local:anna"][3] == "approved"


async def test_one_address_book_that_cannot_be_read_hides_no_other(typed: Cli, phone: FakeChannel) -> None:
    async def broken() -> list[ChannelContact]:
        raise UnavailableError("whatsapp_timeout", "WhatsApp did not answer in time.")

    phone.contacts = broken  # type: ignore[method-assign]
    result = await typed("contacts", "list", "--address-book", "--json")
    assert (result.exit_code, list(book_of(result))) == (69, ["local:anna"])
    assert [error["code"] for error in json.loads(result.stdout)["errors"]] == ["whatsapp_timeout"]
    alone = await typed("contacts", "list", "--address-book", "--channel", "whatsapp")
    assert (alone.exit_code, alone.stderr) == (69, "secondme: WhatsApp did not answer in time.\n")


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize("who", ["ben smith", "+49 151 2345678", "491512345678@c.us"])
async def test_an_invite_is_made_for_somebody_in_an_address_book(town: Town, typed: Cli, who: str) -> None:
    data = json.loads((await typed("pairing", "invite", "--to", who, "--json")).stdout)["data"]
    assert data["contact"] == {
        "channel": "whatsapp",
        "contactId": "491512345678@c.us",
        "name": "Ben Smith",
        "number": "491512345678",
        "state": "",
    }
    assert [(each.code, each.name) for each in (await town.services.listing()).invites] == [(data["code"], "Ben Smith")]
    shown = (await typed("pairing", "invite", "--to", who, "--name", "Benny")).stdout
    assert "For Benny, +491512345678, 491512345678@c.us, on whatsapp.\n" in shown


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize(
    ("who", "what", "fix"),
    [
        ("Cleo", "2 entries are called that: 491700000001@c.us, 491700000002@c.us.", "by its id"),
        ("Ben Smit", "Nobody in the address books", "Did you mean Ben Smith?"),
        ("491512345670@c.us", "Nobody in the address books", "--address-book"),
        ("+49 30 1234567", "Nobody in the address books", "--address-book"),
    ],
)
async def test_who_is_not_one_entry_gets_no_invite(town: Town, typed: Cli, who: str, what: str, fix: str) -> None:
    result = await typed("pairing", "invite", "--to", who)
    assert (result.exit_code, what in result.stderr, fix in result.stderr) == (65, True, True), result.stderr
    assert (await town.services.listing()).invites == []


async def test_without_a_gateway_nothing_is_known_of_an_address_book(typed: Cli) -> None:
    result = await typed("pairing", "invite", "--to", "491512345678@c.us")
    assert (result.exit_code, "serve, with api.enabled" in result.stderr) == (69, True)
    assert (await typed("contacts", "list", "--address-book")).exit_code == 69
