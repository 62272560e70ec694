"""Whose call is next: nobody takes all the threads, and what cannot write never waits for what does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf
from typing import Final, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread

from keyledger.domain.errors import LedgerBusyError

MOST_CALLS: Final = 40
"""Calls that read, and as many that may write, that are done at once."""

MOST_CALLS_OF_ONE: Final = 8
"""Of each of these those that are of one skill: its writes wait for each other all the same."""

PATIENCE: Final = 5.0
"""Seconds that a call waits for its turn: as long as a write waits for the lock."""

T = TypeVar("T")


class _Line:
    """A line of calls, done in the order of their coming but that no skill's are more than its share."""

    def __init__(self, most: int, of_one: int) -> None:
        self.all = CapacityLimiter(most)
        self.of = defaultdict[str, CapacityLimiter](lambda: CapacityLimiter(of_one))


class Turns:
    """The lines that calls wait in, each until it may be done in a thread."""

    def __init__(self, reading: _Line, writing: _Line, patience: float | None) -> None:
        self._reading, self._writing, self._patience = reading, writing, patience
        self._threads = CapacityLimiter(inf)

    @classmethod
    def of_many(cls, patience: float = PATIENCE) -> Turns:
        """For many clients; a call that waited for ``patience`` seconds is not done."""
        return cls(_Line(MOST_CALLS, MOST_CALLS_OF_ONE), _Line(MOST_CALLS, MOST_CALLS_OF_ONE), patience)

    @classmethod
    def of_one(cls) -> Turns:
        """For one client, whose calls are done one after the other, as it sent them."""
        only = _Line(1, 1)
        return cls(only, only, None)

    async def take(self, skill_id: str, call: Callable[[], T], *, may_write: bool) -> T:
        """What the call returns, which is finished once it has begun.

        Raises:
            LedgerBusyError: its turn did not come in time.
        """
        line = self._writing if may_write else self._reading
        async with AsyncExitStack() as turn:
            try:
                with fail_after(self._patience):
                    await turn.enter_async_context(line.of[skill_id])
                    await turn.enter_async_context(line.all)
            except TimeoutError:
                raise LedgerBusyError(f"{self._patience} s in line behind other calls") from None
            return await to_thread.run_sync(call, limiter=self._threads)
