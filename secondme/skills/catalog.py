"""What the owner decides about skills: taken in, approved, switched on and off, configured, removed; and the sheet they decide by."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import BusyError, ConfigError, DataError, NotFoundError
from secondme.core.files import private_dir, write_private
from secondme.core.security_log import SecurityEvent
from secondme.core.text import near, safe_name, safe_text
from secondme.core.tools.manifest import is_write, name_of_skill, widest_audience
from secondme.core.tools.permissions import Audience
from secondme.core.tools.reports import PermissionReport, SkillSheet, ToolReport
from secondme.core.tools.rights import Grant
from secondme.skills.archive import read_zip
from secondme.skills.hints import hints
from secondme.skills.loader import SkillFolder, parse, read_folder
from secondme.skills.lock import SkillApproval
from secondme.skills.registry import SkillKind, SkillState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from secondme.core.ports import Clock
    from secondme.core.security_log import SecurityLog
    from secondme.skills.registry import Skill, SkillRegistry

AUDIENCES = {Audience.OWNER: "owner", Audience.TRUSTED: "trusted", Audience.STANDARD: "standard"}
_DIFF_LINES = 60
_COMPARED_LINES = 2000
"""The time to compare grows with the square: 4 MB of short lines would take hours."""
_PLACE = re.compile(r"([-+])(\d+)")


class SkillCatalog:
    """Decisions about the skills of a home. Code is approved on this machine only."""

    def __init__(self, registry: SkillRegistry, clock: Clock, security: SecurityLog, by: str) -> None:
        self._registry = registry
        self._clock = clock
        self._security = security
        self._by = by

    async def enable(self, name: str) -> Skill:
        """The skill is on, for every process, from the next reply on. Raises NotFoundError; ConfigError for what cannot be on as it stands."""
        skill = await self._registry.get(name)
        if skill.running is None:
            code = "skill_not_approved" if skill.kind is SkillKind.OWN else "skill_not_there"
            raise ConfigError(
                code, f"{name} cannot be switched on. {skill.reason}".strip(), skill.fix or f"secondme skills show {name}"
            )
        await self._switch(name, on=True)
        return await self._registry.get(name)

    async def disable(self, name: str) -> Skill:
        """The skill is off. Others that need it say so from now on. Raises NotFoundError."""
        await self._registry.get(name)
        await self._switch(name, on=False)
        return await self._registry.get(name)

    async def approve(
        self, name: str, *, digest: str = "", audience: Audience | None = None, auto: frozenset[str] = frozenset()
    ) -> Skill:
        """The folder, as it is now, is what runs from now on, and it is on.

        `digest`: what was looked at; another one is refused. Raises NotFoundError, DataError for a folder that cannot be approved,
        BusyError when it changed since.
        """
        skill = await self._registry.get(name)
        if skill.kind is SkillKind.MCP:
            raise DataError("skill_is_server", f"{name} is an MCP server.", f"secondme skills mcp pin {name}")
        if skill.kind is not SkillKind.OWN:
            raise DataError("skill_built_in", f"{name} comes with secondme.", f"secondme skills enable {name}")
        self._check(skill.folder, skill)
        folder = skill.folder
        if digest and digest != folder.digest:
            words = f"{name} is not what you looked at: it has the digest {folder.digest}."
            raise BusyError("skill_changed", words, f"secondme skills show {name}")
        manifest = folder.manifest
        known = {tool.name for tool in manifest.tools if is_write(manifest, tool)} if manifest else set()
        if unknown := auto - known:
            words = f"{min(unknown)} is no tool of {name} that writes."
            raise DataError("no_such_tool", words, f"secondme skills show {name}")
        approval = SkillApproval(
            digest=folder.digest,
            version=manifest.version if manifest else "",
            permissions=manifest.permissions if manifest else (),
            audience=AUDIENCES[Audience.STANDARD if audience is None else audience],
            auto=tuple(sorted(auto)),
            approved_at=rfc3339(from_ms(self._clock.now_ms())),
        )
        self._registry.snapshots.keep(folder)
        self._registry.lock.change(lambda approvals: approvals.__setitem__(name, approval))
        self._security.write(
            SecurityEvent.SKILL_APPROVED, skill=name, digest=folder.digest, audience=approval.audience, by=self._by
        )
        await self._switch(name, on=True)
        return await self._registry.get(name)

    def look_at(self, source: Path) -> SkillFolder:
        """The skill in a folder or a zip, read and checked; nothing is written. Raises NotFoundError, DataError."""
        if not source.exists():
            raise NotFoundError("no_such_file", f"There is no {safe_name(str(source))}.", "Name a folder or a zip.")
        if source.is_dir():
            return read_folder(source.resolve())
        name, files = read_zip(source)
        return parse(name, files)

    def add(self, folder: SkillFolder, *, digest: str = "") -> Path:
        """The skill lies among the owner's own, to be approved. Raises DataError for a broken one, or another `digest`; BusyError when there is
        one of that name with other files."""
        self._check(folder, None)
        if digest and digest != folder.digest:
            words = f"It has the digest {folder.digest}, not the one you named: it is not what you were promised."
            raise DataError("wrong_digest", words, "Do not use it, and ask where you got it from.")
        target = self._registry.directory / name_of_skill(folder.name)
        if target.exists():
            if read_folder(target).digest == folder.digest:
                return target
            return self._replaced(target, folder)
        private_dir(self._registry.directory)
        self._write(target, folder)
        return target

    async def removable(self, name: str) -> Skill:
        """The skill, which can be removed. Raises NotFoundError, and DataError for one that comes with secondme."""
        skill = await self._registry.get(name)
        if skill.kind is SkillKind.BUILT_IN:
            raise DataError(
                "skill_built_in", f"{name} comes with secondme, and can only be switched off.", f"secondme skills disable {name}"
            )
        return skill

    async def remove(self, name: str, *, keep_data: bool = False) -> None:
        """The skill is off, not approved, and its folder gone; with `keep_data` what was chosen for it stays. Raises as `removable`."""
        skill = await self.removable(name)
        await self._registry.store.set_state(name, on=False)
        if skill.kind is SkillKind.MCP:
            self._registry.lock.change_servers(lambda servers: servers.__delitem__(name) if name in servers else None)
        else:
            self._remove_folder(name)
        self._security.write(SecurityEvent.SKILL_REMOVED, skill=name, by=self._by)
        if not keep_data:
            await self._registry.store.forget_skill(name)

    def _remove_folder(self, name: str) -> None:
        self._registry.lock.change(lambda approvals: approvals.__delitem__(name) if name in approvals else None)
        self._registry.snapshots.forget({each.digest for each in self._registry.lock.read().values()})
        target = self._registry.directory / name
        if target.is_symlink():
            target.unlink()
        elif target.exists():
            shutil.rmtree(target)

    def new(self, name: str) -> Path:
        """A small working skill of that name lies among the owner's own. Raises DataError, BusyError."""
        try:
            name_of_skill(name)
        except ValueError as error:
            raise DataError(
                "bad_skill_name", f"{safe_name(name)!r} is no name of a skill: {error}.", "Like: parcel-tracker"
            ) from error
        target = self._registry.directory / name
        if target.exists():
            raise BusyError("skill_exists", f"{target} is there already.", "Take another name.")
        private_dir(self._registry.directory)
        self._write(target, parse(name, {path: text.format(name=name).encode() for path, text in TEMPLATE.items()}))
        return target

    async def _switch(self, name: str, *, on: bool) -> None:
        await self._registry.store.set_state(name, on=on)
        self._security.write(SecurityEvent.SKILL_SWITCHED, skill=name, enabled=on, by=self._by)

    def _replaced(self, target: Path, folder: SkillFolder) -> Path:
        aside = target.with_name(f".{target.name}.before")
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        try:
            self._write(target, folder)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
        return target

    @staticmethod
    def _write(target: Path, folder: SkillFolder) -> None:
        fresh = target.with_name(f".{target.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            for path, raw in folder.files.items():
                (fresh / path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_private(fresh / path, raw)
            os.rename(fresh, target)  # noqa: PTH104  refuses to go over a folder with something in it
        except OSError as error:
            raise ConfigError(
                "unusable_directory", f"{target} cannot be written: {error.strerror}.", "Check its owner and the disk."
            ) from error

    @staticmethod
    def _check(folder: SkillFolder, skill: Skill | None) -> None:
        if folder.problems:
            words = "; ".join(each.text for each in folder.problems[:3])
            raise DataError(
                "bad_skill", f"{safe_name(folder.name)} cannot be used: {words}.", folder.problems[0].fix or "Correct it."
            )
        if skill is not None and skill.state is SkillState.REFUSED:
            raise DataError("bad_skill", skill.reason, skill.fix)
        if not folder.files:
            raise DataError(
                "bad_skill", f"{safe_name(folder.name)} has no files.", "Put them back, or: secondme skills remove NAME"
            )


def sheet(
    folder: SkillFolder,
    approved: SkillFolder | None = None,
    audience: Audience = Audience.STANDARD,
    grants: Mapping[str, Grant] | None = None,
) -> SkillSheet:
    """What the owner decides by: what it may do in plain words, its tools with who may cause them, hints, and the digest; beside what was
    `approved` before, what is new comes first."""
    manifest, granted = folder.manifest, grants or {}
    before = {each.text for each in approved.manifest.granted} if approved and approved.manifest else set()
    asked = sorted(manifest.granted, key=lambda each: (each.text in before, each.text)) if manifest else []
    return SkillSheet(
        name=safe_name(folder.name),
        version=manifest.version if manifest else None,
        author=safe_name(manifest.author) if manifest and manifest.author else None,
        description=safe_text(folder.description),
        digest=folder.digest,
        permissions=[
            PermissionReport(permission=each.text, words=each.words, new=approved is not None and each.text not in before)
            for each in asked
        ],
        tools=[
            ToolReport(
                name=f"{folder.name}_{tool.name}",
                access="write" if is_write(manifest, tool) else "read",
                description=safe_text(tool.description),
                audience=AUDIENCES[min(widest_audience(manifest, tool), granted.get(tool.name, Grant(audience)).audience)],
            )
            for tool in (manifest.tools if manifest else ())
            if manifest is not None
        ],
        hints=[each.text for each in hints(folder.files)],
        changes=_changes(approved.files, folder.files) if approved else [],
        files=len(folder.files),
        bytes=sum(map(len, folder.files.values())),
    )


def _changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """The difference as lines, manifest first, cut at 60."""
    lines: list[str] = []
    for path in sorted({*before, *after}, key=lambda each: (each != "manifest.json", each)):
        old, new = (safe_text(each.get(path, b"").decode("utf-8", "replace")).splitlines() for each in (before, after))
        if old != new:
            lines += [f"{path}:", *_difference(old, new)]
    return lines[:_DIFF_LINES]


def _difference(old: list[str], new: list[str]) -> list[str]:
    """In the unified form, from the first line that differs on; what is far below is only said to be there."""
    same = next((at for at, (was, now) in enumerate(zip(old, new, strict=False)) if was != now), min(len(old), len(new)))
    start = max(0, same - 1)
    end = start + _COMPARED_LINES
    lines = list(difflib.unified_diff(old[start:end], new[start:end], lineterm="", n=1))[2:]
    moved = [
        _PLACE.sub(lambda found: f"{found[1]}{int(found[2]) + start}", line) if line.startswith("@@") else line for line in lines
    ]
    return moved if max(len(old), len(new)) <= end else [*moved, f"(not compared: what is below line {end:,})"]


def nearest_tool(skill: Skill, name: str) -> str:
    """The tool that is spelt most like `name`, as a hint; empty when none is."""
    meant = near(name, [each.tool.name for each in skill.tools])
    return f"Did you mean {meant[0]}?" if meant else f"secondme skills show {skill.name}"


TEMPLATE = {
    "SKILL.md": """---
name: {name}
description: Say hello to somebody. Use it when somebody asks to be greeted.
---
Call `{name}_hello` with the name of whoever shall be greeted.
""",
    "manifest.json": """{{
  "name": "{name}",
  "version": "0.1.0",
  "description": "Says hello.",
  "permissions": [],
  "tools": [
    {{
      "name": "hello",
      "access": "read",
      "description": "A greeting for a name.",
      "input_schema": {{
        "type": "object",
        "properties": {{"who": {{"type": "string", "maxLength": 60}}}},
        "required": ["who"],
        "additionalProperties": false
      }}
    }}
  ]
}}
""",
    "skill.py": '''"""What the tools of {name} do. Each tool is a function; `ask` is the only way out."""


def hello(input, ask):
    return {{"text": f"Hello, {{input['who']}}! It is {{ask.now:%H:%M}}."}}
''',
}
