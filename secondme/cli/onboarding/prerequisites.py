"""Can it live on this machine? Looked at before the first question, so that nobody answers ten of them for nothing."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

from secondme.core.config.paths import private_dir
from secondme.core.errors import ConfigError
from secondme.core.store.server import find_server

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.onboarding.site import Site

_LEAST_FREE = 200 * 1024 * 1024
_GB = 1024**3


async def ask(site: Site) -> None:
    """What is needed is there. Raises ConfigError for what would stop everything; what is only nice to have is said."""
    places = site.setup.places
    for directory in dict.fromkeys((places.config, places.data, places.logs)):
        _writable(private_dir(directory))
    free = shutil.disk_usage(places.data).free
    if free < _LEAST_FREE:
        raise ConfigError(
            "disk_full", f"Only {free // 1024**2} MB are free at {places.data}.", "Make room, or set SECONDME_HOME elsewhere."
        )
    site.good(f"Python {platform.python_version()}, {free / _GB:.1f} GB free, settings in {places.config}")
    server = _server()
    (site.good if server else site.aside)(f"A private store: {server or 'no server program for this machine, so you need a Redis'}")
    found = {"docker": shutil.which("docker") is not None, "keyring": find_spec("keyring") is not None}
    missing = [name for name, there in found.items() if not there]
    if missing:
        site.aside(f"  Not here, and not needed: {', '.join(missing)}")
    site.plan.report["prerequisites"] = {
        "python": platform.python_version(),
        "freeBytes": free,
        "storeServer": bool(server),
        **found,
    }


def _writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(
            "unusable_directory", f"Nothing can be written below {directory}.", "Set SECONDME_HOME to a directory of yours."
        )
    probe = directory / f".{os.getpid()}.probe"
    try:
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            "unusable_directory",
            f"Nothing can be written below {directory}: {error.strerror}.",
            "Set SECONDME_HOME to a directory of yours.",
        ) from error


def _server() -> str:
    try:
        return os.path.basename(find_server())  # noqa: PTH119  a name to show
    except ConfigError:
        return ""
