"""The MCP server: the tools and resources of a ledger for any agent host, over stdio and streamable HTTP."""
