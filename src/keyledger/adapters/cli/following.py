"""Commands that go on until they are stopped."""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import FrameType
from typing import TypeAlias

Wait: TypeAlias = Callable[[float], bool]
"""Waits for some seconds; true, and at once, if somebody wants an end."""

_LOOK_EVERY = 0.25


@contextmanager
def until_stopped() -> Iterator[None]:
    """Runs a block that Ctrl-C and SIGTERM end; both are the way in which it is meant to end."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def signals_end_the_wait() -> Iterator[Wait]:
    """SIGINT and SIGTERM end a wait instead of the process; a second one is as if we were not here.

    A SimpleQueue, as its ``put`` may interrupt its ``get``: no lock of ours is in a signal's way.
    """
    signals, ended = SimpleQueue[int](), list[int]()
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = dict(zip(numbers, map(signal.getsignal, numbers), strict=True))

    def restore(number: int) -> None:
        signal.signal(number, former[signal.Signals(number)])

    def put(number: int, _: FrameType | None) -> None:
        restore(number)
        signals.put(number)

    def wait(seconds: float) -> bool:
        with suppress(Empty):
            ended.append(signals.get(timeout=seconds))
        return bool(ended)

    for number in numbers:
        signal.signal(number, put)
    try:
        yield wait
    finally:
        for number in numbers:
            restore(number)


@contextmanager
def ends_when_nobody_reads(end: Callable[[], None]) -> Iterator[None]:
    """Calls ``end`` when nobody reads standard output any more, from a thread; BrokenPipeError then."""
    over, gone = Event(), list[BrokenPipeError]()

    def look() -> None:
        try:
            while not over.is_set():
                pause(_LOOK_EVERY)
        except BrokenPipeError as error:
            gone.append(error)
            end()

    Thread(target=look, name="keyledger-reader", daemon=True).start()
    try:
        yield
    finally:
        over.set()
    if gone:
        raise gone[0]


def pause(seconds: float) -> bool:
    """Wait, and say false, as nothing ends here; BrokenPipeError as soon as nobody reads standard output.

    That is found out where the system can tell; else the next output will.
    """
    try:
        output = sys.stdout.fileno()
        watch = select.poll()
    except (io.UnsupportedOperation, AttributeError):
        time.sleep(seconds)
        return False
    watch.register(output, 0)
    if watch.poll(seconds * 1_000):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return False
