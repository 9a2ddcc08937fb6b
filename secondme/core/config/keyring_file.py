"""Which secrets did the owner leave in the operating system's keyring? One entry for each home: a JSON object of dotted names.

Used only while the setting `secrets` says `keyring`. The package `keyring` is an extra: `pip install secondme[keyring]`.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SERVICE = "secondme"


def read_keyring(home: Path) -> dict[str, str]:
    """The secrets kept for `home`. Raises ConfigError without the package, CredentialsError when the keyring is locked or broken."""
    library = _library()
    try:
        kept = json.loads(library.get_password(_SERVICE, str(home)) or "{}")
    except Exception as error:
        raise CredentialsError(
            "keyring_locked", "The keyring does not give its secrets.", "Unlock it, or: secondme config set secrets file"
        ) from error
    return {str(name): str(value) for name, value in kept.items()} if isinstance(kept, dict) else {}


def save_keyring(home: Path, changes: Mapping[str, str | None]) -> None:
    """Every dotted name in `changes` has that value; None: it is not kept. Repeatable. Raises as `read_keyring`."""
    kept = {name: value for name, value in {**read_keyring(home), **changes}.items() if value is not None}
    try:
        _library().set_password(_SERVICE, str(home), json.dumps(kept))
    except Exception as error:
        raise CredentialsError(
            "keyring_locked", "The keyring does not take secrets.", "secondme config set secrets file"
        ) from error


def keyring_strength() -> float:
    """How good a keyring was found, in the package's own measure: from 1 one that is recommended, 0 none at all."""
    try:
        return float(_library().get_keyring().priority)
    except (ConfigError, RuntimeError, AttributeError):
        return 0.0


def _library() -> Any:  # an optional package
    try:
        return import_module("keyring")  # an extra, and slow
    except ImportError as error:
        raise ConfigError("no_keyring", "The package `keyring` is not installed.", "pip install 'secondme[keyring]'") from error
