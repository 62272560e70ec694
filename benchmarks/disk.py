"""Bytes on disk for each revision, beside the hand-written tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice

from benchmarks.bench import Bench, Filling, Result, check_equal, load
from benchmarks.engines import NAMES, SQLITE, Engine, Place, hand_written
from benchmarks.rivals.trigger import TriggerPostgres, TriggerSQLite
from benchmarks.sides import Keyledger, Side
from benchmarks.tables import Line, Table
from benchmarks.workload import chunks

VALUE_SIZES = (64, 1_024)
FILLING, QUICK_FILLING = Filling(5_000, 50_000), Filling(200, 2_000)
MOST = 1.5
_BATCH = 100
_SHARE_OF_TRIGGER = 5

_NOTE = (
    "By how much the database grew, at rest (checkpointed, on PostgreSQL vacuumed), for each of "
    "{revisions:,} revisions of {keys:,} keys, a tenth of them set one by one and the rest in batches of "
    f"{_BATCH}: events, current values, history and every index. By hand are the same rows by hand-written "
    "SQL. The audit trigger's tables hold each value twice as well, but neither revisions nor what usage, "
    "conditions and retries need; a fifth as many."
)


def run(bench: Bench) -> Sequence[Result]:
    """A table."""
    filling = QUICK_FILLING if bench.effort.quick else FILLING
    lines = [
        _line(bench, engine, filling._replace(value_size=size)) for engine in bench.engines for size in VALUE_SIZES
    ]
    headings = ("Engine", "Value", "ours, B/revision", "by hand", "audit trigger", "ours / by hand", "target")
    return (Table("Bytes on disk", headings, lines, _NOTE.format(**filling._asdict()), left=2),)


def _line(bench: Bench, engine: Engine, filling: Filling) -> Line:
    bench.tell(f"{engine.name}: writing {filling.revisions:,} values of {filling.value_size:,} bytes")
    with engine.place() as place, engine.place() as other:
        ours, by_hand = _grown(place, Keyledger, filling), _grown(other, hand_written, filling)
        check_equal(place, other)
    with engine.place() as place:
        audited = _grown_by_trigger(engine, place, filling)
    ratio = ours / by_hand
    cells = (
        NAMES[engine.name],
        f"{filling.value_size:,} B",
        *(f"{each:,.0f}" for each in (ours, by_hand, audited)),
    )
    return Line((*cells, f"{ratio:.2f}", f"≤ {MOST:.2f}"), round(ratio, 2) <= MOST)


def _grown(place: Place, open_side: Callable[[str], Side], filling: Filling) -> float:
    load(place, Filling(1, 1))
    before, items = place.size(), filling.items()
    with closing(open_side(place.url)) as side:
        for item in islice(items, filling.keys):
            side.set(*item)
        for some in chunks(items, _BATCH):
            side.batch(some)
    place.settle()
    return (place.size() - before) / filling.revisions


def _grown_by_trigger(engine: Engine, place: Place, filling: Filling) -> float:
    share = filling._replace(
        keys=filling.keys // _SHARE_OF_TRIGGER, revisions=filling.revisions // _SHARE_OF_TRIGGER
    )
    with closing(TriggerSQLite(place.url) if engine.name == SQLITE else TriggerPostgres(place.url)) as store:
        place.settle()
        before = place.size()
        for item in share.items():
            store.set(*item)
    place.settle()
    return (place.size() - before) / share.revisions
