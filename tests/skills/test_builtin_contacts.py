"""The address book: a contact is told of their own card and of no other, whatever the cards, the numbers and the files are made of."""

from pathlib import Path
from typing import Any

import pytest
from fakes.skill_home import ANNA, OWNER, TRUDY, SkillHome

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Origin, ToolTurn
from secondme.core.tools.sources import digits

BEN = ToolTurn(Origin.CONTACT, Tier.STANDARD, "4915550000002@c.us", "whatsapp", "m3")
CANARY = "zqothercardzq"


def vcard(name: str, *lines: str) -> str:
    return "\r\n".join(["BEGIN:VCARD", "VERSION:3.0", f"FN:{name}", *lines, "END:VCARD", ""])


def write(path: Path, text: str, least: int = 0) -> None:
    assert path.write_bytes(text.encode()) > least


BOOK = (
    vcard("Ben Bell", "TEL;TYPE=CELL:+49 1555 0000002", "EMAIL:ben@example.org", "BDAY:1990-05-01", f"NOTE:{CANARY}")
    + vcard(f"Carla {CANARY}", "item1.TEL:+49 1555 0000003", "ADR:;;Main St 5;Berlin;;10115;", "PHOTO;ENCODING=b:AAAA", " BBBB")
    + vcard(f"Dora {CANARY}", "TEL;VALUE=uri:tel:+1-555-000-0002")
)


@pytest.fixture
async def book(skill_home: SkillHome, tmp_path: Path) -> Path:
    """The owner's address book, of which two are contacts."""
    path = tmp_path / "book.vcf"
    path.write_text(BOOK)
    await skill_home.on("contacts", files=str(path))
    await skill_home.let_in(BEN, "4915550000002", "Benny")
    await skill_home.let_in(ANNA, name="Anna")
    return path


@pytest.mark.usefixtures("book")
async def test_a_contact_is_told_of_their_own_card(skill_home: SkillHome) -> None:
    told = (await skill_home.tells("contacts_card", turn=BEN))["data"]
    card = {
        "name": "Ben Bell",
        "birthday": "1990-05-01",
        "phones": ["+49 1555 0000002"],
        "emails": ["ben@example.org"],
        "addresses": [],
    }
    assert told["cards"] == [card]
    assert [(each["name"], each["number"]) for each in told["known"]] == [("Benny", "4915550000002")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(vcard(CANARY, "TEL:+1 555 000 0002"), id="the same end in another country"),
        pytest.param(vcard(CANARY, "TEL:01555 0000002"), id="no country"),
        pytest.param(vcard(CANARY, "TEL:4915550000002,4915550000003"), id="two in one"),
        pytest.param(vcard(CANARY, "X-TEL:+4915550000002"), id="another property"),
        pytest.param(vcard(CANARY, "NOTE:TEL:+4915550000002"), id="inside a note"),
        pytest.param(
            vcard("x", "TEL:+4915550000009").replace("END:VCARD", "") + f"FN:{CANARY}\r\nEND:VCARD\r\n", id="a card nobody ended"
        ),
        pytest.param("TEL:+4915550000002\r\n" + vcard(CANARY), id="before the first card"),
        pytest.param(vcard(CANARY) + "TEL:+4915550000002\r\n", id="after the last card"),
    ],
)
async def test_nobody_is_told_of_another_card(skill_home: SkillHome, book: Path, text: str) -> None:
    write(book, text)
    result = await skill_home.result("contacts_card", turn=BEN)
    assert result.code == ""
    assert '"cards": []' in result.text
    assert CANARY not in result.text


async def test_a_number_without_a_country_is_one_of_the_owner_s(skill_home: SkillHome, book: Path) -> None:
    write(book, vcard("Ben", "TEL:(01555) 00 000 02"))
    await skill_home.on("contacts", files=str(book), country_code="49")
    assert [each["name"] for each in (await skill_home.tells("contacts_card", turn=BEN))["data"]["cards"]] == ["Ben"]


@pytest.mark.usefixtures("book")
async def test_who_has_no_number_has_no_card(skill_home: SkillHome) -> None:
    told = (await skill_home.tells("contacts_card", turn=ANNA))["data"]
    assert (told["cards"], [each["name"] for each in told["known"]]) == ([], ["Anna"])


@pytest.mark.usefixtures("book")
async def test_contacts_that_are_one_person_have_one_card(skill_home: SkillHome) -> None:
    await skill_home.services.persons.link((ContactId(ANNA.contact_id), "local"), (ContactId(BEN.contact_id), "whatsapp"))
    told = (await skill_home.tells("contacts_card", turn=ANNA))["data"]
    assert [each["name"] for each in told["cards"]] == ["Ben Bell"]


@pytest.mark.usefixtures("book")
async def test_the_owner_finds_everybody_and_nobody_else_does(skill_home: SkillHome) -> None:
    told = (await skill_home.tells("contacts_find", {"name": "carla"}))["data"]
    assert [each["addresses"] for each in told["cards"]] == [["Main St 5, Berlin, 10115"]]
    assert (await skill_home.tells("contacts_find", {"name": "benny"}))["data"]["known"][0]["number"] == "4915550000002"
    for turn in (BEN, TRUDY):
        assert "contacts_find" not in await skill_home.names(turn)
        assert await skill_home.code("contacts_find", {"name": "carla"}, turn) == "not_allowed"
    assert "contacts_find" in await skill_home.names(OWNER)


@pytest.mark.usefixtures("book")
async def test_a_folder_of_cards_is_read_without_following_links(skill_home: SkillHome, tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    (folder / "friends").mkdir(parents=True)
    (folder / "friends" / "ben.vcf").write_text(vcard("Ben in a folder", "TEL:+4915550000002"))
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "ben.vcf").write_text(vcard(CANARY, "TEL:+4915550000002"))
    (folder / "link.vcf").symlink_to(tmp_path / "outside" / "ben.vcf")
    (folder / "linked").symlink_to(tmp_path / "outside")
    (folder / "readme.txt").write_text(vcard(CANARY, "TEL:+4915550000002"))
    await skill_home.on("contacts", files=str(folder))
    told = await skill_home.tells("contacts_card", turn=BEN)
    assert [each["name"] for each in told["data"]["cards"]] == ["Ben in a folder"]


@pytest.mark.parametrize("what", ["gone", "link", "long", "fifo"])
async def test_what_is_no_address_book_is_a_code(skill_home: SkillHome, book: Path, what: str, tmp_path: Path) -> None:
    import os

    path = tmp_path / "other.vcf"
    match what:
        case "link":
            path.symlink_to(book)
        case "long":
            path.write_bytes(BOOK.encode() + b"\n" * (4 << 20))
        case "fifo":
            os.mkfifo(path)
    await skill_home.on("contacts", files=str(path))
    assert await skill_home.code("contacts_card", turn=BEN) == "failed"


async def test_four_megabytes_are_read(skill_home: SkillHome, book: Path) -> None:
    photo = "PHOTO;ENCODING=b:" + "\r\n ".join(["A" * 72] * 500)
    write(book, "".join(vcard(f"Person {at}", f"TEL:+49 1555 1{at:06}", photo) for at in range(104)) + BOOK, least=3_900_000)
    assert len((await skill_home.tells("contacts_card", turn=BEN))["data"]["cards"]) == 1


@pytest.mark.parametrize(
    ("phone", "number"),
    [
        ("+49 (0)1555 000-0002", "4915550000002"),
        ("0049 1555/0000002", "4915550000002"),
        ("01555 0000002", "4915550000002"),
        ("4915550000002", "4915550000002"),
        ("++4915550000002", ""),
        ("+49", ""),
        ("+49155500000021234567", ""),
        ("٤٩١٥٥٥٠٠٠٠٠٠٢", ""),
        ("1" * 10_000, ""),
        ("", ""),
    ],
)
def test_numbers_are_compared_whole(phone: str, number: str) -> None:
    assert digits(phone, "49") == number


async def test_a_sealed_reader_that_went_mad_shows_nobody(skill_home: SkillHome, book: Path) -> None:
    """What the sandbox says of the cards is a stranger's word: the gateway compares the numbers itself."""
    from secondme.core.tools.asks import AskContext
    from secondme.core.tools.sources import ContactSource

    async def read(*_: Any) -> Any:
        return [
            {"name": CANARY, "phones": ["+4915550000003"]},
            {"name": "Ben", "phones": ["+4915550000002", 7], "secret": CANARY},
            5,
        ]

    async def settings(_: str) -> dict[str, str]:
        return {"files": str(book)}

    source = ContactSource(settings, read, skill_home.services._known_contacts)
    granted = next(each for each in (await skill_home.services.skills.get("contacts")).tools if each.tool.name == "card")
    answer = (await source.answer(AskContext(granted, BEN, {}), {}))["answer"]
    assert [each["name"] for each in answer["cards"]] == ["Ben"]
    assert CANARY not in str(answer)
