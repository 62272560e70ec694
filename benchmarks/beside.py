"""Beside what a user would pick instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

from benchmarks.bench import Bench, Result
from benchmarks.engines import NAMES, Engine
from benchmarks.rivals.store import Rival, Store
from benchmarks.rounds import alternate
from benchmarks.sides import Keyledger
from benchmarks.tables import Line, Table
from benchmarks.workload import key, values
from benchmarks.ycsb import KEYS, MIXES, Runner

VALUE_SIZES = (64, 1_024, 16_384)
_MOST_ROUNDS = 7

_OURS = (
    "the value, an event, a row of history; revision, bytes used and live keys; actor, run, tool and request id"
)
_WRITES_NOTE = (
    "Each as its documentation opens it, one thread, one connection, every set a durable commit of its own."
)
_NOTE = (
    f"{KEYS:,} keys. `set` and `get` choose keys evenly; the mixes of YCSB by its zipfian distribution: A "
    "reads and updates by halves, B reads 95 % and updates 5 %, C reads only, F reads half and reads and then "
    "updates the other half. Our time a step, and for each rival its time / ours (median of {rounds} "
    "alternating rounds): above 1 keyledger is faster. Targets: above 1 beside LangGraph's store and ATLAS's "
    "upsert on `set` and `get`; at least 0.67 (within 1.5 times its time) beside the trigger on `set`."
)


class Times(NamedTuple):
    """Seconds a step took on a workload: ours, and each rival's, round by round."""

    value_size: int
    mix: str
    ours: tuple[float, ...]
    theirs: Sequence[tuple[float, ...]]


def run(bench: Bench) -> Sequence[Result]:
    """For each engine two tables: what each writes, and times."""
    return [table for engine in bench.engines for table in _tables(bench, engine)]


def _tables(bench: Bench, engine: Engine) -> Iterator[Table]:
    from benchmarks.rivals.field import RIVALS  # noqa: PLC0415 - nothing else needs the rivals installed

    rivals, name, rounds = RIVALS[engine.name], NAMES[engine.name], min(_MOST_ROUNDS, bench.effort.rounds)
    ours = Line(("keyledger", version("keyledger"), _OURS, rivals[0].durability))
    others = [
        Line((each.name, version(each.package) if each.package else "", each.writes, each.durability))
        for each in rivals
    ]
    headings = ("On " + name, "version", "a set writes", "durability")
    yield Table(f"What stands beside keyledger on {name}", headings, [ours, *others], _WRITES_NOTE, left=4)
    found = [
        times
        for value_size in (VALUE_SIZES[:1] if bench.effort.quick else VALUE_SIZES)
        for times in _measured(bench, engine, rivals, value_size)
    ]
    columns = ("Value", "Workload", "keyledger, µs", *(rival.name for rival in rivals))
    lines = [_line(times, rivals) for times in found]
    yield Table(f"Times of the alternatives on {name}", columns, lines, _NOTE.format(rounds=rounds), left=2)


class _Ours:
    """Ours, as a rival of its rivals."""

    def __init__(self, url: str) -> None:
        side = Keyledger(url)
        self.set, self._get, self.close = side.set, side.get, side.close

    def get(self, key: str) -> object:
        entry = self._get(key)
        return entry and entry.value


def _measured(bench: Bench, engine: Engine, rivals: Sequence[Rival], value_size: int) -> Iterator[Times]:
    with ExitStack() as stack:
        stores: list[Store] = []
        for make in (_Ours, *(rival.open for rival in rivals)):
            place = stack.enter_context(engine.place())
            stores.append(stack.enter_context(closing(make(place.url))))
            _fill(stores[-1], value_size)
        for name, mix in MIXES.items():
            bench.tell(f"{engine.name}, values of {value_size:,} bytes: {name}, and its rivals")
            runners = [Runner(store, mix, value_size, bench.effort.seconds) for store in stores]
            ours, *theirs = alternate(min(_MOST_ROUNDS, bench.effort.rounds), *(each.seconds for each in runners))
            yield Times(value_size, name, ours, theirs)


def _fill(store: Store, value_size: int) -> None:
    """Raises AssertionError if what was set is not what is got."""
    items = list(zip(map(key, range(KEYS)), values(value_size), strict=False))
    for name, value in items:
        store.set(name, value)
    for name, value in items:
        if store.get(name) != value:
            raise AssertionError(f"{store} gave back {store.get(name)!r} for {value!r}")


def _line(times: Times, rivals: Sequence[Rival]) -> Line:
    cells, verdicts = [], []
    for rival, theirs in zip(rivals, times.theirs, strict=True):
        ratio = median(other / ours for ours, other in zip(times.ours, theirs, strict=True))
        target = rival.bound.get(times.mix)
        cells.append(f"{ratio:.2f}")
        if target is not None:
            verdicts.append(round(ratio, 2) >= round(target, 2))
    size = f"{times.value_size} B" if times.value_size < 1_024 else f"{times.value_size // 1_024} KiB"
    ours_ = f"{median(times.ours) * 1e6:,.1f}"
    return Line((size, times.mix, ours_, *cells), all(verdicts) if verdicts else None)
