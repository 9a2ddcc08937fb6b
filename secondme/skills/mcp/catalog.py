"""What the owner decides about MCP servers: added, looked at, each tool given to somebody or kept off."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.security_log import SecurityEvent
from secondme.core.text import did_you_mean, safe_name, safe_text
from secondme.core.tools.manifest import name_of_skill
from secondme.core.tools.permissions import permission
from secondme.core.tools.reports import ServerToolReport
from secondme.skills.lock import McpServerApproval, McpToolApproval
from secondme.skills.mcp.confined import RESERVED
from secondme.skills.mcp.pins import LONGEST_SERVER_NAME, MOST_TOOLS, file_digest, offered_name, read_folders, server_digest
from secondme.skills.mcp.streamable_http import address_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secondme.core.ports import Clock
    from secondme.core.security_log import SecurityLog
    from secondme.skills.mcp.pins import ListedTool, Listings, ServerListing
    from secondme.skills.mcp.servers import McpServers
    from secondme.skills.registry import Skill, SkillRegistry

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,31}", re.ASCII)
_LOADERS = re.compile(r"LD_.*|PYTHON.*|NODE_.*|BASH_.*|ENV|IFS", re.ASCII)
"""Variables that change which code runs."""
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/")
_TOO_WIDE = {Path("/", name) for name in ("", "etc", "proc", "sys", "dev", "run", "var", "home", "root", "tmp", "boot", "usr")}
_NPX_VERSION = re.compile(r"(?:@[\w.~-]+/)?[\w.~-]+@\d+\.\d+\.\d+(?:[-+][\w.+-]+)?", re.ASCII)
_UVX_VERSION = re.compile(r"[\w.-]+(?:\[[\w,-]+\])?(?:==|@)\d+(?:\.\d+)+\w*", re.ASCII)
_RUNNERS = {
    **dict.fromkeys(
        ("npx", "bunx"), (_NPX_VERSION, {"-p", "--package"}, {"-y", "--yes", "-q", "--quiet", "--prefer-offline"}, "x@1.2.3")
    ),
    "uvx": (_UVX_VERSION, {"--from", "--with"}, {"-q", "--quiet", "--offline", "--isolated"}, "x==1.2.3"),
}
"""What fetches a program when it starts: how a package with its version looks, which options name one, and which others are known."""
_OTHER_RUNNERS = (("npm", "exec"), ("npm", "x"), ("pnpm", "dlx"), ("yarn", "dlx"), ("uv", "tool"), ("uv", "run"), ("pipx", "run"))


class McpCatalog:
    """Decisions about the MCP servers of a home. They are approved on this machine only."""

    def __init__(
        self, registry: SkillRegistry, servers: McpServers, listings: Listings, clock: Clock, security: SecurityLog, by: str
    ) -> None:
        self._registry = registry
        self._servers = servers
        self._listings = listings
        self._clock = clock
        self._security = security
        self._by = by

    async def check_name(self, name: str) -> None:
        """A server can have this name. Raises DataError, BusyError when a skill has it."""
        try:
            name_of_skill(name)
        except ValueError as error:
            raise DataError("bad_skill_name", f"{safe_name(name)!r} is no name: {error}.", "Like: home-assistant") from error
        if len(name) > LONGEST_SERVER_NAME:
            raise DataError(
                "bad_skill_name", f"A server's name has at most {LONGEST_SERVER_NAME} characters.", "Take a shorter one."
            )
        if name in {each.name for each in await self._registry.all()}:
            raise BusyError(
                "skill_exists", f"There is a skill {name} already.", f"Take another name, or: secondme skills remove {name}"
            )

    async def look(self, name: str, approval: McpServerApproval, secrets: Mapping[str, str]) -> ServerListing:
        """What the server offers: it is started, confined, for that. Raises UnavailableError, DataError."""
        return await self._servers.look(name, approval, secrets)

    async def keep(self, name: str, approval: McpServerApproval, listing: ServerListing) -> Skill:
        """This server, with the tools of this listing, is approved. Tools that are what they were keep the owner's word; others are a write
        and the owner's own. Where there are too many of them, all new ones are off."""
        tools = {each.name: _accepted(each, approval.tools.get(each.name)) for each in listing.tools if not each.problem}
        if sum(each.access != "off" for each in tools.values()) > MOST_TOOLS:
            tools = {
                name: each if name in approval.tools else each.model_copy(update={"access": "off"}) for name, each in tools.items()
            }
        files = {path: file_digest(path) for path in approval.files}
        changes = {"tools": tools, "files": files, "instructions": listing.instructions}
        await self._write(name, approval.model_copy(update=changes))
        return await self._registry.get(name)

    async def set_tool(self, name: str, tool: str, access: str, audience: str | None) -> Skill:
        """The tool, as it was last seen, is what the owner says. Raises NotFoundError, DataError for what cannot be."""
        approval = self.approval(name)
        listing, before = self._listings.load(name), approval.tools.get(tool)
        listed = listing.tool(tool) if listing else None
        if listed is None and before is None:
            names = {*approval.tools, *(each.name for each in (listing.tools if listing else ()))}
            hint = did_you_mean(tool, names, f"secondme skills mcp tools {name}")
            raise NotFoundError("no_such_tool", f"{name} has no tool {safe_name(tool)!r}.", hint)
        if listed is not None and listed.problem and access != "off":
            raise DataError("bad_tool", f"{safe_name(tool)} cannot be used: {listed.problem}.", "Ask its maker.")
        if access == "write" and audience == "standard":
            raise DataError(
                "write_for_trusted", "What changes something is for trusted contacts at most, who propose it.", "--tier trusted"
            )
        if audience in {"trusted", "standard"} and approval.hosts and read_folders(approval):
            raise DataError(
                "reads_and_reaches",
                f"{name} reads your folders and reaches hosts: its tools are for you alone.",
                "Add it again without --host, or without --read.",
            )
        fresh = _accepted(listed, before) if listed is not None else before
        assert fresh is not None
        who = audience or ("trusted" if access == "write" and fresh.audience == "standard" else fresh.audience)
        tools = {**approval.tools, tool: fresh.model_copy(update={"access": access, "audience": who})}
        if sum(each.access != "off" for each in tools.values()) > MOST_TOOLS:
            raise DataError(
                "too_many_tools", f"At most {MOST_TOOLS} tools of a server are on.", f"secondme skills mcp set {name}.TOOL off"
            )
        await self._write(name, approval.model_copy(update={"tools": tools}))
        return await self._registry.get(name)

    def tools(self, name: str) -> list[ServerToolReport]:
        """Every tool, approved or only seen. Raises NotFoundError."""
        approval, listing = self.approval(name), self._listings.load(name)
        listed = {each.name: each for each in listing.tools} if listing else {}
        return [
            _report(name, tool, approval.tools.get(tool), listed.get(tool), is_seen=listing is not None)
            for tool in sorted({*approval.tools, *listed})
        ]

    def approval(self, name: str) -> McpServerApproval:
        """What was approved of the server. Raises NotFoundError."""
        servers = self._registry.lock.read_servers()
        if name not in servers:
            raise NotFoundError(
                "no_such_server", f"There is no MCP server {safe_name(name)}.", did_you_mean(name, servers, "secondme skills list")
            )
        return servers[name]

    async def _write(self, name: str, approval: McpServerApproval) -> None:
        approval = approval.model_copy(update={"approved_at": rfc3339(from_ms(self._clock.now_ms()))})
        is_new = name not in self._registry.lock.read_servers()
        self._registry.lock.change_servers(lambda servers: servers.__setitem__(name, approval))
        self._security.write(SecurityEvent.SKILL_APPROVED, skill=name, digest=server_digest(approval), by=self._by)
        if is_new:
            await self._registry.store.set_state(name, on=True)
            self._security.write(SecurityEvent.SKILL_SWITCHED, skill=name, enabled=True, by=self._by)


def server_at(url: str, *, has_token: bool) -> McpServerApproval:
    """A server at an address, of which nothing is approved yet. Raises DataError."""
    if problem := address_problem(url):
        raise DataError("bad_address", f"{safe_name(url)} cannot be used: {problem}.", "Like: https://mcp.example.org/mcp")
    return McpServerApproval(url=url, secrets=("TOKEN",) if has_token else ())


def server_of(
    command: Sequence[str], hosts: Sequence[str], folders: Sequence[Path], variables: Sequence[str], private: Sequence[Path]
) -> McpServerApproval:
    """A server that is a program, of which nothing is approved yet. `private`: what no program may read.

    Raises NotFoundError for a program that is not there; DataError for a version that is not named, and for what it must not be given.
    """
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise NotFoundError(
            "no_such_program", f"There is no program {safe_name(command[0]) if command else ''}.", "Name one that can be run."
        )
    if problem := fetching_problem(command):
        raise DataError("unpinned", problem[0], problem[1])
    for host in hosts:
        if permission(f"net:{host}") is None:
            raise DataError(
                "bad_host", f"{safe_name(host)!r} is no host that can be granted.", "Like: api.example.org, or *.example.org"
            )
    readable = tuple(str(_readable(each, private)) for each in folders)
    for name in variables:
        if not _VARIABLE.fullmatch(name) or name in RESERVED or _LOADERS.fullmatch(name):
            raise DataError("bad_variable", f"{safe_name(name)!r} is no variable that can be given.", "Like: API_KEY")
    words = [str(Path(program).absolute()), *(str(Path(each).absolute()) if Path(each).is_file() else each for each in command[1:])]
    files = [words[0], *(each for each in words[1:] if Path(each).is_file())]
    for path in files:
        if not all(_is_seen(each, readable) for each in (path, str(Path(path).resolve()))):
            raise DataError(
                "not_visible", f"{safe_text(path)} cannot be seen inside.", f"Add: --read {Path(path).resolve().parent}"
            )
    digests = {path: file_digest(path) for path in files}
    return McpServerApproval(command=tuple(words), files=digests, hosts=tuple(hosts), folders=readable, secrets=tuple(variables))


def fetching_problem(command: Sequence[str]) -> tuple[str, str] | None:
    """Why a command that fetches its program cannot be approved, and how it can; None when it fetches none, or a certain one.

    What is fetched without a version is other code each day.
    """
    runner = Path(command[0]).name
    if any(runner == first and second in command[1:3] for first, second in _OTHER_RUNNERS):
        return f"{runner} fetches what it runs.", "Install it and name its program, or use npx or uvx with a version."
    if runner not in _RUNNERS:
        return None
    pinned, naming, harmless, example = _RUNNERS[runner]
    packages, is_named, words = [], False, list(command[1:])
    while words and words[0].startswith("-"):
        option, equals, value = words.pop(0).partition("=")
        if option in naming:
            packages.append(value if equals else words.pop(0) if words else "")
            is_named |= option != "--with"
        elif option not in harmless:
            return f"{safe_name(option)} is an option of {runner} that is not known here.", f"Like: {runner} {example}"
    packages += [] if is_named else words[:1]
    loose = next((each for each in packages if not pinned.fullmatch(each)), None if packages else "")
    if loose is None:
        return None
    name = re.sub(r"(?<=.)(?:@|==|[<>~^]).*", "", loose) or "x"
    fixed = f"{name}{example[1:]}"
    said = " ".join(fixed if each == loose else each for each in command)
    return f"{safe_name(loose) or 'what it runs'} has no version: it would be other code each day.", f"Name it, like: {said}"


def _readable(folder: Path, private: Sequence[Path]) -> Path:
    path = folder.expanduser().resolve()
    if not path.is_dir():
        raise NotFoundError("no_such_folder", f"There is no folder {safe_text(str(folder))}.", "Name one that is there.")
    touches = any(path == each or path in each.parents or each in path.parents for each in (each.resolve() for each in private))
    if path in _TOO_WIDE or path == Path.home() or touches:
        raise DataError(
            "too_wide", f"{safe_text(str(path))} has what no program of others may read.", "Name the folder of the program alone."
        )
    return path


def _is_seen(path: str, folders: Sequence[str]) -> bool:
    return path.startswith(_SYSTEM) or any(Path(path).is_relative_to(each) for each in folders)


def _accepted(listed: ListedTool, before: McpToolApproval | None) -> McpToolApproval:
    """The tool as it is now; the owner's word about another one of the same name does not count."""
    if before is not None and before.digest == listed.digest:
        return before
    return McpToolApproval(digest=listed.digest, description=listed.description, input_schema=listed.input_schema)


def _report(
    server: str, tool: str, approved: McpToolApproval | None, listed: ListedTool | None, *, is_seen: bool
) -> ServerToolReport:
    if listed is not None and listed.problem:
        state = "unusable"
    elif approved is None:
        state = "new"
    elif approved.access == "off":
        state = "off"
    elif listed is None and is_seen:
        state = "gone"
    else:
        state = "changed" if listed is not None and listed.digest != approved.digest else "on"
    shown = listed or approved
    return ServerToolReport(
        tool=safe_name(tool),
        name=f"{server}_{offered_name(server, tool)}",
        state=state,
        access=approved.access if approved else "off",
        audience=approved.audience if approved else "owner",
        description=shown.description if shown else "",
        problem=(listed.problem if listed else "") or None,
    )
