"""What goes over a whole partition holds a part of it at a time: memory does not grow with keys or revisions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest

import keyledger
from keyledger.adapters import rebuild
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.domain import importer

KEYS, VALUE = 4_000, "x" * 2_000
WHOLE = KEYS * len(VALUE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def filled(reopen: Callable[..., keyledger.Ledger], clock: ManualClock) -> Iterator[keyledger.Ledger]:
    """A partition of many keys that will expire, and a key of many revisions."""
    with reopen(clock=clock, quota=None) as ledger:
        kv = ledger.partition("p")
        for start in range(0, KEYS, 1_000):
            with kv.batch() as batch:
                for number in range(start, start + 1_000):
                    batch.set(f"k{number:04}", VALUE, ttl=60)
                    batch.set("often", VALUE, scope="user:ada")
    with reopen(clock=clock, quota=None) as ledger:
        yield ledger


def count(items: Iterable[object]) -> int:
    return sum(1 for _ in items)


def sweep(ledger: keyledger.Ledger, clock: ManualClock) -> int:
    clock.advance(60)
    return ledger.sweep(limit=2 * KEYS).expired


TASKS: dict[str, Callable[[keyledger.Ledger, ManualClock], int]] = {
    "scan": lambda ledger, _: count(ledger.partition("p").scan()),
    "scan_history": lambda ledger, _: count(ledger.partition("p").scan_history("often", scope="user:ada")),
    "export_lines": lambda ledger, _: count(ledger.export_lines()) // 2,
    "export_lines, current": lambda ledger, _: count(ledger.export_lines("p", current=True)) - 1,
    "import_lines": lambda ledger, _: (
        ledger.import_lines(
            (line.replace('"p"', '"q"', 1) for line in ledger.export_lines("p")), source="s"
        ).imported
        // 2
    ),
    "rebuild": lambda ledger, _: ledger.rebuild().events // 2,
    "sweep": sweep,
    "delete_partition": lambda ledger, _: KEYS * ledger.delete_partition("p"),
}


@pytest.mark.parametrize("task", TASKS)
def test_it_holds_a_part_of_the_partition_at_a_time(
    task: str, filled: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "_BYTES_KEPT", 500_000)
    monkeypatch.setattr(importer, "BATCH", 50)
    monkeypatch.setattr(filled._writer._cache, "_max_bytes", 0)
    filled.partition("elsewhere").usage()
    tracemalloc.start()
    assert TASKS[task](filled, clock) == KEYS
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < WHOLE / 2
