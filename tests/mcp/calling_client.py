"""A client that makes one call and waits for its answer: ``calling_client.py MODE URL`` or ``… MODE COMMAND…``."""

from __future__ import annotations

import asyncio
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters


async def call(mode: str, *server: str) -> None:
    (first, *rest) = server
    place = StdioServerParameters(command=first, args=rest) if rest else first
    async with Client(place, mode=mode) as client:
        await client.call_tool("kv_increment", {"key": "n"})


if __name__ == "__main__":
    asyncio.run(call(*sys.argv[1:]))
