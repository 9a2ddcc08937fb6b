"""The gateway's side of the sandbox: a call goes in, a value or a typed failure comes out, and no process is left."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError, UnavailableError
from secondme.core.log import get_logger
from secondme.skills.sandbox.seatbelt import SeatbeltProcesses
from secondme.skills.sandbox.skill_call import NOT_CONFINED
from secondme.skills.sandbox.stranger_lines import StrangerLines
from secondme.skills.sandbox.zygote_process import ChildEnd, Preload, ZygoteProcess

if TYPE_CHECKING:
    from secondme.core.ports import Clock

log = get_logger(__name__)

AT_ONCE = 4
"""Children. More calls wait: a small machine has two cores and 1 GB."""
CODE_BYTES = 4 << 20
ORDER_BYTES = 256 << 10
ANSWER_BYTES = 1 << 20
"""Of the gateway to one question; a calendar of some years."""
CALLS_PER_ZYGOTE = 1000
"""Children share the zygote's addresses: whoever finds them out has them for that long."""
PING_S = 10.0
IDLE_S = 600.0
_SAY_CHARACTERS, _ZONE_CHARACTERS = 300, 100
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
OWN_CODES = frozenset(
    "timed_out too_long too_much too_deep not_json asks_too_often ended failed no_sandbox bad_code bad_call".split()  # noqa: SIM905  a table
)
"""Why a call failed, in our words. A skill's code that is one of these is `failed`."""
_SAID_INSIDE = frozenset(("failed", "bad_code", "not_json"))
"""Those that the child itself says."""

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers a skill's question, which is a bounded JSON object as it came, by `{"answer": ...}` or `{"error": "code"}`."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one call may use."""

    memory_bytes: int = 256 << 20
    """Address space, with the 30 MB that Python itself takes."""
    cpu_s: int = 2
    wall_s: float = 8.0
    """From the start of the child, with the time that answers to its questions take."""
    line_bytes: int = 128 << 10
    call_bytes: int = 256 << 10
    """All that it says."""
    depth: int = 32
    asks: int = 16


@dataclass(frozen=True, slots=True)
class SandboxCall:
    """One function of a skill, with what it is called with. `code` is the snapshot's, `now` RFC 3339, `zone` a name of the tz database."""

    skill: str
    code: bytes = field(repr=False)
    function: str
    input: Mapping[str, Any] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    now: str
    zone: str
    limits: SandboxLimits = SandboxLimits()
    preload: Preload | None = None
    """What its zygote must have imported; None: whatever it has. One that lacks it is replaced."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned a JSON value: a stranger's."""

    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallFailed:
    """It did not. `code` is one of `OWN_CODES` or the skill's own, `say` a line for the owner, never for a contact."""

    code: str
    say: str = ""


CallOutcome = Returned | CallFailed


class Sandbox:
    """Runs calls of skills, at most `AT_ONCE` at a time. The zygote starts at the first need and ends when nothing was called for a while.

    Use it in the main thread: what it starts ends with the thread. `python` must be this version's interpreter. `with_landlock` is
    for kernels on which Landlock breaks something, and for tests.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        python: str = sys.executable,
        preload: Preload | None = None,
        with_landlock: bool = True,
        calls_per_zygote: int = CALLS_PER_ZYGOTE,
    ) -> None:
        self._clock = clock
        self._python = python
        self._preload = preload or Preload()
        self._with_landlock = with_landlock
        self._calls_per_zygote = calls_per_zygote
        self._places = asyncio.Semaphore(AT_ONCE)
        self._inner_places = asyncio.Semaphore(AT_ONCE)
        self._starting = asyncio.Lock()
        self._zygote: ZygoteProcess | None = None
        self._tending: dict[ZygoteProcess, asyncio.Task[None]] = {}
        """A task for each zygote that lives; the newest takes new calls, an older one ends with its last."""
        self._last_used = 0.0
        self._is_closed = False

    async def call(self, call: SandboxCall, ask: Ask, *, is_inner: bool = False) -> CallOutcome:
        """What came of it, after it waited for its turn. Never raises but CancelledError; the child is dead afterwards in every case.

        `is_inner`: it answers what another call asked, and asks for no further one. Those have places of their own: four calls that wait for
        one another's places would wait for ever.
        """
        try:
            order = encode_order(call)
        except DataError as error:
            return CallFailed(error.code, error.message)
        async with self._inner_places if is_inner else self._places:
            try:
                children = await self._ready_zygote(call.preload) if sys.platform == "linux" else SeatbeltProcesses(self._python)
                outcome = await self._run(children, call, order, ask)
            except (UnavailableError, OSError) as error:  # the system has no more sockets, for one
                log.error("sandbox_unavailable", error)
                outcome = CallFailed("no_sandbox", error.message if isinstance(error, UnavailableError) else type(error).__name__)
        if isinstance(outcome, CallFailed):
            log.info("skill_call_failed", skill=call.skill, code=outcome.code)
        return outcome

    async def close(self) -> None:
        """Every process of ours has ended; calls under way fail with `ended`, later ones with `no_sandbox`. Repeatable."""
        self._is_closed = True
        async with self._starting:
            self._zygote = None
            tending = dict(self._tending)
        for zygote, task in tending.items():
            task.cancel()
            await asyncio.wait([task])
            await zygote.stop()
            self._tending.pop(zygote, None)

    async def _run(self, children: ZygoteProcess | SeatbeltProcesses, call: SandboxCall, order: bytes, ask: Ask) -> CallOutcome:
        limits = call.limits
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with ours:
            with theirs:
                child = children.start_child(
                    theirs,
                    {
                        "code_bytes": len(call.code),
                        "zone": call.zone,
                        "memory_bytes": limits.memory_bytes,
                        "cpu_s": limits.cpu_s,
                        "landlock": self._with_landlock,
                    },
                )
            outcome: CallOutcome = CallFailed("ended")
            end: ChildEnd | None = None
            try:
                async with asyncio.timeout(limits.wall_s):
                    outcome = await self._talk(ours, call, order, ask)
            except TimeoutError:
                outcome = CallFailed("timed_out")
            except DataError as error:
                outcome = CallFailed(error.code)
            except OSError:  # it hung up while it was told something
                outcome = CallFailed("ended")
            finally:
                self._last_used = self._clock.monotonic()
                end = await children.end_child(child)
        return _explained(outcome, end, limits)

    async def _talk(self, connection: socket.socket, call: SandboxCall, order: bytes, ask: Ask) -> CallOutcome:
        loop, limits = asyncio.get_running_loop(), call.limits
        await loop.sock_sendall(connection, call.code)
        await loop.sock_sendall(connection, order)
        lines = StrangerLines(connection, line_bytes=limits.line_bytes, total_bytes=limits.call_bytes, depth=limits.depth)
        asked = 0
        while (message := await lines.next()) is not None:
            match [key for key in ("ask", "result", "error") if key in message]:
                case ["result"]:
                    return Returned(message["result"])
                case ["error"]:
                    return _said(message)
                case ["ask"] if asked < limits.asks:
                    asked += 1
                    await loop.sock_sendall(connection, await self._answer(call, message, ask))
                case ["ask"]:
                    return CallFailed("asks_too_often")
                case _:
                    return CallFailed("not_json")
        return CallFailed("ended")

    async def _answer(self, call: SandboxCall, question: dict[str, Any], ask: Ask) -> bytes:
        try:
            answer = await ask(question)
            line = json.dumps(answer, allow_nan=False).encode()
        except Exception as error:  # noqa: BLE001  ours to mend, and no reason for the call to raise
            log.error("skill_ask_failed", error, skill=call.skill)
            line = b'{"error":"failed"}'
        return (line if len(line) <= ANSWER_BYTES else b'{"error":"too_long"}') + b"\n"

    async def _ready_zygote(self, needed: Preload | None) -> ZygoteProcess:
        """One that takes a call. Raises UnavailableError when it does not start, or we were closed."""
        async with self._starting:
            if self._is_closed:
                raise UnavailableError("no_sandbox", "The sandbox was closed.")
            self._last_used = self._clock.monotonic()
            if needed is not None and needed != self._preload:
                self._zygote, self._preload = None, needed
            zygote = self._zygote
            if zygote is None or zygote.is_over or zygote.started >= self._calls_per_zygote:
                zygote = self._zygote = await ZygoteProcess.start(self._python, self._preload)
                self._tending[zygote] = asyncio.ensure_future(self._tend(zygote))
            return zygote

    async def _tend(self, zygote: ZygoteProcess) -> None:
        """Ends it when it is not answering, not needed any more, or was idle."""
        while not zygote.is_over:
            await self._clock.sleep(PING_S)
            is_idle = not zygote.running and self._clock.monotonic() - self._last_used >= IDLE_S
            is_replaced = not zygote.running and zygote is not self._zygote
            if is_idle or is_replaced:
                break
            if not zygote.ping():
                log.error("zygote_silent", running=len(zygote.running))
                break
        if self._zygote is zygote:
            self._zygote = None
        await zygote.stop()
        self._tending.pop(zygote, None)


def encode_order(call: SandboxCall) -> bytes:
    """The line that starts a call. Raises DataError when it cannot be one, or its code is too long."""
    if len(call.code) > CODE_BYTES:
        raise DataError("bad_code", f"The code has more than {CODE_BYTES} bytes.")
    words = {"call": call.function, "input": dict(call.input), "config": dict(call.config), "now": call.now, "zone": call.zone}
    try:
        line = json.dumps(words, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError("bad_call", "The input or the settings are not JSON.") from error
    if len(line) > ORDER_BYTES:
        raise DataError("bad_call", f"The input and the settings have more than {ORDER_BYTES} bytes.")
    if len(call.zone) > _ZONE_CHARACTERS:
        raise DataError("bad_call", "No time zone has such a long name.")
    return line


def _said(message: dict[str, Any]) -> CallFailed:
    """A failure in the child's words: only its shape is believed."""
    code, say = message["error"], message.get("say", "")
    if not isinstance(code, str) or _CODE.fullmatch(code) is None or code in OWN_CODES - _SAID_INSIDE:
        code = "failed"
    printable = "".join(each if each.isprintable() else " " for each in say) if isinstance(say, str) else ""
    return CallFailed(code, printable[:_SAY_CHARACTERS])


def _explained(outcome: CallOutcome, end: ChildEnd | None, limits: SandboxLimits) -> CallOutcome:
    """What the end of the process says about a call without an outcome."""
    if outcome != CallFailed("ended") or end is None:
        return outcome
    if end.status == NOT_CONFINED:
        return CallFailed("no_sandbox", "This machine cannot confine a process.")
    if end.status == -signal.SIGKILL and end.cpu_ms >= limits.cpu_s * 500:  # the limit counts ticks, which others' work distorts
        return CallFailed("timed_out", "It used more time on the CPU than it may.")
    return outcome
