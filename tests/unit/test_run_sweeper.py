"""Going round the scopes: in pages, from where the last sweep ended, looking at what stays once a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.domain.audit import sweeper as run_sweeper
from keyledger.domain.audit.ports import RunStatus
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.ports import Commit, ReadEntry

PAGE = 3
AGE = 60.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[keyledger.Ledger]:
    monkeypatch.setattr(run_sweeper, "_PAGE", PAGE)
    monkeypatch.setattr(run_sweeper, "_PER_COMMAND", 2)
    with keyledger.open("memory://", clock=clock) as ledger:
        yield ledger


@pytest.fixture
def asked(ledger: keyledger.Ledger, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams of runs that a sweep asked the storage about."""
    found: list[str] = []
    statuses = ledger.storage.runs.statuses

    def counted(streams: Sequence[str]) -> list[RunStatus]:
        assert 0 < len(streams) <= PAGE
        found.extend(streams)
        return statuses(streams)

    monkeypatch.setattr(ledger.storage.runs, "statuses", counted)
    return found


def begin(ledger: keyledger.Ledger, runs: int, scope: str) -> None:
    """Start runs 00, 01, … and give each a key in a scope of its own."""
    for number in range(runs):
        ledger.runs.start(keyledger.RunInfo(f"{number:02}", "weather"))
        ledger.partition("p").set("k", 1, scope=f"{scope}:{number:02}")


def finish(ledger: keyledger.Ledger, number: int) -> None:
    ledger.runs.finish(f"{number:02}", keyledger.RunStats("ok"))


def sweep(ledger: keyledger.Ledger, limit: int) -> keyledger.SweepReport:
    return ledger.sweep(limit=limit, run_keys_after=AGE)


@pytest.mark.parametrize("scope", ["run", "root_run"])
def test_what_stays_is_looked_at_once_a_round_however_many_sweeps_it_takes(
    ledger: keyledger.Ledger, clock: ManualClock, asked: list[str], scope: str
) -> None:
    begin(ledger, 60, scope)
    for number in range(5, 60, 6):
        finish(ledger, number)
    clock.advance(2 * AGE)
    sweeps = 1
    while not sweep(ledger, limit=1).complete:
        sweeps += 1
    assert sweeps == 11
    rounds, again = 2 * 60, sweeps * PAGE  # the last sweep goes round once more; each reads its first page again
    assert len(asked) <= rounds + again


def test_a_tree_that_was_emptied_is_passed_over(
    ledger: keyledger.Ledger, clock: ManualClock, asked: list[str]
) -> None:
    begin(ledger, 20, "root_run")
    for number in range(20):
        if number != 11:
            finish(ledger, number)
    clock.advance(2 * AGE)
    assert sweep(ledger, limit=99).run_keys == 19
    asked.clear()
    assert sweep(ledger, limit=99).run_keys == 0
    assert asked == ["run:11"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_every_round_misses_nothing_and_deletes_nothing_else(
    ledger: keyledger.Ledger, clock: ManualClock, limit: int
) -> None:
    for number in range(25):
        ledger.runs.start(keyledger.RunInfo(f"{number:02}", "weather"))
        for scope in ("run", "root_run"):
            for key in "abcde"[: number % 5 + 1]:
                ledger.partition(f"p{number % 2}").set(key, 1, scope=f"{scope}:{number:02}")
    for step in (2, 3, 5, 1):
        due = {number for number in range(25) if number % step == 0}
        for number in due:
            finish(ledger, number)
        clock.advance(2 * AGE)
        before = live(ledger)
        reports = [sweep(ledger, limit)]
        while not reports[-1].complete:
            reports.append(sweep(ledger, limit))
        assert all(report.run_keys == limit for report in reports[:-1])
        assert sum(report.run_keys for report in reports) == sum(before[number] for number in due)
        assert live(ledger) == {number: 0 if number in due else before[number] for number in range(25)}


def live(ledger: keyledger.Ledger) -> dict[int, int]:
    """How many keys each run has left, its own and its tree's."""
    return {
        number: sum(
            len(ledger.partition(f"p{number % 2}").list(scope=f"{scope}:{number:02}"))
            for scope in ("run", "root_run")
        )
        for number in range(25)
    }


def test_a_sweep_that_ends_in_the_middle_of_a_scope_goes_on_there(
    ledger: keyledger.Ledger, clock: ManualClock, asked: list[str]
) -> None:
    begin(ledger, 9, "run")
    for key in "abcdefg":
        ledger.partition("p").set(key, 1, scope="run:04")
    finish(ledger, 4)
    clock.advance(2 * AGE)
    assert sweep(ledger, limit=3).run_keys == 3
    asked.clear()
    assert sweep(ledger, limit=3).run_keys == 3
    assert asked == ["run:04", "run:05", "run:06"]


def test_the_keys_of_a_scope_are_deleted_some_at_a_time(
    ledger: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, 1, "run")
    for key in "abcd":
        ledger.partition("p").set(key, 1, scope="run:00")
    finish(ledger, 0)
    clock.advance(2 * AGE)
    commits: list[int] = []
    commit = ledger.storage.commit

    def counted(what: Commit) -> None:
        commits.append(len(what.events))
        commit(what)

    monkeypatch.setattr(ledger.storage, "commit", counted)
    assert sweep(ledger, limit=99).run_keys == 5
    assert commits == [2, 2, 1]


def test_a_tree_that_a_run_joins_while_it_is_looked_at_stays(
    ledger: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, 1, "root_run")
    finish(ledger, 0)
    clock.advance(2 * AGE)
    unfinished_trees = ledger.storage.runs.unfinished_trees

    def joined(roots: Sequence[str], cutoff: datetime) -> set[str]:
        ledger.runs.start(keyledger.RunInfo("late", "weather", root_run_id="00"))
        return unfinished_trees(roots, cutoff)

    monkeypatch.setattr(ledger.storage.runs, "unfinished_trees", joined)
    assert sweep(ledger, limit=99).run_keys == 0


def test_a_key_that_expires_while_it_is_deleted_is_not_counted_as_deleted(
    ledger: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, 1, "run")
    ledger.partition("p").set("short", 1, ttl=3 * AGE, scope="run:00")
    finish(ledger, 0)
    clock.advance(2 * AGE)
    list_entries = ledger.storage.list_entries

    def slow(*arguments: Any) -> list[ReadEntry]:
        found = list_entries(*arguments)
        clock.advance(AGE)
        return found

    monkeypatch.setattr(ledger.storage, "list_entries", slow)
    assert sweep(ledger, limit=99).run_keys == 1
    assert ledger.partition("p").history("short", scope="run:00")[0].operation == "expire"


def test_a_sweep_that_is_interrupted_counts_the_runs_that_it_purged(
    ledger: keyledger.Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(ledger, 3, "run")
    for number in range(3):
        finish(ledger, number)
    clock.advance(2 * AGE)
    execute = RunWriter.execute

    def interrupted(self: RunWriter, stream: str, *arguments: Any, **more: Any) -> Any:
        if stream == "run:02":
            raise KeyboardInterrupt
        return execute(self, stream, *arguments, **more)

    monkeypatch.setattr(RunWriter, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ledger.sweep(run_keys_after=AGE, runs_after=AGE)
    assert [purge.runs for purge in ledger.runs.purges()] == [2]
