"""The tools of one invocation: callables, and their schemas in the shapes that models are given them in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from keyledger.adapters.tools.call import call_tool
from keyledger.adapters.tools.kv import TOOLS, ToolSpec, spec_of
from keyledger.adapters.tools.refusal import told
from keyledger.adapters.tools.schema import schema_of
from keyledger.domain.errors import InvalidArgumentError, shown
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.policy import Permission, check_flags
from keyledger.domain.toolset import Result, SentArguments
from keyledger.domain.values import JSONValue

_log = logging.getLogger("keyledger")


class LedgerTool:
    """One tool, bound to an invocation."""

    def __init__(self, name: str, spec: ToolSpec, call: Callable[[SentArguments], Result]) -> None:
        self._name, self._spec, self._call = name, spec, call

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._spec.description

    @property
    def permission(self) -> Permission:
        return self._spec.permission

    @property
    def requires_flags(self) -> tuple[str, ...]:
        return self._spec.requires_flags

    @property
    def schema(self) -> dict[str, Any]:
        return schema_of(self._spec.arguments)

    def __call__(self, /, **arguments: JSONValue) -> Result:
        return self._call(arguments)


class LedgerToolset:
    """The tools of one invocation, on a ledger. Safe to share between threads.

    Without a ledger every call answers that it is not configured.
    """

    def __init__(self, ledger: Ledger | None, invocation: Invocation) -> None:
        if not isinstance(invocation, Invocation):
            raise InvalidArgumentError("invocation", invocation, "an Invocation")
        self._ledger, self._invocation = ledger, invocation
        self._is_warned = False

    def __iter__(self) -> Iterator[str]:
        return (name for name, spec in TOOLS.items() if self._is_offered(spec))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, name: str) -> LedgerTool:
        spec = spec_of(name)
        if not self._is_offered(spec):
            check_flags(name, spec.requires_flags, self._invocation.flags)
        return LedgerTool(name, spec, partial(self.call, name))

    def call(self, name: str, arguments: SentArguments = None) -> Result:
        try:
            return call_tool(self._ledger, name, arguments, self._invocation)
        except Exception as error:  # noqa: BLE001 - whatever it is, a model is told, and its run goes on
            return told(name, error)

    def openai(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            }
            for tool in self._offered()
        ]

    def anthropic(self) -> list[dict[str, Any]]:
        return [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
            for tool in self._offered()
        ]

    def mcp(self) -> list[dict[str, Any]]:
        return [
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": tool.schema,
                "annotations": {"readOnlyHint": not tool.permission.writes, "openWorldHint": False},
            }
            for tool in self._offered()
        ]

    def _offered(self) -> list[LedgerTool]:
        offered = [self[name] for name in self]
        if not offered and not self._is_warned:
            self._is_warned = True
            _warn(self._invocation)
        return offered

    def _is_offered(self, spec: ToolSpec) -> bool:
        enforced = self._ledger is None or self._ledger.enforces_flags
        return not enforced or self._invocation.flags.issuperset(spec.requires_flags)


def _warn(invocation: Invocation) -> None:
    """Say what is missing where a model gets no tools: more often a slip than meant so."""
    required = sorted({flag for spec in TOOLS.values() for flag in spec.requires_flags})
    _log.warning(
        "no tool is offered to skill %s: the flags that tools require are %s, and its invocation has %s",
        shown(invocation.skill_id),
        ", ".join(required),
        shown(sorted(invocation.flags)),
    )
