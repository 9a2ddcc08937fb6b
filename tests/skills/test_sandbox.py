"""What a skill is given, what comes back, and when the processes behind it live and end."""

import asyncio
import hashlib
import hmac
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.process import DEADLINE_S, environment
from fakes.shared_sandbox import SharedSandbox
from fakes.size import sized
from skills.calls import call_of, descendants, echo, open_sandbox, outcome_of, zygote_of

from secondme.skills.sandbox.sandbox import AT_ONCE, CODE_BYTES, IDLE_S, ORDER_BYTES, PING_S, CallFailed, Sandbox
from secondme.skills.sandbox.zygote_process import Preload
from secondme.skills.sealed_reader import _preload

CODE = Path(__file__).with_name("ordinary.py").read_text()
FOR_EVER = "import time, signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\ndef run(input, ask): time.sleep(600)\n"
PYTHONS = sorted({str(path) for path in Path(sys.base_prefix).resolve().parent.glob("3.1[1-9]*/bin/python")} | {sys.executable})
"""Every interpreter that is installed beside the one that runs the tests."""


def resident_bytes(process: int | None) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[0]) * 1024


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_skill_is_told_its_input_its_settings_and_the_time_in_the_owner_s_zone(shared_sandbox: SharedSandbox) -> None:
    call = call_of(CODE, "told", {"number": "ü"}, config={"country": "de"}, zone="Europe/Berlin")
    assert await outcome_of(shared_sandbox, call) == {
        "config": {"country": "de"},
        "now": "2026-11-29T11:00:00+01:00",
        "zone": "Europe/Berlin",
        "input": {"number": "ü"},
    }
    unknown = await outcome_of(shared_sandbox, call_of(CODE, "told", zone="../../etc/passwd"))
    assert unknown["now"] == "2026-11-29T10:00:00+00:00"


async def test_a_skill_asks_and_the_gateway_answers_or_refuses(shared_sandbox: SharedSandbox) -> None:
    async def refuse(_: dict[str, Any]) -> dict[str, Any]:
        return {"error": "not_allowed"}

    async def break_down(_: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    assert await outcome_of(shared_sandbox, call_of(CODE, "asks")) == [
        {"ask": 1, "op": "http", "url": "https://parcel.example"},
        {"ask": 2, "op": "kv", "key": "x"},
    ]
    assert await outcome_of(shared_sandbox, call_of(CODE, "refused"), refuse) == "not_allowed"
    assert await outcome_of(shared_sandbox, call_of(CODE, "refused"), break_down) == "failed"


async def test_a_failure_says_what_the_skill_wants_said_and_of_any_other_only_its_kind(shared_sandbox: SharedSandbox) -> None:
    own = await outcome_of(shared_sandbox, call_of(CODE, "fails"))
    assert own.code == "no_parcel"
    assert own.say.startswith("There is no such parcel. [31mxxx")
    assert len(own.say) == 300
    assert await outcome_of(shared_sandbox, call_of(CODE, "breaks")) == CallFailed("failed", "LookupError")


@pytest.mark.parametrize(
    ("code", "function", "say"),
    [
        ("def run(:", "run", "SyntaxError in line 1"),
        (b"x = 1\n\0", "run", "(SyntaxError|ValueError) in line [12]"),
        (b"\n\xff", "run", "SyntaxError in line [12]"),
        (CODE, "nothing", "it has no function nothing"),
        (CODE, "VALUE", "it has no function VALUE"),
        (CODE, "__import__", "it has no function __import__"),
    ],
)
async def test_code_that_cannot_be_called_is_bad_code(
    code: str | bytes, function: str, say: str, shared_sandbox: SharedSandbox
) -> None:
    outcome = await outcome_of(shared_sandbox, call_of(code, function))
    assert outcome.code == "bad_code"
    assert re.fullmatch(say, outcome.say)


async def test_code_of_four_megabytes_runs() -> None:
    call = "\ndef run(input, ask): return 1\n"
    code = "#" * (CODE_BYTES - len(call)) + call
    async with open_sandbox() as sandbox:
        assert await outcome_of(sandbox, call_of(code)) == 1
        too_long = await outcome_of(sandbox, call_of("#" + code))
        assert too_long == CallFailed("bad_code", f"The code has more than {CODE_BYTES} bytes.")


@pytest.mark.parametrize("words", [{"a": object()}, {"a": float("nan")}, {"a": "x" * ORDER_BYTES}], ids=["object", "nan", "long"])
async def test_what_cannot_be_said_to_a_skill_starts_no_process(words: dict[str, Any]) -> None:
    async with open_sandbox() as sandbox:
        assert (await outcome_of(sandbox, call_of(CODE, "told", words))).code == "bad_call"
        assert zygote_of(sandbox) is None


@pytest.mark.parametrize("python", PYTHONS, ids=range(len(PYTHONS)))
async def test_ordinary_work_needs_nothing_that_is_refused(python: str) -> None:
    async with open_sandbox(python=python, preload=Preload(zones=("Europe/Berlin",))) as sandbox:
        assert await outcome_of(sandbox, call_of(CODE, "work")) == {
            "squares": [0, 1, 4],
            "decimal": "0.3",
            "hash": "ca978112",
            "csv": ["a", "b"],
            "xml": "b",
            "mean": 2,
            "re": ["1", "22"],
            "base64": "eA==",
            "name": "LATIN SMALL LETTER E WITH ACUTE",
            "url": "a%20b",
            "text": "&",
            "idna": "xn--bcher-kva.example",
            "chance": True,
            "parsed": 24,
            "utc": 8,
            "json": [1.5],
        }
        stolen = "def run(input, ask): return open('/etc/passwd').read()"
        assert await outcome_of(sandbox, call_of(stolen)) == CallFailed("failed", "PermissionError")


@pytest.mark.parametrize("python", PYTHONS, ids=range(len(PYTHONS)))
async def test_hashes_are_those_of_everybody_and_openssl_is_not_in_there(python: str) -> None:
    names = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")
    code = (
        "import hashlib, hmac, sys\n"
        "def run(input, ask):\n"
        "    found = [hashlib.new(name, b'a').hexdigest() for name in input['names']]\n"
        "    return [*found, hmac.new(b'k', b'a', 'sha256').hexdigest(), bool(sys.modules.get('_hashlib'))]\n"
    )
    expected = [*(hashlib.new(name, b"a").hexdigest() for name in names), hmac.new(b"k", b"a", "sha256").hexdigest(), False]
    async with open_sandbox(python=python) as sandbox:
        assert await outcome_of(sandbox, call_of(code, input={"names": names})) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="no zygote")
async def test_the_zygote_stays_small_with_calendars_and_every_time_zone() -> None:
    async with open_sandbox(preload=_preload(("icalendar", "recurring_ical_events"))) as sandbox:
        assert await outcome_of(sandbox, call_of("def run(input, ask): return 1")) == 1
        assert resident_bytes(zygote_of(sandbox)) <= 30e6


async def test_what_the_gateway_names_is_imported_before_and_nothing_later(tmp_path: Path) -> None:
    (tmp_path / "toolbox.py").write_text("answer = 42\n")
    (tmp_path / "another.py").write_text("answer = 43\n")
    code = "def run(input, ask):\n    return __import__(input['name']).answer\n"
    async with open_sandbox(preload=Preload(("toolbox", "no_such_module"), (str(tmp_path),))) as sandbox:
        assert await outcome_of(sandbox, call_of(code, input={"name": "toolbox"})) == 42
        late = await outcome_of(sandbox, call_of(code, input={"name": "another"}))
        assert late in {CallFailed("failed", "ModuleNotFoundError"), CallFailed("failed", "PermissionError")}


async def test_a_calendar_is_expanded_inside() -> None:
    events = pytest.importorskip("recurring_ical_events")
    code = (
        "import icalendar, recurring_ical_events, datetime\n"
        "def run(input, ask):\n"
        "    calendar = icalendar.Calendar.from_ical(input['text'])\n"
        "    span = recurring_ical_events.of(calendar).between(ask.now, datetime.timedelta(days=14))\n"
        "    return sorted(event['DTSTART'].dt.isoformat() for event in span)\n"
    )
    event = ["UID:1", "DTSTART;TZID=America/New_York:20261201T090000", "RRULE:FREQ={}", "SUMMARY:Dentist"]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VEVENT", *event, "END:VEVENT", "END:VCALENDAR", ""]
    paths = (str(Path(events.__file__).parents[1]), str(Path(events.__file__).parent))
    preload = Preload(("icalendar", "recurring_ical_events"), paths, ("America/New_York",))
    async with open_sandbox(preload=preload) as sandbox:
        weekly = call_of(code, input={"text": "\r\n".join(lines).format("WEEKLY")}, zone="Europe/Berlin")
        assert await outcome_of(sandbox, weekly) == ["2026-12-01T09:00:00-05:00", "2026-12-08T09:00:00-05:00"]
        hostile = call_of(code, input={"text": "\r\n".join(lines).format("SECONDLY")}, cpu_s=1, wall_s=60.0)
        assert (await outcome_of(sandbox, hostile)).code in {"timed_out", "failed", "too_long"}


@pytest.mark.parametrize("calls", [5, pytest.param(sized(200, 60), marks=pytest.mark.heavy)])  # 10 s, the whole number 30
async def test_nothing_of_one_contact_is_in_the_call_of_another(calls: int) -> None:
    async with open_sandbox() as sandbox:

        async def contact(name: str) -> list[Any]:
            return [await outcome_of(sandbox, call_of(CODE, "remembers", {"contact": name})) for _ in range(calls)]

        names = [f"contact-{number}" for number in range(20)]
        outcomes = await asyncio.gather(*map(contact, names))
        assert outcomes == [[[name, []]] * calls for name in names]


def test_it_works_on_the_gateway_s_loop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def use() -> list[Any]:
        async with open_sandbox() as sandbox:
            flood = "import os\ndef run(input, ask):\n    while True: os.write(3, b'x' * 65536)\n"
            return [await outcome_of(sandbox, call_of(CODE, "asks")), await outcome_of(sandbox, call_of(flood))]

    asked, flooded = uvloop.run(use())
    assert [question["op"] for question in asked] == ["http", "kv"]
    assert flooded == CallFailed("too_long")


async def test_without_descriptors_a_call_fails_and_the_next_does_not() -> None:
    async with open_sandbox() as sandbox:
        await outcome_of(sandbox, call_of(CODE, "told"))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            failed = await outcome_of(sandbox, call_of(CODE, "told"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert failed == CallFailed("no_sandbox", "OSError")
        assert isinstance(await outcome_of(sandbox, call_of(CODE, "told")), dict)


async def test_four_children_live_at_once_and_the_others_wait() -> None:
    asking, started = 0, []

    async with open_sandbox() as sandbox:
        go = asyncio.Event()

        async def wait(_: dict[str, Any]) -> dict[str, Any]:
            nonlocal asking
            asking += 1
            if asking == AT_ONCE:
                assert sandbox._zygote is not None
                started.append(sandbox._zygote.started)
                go.set()
            await go.wait()
            return {"answer": 1}

        code = "def run(input, ask): return ask('x')"
        assert await asyncio.gather(*(outcome_of(sandbox, call_of(code, wall_s=60.0), wait) for _ in range(9))) == [1] * 9
    assert started == [AT_ONCE]


def _status_of(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def test_a_child_has_no_capabilities_and_can_get_none() -> None:
    async with open_sandbox() as sandbox:

        async def look(_: dict[str, Any]) -> dict[str, Any]:
            zygote = zygote_of(sandbox)
            assert zygote is not None
            (child,) = descendants(zygote)
            status = _status_of(child)
            return {"answer": {name: status[name] for name in ("CapEff", "CapPrm", "CapInh", "NoNewPrivs", "Seccomp", "Threads")}}

        none = "0" * 16
        assert await outcome_of(sandbox, call_of("def run(input, ask): return ask('x')"), look) == {
            "CapEff": none,
            "CapPrm": none,
            "CapInh": none,
            "NoNewPrivs": "1",
            "Seccomp": "2",
            "Threads": "1",
        }


async def test_a_cancelled_call_leaves_no_child() -> None:
    async with open_sandbox() as sandbox:
        await outcome_of(sandbox, call_of(CODE, "told"))
        zygote = zygote_of(sandbox)
        assert zygote is not None
        calling = asyncio.ensure_future(sandbox.call(call_of(FOR_EVER, wall_s=600.0), echo))
        await until(lambda: descendants(zygote))
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert descendants(zygote) == []
        assert await outcome_of(sandbox, call_of(CODE, "told", {"a": 1})) != CallFailed("ended")


async def _call_under_way(sandbox: Sandbox) -> tuple[int, asyncio.Task[Any]]:
    await outcome_of(sandbox, call_of(CODE, "told"))
    zygote = zygote_of(sandbox)
    assert zygote is not None
    calling = asyncio.ensure_future(outcome_of(sandbox, call_of(FOR_EVER, wall_s=600.0)))
    await until(lambda: descendants(zygote))
    return zygote, calling


async def test_when_the_zygote_dies_its_calls_end_and_the_next_has_another() -> None:
    async with open_sandbox() as sandbox:
        zygote, calling = await _call_under_way(sandbox)
        (child,) = descendants(zygote)
        os.kill(zygote, signal.SIGKILL)
        assert await calling == CallFailed("ended")
        await until(lambda: not _is_alive(child))
        assert isinstance(await outcome_of(sandbox, call_of(CODE, "told")), dict)
        assert zygote_of(sandbox) not in {None, zygote}


async def test_a_zygote_that_misses_a_ping_is_replaced() -> None:
    clock = FakeClock()
    async with open_sandbox(clock=clock) as sandbox:
        zygote, calling = await _call_under_way(sandbox)
        os.kill(zygote, signal.SIGSTOP)
        while not calling.done():
            clock.move(PING_S)
            await asyncio.sleep(0.01)
        assert await calling == CallFailed("ended")
        assert isinstance(await outcome_of(sandbox, call_of(CODE, "told")), dict)
        assert zygote_of(sandbox) not in {None, zygote}


async def test_a_zygote_that_answers_lives_while_calls_run_and_ends_after_idle_minutes() -> None:
    clock = FakeClock()
    async with open_sandbox(clock=clock) as sandbox:
        zygote, calling = await _call_under_way(sandbox)
        for _ in range(5):
            clock.move(IDLE_S)
            await asyncio.sleep(0.05)
        assert zygote_of(sandbox) == zygote
        calling.cancel()
        await asyncio.wait([calling])
        clock.move(IDLE_S / 2)
        await asyncio.sleep(0.05)
        assert zygote_of(sandbox) == zygote
        clock.move(IDLE_S)
        await until(lambda: zygote_of(sandbox) is None and not _is_alive(zygote))


async def test_a_zygote_is_replaced_after_so_many_calls_and_ends_when_its_last_has() -> None:
    clock = FakeClock()
    async with open_sandbox(clock=clock, calls_per_zygote=3) as sandbox:
        first, calling = await _call_under_way(sandbox)
        await outcome_of(sandbox, call_of(CODE, "told"))
        assert zygote_of(sandbox) == first
        await outcome_of(sandbox, call_of(CODE, "told"))
        assert zygote_of(sandbox) != first
        clock.move(PING_S)
        await asyncio.sleep(0.05)
        assert _is_alive(first)
        assert not calling.done()
        calling.cancel()
        await asyncio.wait([calling])
        clock.move(PING_S)
        await until(lambda: not _is_alive(first))


async def test_closing_ends_what_runs_and_starts_nothing_more() -> None:
    async with open_sandbox() as sandbox:
        zygote, calling = await _call_under_way(sandbox)
        await sandbox.close()
        assert await calling == CallFailed("ended")
        assert descendants(os.getpid()) == [] or zygote not in descendants(os.getpid())
        assert (await outcome_of(sandbox, call_of(CODE, "told"))).code == "no_sandbox"


async def test_an_interpreter_that_does_not_start_is_no_sandbox(tmp_path: Path) -> None:
    for python in (str(tmp_path / "none"), "/bin/false"):
        async with open_sandbox(python=python) as sandbox:
            assert (await outcome_of(sandbox, call_of(CODE, "told"))).code == "no_sandbox"


_HOLDER = """
import asyncio, sys
from skills.calls import call_of, echo, zygote_of
from secondme.core.clock import SystemClock
from secondme.skills.sandbox.sandbox import Sandbox

async def main():
    sandbox = Sandbox(SystemClock())
    async def started(question):
        print(zygote_of(sandbox), flush=True)
        return {"answer": None}
    code = sys.argv[1].replace("time.sleep", "ask('x'); time.sleep")
    await asyncio.gather(*(sandbox.call(call_of(code, wall_s=600.0), started) for _ in range(4)))

asyncio.run(main())
"""


@pytest.mark.parametrize("attempt", range(sized(3, 1)))
def test_when_the_gateway_is_killed_nothing_of_the_sandbox_is_left(attempt: int) -> None:  # noqa: ARG001  three times
    words = [sys.executable, "-c", _HOLDER, FOR_EVER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment(PYTHONPATH=os.pathsep.join(sys.path))) as holder:
        assert holder.stdout is not None
        for _ in range(4):
            assert holder.stdout.readline()
        before = descendants(holder.pid)
        assert len(before) == 5
        holder.kill()
    start = time.monotonic()
    while any(map(_is_alive, before)):
        assert time.monotonic() - start < DEADLINE_S
        time.sleep(0.005)
    print(f"0 of {len(before)} left after {(time.monotonic() - start) * 1000:.0f} ms")


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_is_called_and_said_is_not_in_a_log_line() -> None:
    call = call_of("secret = 1", input={"number": "secret"}, config={"key": "secret"})
    assert "secret" not in repr(call).replace("function=", "")
