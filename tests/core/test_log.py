"""One event is one line, whatever is in it, and nobody else can read it."""

import json
import logging
import random
import stat
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from secondme.core import log

CANARY = "xyzzy-canary"
PIECES = [
    "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", '"', "\\", "{", "}", '"}\n{"level":"error"', "\x1b[31m",
    "\x1b]52;c;aGk=\x07", "\x9b2J", "\x00", "\u202e", "\ud800", "\udfff", "=cmd|' /C calc'!A0", ",", "%s%d%(name)s", "{0}", "\t",
    "[bold]", "é", "👩", "\ufeff", "2026-01-01T00:00:00Z ERROR",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "logs"
    made.mkdir()
    yield made
    log.set_up("info", None, console=False)


def _payloads(count: int) -> list[str]:
    rng = random.Random(1)
    return ["".join(rng.choices(PIECES, k=rng.randint(1, 6))) for _ in range(count)]


def _joined(text: str) -> str:
    """Two halves of a character that stand side by side are one character in JSON."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def test_a_thousand_injections_are_a_thousand_lines_of_json(folder: Path) -> None:
    log.set_up("debug", folder, console=False)
    logger = log.get_logger("secondme.test")
    payloads = _payloads(1000)
    for payload in payloads:
        logger.info("received", text=payload)
    raw = (folder / "secondme.jsonl").read_bytes()
    events = [json.loads(line) for line in raw.decode("ascii").splitlines()]
    print(f"1,000 injection payloads: {len(events)} lines")
    assert len(raw.decode("ascii").splitlines()) == raw.count(b"\n") == 1000
    assert [event["text"] for event in events] == [_joined(payload) for payload in payloads]
    assert {(event["event"], event["level"], event["logger"]) for event in events} == {("received", "info", "secondme.test")}
    assert not {byte for byte in raw if byte < 0x20 and byte != 0x0A}


def test_a_thousand_injections_on_a_terminal_are_a_thousand_lines_that_it_does_not_obey(folder: Path) -> None:
    shown = []
    formatter = log.Plain()
    for payload in _payloads(1000):
        record = logging.LogRecord("secondme.x", logging.INFO, "", 0, "received", (), None)
        record.secondme_facts = {"text": payload}
        shown.append(formatter.format(record))
    assert folder.exists()
    assert [line for line in shown if set(line) & set("\n\r\x1b\x9b\x07\x00\x0b\x0c\x1c\x85\u2028\u2029\u202e\t")] == []
    assert [line for line in shown if "text=" not in line] == []


def test_an_errors_own_words_are_never_written(folder: Path) -> None:
    log.set_up("debug", folder, console=False)
    try:
        int(CANARY)
    except ValueError as error:
        error.add_note(CANARY)
        log.get_logger("secondme.test").error("job_crashed", error, contact="4915****67@c.us")
    raw = (folder / "secondme.jsonl").read_text()
    line = json.loads(raw)
    assert CANARY not in raw
    assert (line["error"], line["level"], line["contact"]) == ("ValueError", "error", "4915****67@c.us")
    assert line["at"].startswith("test_log.py:")


def test_the_level_decides_what_is_written(folder: Path) -> None:
    log.set_up("warning", folder, console=False)
    logger = log.get_logger("secondme.test")
    logger.debug("one")
    logger.info("two")
    logger.warning("three")
    logger.error("four")
    written = [json.loads(line) for line in (folder / "secondme.jsonl").read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in written] == [("three", "warning"), ("four", "error")]
    assert written[0]["timestamp"].endswith("Z")


def test_the_file_is_ours_alone_also_after_it_rotated_and_five_old_ones_are_kept(folder: Path) -> None:
    log.set_up("debug", folder, console=False)
    (handler,) = logging.getLogger("secondme").handlers
    assert isinstance(handler, RotatingFileHandler)
    assert (handler.maxBytes, handler.backupCount) == (10 * 1024 * 1024, 5)
    logger = log.get_logger("secondme.test")
    for n in range(8):
        logger.info("turn", n=n)
        handler.doRollover()
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["secondme.jsonl", *(f"secondme.jsonl.{n}" for n in range(1, 6))]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_setting_up_twice_writes_each_event_once(folder: Path) -> None:
    for _ in range(3):
        log.set_up("info", folder, console=False)
    log.get_logger("secondme.test").info("once")
    assert len((folder / "secondme.jsonl").read_text().splitlines()) == 1


def test_events_go_to_no_other_logger_and_the_console_gets_the_same_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up("info", folder, console=True)
    heard: list[logging.LogRecord] = []
    root = logging.getLogger()
    spy = logging.Handler()
    spy.emit = heard.append  # type: ignore[method-assign]  # the library's own way to make one is a class of four lines
    root.addHandler(spy)
    log.get_logger("secondme.test").info("ready", part="all")
    root.removeHandler(spy)
    assert heard == []
    assert capsys.readouterr().err == (folder / "secondme.jsonl").read_text()
