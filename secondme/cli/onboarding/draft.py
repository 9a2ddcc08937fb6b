"""What was answered before the wizard was left? Kept beside the configuration until everything is written. Never a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from secondme.core.config.paths import open_private, replace_private
from secondme.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "onboarding.json"


class Draft:
    """Answers by name. `path` None keeps nothing: a script starts from the beginning each time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.answers: dict[str, str] = {} if path is None else _read(path)

    def note(self, name: str, answer: str) -> None:
        """The answer is on disk. Raises ConfigError when it cannot be."""
        self.answers[name] = answer
        self._save()

    def forget(self, name: str) -> None:
        """There is no such answer any more. Repeatable."""
        if self.answers.pop(name, None) is not None:
            self._save()

    def clear(self) -> None:
        """There is no draft. Repeatable."""
        self.answers = {}
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        if self._path is None:
            return
        try:
            replace_private(self._path, json.dumps(self.answers, indent=2, ensure_ascii=False))
        except OSError as error:
            raise ConfigError(
                "unwritable_config", f"{self._path} cannot be written: {error.strerror}.", "Check the disk."
            ) from error


def _read(path: Path) -> dict[str, str]:
    """A draft that cannot be read is none: it only saves typing."""
    try:
        kept = json.loads(open_private(path) or "{}")
    except (OSError, ValueError, ConfigError):
        return {}
    return {str(name): str(answer) for name, answer in kept.items()} if isinstance(kept, dict) else {}
