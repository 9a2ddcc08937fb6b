"""The registry: every skill there is, how it stands, and what of it may run.

Looking is cheap and happens at each use: names, sizes and times of the owner's folder are compared, and only what changed is read. So a
new, edited or removed folder counts within a moment, without a watcher and without a restart.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secondme import __version__
from secondme.core.errors import ConfigError, DataError, NotFoundError
from secondme.core.log import get_logger
from secondme.core.text import near, safe_name
from secondme.core.tools.manifest import SkillProblem, value_fault, widest_audience
from secondme.core.tools.permissions import Audience
from secondme.core.tools.rights import Grant, GrantedTool
from secondme.skills.loader import SkillFolder, read_folder, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from secondme.core.tools.manifest import SkillManifest
    from secondme.core.tools.store import SkillStore
    from secondme.skills.lock import McpServerApproval, SkillApproval, SkillLock, Snapshots
    from secondme.skills.mcp.pins import ServerStanding

log = get_logger(__name__)

BUILT_IN = Path(__file__).parent / "builtin"
_RESERVED = frozenset({"read"})
"""Names that would be taken for ours: `read_skill` is a tool of the toolbox."""


class SkillKind(StrEnum):
    """Where a skill comes from."""

    BUILT_IN = "built-in"
    OWN = "own"
    MCP = "mcp"


class SkillState(StrEnum):
    """How a skill stands."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    NEW = "new"
    """Yours, and never approved: nothing of it runs."""
    CHANGED = "changed"
    """The folder is not what was approved. What was approved goes on, if it is on."""
    NOT_SET_UP = "not_set_up"
    """Something that it needs was not chosen yet."""
    REFUSED = "refused"
    """There is something wrong with its files."""
    UNUSABLE = "unusable"
    """It needs what is not there: another skill, a library, a newer secondme, something that confines it."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill as it stands."""

    name: str
    kind: SkillKind
    state: SkillState
    is_on: bool
    """True when its tools may be offered."""
    folder: SkillFolder
    """As it lies there now."""
    running: SkillFolder | None = None
    """What runs when it is used: built in, or the approved copy. None: nothing of it may run."""
    approval: SkillApproval | None = None
    grants: Mapping[str, Grant] = field(default_factory=dict)
    """By tool, where each has its own."""
    reason: str = ""
    """Why it stands like that, in plain words; empty when all is well."""
    fix: str = ""

    @property
    def manifest(self) -> SkillManifest | None:
        """Of what runs, else of what lies there; None for instructions only, and for what cannot be read."""
        return self.running.manifest if self.running else self.folder.manifest

    @property
    def tools(self) -> list[GrantedTool]:
        """The tools of what runs, with what was granted."""
        manifest = self.running.manifest if self.running else None
        if manifest is None:
            return []
        grant = Grant() if self.approval is None else Grant(self.approval.reach, frozenset(self.approval.auto))
        return [GrantedTool(manifest, tool, self.grants.get(tool.name, grant)) for tool in manifest.tools]

    @property
    def audience(self) -> Audience:
        """Who may cause anything of it at most."""
        return max(
            (min(widest_audience(each.manifest, each.tool), each.grant.audience) for each in self.tools), default=Audience.OWNER
        )


class SkillRegistry:
    """All skills of a home."""

    def __init__(
        self,
        directory: Path,
        lock: SkillLock,
        snapshots: Snapshots,
        store: SkillStore,
        has_secret: Callable[[str, str], bool],
        *,
        built_in: Path = BUILT_IN,
        look_at_server: Callable[[str, McpServerApproval], ServerStanding] | None = None,
    ) -> None:
        """`has_secret`: whether the secret of a skill is kept; `look_at_server`: how an approved MCP server stands. It may block."""
        self.directory = directory
        self.lock = lock
        self.snapshots = snapshots
        self.store = store
        self._has_secret = has_secret
        self._built_in = built_in
        self._look_at_server = look_at_server
        self.lacking: Mapping[str, tuple[str, str]] = {}
        """Built-in skills whose ground is switched off: why, and what mends it."""
        self._seen: dict[str, tuple[object, SkillFolder]] = {}
        self._copies: dict[str, SkillFolder] = {}
        self._looking = threading.Lock()

    async def all(self) -> list[Skill]:
        """Every skill, built-in ones first, each by name. One broken skill hides no other. Raises UnavailableError."""
        states = await self.store.states()
        looked = await asyncio.to_thread(self._look)
        found = [self._built_in_skill(folder, states) for folder in looked.built_in]
        found += [self._own_skill(folder, looked, states) for folder in looked.own]
        found += [_server_skill(name, looked, states) for name in looked.servers]
        return _with_needs([await self._configured(each) for each in found])

    async def get(self, name: str) -> Skill:
        """The skill; the built-in one where a folder of the owner's has its name. Raises NotFoundError with the nearest name, and
        UnavailableError."""
        known = _by_name(await self.all())
        if name not in known:
            meant = near(name, known)
            fix = f"Did you mean {meant[0]}?" if meant else "secondme skills list"
            raise NotFoundError("no_such_skill", f"There is no skill {safe_name(name)}.", fix)
        return known[name]

    async def config(self, skill: Skill) -> dict[str, Any]:
        """The settings of the skill, defaults included, secrets left out."""
        manifest = skill.manifest
        if manifest is None or not manifest.config:
            return {}
        chosen = await self.store.config(skill.name)
        fields = {name: field for name, field in manifest.config.items() if field.type != "secret"}
        good = {name: value for name, value in chosen.items() if name in fields and not value_fault(fields[name], value)}
        return {name: good.get(name, field.default) for name, field in fields.items()}

    def is_open_to_others(self) -> bool:
        """True when somebody else may put a skill among the owner's own."""
        try:
            return bool(self.directory.stat().st_mode & 0o022)
        except OSError:
            return False

    def _look(self) -> _Looked:
        with self._looking:
            servers: Mapping[str, McpServerApproval] = {}
            try:
                approvals, servers, fault = self.lock.read(), self.lock.read_servers(), None
            except ConfigError as error:
                approvals, fault = {}, error
            own = [self._folder(path) for path in _folders(self.directory)]
            built_in = [self._folder(path) for path in _folders(self._built_in)]
            known = {str(self.directory / each.name) for each in own} | {str(self._built_in / each.name) for each in built_in}
            self._seen = {path: each for path, each in self._seen.items() if path in known}
            copies = {name: self._copy(name, approval.digest) for name, approval in approvals.items()}
            gone = [SkillFolder(name) for name in approvals if name not in {each.name for each in own}]
            look = self._look_at_server
            standing = {name: look(name, each) for name, each in servers.items()} if look else {}
            return _Looked(built_in, sorted([*own, *gone], key=lambda each: each.name), approvals, copies, standing, fault)

    def _folder(self, path: Path) -> SkillFolder:
        signature = signature_of(path)
        before = self._seen.get(str(path))
        if before is not None and before[0] == signature:
            return before[1]
        folder = read_folder(path)
        if before is not None or folder.problems:
            log.info("skill_read", skill=safe_name(folder.name), problems=len(folder.problems))
        self._seen[str(path)] = signature, folder
        return folder

    def _copy(self, name: str, digest: str) -> SkillFolder | None:
        """What was approved, read once: a copy never changes, and its digest is looked at before each call."""
        if digest not in self._copies:
            found = self.snapshots.load(name, digest)
            if found is None:
                return None
            self._copies[digest] = found
        return self._copies[digest]

    def _built_in_skill(self, folder: SkillFolder, states: Mapping[str, bool]) -> Skill:
        is_on = states.get(folder.name, False)
        state = SkillState.ENABLED if is_on else SkillState.DISABLED
        skill = Skill(folder.name, SkillKind.BUILT_IN, state, is_on, folder, folder)
        return skill if not folder.problems else _refused(skill)

    def _own_skill(self, folder: SkillFolder, looked: _Looked, states: Mapping[str, bool]) -> Skill:
        name = folder.name
        approval, copy = looked.approvals.get(name), looked.copies.get(name)
        is_on = states.get(name, False) and copy is not None
        skill = Skill(name, SkillKind.OWN, SkillState.DISABLED, is_on, folder, copy, approval)
        if looked.fault is not None:
            return _refused(skill, looked.fault.message, looked.fault.fix)
        if name in _RESERVED or name in {each.name for each in looked.built_in}:
            return _refused(skill, f"{name} is the name of a built-in skill.", "Rename the folder, and the name in its files.")
        if approval is not None and copy is None:
            words = "Its approved copy is not there, or not what was approved."
            return _refused(skill, words, f"secondme skills approve {name}")
        if approval is not None and folder.digest != approval.digest:
            words = "The folder is gone." if not folder.files and not folder.problems else "The folder is not what you approved."
            fix = f"secondme skills show {name}, then: secondme skills approve {name}"
            return replace(skill, state=SkillState.CHANGED, reason=f"{words} The approved copy counts.", fix=fix)
        if folder.problems:
            return _refused(skill)
        if approval is None:
            words = "You have not approved it: nothing of it runs."
            return replace(skill, state=SkillState.NEW, reason=words, fix=f"secondme skills approve {name}")
        return replace(skill, state=SkillState.ENABLED if is_on else SkillState.DISABLED)

    async def _configured(self, skill: Skill) -> Skill:
        """A skill that is on and lacks a setting, a library or a newer secondme says so, and is offered to nobody."""
        manifest = skill.manifest
        if manifest is None or skill.running is None:
            return skill
        if manifest.least_version and _number(manifest.least_version) > _number(__version__):
            return _stopped(
                skill, f"It needs secondme {manifest.least_version}; this is {__version__}.", "pip install --upgrade secondme"
            )
        if missing := [each for each in manifest.requires.python if not _has_module(each)]:
            words = f"It needs the Python module {safe_name(missing[0])}, which secondme does not bring."
            return _stopped(skill, words, "Ask whoever made it to do without. Install nothing because a skill names it.")
        if skill.kind is SkillKind.BUILT_IN and skill.name in self.lacking:
            words, fix = self.lacking[skill.name]
            return replace(skill, state=SkillState.NOT_SET_UP, is_on=False, reason=words, fix=fix)
        required = [name for name, field in manifest.config.items() if field.required and field.default is None]
        if not required:
            return skill
        try:
            chosen = await self.store.config(skill.name)
        except DataError as error:
            return _stopped(skill, error.message, error.fix)
        for name in required:
            field = manifest.config[name]
            if not (self._has_secret(skill.name, name) if field.type == "secret" else name in chosen):
                words, fix = f"{field.label or name} is not set.", f"secondme skills config {skill.name} {name}"
                return replace(skill, state=SkillState.NOT_SET_UP, is_on=False, reason=words, fix=fix)
        return skill


@dataclass(frozen=True, slots=True)
class _Looked:
    built_in: Sequence[SkillFolder]
    own: Sequence[SkillFolder]
    approvals: Mapping[str, SkillApproval]
    copies: Mapping[str, SkillFolder | None]
    servers: Mapping[str, ServerStanding]
    fault: ConfigError | None


def _folders(directory: Path) -> list[Path]:
    try:
        return sorted(each for each in directory.iterdir() if each.name[0] not in "._" and (each.is_dir() or each.is_symlink()))
    except OSError:
        return []  # none yet, or not to be read: the doctor says so, and everything else goes on


def _refused(skill: Skill, reason: str = "", fix: str = "") -> Skill:
    problem: SkillProblem | None = next(iter(skill.folder.problems), None)
    words = reason or (problem.text if problem else "")
    mends = fix or (problem.fix if problem else "") or f"secondme skills check {skill.name}"
    running = skill.running if skill.kind is SkillKind.OWN and not reason else None
    return replace(
        skill, state=SkillState.REFUSED, is_on=skill.is_on and running is not None, running=running, reason=words, fix=mends
    )


def _server_skill(name: str, looked: _Looked, states: Mapping[str, bool]) -> Skill:
    found, is_on = looked.servers[name], states.get(name, False)
    state = SkillState.CHANGED if found.is_changed else SkillState.ENABLED if is_on else SkillState.DISABLED
    skill = Skill(name, SkillKind.MCP, state, is_on, found.folder, found.folder, None, found.grants, found.reason, found.fix)
    if name in {each.name for each in (*looked.built_in, *looked.own)}:
        skill = replace(skill, running=None)
        return _refused(
            skill, f"{name} is the name of another skill.", f"secondme skills remove {name}, and add it by another name."
        )
    return _stopped(skill, found.reason, found.fix) if found.is_stopped else skill


def _stopped(skill: Skill, reason: str, fix: str) -> Skill:
    return replace(skill, state=SkillState.UNUSABLE, is_on=False, reason=reason, fix=fix)


def _by_name(skills: Sequence[Skill]) -> dict[str, Skill]:
    """The first of each name, which is the built-in one."""
    return {each.name: each for each in reversed(skills)}


def _with_needs(skills: list[Skill]) -> list[Skill]:
    """A skill whose needed skill is off, or not there, is off too; those that need each other in a circle are."""
    known = _by_name(skills)

    def lacks(name: str, way: tuple[str, ...]) -> str:
        skill = known.get(name)
        if skill is None or not skill.is_on:
            return name
        if name in way:
            return name
        needs = skill.manifest.requires.skills if skill.manifest else ()
        return next(filter(None, (lacks(each, (*way, name)) for each in needs)), "")

    def checked(skill: Skill) -> Skill:
        if not skill.is_on or skill.manifest is None:
            return skill
        missing = next(filter(None, (lacks(each, (skill.name,)) for each in skill.manifest.requires.skills)), "")
        if not missing:
            return skill
        if missing == skill.name:
            return _stopped(skill, "It and another skill need each other.", "Take one of the two needs out.")
        return _stopped(skill, f"It needs the skill {safe_name(missing)}.", f"secondme skills enable {safe_name(missing)}")

    return [checked(each) for each in skills]


def _number(version: str) -> tuple[int, ...]:
    parts = [int(digits) for part in version.split(".")[:3] if (digits := "".join(filter(str.isdigit, part)))]
    return tuple([*parts, 0, 0, 0][:3])


@cache
def _has_module(name: str) -> bool:
    try:
        return name.isidentifier() and find_spec(name) is not None
    except (ImportError, ValueError):
        return False
