"""Measuring: alternating rounds of the same calls on both sides, so that both meet the same machine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from benchmarks.cases import Pass, Size, Workload
from benchmarks.engines import Engine, Pair
from benchmarks.sides import Side
from benchmarks.workload import Item

_FIRST_CALLS = 10


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and how long each of ours is to take."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """The seconds that one call took, in each round, on both sides."""

    engine: str
    operation: str
    size: Size
    ours: tuple[float, ...]
    hand_written: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """By round: 1 is as fast as hand-written, 0.5 takes twice as long."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.hand_written, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)


def measure(engine: Engine, size: Size, operations: Sequence[str], effort: Effort) -> Iterator[Measurement | None]:
    """Load a partition of that size on both sides, then measure each operation on it.

    The first thing to come is None: the partition stands.

    Raises:
        AssertionError: the two sides have not written the same rows.
    """
    with engine.pair() as pair:
        workload = Workload(size)
        _load(pair, workload.load())
        yield None
        for operation in operations:
            _warm_up(pair, workload.warm_up(operation))
            yield _alternate(engine.name, pair, workload, (operation, size), effort)
        pair.check_equal()


def _load(pair: Pair, items: Sequence[Item]) -> None:
    for side in (pair.ours, pair.hand_written):
        side.load(items)
        side.forget()
    pair.settle()


def _warm_up(pair: Pair, items: Sequence[Item]) -> None:
    for side in (pair.ours, pair.hand_written):
        for item in items:
            side.set(*item)


def _alternate(engine: str, pair: Pair, workload: Workload, what: tuple[str, Size], effort: Effort) -> Measurement:
    operation, size = what
    ours: list[float] = []
    hand_written: list[float] = []
    calls = _FIRST_CALLS
    for _ in range(effort.rounds + 1):
        passes = list(workload.passes(operation, calls))
        ours.append(_timed(pair.ours, operation, passes) / calls)
        hand_written.append(_timed(pair.hand_written, operation, passes) / calls)
        if len(ours) == 1:  # the first, short one only tells how many calls make a round
            calls = max(_FIRST_CALLS, round(effort.seconds / ours[0]))
    return Measurement(engine, operation, size, tuple(ours[1:]), tuple(hand_written[1:]))


def _timed(side: Side, operation: str, passes: Sequence[Pass]) -> float:
    actions: dict[str, Callable[..., object]] = {"get": side.get, "batch": side.batch}
    action = actions.get(operation, side.set)
    gc.collect()
    seconds = 0.0
    for calls, anchor in passes:
        if anchor is not None:
            side.forget()
            side.set(*anchor)
        start = perf_counter()
        for arguments in calls:
            action(*arguments)
        seconds += perf_counter() - start
    return seconds
