"""Reads of the past beside the present, beside the least SQL that reads it, and beside replaying the stream."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count, islice
from statistics import median
from time import perf_counter
from typing import Any

import orjson
import psycopg

from benchmarks.bench import Bench, Filling, Result
from benchmarks.engines import NAMES, SQLITE, Engine, Place
from benchmarks.rounds import Comparison, compare
from benchmarks.sides import Keyledger
from benchmarks.tables import Line, Table, microseconds, spread
from benchmarks.workload import PARTITION, SCOPE, key, stream
from keyledger.adapters.replay import LedgerApplication, partition

TARGETS = {SQLITE: 2.0, "postgres": 3.0}
"""The most that a read of the past may cost, in reads of the present."""

READS = (Filling(1, 1), Filling(1, 1_000), Filling(1, 1_000_000), Filling(1_000_000, 1_000_000))
QUICK_READS = (Filling(1, 1), Filling(200, 200))
LISTS = (Filling(1_000, 1_000), Filling(1_000, 10_000), Filling(1_000, 1_000_000))
QUICK_LISTS = (Filling(200, 400),)
_PAGE = 100
_FIRST_CALLS = 10

_READ_NOTE = (
    "`view.get` of the first key as it stood half-way through its partition's events, beside `get` now. By hand "
    "is a SELECT of the last version by then with its event, parsed. The view is made once: `at(revision)` is what"
    " that takes. Replaying builds the state of then from the stream, by the eventsourcing library's repository."
)
_LIST_NOTE = (
    f"A page of {_PAGE} keys: `view.list` of the last revision, so that both show the same, beside `list` now."
)
_VERSION = """
SELECT e.originator_version, e.state FROM stored_events AS e
WHERE e.originator_id = {0} AND e.originator_version = (
    SELECT v.revision FROM key_history AS v
    WHERE v.partition_id = {0} AND v.scope = {0} AND v.key = {0} AND v.revision <= {0}
    ORDER BY v.revision DESC LIMIT 1
)
"""


def run(bench: Bench) -> Sequence[Result]:
    """Two tables."""
    headings = ("Engine", "Keys", "Events", "past, µs", "now, µs", "past ÷ now", "min … max", "target")
    more = ("past by hand, µs", "`at(revision)`, µs", "replay, ms")
    reads, lists = (QUICK_READS, QUICK_LISTS) if bench.effort.quick else (READS, LISTS)
    read = [_read(bench, engine, filling) for engine in bench.engines for filling in reads]
    listed = [_list(bench, engine, filling) for engine in bench.engines for filling in lists]
    return (
        Table("A read of the past", (*headings, *more), read, _READ_NOTE),
        Table("A page of the past", headings[:-1], listed, _LIST_NOTE),
    )


def _read(bench: Bench, engine: Engine, filling: Filling) -> Line:
    bench.tell(f"{engine.name}: reads of the past, {filling.revisions:,} events of {filling.keys:,} keys")
    with bench.filled(engine, filling) as place, closing(Keyledger(place.url)) as side:
        then, first = max(filling.revisions // 2, 1), key(0)
        view, asked = side.kv.at(then), (stream(PARTITION), stream(PARTITION), SCOPE, first, then)
        assert view.get(first)
        compared = _compared(bench, lambda: view.get(first), lambda: side.get(first))
        with _by_hand(engine, place) as select:
            by_hand = _median(bench, lambda: orjson.loads(select(asked)[1]))
        making = _median(bench, lambda: side.kv.at(then))
        replay = _replay(side, then)
    target = TARGETS[engine.name]
    others = f"{by_hand * 1e6:,.1f}", f"{making * 1e6:,.1f}", f"{replay * 1e3:,.1f}"
    cells = (*_cells(engine, filling, compared), f"≤ {target:.0f}", *others)
    return Line(cells, round(1 / compared.ratio, 2) <= target)


def _list(bench: Bench, engine: Engine, filling: Filling) -> Line:
    bench.tell(f"{engine.name}: pages of the past, {filling.revisions:,} events of {filling.keys:,} keys")
    with bench.filled(engine, filling) as place, closing(Keyledger(place.url)) as side:
        view = side.kv.at(filling.revisions)
        assert len(view.list(limit=_PAGE)) == _PAGE
        compared = _compared(bench, lambda: view.list(limit=_PAGE), lambda: side.kv.list(limit=_PAGE))
    return Line(_cells(engine, filling, compared))


def _cells(engine: Engine, filling: Filling, compared: Comparison) -> tuple[str, ...]:
    times = microseconds(compared.ours), microseconds(compared.theirs)
    dearer = [1 / ratio for ratio in compared.ratios]
    sizes = f"{filling.keys:,}", f"{filling.revisions:,}"
    return NAMES[engine.name], *sizes, *times, f"{median(dearer):.2f}", spread(dearer)


def _compared(bench: Bench, past: Callable[[], object], now: Callable[[], object]) -> Comparison:
    calls = max(_FIRST_CALLS, round(bench.effort.seconds / _seconds(past, _FIRST_CALLS)))
    return compare(bench.effort.rounds, lambda: _seconds(past, calls), lambda: _seconds(now, calls))


def _median(bench: Bench, call: Callable[[], object]) -> float:
    calls = max(_FIRST_CALLS, round(bench.effort.seconds / _seconds(call, _FIRST_CALLS)))
    return median(_seconds(call, calls) for _ in range(bench.effort.rounds))


def _seconds(call: Callable[[], object], calls: int) -> float:
    start = perf_counter()
    for _ in islice(count(), calls):
        call()
    return (perf_counter() - start) / calls


def _replay(side: Keyledger, revision: int) -> float:
    """Seconds to build the state of a revision from the stream, once."""
    application = LedgerApplication(side.ledger.storage)  # type: ignore[arg-type]
    start = perf_counter()
    state: Any = application.repository.get(
        stream(PARTITION),
        version=revision,
        projector_func=partition,
    )
    assert state.revision == revision
    return perf_counter() - start


@contextmanager
def _by_hand(engine: Engine, place: Place) -> Iterator[Callable[[tuple[Any, ...]], Any]]:
    """What reads a version by then, on a connection of its own with its statement prepared."""
    if engine.name == SQLITE:
        with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"))) as lite:
            yield lambda values: lite.execute(_VERSION.format("?"), values).fetchone()
    else:
        with psycopg.connect(place.url, autocommit=True) as connection, connection.cursor(binary=True) as cursor:
            yield lambda values: cursor.execute(_VERSION.format("%s"), values, prepare=True).fetchone()
