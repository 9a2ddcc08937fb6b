"""A server of the MCP SDK: over standard input and output, or over HTTP on the port that is named."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk", version="1.0", instructions="Add numbers.")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("inside")


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]), json_response=sys.argv[2] == "json")
else:
    server.run("stdio")
