"""One event is one line, whatever is in it, and nobody else can read it."""

import fcntl
import json
import logging
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.process import DEADLINE_S
from hypothesis import given, settings
from hypothesis import strategies as st

from secondme.core import log
from secondme.core.enums import Tier
from secondme.core.log import SEVERITIES, JsonLines, get_logger
from secondme.core.text import safe_text

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


FACTS = st.dictionaries(
    st.text(max_size=8) | st.sampled_from(["event", "level", "logger", "timestamp", "contact"]),
    st.text(max_size=30) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False) | st.sampled_from(Tier)
    | st.lists(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2), max_size=2),
    max_size=5,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), FACTS, st.sampled_from(["DEBUG", "WARNING", "ERROR"]), st.floats(0, 4_000_000_000))
def test_a_line_is_what_the_library_for_json_makes_of_it(event: str, facts: dict[str, Any], level: str, created: float) -> None:
    record = logging.LogRecord("secondme.x", logging.getLevelNamesMapping()[level], "", 0, event, None, None)
    record.created, record.secondme_facts = created, facts
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {
        "timestamp": moment,
        "level": {"WARNING": "warn"}.get(level, level.lower()),
        "logger": "secondme.x",
        "event": safe_text(event),
    }
    assert JsonLines(SEVERITIES).format(record) == json.dumps({**line, **facts}, ensure_ascii=True)


def test_a_record_has_all_that_a_formatter_may_ask_for(caplog: pytest.LogCaptureFixture) -> None:
    whole = logging.LogRecord("secondme.x", logging.INFO, "", 0, "said", None, None)
    with caplog.at_level(logging.INFO, "secondme.x"):
        get_logger("secondme.x").info("said", contact="a")
    (record,) = caplog.records
    assert vars(record).keys() >= vars(whole).keys()
    formatted = logging.Formatter("%(asctime)s %(filename)s:%(lineno)d %(threadName)s %(message)s").format(record)
    assert formatted.endswith(" :0 None said")
    assert abs(record.created - whole.created) < DEADLINE_S


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
    path = folder / "secondme.jsonl"
    handler = log.SharedFile(path, rotate_bytes=100, keep=6)
    handler.setFormatter(log.JsonLines())
    for n in range(8):
        handler.emit(logging.LogRecord("secondme.test", logging.INFO, "", 0, f"turn_{n}", None, None))
    handler.close()
    files = sorted(each.name for each in folder.iterdir() if each.suffix != ".lock")
    assert files == ["secondme.jsonl", *(f"secondme.jsonl.{n}" for n in range(1, 6))]
    kept = [json.loads((folder / name).read_text())["event"] for name in reversed(files[1:])]
    assert [*kept, json.loads(path.read_text())["event"]] == [f"turn_{n}" for n in range(2, 8)]
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


WRITER = """
import logging, sys
from pathlib import Path
from secondme.core import log
log.set_up("info", Path(sys.argv[1]), console=False)
logger = log.get_logger(log.SECURITY)
filler = "x" * 60_000
for n in range(int(sys.argv[3])):
    logger.info("rotation", writer=int(sys.argv[2]), n=n, filler=filler)
"""


@pytest.mark.heavy  # 3 s: four processes and 300 MB
def test_ten_megabyte_files_are_thirty_at_most_and_four_writers_lose_and_tear_nothing(folder: Path) -> None:
    each, writers = 1450, 4
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(number), str(each)]) for number in range(writers)]
    assert [process.wait(timeout=100) for process in processes] == [0] * writers
    files = sorted(folder.glob("security.jsonl*"), key=lambda path: int(path.suffix[1:]) if path.suffix[1:].isdigit() else 0)
    files = [path for path in files if path.suffix != ".lock"]
    assert [path.name for path in files] == ["security.jsonl", *(f"security.jsonl.{n}" for n in range(1, 30))]
    sizes = [path.stat().st_size for path in files]
    assert max(sizes) <= 11 * 1024 * 1024  # lines that were on their way while another process rotated
    seen: dict[int, list[int]] = {number: [] for number in range(writers)}
    for path in reversed(files):
        with path.open() as lines:
            for line in lines:
                entry = json.loads(line)
                seen[entry["writer"]].append(entry["n"])
    print({"files": len(files), "megabytes": sum(sizes) >> 20, "lines": sum(map(len, seen.values()))})
    for numbers in seen.values():  # nothing twice, and nothing missing after the oldest that is kept
        assert sorted(numbers) == list(range(each - len(numbers), each))


def test_a_writer_that_is_frozen_while_it_rotates_holds_nobody_up(folder: Path) -> None:
    path = folder / "secondme.jsonl"
    handler = log.SharedFile(path, rotate_bytes=10, keep=3)
    with (folder / "secondme.jsonl.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for n in range(3):
            handler.emit(logging.LogRecord("secondme.test", logging.INFO, "", 0, f"turn_{n}", None, None))
    assert path.read_text().splitlines() == ["turn_0", "turn_1", "turn_2"]
    handler.emit(logging.LogRecord("secondme.test", logging.INFO, "", 0, "turn_3", None, None))
    assert path.read_text().splitlines() == ["turn_3"]
    handler.close()


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


def _written(folder: Path, name: str = "security.jsonl") -> list[str]:
    return [json.loads(line)["event"] for line in (folder / name).read_text().splitlines()]


def test_a_directory_or_file_that_is_taken_away_is_there_again_with_the_next_line_and_is_ours_alone(folder: Path) -> None:
    log.set_up("info", folder, console=False)
    logger = log.get_logger(log.SECURITY)
    logger.info("before")
    shutil.rmtree(folder)
    logger.info("after_the_directory")
    assert (_written(folder), _written(folder, "secondme.jsonl")) == (["after_the_directory"],) * 2
    (folder / "security.jsonl").unlink()
    logger.info("after_the_file")
    (folder / "security.jsonl").rename(folder / "security.jsonl-20260101")
    logger.info("after_somebody_elses_rotation")
    assert _written(folder) == ["after_somebody_elses_rotation"]
    assert _written(folder, "security.jsonl-20260101") == ["after_the_file"]
    shutil.rmtree(folder.parent)  # and what it was in
    logger.info("after_its_parent")
    assert _written(folder) == ["after_its_parent"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder.parent, folder, folder / "security.jsonl")] == [
        0o700,
        0o700,
        0o600,
    ]


def _a_link_to_a_file(path: Path, outside: Path) -> None:
    (path / "security.jsonl").symlink_to(outside / "somebodys.jsonl")


def _a_pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path / "security.jsonl")
    assert outside.exists()


def _a_file_of_somebody_else(path: Path, outside: Path) -> None:
    shutil.copy(outside / "somebodys.jsonl", path / "security.jsonl")
    os.chown(path / "security.jsonl", 12345, -1)


def _a_directory_of_somebody_else(path: Path, outside: Path) -> None:
    os.chown(path, 12345, -1)
    assert outside.exists()


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize(
    "plant",
    [
        _a_link_to_a_file,
        _a_pipe,
        pytest.param(_a_file_of_somebody_else, marks=needs_root),
        pytest.param(_a_directory_of_somebody_else, marks=needs_root),
    ],
)
def test_what_somebody_put_in_its_place_meanwhile_is_not_written_to(plant: Callable[[Path, Path], None], folder: Path) -> None:
    log.set_up("info", folder, console=False)
    logger = log.get_logger(log.SECURITY)
    logger.info("before")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "somebodys.jsonl").write_text("theirs\n")
    shutil.rmtree(folder)
    folder.mkdir()
    plant(folder, outside)
    logger.info("secret")
    found = [each for each in (*folder.glob("security*"), *outside.iterdir()) if each.is_file()]
    assert {each.read_text() for each in found} <= {"theirs\n"}
    shutil.rmtree(folder)
    logger.info("after")
    assert _written(folder) == ["after"]


UNTIL_TOLD = """
import sys
from pathlib import Path
from secondme.core import log
log.set_up("info", Path(sys.argv[1]), console=False)
logger = log.get_logger(log.SECURITY)
n = 0
while not Path(sys.argv[3]).exists():
    logger.info("line", writer=int(sys.argv[2]), n=n)
    n += 1
print(n)
"""


def test_four_writers_whose_directory_is_taken_away_twenty_times_lose_nothing(folder: Path) -> None:
    told = folder.with_name("told")
    words = [sys.executable, "-c", UNTIL_TOLD, str(folder)]
    processes = [subprocess.Popen([*words, str(number), str(told)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    places = [folder.with_name(f"aside{number}") for number in range(20)]
    try:
        for place in places:
            deadline = time.monotonic() + 20
            while len(_by_writer(folder)) < 4:  # not again before everybody has found the new one
                assert time.monotonic() < deadline, "somebody writes no more"
            folder.rename(place)
    finally:
        told.touch()
    counts = {number: int(process.communicate(timeout=100)[0]) for number, process in enumerate(processes)}
    found: dict[int, list[int]] = {number: [] for number in counts}
    for place in (*places, folder):
        for number, lines in _by_writer(place).items():
            found[number] += lines
    print({"directories": len(places) + 1, "lines": sum(counts.values())})
    assert {number: sorted(lines) for number, lines in found.items()} == {number: list(range(n)) for number, n in counts.items()}


def _by_writer(folder: Path) -> dict[int, list[int]]:
    """Who wrote what into the files of this directory."""
    found: dict[int, list[int]] = {}
    for path in folder.glob("security.jsonl*"):
        for writer, n in re.findall(rb'"writer": (\d), "n": (\d+)}\n', path.read_bytes()):
            found.setdefault(int(writer), []).append(int(n))
    return found
