"""Birthdays and promises on the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli
from redis import Redis

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelContact
from secondme.core.remember.occasion_store import OccasionStore
from secondme.core.remember.occasions import Promise, promise_id
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role
from secondme.core.tools.store import SkillStore

ANNA, BEN = ContactId("local:anna"), ContactId("4915550000002@c.us")
YEAR = datetime.now(UTC).year


def data(cli: Cli, *words: str) -> dict[str, Any]:
    """What the command printed for scripts; it succeeded."""
    result = cli(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)["data"]
    return found


def code(cli: Cli, *words: str) -> tuple[int, str, str]:
    """Exit code, error code, and what to do about it."""
    result = cli(*words, "--json")
    error = json.loads(result.stdout)["errors"][0]
    return result.exit_code, error["code"], error["fix"]


def promised(setup: Setup, *texts: str) -> list[str]:
    """The owner promised Anna these things, the oldest first; their ids."""
    ids = [f"p{number}" for number in range(len(texts))]

    async def add() -> None:
        async with Store(setup, Role.ATTACH) as store:
            await store.client.zadd(keys.history(ANNA), {json.dumps({"id": each}): at for at, each in enumerate(ids)})
            now = datetime.now(UTC)
            said = {
                name: Promise(id=promise_id(ANNA, name), said_at=now - timedelta(hours=50 - at), text=text, day=now.date())
                for at, (name, text) in enumerate(zip(ids, texts, strict=True))
            }
            await OccasionStore(store).keep_promises(ANNA, said)

    asyncio.run(add())
    return [promise_id(ANNA, name) for name in ids]


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("4 May", (4, 5, None)),
        ("4.5.1986", (4, 5, 1986)),
        ("1986-05-04", (4, 5, 1986)),
        ("4. Mai", (4, 5, None)),
        (f"4 May {YEAR - 1}", (4, 5, YEAR - 1)),
    ],
)
def test_a_birthday_is_set_shown_and_cleared(cli: Cli, typed: str, expected: tuple[int, int, int | None]) -> None:
    assert data(cli, "contacts", "birthday", "Anna")["birthday"] is None
    shown = data(cli, "contacts", "birthday", "Anna", typed)["birthday"]
    assert (shown["day"], shown["month"], shown["year"], shown["source"]) == (*expected, "owner")
    assert shown["next"][4:] == "-05-04"
    assert shown["turns"] == (None if expected[2] is None else int(shown["next"][:4]) - expected[2])
    assert data(cli, "contacts", "birthday", "local:anna")["birthday"] == shown
    text = cli("contacts", "birthday", "Anna").stdout
    assert "local:anna: 4 May" in text
    assert "said by you" in text
    assert "birthday      4 May" in cli("contacts", "show", "Anna").stdout
    assert data(cli, "contacts", "birthday", "Anna", "--clear")["birthday"] is None
    assert "is not known" in cli("contacts", "birthday", "Anna").stdout


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("typed", ["05-04", "4/5", "31.2.", "yesterday", f"4 May {YEAR + 1}", "4.5.86", "\u202e"])
def test_what_is_no_day_or_could_be_two_is_refused_with_how_to_type_it(cli: Cli, typed: str) -> None:
    assert code(cli, "contacts", "birthday", "Anna", typed) == (
        65,
        "not_a_birthday",
        "Type it like '4 May', 4.5.1986 or 1986-05-04.",
    )
    assert data(cli, "contacts", "birthday", "Anna")["birthday"] is None


@pytest.mark.usefixtures("door")
def test_everybody_s_are_listed_the_next_first(cli: Cli) -> None:
    assert data(cli, "contacts", "birthday") == {"birthday": None, "birthdays": [], "contactId": ""}
    today = datetime.now(UTC).date()
    for who, days in (("local:anna", 20), ("local:rita", 10)):
        data(cli, "contacts", "birthday", who, f"{today + timedelta(days):%d %B}")
    assert [row["contactId"] for row in data(cli, "contacts", "birthday")["birthdays"]] == ["local:rita", "local:anna"]
    assert "said by you" in cli("contacts", "birthday").stdout
    assert cli("contacts", "birthday", "--clear").exit_code == 2


@pytest.mark.usefixtures("door")
def test_nobody_who_was_not_approved_has_one(cli: Cli) -> None:
    assert code(cli, "contacts", "birthday", "local:zoe", "4 May")[:2] == (65, "unknown_contact")
    assert code(cli, "contacts", "birthday", "Anna", "--from-cards")[:2] == (65, "no_cards")
    assert cli("contacts", "birthday", "Anna", "4 May", "--clear").exit_code == 2
    assert cli("contacts", "promises", "--done", "a", "--not-one", "b").exit_code == 2


@pytest.mark.usefixtures("door")
def test_promises_are_listed_and_settled(cli: Cli, setup: Setup, raw: Redis) -> None:
    first, second = promised(setup, "I'll send you the contract", "I'll call you")
    rows = data(cli, "contacts", "promises")["promises"]
    assert [(row["id"], row["contactId"], row["name"], row["text"]) for row in rows] == [
        (first, "local:anna", "anna", "I'll send you the contract"),
        (second, "local:anna", "anna", "I'll call you"),
    ]
    assert rows[0]["day"] == datetime.now(UTC).date().isoformat()
    assert data(cli, "contacts", "show", "Anna")["contacts"][0]["openPromises"] == 2
    assert "promises      2 open" in cli("contacts", "show", "Anna").stdout
    assert data(cli, "contacts", "promises", "local:rita")["promises"] == []
    assert code(cli, "contacts", "promises", "local:rita", "--done", first)[1] == "unknown_promise"
    settled = data(cli, "contacts", "promises", "Anna", "--done", first[:8])
    assert (settled["settled"], [row["id"] for row in settled["promises"]]) == (first, [second])
    assert "I'll call you" in cli("contacts", "promises").stdout
    assert "No open promise." in cli("contacts", "promises", "--not-one", second).stdout
    assert code(cli, "contacts", "promises", "--done", first) == (65, "unknown_promise", "secondme contacts promises")
    assert "contract" not in str(raw.hgetall(keys.promise(ANNA)))


@pytest.mark.usefixtures("door")
def test_what_a_contact_is_to_you_is_shown(cli: Cli, raw: Redis) -> None:
    def shown() -> str:
        return next(line for line in cli("contacts", "show", "Anna").stdout.splitlines() if "relationship" in line)

    assert shown() == "  relationship  acquaintance, until more is known"
    raw.hset(keys.relationship(ANNA), mapping={"currentType": "friend", "currentConfidence": "0.7", "signalCount": "3"})
    assert shown() == "  relationship  friend, it seems"
    cli("contacts", "relate", "Anna", "romantic_partner")
    assert shown() == "  relationship  romantic partner, as you said"
    assert data(cli, "contacts", "show", "Anna")["contacts"][0]["relationship"]["type"] == "romantic_partner"
    assert {line.split()[0] for line in cli("contacts", "show", "Anna").stdout.splitlines()[1:]} <= {
        *("state", "name", "number", "channel", "tier", "mode", "relationship", "speech", "approved", "persona", "notes")
    }  # words, none as a program spells them


def book(setup: Setup, path: Path, *birthdays: str) -> None:
    """Ben was approved, and the owner's address book, which the skill reads, has a card of his for each birthday."""
    cards = [f"BEGIN:VCARD\r\nFN:Ben\r\nTEL:+49 1555 0000002\r\nBDAY:{each}\r\nEND:VCARD\r\n" for each in birthdays]
    path.write_text("".join(cards) + "BEGIN:VCARD\r\nFN:Zoe\r\nTEL:+49 1555 0000003\r\nBDAY:1999-09-09\r\nEND:VCARD\r\n")

    async def prepare() -> None:
        async with Store(setup, Role.ATTACH) as store:
            known = ChannelContact(contact_id=BEN, display_name="Ben", phone_number="4915550000002")
            await PairingStore(store, setup.settings.pairing).approve_unasked(
                known, channel="whatsapp", by="test", tier=Tier.STANDARD
            )
            await SkillStore(store).set_config("contacts", {"files": str(path)})
            await SkillStore(store).set_state("contacts", on=True)

    asyncio.run(prepare())


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    ("written", "expected"), [("19860504", (4, 5, 1986)), ("--0504", (4, 5, None)), ("1986-05-04", (4, 5, 1986))]
)
def test_a_card_gives_the_birthday_by_the_contact_s_number_and_never_over_the_owner_s_word(
    cli: Cli, setup: Setup, tmp_path: Path, written: str, expected: tuple[int, int, int | None]
) -> None:
    book(setup, tmp_path / "book.vcf", written)
    shown = data(cli, "contacts", "birthday", BEN, "--from-cards")["birthday"]
    assert (shown["day"], shown["month"], shown["year"], shown["source"]) == (*expected, "address_book")
    data(cli, "contacts", "birthday", BEN, "6 May")
    assert data(cli, "contacts", "birthday", BEN, "--from-cards")["birthday"]["source"] == "owner"


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("birthdays", [(), ("1986-05-04", "1986-05-05"), ("1604-13-99",)])
def test_cards_that_say_nothing_or_two_things_give_none(cli: Cli, setup: Setup, tmp_path: Path, birthdays: tuple[str, ...]) -> None:
    book(setup, tmp_path / "book.vcf", *birthdays)
    assert code(cli, "contacts", "birthday", BEN, "--from-cards")[:2] == (65, "no_card")
