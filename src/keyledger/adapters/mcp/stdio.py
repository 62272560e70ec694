"""Serving one client over standard input and output."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Thread
from typing import Any, Final, cast

from anyio import (
    AsyncFile,
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    create_memory_object_stream,
    create_task_group,
    open_signal_receiver,
)
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

_UNREADABLE: Final = ErrorData(code=PARSE_ERROR, message="not a JSON-RPC message of UTF-8 text")


async def serve_stdio(server: Server[Any]) -> None:
    """Serve until standard input ends, nobody reads the output, or SIGINT or SIGTERM comes.

    Only protocol goes to standard output. A call that has begun is finished; where standard input has ended, all
    that was read from it is done and answered.
    """
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(_cancel_at_a_signal, tasks.cancel_scope)
            async with stdio_server(stdin=cast("AsyncFile[str]", _lines())) as (read, write):
                messages, readable = create_memory_object_stream[SessionMessage | Exception]()
                writable, answers = create_memory_object_stream[SessionMessage]()
                open_requests = _OpenRequests()
                tasks.start_soon(_pass_on, read, messages, write, open_requests)
                tasks.start_soon(_pass_back, answers, write, open_requests)
                await server.run(readable, writable, server.create_initialization_options())
            tasks.cancel_scope.cancel()
    except* BrokenPipeError:
        pass  # the client has gone


class _OpenRequests:
    """The ids of the requests that are not answered yet."""

    def __init__(self) -> None:
        self._ids = Counter[str]()
        self._none = asyncio.Event()
        self._none.set()

    def asked(self, message: JSONRPCMessage) -> None:
        """Take note of a request; or of a client that waits for one no longer, as it is not answered then."""
        if isinstance(message, JSONRPCRequest):
            self._ids[str(message.id)] += 1
            self._none.clear()
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._closed((message.params or {}).get("requestId"))

    def answered(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._closed(message.id)

    async def until_none(self) -> None:
        await self._none.wait()

    def _closed(self, identifier: object) -> None:
        self._ids -= Counter({str(identifier): 1})
        if not self._ids:
            self._none.set()


async def _cancel_at_a_signal(scope: CancelScope) -> None:
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _pass_on(
    read: AsyncIterator[SessionMessage | Exception],
    messages: ObjectSendStream[SessionMessage | Exception],
    write: ObjectSendStream[SessionMessage],
    open_requests: _OpenRequests,
) -> None:
    """Pass messages on to the server, and let it end only when it has answered them.

    It would leave one that cannot be read without an answer, and we do not.
    """
    with suppress(BrokenResourceError, ClosedResourceError):  # nobody reads the output, or the server has ended
        async with messages:
            async for item in read:
                if isinstance(item, Exception):
                    error = JSONRPCError(jsonrpc="2.0", id=_id_of(item), error=_UNREADABLE)
                    await write.send(SessionMessage(error))
                else:
                    open_requests.asked(item.message)
                    await messages.send(item)
            await open_requests.until_none()


async def _pass_back(
    answers: ObjectReceiveStream[SessionMessage],
    write: ObjectSendStream[SessionMessage],
    open_requests: _OpenRequests,
) -> None:
    """Pass what the server says on to the client."""
    with suppress(BrokenResourceError, ClosedResourceError):  # nobody reads the output
        async with write, answers:
            async for answer in answers:
                await write.send(answer)
                open_requests.answered(answer.message)


def _id_of(error: Exception) -> int | str | None:
    """The id of the request that could not be read, if that much of it can be."""
    given = error.errors()[0]["input"] if isinstance(error, ValidationError) else None
    if isinstance(given, str):
        with suppress(ValueError, RecursionError):
            given = json.loads(given)
    identifier = given.get("id") if isinstance(given, dict) else None
    return identifier if type(identifier) in {int, str} else None


async def _lines() -> AsyncIterator[str]:
    """The lines of standard input.

    A thread reads them, as a read cannot be cancelled; a daemon, as one must not keep the process from ending.
    """
    lines = asyncio.Queue[str | None]()
    loop = asyncio.get_running_loop()

    def deliver(line: str | None) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    Thread(target=_read, args=(deliver,), name="keyledger-stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _read(deliver: Callable[[str | None], None]) -> None:
    """Deliver each line, and None at the end."""
    with suppress(RuntimeError):  # the loop has ended
        # A file of its own: the interpreter closes sys.stdin at its end, and must not find it in use.
        with (
            suppress(OSError),
            open(0, encoding="utf-8", errors="surrogateescape", newline="\n", closefd=False) as stdin,
        ):
            for line in stdin:
                deliver(line)
        deliver(None)
