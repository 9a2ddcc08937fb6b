"""Speech by a program of the owner's own: it reads the text and writes a sound file. Nothing leaves this machine unless it sends it."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError, DataError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.program import harmless_environment, run_program
from secondme.core.providers.sound_files import speakable

if TYPE_CHECKING:
    from secondme.core.config.models import SpeechSettings

log = get_logger(__name__)

_MOST_BYTES = 20 << 20
"""Two minutes of WAV as studios record it."""
_LANGUAGE = "SPEECH_LANGUAGE"
"""Where the program finds the language of the text, if anybody knows it."""


class SpeechCommand:
    """`speech.command`: the text on its standard input as UTF-8, the sound on its standard output. No shell reads it."""

    def __init__(self, settings: SpeechSettings) -> None:
        """Raises ConfigError when no command is set, or it is none."""
        try:
            self._command = shlex.split(settings.command)
        except ValueError as error:
            raise _unusable("speech.command has a quotation mark too few.") from error
        if not self._command:
            raise _unusable("speech.command is empty.")
        self._timeout_s = settings.timeout_s
        self.name = "command"

    async def speak(self, text: str, language: str = "") -> bytes:
        """As the port says. The program has `speech.timeout_s`; then it and everything it started is killed."""
        environment = harmless_environment() | ({_LANGUAGE: language} if language else {})
        if shutil.which(self._command[0], path=environment.get("PATH")) is None:
            raise _unusable("The program that speech.command names is not there, or not executable.")
        try:
            async with asyncio.timeout(self._timeout_s):
                said = text.encode("utf-8", "replace")
                end = await run_program(self._command, said, limit_bytes=_MOST_BYTES, environment=environment)
        except TimeoutError as error:
            raise UnavailableError("speech_timeout", "The program that speaks did not end in time.") from error
        except (OSError, ValueError) as error:
            raise _unusable("The program that speech.command names cannot be started.") from error
        log.info("speech_command_ended", status=end.status, size_bytes=len(end.output))
        if end.is_too_long:
            raise DataError("speech_too_large", "The program that speaks wrote more than 20 MB.")
        if end.status:
            raise UnavailableError("speech_command_failed", f"The program that speaks failed ({end.status}).")
        if not speakable(end.output):
            raise DataError(
                "speech_no_sound", "The program that speaks wrote no sound file.", "It must write Ogg, WAV, MP3 or FLAC."
            )
        return end.output

    async def close(self) -> None:
        """As the port says: nothing is ever open."""


def _unusable(why: str) -> ConfigError:
    return ConfigError("speech_command_unusable", why, "secondme config set speech.command")
