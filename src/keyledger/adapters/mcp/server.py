"""A server that answers with the tools and resources of a ledger, each request for its own invocation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import orjson
from mcp.server import Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from keyledger.adapters.mcp import resources
from keyledger.adapters.mcp.reading import read
from keyledger.adapters.mcp.refusals import refused
from keyledger.adapters.mcp.turns import Turns
from keyledger.adapters.tools.kv import TOOLS
from keyledger.adapters.tools.refusal import refusal
from keyledger.domain.errors import InvalidArgumentError, LedgerBusyError
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.toolset import Result

Context: TypeAlias = ServerRequestContext[Any, Any]
Identify: TypeAlias = Callable[[Context], Invocation]

_INSTRUCTIONS: Final = (
    "A key-value store that keeps every version of every key. Errors say what to do: read their message."
)


def make_server(ledger: Ledger, identify: Identify, turns: Turns) -> Server[Any]:
    """A server of the ledger's tools and resources, for the invocation that ``identify`` knows of each request.

    The ledger is called in threads, as ``turns`` lets it. A call that has begun is finished, also where its client
    has gone; the ledger is closed by who opened it.

    Raises:
        InvalidArgumentError: the ledger does not enforce flags, which are all that says who may only read.
    """
    if not ledger.enforces_flags:
        raise InvalidArgumentError("enforce_flags", False, "True where a ledger is served")  # noqa: FBT003
    desk = _Desk(ledger, identify, turns)
    server = Server[Any](
        "keyledger",
        version=version("keyledger"),
        instructions=_INSTRUCTIONS,
        get_tool_input_schema=lambda _: None,  # none names a header, and so none need be made for each call
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
        on_list_resources=desk.list_resources,
        on_list_resource_templates=desk.list_templates,
        on_read_resource=desk.read_resource,
    )
    server.middleware.append(desk.log_malformed)
    return server


class _Desk:
    """What is done at each kind of request."""

    def __init__(self, ledger: Ledger, identify: Identify, turns: Turns) -> None:
        self._ledger, self._identify, self._turns = ledger, identify, turns

    async def list_tools(self, context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        tools = self._ledger.tools(self._identify(context))
        return ListToolsResult(tools=[_hinted(Tool.model_validate(tool)) for tool in tools.mcp()])

    async def call_tool(self, context: Context, asked: CallToolRequestParams) -> CallToolResult:
        result = await self._called(self._identify(context), asked.name, asked.arguments or {})
        return CallToolResult(
            content=[TextContent(type="text", text=_text(result))],
            structured_content=result,
            is_error="error" in result,
        )

    async def list_resources(self, context: Context, page: PaginatedRequestParams | None) -> ListResourcesResult:
        """The keys of the skill's own scope, as kv_list gives them."""
        after = page.cursor if page and page.cursor else ""
        found: Any = _answer(await self._called(self._identify(context), "kv_list", {"after": after}))
        return ListResourcesResult(
            resources=[resources.key_resource(entry["key"]) for entry in found["entries"]],
            next_cursor=found["next"],
        )

    async def list_templates(
        self, _: Context, _page: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=list(resources.TEMPLATES))

    async def read_resource(self, context: Context, asked: ReadResourceRequestParams) -> ReadResourceResult:
        invocation = self._identify(context)
        ask = partial(read, self._ledger, invocation, asked.uri)
        found = _answer(await self._done(invocation, "resources/read", ask))
        content = TextResourceContents(uri=asked.uri, mime_type=resources.JSON, text=_text(found))
        return ReadResourceResult(contents=[content])

    async def log_malformed(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Let the run's log show also what the SDK refuses because it is not of the protocol's form."""
        try:
            return await call_next(ctx)
        except ValidationError:
            if ctx.method not in _FORMS:
                raise
        invocation, sent = self._identify(ctx), ctx.params
        error = InvalidArgumentError("params", sent, _FORMS[ctx.method])
        log = partial(refused, self._ledger, invocation, ctx.method, sent, error)
        result = await self._done(invocation, ctx.method, log)
        raise MCPError(INVALID_PARAMS, str(result["message"]), result)

    async def _called(self, invocation: Invocation, tool: str, arguments: dict[str, Any]) -> Result:
        spec = TOOLS.get(tool)
        call = partial(self._ledger.tools(invocation).call, tool, arguments)
        return await self._done(invocation, tool, call, writes=spec is not None and spec.writes)

    async def _done(
        self, invocation: Invocation, what: str, call: Callable[[], Result], *, writes: bool = False
    ) -> Result:
        """What is done when its turn comes; a call that a run makes may write to the run's log."""
        may_write = writes or invocation.run_id is not None
        try:
            return await self._turns.take(invocation.skill_id, call, may_write=may_write)
        except LedgerBusyError as error:
            return refusal(what, error)


_FORMS: Final = {
    "tools/call": "the name of a tool, and an object of arguments",
    "resources/read": "the uri of a resource",
}


def _hinted(tool: Tool) -> Tool:
    """The tool with what the protocol lets be said of its effects on what a key holds now."""
    said = ToolAnnotations() if tool.annotations is None else tool.annotations
    hints = said.model_copy(update=_HINTS.get(tool.name, {}))
    return tool.model_copy(update={"annotations": hints})


_REPLACES: Final = {"destructive_hint": True, "idempotent_hint": True}
_HINTS: Final = {
    "kv_set": _REPLACES,
    "kv_delete": _REPLACES,
    "kv_restore": _REPLACES,
    "kv_increment": {"destructive_hint": False, "idempotent_hint": False},
}


def _answer(result: Result) -> Result:
    """The result; as a protocol error, if it is one."""
    if "error" in result:
        raise MCPError(_NUMBERS.get(str(result["error"]), INVALID_PARAMS), str(result["message"]), result)
    return result


_NUMBERS: Final = dict.fromkeys(
    (
        "internal",
        "not_configured",
        *("storage", "storage_unavailable", "outcome_unknown", "busy", "closed", "newer_ledger", "unreadable"),
    ),
    INTERNAL_ERROR,
)


def _text(result: Result) -> str:
    return orjson.dumps(result, option=orjson.OPT_UTC_Z).decode()
