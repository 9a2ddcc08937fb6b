"""Where everything lives on disk: all of it 0700/0600, all of it under one directory when `SECONDME_HOME` is set.

The store's lock and socket live beside its data and not in the session's runtime directory: cron has no XDG_RUNTIME_DIR, and two
processes that disagree about the lock would run two servers on one append-only file.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from secondme.core.files import refuse_planted

_SOCKET_LIMIT = 100
"""Bytes. Linux takes 107 in `sun_path`, macOS 103; some room for a suffix."""


@dataclass(frozen=True, slots=True)
class Places:
    """Every directory and file the program uses. Nothing is created by looking."""

    config: Path
    data: Path
    logs: Path

    @property
    def is_apart(self) -> bool:
        """True for a home that was named, false for the platform's own directories."""
        return self.data.parent == self.config

    @property
    def config_file(self) -> Path:
        """`config.toml`, which a person edits."""
        return self.config / "config.toml"

    @property
    def credentials(self) -> Path:
        """What linking a channel found out: tokens and who the owner is there. 0600, written by `secondme channels connect`."""
        return self.config / "credentials.json"

    @property
    def env_file(self) -> Path:
        """`.env`: secrets of the owner's, one `NAME=value` a line, read like the environment. 0600, so a service has them too."""
        return self.config / ".env"

    @property
    def personas(self) -> Path:
        """Markdown files that say who the owner is."""
        return self.config / "personas"

    @property
    def skills(self) -> Path:
        """The owner's own skills, a folder each."""
        return self.config / "skills"

    @property
    def skills_lock(self) -> Path:
        """Which code of skills the owner approved, with which rights."""
        return self.config / "skills.lock"

    @property
    def skill_snapshots(self) -> Path:
        """Copies of approved skills: what runs."""
        return self.data / "skill-snapshots"

    @property
    def memory(self) -> Path:
        """What was said with each contact, a file each, in names that say nothing."""
        return self.data / "memory"

    @property
    def memory_keys(self) -> Path:
        """Keys of memories that are encrypted; in no backup, unless the owner says so."""
        return self.data / "memory-keys"

    @property
    def media(self) -> Path:
        """Recordings and pictures that contacts sent, for as long as they are kept, a folder a contact; in no backup, unless the owner says so."""
        return self.data / "media"

    @property
    def rehearsals(self) -> Path:
        """What the clone would have answered in the owner's past, a file a run; in no backup."""
        return self.data / "rehearsals"

    @property
    def speech_models(self) -> Path:
        """Weights of engines that understand speech on this machine; in no backup."""
        return self.data / "models"

    @property
    def mcp_listings(self) -> Path:
        """What MCP servers were last seen to offer. Nothing in it approves anything."""
        return self.data / "skills" / "mcp"

    @property
    def store(self) -> Path:
        """The embedded server's data, log and lock."""
        return self.data / "store"

    @property
    def local_mail(self) -> Path:
        """What waits for contacts of the local channel."""
        return self.data / "local"

    def channel(self, name: str) -> Path:
        """Where the channel `name` keeps its files. What waits for the local channel's contacts lies outside, from before there were others."""
        return self.local_mail if name == "local" else self.data / "channels" / name

    def channel_socket(self, name: str) -> Path:
        """Where the channel `name` may listen on this machine."""
        return self._socket(f"{name}.sock")

    @property
    def restore_note(self) -> Path:
        """Says that a restore was begun; gone when it has ended. As long as it is there, some of the home is the old one, some the new."""
        return self.data / "restoring.json"

    @property
    def witness(self) -> Path:
        """Says how many people were approved, beside the store that must know them."""
        return self.data / "witness.json"

    @property
    def gateway_lock(self) -> Path:
        """Held by the one gateway of this home."""
        return self.data / "gateway.lock"

    @property
    def store_socket(self) -> Path:
        """The embedded server's socket."""
        return self._socket("store.sock")

    @property
    def local_socket(self) -> Path:
        """Where `secondme chat` finds the gateway."""
        return self._socket("local.sock")

    @property
    def api_socket(self) -> Path:
        """Where the HTTP API listens."""
        return self._socket("api.sock")

    def control_socket(self, part: str, pid: int) -> Path:
        """Where a process of this home is asked to read its settings anew, or to start anew: the gateway's, or that of the worker `pid`."""
        return self._socket("control.sock" if part != "worker" else f"control-{pid}.sock")

    def control_sockets(self) -> list[Path]:
        """Those that are there, the gateway's first."""
        return sorted(
            self._socket("control.sock").parent.glob("control*.sock"), key=lambda path: (path.stem != "control", path.stem)
        )

    def restart_note(self, pid: int) -> Path:
        """Says that the process `pid` starts anew, and what came in its way; gone as soon as it is ready."""
        return self.data / f"restarting-{pid}.json"

    def restart_notes(self) -> list[Path]:
        """Those that are there."""
        return sorted(self.data.glob("restarting-*.json"))

    @property
    def api_token(self) -> Path:
        """What a caller of the HTTP API over TCP must know."""
        return self.data / "api.token"

    @property
    def api_tokens(self) -> Path:
        """How named tokens of the HTTP API are recognised, and what each may do."""
        return self.data / "api-tokens.json"

    def _socket(self, name: str) -> Path:
        path = self.data / name
        if len(os.fsencode(path)) <= _SOCKET_LIMIT:
            return path
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        directory = Path("/tmp") / f"secondme-{os.getuid()}-{digest}"  # noqa: S108  0700 and owner checked here and by files.private_dir
        refuse_planted(directory)
        return directory / name


def find_places(home: Path | None) -> Places:
    """The places below `home`, or the platform's own directories when it is None."""
    if home is not None:
        root = Path(os.path.abspath(home.expanduser()))  # noqa: PTH100  resolve() would follow links
        return Places(config=root, data=root / "data", logs=root / "logs")
    from platformdirs import PlatformDirs  # noqa: PLC0415  15 ms that a set SECONDME_HOME does not pay

    dirs = PlatformDirs("secondme", appauthor=False)
    return Places(config=dirs.user_config_path, data=dirs.user_data_path, logs=dirs.user_log_path)
