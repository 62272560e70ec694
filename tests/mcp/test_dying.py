"""Clients that die, and servers that are told to end, in the middle of a call: it is done once, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import keyledger
from tests.mcp import calling_client, slow_server
from tests.mcp.serving import MODES, called, in_loop, message, over_http, piped


class Slow:
    """A server that stops in its first call, and processes that use it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._started: list[subprocess.Popen[str]] = []
        for pipe in ("begun", "go"):
            os.mkfifo(folder / pipe)

    def command(self, transport: str) -> list[str]:
        return [sys.executable, slow_server.__file__, self._url, str(self._folder), transport]

    def client(self, mode: str, *server: str) -> subprocess.Popen[str]:
        return self.start([sys.executable, calling_client.__file__, mode, *server])

    def start(self, command: list[str]) -> subprocess.Popen[str]:
        self._started.append(piped(command))
        return self._started[-1]

    def until_begun(self) -> None:
        """Wait until the call has begun."""
        (self._folder / "begun").read_text()

    def go_on(self) -> None:
        """Let it go on."""
        (self._folder / "go").open("w").close()

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def times(self) -> int:
        """How often the call was done; what is stored is as its events say."""
        with keyledger.open(self._url) as ledger:
            assert ledger.rebuild().differences == ()
            kv = ledger.partition("weather")
            versions, entry = kv.history("n"), kv.get("n")
            assert len(versions) == (0 if entry is None else entry.value)
            return len(versions)


@pytest.fixture
def slow(request: pytest.FixtureRequest, url_on: Callable[[str], str], tmp_path: Path) -> Iterator[Slow]:
    """A server on that store."""
    slow = Slow(url_on(request.param), tmp_path)
    yield slow
    slow.end()


each_store_and_mode = pytest.mark.parametrize(
    ("slow", "mode"), list(zip(["sqlite", "postgres"], MODES, strict=True)), indirect=["slow"]
)


@each_store_and_mode
@in_loop
async def test_over_http_a_client_that_is_killed_in_a_call_does_not_disturb_the_others(
    slow: Slow, mode: str
) -> None:
    server = slow.start(slow.command("http"))
    assert server.stdout is not None
    served = server.stdout.readline().strip()
    client = slow.client(mode, served)
    slow.until_begun()
    client.kill()
    client.wait()
    async with over_http(served, mode=mode) as other:
        assert (await called(other, "kv_get", key="n"))["found"] is False
        slow.go_on()
        assert (await called(other, "kv_set", key="other", value=1))["ok"] is True
    server.terminate()
    assert server.communicate(timeout=60) == ("", "")
    assert server.returncode == 0
    assert slow.times() == 1


@each_store_and_mode
def test_over_stdio_the_server_of_a_client_that_is_killed_in_a_call_finishes_it_and_ends(
    slow: Slow, mode: str
) -> None:
    client = slow.client(mode, *slow.command("stdio"))
    slow.until_begun()
    client.kill()
    slow.go_on()
    assert client.stderr is not None
    assert client.stderr.read() == ""  # it ends when the server has, which has it as well
    assert slow.times() == 1


@pytest.mark.parametrize(
    ("slow", "transport", "number"),
    [("sqlite", "stdio", signal.SIGTERM), ("postgres", "http", signal.SIGINT)],
    indirect=["slow"],
)
def test_a_server_that_is_told_to_end_finishes_the_call_that_it_is_at(
    slow: Slow, transport: str, number: signal.Signals
) -> None:
    server = slow.start(slow.command(transport))
    if transport == "http":
        assert server.stdout is not None
        slow.client(MODES[0], server.stdout.readline().strip())
    else:
        assert server.stdin is not None
        server.stdin.write(message(1, "tools/call", {"name": "kv_increment", "arguments": {"key": "n"}}))
        server.stdin.flush()
    slow.until_begun()
    server.send_signal(number)
    slow.go_on()
    assert server.wait(60) == 0
    assert slow.times() == 1
