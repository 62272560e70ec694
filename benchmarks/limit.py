"""One thread beside hand-written SQL: each operation, at every size."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, product
from operator import attrgetter
from statistics import median
from typing import NamedTuple

from benchmarks.bench import Bench, Filling, Result, check_equal
from benchmarks.charts import Lines, Ratios
from benchmarks.engines import NAMES, POSTGRES, SQLITE, hand_written
from benchmarks.passes import BATCH, Timed
from benchmarks.rounds import Comparison, Effort, compare
from benchmarks.sides import Keyledger
from benchmarks.tables import Line, Table, at_least, microseconds, reaches, spread

OPERATIONS = {"get": "get", "set": "set", "cold": "set, cold keys", "batch": f"batch of {BATCH}"}
OF_REVISIONS = ("get", "set")
"""The operations that are also measured on one key with a long history."""

TARGETS = {
    (SQLITE, "set"): 0.85,
    (SQLITE, "cold"): 0.80,
    (SQLITE, "get"): 0.50,
    (SQLITE, "batch"): 0.60,
    (POSTGRES, "set"): 0.80,
    (POSTGRES, "cold"): 0.55,
    (POSTGRES, "get"): 0.85,
    (POSTGRES, "batch"): 0.60,
}
LARGEST_FALL = 0.1
"""By how much a ratio may fall from the smallest size to the largest."""

_FIRST_CALLS = 10
_NOTE = (
    "ratio = time by hand / our time, the median of {rounds} alternating rounds: 1.00 is as fast as "
    "hand-written SQL that does the same rows in one transaction with the same durability. A batch sets "
    f"{BATCH} different keys."
)


class Size(NamedTuple):
    """A partition of so many keys, or a key of so many revisions."""

    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.unit if self.number > 1 else self.unit.removesuffix('s')}"

    @property
    def filling(self) -> Filling:
        """What stands in the partition beforehand."""
        return Filling(self.number if self.unit == "keys" else 1, self.number)

    @property
    def operations(self) -> Sequence[str]:
        """What is measured at it."""
        return tuple(OPERATIONS) if self.unit == "keys" else OF_REVISIONS


SIZES = [Size(number, "keys") for number in (10, 1_000, 100_000, 1_000_000)]
SIZES += [Size(number, "revisions") for number in (1, 1_000, 1_000_000)]
QUICK_SIZES = [Size(10, "keys"), Size(200, "keys"), Size(1, "revisions"), Size(200, "revisions")]


@dataclass(frozen=True, slots=True)
class Measurement:
    """An operation at a size on an engine."""

    engine: str
    operation: str
    size: Size
    compared: Comparison


def run(bench: Bench) -> Sequence[Result]:
    """Two tables and two charts."""
    found = list(_measured(bench))
    note = _NOTE.format(rounds=bench.effort.rounds)
    headings = ("Engine", "Operation", "Size", "ours, µs", "by hand, µs", "ratio", "min … max", "target")
    moves = ("Engine", "Operation", "From", "To", "ratio from", "ratio to", "change")
    groups = [list(group) for _, group in groupby(found, key=attrgetter("engine", "size.unit", "operation"))]
    return (
        Table("Beside hand-written SQL", headings, [_line(each) for each in found], note, left=3),
        Ratios("ratios", "ratios to hand-written SQL, with the targets", _bars(found)),
        Table("From the smallest size to the largest", moves, [_move(group) for group in groups], left=4),
        Lines("sizes", "ratios to hand-written SQL over sizes", _curves(groups), "keys, or revisions", "ratio"),
    )


def _measured(bench: Bench) -> list[Measurement]:
    """Every operation at every size on every engine.

    Raises:
        AssertionError: the two sides have not written the same rows.
    """
    found: list[Measurement] = []
    for engine, size in product(bench.engines, QUICK_SIZES if bench.effort.quick else SIZES):
        with bench.filled(engine, size.filling) as place, bench.filled(engine, size.filling) as other:
            with closing(Keyledger(place.url)) as ours, closing(hand_written(other.url)) as theirs:
                sides = Timed(ours, size.filling.keys), Timed(theirs, size.filling.keys)
                for operation in size.operations:
                    bench.tell(f"{engine.name}, {size}: {OPERATIONS[operation]}")
                    compared = _compared(operation, bench.effort, *sides)
                    found.append(Measurement(engine.name, operation, size, compared))
            check_equal(place, other)
    engines, order = [engine.name for engine in bench.engines], list(OPERATIONS)
    return sorted(
        found, key=lambda each: (engines.index(each.engine), each.size.unit, order.index(each.operation))
    )


def _compared(operation: str, effort: Effort, ours: Timed, theirs: Timed) -> Comparison:
    for side in (ours, theirs):
        side.warm_up(operation)
    took, _ = [side.seconds(operation, _FIRST_CALLS) for side in (ours, theirs)]
    calls = max(_FIRST_CALLS, round(effort.seconds / took))
    return compare(effort.rounds, lambda: ours.seconds(operation, calls), lambda: theirs.seconds(operation, calls))


def _line(result: Measurement) -> Line:
    target, compared = TARGETS[result.engine, result.operation], result.compared
    cells = (
        NAMES[result.engine],
        OPERATIONS[result.operation],
        str(result.size),
        microseconds(compared.ours),
        microseconds(compared.theirs),
        f"{compared.ratio:.2f}",
        spread(compared.ratios),
        at_least(target),
    )
    return Line(cells, reaches(compared.ratio, target))


def _move(group: Sequence[Measurement]) -> Line:
    first, last = group[0], group[-1]
    change = last.compared.ratio / first.compared.ratio - 1
    cells = (
        NAMES[first.engine],
        OPERATIONS[first.operation],
        str(first.size),
        str(last.size),
        f"{first.compared.ratio:.2f}",
        f"{last.compared.ratio:.2f}",
        f"{change:+.0%}",
    )
    return Line(cells, change >= -LARGEST_FALL)


def _bars(found: Sequence[Measurement]) -> dict[str, dict[str, tuple[float, float | None]]]:
    """By engine, each operation's median over the sizes of a partition."""
    bars: dict[str, dict[str, tuple[float, float | None]]] = {}
    of_keys = [each for each in found if each.size.unit == "keys"]
    for (engine, operation), group in groupby(of_keys, key=attrgetter("engine", "operation")):
        ratio = median(each.compared.ratio for each in group)
        bars.setdefault(NAMES[engine], {})[OPERATIONS[operation]] = ratio, TARGETS[engine, operation]
    return bars


def _curves(groups: Sequence[Sequence[Measurement]]) -> dict[str, dict[str, dict[float, float]]]:
    """By engine, a line for each operation on keys and on revisions."""
    curves: dict[str, dict[str, dict[float, float]]] = {}
    for group in groups:
        first = group[0]
        name = OPERATIONS[first.operation] + (", one key" if first.size.unit == "revisions" else "")
        points: dict[float, float] = {each.size.number: each.compared.ratio for each in group}
        curves.setdefault(NAMES[first.engine], {})[name] = points
    return curves
