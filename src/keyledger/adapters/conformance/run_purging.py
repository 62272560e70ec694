"""Taking runs out of the ledger: what goes, what stays, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, begin_and_end, ids, moment, step
from keyledger.domain.audit.ports import RunSession
from keyledger.domain.audit.purging import RETENTION_ACTOR
from keyledger.domain.audit.records import RunFilter, RunPurge, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import DuplicateRunError, RunNotFoundError, StorageUnavailableError
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import PURGES_STREAM, Purged, RunPurged


class RunPurgingContract(Fixtures):
    """What a purge does."""

    # ---------------------------------------------------------------------------------- which and how many

    def test_runs_that_started_strictly_before_are_purged_and_counted(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        for at in range(4):
            begin_and_end(runs, f"r-{at}", at)
        assert runs.purge_older_than(moment(0)) == 0
        assert runs.purge_older_than(moment(2)) == 2
        assert ids(runs.filtered()) == ids(reopen().runs.filtered()) == ["r-3", "r-2"]
        assert runs.purge_older_than(moment(2)) == 0
        assert runs.purge_older_than(moment(2.000001)) == 1

    def test_the_start_alone_decides(self, runs: Runs, clock: ManualClock) -> None:
        begin(runs, "running", 0)
        begin(runs, "young", 2)
        runs.finish("young", RunStats("ok"))
        begin_and_end(runs, "dry", 0, "dry_run")
        begin(runs, "ended later", 0)
        clock.advance(100)
        runs.finish("ended later", RunStats("ok"))
        assert runs.purge_older_than(moment(1)) == 3
        assert ids(runs.filtered(RunFilter(include_dry_run=True))) == ["young"]

    def test_a_purge_goes_by_batches_oldest_first(self, runs: Runs) -> None:
        for at in range(5):
            begin(runs, f"r-{at}", -at)
        assert runs.purge_batch(moment(1), 2) == 2
        assert ids(runs.filtered()) == ["r-0", "r-1", "r-2"]
        assert [runs.purge_batch(moment(1), 2) for _ in range(3)] == [2, 1, None]

    # ------------------------------------------------------------------------------------------ what goes

    def test_a_purged_run_is_not_found_and_says_why(self, reopen: Callable[..., Ledger], runs: Runs) -> None:
        begin(runs, "r-1", 0)
        step(runs, "r-1")
        runs.purge_older_than(moment(1))
        for other in (runs, reopen().runs):
            for ask in (other.get, other.logs, other.tree, other.parent_chain):
                with pytest.raises(RunNotFoundError, match="skill run not found: 'r-1' was purged") as refused:
                    ask("r-1")
                assert (refused.value.run_id, refused.value.purged) == ("r-1", True)

    def test_a_purged_run_is_in_no_list(self, runs: Runs) -> None:
        begin(runs, "top", 0, caller_id="ada")
        begin_and_end(runs, "r-1", 0, parent_run_id="top", caller_id="ada")
        begin_and_end(runs, "r-2", 2, parent_run_id="r-1", caller_id="bob", skill_id="other")
        assert runs.purge_older_than(moment(1)) == 2
        assert runs.by_skill("weather") == runs.by_caller("ada") == runs.children("top") == ()
        assert runs.count_by_skill("weather") == 0
        assert runs.count_filtered() == 1
        assert runs.last_by_skills(["weather"]) == {}
        assert ids(runs.finished_before(START + timedelta(days=1), 9)) == ["r-2"]
        assert ids(runs.tree("r-2")) == ids(runs.parent_chain("r-2")) == ids(runs.children("r-1")) == ["r-2"]

    def test_all_that_a_run_said_leaves_the_log_itself(self, ledger: Ledger, clock: ManualClock) -> None:
        runs = ledger.runs
        begin(runs, "r-1", 0, inputs={"key": "secret"})
        step(runs, "r-1", 7, {"key": "secret"})
        runs.finish("r-1", RunStats("error", "secret", "secret"))
        clock.advance(60)
        runs.purge_older_than(moment(1), actor="eve")
        events = ledger.storage.runs.events("run:r-1", 0, 100)
        assert [type(event) for event in events] == [Purged, Purged, Purged, RunPurged]
        assert [event.originator_version for event in events] == [1, 2, 3, 4]
        assert {event.recorded_at for event in events} == {clock.now()}
        assert [event.changed_by for event in events] == [None, None, None, "eve"]
        assert "secret" not in str(events)

    def test_what_other_runs_said_stays(self, runs: Runs) -> None:
        for at, run_id in enumerate(("r-1", "r-10", "r-1/2", "r")):
            begin(runs, run_id, at)
            step(runs, run_id, None, {"of": run_id})
        runs.purge_older_than(moment(1))
        assert [runs.logs(run_id)[0].payload for run_id in ("r-10", "r-1/2", "r")] == [
            {"of": "r-10"},
            {"of": "r-1/2"},
            {"of": "r"},
        ]
        assert step(runs, "r").sequence == 2

    # ----------------------------------------------------------------------------------------- what stays

    def test_the_id_of_a_purged_run_stays_used(self, reopen: Callable[..., Ledger], runs: Runs) -> None:
        begin(runs, "r-1", 0)
        runs.purge_older_than(moment(1))
        for other in (runs, reopen().runs):
            with pytest.raises(DuplicateRunError):
                begin(other, "r-1")
            with pytest.raises(RunNotFoundError, match="was purged"):
                step(other, "r-1")
            with pytest.raises(RunNotFoundError, match="was purged"):
                other.finish("r-1", RunStats("ok"))
        assert runs.purge_older_than(START) == 0

    def test_another_process_notices_that_its_run_was_purged(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        begin(runs, "r-1", 0)
        step(runs, "r-1")
        assert reopen().runs.purge_older_than(moment(1)) == 1
        with pytest.raises(RunNotFoundError, match="was purged"):
            step(runs, "r-1")
        with pytest.raises(RunNotFoundError, match="was purged"):
            runs.finish("r-1", RunStats("ok"))

    def test_what_the_run_wrote_stays_written(self, ledger: Ledger, runs: Runs) -> None:
        begin(runs, "r-1", 0)
        ledger.partition("p", run_id="r-1").set("a", 1)
        runs.purge_older_than(moment(1))
        assert [write.version.value for write in runs.writes("r-1")] == [1]
        assert runs.count_writes(["r-1"]) == {"r-1": 1}

    def test_a_run_below_a_purged_one_takes_it_for_its_root(self, runs: Runs) -> None:
        begin(runs, "top", 0)
        begin(runs, "r-1", 0, parent_run_id="top")
        runs.purge_older_than(moment(1))
        assert begin(runs, "r-2", parent_run_id="r-1").root_run_id == "r-1"

    def test_a_rebuild_finds_what_the_purge_left(self, ledger: Ledger, runs: Runs, clock: ManualClock) -> None:
        for at in range(4):
            begin_and_end(runs, f"r-{at}", at)
            step(runs, f"r-{at}", 5 * at)
        clock.advance(1)
        runs.purge_older_than(moment(2))
        before = (runs.filtered(), runs.purges(), [runs.logs(f"r-{at}") for at in (2, 3)])
        assert ledger.rebuild().differences == ()
        assert (runs.filtered(), runs.purges(), [runs.logs(f"r-{at}") for at in (2, 3)]) == before
        with pytest.raises(RunNotFoundError, match="was purged"):
            runs.get("r-1")
        with pytest.raises(DuplicateRunError):
            begin(runs, "r-1")

    # ------------------------------------------------------------------------------------------- totals

    def test_the_total_of_each_batch_is_kept_with_who_and_when(
        self, reopen: Callable[..., Ledger], runs: Runs, clock: ManualClock
    ) -> None:
        assert runs.purges().items == ()
        for at in range(5):
            begin(runs, f"r-{at}", at)
        runs.purge_older_than(moment(3), actor="eve")
        clock.advance(1)
        reopen(clock=clock).runs.purge_older_than(moment(9))
        told = [
            RunPurge(2, moment(9), RETENTION_ACTOR, clock.now()),
            RunPurge(3, moment(3), "eve", START),
        ]
        assert list(runs.purges()) == told
        assert runs.purges().next is None

    @pytest.mark.parametrize("error", [StorageUnavailableError("gone"), ZeroDivisionError("a bug")])
    def test_a_purge_that_fails_midway_counts_what_it_did(
        self, reopen: Callable[..., Ledger], runs: Runs, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        for at in range(5):
            begin(runs, f"r-{at}", at)
        other = reopen()
        with monkeypatch.context() as patch:
            _refuse(other, patch, {"run:r-3": error})
            with pytest.raises(type(error)):
                other.runs.purge_older_than(moment(9))
        assert [purge.runs for purge in runs.purges()] == [3]
        assert runs.purge_older_than(moment(9)) == 2
        assert [purge.runs for purge in runs.purges()] == [2, 3]

    def test_a_purge_that_cannot_even_count_tells_what_failed_first(
        self, reopen: Callable[..., Ledger], runs: Runs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for at in range(2):
            begin(runs, f"r-{at}", at)
        other = reopen()
        errors = {stream: StorageUnavailableError(stream) for stream in ("run:r-1", PURGES_STREAM)}
        _refuse(other, monkeypatch, errors)
        with pytest.raises(StorageUnavailableError, match="run:r-1"):
            other.runs.purge_older_than(moment(9))
        assert (runs.count_filtered(), runs.purges().items) == (1, ())

    def test_a_purge_of_nothing_says_nothing(self, runs: Runs) -> None:
        begin(runs, "r-1", 5)
        assert runs.purge_older_than(moment(5)) == 0
        assert runs.purge_batch(moment(5), 10) is None
        assert runs.purges().items == ()

    def test_totals_come_in_pages(self, runs: Runs) -> None:
        for at in range(5):
            begin(runs, f"r-{at}", at)
            runs.purge_older_than(moment(at + 1))
        page = runs.purges(limit=2)
        assert ([each.before for each in page], page.next) == ([moment(5), moment(4)], 4)
        second = runs.purges(limit=2, before=4)
        assert ([each.before for each in second], second.next) == ([moment(3), moment(2)], 2)
        last = runs.purges(limit=2, before=2)
        assert ([each.before for each in last], last.next) == ([moment(1)], None)
        assert runs.purges(limit=5).next is None

    def test_the_totals_are_no_run(self, ledger: Ledger, runs: Runs) -> None:
        begin(runs, "r-1", 0)
        runs.purge_older_than(moment(1))
        assert runs.filtered(RunFilter(include_dry_run=True)) == ()
        assert runs.purge_older_than(START + timedelta(days=1)) == 0
        assert ledger.rebuild().differences == ()
        assert len(runs.purges()) == 1


def _refuse(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, errors: Mapping[str, Exception]) -> None:
    """Let a ledger that has not written these streams yet fail to."""
    exclusive = ledger.storage.runs.exclusive

    def failing(stream: str) -> AbstractContextManager[RunSession]:
        if stream in errors:
            raise errors[stream]
        return exclusive(stream)

    monkeypatch.setattr(ledger.storage.runs, "exclusive", failing)
