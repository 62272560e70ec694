"""A server whose first call stops in the middle until it is let go: ``slow_server.py URL FOLDER stdio|http``.

In the folder two named pipes wait: ``begun`` is opened for writing once the call has begun, ``go`` is read before
it goes on. Whoever opens the other end of one waits for that moment.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import datetime
from pathlib import Path

import keyledger
from keyledger.adapters.clock import SystemClock
from keyledger.adapters.mcp import http
from keyledger.adapters.mcp.server import make_server
from keyledger.adapters.mcp.stdio import serve_stdio
from keyledger.adapters.mcp.turns import Turns
from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG


class StoppingClock(SystemClock):
    """Stops the first call that asks for the time, in its thread."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._first = folder, threading.Lock()

    def now(self) -> datetime:
        if threading.current_thread() is not threading.main_thread() and self._first.acquire(blocking=False):
            (self._folder / "begun").open("w").close()
            (self._folder / "go").read_text()
        return super().now()


def serve(url: str, folder: str, transport: str) -> None:
    flags = frozenset({ACCESS_FLAG, WRITE_FLAG})
    ada = Invocation(skill_id="weather", caller_id="ada", flags=flags)
    with keyledger.open(url, clock=StoppingClock(Path(folder))) as ledger:
        server = make_server(ledger, lambda _: ada, Turns.of_many(60) if transport == "http" else Turns.of_one())
        if transport == "stdio":
            asyncio.run(serve_stdio(server))
            return
        with http.listen("127.0.0.1", 0) as listening:
            print(http.url_of(listening), flush=True)  # noqa: T201 - the test reads it
            asyncio.run(http.serve_http(server, listening, "127.0.0.1", None))


if __name__ == "__main__":
    serve(*sys.argv[1:])
