"""The MCP servers of a home while they run: started at the first need, watched, closed when nobody used them for a while."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ToolResult
from secondme.core.text import safe_text
from secondme.skills.mcp.client import McpClient
from secondme.skills.mcp.confined import ConfinedProcess, Launch
from secondme.skills.mcp.pins import ServerListing, ServerTool, listing_of, server_digest
from secondme.skills.mcp.proxy import Proxy
from secondme.skills.mcp.stdio import StdioTransport
from secondme.skills.mcp.streamable_http import HttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secondme.core.ports import Clock
    from secondme.core.tools.manifest import ToolDefinition
    from secondme.skills.lock import McpServerApproval
    from secondme.skills.mcp.client import Transport
    from secondme.skills.mcp.confined import Bubblewrap
    from secondme.skills.mcp.pins import Listings

log = get_logger(__name__)

IDLE_S = 600.0
_PING_S = 60.0
"""A server that was not used for so long is asked first whether it is still there."""
AT_ONCE = 4
"""Servers that run: each may take 512 MB."""
RESULT_CHARS = 6000


@dataclass(slots=True)
class _Session:
    """A server that runs. `key`: what it was started from."""

    key: object
    mcp: McpClient
    proxy: Proxy | None
    listing: ServerListing
    last_used: float
    tending: asyncio.Task[None] | None = None

    async def close(self) -> None:
        await self.mcp.close()
        if self.proxy is not None:
            await self.proxy.close()


class McpServers:
    """Calls tools of approved servers. Use it in the main thread: what it starts ends with the thread."""

    def __init__(
        self,
        approvals: Callable[[], Mapping[str, McpServerApproval]],
        listings: Listings,
        secrets: Callable[[str], Mapping[str, str]],
        bubblewrap: Callable[[], Bubblewrap],
        clock: Clock,
    ) -> None:
        """`secrets`: those of a server, by their names in small letters; `bubblewrap`: how it works here, which may block."""
        self._approvals = approvals
        self._listings = listings
        self._secrets = secrets
        self._clock = clock
        self._bubblewrap = bubblewrap
        self._sessions: dict[str, _Session] = {}
        self._starting: dict[str, asyncio.Task[_Session]] = {}
        self._is_closed = False

    async def call(self, server: str, tool: ToolDefinition, given: Mapping[str, Any]) -> ToolResult:
        """What the tool told, at most 6,000 characters of it; or a code. Never raises but when cancelled."""
        session: _Session | None = None
        if not isinstance(tool, ServerTool):
            return ToolResult("It cannot be used.", "not_allowed")
        try:
            session = await self._running(server)
            if session.mcp.has_new_list:
                session.listing = await self._listed(server, session.mcp)
            listed = session.listing.tool(tool.remote)
            if listed is None or listed.digest != tool.digest:
                log.warning("mcp_tool_changed", server=server)
                return ToolResult("This tool is not what the owner approved.", "tool_changed")
            answer = await session.mcp.call(tool.remote, given)
        except SecondmeError as error:
            log.info("mcp_call_failed", server=server, code=error.code)
            return ToolResult(f"It failed ({error.code}).", error.code)
        finally:
            if session is not None:
                session.last_used = self._clock.monotonic()
                if not session.mcp.is_there:
                    await asyncio.shield(self._end(server, session))  # else a cancelled call would leave a process
        if answer.is_error:
            return ToolResult("It failed (mcp_error).", "mcp_error")
        return ToolResult(safe_text(answer.text[: 2 * RESULT_CHARS])[:RESULT_CHARS])

    async def look(self, server: str, approval: McpServerApproval, secrets: Mapping[str, str]) -> ServerListing:
        """What the server offers, started for this question only, and remembered. Raises UnavailableError, DataError."""
        session = await self._start(server, approval, secrets, keep_errors=True)
        await session.close()
        return session.listing

    async def close(self) -> None:
        """No server runs any more, and none will. Repeatable."""
        self._is_closed = True
        for task in list(self._starting.values()):
            task.cancel()
            await asyncio.wait([task])
        for server, session in list(self._sessions.items()):
            await self._end(server, session)

    async def _running(self, server: str) -> _Session:
        approval = self._approvals().get(server)
        if approval is None or self._is_closed:
            raise UnavailableError("ended", "The server is not approved any more, or we are closing.")
        secrets = self._secrets(server)
        key = (server_digest(approval), tuple(sorted(secrets.items())))
        session = self._sessions.get(server)
        if session is not None and session.key == key and await self._is_there(session):
            return session
        if session is not None:
            await self._end(server, session)
        if server not in self._starting:
            # a task of its own: the first call may be given up before a slow server is there, and the next one finds it
            task = self._starting[server] = asyncio.ensure_future(self._begin(server, approval, secrets, key))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may be that nobody waits any more
        return await asyncio.shield(self._starting[server])

    async def _is_there(self, session: _Session) -> bool:
        if session.mcp.is_there and not session.mcp.is_busy and self._clock.monotonic() - session.last_used > _PING_S:
            with contextlib.suppress(SecondmeError):
                await session.mcp.ping()
        return session.mcp.is_there

    async def _begin(self, server: str, approval: McpServerApproval, secrets: Mapping[str, str], key: object) -> _Session:
        try:
            while len(self._sessions) >= AT_ONCE:
                found = min(self._sessions.items(), key=lambda each: (each[1].mcp.is_busy, each[1].last_used))
                await self._end(*found)
            session = await self._start(server, approval, secrets)
            session.key = key
            self._sessions[server] = session
            session.tending = asyncio.ensure_future(self._tend(server, session))
            return session
        finally:
            self._starting.pop(server, None)

    async def _start(
        self, server: str, approval: McpServerApproval, secrets: Mapping[str, str], *, keep_errors: bool = False
    ) -> _Session:
        proxy: Proxy | None = None
        transport: Transport | None = None
        try:
            if approval.url:
                transport = HttpTransport(approval.url, secrets.get("token", ""))
            else:
                proxy = await Proxy(approval.hosts, self._clock).start() if approval.hosts else None
                transport = StdioTransport(await self._confined(approval, secrets, proxy, keep_errors=keep_errors), self._clock)
            client = McpClient(transport)
            await client.start()
            listing = await self._listed(server, client)
            if proxy is not None:
                proxy.hide()
            return _Session(None, client, proxy, listing, self._clock.monotonic())
        except BaseException as error:  # whoever gives up in the middle must leave no process either, hence the shields
            said = transport.process.last_words() if isinstance(transport, StdioTransport) else ""
            if transport is not None:
                await asyncio.shield(transport.close())
            if proxy is not None:
                await asyncio.shield(proxy.close())
            if said and isinstance(error, UnavailableError):
                raise UnavailableError(error.code, f"{error.message} It said: {safe_text(said)[-300:]}", error.fix) from error
            raise

    async def _confined(
        self, approval: McpServerApproval, secrets: Mapping[str, str], proxy: Proxy | None, *, keep_errors: bool
    ) -> ConfinedProcess:
        environment = {name: secrets[name.lower()] for name in approval.secrets if name.lower() in secrets}
        launch = Launch(approval.command, approval.folders, environment, str(proxy.path) if proxy else "")
        bubblewrap = await asyncio.to_thread(self._bubblewrap)
        return ConfinedProcess.start(launch, bubblewrap, self._clock, keep_errors=keep_errors)

    async def _listed(self, server: str, client: McpClient) -> ServerListing:
        """Remembered, so that whoever looks from outside sees what is new, or changed."""
        listing = listing_of(await client.listing())
        await asyncio.to_thread(self._listings.keep, server, listing)
        return listing

    async def _tend(self, server: str, session: _Session) -> None:
        while (left_s := session.last_used + IDLE_S - self._clock.monotonic()) > 0 or session.mcp.is_busy:
            await self._clock.sleep(left_s if left_s > 0 else _PING_S)
        session.tending = None
        await self._end(server, session)

    async def _end(self, server: str, session: _Session) -> None:
        if self._sessions.get(server) is session:
            del self._sessions[server]
        if session.tending is not None:
            session.tending.cancel()
        log.info("mcp_server_ended", server=server, dropped=session.mcp.dropped)
        await session.close()
