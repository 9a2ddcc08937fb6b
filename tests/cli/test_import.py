"""`secondme import`: what is said of an import, what is refused, and with which exit code."""

import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli, Terminal, code_of
from redis import Redis

from secondme.core.store import keys

FILE = {"chats", "file", "messages", "ownMessages", "remembered", "turns"}
WHATSAPP = FILE | {"dateOrder", "dateOrderAmbiguous", "dateOrderBy", "dialect", "lines"}


def export(folder: Path, name: str = "chat.txt", *, head: str = "") -> Path:
    """A chat of today with Anna."""
    moment = datetime.now(UTC) - timedelta(minutes=30)
    said = [("anna", "are you coming?"), ("Sam", "yes"), ("Sam", "at eight\nor nine"), ("anna", "<Media omitted>")]
    path = folder / name
    path.write_text(head + "".join(f"{moment:%Y-%m-%d, %H:%M} - {who}: {text}\n" for who, text in said))
    return path


def telegram(folder: Path) -> Path:
    message = {"id": 1, "type": "message", "date": "2024-03-01T10:00:00", "from": "Sam", "from_id": "user5", "text": "hi"}
    path = folder / "result.json"
    path.write_text(json.dumps({"name": "Anna", "type": "personal_chat", "id": 77, "messages": [message]}))
    return path


def said(cli: Cli, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and envelope."""
    result = cli("import", *words, "--timezone", "UTC", "--json")
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.usefixtures("door")
def test_the_result_says_everything_and_the_second_run_adds_nothing(cli: Cli, tmp_path: Path) -> None:
    words = ("whatsapp", str(export(tmp_path, head="from my phone\n")), "--me", "sam")
    code, envelope = said(cli, *words)
    (file,) = envelope["data"]["files"]
    assert (code, envelope["schema"], envelope["status"], set(file)) == (0, "secondme.import.whatsapp/1", "ok", WHATSAPP)
    assert file["lines"] == {"all": 6, "messages": 4, "continuations": 1, "preamble": 1}
    assert file["messages"] == {"all": 4, "text": 3, "media": 1, "system": 0, "deleted": 0, "unreadable": 0}
    assert (file["dateOrder"], file["dateOrderBy"], file["dateOrderAmbiguous"]) == ("ymd", "dialect", False)
    (chat,) = file["chats"]
    assert (chat["me"], chat["contact"], chat["why"]) == ("Sam", "local:anna", "name")
    assert sorted(each["name"] for each in chat["people"]) == ["Sam", "anna"]
    assert (file["turns"], file["ownMessages"]) == ({"found": 3, "added": 3, "known": 0}, {"found": 2, "added": 2, "known": 0})
    (again,) = said(cli, *words)[1]["data"]["files"]
    assert (again["turns"]["added"], again["ownMessages"]["added"], again["turns"]["known"]) == (0, 0, 3)


def test_an_import_sends_and_queues_nothing(cli: Cli, door: Redis, tmp_path: Path) -> None:
    before = set(door.keys())
    assert said(cli, "whatsapp", str(export(tmp_path)), "--me", "Sam")[0] == 0
    new = {keys.history("local:anna"), keys.own_messages("local:anna"), keys.STYLE_OVERALL}
    assert set(door.keys()) - before == new


def test_a_dry_run_changes_nothing_and_says_so(cli: Cli, door: Redis, tmp_path: Path) -> None:
    before = sorted(door.keys())
    result = cli("import", "whatsapp", str(export(tmp_path)), "--me", "Sam", "--dry-run")
    assert (result.exit_code, sorted(door.keys()) == before) == (0, True)
    assert (
        "How you write: 2 of your messages, all would be new.\n  What was said last: 3 messages, all would be new." in result.stdout
    )
    assert "Nothing was changed." in result.stdout


@pytest.mark.usefixtures("raw")
def test_of_somebody_not_let_in_the_text_names_the_flag(cli: Cli, tmp_path: Path) -> None:
    result = cli("import", "whatsapp", str(export(tmp_path)), "--me", "Sam")
    assert "What anna wrote is not kept: nobody whom you approved has this name." in result.stdout
    assert "--contact ID" in result.stdout
    named = cli("import", "whatsapp", str(export(tmp_path)), "--me", "Sam", "--contact", "49151@s.whatsapp.net")
    assert "Kept as the chat with 49151@c.us, as you said." in named.stdout


@pytest.mark.usefixtures("door")
def test_how_a_file_was_read_is_told_who_asks(cli: Cli, tmp_path: Path) -> None:
    path = str(export(tmp_path, head="from my phone\n"))
    words = ("import", "whatsapp", path, "--me", "Sam", "--timezone", "UTC")
    today = f"{datetime.now(UTC) - timedelta(minutes=30):%Y-%m-%d}"
    first, again = cli(*words).stdout, cli(*words, "--verbose").stdout
    assert first.splitlines() == [
        "chat.txt",
        f"  4 messages with anna, {today}; you are Sam",
        "  Kept as the chat with local:anna, whom you approved under this name.",
        "  How you write: 2 of your messages, all new.",
        "  What was said last: 3 messages, all new.",
        "  What is remembered: 3 messages.",
    ]
    assert again.splitlines() == [
        *(line.replace("all new", "all there before") for line in first.splitlines()),
        "  Read: 4 messages: 3 text, 1 media.",
        "  Read: 6 lines: 4 begin a message, 1 go on, 1 stand before.",
        "  Read: lines begin like YYYY-00-00, 00:00 -; dates are year, month, day.",
        "  Read: in it speak anna (2), Sam (2).",
    ]


@pytest.mark.usefixtures("door")
def test_why_nothing_was_kept_is_said(cli: Cli, tmp_path: Path) -> None:
    """An approved contact's old chat; a chat in which the owner wrote nothing but media; a group."""
    old = tmp_path / "old.txt"
    old.write_text("2024-05-06, 10:00 - Sam: <Media omitted>\n2024-05-06, 10:01 - anna: ho\n")
    assert cli("import", "whatsapp", str(old), "--me", "Sam").stdout.splitlines() == [
        "old.txt",
        "  2 messages with anna, 2024-05-06; you are Sam",
        "  Kept as the chat with local:anna, whom you approved under this name.",
        "  How you write: nothing, for you wrote no text in it.",
        "  What was said last: nothing, for all of it is older than 7 days.",
        "  What is remembered: 1 message.",
    ]
    group = tmp_path / "group.txt"
    group.write_text("".join(f"2024-05-06, 10:0{at} - {who}: hi\n" for at, who in enumerate(("Sam", "Ann", "Ben", "Cy", "Di"))))
    assert cli("import", "whatsapp", str(group), "--me", "Sam").stdout.splitlines() == [
        "group.txt",
        "  5 messages with Ann, Ben, Cy and 1 more, 2024-05-06; you are Sam",
        "  A group: only what you wrote is learnt from.",
        "  How you write: 1 of your messages, new.",
    ]


@pytest.mark.usefixtures("raw")
def test_the_owners_usual_name_is_enough_in_a_chat_of_two(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_PERSONA__NAME", "Sam")
    assert said(cli, "whatsapp", str(export(tmp_path)))[0] == 0


@pytest.mark.usefixtures("raw")
def test_an_ambiguous_order_is_said_aloud(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("05/06/24, 10:00 - Sam: hi\n05/06/24, 10:01 - Anna: ho\n")
    assert "Its dates were read as day, month, year. That is a guess" in cli("import", "whatsapp", str(path), "--me", "Sam").stdout
    assert said(cli, "whatsapp", str(path), "--me", "Sam")[1]["data"]["files"][0]["dateOrderAmbiguous"] is True


@pytest.mark.usefixtures("raw")
def test_one_bad_file_does_not_keep_the_others_out(cli: Cli, tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("photo.jpg", "x")
    code, envelope = said(cli, "whatsapp", str(bad), str(export(tmp_path)), str(tmp_path / "gone.txt"), "--me", "Sam")
    assert (code, envelope["status"], [file["file"] for file in envelope["data"]["files"]]) == (65, "partial", ["chat.txt"])
    assert [error["code"] for error in envelope["errors"]] == ["no_chat_in_archive", "no_such_file"]


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no chat", "begins like a message"),
        (b"\xff\xff", "neither UTF-8 nor UTF-16"),
        (b"PK\x03\x04broken", "broken zip"),
        (b"31.12.21, 10:00 - Anna: hi\n", "In it speak: Anna."),
        ("31.12.21, 10:00 - \u202e\x1b]0;x\x07Anna: hi\n".encode(), "In it speak: ]0;xAnna."),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line_and_65(content: bytes, words: str, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(content)
    result = cli("import", "whatsapp", str(path), "--me", "Zoe")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (65, "", 1)
    assert words in result.stderr
    assert "\x1b" not in result.stderr
    assert said(cli, "whatsapp", str(path), "--me", "Zoe")[1]["status"] == "error"


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize(
    ("words", "code"), [(("--timezone", "Mars/Olympus"), 2), (("--contact", "nobody"), 65), (("--contact", "a b:c"), 65)]
)
def test_options_that_mean_nothing_are_refused(words: tuple[str, str], code: int, cli: Cli, tmp_path: Path) -> None:
    assert cli("import", "whatsapp", str(export(tmp_path)), *words).exit_code == code
    assert cli("import", "whatsapp").exit_code == 2


@pytest.mark.usefixtures("raw")
def test_telegrams_export_has_a_result_of_its_own(cli: Cli, tmp_path: Path) -> None:
    code, envelope = said(cli, "telegram", str(telegram(tmp_path)))
    (file,) = envelope["data"]["files"]
    assert (code, envelope["schema"], set(file)) == (0, "secondme.import.telegram/1", FILE)
    assert (file["chats"][0]["me"], file["chats"][0]["title"], file["chats"][0]["why"]) == ("Sam", "Anna", "not_approved")
    assert "1 message with Anna, 2024-03-01; you are Sam" in cli("import", "telegram", str(telegram(tmp_path))).stdout


def test_a_contact_is_named_by_id_or_name_and_the_door_stays_shut(cli: Cli, door: Redis, tmp_path: Path) -> None:
    code_of(door, "local:ben")  # he waits
    assert (
        said(cli, "whatsapp", str(export(tmp_path)), "--me", "Sam", "--contact", "local:ben")[1]["data"]["files"][0]["turns"][
            "added"
        ]
        == 3
    )
    assert door.exists(keys.history("local:ben"), keys.pending("local:ben"), keys.approved("local:ben")) == 2
    assert (
        said(cli, "whatsapp", str(export(tmp_path)), "--me", "Sam", "--contact", "ANNA")[1]["data"]["files"][0]["chats"][0][
            "contact"
        ]
        == "local:anna"
    )


@pytest.mark.usefixtures("raw")
def test_progress_is_shown_on_a_terminal_only(cli: Cli, home: Path, redis_url: str, tmp_path: Path) -> None:

    path = export(tmp_path)
    assert cli("import", "whatsapp", str(path), "--me", "Sam").stderr == ""
    words = [sys.executable, "-m", "secondme", "--home", str(home), "import", "whatsapp", str(path), "--me", "Sam"]
    with Terminal(words, SECONDME_REDIS_URL=redis_url, TERM="xterm-256color") as terminal:
        terminal.read_until("━")
        terminal.read_until("4 messages")
        assert terminal.ended() == 0


@pytest.mark.parametrize("me", ["", "Zoe"])
def test_who_speaks_in_it_is_a_choice_on_a_terminal(home: Path, redis_url: str, tmp_path: Path, me: str) -> None:
    path = export(tmp_path)
    words = [sys.executable, "-m", "secondme", "--home", str(home), "import", "whatsapp", str(path), *(("--me", me) if me else ())]
    with Terminal(words, SECONDME_REDIS_URL=redis_url, PROMPT_TOOLKIT_NO_CPR="1") as terminal:
        if me:
            terminal.read_until("'Zoe' is nobody in chat.txt")
        terminal.read_until("Who of them are you\\?")
        terminal.read_until("anna \\(2 messages\\)")
        terminal.read_until("Sam \\(2 messages\\)")
        terminal.type("\x1b[B\r")
        terminal.read_until("you are Sam")
        assert terminal.ended() == 0


@pytest.mark.usefixtures("raw")
def test_where_nobody_can_be_asked_the_people_are_named(cli: Cli, tmp_path: Path) -> None:
    refused = cli("import", "whatsapp", str(export(tmp_path)))
    assert (refused.exit_code, refused.stdout) == (65, "")
    assert "In it speak: anna, Sam. Say who you are with --me NAME." in refused.stderr


def warned(cli: Cli, *words: str) -> list[tuple[str, int]]:
    """The codes of the warnings, with how many there are."""
    code, envelope = said(cli, *words, "--dry-run")
    assert code == 0
    for warning in envelope["data"]["warnings"]:
        assert warning["message"] in cli("import", *words, "--dry-run").stdout
    return [(warning["code"], warning["count"]) for warning in envelope["data"]["warnings"]]


@pytest.mark.usefixtures("raw")
def test_a_contact_that_was_given_and_not_used_is_said(cli: Cli, tmp_path: Path) -> None:
    group = export(tmp_path)
    group.write_text(group.read_text() + group.read_text().splitlines()[0].replace("anna", "Carl") + "\n")
    words = ("whatsapp", str(group), "--me", "Sam", "--contact", "local:anna")
    assert warned(cli, *words) == [("contact_not_used", 1)]
    assert warned(cli, "whatsapp", str(export(tmp_path)), "--me", "Sam", "--contact", "local:anna") == []


@pytest.mark.usefixtures("raw")
def test_dates_that_cannot_be_are_counted_and_said(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("30.12.21, 20:03 - Sam: a\n31.02.22, 20:03 - Anna: b\n31.04.22, 20:03 - Anna: c\n30.12.88, 20:03 - Anna: d\n")
    assert warned(cli, "whatsapp", str(path), "--me", "Sam") == [("impossible_dates", 2), ("future_dates", 1)]


@pytest.mark.usefixtures("raw")
def test_entries_that_cannot_be_read_are_counted_and_said(cli: Cli, tmp_path: Path) -> None:
    path = telegram(tmp_path)
    content = json.loads(path.read_text())
    content["messages"] += [{"type": "message", "date": "never"}, {**content["messages"][0], "id": 2**70}]
    path.write_text(json.dumps(content))
    assert warned(cli, "telegram", str(path)) == [("unreadable_entries", 2)]


def test_what_a_file_gave_before_and_gives_no_more_is_said(cli: Cli, door: Redis, tmp_path: Path) -> None:
    path = str(export(tmp_path))
    said(cli, "whatsapp", path, "--me", "Sam", "--contact", "local:ben")
    result = cli("import", "whatsapp", path, "--me", "Sam", "--timezone", "UTC")
    assert "5 rows that these files gave before, and do not give any more, are gone." in result.stdout
    assert not door.exists(keys.history("local:ben"))
