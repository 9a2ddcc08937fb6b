"""What does systemd read? A user unit: ready when we say so, watched, started anew after a failure, and stopped in our own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.cli.service.program import Program

MARKER = "Written by `secondme service install`; `secondme service uninstall` removes it."
_UNIT = """\
# {marker}
[Unit]
Description={title}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=:{command}
# A store of gigabytes takes a while to be read.
TimeoutStartSec=300
WatchdogSec=30
# We need ten seconds at most; the store's server then has five.
TimeoutStopSec=20
# The gateway stops its own children, in order.
KillMode=mixed
Restart=on-failure
RestartSec=2
RestartSteps=6
RestartMaxDelaySec=120
# Wrong settings or a refused key do not get better by trying.
RestartPreventExitStatus=2 77 78
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
"""No PrivateTmp: a home with a long path has its sockets below /tmp, where the other commands look for them. `:` before the program leaves
every `$` alone (systemd.service(5))."""

_UNSAFE = frozenset("\"'\\")
"""What systemd takes in no program's path, however it is escaped; in an argument it does."""
_THROUGH_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@"')


def unit_text(program: Program) -> str:
    """The unit that runs `program`."""
    words = program.words if _UNSAFE.isdisjoint(program.words[0]) else (*_THROUGH_SHELL, *program.words)
    command = " ".join(quoted(word) for word in words)
    return _UNIT.format(marker=MARKER, title=_specifiers(program.title), command=command)


def quoted(word: str) -> str:
    """`word` as one argument of an ExecStart with `:`, whatever printable characters are in it."""
    return '"' + _specifiers(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
