"""`secondme skills mcp`: servers of others whose tools the clone may use, each of them as you say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen

if TYPE_CHECKING:
    from secondme.core.tools.reports import ServerToolReport
    from secondme.services import Services
    from secondme.skills.lock import McpServerApproval
    from secondme.skills.mcp.pins import ServerListing

app = typer.Typer(help="Servers of others whose tools the clone may use.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="What the server is called here.")]
_ACCESS, _AUDIENCES = ("read", "write", "off"), ("owner", "trusted", "standard")


@app.command()
@command("secondme.skills.mcp.add/1")
async def add(  # noqa: PLR0913, PLR0917  everything that a server is given is named by itself
    invocation: Invocation,
    name: _Name,
    program: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="The program that is the server, after two dashes.")
    ] = None,
    url: Annotated[str, typer.Option(help="The server's address, where it is no program.")] = "",
    host: Annotated[list[str] | None, typer.Option(help="A host that it may reach, or *.example.org; none without.")] = None,
    read: Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="A folder that it may read.")] = None,
    env: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A variable it is given; its value is asked for.")] = None,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token that the address is asked with.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> CommandResult:
    """Add a server: it is started, confined, and its tools are shown. What it offers is a write, and only yours, until you say otherwise."""
    from secondme.cli.prompts import confirm, secret_value
    from secondme.skills.mcp.catalog import server_at, server_of

    if bool(program) is bool(url):
        raise typer.BadParameter("name a program after --, or its address with --url")
    if (url and (host or read or env)) or (program and token):
        raise typer.BadParameter("--host, --read and --env are for programs, --token is for an address")
    async with invocation.services(deciding=True) as services:
        catalog, places = services.mcp_catalog, services.setup.places
        await catalog.check_name(name)
        if url:
            draft = server_at(url, has_token=token)
        else:
            private = (places.config, places.data, places.logs, services.skills.directory)
            draft = server_of(program or [], host or [], read or [], env or [], private)
        secrets = {each.lower(): secret_value(name, each.lower(), None) for each in draft.secrets}
        listing = await catalog.look(name, draft, secrets)
        if not yes:
            _show_server(Screen(sys.stderr, home=invocation.home), name, draft, listing)
            confirm(f"Add {name}?")
        for each, value in secrets.items():
            services.keep_skill_secret(name, each, value)
        await catalog.keep(name, draft, listing)
        return _result(services, name, f"{name} is added. Its tools are for you alone.")


@app.command()
@command("secondme.skills.mcp.tools/1")
async def tools(invocation: Invocation, name: _Name) -> CommandResult:
    """Ask the server what it offers now, and show what of it you approved."""
    async with invocation.services() as services:
        await _look(services, name)
        return _result(services, name, "")


@app.command("set")
@command("secondme.skills.mcp.set/1")
async def set_(
    invocation: Invocation,
    tool: Annotated[str, typer.Argument(metavar="NAME.TOOL", help="The server, a dot, the tool.")],
    access: Annotated[str, typer.Argument(metavar="read|write|off", help="Whether it changes something; off: nobody may use it.")],
    tier: Annotated[str | None, typer.Option(help="Who may cause it at most: owner, trusted or standard.")] = None,
) -> CommandResult:
    """Say what a tool does and who may cause it. It is approved as it was last seen."""
    name, dot, inner = tool.partition(".")
    if not dot or not inner:
        raise typer.BadParameter("a server, a dot, a tool", param_hint="NAME.TOOL")
    if access not in _ACCESS:
        raise typer.BadParameter("read, write or off", param_hint="read|write|off")
    if tier is not None and tier not in _AUDIENCES:
        raise typer.BadParameter("owner, trusted or standard", param_hint="--tier")
    async with invocation.services(deciding=True) as services:
        await services.mcp_catalog.set_tool(name, inner, access, tier)
        return _result(services, name, "")


@app.command()
@command("secondme.skills.mcp.pin/1")
async def pin(
    invocation: Invocation, name: _Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> CommandResult:
    """Accept the server as it is now. Tools that are new or changed are a write, and only yours, until you say otherwise."""
    from secondme.cli.prompts import confirm

    async with invocation.services(deciding=True) as services:
        approval, listing = await _look(services, name)
        if not yes:
            screen = Screen(sys.stderr, home=invocation.home)
            _show_server(screen, name, approval, listing)
            _show_tools(screen, services.mcp_catalog.tools(name))
            confirm(f"Accept {name} as it is now?")
        await services.mcp_catalog.keep(name, approval, listing)
        return _result(services, name, f"{name} is accepted as it is now.")


async def _look(services: Services, name: str) -> tuple[McpServerApproval, ServerListing]:
    approval = services.mcp_catalog.approval(name)
    return approval, await services.mcp_catalog.look(name, approval, services.skill_secrets(name))


def _result(services: Services, name: str, words: str) -> CommandResult:
    rows = services.mcp_catalog.tools(name)
    data: dict[str, Any] = {"name": name, "tools": [row.model_dump(mode="json", by_alias=True) for row in rows]}

    def show(screen: Screen) -> None:
        if words:
            screen.line(words, "good")
        _show_tools(screen, rows)

    return CommandResult(data, show)


def _show_server(screen: Screen, name: str, server: McpServerApproval, listing: ServerListing) -> None:
    """What the owner decides by."""
    screen.line(f"{name}: {listing.server or 'a server without a name'}, MCP {listing.version}")
    screen.line(f"  is      {server.url or ' '.join(server.command)}")
    if server.command:
        screen.line(f"  reaches {', '.join(server.hosts) or 'no host'}")
        screen.line(f"  reads   {', '.join(server.folders) or 'no folder of yours'}")
        screen.line(f"  is told {', '.join(server.secrets) or 'no secret'}")
    for tool in listing.tools:
        why = f" CANNOT BE USED: {tool.problem}" if tool.problem else ""
        screen.line(f"  {tool.name}: {tool.description.splitlines()[0] if tool.description else ''}{why}", "warn" if why else "")


def _show_tools(screen: Screen, rows: list[ServerToolReport]) -> None:
    cells = [
        (row.tool, row.state, row.access, row.audience, (row.problem or row.description).partition("\n")[0][:60]) for row in rows
    ]
    screen.table(("tool", "state", "does", "for", "what"), cells, empty="It has no tools.")
