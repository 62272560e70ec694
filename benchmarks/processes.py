"""Processes: several on one partition, where they race for its head, and each on a partition of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from itertools import cycle
from random import Random
from statistics import median
from typing import NamedTuple

from benchmarks.bench import Bench, Filling, Result, check_revision, load
from benchmarks.crowds import Processes, Tally
from benchmarks.engines import NAMES, POSTGRES, SQLITE, Engine, hand_written
from benchmarks.rounds import alternate
from benchmarks.sides import Keyledger, Side
from benchmarks.tables import Line, Table, at_least, reaches, spread
from benchmarks.workload import PARTITION, key, values

PROCESSES = 8
KEYS = 100
TARGETS = {SQLITE: 0.5, POSTGRES: 0.8}
APART_TARGET = 0.8
COUNTER = "calls"

_TOGETHER = (
    f"{PROCESSES} processes write to one partition, beside one process of keyledger that has a partition to "
    f"itself; `set` chooses among the same {KEYS} keys in each process, `increment` is of one counter. After "
    "the rounds the partition's revision, its events and the counter were what all calls together make: no "
    "update was lost."
)
_APART = (
    f"{PROCESSES} processes, each in a partition of its own, beside {PROCESSES} processes that write the same "
    "rows by hand on a connection each."
)


class Setter:
    """Sets one of the keys at each call; all of them exist and are known."""

    def __init__(self, side: Side, number: int) -> None:
        self._side, self._values = side, values()
        keys = Random(number).sample([key(each) for each in range(KEYS)], KEYS)
        for each in keys:
            side.set(each, next(self._values))
        self._keys = cycle(keys)

    def __call__(self) -> object:
        """Set the next."""
        return self._side.set(next(self._keys), next(self._values))

    def close(self) -> None:
        """Release the connections."""
        self._side.close()


class Incrementer:
    """Increments the counter that all share at each call."""

    def __init__(self, side: Keyledger) -> None:
        self._side = side

    def __call__(self) -> object:
        """Count one."""
        return self._side.kv.increment(COUNTER)

    def close(self) -> None:
        """Release the connections."""
        self._side.close()


def setter(url: str, number: int, partition: str = PARTITION) -> Setter:
    """A worker of ours."""
    return Setter(Keyledger(url, partition), number)


def setter_by_hand(url: str, number: int, partition: str) -> Setter:
    """A worker that writes by hand."""
    return Setter(hand_written(url, partition), number)


def incrementer(url: str, number: int) -> Incrementer:  # noqa: ARG001 - all are alike
    """A worker of ours."""
    return Incrementer(Keyledger(url))


class Rates(NamedTuple):
    """Calls a second of the many processes, and of what stands beside them, round by round."""

    many: tuple[float, ...]
    beside: tuple[float, ...]

    def line(self, cells: Sequence[str], target: float | None) -> Line:
        """The row of a table, after the cells that name it."""
        ratios = [many / beside for many, beside in zip(*self, strict=True)]
        ratio = median(ratios)
        numbers = (f"{median(self.many):,.0f}", f"{median(self.beside):,.0f}", f"{ratio:.2f}", spread(ratios))
        return Line((*cells, *numbers, at_least(target)), reaches(ratio, target))


def run(bench: Bench) -> Sequence[Result]:
    """A table of one partition, and one of many on PostgreSQL."""
    together = [
        _together(bench, engine, name).line((NAMES[engine.name], name), TARGETS[engine.name])
        for engine in bench.engines
        for name in ("set", "increment")
    ]
    headings = (
        "Engine",
        "Operation",
        f"{PROCESSES} processes, per s",
        "one, per s",
        "ratio",
        "min … max",
        "target",
    )
    tables = [Table(f"{PROCESSES} processes in one partition", headings, together, _TOGETHER, left=2)]
    apart = [
        _apart(bench, engine).line((NAMES[engine.name], "set"), APART_TARGET)
        for engine in bench.engines
        if engine.name == POSTGRES  # on SQLite all writers of a file take turns anyway
    ]
    if apart:
        headings = ("Engine", "Operation", "ours, per s", "by hand, per s", "ratio", "min … max", "target")
        tables.append(Table(f"{PROCESSES} processes in {PROCESSES} partitions", headings, apart, _APART, left=2))
    return tables


def _together(bench: Bench, engine: Engine, operation: str) -> Rates:
    """Raises AssertionError if an update was lost."""
    make, first = (setter, KEYS) if operation == "set" else (incrementer, 0)
    filling, tally = Filling(KEYS, KEYS), Tally()
    bench.tell(f"{engine.name}, {PROCESSES} processes, one partition: {operation}")
    with bench.filled(engine, filling) as place, bench.filled(engine, filling) as other:
        with (
            Processes(make, [(place.url, number) for number in range(PROCESSES)]) as many,
            Processes(make, [(other.url, 0)]) as one,
        ):
            rates = _rates(bench, (many, tally), (one, Tally()))
        check_revision(place, KEYS + PROCESSES * first + tally.calls)
        if operation == "increment":
            _check_counter(place.url, tally.calls)
    return rates


def _apart(bench: Bench, engine: Engine) -> Rates:
    """Raises AssertionError if an update was lost."""
    bench.tell(f"{engine.name}, {PROCESSES} processes, {PROCESSES} partitions")
    tally, tally_by_hand = Tally(), Tally()
    partitions = [f"{PARTITION}-{number}" for number in range(PROCESSES)]
    with engine.place() as place, engine.place() as other:
        for each in (place, other):
            load(each, Filling(KEYS, KEYS), partitions)
        with (
            Processes(setter, [(place.url, *each) for each in enumerate(partitions)]) as ours,
            Processes(setter_by_hand, [(other.url, *each) for each in enumerate(partitions)]) as theirs,
        ):
            rates = _rates(bench, (ours, tally), (theirs, tally_by_hand))
        check_revision(place, 2 * KEYS * PROCESSES + tally.calls)
        check_revision(other, 2 * KEYS * PROCESSES + tally_by_hand.calls)
    return rates


def _rates(bench: Bench, *crowds: tuple[Processes, Tally]) -> Rates:
    seconds = 4 * bench.effort.seconds
    sides = [partial(_rate, crowd, tally, seconds) for crowd, tally in crowds]
    return Rates(*alternate(bench.effort.rounds, *sides))


def _rate(crowd: Processes, tally: Tally, seconds: float) -> float:
    return tally.rate(crowd.round(seconds))


def _check_counter(url: str, calls: int) -> None:
    with closing(Keyledger(url)) as side:
        counter = side.kv.get(COUNTER)
    if counter is None or counter.value != calls:
        raise AssertionError(f"{calls} increments, yet the counter is {counter}")
