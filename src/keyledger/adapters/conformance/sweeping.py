"""Retention: keys that outlived their runs, and runs that are old; with others sweeping at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import InvalidArgumentError, RunNotFoundError, StorageUnavailableError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Commit
from keyledger.domain.records import SweepReport
from keyledger.domain.run import TERMINAL

AGE = 3_600.0
MICROSECOND = 0.000001
SWEEPERS = 4


class SweepingContract(Fixtures):
    """What a sweep deletes of runs, and what it never does."""

    # ------------------------------------------------------------------------------- keys of a run

    def test_keys_of_a_run_go_when_it_finished_strictly_before_the_age(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        clock.advance(10)
        finish(runs, "r-1")
        clock.advance(AGE)
        assert sweep(ledger) == 0
        clock.advance(MICROSECOND)
        assert sweep(ledger) == 1
        assert kv.get("k", scope="run:r-1") is None

    def test_unless_said_otherwise_they_stay_for_seven_days(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        finish(runs, "r-1")
        clock.advance(timedelta(days=7).total_seconds())
        assert ledger.sweep().run_keys == 0
        clock.advance(MICROSECOND)
        assert ledger.sweep(run_keys_after=None).run_keys == 0
        assert ledger.sweep() == SweepReport(0, 1, 0, 0, 0, 0, complete=True)

    def test_keys_of_a_running_run_stay_however_long_it_runs(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        clock.advance(timedelta(days=3_650).total_seconds())
        assert sweep(ledger) == 0
        assert kv.get("k", scope="run:r-1") is not None

    def test_keys_of_a_run_that_nobody_started_stay(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        kv.set("k", 1, scope="run:not-audited")
        kv.set("k", 1, scope="run:__purges__")
        start(runs, "r-1")
        clock.advance(2 * AGE)
        assert runs.purge_older_than(clock.now()) == 1
        assert sweep(ledger) == 0

    def test_a_run_is_over_however_it_ended(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for status in TERMINAL:
            start(runs, status)
            kv.set("k", 1, scope=f"run:{status}")
            finish(runs, status, status)
        clock.advance(2 * AGE)
        assert sweep(ledger) == len(TERMINAL)

    def test_the_last_word_on_how_it_ended_is_when_it_ended(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        finish(runs, "r-1", "timeout")
        clock.advance(AGE)
        finish(runs, "r-1", "ok")
        clock.advance(AGE)
        assert sweep(ledger) == 0
        clock.advance(MICROSECOND)
        assert sweep(ledger) == 1

    @pytest.mark.parametrize("finished", [True, False])
    def test_keys_of_a_run_that_was_purged_go_when_that_was_strictly_before_the_age(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock, *, finished: bool
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        kv.set("k", 1, scope="root_run:r-1")
        clock.advance(9 * AGE)
        if finished:
            finish(runs, "r-1")
        assert runs.purge_older_than(clock.now()) == 1
        assert sweep(ledger) == 0
        clock.advance(AGE)
        assert ledger.rebuild().differences == ()
        assert sweep(ledger) == 0
        clock.advance(MICROSECOND)
        assert sweep(ledger) == 2

    def test_they_go_from_every_partition_and_nothing_else_goes(
        self, ledger: Ledger, runs: Runs, clock: ManualClock
    ) -> None:
        scopes = ("skill", "user:r-1", "run:r-1", "run:r-10", "run:r", "run:r-1:x", "root_run:r-10")
        start(runs, "r-1")
        for name in ("a", "b"):
            for scope in scopes:
                ledger.partition(name).set("k", name, scope=scope)
        finish(runs, "r-1")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 2
        for name in ("a", "b"):
            left = [scope for scope in scopes if ledger.partition(name).get("k", scope=scope)]
            assert left == [scope for scope in scopes if scope != "run:r-1"]

    def test_the_history_tells_who_deleted_them_and_usage_goes_down(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("a", "12345", scope="run:r-1")
        kv.set("b", 1, scope="run:r-1")
        kv.set("c", 123)
        finish(runs, "r-1")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 2
        ended, made = kv.history("a", scope="run:r-1")
        assert (ended.operation, ended.changed_by, ended.recorded_at) == (
            "delete",
            "system:retention",
            clock.now(),
        )
        assert (ended.run_id, ended.root_run_id, ended.tool) == (None, None, None)
        assert (made.value, made.run_id) == ("12345", "r-1")
        assert (kv.usage().used_bytes, kv.usage().live_keys) == (3, 1)
        assert ledger.rebuild().differences == ()

    def test_an_expired_key_of_a_finished_run_ends_by_its_expiry(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("short", 1, ttl=1, scope="run:r-1")
        kv.set("long", 1, ttl=9 * AGE, scope="run:r-1")
        finish(runs, "r-1")
        clock.advance(2 * AGE)
        report = ledger.sweep(run_keys_after=AGE)
        assert (report.expired, report.run_keys) == (1, 1)
        assert kv.history("short", scope="run:r-1")[0].operation == "expire"
        assert kv.history("long", scope="run:r-1")[0].operation == "delete"

    def test_what_is_written_after_the_end_goes_with_a_later_sweep(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        finish(runs, "r-1")
        clock.advance(2 * AGE)
        for _ in range(2):
            kv.set("k", 1, scope="run:r-1", if_revision=0)
            assert sweep(ledger) == 1

    # ------------------------------------------------------------------------------ keys of a tree

    def test_keys_of_a_tree_go_when_every_run_of_it_finished_before_the_age(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "root")
        start(runs, "child", parent="root")
        start(runs, "grandchild", parent="child")
        kv.set("k", 1, scope="root_run:root")
        for run in ("root", "child"):
            finish(runs, run)
        clock.advance(2 * AGE)
        assert sweep(ledger) == 0
        finish(runs, "grandchild")
        clock.advance(AGE)
        assert sweep(ledger) == 0
        clock.advance(MICROSECOND)
        assert sweep(ledger) == 1
        assert kv.get("k", scope="root_run:root") is None
        assert kv.usage(scope="root_run:root").used_bytes == 0
        ended = kv.history("k", scope="root_run:root")[0]
        assert (ended.operation, ended.changed_by) == ("delete", "system:retention")
        assert sweep(ledger) == 0

    def test_a_tree_goes_as_a_whole_and_its_neighbours_stay(
        self, ledger: Ledger, runs: Runs, clock: ManualClock
    ) -> None:
        for root in ("done", "done-not", "open"):
            start(runs, root)
            for name in ("a", "b"):
                ledger.partition(name).set(name, 1, scope=f"root_run:{root}")
        finish(runs, "done")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 2
        left = {each.id: each.usage.live_keys for each in ledger.partitions()}
        assert left == {"__root_run__": 4}

    def test_a_tree_in_which_no_run_is_known_stays(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for tree in ("not-audited", "__purges__"):
            kv.set("k", 1, scope=f"root_run:{tree}")
        start(runs, "r-1")
        clock.advance(2 * AGE)
        runs.purge_older_than(clock.now())
        assert sweep(ledger) == 0

    def test_a_tree_goes_by_its_known_runs_where_the_root_is_not_audited(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for run in ("one", "two"):
            start(runs, run, root="elsewhere")
        kv.set("k", 1, scope="root_run:elsewhere")
        finish(runs, "one")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 0
        finish(runs, "two")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 1

    def test_a_run_that_goes_on_keeps_the_tree_named_after_it_although_it_is_in_another(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1", root="elsewhere")
        kv.set("k", 1, scope="root_run:r-1")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 0
        finish(runs, "r-1")
        clock.advance(2 * AGE)
        assert sweep(ledger) == 1

    def test_a_purged_root_is_over_and_the_runs_that_are_left_decide(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "root")
        clock.advance(1)
        start(runs, "child", parent="root")
        kv.set("k", 1, scope="root_run:root")
        assert runs.purge_older_than(clock.now()) == 1
        clock.advance(2 * AGE)
        assert sweep(ledger) == 0
        finish(runs, "child")
        clock.advance(AGE)
        assert sweep(ledger) == 0
        clock.advance(MICROSECOND)
        assert sweep(ledger) == 1

    # ------------------------------------------------------------------------------ limit and resume

    def test_a_sweep_deletes_up_to_its_limit_and_the_next_one_goes_on(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for run in ("a", "b"):
            start(runs, run)
            for number in range(3):
                kv.set(f"{number}", 1, scope=f"run:{run}")
                kv.set(f"{number}", 1, scope=f"root_run:{run}")
            finish(runs, run)
        clock.advance(2 * AGE)
        done = [ledger.sweep(limit=5, run_keys_after=AGE) for _ in range(3)]
        assert [(report.run_keys, report.complete) for report in done] == [(5, False), (5, False), (2, True)]
        assert kv.usage().live_keys == 0

    def test_runs_that_go_on_are_in_nobodys_way(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for number in range(12):
            start(runs, f"{number:02}")
            kv.set("k", 1, scope=f"run:{number:02}")
            kv.set("k", 1, scope=f"root_run:{number:02}")
            if number % 3 == 1:
                finish(runs, f"{number:02}")
        clock.advance(2 * AGE)
        done = [ledger.sweep(limit=1, run_keys_after=AGE) for _ in range(9)]
        assert [report.run_keys for report in done] == [1] * 8 + [0]
        assert [report.complete for report in done] == [False] * 8 + [True]
        left = [number for number in range(12) if kv.get("k", scope=f"run:{number:02}")]
        assert left == [number for number in range(12) if number % 3 != 1]

    def test_a_complete_sweep_has_missed_nothing_that_came_behind_it(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for run in ("a", "b", "c"):
            start(runs, run)
            kv.set("k", 1, scope=f"run:{run}")
        for run in ("b", "c"):
            finish(runs, run)
        clock.advance(2 * AGE)
        assert ledger.sweep(limit=1, run_keys_after=AGE).run_keys == 1
        finish(runs, "a")
        clock.advance(2 * AGE)
        report = ledger.sweep(limit=3, run_keys_after=AGE)
        assert (report.run_keys, report.complete) == (2, True)

    def test_a_sweep_that_died_is_simply_run_again(
        self, reopen: Callable[..., Ledger], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger, other = reopen(clock=clock), reopen(clock=clock)
        for run in ("a", "b", "c"):
            start(ledger.runs, run)
            ledger.partition(f"p-{run}").set("k", 1, scope=f"run:{run}")
            finish(ledger.runs, run)
        clock.advance(2 * AGE)
        _fail_from_commit(2, ledger, monkeypatch)
        with pytest.raises(StorageUnavailableError):
            sweep(ledger)
        monkeypatch.undo()
        assert sweep(other) == 2
        assert sweep(ledger) == 0

    # --------------------------------------------------------------------------------- many at once

    def test_what_several_sweepers_did_adds_up_and_nothing_is_done_twice(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        ledger = reopen(clock=clock)
        kv = ledger.partition("p")
        for number in range(20):
            start(ledger.runs, f"{number}")
            for scope in (f"run:{number}", f"root_run:{number}"):
                with kv.batch() as batch:
                    for key in "abc":
                        batch.set(key, 1, scope=scope)
            if number % 2:
                finish(ledger.runs, f"{number}")
        clock.advance(2 * AGE)
        start(ledger.runs, "new")
        sweepers = [reopen(clock=clock) for _ in range(SWEEPERS)]
        reports = _at_once(sweepers, lambda each: each.sweep(limit=7, run_keys_after=AGE, runs_after=9 * AGE))
        reports += [ledger.sweep(run_keys_after=AGE)]
        assert sum(report.run_keys for report in reports) == 10 * 2 * 3
        for number in range(20):
            for scope in (f"run:{number}", f"root_run:{number}"):
                operations = [version.operation for version in kv.history("a", scope=scope)]
                assert operations == (["delete", "set"] if number % 2 else ["set"])
        assert ledger.rebuild().differences == ()

    def test_no_run_is_purged_twice_by_several_sweepers(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        ledger = reopen(clock=clock)
        for number in range(40):
            start(ledger.runs, f"{number}")
            finish(ledger.runs, f"{number}")
        clock.advance(2 * AGE)
        sweepers = [reopen(clock=clock) for _ in range(SWEEPERS)]
        reports = _at_once(sweepers, prune)
        assert sum(report.runs_purged for report in reports) == 40
        assert sum(purge.runs for purge in ledger.runs.purges()) == 40

    # ---------------------------------------------------------------------------------------- runs

    def test_runs_are_never_purged_unless_asked(self, ledger: Ledger, runs: Runs, clock: ManualClock) -> None:
        start(runs, "r-1")
        finish(runs, "r-1")
        clock.advance(timedelta(days=3_650).total_seconds())
        assert ledger.sweep().runs_purged == 0
        assert runs.get("r-1").status == "ok"

    def test_runs_are_purged_that_started_strictly_before_the_age(
        self, ledger: Ledger, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        clock.advance(AGE - 1)
        finish(runs, "r-1")
        clock.advance(1)
        start(runs, "r-2")
        finish(runs, "r-2")
        assert prune(ledger).runs_purged == 0
        clock.advance(MICROSECOND)
        assert prune(ledger).runs_purged == 1
        with pytest.raises(RunNotFoundError) as caught:
            runs.get("r-1")
        assert caught.value.purged
        assert runs.get("r-2").status == "ok"
        (purge,) = runs.purges()
        assert (purge.runs, purge.purged_by, purge.purged_at) == (1, "system:retention", clock.now())
        assert purge.before == START + timedelta(microseconds=1)

    @pytest.mark.parametrize("run_keys_after", [AGE, None])
    def test_no_sweep_purges_a_run_that_goes_on_or_takes_its_keys(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock, run_keys_after: float | None
    ) -> None:
        start(runs, "long")
        for scope in ("run:long", "root_run:long"):
            kv.set("k", 1, scope=scope)
        clock.advance(timedelta(days=31).total_seconds())
        report = ledger.sweep(run_keys_after=run_keys_after, runs_after=AGE)
        assert report == SweepReport(0, 0, 0, 0, 0, 0, complete=True)
        assert runs.get("long").status == "running"
        assert [kv.get("k", scope=scope) is None for scope in ("run:long", "root_run:long")] == [False, False]

    def test_an_old_run_that_finished_just_now_stays_as_long_as_its_keys(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        for scope in ("run:r-1", "root_run:r-1"):
            kv.set("k", 1, scope=scope)
        clock.advance(9 * AGE)
        finish(runs, "r-1")
        for _ in range(2):
            report = ledger.sweep(run_keys_after=2 * AGE, runs_after=AGE)
            assert (report.run_keys, report.runs_purged) == (0, 0)
            clock.advance(AGE)
        clock.advance(MICROSECOND)
        report = ledger.sweep(run_keys_after=2 * AGE, runs_after=AGE)
        assert (report.run_keys, report.runs_purged) == (2, 1)

    def test_runs_that_go_on_and_young_ones_keep_no_other_from_being_purged(
        self, ledger: Ledger, runs: Runs, clock: ManualClock
    ) -> None:
        for number in range(9):
            start(runs, f"{number}")
            if number % 3 == 1:
                finish(runs, f"{number}", TERMINAL[number // 3])
        clock.advance(2 * AGE)
        start(runs, "young")
        finish(runs, "young")
        done = [ledger.sweep(limit=2, run_keys_after=None, runs_after=AGE) for _ in range(2)]
        assert [(report.runs_purged, report.complete) for report in done] == [(2, False), (1, True)]
        assert runs.count_filtered() == 7

    def test_runs_are_purged_after_their_keys_so_that_none_waits_for_the_age_again(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        for number in range(5):
            start(runs, f"{number}")
            kv.set("k", 1, scope=f"run:{number}")
            finish(runs, f"{number}")
        clock.advance(2 * AGE)
        done = [ledger.sweep(limit=2, run_keys_after=AGE, runs_after=AGE) for _ in range(5)]
        assert [(report.run_keys, report.runs_purged, report.complete) for report in done] == [
            (2, 0, False),
            (2, 0, False),
            (1, 2, False),
            (0, 2, False),
            (0, 1, True),
        ]
        assert kv.usage().live_keys == 0

    @pytest.mark.parametrize("age", [0, -1, True, "7d", float("nan"), float("inf"), 1e300, timedelta(days=7)])
    @pytest.mark.parametrize("field", ["run_keys_after", "runs_after"])
    def test_an_age_is_a_number_of_seconds(self, ledger: Ledger, field: str, age: Any) -> None:
        with pytest.raises(InvalidArgumentError) as caught:
            ledger.sweep(**{field: age})
        assert caught.value.field == field

    def test_an_age_may_be_older_than_everything(
        self, ledger: Ledger, kv: Partition, runs: Runs, clock: ManualClock
    ) -> None:
        start(runs, "r-1")
        kv.set("k", 1, scope="run:r-1")
        finish(runs, "r-1")
        clock.advance(1)
        centuries = timedelta(days=2_000 * 365).total_seconds()
        assert ledger.sweep(run_keys_after=centuries, runs_after=centuries) == SweepReport(
            0, 0, 0, 0, 0, 0, complete=True
        )


def start(runs: Runs, run_id: str, *, parent: str = "", root: str = "") -> None:
    """Start a run."""
    runs.start(RunInfo(run_id, "weather", parent_run_id=parent, root_run_id=root))


def finish(runs: Runs, run_id: str, status: str = "ok") -> None:
    """Finish a run."""
    runs.finish(run_id, RunStats(status))


def sweep(ledger: Ledger) -> int:
    """Sweep; how many keys of runs went."""
    report = ledger.sweep(run_keys_after=AGE)
    assert report.complete
    return report.run_keys


def prune(ledger: Ledger) -> SweepReport:
    """Sweep old runs, and no keys."""
    return ledger.sweep(run_keys_after=None, runs_after=AGE)


def _at_once(ledgers: list[Ledger], work: Callable[[Ledger], SweepReport]) -> list[SweepReport]:
    """What ``work`` returns for each, having begun together and gone on until it was complete."""
    barrier = Barrier(len(ledgers))

    def until_complete(ledger: Ledger) -> list[SweepReport]:
        barrier.wait(30)
        reports = [work(ledger)]
        while not reports[-1].complete:
            reports.append(work(ledger))
        return reports

    with ThreadPoolExecutor(len(ledgers)) as pool:
        return [report for reports in pool.map(until_complete, ledgers) for report in reports]


def _fail_from_commit(number: int, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger's storage be unavailable from its commit ``number`` on."""
    commit, commits = ledger.storage.commit, list[Commit]()

    def failing(what: Commit) -> None:
        commits.append(what)
        if len(commits) >= number:
            raise StorageUnavailableError("gone")
        commit(what)

    monkeypatch.setattr(ledger.storage, "commit", failing)
