"""The memory of a process that works on a partition of a million keys, or on a key of a million revisions."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter

from benchmarks.bench import Bench, Filling, Result
from benchmarks.crowds import in_a_process
from benchmarks.engines import NAMES, Engine
from benchmarks.sides import Keyledger
from benchmarks.tables import Line, Table
from benchmarks.workload import PARTITION, chunks, key

MANY, QUICK_MANY = 1_000_000, 2_000
MOST_BYTES = 100_000_000
_WRITTEN, _READ = 200_000, 50_000
_BATCH = 100

_NOTE = (
    "The most memory (resident) that a process ever held beyond what it held after it had opened the ledger "
    "and made one call of each kind elsewhere in it. Each task has a new process and its own copy of the "
    "ledger. On PostgreSQL the server's memory is its own."
)


def run(bench: Bench) -> Sequence[Result]:
    """A table."""
    many = QUICK_MANY if bench.effort.quick else MANY
    lines = [_line(bench, engine, name, many) for engine in bench.engines for name in TASKS]
    headings = ("Engine", "Task", "seconds", "grew by, MB", "target")
    return (Table(f"Memory on {many:,} keys", headings, lines, _NOTE, left=2),)


def _line(bench: Bench, engine: Engine, name: str, many: int) -> Line:
    with bench.filled(engine, Filling(1 if name == "history" else many, many)) as place:
        bench.tell(f"{engine.name}: memory of {name}")
        seconds, grown = in_a_process(growth, name, place.url, many)
    cells = (
        NAMES[engine.name],
        _TOLD[name].format(many=many, read=min(many, _READ), written=min(many, _WRITTEN)),
        f"{seconds:.1f}",
        f"{grown / 1e6:.1f}",
    )
    return Line((*cells, f"≤ {MOST_BYTES / 1e6:.0f}"), grown <= MOST_BYTES)


def growth(name: str, url: str, many: int) -> tuple[float, int]:
    """The seconds and bytes that a task takes: for a process of its own."""
    with closing(Keyledger(url)) as side:
        _once(side)
        before, start = _start_watching(), perf_counter()
        TASKS[name](side, many)
        return perf_counter() - start, _peak() - before


def _once(side: Keyledger) -> None:
    kv = side.ledger.partition("elsewhere")
    kv.set("a", 1)
    with kv.batch() as batch:
        batch.set("a", 2)
    kv.get("a"), kv.list(), kv.history("a")


def _gets(side: Keyledger, many: int) -> None:
    for number in Random(1).sample(range(many), min(many, _READ)):
        side.get(key(number))


def _sets(side: Keyledger, many: int) -> None:
    numbers = Random(2).sample(range(many), min(many, _WRITTEN))
    for some in chunks(zip(map(key, numbers), numbers, strict=True), _BATCH):
        side.batch(some)


def _list(side: Keyledger, many: int) -> None:
    _check(many, side.kv.scan())


def _history(side: Keyledger, many: int) -> None:
    _check(many, side.kv.scan_history(key(0)))


def _export(side: Keyledger, many: int) -> None:
    _check(many, side.ledger.export_lines(PARTITION))


def _check(many: int, found: Iterable[object]) -> None:
    counted = sum(1 for _ in found)
    if counted != many:
        raise AssertionError(f"{counted} found of {many}")


def _rebuild(side: Keyledger, many: int) -> None:  # noqa: ARG001
    if differences := side.ledger.rebuild().differences:
        raise AssertionError("\n".join(differences))


TASKS: dict[str, Callable[[Keyledger, int], None]] = {
    "gets": _gets,
    "sets": _sets,
    "list": _list,
    "export": _export,
    "history": _history,
    "rebuild": _rebuild,
}
_TOLD = {
    "gets": "{read:,} gets",
    "sets": f"{{written:,}} sets in batches of {_BATCH}",
    "list": "all entries, by scan()",
    "export": "export of all events",
    "history": "all {many:,} versions of one key, by scan_history()",
    "rebuild": "rebuild of the read models",
}


# ---------------------------------------------------------------------------- what a process holds


_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def _start_watching() -> int:
    """The bytes held now; from here on the peak counts anew, where the system can do that."""
    if not _STATUS.exists():
        return _peak()
    _CLEAR.write_text(_RESET_PEAK)
    return _status("VmRSS")


def _peak() -> int:
    """The most bytes held since."""
    if _STATUS.exists():
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
