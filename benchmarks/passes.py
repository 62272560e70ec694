"""The calls of the measurements of one thread: both sides get the same ones in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.sides import Side
from benchmarks.workload import Item, key, values

BATCH = 100
WORKING_SET = 1_000
"""The most keys that an operation on known keys chooses from."""

_MOST_COLD = 200_000


class Pass(NamedTuple):
    """Calls that are timed; with an ``anchor`` on keys forgotten before, when only that item was set again."""

    calls: Sequence[tuple[Any, ...]]
    anchor: Item | None = None


class Workload:
    """The calls for a partition of one size, for one side: the same ones in the same order for each."""

    def __init__(self, keys: int) -> None:
        random, self._values = Random(keys), values()
        self._keys = [key(number) for number in range(keys)]
        self._known = random.sample(self._keys, min(WORKING_SET, keys))
        others = random.sample(self._keys[1:], min(keys - 1, _MOST_COLD))
        batch = [*self._known, *map(key, range(len(self._known), BATCH))]
        self._pools = {"get": self._known, "set": self._known, "cold": others, "batch": batch}
        self._cycles = {operation: cycle(names) for operation, names in self._pools.items()}

    def warm_up(self, operation: str) -> list[Item]:
        """What to set before an operation is measured, so that its keys exist and are known."""
        return self._items(self._pools[operation] if operation in ("set", "batch") else ())

    def passes(self, operation: str, calls: int) -> Iterator[Pass]:
        """The next ``calls`` calls of an operation."""
        names = self._cycles[operation]
        if operation == "get":
            yield Pass([(name,) for name in islice(names, calls)])
        elif operation == "set":
            yield Pass(self._items(islice(names, calls)))
        elif operation == "batch":
            yield Pass([(self._items(islice(names, BATCH)),) for _ in range(calls)])
        else:
            most = len(self._pools["cold"])
            for start in range(0, calls, most):
                cold = self._items(islice(names, min(calls - start, most)))
                yield Pass(cold, (self._keys[0], next(self._values)))

    def _items(self, keys: Iterable[str]) -> list[Item]:
        return [(name, next(self._values)) for name in keys]


class Timed:
    """A side and its workload."""

    def __init__(self, side: Side, keys: int) -> None:
        self._side, self._workload = side, Workload(keys)
        self._actions: dict[str, Callable[..., object]] = {"get": side.get, "batch": side.batch}

    def warm_up(self, operation: str) -> None:
        """Make the keys of an operation exist, and known to the side."""
        for item in self._workload.warm_up(operation):
            self._side.set(*item)

    def seconds(self, operation: str, calls: int) -> float:
        """What each of the next calls took."""
        action, seconds = self._actions.get(operation, self._side.set), 0.0
        for some, anchor in list(self._workload.passes(operation, calls)):
            if anchor is not None:
                self._side.forget()
                self._side.set(*anchor)
            start = perf_counter()
            for arguments in some:
                action(*arguments)
            seconds += perf_counter() - start
        return seconds / calls
