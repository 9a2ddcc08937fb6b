"""The zygote: a clean process that has imported what skills use, and forks one confined child for each call.

Started by the gateway as `python -I -S`, with an environment of no secrets and one descriptor: the control socket, on which each packet is
one JSON object. A child inherits nothing of another call, for the zygote never sees a skill's code, its input or its answers.

    gateway -> {"modules": [...], "paths": [...], "zones": [...]}                            once; answered by {"ready": [missing modules]}
    gateway -> {"start": 1, "code_bytes": 90, "zone": "UTC", "memory_bytes": ..., "cpu_s": 2, "landlock": true}   with a connection
    gateway -> {"kill": 1}, {"ping": 7}
    zygote  -> {"ended": 1, "status": 0, "cpu_ms": 3}, {"pong": 7}
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from secondme.skills.sandbox import cage
from secondme.skills.sandbox.filters import sealed_filter, this_machine
from secondme.skills.sandbox.skill_call import PACKET_BYTES, find_zone, run_call

if TYPE_CHECKING:
    from collections.abc import Callable

STANDARD_LIBRARY = """
    _strptime array base64 binascii bisect calendar collections colorsys copy csv dataclasses datetime decimal difflib email.message
    email.utils enum fractions functools hashlib heapq hmac html html.parser io itertools json locale logging math numbers operator
    pathlib pprint queue random re secrets statistics string struct textwrap threading time traceback types typing unicodedata
    urllib.parse warnings xml.etree.ElementTree zlib zoneinfo
    encodings.ascii encodings.cp1252 encodings.idna encodings.iso8859_15 encodings.latin_1 encodings.punycode encodings.utf_16
    encodings.utf_8_sig
""".split()  # noqa: SIM905  a list would take sixty lines
"""What a skill can import: a child cannot read any more. Codecs are modules too."""
_HASHES = ("_md5", "_sha1", "_sha3", "_blake2", *(("_sha2",) if sys.version_info >= (3, 12) else ("_sha256", "_sha512")))
"""Python's own: with all of them `hashlib` does without OpenSSL, which is 4 MB of memory and much code to attack."""
_CALENDAR = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:secondme\r
BEGIN:VTIMEZONE\r
TZID:secondme-warm-up\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
TZOFFSETFROM:+0200\r
TZOFFSETTO:+0100\r
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;TZID=secondme-warm-up:20261201T090000\r
DTEND;TZID=secondme-warm-up:20261201T100000\r
RRULE:FREQ=WEEKLY\r
SUMMARY:Dentist\r
END:VEVENT\r
END:VCALENDAR\r
"""
"""With a zone of its own, which makes the library ask what zones there are: a child cannot. It remembers the zone's name for every child."""


def main() -> None:
    """Serve until the gateway hangs up. The descriptor of the control socket is the last argument."""
    cage.die_with_parent(os.getppid())
    cage.hide()
    control = socket.socket(fileno=int(sys.argv[-1]))
    os.closerange(control.fileno() + 1, 1 << 16)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = json.loads(control.recv(PACKET_BYTES))
    sys.path += orders["paths"]
    if all(map(importlib.util.find_spec, _HASHES)):
        sys.modules["_hashlib"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    missing = _import_all([*STANDARD_LIBRARY, *orders["modules"]])
    sealed_filter(this_machine(), os.getpid())  # most of it is kept
    zones = [find_zone(name) for name in ["UTC", *orders["zones"]]]
    _tell(control, {"ready": missing})
    gc.collect()
    gc.freeze()  # a child's collector leaves the pages alone that it shares with us
    _serve(control)
    del zones  # held until here: a child finds again only what somebody holds


def _import_all(names: list[str]) -> list[str]:
    """The names that could not be imported. What a module imports only when it is used is had by using it once."""
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
            _WARM_UPS.get(name, _nothing)()
        except ImportError:
            missing.append(name)
    return missing


def _nothing() -> None:
    """Most modules need no warming up."""


def _expand_a_weekly_event() -> None:
    events = importlib.import_module("recurring_ical_events")
    calendar = importlib.import_module("icalendar").Calendar.from_ical(_CALENDAR)
    events.of(calendar).between(datetime(2026, 12, 1, tzinfo=UTC), timedelta(days=14))


_WARM_UPS: dict[str, Callable[[], object]] = {"recurring_ical_events": _expand_a_weekly_event}


def _serve(control: socket.socket) -> None:
    children: dict[int, int] = {}
    """By process id: the number of the call."""
    woken = _woken_by_children()
    while True:
        readable, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in readable:
            os.read(woken, PACKET_BYTES)
        if control.fileno() in readable:
            packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES, 1)
            if not packet:
                return  # and the kernel kills the children
            _obey(control, json.loads(packet), descriptors, children)
        _report_ended(control, children)


def _obey(control: socket.socket, order: dict[str, Any], descriptors: list[int], children: dict[int, int]) -> None:
    match order:
        case {"start": int(call)}:
            zygote = os.getpid()
            try:
                process = os.fork()
            except OSError:  # the machine has no more processes or memory
                _tell(control, {"ended": call, "status": 1, "cpu_ms": 0})
            else:
                if not process:
                    _be_child(zygote, order, descriptors[0])
                children[process] = call
        case {"kill": call}:
            for process in [process for process, each in children.items() if each == call]:
                os.kill(process, signal.SIGKILL)  # it is ours until it is waited for: no other can have its id
        case {"ping": number}:
            _tell(control, {"pong": number})
        case _:
            pass
    for descriptor in descriptors:
        os.close(descriptor)


def _be_child(zygote: int, order: dict[str, Any], descriptor: int) -> None:
    """Run the call and end. Whatever happens, the child never returns to the zygote's own work."""
    status = 1
    try:
        cage.die_with_parent(zygote)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(descriptor, 3, inheritable=False)
        os.closerange(4, 1 << 16)  # standard input, output and error are /dev/null, where a limit on files leaves writing alone
        connection = socket.socket(
            fileno=3
        )  # held to the end: were it closed before, we would be killed for hanging up, and our status lost
        status = run_call(
            connection,
            order["code_bytes"],
            order["zone"],
            lambda: cage.enter(memory_bytes=order["memory_bytes"], cpu_s=order["cpu_s"], with_landlock=order["landlock"]),
        )
    finally:
        os._exit(status)


def _woken_by_children() -> int:
    """A descriptor that becomes readable when a child ends."""
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _report_ended(control: socket.socket, children: dict[int, int]) -> None:
    while children:
        process, status, usage = os.wait4(-1, os.WNOHANG)
        if not process:
            return
        cpu_ms = round(1000 * (usage.ru_utime + usage.ru_stime))
        _tell(control, {"ended": children.pop(process), "status": os.waitstatus_to_exitcode(status), "cpu_ms": cpu_ms})


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())
