"""Threads that share one partition, whose writes are committed in groups, beside one hand-written writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import cycle
from random import Random
from statistics import median
from typing import NamedTuple, TypeVar

from benchmarks.bench import Bench, Filling, Result, check_revision
from benchmarks.charts import Lines
from benchmarks.crowds import Share, Tally, alone, in_threads
from benchmarks.engines import NAMES, POSTGRES, SQLITE, Engine, hand_written
from benchmarks.rounds import alternate
from benchmarks.sides import Keyledger, Side
from benchmarks.tables import Line, Table, at_least, reaches, spread
from benchmarks.workload import key, values

THREADS = (1, 4, 8, 16, 64)
TARGETS = {(SQLITE, 8): 1.2, (SQLITE, 64): 2.1, (POSTGRES, 8): 1.05, (POSTGRES, 64): 2.6}
DELAYS = (0.001, 0.005)
DELAYED_THREADS = (1, 8, 64)
KEYS = 1_000

_T = TypeVar("_T")
_HEADINGS = ("Engine", "Threads", "ours, set/s", "by hand, set/s", "ratio", "min … max")
_NOTE = (
    "Sets of known keys by as many threads, in one partition, beside one hand-written writer, which is the "
    "limit of who commits each set by itself. ratio = our throughput / its, the median of {rounds} "
    "alternating rounds."
)
_DELAY_NOTE = (
    "The same where every commit takes longer, as on a common disk: on PostgreSQL by `commit_delay` with "
    "`commit_siblings = 0`, which every flush of the log waits first; on SQLite each COMMIT, of both sides "
    "alike, first sleeps while it holds the file's write lock."
)


class Measured(NamedTuple):
    """What so many threads reached, and the one writer beside them, round by round."""

    engine: str
    threads: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """By round."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]


def run(bench: Bench) -> Sequence[Result]:
    """A table and a chart."""
    found = [each for engine in bench.engines for each in _measured(bench, engine, THREADS)]
    lines = [_line(each, TARGETS.get((each.engine, each.threads))) for each in found]
    title, note = "Threads in one partition", _NOTE.format(rounds=bench.effort.rounds)
    alt = "sets per second over the number of threads"
    return (
        Table(title, (*_HEADINGS, "target"), lines, note),
        Lines("threads", alt, _curves(found), "threads", "set/s"),
    )


def run_delayed(bench: Bench) -> Sequence[Result]:
    """The same for each delay of a commit."""
    lines: list[Line] = []
    for engine in bench.engines:
        for delay in DELAYS:
            for each in _measured(bench, engine, DELAYED_THREADS, delay):
                _check_delay(each, delay)
                line = _line(each, None)
                lines.append(Line((line.cells[0], f"{delay * 1e3:g} ms", *line.cells[1:-1])))
    headings = (_HEADINGS[0], "Delay", *_HEADINGS[1:])
    return (Table("With a simulated commit delay", headings, lines, _DELAY_NOTE, left=2),)


def _check_delay(measured: Measured, delay: float) -> None:
    """Raise if a commit took less, by hand or by our one thread."""
    alone = [*measured.theirs, *(measured.ours if measured.threads == 1 else ())]
    if max(alone) > 1 / delay:
        raise AssertionError(f"{max(alone):.0f} commits a second in spite of a delay of {delay} s")


def _measured(bench: Bench, engine: Engine, numbers: Sequence[int], delay: float = 0.0) -> Iterator[Measured]:
    """Raises AssertionError if a write was lost."""
    seconds, filling = max(bench.effort.seconds, 20 * delay), Filling(KEYS, KEYS)
    with bench.filled(engine, filling) as one, bench.filled(engine, filling) as other:
        tally, tally_by_hand = Tally(), Tally()
        with (
            engine.delayed(one, delay) as place,
            engine.delayed(other, delay) as place_by_hand,
            closing(Keyledger(place.url)) as ours,
            closing(hand_written(place_by_hand.url)) as theirs,
        ):
            by_hand = _setting(theirs, 0)
            for number in numbers:
                bench.tell(f"{engine.name}, {number} threads{f', {delay * 1e3:g} ms a commit' if delay else ''}")
                crowd = [_setting(ours, each) for each in range(number)]
                tally.rate(in_threads(crowd, seconds))  # the keys become known
                rates = alternate(
                    bench.effort.rounds,
                    partial(_rate, tally, in_threads, crowd, seconds),
                    partial(_rate, tally_by_hand, alone, by_hand, seconds),
                )
                yield Measured(engine.name, number, *rates)
        check_revision(one, KEYS + tally.calls)
        check_revision(other, KEYS + tally_by_hand.calls)


def _rate(tally: Tally, work: Callable[[_T, float], list[Share]], what: _T, seconds: float) -> float:
    return tally.rate(work(what, seconds))


def _setting(side: Side, number: int) -> Callable[[], object]:
    """Sets a known key at each call, in an order of its own."""
    random, some = Random(number), values()
    names = cycle(random.sample([key(each) for each in range(KEYS)], KEYS))
    return lambda: side.set(next(names), next(some))


def _line(measured: Measured, target: float | None) -> Line:
    ratio = median(measured.ratios)
    cells = (
        NAMES[measured.engine],
        str(measured.threads),
        f"{median(measured.ours):,.0f}",
        f"{median(measured.theirs):,.0f}",
        f"{ratio:.2f}",
        spread(measured.ratios),
        at_least(target),
    )
    return Line(cells, reaches(ratio, target))


def _curves(found: Sequence[Measured]) -> dict[str, dict[str, dict[float, float]]]:
    curves: dict[str, dict[str, dict[float, float]]] = {}
    for each in found:
        lines = curves.setdefault(NAMES[each.engine], {})
        lines.setdefault("keyledger", {})[each.threads] = median(each.ours)
        lines.setdefault("by hand, one writer", {})[each.threads] = median(each.theirs)
    return curves
