"""`secondme memory`: what is remembered is shown, found and forgotten to the last byte; and what is refused, with which exit code."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cli.test_hostile import HOSTILE
from fakes.process import Cli, Terminal, obeyed
from redis import Redis

from secondme.core.clock import to_ms
from secondme.core.config.loader import Setup
from secondme.core.ids import ContactId
from secondme.core.memory.facts import Spoken, facts_in
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage, SpokenBy
from secondme.core.messages import Speaker
from secondme.core.records import Turn
from secondme.core.store import keys

ANNA, RITA, BEN = ContactId("local:anna"), ContactId("local:rita"), ContactId("local:ben")
BERLIN = ZoneInfo("Europe/Berlin")
Said = tuple[str, SpokenBy, str]
TALK: list[Said] = [
    ("2026-03-02 23:30", "contact", "my dog is called Bartholomew"),
    ("2026-03-03 00:30", "contact", "the ferry leaves at noon from Peterhafen"),
    ("2026-03-03 23:59", "owner", "I will bring the marzipan"),
    ("2026-03-04 09:00", "clone", "what about the tamarind?"),
]
"""In Berlin."""
WORDS = ("Bartholomew", "bartholomew", "Peterhafen", "peterhafen", "marzipan", "tamarind")
Keep = Callable[..., None]


@pytest.fixture
def keep(setup: Setup) -> Keep:
    """Memory gets what was said with a contact, and its facts, as a gateway writes them; ids are m0, m1, …"""

    def keep(contact: ContactId, *talk: Said) -> None:
        memories = Memories(setup.places.memory, setup.settings.memory)
        for number, (at, speaker, text) in enumerate(talk):
            at_ms = to_ms(datetime.fromisoformat(at).replace(tzinfo=BERLIN))
            memories.append(contact, [MemoryMessage(f"m{number}", at_ms, speaker, text)])
            memories.add_facts(contact, facts_in(Spoken(f"m{number}", at_ms, Speaker(speaker), text)))
        memories.close()

    return keep


@pytest.fixture
def anna(keep: Keep, door: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """Anna and Rita were let in, and have a past; the owner lives in Berlin."""
    monkeypatch.setenv("SECONDME_SLEEP__TIMEZONE", "Europe/Berlin")
    keep(ANNA, *TALK)
    keep(RITA, ("2026-03-03 12:00", "contact", "the dog of Rita is a dachshund"))
    return door


def said(cli: Cli, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and data."""
    result = cli("memory", *words, "--json")
    envelope = json.loads(result.stdout)
    assert envelope["exit_code"] == result.exit_code
    return result.exit_code, envelope["data"]


def data_of(cli: Cli, *words: str) -> dict[str, Any]:
    code, data = said(cli, *words)
    assert code == 0
    return data


def left(setup: Setup, *words: str) -> list[str]:
    """Those of the words that are in any file of the memory, byte for byte."""
    found = b"".join(path.read_bytes() for path in setup.places.memory.rglob("*") if path.is_file())
    return [word for word in words if word.encode() in found]


def texts(setup: Setup, contact: ContactId = ANNA) -> list[str]:
    memories = Memories(setup.places.memory, setup.settings.memory)
    kept = [each.text for each in memories.messages(contact)]
    memories.close()
    return kept


@pytest.mark.usefixtures("anna")
def test_status_says_how_much_is_remembered_and_who_is_sent_what(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(cli, "status")
    assert (data["enabled"], data["filled"], data["contacts"], data["waiting"], data["damaged"]) == (True, False, 2, 0, 0)
    assert (data["embeddings"], data["facts"], data["recipients"], data["unsent"]) == ("none", "rules", [], 0)
    text = cli("memory", "status").stdout
    assert text.startswith("2 people, ")
    assert "It begins when a gateway runs" in text
    assert text.endswith("Nothing of it leaves this machine.\n")
    monkeypatch.setenv("SECONDME_MEMORY__AUTOMEM_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SECONDME_MEMORY__EMBEDDINGS", "openai")
    assert "What people write goes to OpenAI, AutoMem at 127.0.0.1, to be found again." in cli("memory", "status").stdout
    assert "memory" in (line := next(each for each in cli("status").stdout.splitlines() if "OpenAI" in each))
    assert "what people write goes to OpenAI, AutoMem at 127.0.0.1" in line


@pytest.mark.usefixtures("anna")
def test_a_damaged_file_is_said_and_so_is_memory_that_is_off(cli: Cli, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    memories = Memories(setup.places.memory, setup.settings.memory)
    memories.files(RITA)[0].write_bytes(b"no database" * 1000)
    assert data_of(cli, "show", RITA)["contacts"][0]["messages"] == 0
    assert data_of(cli, "status")["damaged"] == 1
    assert "1 damaged file set aside: secondme memory index" in cli("memory", "status").stdout
    monkeypatch.setenv("SECONDME_MEMORY__ENABLED", "false")
    off = cli("memory", "status")
    assert (off.exit_code, data_of(cli, "status")["enabled"]) == (0, False)
    assert off.stdout.startswith("Memory is off: ")
    assert "It begins when a gateway runs" not in off.stdout


@pytest.mark.usefixtures("anna")
def test_search_finds_what_was_said_with_this_person_and_nobody_else(cli: Cli) -> None:
    data = data_of(cli, "search", "anna", "what", "is", "the", "dog", "called?")
    assert data["contact"] == ANNA
    first = data["hits"][0]
    assert (first["messageId"], first["speaker"], first["at"], first["text"]) == (
        "m0",
        "contact",
        "2026-03-02T22:30:00Z",
        "my dog is called Bartholomew",
    )
    assert first["why"]
    assert "dachshund" not in json.dumps(data)
    text = cli("memory", "search", ANNA, "dog").stdout
    assert "my dog is called Bartholomew" in text
    assert "dachshund" not in text
    assert len(data_of(cli, "search", ANNA, "dog ferry marzipan tamarind", "--limit", "2")["hits"]) == 2
    assert (
        data_of(cli, "search", ANNA, "zeppelin")["hits"],
        "Nothing like that was said." in cli("memory", "search", ANNA, "zeppelin").stdout,
    ) == (
        [],
        True,
    )


@pytest.mark.usefixtures("anna")
def test_show_counts_who_said_how_much_and_lists_the_facts(cli: Cli) -> None:
    (shown,) = data_of(cli, "show", "Anna")["contacts"]
    counts = [shown[each] for each in ("messages", "byContact", "byOwner", "byClone", "imported")]
    assert (counts, shown["firstAt"], shown["lastAt"]) == ([4, 2, 1, 1, 0], "2026-03-02T22:30:00Z", "2026-03-04T08:00:00Z")
    assert [(fact["kind"], fact["value"], fact["saidBy"], fact["messages"]) for fact in shown["facts"]] == [
        ("kin_dog", "Bartholomew", "contact", ["m0"])
    ]
    text = cli("memory", "show", ANNA).stdout
    assert "4 messages from 2026-03-02 to 2026-03-04" in text
    assert "2 theirs, 1 yours, 1 of the clone; 0 from exports" in text
    assert "Bartholomew" in text


@pytest.mark.usefixtures("anna")
def test_a_fact_that_is_wrong_is_forgotten_by_its_id_and_what_was_said_stays(cli: Cli, setup: Setup) -> None:
    (fact,) = data_of(cli, "facts", ANNA)["facts"]
    assert fact["id"][:8] in cli("memory", "facts", ANNA).stdout
    assert data_of(cli, "facts", ANNA, "--forget", "nothing")["forgotten"] == 0
    assert data_of(cli, "facts", RITA, "--forget", fact["id"])["forgotten"] == 0  # nobody forgets somebody else's
    assert cli("memory", "facts", ANNA, "--forget", fact["id"][:8]).stdout == "1 forgotten.\nNo facts are known.\n"
    assert data_of(cli, "facts", ANNA)["facts"] == []
    assert texts(setup) == [text for _, _, text in TALK]


@pytest.mark.usefixtures("anna")
def test_a_message_is_forgotten_with_its_facts_and_no_byte_of_it_is_left(cli: Cli, setup: Setup) -> None:
    done = data_of(cli, "forget", ANNA, "--message", "m0", "--message", "m3", "--message", "unknown", "--yes")
    assert done == {"contact": ANNA, "messages": 2, "facts": 1, "left": 0}
    assert texts(setup) == [TALK[1][2], TALK[2][2]]
    assert left(setup, *WORDS) == ["Peterhafen", "peterhafen", "marzipan"]
    assert data_of(cli, "forget", ANNA, "--message", "m0", "--yes")["messages"] == 0
    assert data_of(cli, "search", ANNA, "Bartholomew")["hits"] == []


@pytest.mark.parametrize(
    ("words", "stays"),
    [
        (("--since", "2026-03-03"), [0]),
        (("--until", "2026-03-03"), [3]),
        (("--since", "2026-03-03", "--until", "2026-03-03"), [0, 3]),
        (("--since", "2026-03-04"), [0, 1, 2]),
        (("--until", "2026-03-01"), [0, 1, 2, 3]),
        (("--until", "9999-12-31"), []),
        (("--since", "0001-01-01"), []),
    ],
)
@pytest.mark.usefixtures("anna")
def test_days_are_those_of_the_owner_s_clock(words: tuple[str, ...], stays: list[int], cli: Cli, setup: Setup) -> None:
    done = data_of(cli, "forget", ANNA, *words, "--yes")
    assert (done["messages"], done["left"]) == (4 - len(stays), 0)
    assert texts(setup) == [TALK[number][2] for number in stays]
    gone = [word for number, word in ((0, "artholomew"), (1, "eterhafen"), (2, "marzipan"), (3, "tamarind")) if number not in stays]
    assert left(setup, *gone) == []


@pytest.mark.usefixtures("anna")
def test_everything_of_a_person_is_forgotten_and_of_the_others_nothing(cli: Cli, setup: Setup, anna: Redis) -> None:
    before = {key: anna.dump(key) for key in anna.scan_iter()}
    result = cli("memory", "forget", "anna", "--yes")
    assert result.stdout == ("4 messages and 1 fact forgotten.\nTheir files were searched: nothing of it is left.\n")
    assert left(setup, *WORDS, "dachshund") == ["dachshund"]
    assert texts(setup, RITA) == ["the dog of Rita is a dachshund"]
    assert cli("memory", "show", ANNA).stdout == f"{ANNA}: nothing is remembered.\n"
    assert data_of(cli, "forget", ANNA, "--yes") == {"contact": ANNA, "messages": 0, "facts": 0, "left": 0}
    assert anna.zrange(keys.memory_forgotten(ANNA), 0, -1)  # ids: what histories hold of them is not remembered again
    anna.delete(keys.memory_forgotten(ANNA))
    assert {key: anna.dump(key) for key in anna.scan_iter()} == before  # histories and styles stay


def test_what_waits_to_be_remembered_is_forgotten_too(cli: Cli, setup: Setup, anna: Redis) -> None:
    anna.set(keys.MEMORY_ON, "2")
    for number, text in enumerate(("the zeppelin lands", "the quokka sleeps"), 7):
        at = datetime.fromisoformat("2026-03-05 10:00").replace(tzinfo=BERLIN)
        turn = Turn(id=f"m{number}", role="user", content=text, timestamp=at, type="incoming")
        anna.rpush(keys.memory_journal(ANNA), turn.encode())
    anna.zadd(keys.MEMORY_DUE, {ANNA: 1})
    assert "1 contact with something that is not read yet." in cli("memory", "status").stdout
    assert data_of(cli, "forget", ANNA, "--message", "m7", "--yes")["messages"] == 1
    assert data_of(cli, "search", ANNA, "zeppelin quokka")["hits"][0]["text"] == "the quokka sleeps"
    assert data_of(cli, "forget", ANNA, "--yes")["messages"] == 5
    assert anna.exists(keys.memory_journal(ANNA), keys.MEMORY_DUE) == 0
    assert left(setup, *WORDS, "zeppelin", "quokka") == []


@pytest.mark.usefixtures("anna")
def test_who_says_the_same_keeps_it_and_raises_no_alarm(cli: Cli, setup: Setup, keep: Keep) -> None:
    keep(RITA, ("2026-03-03 12:00", "contact", "the dog of Rita is a dachshund"), ("2026-03-03 13:00", "contact", TALK[1][2]))
    done = data_of(cli, "forget", ANNA, "--message", "m1", "--yes")
    assert (done["messages"], done["left"]) == (1, 0)
    assert TALK[1][2] in texts(setup, RITA)


@pytest.mark.parametrize("words", [("--message", "n0"), ("--since", "2026-03-05", "--until", "2026-03-05"), ()])
@pytest.mark.usefixtures("anna")
def test_a_damaged_file_keeps_no_word_that_is_forgotten(words: tuple[str, ...], cli: Cli, setup: Setup) -> None:
    memories = Memories(setup.places.memory, setup.settings.memory)
    said_at = to_ms(datetime(2026, 3, 5, 12, tzinfo=BERLIN))
    again = MemoryMessage("n0", said_at, "contact", "my dog is called Bartholomew")
    memories.append(ANNA, [again])
    memories.close()
    (path,) = memories.files(ANNA)
    path.write_bytes(b"damaged" + path.read_bytes())
    memories.append(ANNA, [again, MemoryMessage("n1", said_at + 3 * 86_400_000, "contact", "what stays")])
    memories.close()
    assert data_of(cli, "status")["damaged"] == 1
    done = data_of(cli, "forget", ANNA, *words, "--yes")
    assert (done["messages"], done["left"]) == (1 if words else 2, 0)
    assert left(setup, *WORDS) == []


def test_of_a_person_whose_file_is_only_damaged_everything_is_forgotten(cli: Cli, setup: Setup, anna: Redis) -> None:
    del anna
    memories = Memories(setup.places.memory, setup.settings.memory)
    (path,) = memories.files(ANNA)
    path.write_bytes(b"damaged" + path.read_bytes())
    assert data_of(cli, "show", ANNA)["contacts"][0]["messages"] == 0
    assert left(setup, *WORDS)
    data_of(cli, "forget", ANNA, "--yes")
    assert (left(setup, *WORDS), memories.files(ANNA)) == ([], [])


@pytest.mark.usefixtures("anna")
def test_an_encrypted_memory_is_searched_shown_and_forgotten_as_any_other(
    cli: Cli, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlcipher3", reason="secondme[encrypt] is not installed")
    assert left(setup, "Bartholomew", "dachshund")
    monkeypatch.setenv("SECONDME_MEMORY__ENCRYPT", "true")
    assert data_of(cli, "search", ANNA, "dog")["hits"][0]["messageId"] == "m0"
    assert data_of(cli, "show", RITA)["contacts"][0]["messages"] == 1
    assert left(setup, *WORDS, "dachshund") == []
    key = setup.places.memory.with_name("memory-keys")
    assert len(list(key.iterdir())) == 2
    assert data_of(cli, "forget", ANNA, "--message", "m0", "--yes") == {"contact": ANNA, "messages": 1, "facts": 1, "left": 0}
    assert data_of(cli, "search", ANNA, "Bartholomew")["hits"] == []
    assert data_of(cli, "index")["contacts"] == 2
    assert data_of(cli, "forget", ANNA, "--yes")["messages"] == 3
    assert len(list(key.iterdir())) == 1
    monkeypatch.setenv("SECONDME_MEMORY__ENCRYPT", "false")
    assert data_of(cli, "search", RITA, "dog")["hits"][0]["text"] == "the dog of Rita is a dachshund"
    assert left(setup, *WORDS) == []


@pytest.mark.usefixtures("anna")
def test_linked_contacts_are_one_person_to_every_command(cli: Cli, setup: Setup) -> None:
    assert cli("contacts", "link", ANNA, RITA).exit_code == 0
    assert [each["contactId"] for each in data_of(cli, "show", ANNA)["contacts"]] == [ANNA, RITA]
    assert {each["contactId"] for each in data_of(cli, "search", ANNA, "dog")["hits"]} == {ANNA, RITA}
    assert data_of(cli, "forget", RITA, "--yes")["messages"] == 5
    assert left(setup, *WORDS, "dachshund") == []


@pytest.mark.usefixtures("anna")
def test_without_a_terminal_nothing_is_forgotten_that_was_not_confirmed(cli: Cli, setup: Setup) -> None:
    for words in ((), ("--message", "m0"), ("--since", "2026-03-01")):
        result = cli("memory", "forget", ANNA, *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "--yes" in result.stderr
    assert len(texts(setup)) == 4


@pytest.mark.usefixtures("anna")
def test_on_a_terminal_it_is_asked_and_no_means_no(setup: Setup, redis_url: str) -> None:
    home = str(setup.places.memory.parent.parent)
    words = [sys.executable, "-m", "secondme", "--home", home, "memory", "forget", "anna", "--message", "m0"]
    for answer, code, count in (("n", 1, 4), ("y", 0, 3)):
        with Terminal(words, SECONDME_REDIS_URL=redis_url) as terminal:
            terminal.read_until(r"Forget these messages with local:anna, for good\?")
            terminal.type(f"{answer}\n")
            assert terminal.ended() == code
        memories = Memories(setup.places.memory, setup.settings.memory)
        assert memories.count(ANNA) == count
        memories.close()


@pytest.mark.parametrize("words", ["search {} dog", "show {}", "facts {}", "facts {} --forget x", "forget {} --yes", "index {}"])
@pytest.mark.usefixtures("anna")
def test_of_nobody_who_was_let_in_nothing_is_said_or_forgotten(words: str, cli: Cli, setup: Setup, keep: Keep) -> None:
    keep(BEN, ("2026-03-03 12:00", "contact", "nobody let me in: wombat"))
    for who, said in ((BEN, "waits and was not approved."), ("nobody", "No approved contact"), ("local:cara", "is denied.")):
        result = cli("memory", *words.format(who).split())
        assert (result.exit_code, result.stdout) == (65, "")
        assert said in result.stderr
    assert texts(setup, BEN) == ["nobody let me in: wombat"]


@pytest.mark.parametrize(
    "words", ["search anna", "search anna dog --limit 0", "search anna dog --limit 151", "forget anna --since yesterday", "show"]
)
@pytest.mark.usefixtures("anna")
def test_wrong_usage_ends_with_2(words: str, cli: Cli, setup: Setup) -> None:
    assert cli("memory", *words.split(), *(["--yes"] if "forget" in words else [])).exit_code == 2
    assert len(texts(setup)) == 4


def test_what_was_remembered_can_be_seen_and_forgotten_while_memory_is_off(
    cli: Cli, setup: Setup, anna: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    del anna
    monkeypatch.setenv("SECONDME_MEMORY__ENABLED", "false")
    assert data_of(cli, "search", ANNA, "dog")["hits"]
    result = cli("memory", "index")
    assert (result.exit_code, result.stdout) == (78, "")
    assert "Memory is off" in result.stderr
    assert data_of(cli, "forget", ANNA, "--yes")["left"] == 0
    assert left(setup, *WORDS) == []


def test_the_index_is_made_anew_from_what_was_said_and_the_histories(cli: Cli, setup: Setup, anna: Redis) -> None:
    at = datetime.fromisoformat("2026-03-05 10:00").replace(tzinfo=BERLIN)
    turn = Turn(id="h1", role="user", content="the zeppelin lands", timestamp=at, type="incoming").encode()
    anna.zadd(keys.history(ANNA), {turn: at.timestamp()})
    assert data_of(cli, "index", "anna") == {"contacts": 1, "added": 1}
    assert cli("memory", "index").stdout == "Made anew: 2 indexes. Added: 0 messages.\n"
    assert texts(setup) == [*(text for _, _, text in TALK), "the zeppelin lands"]
    assert data_of(cli, "search", ANNA, "zeppelin")["hits"][0]["messageId"] == "h1"


def test_an_index_of_nothing_is_no_error(cli: Cli, setup: Setup, raw: Redis) -> None:
    del raw
    assert data_of(cli, "index") == {"contacts": 0, "added": 0}
    assert data_of(cli, "status")["contacts"] == 0
    assert not setup.places.memory.exists() or list(setup.places.memory.iterdir()) == []


@pytest.mark.usefixtures("door")
def test_hostile_text_reaches_the_screen_as_plain_characters(cli: Cli, keep: Keep) -> None:
    facts = [f"my dog is called Rex{text[:40]}" for text in HOSTILE]
    keep(
        ANNA,
        *(("2026-03-02 10:00", "contact", f"dog {text}") for text in HOSTILE),
        *(("2026-03-02 10:01", "contact", each) for each in facts),
    )
    for words in (("search", ANNA, "dog", "--limit", "100"), ("show", ANNA), ("facts", ANNA)):
        result = cli("memory", *words)
        assert (result.exit_code, obeyed(result.stdout), result.stderr) == (0, [], "")
        assert obeyed(cli("memory", *words, "--json").stdout) == []
    rows = cli("memory", "search", ANNA, "dog", "--limit", "100").stdout.splitlines()
    assert len(rows) == 1 + 2 * len(HOSTILE)
    assert any("dog [bold red]markup[/bold red]" in row for row in rows)
    for name in HOSTILE:
        result = cli("memory", "search", name, "dog")
        assert (result.exit_code, obeyed(result.stderr), result.stderr.count("\n")) == (65, [], 1)
