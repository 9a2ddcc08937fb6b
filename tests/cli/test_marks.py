"""Terminals whose encoding has no ticks: every mark is said in ASCII, none is a question mark, and nothing crashes."""

import ast
import io
import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from cli.test_contract import CASES
from fakes.process import Cli, command, environment
from redis import Redis

import secondme.cli
from secondme.cli.marks import say_plainly, shows_marks, without_bytes
from secondme.cli.qr import draw_qr

ENCODINGS = ("ascii", "cp1252", "latin-1", "cp437", "iso8859-15", "koi8-r")
POOR = {
    "C": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}


@pytest.fixture(autouse=True)
def _registered() -> None:
    say_plainly()


@pytest.mark.parametrize("line", [*CASES, "--help", "doctor --help", "jobs --help"])
def test_no_mark_of_a_command_is_lost(line: str, cli: Cli, door: Redis) -> None:
    assert door
    code = "000000"
    result = cli(*line.replace("CODE", code).split())
    for encoding in ENCODINGS:
        said = result.output.encode(encoding, "secondme.marks").decode(encoding)
        assert said.count("?") == result.output.count("?"), (encoding, result.output)


def test_every_sign_in_our_words_has_one_in_ascii() -> None:
    signs = {
        sign for path in Path(secondme.cli.__file__).parent.rglob("*.py") if "tui" not in path.parts for sign in signs_in(path)
    }
    assert {"✓", "✗", "…"} <= signs
    lost = {sign for sign in signs - set("▀▄█▌▐") if "?" in sign.encode("ascii", "secondme.marks").decode()}
    assert lost == set()


def signs_in(path: Path) -> set[str]:
    strings = (
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {sign for text in strings for sign in text if not sign.isascii() and unicodedata.category(sign)[0] in "SPZ"}


@pytest.mark.parametrize("name", POOR)
def test_good_and_bad_lines_look_different(name: str, home: Path, redis_url: str) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").write_text("[reply]\nstreaming = true\n")
    environ = environment(SECONDME_REDIS_URL=redis_url, **POOR[name])
    words = [sys.executable, "-m", "secondme", "--home", str(home), "doctor"]
    looked = subprocess.run(words, capture_output=True, env=environ, timeout=60, check=False)
    marks = {line.split(b" ", 1)[0] for line in looked.stdout.splitlines()}
    assert looked.returncode == 1
    assert {b"!!", b"ok"} <= marks
    assert not {b"?", "✓".encode()} & marks
    assert looked.stderr == b""


@pytest.mark.parametrize("name", POOR)
def test_a_name_that_cannot_be_shown_stops_nothing(name: str, home: Path, redis_url: str) -> None:
    env = {"SECONDME_REDIS_URL": redis_url, **POOR[name]}
    invited = command(home, "pairing", "invite", "--name", "Ωμέγα", SECONDME_REDIS_URL=redis_url)
    assert invited.returncode == 0
    listed = command(home, "pairing", "invites", **env)
    assert listed.returncode == 0
    assert "?????" in listed.stdout
    told = command(home, "pairing", "invites", "--json", **env)
    assert json.loads(told.stdout)["data"]["invites"][0]["name"] == "Ωμέγα"


def test_a_library_that_encodes_by_itself_loses_no_mark() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="secondme.marks")
    assert not shows_marks(stream)
    plain = without_bytes(stream)
    assert not hasattr(plain, "buffer")
    plain.write("✓ ▶ ●")
    plain.flush()
    assert raw.getvalue() == b"ok > *"
    assert without_bytes(sys.__stdout__) is sys.__stdout__ or not shows_marks(sys.__stdout__)  # type: ignore[arg-type]


def test_a_code_to_scan_is_drawn_without_blocks() -> None:
    drawn = draw_qr("https://t.me/x?start=123456", 200, 200, has_blocks=False)
    assert drawn
    assert all(line.isascii() for line in drawn)
    assert draw_qr("https://t.me/x?start=123456", 20, 20, has_blocks=False) == []


@pytest.mark.parametrize(("encoding", "is_ascii"), [("cp1252", True), ("ascii", True), ("utf-8", False)])
def test_the_screen_draws_in_ascii_where_the_encoding_has_no_lines(encoding: str, *, is_ascii: bool) -> None:
    words = [sys.executable, "-c", "from secondme.cli.tui.theme import is_ascii; print(is_ascii())"]
    environ = environment(PYTHONIOENCODING=encoding, TERM="xterm")
    ours, theirs = pty.openpty()
    try:
        told = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environ, timeout=60, check=True).stdout
    finally:
        os.close(ours)
        os.close(theirs)
    assert told == f"{is_ascii}\n"
