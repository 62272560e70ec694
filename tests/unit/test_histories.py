"""A narrowed history looks at no version outside of its time and its run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import keyledger
from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.domain.past.history import OPERATIONS
from keyledger.domain.ports import HistoryFilter

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> Iterator[keyledger.Ledger]:
    """A partition in which each of ten runs wrote ten versions of two keys, at 0:00, 1:00 and so on."""
    with keyledger.open("memory://", clock=clock) as ledger:
        for run in range(10):
            kv = ledger.partition("p", run_id=f"r-{run}")
            for number in range(10):
                kv.set("a", number)
                kv.set("b", number)
            clock.advance(3600)
        yield ledger


@pytest.fixture
def looked_at(ledger: keyledger.Ledger, monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """The revisions among which the storage was asked to look."""
    asked: list[range] = []
    history = ledger.storage.history

    def spied(*given: Any) -> Any:
        *_, before, _, wanted = given
        assert isinstance(wanted, HistoryFilter)
        asked.append(range(wanted.first, before))
        return history(*given)

    monkeypatch.setattr(ledger.storage, "history", spied)
    return asked


@pytest.mark.parametrize(
    ("filters", "revisions"),
    [
        ({"since": START + 5 * HOUR}, range(101, 201)),
        ({"until": START + 5 * HOUR}, range(1, 101)),
        ({"since": START + 2 * HOUR, "until": START + 3 * HOUR}, range(41, 61)),
        ({"since": START + 2 * HOUR, "before": 50}, range(41, 50)),
        ({"run_id": "r-3"}, range(61, 81)),
        ({"run_id": "r-3", "until": START + 3 * HOUR}, range(61, 61)),
        ({"run_id": "r-none"}, range(1, 1)),
    ],
)
def test_times_and_runs_become_revisions(
    ledger: keyledger.Ledger, looked_at: list[range], filters: dict[str, Any], revisions: range
) -> None:
    found = [version.revision for version in ledger.partition("p").scan_history("b", **filters)]
    assert looked_at == [revisions]
    assert found == [revision for revision in reversed(revisions) if revision % 2 == 0]


def test_a_time_is_looked_up_once_for_all_pages(
    ledger: keyledger.Ledger, looked_at: list[range], monkeypatch: pytest.MonkeyPatch
) -> None:
    kv = ledger.partition("p")
    for number in range(250):
        kv.set("a", number)
    kv.get("a")
    loads: list[str] = []
    load = ledger.storage.load

    def counted(stream: str, *given: Any) -> Any:
        loads.append(stream)
        return load(stream, *given)

    monkeypatch.setattr(ledger.storage, "load", counted)
    assert len(list(kv.scan_history("a", since=START + 10 * HOUR))) == 250
    assert len(looked_at) == 3
    assert len(loads) == 1


def test_what_came_after_the_time_was_looked_up_is_not_taken_for_it(
    ledger: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kv, history = ledger.partition("p"), ledger.storage.history

    def late(*given: Any) -> Any:
        kv.set("a", "late")
        return history(*given)

    monkeypatch.setattr(ledger.storage, "history", late)
    assert kv.history("a", since=clock.now() + HOUR).items == ()


def test_whatever_happens_to_a_key_can_be_asked_for(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    kv = ledger.partition("p")
    kv.increment("a")
    kv.delete("a")
    kv.restore("a", 1)
    kv.set("a", 1, ttl=1)
    clock.advance(2)
    kv.set("a", 1)
    copied = kv.fork("q").history("a")
    ledger.delete_partition("p")
    assert {version.operation for version in (*kv.scan_history("a"), *copied)} == set(OPERATIONS)
