"""What the tests of the MCP server share: starting one, and connecting the SDK's own client to it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec

from mcp.client import Client
from mcp.client._transport import TransportStreams
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, TextContent, TextResourceContents

from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.e2e.cli import SCRIPT

P = ParamSpec("P")

WHO = ("--skill", "weather", "--caller", "ada")
MODES = ("2026-07-28", "legacy")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, run in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


def piped(command: Sequence[str]) -> subprocess.Popen[str]:
    """A process that is spoken with through pipes; SIGINT ends it, whatever a shell has told us of that."""
    return subprocess.Popen(
        command,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    """A process of ``keyledger mcp``."""
    return piped([SCRIPT, "mcp", *arguments])


@contextmanager
def http_server(url: str, *options: str, warns: str = "") -> Iterator[str]:
    """A server on a free port, by its URL; it ends well and says nothing, or warns of just that."""
    process = start("--url", url, "--transport", "http", "--port", "0", "--json", *options)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", warns), err
    finally:
        process.kill()
        process.wait()


def over_stdio(url: str, *options: str, mode: str = MODES[0]) -> Client:
    """A client that starts the server."""
    arguments = ["mcp", "--url", url, *options]
    return Client(StdioServerParameters(command=SCRIPT, args=arguments), mode=mode, read_timeout_seconds=60)


def over_http(served: str, *, token: str | None = None, mode: str = MODES[0]) -> Client:
    """A client of a server that runs, with or without a bearer token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return Client(_with(headers, served), mode=mode, read_timeout_seconds=60)


@asynccontextmanager
async def _with(headers: dict[str, str], served: str) -> AsyncIterator[TransportStreams]:
    async with (
        create_mcp_http_client(headers) as client,
        streamable_http_client(served, http_client=client) as streams,
    ):
        yield streams


@dataclass(frozen=True)
class Connect:
    """Connects a client of its own to a server with the options given, or else to one that serves the skill."""

    transport: str
    url: str
    mode: str
    servers: ExitStack
    skill: str = "weather"
    served: Callable[[], str] | None = None

    def __call__(self, *options: str) -> Client:
        if self.served is not None and self.transport == "http":
            return over_http(self.served(), token=_token(self.skill), mode=self.mode)
        options = options or ("--skill", self.skill, "--caller", "ada")
        if self.transport == "stdio":
            return over_stdio(self.url, *options, mode=self.mode)
        return over_http(self.servers.enter_context(http_server(self.url, *options)), mode=self.mode)


class Shared:
    """A ledger on each store, and a server on HTTP of each, that tests share: they cost a second or two."""

    def __init__(self, folder: Path, postgres_url: Callable[[], str], servers: ExitStack) -> None:
        self._folder, self._postgres_url, self._servers = folder, postgres_url, servers
        self._skills = [f"skill-{number}" for number in range(100)]
        self._tokens = folder / "tokens.json"
        flags = [ACCESS_FLAG, WRITE_FLAG]
        granted = {
            _token(skill): {"skill_id": skill, "caller_id": "ada", "flags": flags} for skill in self._skills
        }
        self._tokens.write_text(json.dumps(granted))

    def connect(self, transport: str, store: str, mode: str) -> Connect:
        """For a skill that had none before."""
        url = self._postgres_url() if store == "postgres" else f"sqlite:///{self._folder}/ledger.db"
        return Connect(transport, url, mode, self._servers, self._skills.pop(), lambda: self._served(url))

    @cache  # noqa: B019 - it lives as long as the tests
    def _served(self, url: str) -> str:
        return self._servers.enter_context(http_server(url, "--tokens", str(self._tokens)))


def _token(skill: str) -> str:
    return f"token-of-the-{skill}"


def answer(result: CallToolResult) -> Any:
    """What a tool call came to, which its text and its structured content say alike."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    said = json.loads(content.text)
    assert said == result.structured_content
    assert result.is_error == ("error" in said)
    return said


async def called(client: Client, tool: str, **arguments: Any) -> Any:
    """What a call of a tool came to."""
    return answer(await client.call_tool(tool, arguments))


async def resource(client: Client, uri: str) -> Any:
    """What a resource holds."""
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return json.loads(content.text)


def message(identifier: int | str, method: str, params: dict[str, Any]) -> str:
    """A line of a client that speaks without the SDK."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODES[0],
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    said = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params | {"_meta": meta}}
    return json.dumps(said) + "\n"


def names(listed: Sequence[Any]) -> list[str]:
    """The names of tools, resources or templates."""
    return [each.name for each in listed]
