"""Who is to be woken when a stream was written to, and the thread that finds out that it was.

There is such a thread only while somebody waits. To subscribe again, with the same function, changes nothing but
in a forked child, where there is no subscription left and no thread.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from functools import partial
from threading import Event, Lock, Thread
from typing import TypeAlias

from keyledger.domain.errors import LedgerClosedError, StorageUnavailableError

Wake: TypeAlias = Callable[[], None]
"""Called from any thread; returns at once, and raises nothing."""

RETRY = 1.0
"""Seconds until a thread that cannot find out looks again."""

_log = logging.getLogger("keyledger")


class Subscribers:
    """Functions to call, by stream.

    No lock is taken: who is forgotten leaves while garbage is collected, in the middle of whatever a thread does.
    """

    def __init__(self) -> None:
        self._wakes: dict[tuple[str, Wake], None] = {}

    def __bool__(self) -> bool:
        return bool(self._wakes)

    def add(self, stream: str, wake: Wake) -> Callable[[], None]:
        """Have ``wake`` called for ``stream``; what this returns ends that."""
        self._wakes[stream, wake] = None
        return partial(self._wakes.pop, (stream, wake), None)

    def streams(self) -> set[str]:
        """The streams that somebody waits for."""
        return {stream for stream, _ in list(self._wakes)}

    def wake(self, streams: Container[str]) -> None:
        """Wake those who wait for one of ``streams``."""
        for stream, wake in list(self._wakes):
            if stream in streams:
                wake()

    def wake_all(self) -> None:
        """Wake everybody: let them see for themselves."""
        for _, wake in list(self._wakes):
            wake()


class Lookout(ABC):
    """A thread that looks out for what is written, by whatever process, while somebody wants to be woken."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start without subscribers and thread."""
        self.subscribers = Subscribers()
        self._mutex = Lock()
        self._thread: Thread | None = None
        self._ended = Event()
        self._revisions: Mapping[str, int] = {}

    def subscribe(self, stream: str, wake: Wake) -> Callable[[], None]:
        """As ``Storage.subscribe``."""
        with self._mutex:
            if self._ended.is_set():
                raise LedgerClosedError
            leave = self.subscribers.add(stream, wake)
            if self._thread is None:
                self._start(leave)
            return leave

    def _start(self, leave: Callable[[], None]) -> None:
        thread = Thread(target=self._work, name="keyledger-lookout", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            leave()
            raise StorageUnavailableError(f"no thread to look out for changes: {error}") from error
        self._thread = thread

    def _work(self) -> None:
        while self._is_wanted():
            self._revisions = {}
            try:
                self._look_out()
            except Exception:  # noqa: BLE001 - whatever is in the way, the subscribers' own look will tell them
                _log.debug("looking out for changes failed; once more in %s s", RETRY, exc_info=True)
                self.subscribers.wake_all()
                self._ended.wait(RETRY)

    def _is_wanted(self) -> bool:
        """Whether the thread goes on; if not it is the last that it asks."""
        with self._mutex:
            wanted = self._goes_on()
            if not wanted:
                self._thread = None
            return wanted

    @abstractmethod
    def _look_out(self) -> None:
        """Wake subscribers as their streams are written to, until nobody is left; raises if something broke."""

    def _goes_on(self) -> bool:
        """Whether there is anybody left to wake."""
        return bool(self.subscribers) and not self._ended.is_set()

    def _tell(self, revisions: Mapping[str, int]) -> None:
        """Wake those whose stream has another last revision than when this was last told."""
        former, self._revisions = self._revisions, revisions
        self.subscribers.wake({stream for stream, last in revisions.items() if former.get(stream) != last})

    def close(self) -> None:
        """Let the thread end, and wake everybody: the storage is closed. Idempotent."""
        with self._mutex:
            self._ended.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        self.subscribers.wake_all()
