"""The async ledger, called as if it were the other one: so that one contract holds for both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from inspect import isawaitable
from threading import Thread
from types import TracebackType
from typing import Any, Self

from keyledger import (
    AsyncLedger,
    AsyncPartition,
    AsyncPendingBatch,
    AsyncRuns,
    AsyncSkills,
    AsyncToolset,
    AsyncView,
    AsyncWatch,
)

_AWAITED = (AsyncLedger, AsyncPartition, AsyncPendingBatch, AsyncRuns, AsyncSkills, AsyncToolset, AsyncView)


class Blocking:
    """Something whose methods are awaited, in a loop that runs elsewhere, by whoever calls them."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._target, self._loop = target, loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._blocking(found) if callable(found) else self._wrapped(found)

    def __str__(self) -> str:
        return str(self._target)

    def _wrapped(self, found: Any) -> Any:
        if isinstance(found, AsyncWatch):
            return BlockingWatch(found, self._loop)
        return Blocking(found, self._loop) if isinstance(found, _AWAITED) else found

    def _blocking(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            args = tuple(_target_of(argument) for argument in args)
            result = method(*args, **{name: _target_of(argument) for name, argument in kwargs.items()})
            if isawaitable(result):
                return self._wrapped(self._wait(result))
            if isinstance(result, AsyncIterator) and not isinstance(result, AsyncWatch):
                return self._iterated(result)
            return self._wrapped(result)

        return call

    def _iterated(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        with suppress(StopAsyncIteration):
            while True:
                yield self._wait(anext(items))

    def _wait(self, awaitable: Any) -> Any:
        async def awaited() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)

    def __enter__(self) -> Self:
        entered = self._wait(self._target.__aenter__())
        assert entered is self._target
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait(self._target.__aexit__(kind, error, traceback))


def _target_of(argument: Any) -> Any:
    return argument._target if isinstance(argument, Blocking) else argument


class BlockingWatch(Blocking):
    """A watch, entered at once, as the other one begins when it is made."""

    def __init__(self, target: AsyncWatch, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(target, loop)
        self._wait(target.__aenter__())

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._wait(anext(self._target))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        self._wait(self._target.aclose())


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
