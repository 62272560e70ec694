"""What is done to a ledger as a whole: rebuilding its read models, and opening it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import closing
from statistics import median
from time import perf_counter

import keyledger
from benchmarks.bench import Bench, Filling, Result
from benchmarks.crowds import in_a_process
from benchmarks.engines import NAMES, POSTGRES, SQLITE, Engine, Place
from benchmarks.rounds import alternate
from benchmarks.tables import Line, Table

REBUILT, QUICK_REBUILT = Filling(10_000, 100_000), Filling(200, 1_000)
OPENED = (Filling(10, 10), Filling(1_000_000, 1_000_000))
QUICK_OPENED = (Filling(10, 10), Filling(200, 200))
EVENTS_PER_SECOND = {SQLITE: 60_000, POSTGRES: 30_000}
OPENING_SECONDS = {SQLITE: 0.050, POSTGRES: 0.100}
_ROUNDS = 5

_REBUILD_NOTE = (
    "The inline read models (heads, current values, key history) dropped, made again from the events, and "
    "compared with what stood: `rebuild()`, the median of some runs. None found a difference."
)
_OPEN_NOTE = (
    "`keyledger.open()` of a ledger that exists, each time in a new process, once Python and its modules are "
    "loaded: what a program waits for beyond its imports. What a first `get` then takes stands beside it."
)


def run(bench: Bench) -> Sequence[Result]:
    """Two tables."""
    quick = bench.effort.quick
    headings = ("Engine", "Events", "Keys", "seconds", "events/s", "target")
    rebuilds = [_rebuild(bench, engine, QUICK_REBUILT if quick else REBUILT) for engine in bench.engines]
    openings = [
        _open(bench, engine, filling)
        for engine in bench.engines
        for filling in (QUICK_OPENED if quick else OPENED)
    ]
    columns = ("Engine", "Keys", "open, ms", "slowest", "first get, ms", "target")
    return (
        Table("Rebuild of the inline read models", headings, rebuilds, _REBUILD_NOTE),
        Table("Opening a ledger", columns, openings, _OPEN_NOTE),
    )


def _rebuild(bench: Bench, engine: Engine, filling: Filling) -> Line:
    with bench.filled(engine, filling) as place:
        bench.tell(f"{engine.name}: rebuilding {filling.revisions:,} events")
        (times,) = alternate(_ROUNDS, lambda: _rebuilding(place))
    rate, target = filling.revisions / median(times), EVENTS_PER_SECOND[engine.name]
    numbers = (f"{median(times):.2f}", f"{rate:,.0f}", f"≥ {target:,}")
    return Line((NAMES[engine.name], f"{filling.revisions:,}", f"{filling.keys:,}", *numbers), rate >= target)


def _rebuilding(place: Place) -> float:
    """Raises AssertionError if the rows were not those that the events make."""
    with closing(keyledger.open(place.url, quota=None)) as ledger:
        start = perf_counter()
        report = ledger.rebuild()
        seconds = perf_counter() - start
    if report.differences:
        raise AssertionError("\n".join(report.differences))
    return seconds


def _open(bench: Bench, engine: Engine, filling: Filling) -> Line:
    with bench.filled(engine, filling) as place:
        bench.tell(f"{engine.name}: opening a ledger of {filling.keys:,} keys")
        times = [in_a_process(opening, engine.name, place.url) for _ in range(_ROUNDS)]
    opens, gets = zip(*times, strict=True)
    took, target = median(opens), OPENING_SECONDS[engine.name]
    numbers = (took, max(opens), median(gets))
    cells = (NAMES[engine.name], f"{filling.keys:,}", *(f"{each * 1e3:.1f}" for each in numbers))
    return Line((*cells, f"≤ {target * 1e3:.0f}"), took <= target)


def opening(engine: str, url: str) -> tuple[float, float]:
    """The seconds that opening takes, and a first read: for a process of its own."""
    importlib.import_module(f"keyledger.adapters.{engine}.storage")
    start = perf_counter()
    with keyledger.open(url) as ledger:
        opened = perf_counter()
        ledger.partition("bench").get("city/000001")
        return opened - start, perf_counter() - opened
