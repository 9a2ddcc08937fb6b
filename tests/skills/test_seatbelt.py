"""Our side of macOS's sandbox, with a stand-in for the program that confines: what it confines is tried nowhere."""

import json
import signal
import socket
import sys
from pathlib import Path

import pytest
from skills.calls import call_of

from secondme.core.errors import UnavailableError
from secondme.skills.sandbox.sandbox import encode_order
from secondme.skills.sandbox.seatbelt import SeatbeltProcesses

_STAND_IN = """#!{python}
import os, sys
words = sys.argv[1:]
assert words[0::2][:3] == ["-D"] * 3 and words[6] == "-p" and "(deny default)" in words[7], words
os.execv(words[8], words[8:])
"""


async def test_a_call_runs_in_a_process_of_its_own_and_is_ended(tmp_path: Path) -> None:
    stand_in = tmp_path / "sandbox-exec"
    stand_in.write_text(_STAND_IN.format(python=sys.executable))
    stand_in.chmod(0o700)
    call = call_of("import time\ndef run(input, ask):\n    print(ask('x'))\n    return input", input={"number": 1})
    children = SeatbeltProcesses(sys.executable, str(stand_in))
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as lines:
        child = children.start_child(theirs, {"code_bytes": len(call.code), "zone": "UTC", "cpu_s": 2})
        theirs.close()
        ours.sendall(call.code + encode_order(call))
        assert json.loads(lines.readline()) == {"ask": 1, "op": "x"}
        ours.sendall(b'{"answer": 1}\n')
        assert json.loads(lines.readline()) == {"result": {"number": 1}}
        end = await children.end_child(child)
        assert end is not None
        assert end.status in {0, -signal.SIGKILL}


def test_without_the_program_there_is_no_sandbox(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(UnavailableError):
        SeatbeltProcesses(sys.executable, str(tmp_path / "none")).start_child(theirs, {})
