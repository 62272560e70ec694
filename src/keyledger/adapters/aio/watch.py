"""Watching a partition from a task: while it waits for a change, no thread does."""

from __future__ import annotations

from asyncio import Event, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from weakref import finalize

from keyledger.adapters.aio.threads import Threads
from keyledger.domain.errors import LedgerClosedError
from keyledger.domain.past.watch import Changes, Found
from keyledger.domain.records import Version


class AsyncWatch:
    """Changes for ``async for``; made by ``AsyncPartition.watch``, errors as there.

    It begins when it is entered by ``async with``, or is first asked for a change. One task iterates; cancelled,
    it can go on: nothing is lost.
    """

    def __init__(self, changes: Changes, threads: Threads) -> None:
        self._changes, self._threads = changes, threads
        self._bell: _Bell | None = None
        self._listens = self._closed = False

    @property
    def revision(self) -> int:
        """As ``Watch.revision``, once it has begun."""
        return self._changes.revision

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Version:
        """The next change, which is waited for; StopAsyncIteration after :meth:`aclose`, or the ledger's close."""
        bell = await self._begun()
        while not self._closed:
            version = self._changes.take()
            if version is not None:
                return version
            if not await self._look(bell):
                break
        await self.aclose()
        raise StopAsyncIteration

    async def _begun(self) -> _Bell:
        if self._bell is None:
            await self._threads.read(self._changes.begin)
            self._bell = _Bell()
            finalize(self, self._bell.unsubscribe)
        return self._bell

    async def _look(self, bell: _Bell) -> bool:
        """Read on, or wait; false at the end."""
        changes = self._changes

        def listen_and_look() -> Found | None:
            bell.leave = changes.subscribe(bell.ring)
            return changes.look()

        try:
            found = await self._threads.read(listen_and_look if self._listens else changes.look)
        except LedgerClosedError:
            return False
        if found is not None:
            changes.add(found)
        elif not changes.follow:
            return False
        elif self._listens:
            await bell.wait()
        self._listens = self._listens or found is None  # and one more look, after which none is missed
        return True

    async def aclose(self) -> None:
        """End the iteration; a task that waits for a change ends it at once. Idempotent."""
        self._closed = True
        if self._bell is not None:
            self._bell.unsubscribe()
            self._bell.ring()

    async def __aenter__(self) -> Self:
        await self._begun()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class _Bell:
    """Rung from any thread, heard in the loop in which it was made."""

    def __init__(self) -> None:
        self._loop, self._rang = get_running_loop(), Event()
        self._on_its_way = False
        self.leave: Callable[[], None] | None = None

    def ring(self) -> None:
        if not self._on_its_way:
            self._on_its_way = True
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                self._loop.call_soon_threadsafe(self._arrive)

    def _arrive(self) -> None:
        self._on_its_way = False
        self._rang.set()

    async def wait(self) -> None:
        """Return when it has rung since it was last waited for."""
        await self._rang.wait()
        self._rang.clear()

    def unsubscribe(self) -> None:
        if self.leave is not None:
            self.leave()
