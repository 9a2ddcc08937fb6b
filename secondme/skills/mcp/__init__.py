"""MCP servers: programs and services of others whose tools the clone may use, confined and approved tool by tool."""
