"""What tests of the async ledger share: a loop to run in, and commits that wait for the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from threading import Event, Thread
from threading import enumerate as enumerate_threads
from typing import Any, ParamSpec

import pytest

from keyledger import AsyncLedger
from keyledger.domain.ports import Commit

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, run in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Gate:
    """Every commit of a ledger stops at it until it is opened."""

    def __init__(self, ledger: AsyncLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[int] = []
        """Events of each commit that has come to the gate."""
        self._reached, self._opened = Event(), Event()
        commit = ledger.storage.commit

        def stopped(what: Commit) -> None:
            self.commits.append(len(what.events))
            self._reached.set()
            assert self._opened.wait(30)
            commit(what)

        monkeypatch.setattr(ledger.storage, "commit", stopped)

    async def reached(self) -> None:
        """Return when a commit has come to the gate."""
        assert await asyncio.to_thread(self._reached.wait, 30)

    def open(self) -> None:
        """Let all pass, now and later."""
        self._opened.set()

    async def open_when_cancelled(self) -> None:
        """Let all pass once this and whatever was cancelled with it has heard of it."""
        try:
            await asyncio.Event().wait()
        finally:
            await turns()
            self.open()


async def lined_up(*writes: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """A task for each write, which has gone as far as it can without a thread's answer."""
    tasks = [asyncio.create_task(write) for write in writes]
    await turns()
    return tasks


async def turns(count: int = 5) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def threads_of_ledgers() -> set[Thread]:
    """The threads that wait for storage on behalf of tasks; of ledgers that other tests left open, too."""
    return {thread for thread in enumerate_threads() if thread.name.startswith(("keyledger_", "keyledger-long_"))}
