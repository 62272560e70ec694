"""The threads that wait for the storage, so that no event loop does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from itertools import islice
from threading import Event
from typing import TypeVar
from weakref import WeakSet

from keyledger.adapters.aio.notice import Notice
from keyledger.domain.decision import Outcome
from keyledger.domain.errors import LedgerClosedError, StorageUnavailableError
from keyledger.domain.lanes import Place
from keyledger.domain.writer import Writer, outcome_of
from keyledger.domain.writes import Write

T = TypeVar("T")
_AT_ONCE = 100


class Threads:
    """At most ``most`` threads that read and commit, and as many for what takes long.

    They are apart because of the lanes: what takes long may wait in one, and must not keep from running what
    it waits for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.reset()
        _all.add(self)

    def others(self) -> Threads:
        """As many others."""
        return Threads(self._most)

    def reset(self) -> None:
        """Start without threads, as in a forked child there are none."""
        self._closed = False
        self._short = ThreadPoolExecutor(self._most, "keyledger")
        self._long = ThreadPoolExecutor(self._most, "keyledger-long")

    async def read(self, function: Callable[[], T]) -> T:
        """What ``function`` returns, which changes nothing and waits in no lane; a cancellation lets it go."""
        return await _outcome_unless_let_go(self._submit(self._short, function))

    async def look(self, function: Callable[[], T]) -> T:
        """As :meth:`read`, of what may take long."""
        return await _outcome_unless_let_go(self._submit(self._long, function))

    async def iterate(self, items: Iterator[T]) -> AsyncIterator[T]:
        """The items, which are read in a thread, some at a time."""
        while some := await self.read(lambda: list(islice(items, _AT_ONCE))):
            for item in some:
                yield item

    async def work(self, function: Callable[[], T], cancelled: Event | None = None) -> T:
        """What ``function`` returns.

        Cancelled before it began it never does; later it is waited for, and ``cancelled`` asks it to end early.
        """
        job = self._submit(self._long, function)

        def give_up() -> bool:
            if cancelled is not None:
                cancelled.set()
            return job.cancel()

        return await outcome_in(job, give_up)

    async def write(self, writer: Writer, write: Write) -> Outcome:
        """Have a write done. While others commit before it no thread waits."""
        self._check_open()
        notice = Notice()

        def told(place: Place) -> None:
            if place.done:
                notice.tell()
            else:
                self._lead(place)

        place = writer.begin(write.stream, write.command, told, remember=write.remember)
        await notice.wait(place.withdraw)
        return outcome_of(place.slots[0], write.stream)

    def _lead(self, place: Place) -> None:
        once = [place]

        def lead() -> None:
            with suppress(IndexError):
                once.pop().lead()

        try:
            self._short.submit(lead)
        except RuntimeError:  # no thread can be started; perhaps another leads; a lane must not stand still
            lead()

    def _submit(self, pool: ThreadPoolExecutor, function: Callable[[], T]) -> Future[T]:
        self._check_open()
        once, context = [function], copy_context()
        try:
            return pool.submit(lambda: context.run(once.pop()))
        except RuntimeError as error:  # and yet it is in the pool's queue
            once.clear()
            raise StorageUnavailableError(f"no thread to wait for the storage: {error}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerClosedError

    async def close(self, function: Callable[[], None]) -> None:
        """Do ``function``, then let the threads end, once they have done what was begun."""
        self._closed = True
        closer = ThreadPoolExecutor(1, "keyledger-close")
        job = closer.submit(self._close, function)
        closer.shutdown(wait=False)
        await outcome_in(job, lambda: False)

    def _close(self, function: Callable[[], None]) -> None:
        function()
        self._short.shutdown()
        self._long.shutdown()


async def outcome_in(job: Future[T], give_up: Callable[[], bool]) -> T:
    """What a job comes to; a cancellation as in :meth:`Notice.wait`."""
    notice = Notice()
    job.add_done_callback(lambda _: notice.tell())
    await notice.wait(give_up)
    return job.result()


async def _outcome_unless_let_go(job: Future[T]) -> T:
    return await outcome_in(job, lambda: job.cancel() or True)


_all: WeakSet[Threads] = WeakSet()


def _reset_all() -> None:
    for threads in list(_all):
        threads.reset()


os.register_at_fork(after_in_child=_reset_all)
