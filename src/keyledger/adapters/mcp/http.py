"""Serving many clients over streamable HTTP."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from types import FrameType
from typing import Any, Final

import uvicorn
from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route

from keyledger.adapters.mcp.arrivals import Arrivals
from keyledger.adapters.mcp.tokens import Tokens
from keyledger.domain.errors import InvalidArgumentError

PATH: Final = "/mcp"
_GRACE: Final = 10
"""Seconds that requests under way are given when the server is to end."""


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach ``host``."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; with port 0 on one that is free.

    Raises:
        InvalidArgumentError: that cannot be listened on.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not the name of a host"
        raise InvalidArgumentError("--host", f"{host}:{port}", f"where this may listen ({reason})") from None
    # Connections inherit it. asyncio sets it only where the socket names its protocol, which this one does not; an
    # answer then waited 40 ms for the client's acknowledgement of its headers.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """Where clients find the server."""
    host, port = listening.getsockname()[:2]
    return f"http://{_bracketed(host)}:{port}{PATH}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def serve_http(server: Server[Any], listening: socket.socket, host: str, tokens: Tokens | None) -> None:
    """Serve whoever connects, until SIGINT or SIGTERM; a request that has come whole is answered."""
    arrivals = Arrivals(make_app(server, host, tokens))
    config = uvicorn.Config(
        arrivals,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    await _Server(config, arrivals).serve([listening])


class _Server(uvicorn.Server):
    """Ends at a signal, and that is all; uvicorn's would raise it again then. A second one does not wait."""

    def __init__(self, config: uvicorn.Config, arrivals: Arrivals) -> None:
        super().__init__(config)
        self._arrivals = arrivals

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._arrivals.end()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame
        self.force_exit = self.should_exit
        self.should_exit = True


def make_app(server: Server[Any], host: str, tokens: Tokens | None) -> Starlette:
    """The web application; with ``tokens`` only for requests that bear one of them.

    It keeps no sessions: every request says who it is from, and any may come to another process.
    """
    sessions = StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, security_settings=_security(host)
    )
    endpoint: Any = StreamableHTTPASGIApp(sessions)
    middleware: list[Middleware] = []
    if tokens is not None:
        endpoint = RequireAuthMiddleware(endpoint, [])
        middleware = [Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(tokens))]
    # POST alone: nothing is ever sent that was not asked for, so there is nothing to GET.
    return Starlette(
        routes=[Route(PATH, endpoint, methods=["POST"])],
        middleware=middleware,
        lifespan=lambda _: sessions.run(),
    )


def _security(host: str) -> TransportSecuritySettings:
    """Against pages whose name was made to lead to this machine: other hosts' names are refused there."""
    if not is_loopback(host):
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    names = sorted({"localhost", "127.0.0.1", "[::1]", _bracketed(host)})
    hosts = [name + port for name in names for port in ("", ":*")]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{name}" for name in hosts])
