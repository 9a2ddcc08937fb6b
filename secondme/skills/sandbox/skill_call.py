"""One call of a skill, from inside its process: the code is read, the process confined, the function run, and the outcome said.

Runs in the zygote's child, with the standard library only. Nothing it says is believed by the gateway: the skill's code shares its memory
and its connection.
"""

from __future__ import annotations

import builtins
import json
import sys
import types
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

PACKET_BYTES = 65_536
"""What the gateway and the zygote say to each other at once is shorter."""
NOT_CONFINED = 70
"""How the process ends when it could not be confined; nothing of the skill was run then."""


class SkillError(Exception):
    """Raised by a skill to fail for a reason of its own: `code` in snake_case, and what it says to the owner."""

    def __init__(self, code: str, say: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.say = say


class AskError(Exception):
    """The gateway did not do what the skill asked for; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Asking:
    """What a skill is given as `ask`: its only way out, and what it may know of the call."""

    def __init__(self, connection: socket, answers: BinaryIO, call: Mapping[str, Any], zone: tzinfo) -> None:
        self.config = call["config"]
        self.now = datetime.fromisoformat(call["now"]).astimezone(zone)
        self.zone = call["zone"]
        self._connection = connection
        self._answers = answers
        self._asked = 0

    def __call__(self, op: str, **words: Any) -> Any:  # any JSON value
        """The gateway's answer. Raises AskError when it refuses."""
        self._asked += 1
        self._connection.sendall(_line({**words, "ask": self._asked, "op": op}))
        answer = json.loads(self._answers.readline())
        if "error" in answer:
            raise AskError(answer["error"])
        return answer["answer"]


def run_call(connection: socket, code_bytes: int, zone: str, confine: Callable[[], None]) -> int:
    """The status to end with. What needs a file is done before `confine`, which raises OSError when it cannot."""
    answers = connection.makefile("rb")
    code = answers.read(code_bytes)
    known = find_zone(zone)
    try:
        confine()
    except OSError:
        return NOT_CONFINED
    call = json.loads(answers.readline())
    outcome = _outcome(code, call, Asking(connection, answers, call, known or ZoneInfo("UTC")))
    try:
        line = _line(outcome)
    except (TypeError, ValueError, RecursionError):
        line = _line({"error": "not_json"})
    connection.sendall(line)
    return 0


def find_zone(name: str) -> ZoneInfo | None:
    """The zone, which can be had again without a file as long as somebody holds it; None when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such name, no name at all, a folder
        return None


def _outcome(code: bytes, call: Mapping[str, Any], ask: Asking) -> dict[str, Any]:
    vars(builtins).update(AskError=AskError, SkillError=SkillError)
    skill = sys.modules["skill"] = types.ModuleType("skill")
    try:
        compiled = compile(code, "skill.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return {"error": "bad_code", "say": f"{type(error).__name__} in line {getattr(error, 'lineno', None) or 1}"}
    try:
        exec(compiled, vars(skill))  # noqa: S102  what this process is for
        function = vars(skill).get(call["call"])
        if not isinstance(function, types.FunctionType):
            return {"error": "bad_code", "say": f"it has no function {call['call']}"}
        return {"result": function(call["input"], ask)}
    except SkillError as error:
        return {"error": error.code, "say": error.say}
    except Exception as error:  # noqa: BLE001  the skill's own, and the top of what runs it; its text may quote anything
        return {"error": "failed", "say": type(error).__name__}


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False).encode() + b"\n"
