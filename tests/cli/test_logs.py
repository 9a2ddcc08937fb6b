"""What `secondme logs` shows: the newest lines over all files, only what is wanted, nothing a terminal obeys, and none lost in a rotation."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from fakes.process import DEADLINE_S, environment, obeyed
from typer.testing import CliRunner, Result

from secondme.cli.app import options
from secondme.cli.commands.logs import LogFilter, logs, newest
from secondme.core import log as writing
from secondme.core.log_reader import Following

SCRIPT = "import typer; from secondme.cli.app import options; from secondme.cli.commands.logs import logs; a = typer.Typer(); a.callback()(options); a.command()(logs); a.command()(lambda: None); a()"


def run(home: Path, *words: str) -> Result:
    app = typer.Typer()
    app.callback()(options)
    app.command()(logs)
    app.command()(numbers)  # with one command only, its name would not be typed
    return CliRunner().invoke(app, ["--home", str(home), "logs", *words])


def entry(number: int, *, level: str = "info", event: str = "received", ago_s: float = 0, **facts: object) -> str:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": level, "logger": "secondme.x", "event": event, "number": number, **facts})


def write(home: Path, name: str, *lines: str) -> Path:
    path = home / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))
    return path


def numbers(output: str) -> list[int]:
    return [json.loads(line)["number"] for line in output.splitlines()]


def test_the_newest_lines_are_shown_the_last_one_at_the_end_over_all_files(tmp_path: Path) -> None:
    write(tmp_path, "secondme.jsonl.10", entry(0))
    write(tmp_path, "secondme.jsonl.2", *map(entry, range(1, 4)))
    write(tmp_path, "secondme.jsonl.1", *map(entry, range(4, 7)))
    write(tmp_path, "secondme.jsonl", *map(entry, range(7, 9)), "torn {", '"no object"', "[" * 5000, "")
    write(tmp_path, "security.jsonl", entry(99))
    assert numbers(run(tmp_path, "--json", "-n", "6").stdout) == [3, 4, 5, 6, 7, 8]
    assert numbers(run(tmp_path, "--json").stdout) == list(range(9))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  info    received  number=8\n", run(tmp_path, "-n", "1").stdout)


def test_level_age_and_event_choose(tmp_path: Path) -> None:
    lines = [
        entry(1, ago_s=9000, level="error"),
        entry(2, ago_s=60, level="debug"),
        entry(3, level="warning", event="no_reply"),
        entry(4),
    ]
    write(tmp_path, "secondme.jsonl", *lines)
    assert numbers(run(tmp_path, "--json", "--level", "warning").stdout) == [1, 3]
    assert numbers(run(tmp_path, "--json", "--since", "2h").stdout) == [2, 3, 4]
    assert numbers(run(tmp_path, "--json", "--event", "no_reply").stdout) == [3]
    assert numbers(run(tmp_path, "--json", "--event", "no reply", "--event", "received", "-n", "2").stdout) == [3, 4]
    assert run(tmp_path, "--since", "soon").exit_code == 2


def test_no_log_and_no_line_are_no_error(tmp_path: Path) -> None:
    assert (run(tmp_path).exit_code, run(tmp_path, "--json").output) == (0, "")


def test_what_is_hostile_in_a_line_never_reaches_the_terminal(tmp_path: Path) -> None:
    write(
        tmp_path,
        "secondme.jsonl",
        entry(1, event="x\x1b]0;title\x07\n2nd", name="\u202egnp\x9b31m\nforged line", more={"\x1b": ["\u200b"]}),
    )
    shown = run(tmp_path).stdout
    assert (obeyed(shown), shown.count("\n")) == ([], 1)
    assert run(tmp_path, "--json").stdout.count("\n") == 1


def test_a_long_log_is_read_from_its_end_and_lines_over_blocks_are_whole(tmp_path: Path) -> None:
    path = write(
        tmp_path, "secondme.jsonl", "x" * 1_000_000, *(entry(number, text="x" * (number * 977 % 70_000)) for number in range(60))
    )
    found = newest(path, path.stat().st_size, 60, LogFilter())
    assert [line["number"] for line in found] == list(range(59, -1, -1))


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[logging.Logger]:
    """Writes to the log as the product does, which rotates it every 20 lines."""
    handler = writing.SharedFile(tmp_path / "secondme.jsonl", 2000, 50)
    handler.setFormatter(writing.JsonLines())
    logger = logging.getLogger("rotating")
    logger.propagate = False
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_following_loses_no_line_and_shows_none_twice_over_rotations(tmp_path: Path, logger: logging.Logger) -> None:
    logger.info("before")
    seen: list[str] = []
    with closing(Following(tmp_path / "secondme.jsonl")) as following:
        for number in range(300):
            logger.info(str(number))
            if number % 7 == 0:
                seen += [json.loads(line)["event"] for line in following.more()]
        for _ in range(2):
            seen += [json.loads(line)["event"] for line in following.more()]
    assert seen == [str(number) for number in range(300)]
    assert len(list(tmp_path.glob("secondme.jsonl.*"))) > 5


def test_following_goes_on_until_interrupted_and_ends_quietly(tmp_path: Path) -> None:
    path = write(tmp_path, "secondme.jsonl", entry(1), entry(2))
    words = [sys.executable, "-c", SCRIPT, "--home", str(tmp_path), "logs", "--follow", "--json", "-n", "1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert numbers(process.stdout.readline()) == [2]
        path.rename(path.with_name("secondme.jsonl.1"))
        with path.open("w") as file:
            file.write(entry(3) + "\n")
        assert numbers(process.stdout.readline()) == [3]
        deadline = time.monotonic() + DEADLINE_S
        os.kill(process.pid, signal.SIGINT)
        rest, said = process.communicate(timeout=deadline - time.monotonic())
    assert (process.returncode, rest, said.strip()) == (130, "", "Interrupted.")
