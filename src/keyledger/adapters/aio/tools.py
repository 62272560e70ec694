"""The tools of one invocation, awaited."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from keyledger.adapters.aio.threads import Threads
from keyledger.adapters.tools.refusal import told
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.policy import Permission
from keyledger.domain.toolset import Result, SentArguments, Tool, Toolset
from keyledger.domain.values import JSONValue


class AsyncTool:
    """One tool, to be called with its arguments by name, and awaited."""

    def __init__(self, tool: Tool, toolset: AsyncToolset) -> None:
        self._tool, self._toolset = tool, toolset

    @property
    def name(self) -> str:
        """As a model calls it."""
        return self._tool.name

    @property
    def description(self) -> str:
        """What it does, for a model to read."""
        return self._tool.description

    @property
    def permission(self) -> Permission:
        """What it declares of itself."""
        return self._tool.permission

    @property
    def requires_flags(self) -> tuple[str, ...]:
        """The flags that an invocation needs."""
        return self._tool.requires_flags

    @property
    def schema(self) -> dict[str, Any]:
        """A JSON Schema of its arguments, new at each call."""
        return self._tool.schema

    async def __call__(self, /, **arguments: JSONValue) -> Result:
        """As :meth:`AsyncToolset.call` of this tool."""
        return await self._toolset.call(self._tool.name, arguments)


class AsyncToolset:
    """The tools that one invocation may use: ``Toolset``, with calls that are awaited.

    A call that is cancelled before a thread takes it is not done; one that is cancelled later is waited for.
    """

    def __init__(self, toolset: Toolset, threads: Threads) -> None:
        self._toolset, self._threads = toolset, threads

    def __iter__(self) -> Iterator[str]:
        return iter(self._toolset)

    def __len__(self) -> int:
        return len(self._toolset)

    def __getitem__(self, name: str) -> AsyncTool:
        return AsyncTool(self._toolset[name], self)

    async def call(self, name: str, arguments: SentArguments = None) -> Result:
        """As ``Toolset.call``."""
        try:
            return await self._threads.work(partial(self._toolset.call, name, arguments))
        except KeyledgerError as error:  # the ledger is closed, or no thread can be started
            return told(name, error)

    def openai(self) -> list[dict[str, Any]]:
        """As ``Toolset.openai``; nothing is awaited."""
        return self._toolset.openai()

    def anthropic(self) -> list[dict[str, Any]]:
        """As ``Toolset.anthropic``; nothing is awaited."""
        return self._toolset.anthropic()

    def mcp(self) -> list[dict[str, Any]]:
        """As ``Toolset.mcp``; nothing is awaited."""
        return self._toolset.mcp()
