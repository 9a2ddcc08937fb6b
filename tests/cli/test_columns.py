"""Tables stay within the terminal and under one another, whatever a stranger is called; elsewhere nothing is cut."""

import asyncio
import json
import random
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.process import Terminal, command, data_of, settings_of
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from secondme.channels.local.protocol import CHANNEL
from secondme.cli.columns import bounded, folded, lay_out, wrapped
from secondme.cli.output import for_people
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.admit.store import RequestStore
from secondme.core.enums import Tier
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import InboundMessage
from secondme.core.store.client import Store
from secondme.core.store.server import Role

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
NAMES = {"local:wide": "表" * 40, "local:family": FAMILY * 9, "local:anna": "Anna", "local:marks": "e\u0301" * 64}
PIECES = ["表", FAMILY, "e\u0301", "Anna", " ", "\U0001f1e9\U0001f1ea", "👍🏽", "x" * 20, "ﷺ", "한국어", ","]
HEADERS = ("state", "code", "name", "contact", "detail")


def _starts(line: str, text: str) -> int:
    """How many cells stand in front of `text`."""
    return cell_len(line[: line.index(text)])


@pytest.mark.parametrize("room", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_there_is_room_and_every_column_begins_at_one_place(room: int) -> None:
    rng = random.Random(room)
    for _ in range(300):
        ids = [f"{rng.randrange(10**11)}@c.us" for _ in range(3)]
        rows = [("pending", "123456", *_words(rng), each, *_words(rng)) for each in ids]
        above, lines = lay_out(HEADERS, rows, room)
        assert max(map(cell_len, (above, *lines))) <= max(room, 25)
        assert all("\n".join(lines).count(each) == 1 for each in ids)  # whole
        if above:
            assert {_starts(line, each) for line, each in zip([line for line in lines if "@" in line], ids, strict=True)} == {
                _starts(above, "contact")
            }


def _words(rng: random.Random) -> list[str]:
    return ["".join(rng.choices(PIECES, k=rng.randint(0, 30))).replace("@", "")]


def test_without_a_terminal_nothing_is_cut_or_broken() -> None:
    row = ("pending", "123456", "表" * 40, "4915112345678@c.us", "x " * 400)
    above, lines = lay_out(HEADERS, [row, row], None)
    assert len(lines) == 2
    assert "  ".join(row).rstrip() in lines[0]
    assert _starts(above, "contact") == _starts(lines[0], "4915112345678@c.us")


def test_a_name_that_is_cut_ends_between_two_letters() -> None:
    assert bounded("表" * 40, 8) == "表表表…"
    assert bounded(FAMILY * 9, 7) == FAMILY * 3 + "…"
    assert bounded("e\u0301" * 9, 4) == "e\u0301" * 3 + "…"
    assert bounded("Anna", 4) == "Anna"


@pytest.fixture
def called(home: Path, redis_url: str, raw: object) -> Path:
    """A home whose contacts are called like that; two were let in."""
    assert raw
    (home / "config.toml").write_text(f'redis_url = "{redis_url}"\n')
    (home / "config.toml").chmod(0o600)

    async def knock() -> None:
        setup = settings_of(home)
        async with Store(setup, Role.ATTACH) as store:
            pairing = PairingStore(store, setup.settings.pairing)
            for each, name in NAMES.items():
                contact = ContactId(each)
                said = InboundMessage(ChannelId(CHANNEL), contact, contact, MessageId("1"), "hi", datetime.now(UTC), name)
                await RequestStore(store, setup.settings.pairing).challenge(said, None)
            for each in ("local:wide", "local:anna"):
                request = await pairing.find(ContactId(each))
                assert request is not None
                await pairing.approve(request, by="test", tier=Tier.STANDARD)

    asyncio.run(knock())
    return home


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("words", ["pairing list", "contacts list"])
def test_a_list_of_wide_names_stands_on_a_narrow_terminal(called: Path, words: str, width: int) -> None:
    line = [sys.executable, "-m", "secondme", "--home", str(called), *words.split()]
    with Terminal(line, size=(width, 24), COLUMNS="", NO_COLOR="1") as terminal:
        assert terminal.ended() == 0
    lines = terminal.output.replace("\r", "").splitlines()
    assert max(map(cell_len, lines)) <= width
    shown = [line for line in lines if "local:" in line]
    assert {_starts(line, "local:") for line in shown} == {_starts(lines[0], "contact")}
    assert {match[0] for line in shown if (match := re.search(r"local:\w+", line))} <= set(NAMES)
    assert any("表…" in line for line in shown)


def test_a_pipe_and_a_script_are_given_every_name_and_id_whole(called: Path) -> None:
    text = command(called, "contacts", "list").stdout
    assert f"{'表' * 40}  local " in text
    rows = data_of(command(called, "pairing", "list", "--json"))["contacts"]
    found = {row["contactId"]: row["displayName"] for row in rows}
    assert found["local:wide"] == NAMES["local:wide"]
    assert set(found) == set(NAMES)
    assert json.dumps(found)


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("Sam: a code 625917", ["Sam: a", "  code", "  625917"]),
        ("漢字漢字: hello there", ["漢字漢字:", "  hello", "  there"]),
        ("one https://example.org/long two", ["one", "  https://example.org/long", "  two"]),
        ("ten  cells", ["ten  cells"]),
    ],
)
def test_a_line_is_broken_between_words_by_the_cells_they_take(line: str, rows: list[str]) -> None:
    assert folded(line, 10, hang="  ", tears=False) == rows


def test_a_moment_stands_on_one_line_and_a_word_is_parted_only_where_there_is_no_room() -> None:
    rows = [
        ("2026-12-01 10:32:50", "claude-sonnet-5-5", "http://127.0.0.1:41945", "told in words that may go over several lines " * 3),
        ("Tue 01 Dec 16:00", "x", "y", "z"),
    ]
    for room in (76, 80, 100):
        above, lines = lay_out(("when", "model", "at", "detail"), rows, room)
        assert above
        for whole in ("2026-12-01 10:32:50", "claude-sonnet-5-5", "http://127.0.0.1:41945", "Tue 01 Dec 16:00"):
            assert any(whole in line for line in lines), (room, whole)


def test_what_has_no_room_at_all_is_parted_at_its_joints() -> None:
    assert folded("http://127.0.0.1:41945/v1/messages", 14) == ["http://", "127.0.0.1:", "41945/v1/", "messages"]
    assert folded("abcdefghijklmnop", 8) == ["abcdefgh", "ijklmnop"]


def test_people_see_their_own_clock_and_the_beginning_of_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Madrid")
    time.tzset()
    try:
        assert for_people("2026-12-01T10:32:50Z") == "2026-12-01 11:32:50"
        assert for_people(f"digest=sha256:{'ab' * 32} by=cli") == f"digest=sha256:{'ab' * 6}… by=cli"
        assert for_people("at 2026-12-01T10:32:50Z") == "at 2026-12-01T10:32:50Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.lists(
        st.sampled_from([*PIECES, "a", "word,", "and", "longer-word", "secondme pairing approve local:maria --tier trusted."])
    ),
    st.integers(30, 120),
)
def test_a_line_is_broken_between_words_and_a_command_never(words: list[str], width: int) -> None:
    text = " ".join(word.strip() for word in words if word.strip())
    lines = wrapped(text, width)
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert all(cell_len(line) <= width or " " not in line.strip() or "secondme" in line for line in lines)
    command = "secondme pairing approve local:maria --tier trusted."
    assert sum(line.count(command) for line in lines) == text.count(command)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        (
            "gateway   not running, and so nobody is answered here",
            ["gateway   not running, and so", "          nobody is answered", "          here"],
        ),
        ("  What Maria wrote is not kept for now", ["  What Maria wrote is not kept", "  for now"]),
        ("Nobody runs here. Start it: secondme serve --home there", ["Nobody runs here. Start it:", "secondme serve --home there"]),
    ],
)
def test_what_goes_on_stands_under_its_beginning(text: str, lines: list[str]) -> None:
    assert wrapped(text, 32) == lines


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (40, 12)])
def test_on_a_terminal_no_word_is_broken_at_the_margin(tmp_path: Path, size: tuple[int, int]) -> None:
    """As the terminal shows it: each row ends between two words."""
    words = [sys.executable, "-m", "secondme", "--home", str(tmp_path), "trace", "--contact", "nobody-of-this-name-is-here-or-was"]
    with Terminal(words, size=size, COLUMNS="") as terminal:
        terminal.ended()
    rows = [row for row in terminal.output.replace("\r", "").split("\n") if row]
    plain = [re.sub("\x1b\\[[0-9;]*m", "", row) for row in rows]
    assert plain
    assert all(cell_len(row) <= size[0] or re.match(r"(\S* -m )?secondme --home", row) for row in plain), (
        plain
    )  # a command is left whole
