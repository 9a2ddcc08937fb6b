"""How the doctor is asked, and how it fares when a check itself fails."""

import asyncio
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.messages_api import MessagesApi
from fakes.process import environment, settings_of
from health.rig import KEY, Ward
from health.servers import silence

from secondme.cli.commands.doctor import checks
from secondme.core.clock import to_ms
from secondme.core.doctor.check import (
    Check,
    CheckReport,
    DoctorContext,
    FindingSeverity,
    Ok,
    Outcome,
    found,
    in_thread,
    kinds,
    run_checks,
)
from secondme.core.doctor.checks.model import is_offered, retirement_of
from secondme.core.doctor.registry import all_checks, chosen

LIGHT = """
import json, sys
from secondme.cli.main import program
try:
    program()
except SystemExit:
    pass
sys.stderr.write(json.dumps([round(__import__("time").process_time(), 3), sorted(sys.modules)]))
"""


def examine(subject_of: Ward, *wanted: Check, clock: Any = None, timeout_s: float = 0.3) -> list[CheckReport]:
    """What these checks come to, without the command around them."""

    async def look() -> list[CheckReport]:
        setup = settings_of(subject_of.home)
        now = clock or FakeClock(to_ms(datetime.now(UTC)))
        subject = DoctorContext(setup.places, setup, [], now, timeout_s=timeout_s, environ={}, has_service=lambda: False)
        try:
            return await run_checks(wanted, subject, timeout_s)
        finally:
            await subject.close()

    return asyncio.run(look())


def test_every_check_is_listed_and_runs_alone(ward: Ward) -> None:
    listed = [row["id"] for row in json.loads(ward.run("doctor", "--list", "--json").stdout)["data"]["checks"]]
    assert listed == [check.id for check in checks()]
    assert len(listed) == len(set(listed))
    for name in listed:
        assert list(ward.doctor(name).checks) == [name]
    assert "Time zone" not in ward.run("doctor", "--list").stdout
    assert "timezone" in ward.run("doctor", "--list").stdout


@pytest.mark.parametrize(
    ("typed", "near"), [("stor", "store"), ("redis", "store"), ("modelkey", "model-key"), ("zzzzzz", "--list")]
)
def test_a_check_that_there_is_not_is_wrong_usage_and_the_nearest_is_named(ward: Ward, typed: str, near: str) -> None:
    result = ward.run("doctor", typed)
    assert (result.exit_code, near in result.stderr) == (2, True), result.stderr
    assert result.stdout == ""


def test_a_finding_shows_what_and_fix_and_the_sum(ward: Ward) -> None:
    (ward.home / ".env").chmod(0o640)
    ward.run("pause")
    lines = ward.run("doctor").stdout.splitlines()
    assert f"✗ Files: {ward.home / '.env'} holds secrets and can be read by others (mode 0640)." in lines
    assert lines[lines.index(next(line for line in lines if line.startswith("✗"))) + 1] == f"  Fix: chmod 600 {ward.home / '.env'}"
    assert lines[-1] == "1 issue found. Run 'secondme doctor --fix' to mend it."
    assert "because the settings cannot be used" not in "\n".join(lines)  # it hides nothing else


def test_what_cannot_be_looked_at_is_listed_once_with_its_reason(ward: Ward) -> None:
    ward.configure("[limts]\nmessages = 3\n")
    assert "because the settings cannot be used: Redis" in ward.run("doctor").stdout


def test_the_envelope_is_what_scripts_were_promised(ward: Ward) -> None:
    ward.run("kill")
    envelope = json.loads(ward.run("doctor", "--json").stdout)
    assert (envelope["status"], envelope["exit_code"], envelope["errors"]) == ("ok", 1, [])
    assert set(envelope["data"]) == {"checks", "findings", "fixed", "healthy"}
    assert {frozenset(check) for check in envelope["data"]["checks"]} == {
        frozenset({"id", "title", "status", "detail", "findings"})
    }
    (finding,) = [each for check in envelope["data"]["checks"] for each in check["findings"]]
    assert set(finding) == {"id", "severity", "what", "fix", "canFix"}
    assert {check["status"] for check in envelope["data"]["checks"]} == {"ok", "not_set_up", "not_checked", "warning"}


def test_a_check_that_crashes_or_hangs_is_a_finding_and_stops_no_other(ward: Ward) -> None:
    async def crash(_: DoctorContext) -> Outcome:
        raise ZeroDivisionError("zqSecretzq")

    async def hang(_: DoctorContext) -> Outcome:
        await in_thread(lambda: silenced.wait(60))
        return Ok()

    async def look(_: DoctorContext) -> Outcome:
        return Ok("looked")

    silenced = threading.Event()
    named = [Check(name, name.title(), "", each) for name, each in (("crash", crash), ("hang", hang), ("look", look))]
    crashed, hung, looked = examine(ward, *named)
    silenced.set()
    assert [finding.id for finding in crashed.findings + hung.findings] == ["check-crashed", "check-timed-out"]
    assert crashed.findings[0].what.startswith("The check crash failed itself (ZeroDivisionError at test_command.py:")
    assert hung.findings[0].fix == "secondme doctor hang --timeout 30"
    assert (looked.status, looked.detail) == ("ok", "looked")


@pytest.mark.parametrize(
    ("day", "findings"),
    [
        ("2026-09-30", []),
        ("2026-10-02", [("model-retires-soon", "59 days")]),
        ("2026-11-29", [("model-retires-soon", "1 days")]),
        ("2026-11-30", [("model-retired", "2026-11-30")]),
    ],
)
def test_a_model_is_told_to_end_sixty_days_before_it_does(
    ward: Ward, vendor: MessagesApi, day: str, findings: list[tuple[str, str]]
) -> None:
    vendor.models = ["claude-sonnet-4-5-20250929"]
    ward.configure(basics='[sleep]\nenabled = false\n[model]\nname = "claude-sonnet-4-5"\nsmall = "claude-sonnet-4-5-20250929"\n')
    clock = FakeClock(to_ms(datetime.fromisoformat(f"{day}T12:00:00+00:00")))
    (report,) = examine(ward, *chosen(all_checks([]), ["model"]), clock=clock, timeout_s=3)
    assert [finding.id for finding in report.findings] == [identity for identity, _ in findings for _ in range(2)]
    assert all(words in finding.what for finding, (_, words) in zip(report.findings, findings * 2, strict=True))


def test_names_stand_for_their_dated_versions_and_for_no_other_model() -> None:
    offered = ["claude-haiku-4-5-20251001", "claude-sonnet-5-5"]
    assert [is_offered(name, offered) for name in ("claude-haiku-4-5", "claude-sonnet-5-5-latest", "claude-sonnet-5", "haiku")] == [
        True,
        True,
        False,
        False,
    ]
    ends = {name: retirement_of(name) for name in ("claude-sonnet-4", "claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-0")}
    assert {name: end and end.isoformat() for name, end in ends.items()} == {
        "claude-sonnet-4": "2026-06-15",
        "claude-sonnet-4-5": "2026-11-30",
        "claude-sonnet-4-6": None,
        "claude-opus-4-0": "2026-06-15",
    }


def test_a_finding_says_nothing_that_a_terminal_would_obey() -> None:
    finding = found("persona-missing", name="\x1b]0;x\x07\nfile\u202e" + "y" * 1000)
    assert (finding.what.isprintable(), len(finding.what) < 500, finding.severity) == (True, True, FindingSeverity.WARNING)


def test_every_kind_belongs_to_a_check() -> None:
    known = {check.id for check in checks()} | {"*", "channels"}
    assert {kind.check for kind in kinds().values()} <= known
    assert all(kind.what and kind.fix and kind.means for kind in kinds().values())


def look_from_outside(home: Path, *words: str) -> tuple[float, set[str], str]:
    """CPU seconds and modules of a process that looked, and what it printed."""
    line = [sys.executable, "-c", LIGHT, "--home", str(home), "doctor", *words]
    result = subprocess.run(
        line, capture_output=True, text=True, env=environment(COVERAGE_PROCESS_CONFIG=""), check=True, timeout=60
    )
    cpu, modules = json.loads(result.stderr.splitlines()[-1])
    return cpu, set(modules), result.stdout


NEVER = {"anthropic", "telegram", "neonize", "fastapi", "textual", "uvicorn", "questionary", "keyring", "PIL"}


def test_a_look_loads_no_vendors_library(ward: Ward) -> None:
    cpu, modules, said = look_from_outside(ward.home)
    assert said.endswith("No issues found.\n"), said
    assert modules & NEVER == set()
    print(f"doctor, everything local: {cpu} s of CPU")


def test_servers_that_hang_all_at_once_are_each_found_in_one_checks_time(ward: Ward) -> None:
    with silence() as port:
        ward.configure(
            f'[telegram]\napi_url = "http://127.0.0.1:{port}"\n',
            redis_url=f"redis://127.0.0.1:{port}",
            telegram__token="123456789:zqTokenCanaryzq-AAbbCCddEEffGG_hh12",
            memory__graph_url=f"redis://127.0.0.1:{port}",
            memory__automem_url=f"http://127.0.0.1:{port}",
            model__base_url=f"http://127.0.0.1:{port}",
        )
        clock = asyncio.new_event_loop()
        begun = clock.time()
        seen = ward.doctor()
        took = clock.time() - begun
        clock.close()
    hanging = {"store-slow", "channel-unreachable", "graph-unreachable", "automem-unreachable", "model-unreachable"}
    assert set(seen.findings) == hanging
    print(f"doctor, five servers that hang: {took:.2f} s")
    assert KEY not in str(seen)
