"""Many at work at once: threads, or processes, released together and stopped by the clock."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from multiprocessing.connection import Connection
from threading import Barrier
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

_T = TypeVar("_T")
_PATIENCE = 120.0
"""Seconds that the workers of a crowd wait for each other before they give up."""


class Share(NamedTuple):
    """What one worker did: calls, and when it began and ended."""

    calls: int
    begin: float
    end: float


class _Gate(Protocol):
    def wait(self) -> int: ...


def work(call: Callable[[], object], gate: _Gate, seconds: float) -> Share:
    """Wait for all the others, then call again and again for so many seconds."""
    gate.wait()
    calls, begin = 0, perf_counter()
    end, until = begin, begin + seconds
    while end < until:
        call()
        calls += 1
        end = perf_counter()
    return Share(calls, begin, end)


class Tally:
    """Counts the calls of some rounds, so that what they left can be held against them."""

    def __init__(self) -> None:
        self.calls = 0

    def rate(self, shares: Sequence[Share]) -> float:
        """Calls a second of a round, from the first worker's beginning to the last one's end."""
        calls = sum(share.calls for share in shares)
        self.calls += calls
        return calls / (max(share.end for share in shares) - min(share.begin for share in shares))


def in_threads(calls: Sequence[Callable[[], object]], seconds: float) -> list[Share]:
    """A thread for each of ``calls``."""
    gate = Barrier(len(calls), timeout=_PATIENCE)
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(lambda call: work(call, gate, seconds), calls))


def alone(call: Callable[[], object], seconds: float) -> list[Share]:
    """This thread only."""
    return [work(call, Barrier(1), seconds)]


class Worker(Protocol):
    """What a process of a crowd calls, and closes at the end."""

    def __call__(self) -> object:
        """Do the next of its work."""

    def close(self) -> None:
        """Release what it holds."""


class Processes:
    """A process for each of some arguments, which make its worker; they stand ready between rounds."""

    def __init__(self, make: Callable[..., Worker], arguments: Sequence[tuple[Any, ...]]) -> None:
        self._make, self._arguments = make, arguments
        self._stack = ExitStack()
        self._pipes: list[Connection] = []

    def round(self, seconds: float) -> list[Share]:
        """Let all of them work for so long."""
        for pipe in self._pipes:
            pipe.send(seconds)
        return [pipe.recv() for pipe in self._pipes]

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        gate = context.Barrier(len(self._arguments), timeout=_PATIENCE)
        with self._stack as stack:
            for arguments in self._arguments:
                pipe, far = context.Pipe()
                process = context.Process(target=_serve, args=(far, gate, self._make, arguments))
                process.start()
                far.close()
                stack.callback(process.join)
                stack.callback(pipe.close)  # which ends the process
                self._pipes.append(pipe)
            for pipe in self._pipes:
                pipe.recv()  # it stands ready
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


def in_a_process(function: Callable[..., _T], *arguments: Any) -> _T:
    """What ``function`` returns, called in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(function, *arguments).result()


def _serve(pipe: Connection, gate: _Gate, make: Callable[..., Worker], arguments: tuple[Any, ...]) -> None:
    with closing(make(*arguments)) as worker, suppress(EOFError):
        pipe.send(None)
        while True:
            pipe.send(work(worker, gate, pipe.recv()))
