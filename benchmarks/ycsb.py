"""The workloads of the comparison with rivals: sets, gets, and YCSB's mixes with its zipfian choice of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from random import Random
from time import perf_counter
from typing import NamedTuple

from benchmarks.rivals.store import Store
from benchmarks.workload import key, values
from keyledger.domain.values import JSONValue

KEYS = 1_000
_ZIPFIAN_CONSTANT = 0.99


class Mix(NamedTuple):
    """Shares of reads, updates, and reads followed by an update of the same key."""

    reads: float
    updates: float
    both: float = 0.0
    zipfian: bool = True


MIXES = {
    "set": Mix(0, 1, zipfian=False),
    "get": Mix(1, 0, zipfian=False),
    "YCSB A": Mix(0.5, 0.5),
    "YCSB B": Mix(0.95, 0.05),
    "YCSB C": Mix(1, 0),
    "YCSB F": Mix(0.5, 0, 0.5),
}


class Step(NamedTuple):
    """Read the key, or give it the value, or both in this order."""

    key: str
    reads: bool
    value: JSONValue


def steps(mix: Mix, value_size: int) -> Iterator[Step]:
    """Endlessly, and the same for everyone."""
    random, some = Random(17), values(value_size)
    keys = random.sample([key(number) for number in range(KEYS)], KEYS)  # the popular ones are not neighbours
    exponent = _ZIPFIAN_CONSTANT if mix.zipfian else 0
    weights = list(accumulate(1 / rank**exponent for rank in range(1, KEYS + 1)))
    kinds = list(accumulate(mix[:3]))
    while True:
        (name,) = random.choices(keys, cum_weights=weights)
        (kind,) = random.choices(("read", "update", "both"), cum_weights=kinds)
        yield Step(name, kind != "update", None if kind == "read" else next(some))


class Runner:
    """A store on a workload."""

    def __init__(self, store: Store, mix: Mix, value_size: int, seconds: float) -> None:
        self._store, self._steps = store, steps(mix, value_size)
        self._calls = 5
        self._calls = max(5, round(seconds / self.seconds()))

    def seconds(self) -> float:
        """What one of the next steps took; there are as many of them as fill a round."""
        some = list(islice(self._steps, self._calls))
        start = perf_counter()
        _take(self._store, some)
        return (perf_counter() - start) / self._calls


def _take(store: Store, some: Sequence[Step]) -> None:
    for name, reads, value in some:
        if reads:
            store.get(name)
        if value is not None:
            store.set(name, value)
