"""Pins: what an MCP server offers as the owner approved it, and how far what it offers now is that.

Approved is each tool by itself. One that is new, or not what it was, is off until the owner says otherwise; the others go on. A model is told
what was approved, never what a server says today.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from secondme.core.errors import ConfigError
from secondme.core.files import read_private, write_private
from secondme.core.format import counted
from secondme.core.text import safe_name, safe_text
from secondme.core.tools.manifest import ConfigField, SkillManifest, ToolDefinition
from secondme.core.tools.permissions import Audience, Leg, Permission
from secondme.core.tools.rights import Grant
from secondme.skills.loader import SkillFolder
from secondme.skills.mcp.confined import NOT_CARRIED, can_be_carried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from secondme.skills.lock import McpServerApproval, McpToolApproval
    from secondme.skills.mcp.client import RawListing
    from secondme.skills.mcp.confined import Bubblewrap

    Json = Any  # a JSON value of a stranger: looked at piece by piece

MOST_TOOLS = 24
"""Of one server that are on."""
LONGEST_SERVER_NAME = 32
_LONGEST_NAME, _LONGEST_DESCRIPTION, _LONGEST_SCHEMA, _DEPTH = 64, 1024, 8 * 1024, 10
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
"""What the vendor takes as a name; one that it does not would fail every reply."""
_TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}
_NUMBERED = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,2}", re.ASCII)


class ListedTool(BaseModel):
    """A tool as a server has it now."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    description: str
    input_schema: dict[str, Any]
    problem: str = ""
    """Why no model can be offered it; empty when one can."""


class ServerListing(BaseModel):
    """What a server offers now."""

    model_config = ConfigDict(frozen=True)

    server: str
    version: str
    instructions: str
    """The digest of what it says about itself; empty when it says nothing."""
    tools: tuple[ListedTool, ...]

    def tool(self, name: str) -> ListedTool | None:
        """The tool of that name."""
        return next((each for each in self.tools if each.name == name), None)


class Listings:
    """What servers were last seen to offer, a file each. Nothing in them approves anything: they can only switch tools off."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, tuple[int, ServerListing]] = {}

    def load(self, server: str) -> ServerListing | None:
        """As it was last seen; None when it was not, or what was seen cannot be read."""
        path = self._path(server)
        try:
            changed_ns = path.stat().st_mtime_ns
            if self._known.get(server, (0,))[0] != changed_ns:
                self._known[server] = changed_ns, ServerListing.model_validate_json(read_private(path) or "")
            return self._known[server][1]
        except (OSError, UnicodeError, ValidationError, ConfigError):
            return None

    def keep(self, server: str, listing: ServerListing) -> None:
        """It is remembered. Raises ConfigError when the disk refuses."""
        try:
            if self.load(server) != listing:
                write_private(self._path(server), listing.model_dump_json())
        except OSError as error:
            raise ConfigError(
                "unusable_directory", f"{self._directory} cannot be written: {error.strerror}.", "Check the disk."
            ) from error

    def forget(self, server: str) -> None:
        """It was never seen."""
        self._path(server).unlink(missing_ok=True)

    def _path(self, server: str) -> Path:
        return self._directory / f"{server}.json"


class ServerTool(ToolDefinition):
    """A tool of a server. Its schema is the server's own, and checked by it: here it is only bounded."""

    remote: str
    """Its name over there."""
    digest: str
    description: str = Field(max_length=_LONGEST_DESCRIPTION)

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        return value

    @field_validator("input_schema")
    @classmethod
    def _usable(cls, value: dict[str, Any]) -> dict[str, Any]:
        return value


class ServerManifest(SkillManifest):
    """What is on of a server, in the form of a skill: `hosts` are those that it reaches, its own address among them; `folders` those that
    it reads beside its own program's."""

    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    tools: Annotated[tuple[ServerTool, ...], Field(max_length=MOST_TOOLS)] = ()

    @cached_property
    def granted(self) -> tuple[Permission, ...]:
        """A server that reaches any host may pass on whatever it is asked; one that reads a folder tells what is the owner's. Which does both
        would need nobody else to carry it out: it is the owner's alone."""
        audience = Audience.OWNER if self.hosts and self.folders else Audience.STANDARD
        reached = (Permission(f"mcp:{host}", f"tell {host} whatever it is asked", Leg.OPEN, audience) for host in self.hosts)
        read = (Permission(f"read:{each}", f"read all of {each}", Leg.PRIVATE, audience) for each in map(safe_text, self.folders))
        return (*reached, *read)


@dataclass(frozen=True, slots=True)
class ServerStanding:
    """How an approved server stands. `is_stopped`: nothing of it may run; `is_changed`: it has tools that are not, or not any more, approved."""

    folder: SkillFolder
    grants: Mapping[str, Grant] = field(default_factory=dict)
    is_stopped: bool = False
    is_changed: bool = False
    reason: str = ""
    fix: str = ""


def listing_of(raw: RawListing) -> ServerListing:
    """What a server said, bounded."""
    names = Counter(str(each.get("name")) for each in raw.tools)
    tools = []
    for each in raw.tools:
        name, schema, description = each.get("name"), each.get("inputSchema"), each.get("description")
        if not isinstance(name, str) or not 0 < len(name) <= 2 * _LONGEST_NAME or not name.isprintable():
            continue  # it cannot even be named
        problem = "two tools have this name" if names[name] > 1 else schema_problem(schema)
        words = safe_text(description)[:_LONGEST_DESCRIPTION] if isinstance(description, str) else ""
        known = schema if isinstance(schema, dict) and not problem else {}
        tools.append(ListedTool(name=name, digest=tool_digest(each), description=words, input_schema=known, problem=problem))
    said = f"sha256:{hashlib.sha256(raw.instructions.encode()).hexdigest()}" if raw.instructions else ""
    return ServerListing(server=safe_name(raw.server), version=raw.version, instructions=said, tools=tuple(tools))


def tool_digest(tool: Mapping[str, Json]) -> str:
    """Over everything that tells a model, or the owner, what it is: `sha256:` and 64 hexadecimal digits."""
    known = {
        key: tool[key] for key in ("name", "title", "description", "inputSchema", "outputSchema", "annotations") if key in tool
    }
    canonical = json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def schema_problem(schema: Json) -> str:
    """Why a model's vendor would not take `schema` as that of a tool's input, or would be paid too much for it; empty when neither."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "the schema of its input is none of an object"
    text = json.dumps(schema, ensure_ascii=False)
    if len(text) > _LONGEST_SCHEMA:
        return f"its schema has more than {_LONGEST_SCHEMA:,} characters"
    if text != safe_text(text):
        return "its schema has invisible characters"
    if {"oneOf", "anyOf", "allOf"} & schema.keys():
        return "its schema has alternatives at the top"
    return next(_schema_problems(schema, 1), "")


def _schema_problems(schema: Json, depth: int) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict) or depth > _DEPTH:
        yield "a part of its schema is none" if depth <= _DEPTH else f"its schema has more than {_DEPTH} levels"
        return
    kinds = schema.get("type", [])
    if any(each not in _TYPES for each in ([kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else [None])):
        yield "its schema has a type that is none"
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or not all(map(_PROPERTY.fullmatch, properties)):
        yield "its schema has a property whose name a model cannot use"
        return
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
        yield "its schema requires what has no name"
    inner = [*properties.values(), *(schema[key] for key in ("items", "additionalProperties") if key in schema)]
    for key in ("anyOf", "oneOf", "allOf"):
        inner += schema[key] if isinstance(schema.get(key), list) else []
    for each in inner:
        yield from _schema_problems(each, depth + 1)


def offered_name(server: str, tool: str) -> str:
    """What follows `<server>_` in the name that a model calls: the tool's own if it can be, else nearly, with a mark of its own."""
    room = _LONGEST_NAME - len(server) - 1
    if _PLAIN.fullmatch(tool) and len(tool) <= room:
        return tool
    mark = hashlib.sha256(tool.encode()).hexdigest()[:6]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', tool)[: room - 7]}_{mark}"


def server_digest(approval: McpServerApproval) -> str:
    """Over what of it runs and what it may reach; not over its tools, which each have their own."""
    what = [approval.command, dict(approval.files), approval.url, approval.hosts, approval.folders, approval.secrets]
    return f"sha256:{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()}"


def read_folders(approval: McpServerApproval) -> tuple[str, ...]:
    """The folders in which nothing of the program is: the owner's, which it was given to read."""
    programs = {each for path in approval.files for each in (Path(path), Path(path).resolve())}
    return tuple(each for each in approval.folders if not any(path.is_relative_to(each) for path in programs))


def standing_of(
    name: str, approval: McpServerApproval, listing: ServerListing | None, bubblewrap: Callable[[], Bubblewrap]
) -> ServerStanding:
    """How the server stands on this machine now. Blocking; never raises."""
    faults = {tool: fault for tool, each in approval.tools.items() if (fault := _fault(tool, each, listing))}
    tools = {tool: each for tool, each in approval.tools.items() if each.access != "off" and tool not in faults}
    manifest = _manifest(name, approval, tools, listing)
    about = approval.url or " ".join(approval.command)
    folder = SkillFolder(name, digest=server_digest(approval), manifest=manifest, description=safe_text(about)[:200])
    grants = {offered_name(name, tool): Grant(each.reach) for tool, each in tools.items()}
    pin = f"secondme skills mcp pin {name}"
    if changed := next((path for path, digest in approval.files.items() if file_digest(path) != digest), None):
        reason = f"{safe_text(changed)} is not the file that you approved: nothing of it runs."
        return ServerStanding(folder, is_stopped=True, reason=reason, fix=pin)
    if approval.command and (found := bubblewrap()).why_not:
        return ServerStanding(folder, is_stopped=True, reason=found.why_not, fix=found.fix)
    if approval.hosts and not can_be_carried():
        return ServerStanding(folder, is_stopped=True, reason=NOT_CARRIED, fix="Install python3, or add it again without hosts.")
    new = [each for each in listing.tools if each.name not in approval.tools] if listing else []
    words = [f"{safe_name(tool)} {fault}, and off" for tool, fault in sorted(faults.items())][:3]
    words += [f"{counted(len(new), 'new tool')} {'is' if len(new) == 1 else 'are'} off"] if new else []
    if listing and listing.instructions != approval.instructions:
        words.append("what it says about itself is not what you approved")
    reason = f"{'; '.join(words)}." if words else ""
    fix = f"secondme skills mcp tools {name}, then: {pin}" if words else ""
    return ServerStanding(folder, grants, is_changed=bool(words), reason=reason[:1].upper() + reason[1:], fix=fix)


def _fault(tool: str, approved: McpToolApproval, listing: ServerListing | None) -> str:
    """Why the tool may not be used although it was approved; a tool that is off has none."""
    if listing is None or approved.access == "off":
        return ""
    found = listing.tool(tool)
    if found is None:
        return "is gone"
    return "is not what you approved" if found.digest != approved.digest or found.problem else ""


def _manifest(
    name: str, approval: McpServerApproval, tools: Mapping[str, McpToolApproval], listing: ServerListing | None
) -> ServerManifest:
    version = _NUMBERED.search(listing.server) if listing else None
    return ServerManifest(
        name=name,
        version=version[0] if version else "0",
        description="Tools of an MCP server.",
        hosts=(urlsplit(approval.url).hostname or "",) if approval.url else approval.hosts,
        folders=read_folders(approval),
        config={each.lower(): ConfigField(type="secret", label=each, required=True) for each in approval.secrets},
        tools=tuple(
            ServerTool(
                name=offered_name(name, tool),
                remote=tool,
                digest=each.digest,
                description=each.description,
                access="read" if each.access == "read" else "write",
                input_schema=each.input_schema,
            )
            for tool, each in sorted(tools.items())[:MOST_TOOLS]
        ),
    )


def file_digest(path: str) -> str:
    """Of what the file holds now; empty when it cannot be read. Read again only when it was changed."""
    try:
        facts = Path(path).stat()
        return _file_digest(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=64)
def _file_digest(path: str, *_: int) -> str:
    with Path(path).open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
