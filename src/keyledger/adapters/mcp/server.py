"""A server that answers with the tools and resources of a ledger, each request for its own invocation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import orjson
from anyio import to_thread
from mcp.server import Server, ServerRequestContext
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

from keyledger.adapters.mcp import resources
from keyledger.adapters.mcp.reading import read
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import Ledger
from keyledger.domain.toolset import Result

Context: TypeAlias = ServerRequestContext[Any, Any]
Identify: TypeAlias = Callable[[Context], Invocation]

_INSTRUCTIONS: Final = (
    "A key-value store that keeps every version of every key. Errors say what to do: read their message."
)


def make_server(ledger: Ledger, identify: Identify) -> Server[Any]:
    """A server of the ledger's tools and resources, for the invocation that ``identify`` knows of each request.

    The ledger is called in threads, so that requests do not wait for each other. A call that has begun is
    finished, also where its client has gone; it is closed by who opened it.

    Raises:
        InvalidArgumentError: the ledger does not enforce flags, which are all that says who may only read.
    """
    if not ledger.enforces_flags:
        raise InvalidArgumentError("enforce_flags", False, "True where a ledger is served")  # noqa: FBT003
    desk = _Desk(ledger, identify)
    return Server(
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


class _Desk:
    """What is done at each kind of request."""

    def __init__(self, ledger: Ledger, identify: Identify) -> None:
        self._ledger, self._identify = ledger, identify

    async def list_tools(self, context: Context, _: PaginatedRequestParams | None) -> ListToolsResult:
        tools = self._ledger.tools(self._identify(context))
        return ListToolsResult(tools=[_hinted(Tool.model_validate(tool)) for tool in tools.mcp()])

    async def call_tool(self, context: Context, asked: CallToolRequestParams) -> CallToolResult:
        call = partial(self._ledger.tools(self._identify(context)).call, asked.name, asked.arguments or {})
        result = await to_thread.run_sync(call)
        return CallToolResult(
            content=[TextContent(type="text", text=_text(result))],
            structured_content=result,
            is_error="error" in result,
        )

    async def list_resources(self, context: Context, page: PaginatedRequestParams | None) -> ListResourcesResult:
        """The keys of the skill's own scope, as kv_list gives them."""
        tools = self._ledger.tools(self._identify(context))
        after = page.cursor if page and page.cursor else ""
        found: Any = await _answer(partial(tools.call, "kv_list", {"after": after}))
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
        found = await _answer(partial(read, self._ledger, invocation, asked.uri))
        content = TextResourceContents(uri=asked.uri, mime_type=resources.JSON, text=_text(found))
        return ReadResourceResult(contents=[content])


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


async def _answer(ask: Callable[[], Result]) -> Result:
    """What ``ask`` returns in a thread; as a protocol error, if it is one."""
    result = await to_thread.run_sync(ask)
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
