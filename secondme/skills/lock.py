"""`skills.lock` and the snapshots: which code the owner approved, with which rights, and the copy of it that runs.

Trust in code is a file of this machine and never a record in the store: who shares a store cannot approve code. What was approved is copied,
and only the copy runs: a folder may change at any moment, and nothing of the change is live before the owner approves it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from secondme.core.errors import BusyError, ConfigError
from secondme.core.files import hold, private_dir, read_private, write_private
from secondme.core.tools.permissions import Audience
from secondme.skills.loader import SkillFolder, digest_of, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_WAIT_S = 5.0
_DIGEST = r"^sha256:[0-9a-f]{64}$"
_AUDIENCES = {"owner": Audience.OWNER, "trusted": Audience.TRUSTED, "standard": Audience.STANDARD}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


class SkillApproval(_Record):
    """What the owner approved of one skill."""

    digest: str = Field(pattern=_DIGEST)
    version: str = ""
    permissions: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    audience: str = Field("standard", pattern="^(owner|trusted|standard)$")
    """Who may cause it at most; what its permissions allow may be less."""
    auto: Annotated[tuple[str, ...], Field(max_length=24)] = ()
    """Tools whose writes need no single word of the owner's."""
    approved_at: str = ""
    """RFC 3339, UTC."""

    @property
    def reach(self) -> Audience:
        """`audience`, to compare."""
        return _AUDIENCES[self.audience]


class McpToolApproval(_Record):
    """One tool of an MCP server as the owner accepted it: what a model is told of it, and their word about it."""

    digest: str = Field(pattern=_DIGEST)
    """Of its name, description, schemas and annotations, as the server has them."""
    description: str = Field("", max_length=1024)
    input_schema: dict[str, Any] = Field(default_factory=dict)
    access: Literal["read", "write", "off"] = "write"
    """What nobody said anything about may change something."""
    audience: str = Field("owner", pattern="^(owner|trusted|standard)$")

    @property
    def reach(self) -> Audience:
        """`audience`, to compare."""
        return _AUDIENCES[self.audience]


class McpServerApproval(_Record):
    """What the owner approved of one MCP server: a command, or an address."""

    command: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """The program's whole path first."""
    files: dict[str, Annotated[str, Field(pattern=_DIGEST)]] = Field(default_factory=dict)
    """The program, and each of its arguments that is a file, with their digests."""
    url: str = Field("", max_length=2048)
    hosts: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    folders: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """What it may read."""
    secrets: Annotated[tuple[str, ...], Field(max_length=32)] = ()
    """Environment variables that it is given; `TOKEN` of an address is what it is asked with."""
    instructions: str = ""
    """The digest of what it says about itself, which no model is told."""
    tools: dict[str, McpToolApproval] = Field(default_factory=dict, max_length=512)
    approved_at: str = ""
    """RFC 3339, UTC."""


class _LockFile(_Record):
    version: int = Field(1, ge=1, le=1)
    skills: dict[str, SkillApproval] = Field(default_factory=dict)
    mcp: dict[str, McpServerApproval] = Field(default_factory=dict)


class SkillLock:
    """The file of approvals, 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Mapping[str, SkillApproval]:
        """Every approval by the skill's name; none where there is no file.

        Raises ConfigError `bad_skills_lock` for what is no such file: nothing is approved then, and nothing is written over it.
        """
        return self._load().skills

    def read_servers(self) -> Mapping[str, McpServerApproval]:
        """Every approved MCP server by its name. Raises as `read`."""
        return self._load().mcp

    def change(self, edit: Callable[[dict[str, SkillApproval]], None]) -> None:
        """The approvals are as `edit` leaves them. Raises as `read`, and BusyError when somebody else is changing them."""
        self._change(lambda skills, _: edit(skills))

    def change_servers(self, edit: Callable[[dict[str, McpServerApproval]], None]) -> None:
        """The approved servers are as `edit` leaves them. Raises as `change`."""
        self._change(lambda _, servers: edit(servers))

    def _load(self) -> _LockFile:
        try:
            text = read_private(self.path)
            return _LockFile.model_validate_json(text) if text is not None else _LockFile()
        except (OSError, UnicodeError, ValidationError) as error:
            words = f"{self.path} is not the list of approved skills that secondme wrote."
            fix = f"Put the right file back, or remove {self.path} and approve your skills anew."
            raise ConfigError("bad_skills_lock", words, fix) from error

    def _change(self, edit: Callable[[dict[str, SkillApproval], dict[str, McpServerApproval]], None]) -> None:
        private_dir(self.path.parent)
        held = hold(self.path.with_name(f".{self.path.name}.held"), _WAIT_S)
        if held is None:
            raise BusyError("skills_lock_busy", "Another command is changing the approved skills.", "Try again in a moment.")
        try:
            before = self._load()
            skills, servers = dict(before.skills), dict(before.mcp)
            edit(skills, servers)
            after = _LockFile(skills=dict(sorted(skills.items())), mcp=dict(sorted(servers.items())))
            body = after.model_dump(mode="json", by_alias=True, exclude=set() if servers else {"mcp"})
            write_private(self.path, json.dumps(body, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            words = f"{self.path} cannot be written: {error.strerror}."
            raise ConfigError("unwritable_config", words, "Check its owner and the disk.") from error
        finally:
            os.close(held)


class Snapshots:
    """Copies of approved skills, by their digests: 0500 and 0400."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, folder: SkillFolder) -> None:
        """A copy of `folder` is there. Repeatable. Raises ConfigError when the disk refuses."""
        target = self._path(folder.digest)
        if self.load(folder.name, folder.digest) is not None:
            return
        private_dir(self.directory)
        fresh = target.with_name(f".{target.name}.new")
        try:
            self._remove(fresh)
            self._remove(target)  # what is there is not what was approved
            for path, raw in folder.files.items():
                file = fresh / path
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_private(file, raw)
                file.chmod(0o400)
            for each in sorted((item for item in fresh.rglob("*") if item.is_dir()), reverse=True):
                each.chmod(0o500)
            fresh.rename(target)
            target.chmod(0o500)
        except OSError as error:
            words = f"{self.directory} cannot be written: {error.strerror}."
            raise ConfigError("unusable_directory", words, "Check its owner, mode and free space.") from error

    def load(self, name: str, digest: str) -> SkillFolder | None:
        """The skill as it was approved; None when there is no copy, or not this one any more."""
        path = self._path(digest)
        try:
            facts = path.lstat()
        except OSError:
            return None
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            return None
        found = read_folder(path, name)
        return found if found.files and digest_of(found.files) == digest else None

    def forget(self, wanted: set[str]) -> None:
        """Only copies with one of the `wanted` digests are left."""
        with contextlib.suppress(OSError):
            for each in self.directory.iterdir():
                if f"sha256:{each.name}" not in wanted:
                    self._remove(each)

    def _path(self, digest: str) -> Path:
        return self.directory / digest.removeprefix("sha256:")

    @staticmethod
    def _remove(path: Path) -> None:
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        for directory, _, _ in os.walk(path):
            os.chmod(directory, 0o700)  # noqa: PTH101
        shutil.rmtree(path)
