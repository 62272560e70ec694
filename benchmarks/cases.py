"""What is measured: operations on a partition of so many keys, or on one key of so many revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any, NamedTuple

from benchmarks.workload import Item, key, values

BATCH = 100
WORKING_SET = 1_000
"""The most keys that an operation on known keys chooses from."""

OPERATIONS = {"get": "get", "set": "set", "cold": "set, cold keys", "batch": f"batch of {BATCH}"}
"""By the names that the options use, in the order in which they are measured."""

OF_REVISIONS = ("get", "set")
"""The operations that are also measured on one key with a long history."""

TARGETS = {
    ("sqlite", "set"): 0.7,
    ("sqlite", "get"): 0.4,
    ("sqlite", "batch"): 0.4,
    ("postgres", "set"): 0.6,
    ("postgres", "get"): 0.7,
    ("postgres", "batch"): 0.4,
}
"""The least ratio to reach, by engine and operation. Cold keys have no target yet."""

LARGEST_FALL = 0.1
"""By how much a ratio may fall from the smallest size to the largest."""


class Pass(NamedTuple):
    """Calls that are timed; with an ``anchor`` on keys forgotten before, when only that item was set again."""

    calls: Sequence[tuple[Any, ...]]
    anchor: Item | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """A partition of so many keys, or a key of so many revisions."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.unit if self.number > 1 else self.unit.removesuffix('s')}"

    @property
    def operations(self) -> tuple[str, ...]:
        """What is measured at it."""
        return tuple(OPERATIONS) if self.unit == "keys" else OF_REVISIONS


SIZES = [Size(number, "keys") for number in (10, 1_000, 100_000)]
SIZES += [Size(number, "revisions") for number in (1, 1_000, 100_000)]
QUICK_SIZES = [Size(10, "keys"), Size(200, "keys"), Size(1, "revisions"), Size(200, "revisions")]


class Workload:
    """The calls for a partition of one size: each side gets the same ones in the same order."""

    def __init__(self, size: Size) -> None:
        self._size, self._random, self._values = size, Random(size.number), values()
        self._keys = [key(number) for number in range(size.number if size.unit == "keys" else 1)]
        self._known = self._random.sample(self._keys, min(WORKING_SET, len(self._keys)))
        others = self._random.sample(self._keys[1:], len(self._keys) - 1)
        batch = [*self._known, *map(key, range(len(self._known), BATCH))]
        self._pools = {"get": self._known, "set": self._known, "cold": others, "batch": batch}
        self._cycles = {operation: cycle(keys) for operation, keys in self._pools.items()}

    def load(self) -> list[Item]:
        """What fills the partition beforehand."""
        times = 1 if self._size.unit == "keys" else self._size.number
        return self._items(self._keys * times)

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
