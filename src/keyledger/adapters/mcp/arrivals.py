"""Requests are served once they have come whole; the end of the server does not wait for the rest of one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from anyio import CancelScope
from mcp.server.streamable_http_manager import DEFAULT_MAX_REQUEST_BODY_SIZE, RequestBodyLimitMiddleware
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Arrivals:
    """An ASGI application in front of another, which is given only requests that have come whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._arriving, self._has_ended = app, set[CancelScope](), False

    def end(self) -> None:
        """Wait for nothing more to arrive: what has not is answered with status 503."""
        self._has_ended = True
        for arriving in self._arriving:
            arriving.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with CancelScope() as arriving:
            self._arriving.add(arriving)
            try:
                whole = partial(self._serve, arriving)
                await RequestBodyLimitMiddleware(whole, DEFAULT_MAX_REQUEST_BODY_SIZE)(scope, receive, send)
            except asyncio.CancelledError:
                if arriving.cancel_called or not self._has_ended:
                    raise
                # The server's patience with an answer that nobody reads is over.
            finally:
                self._arriving.discard(arriving)
        if arriving.cancelled_caught:
            await Response(status_code=503)(scope, receive, send)

    async def _serve(self, arriving: CancelScope, scope: Scope, receive: Receive, send: Send) -> None:
        self._arriving.discard(arriving)
        first = await receive()
        if first["type"] != "http.request" or first["more_body"]:
            return  # the client has gone
        messages = [first]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)
