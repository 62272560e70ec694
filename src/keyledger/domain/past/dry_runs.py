"""The ledgers in memory that dry runs act on: one for all calls of a run, until it ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, Protocol, TypeVar

MAX_DRY_RUNS = 64
"""How many dry runs a process remembers: the one whose last call is longest ago is forgotten first."""


class Closing(Protocol):
    """What is closed when it is done with."""

    def close(self) -> None:
        """Let go of everything."""
        ...


L = TypeVar("L", bound=Closing)


class DryRuns(Generic[L]):
    """Ledgers in memory, by run. Safe to share between threads."""

    def __init__(self, open_one: Callable[[], L]) -> None:
        self._open = open_one
        self.reset()

    def reset(self) -> None:
        """Forget every run, as in a forked child."""
        self._ledgers: OrderedDict[str, L] = OrderedDict()
        self._mutex = Lock()

    @contextmanager
    def of(self, run_id: str | None) -> Iterator[L]:
        """The ledger of a dry run; without a run one for this block alone."""
        if run_id is not None:
            yield self._shared(run_id)
            return
        ledger = self._open()
        try:
            yield ledger
        finally:
            ledger.close()

    def end(self, run_id: str) -> None:
        """Forget a run that has ended. What is still at work there finishes undisturbed."""
        with self._mutex:
            self._ledgers.pop(run_id, None)

    def _shared(self, run_id: str) -> L:
        with self._mutex:
            ledger = self._ledgers.pop(run_id, None) or self._open()
            self._ledgers[run_id] = ledger
            if len(self._ledgers) > MAX_DRY_RUNS:
                self._ledgers.popitem(last=False)
            return ledger
