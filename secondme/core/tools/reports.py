"""Reports: how skills stand, as the command line, the API and the screen show it."""

from __future__ import annotations

from typing import Any

from secondme.core.records import CamelModel
from secondme.core.tools.manifest import Kind  # noqa: TC001  pydantic reads it


class SkillReport(CamelModel):
    """One skill in a list."""

    name: str
    kind: str
    """`built-in`, `own` or `mcp`."""
    state: str
    """`enabled`, `disabled`, `new`, `changed`, `not_set_up`, `refused` or `unusable`."""
    enabled: bool
    """True when its tools may be offered."""
    audience: str | None
    """Who may cause anything of it at most: `owner`, `trusted` or `standard`; None without tools."""
    description: str | None
    version: str | None
    tools: list[str]
    reason: str | None
    """Why it stands like that; None when all is well."""
    fix: str | None


class PermissionReport(CamelModel):
    """One permission that a skill asks for."""

    permission: str
    words: str
    new: bool
    """True when what was approved did not ask for it."""


class ToolReport(CamelModel):
    """One tool of a skill."""

    name: str
    access: str
    """`read` or `write`."""
    description: str
    audience: str


class SkillSheet(CamelModel):
    """What the owner decides by."""

    name: str
    version: str | None
    author: str | None
    description: str
    digest: str
    permissions: list[PermissionReport]
    tools: list[ToolReport]
    hints: list[str]
    """What a reader may want to look at twice. They decide nothing."""
    changes: list[str]
    """What is different from what was approved, as lines of a diff; cut at 60."""
    files: int
    bytes: int


class SettingReport(CamelModel):
    """One setting of a skill. The value of a secret is never told."""

    name: str
    label: str
    type: Kind
    required: bool
    choices: list[str]
    value: Any
    set: bool


class SkillDetail(SkillReport):
    """One skill, whole."""

    sheet: SkillSheet
    approved_at: str | None
    health: str | None
    """`ok`, or a code; None: it was never used, and has no word of its own for it."""
    config: list[SettingReport]


class RunReport(CamelModel):
    """One use of a tool. What was asked and told is not kept."""

    id: str
    """In the order in which they were noted."""
    at: str
    """RFC 3339, UTC."""
    skill: str
    tool: str
    code: str
    """`ok`, or why there was no result."""
    ms: int
    contact_id: str | None
    """None: the owner's own turn."""


class ServerToolReport(CamelModel):
    """One tool of an MCP server."""

    tool: str
    """As the server calls it."""
    name: str
    """As a model calls it."""
    state: str
    """`on`, `off`, `new`, `changed`, `gone` or `unusable`; only what is `on` is offered to anybody."""
    access: str
    """`read`, `write` or `off`, as the owner said; `write` where nothing was said."""
    audience: str
    """Who may cause it at most: `owner`, `trusted` or `standard`."""
    description: str
    problem: str | None
    """Why no model can be offered it."""
