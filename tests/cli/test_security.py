"""The security log is read for a person and for a script, whatever anybody managed to write into its file."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli, Terminal, environment, obeyed, settings_of
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.clock import SystemClock
from secondme.core.log import security_file
from secondme.core.security_log import follow

Lines = Callable[..., Path]
NOW = datetime.now(UTC).replace(microsecond=0)
HOSTILE = [
    b"not json", b"[]", b"3", b"null", b'"x"', b"{}", b"\xff\xfe\x00\x80", b'{"half', b"[" * 50_000, b'{"a":' * 50_000, b"9" * 5_000,
    b'{"timestamp": 3, "level": "info", "event": "number"}', b'{"timestamp": "2026-01-01", "level": "info", "event": "naive"}',
    b'{"timestamp": "0001-01-01T00:00:00+00:00", "level": "info", "event": "first_year"}',
    b'{"timestamp": "9999-12-31T23:59:59-23:59", "level": "info", "event": "last_year"}',
    b'{"timestamp": null, "level": null, "event": null}', b'{"timestamp": {}, "level": [], "event": {}}', b"\r", b"\x1b]0;title\x07",
]  # fmt: skip
"""Lines that say nothing."""
OBEYED_IF_SHOWN = {
    "event": "\x1b[2J[bold]bad\u202e", "contactId": "\x1b]52;c;aGk=\x07", "name\x1b[6n": "\x9b31m\ud800", "deep": {"a": ["\u2028"]},
}  # fmt: skip


@pytest.fixture
def log_file() -> Path:
    """Where the commands of this test look."""
    path = security_file(Path(os.environ["SECONDME_HOME"]) / "logs")
    path.parent.mkdir(parents=True)
    return path


def secondme(*words: str) -> Result:
    return CliRunner().invoke(app, ["security", *words])


def data_of(*words: str) -> dict[str, Any]:
    result = secondme(*words, "--json")
    assert result.exit_code == 0
    return json.loads(result.stdout)["data"]  # type: ignore[no-any-return]


def line(event: str, *, ago: timedelta = timedelta(), level: str = "info", **facts: Any) -> bytes:
    stamp = (NOW - ago).isoformat().replace("+00:00", ".000Z")
    return json.dumps({"timestamp": stamp, "level": level, "category": "security", "logger": "x", "event": event, **facts}).encode()


def write(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")


def test_without_a_log_nothing_happened_and_nothing_is_made() -> None:
    assert secondme("tail").stdout == "Nothing happened yet.\n"
    assert secondme("report", "--since", "24h").stdout == "Nothing happened in the last 24h.\n"
    assert data_of("tail") == {"events": []}
    found = data_of("report")
    since = datetime.fromisoformat(found.pop("since"))
    assert timedelta(days=7) <= datetime.now(UTC) - since < timedelta(days=7, minutes=5)
    assert found == {"first": None, "last": None, "total": 0, "byEvent": {}, "bySeverity": {}, "byContact": {}}
    assert not Path(os.environ["SECONDME_HOME"]).exists()


def test_the_newest_events_are_shown_last_with_everything_the_line_says(log_file: Path) -> None:
    write(log_file, *(line(f"old_{number}") for number in range(30)))
    write(log_file, line("pairing_code_attempt", level="warning", contactId="4915****67@c.us", success=False, own=None))
    assert [each["event"] for each in data_of("tail")["events"]] == [
        *(f"old_{number}" for number in range(11, 30)),
        "pairing_code_attempt",
    ]
    (shown,) = data_of("tail", "-n", "1")["events"]
    assert shown == {
        "at": NOW.isoformat().replace("+00:00", "Z"), "severity": "warn", "event": "pairing_code_attempt", "contactId": "4915****67@c.us",
        "details": {"success": False, "own": None},
    }  # fmt: skip
    headers, row = secondme("tail", "-n", "1").stdout.splitlines()
    assert headers.split() == ["time", "level", "event", "contact", "details"]
    local = f"{NOW.astimezone():%Y-%m-%d %H:%M:%S}"
    assert row == f"{local}  warn   pairing code attempt  4915****67@c.us  success=false"


def test_a_report_counts_by_event_severity_and_contact_within_its_time(log_file: Path) -> None:
    write(log_file, line("pairing_request", ago=timedelta(days=9), contactId="a****"))
    write(log_file, line("pairing_request", ago=timedelta(hours=30), contactId="a****"))
    write(log_file, line("pairing_request", contactId="b****"), line("kill_switch_activated", level="warning"))
    found = data_of("report")
    assert (found["byEvent"], found["bySeverity"]) == ({"pairing_request": 2, "kill_switch_activated": 1}, {"info": 2, "warn": 1})
    assert (found["byContact"], found["total"]) == ({"a****": 1, "b****": 1}, 3)
    assert data_of("report", "--since", "24h")["total"] == 2
    assert data_of("report", "--since", "30d")["total"] == 4
    text = secondme("report", "--since", "24h").stdout
    assert text.startswith("2 security events in the last 24h\n")
    assert [words.split() for words in text.splitlines() if words.startswith("pairing_request")] == [["pairing_request", "1"]]


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_hostile_lines_hide_no_event_and_reach_no_terminal(zone: str, log_file: Path, home: Path) -> None:
    for each in HOSTILE:
        write(log_file, line("before"), each, line("after"))
    write(log_file, line(**OBEYED_IF_SHOWN))  # type: ignore[arg-type]  # made to be wrong
    for words in (("tail",), ("tail", "-n", "10000"), ("report",)):
        for as_json in ((), ("--json",)):
            result = secondme(*words, *as_json)
            assert (result.exit_code, result.stderr, obeyed(result.stdout)) == (0, "", [])
    counts = data_of("report")["byEvent"]
    assert (counts.pop("before"), counts.pop("after")) == (len(HOSTILE), len(HOSTILE))
    assert list(counts) == [OBEYED_IF_SHOWN["event"]]
    folder = settings_of(home).places.logs
    folder.mkdir(parents=True)
    (folder / "security.jsonl").write_bytes(log_file.read_bytes())
    with Terminal([sys.executable, "-m", "secondme", "--home", str(home), "security", "tail", "-n", "1000"], TZ=zone) as terminal:
        assert (terminal.ended(), obeyed(terminal.output)) == (0, [])
    assert "bold" in terminal.output


async def test_a_log_that_begins_while_it_is_followed_is_followed_from_its_beginning(log_file: Path) -> None:
    following = follow(log_file, 0, SystemClock())
    waiting = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)  # it has looked, and there was nothing
    write(log_file, line("first_ever"), line("second"))
    async with asyncio.timeout(30):
        assert [(await waiting).event, (await anext(following)).event] == ["first_ever", "second"]
    await following.aclose()  # type: ignore[attr-defined]  # a generator, though its type is the narrower one


@pytest.mark.parametrize("as_json", [True, False])
async def test_following_goes_on_over_garbage_and_a_rotation_until_interrupted(as_json: bool, home: Path) -> None:
    path = security_file(settings_of(home).places.logs)
    path.parent.mkdir(parents=True)
    words = [sys.executable, "-m", "secondme", "--home", str(home), "security", "tail", "-f", *(["--json"] if as_json else [])]
    pipe = asyncio.subprocess.PIPE
    following = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, env=environment())
    assert following.stdout is not None
    try:
        hearing = asyncio.ensure_future(_said(following.stdout, "probe"))
        while not hearing.done():
            write(path, line("probe"))
            await asyncio.sleep(0.05)
        write(path, b"\xff garbage", line("garbage_is_behind"))
        await _said(following.stdout, "garbage")
        path.rename(path.with_name("security.jsonl.1"))
        write(path, line("rotated", contactId="a****"))
        said = await _said(following.stdout, "rotated")
        assert said["contactId"] == "a****" if as_json else said["text"].split("  ")[1:] == ["info", "rotated", "a****"]
        following.send_signal(signal.SIGINT)
        rest, complaint = await following.communicate()
        assert (rest, complaint, following.returncode) == (b"", b"Interrupted.\n", 130)
    finally:
        if following.returncode is None:
            following.kill()
        await following.wait()


async def _said(stream: asyncio.StreamReader, event: str) -> dict[str, Any]:
    """The next line about `event`; each line before is well-formed too."""
    async with asyncio.timeout(60):
        while True:
            text = (await stream.readline()).decode().rstrip("\n")
            found = json.loads(text) if text.startswith("{") else {"text": text, "event": text.split("  ")[2]}
            if found["event"].startswith(event):
                return dict(found)


def test_whoever_has_seen_enough_may_close_the_pipe(home: Path) -> None:
    folder = settings_of(home).places.logs
    folder.mkdir(parents=True)
    write(folder / "security.jsonl", *(line(f"event_{number}", filler="x" * 500) for number in range(500)))
    command = f"{sys.executable} -m secondme --home {home} security tail -n 500 | head -1"
    with Terminal(command) as terminal:
        assert (terminal.ended(), terminal.output.split()[0]) == (0, "time")


@pytest.mark.usefixtures("door")
def test_how_a_contact_is_answered_from_now_on_is_in_it(cli: Cli) -> None:
    assert cli("contacts", "mode", "local:anna", "observe").exit_code == 0
    assert cli("contacts", "mode", "local:nobody", "observe").exit_code == 65
    (event,) = json.loads(cli("security", "tail", "--json").stdout)["data"]["events"]
    assert (event["event"], event["contactId"]) == ("reply_mode_changed", "local:a****")
    assert event["details"] == {"by": "cli", "mode": "observe", "chosen": True}
