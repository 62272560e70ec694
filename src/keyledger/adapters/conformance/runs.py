"""One run: its start and its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, begin_and_end, moment, step
from keyledger.domain.audit.records import Run, RunInfo, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import (
    DuplicateRunError,
    InvokeDepthExceededError,
    RunNotFoundError,
)
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import MAX_INVOKE_DEPTH, TERMINAL
from keyledger.domain.values import JSONValue


class RunContract(Fixtures):
    """What one run does."""

    # --------------------------------------------------------------------------------------- start

    def test_a_run_that_started_is_running(self, runs: Runs) -> None:
        inputs: dict[str, JSONValue] = {"city": "Oslo", "days": [1, 2]}
        info = RunInfo("r-1", "weather", "ada", "slack", inputs, "r-0", "r-00", moment(5))
        run = runs.start(info)
        assert run == Run(
            id="r-1",
            skill_id="weather",
            caller_id="ada",
            channel_id="slack",
            inputs=inputs,
            started_at=moment(5),
            parent_run_id="r-0",
            root_run_id="r-00",
            status="running",
            finished_at=None,
        )
        assert runs.get("r-1") == run
        assert runs.logs("r-1") == ()

    def test_a_run_needs_an_id_and_a_skill_and_starts_now(self, runs: Runs, clock: ManualClock) -> None:
        clock.advance(1.000001)
        run = runs.start(RunInfo("r-1", "weather"))
        assert run == Run("r-1", "weather", "", "", {}, clock.now(), "", "r-1")
        assert runs.get("r-1") == run

    @pytest.mark.parametrize("run_id", ["é" * 128, "run:r-1", "__purges", "a b\n", "\U0010ffff" * 64, "%_*\\'\""])
    def test_an_id_is_any_name(self, runs: Runs, run_id: str) -> None:
        begin(runs, run_id, caller_id=run_id, channel_id=run_id, skill_id=run_id)
        step(runs, run_id)
        found = runs.get(run_id)
        assert (found.id, found.caller_id, found.channel_id, found.skill_id) == (run_id,) * 4
        assert [line.run_id for line in runs.logs(run_id)] == [run_id]

    def test_a_second_start_is_refused_and_changes_nothing(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        first = begin(runs, "r-1")
        for other in (runs, reopen().runs):
            with pytest.raises(DuplicateRunError, match="'r-1' was started before") as refused:
                begin(other, "r-1", skill_id="other")
            assert refused.value.run_id == "r-1"
        assert runs.get("r-1") == first
        runs.finish("r-1", RunStats("ok"))
        with pytest.raises(DuplicateRunError):
            begin(runs, "r-1")
        assert runs.get("r-1").status == "ok"

    def test_a_start_may_be_told_late_and_from_anywhere(self, runs: Runs) -> None:
        local = datetime(1999, 12, 31, 23, 59, 59, 999_999, timezone(timedelta(hours=-5)))
        run = runs.start(RunInfo("r-1", "weather", started_at=local))
        assert (run.started_at, run.started_at.tzinfo) == (local, UTC)
        assert runs.get("r-1") == run

    def test_a_start_may_be_5_seconds_ahead_of_the_clock(self, runs: Runs) -> None:
        ahead = START + timedelta(seconds=5)
        assert runs.start(RunInfo("r-1", "weather", started_at=ahead)).started_at == ahead
        runs.finish("r-1", RunStats("ok"))
        assert runs.get("r-1").finished_at == START

    def test_a_root_is_the_one_given_else_the_parents_else_the_parent_else_the_run(self, runs: Runs) -> None:
        told = [
            begin(runs, "top"),
            begin(runs, "given", root_run_id="r-00"),
            begin(runs, "below", parent_run_id="given"),
            begin(runs, "further", parent_run_id="below"),
            begin(runs, "elsewhere", parent_run_id="below", root_run_id="r-99"),
            begin(runs, "orphan", parent_run_id="unknown"),
        ]
        roots = ["top", "r-00", "r-00", "r-00", "r-99", "unknown"]
        assert [run.root_run_id for run in told] == roots
        assert [runs.get(run.id).root_run_id for run in told] == roots

    def test_runs_call_runs_16_deep_and_no_deeper(self, runs: Runs) -> None:
        begin(runs, "r-0")
        for depth in range(1, MAX_INVOKE_DEPTH + 1):
            begin(runs, f"r-{depth}", parent_run_id=f"r-{depth - 1}")
        with pytest.raises(InvokeDepthExceededError) as refused:
            begin(runs, "r-17", parent_run_id="r-16")
        assert (refused.value.parent_run_id, refused.value.depth, refused.value.max_depth) == ("r-16", 17, 16)
        with pytest.raises(RunNotFoundError):
            runs.get("r-17")
        begin(runs, "r-17", parent_run_id="r-15")

    def test_what_never_started_is_not_found(self, runs: Runs) -> None:
        for ask in (runs.get, runs.logs, runs.tree, runs.parent_chain):
            with pytest.raises(RunNotFoundError, match="skill run not found: 'r-1'") as refused:
                ask("r-1")
            assert (refused.value.run_id, refused.value.purged) == ("r-1", False)

    # --------------------------------------------------------------------------------------- finish

    def test_a_finish_says_how_the_run_ended(self, runs: Runs, clock: ManualClock) -> None:
        begun = begin(runs, "r-1", 0, caller_id="ada", inputs={"a": 1})
        step(runs, "r-1")
        clock.advance(3)
        runs.finish("r-1", RunStats("error", "12 °C\0", "late", 3, 1.25, 10, 20, 2**63 - 1))
        assert runs.get("r-1") == Run(
            **{name: getattr(begun, name) for name in ("id", "skill_id", "caller_id", "channel_id", "inputs")},
            started_at=moment(0),
            parent_run_id="",
            root_run_id="r-1",
            status="error",
            finished_at=clock.now(),
            output="12 °C\0",
            error="late",
            tool_calls_count=3,
            runtime_seconds=1.25,
            total_input_tokens=10,
            total_output_tokens=20,
            total_thinking_tokens=2**63 - 1,
        )

    def test_a_run_ends_in_one_of_these_ways(self, runs: Runs) -> None:
        for status in TERMINAL:
            begin_and_end(runs, status, status=status)
            found = runs.get(status)
            assert (found.status, found.finished_at) == (status, START)
            assert (found.runtime_seconds, found.output, found.error) == (0.0, "", "")

    def test_a_finish_said_again_is_nothing_and_otherwise_the_last_one_holds(
        self, reopen: Callable[..., Ledger], clock: ManualClock, ledger: Ledger
    ) -> None:
        runs, other = ledger.runs, reopen(clock=clock).runs
        stats = [RunStats("ok", "done", tool_calls=2), RunStats("error", error="no"), RunStats("ok", "done")]
        begin(runs, "r-1")
        for told in (stats[0], stats[0], stats[1], stats[1], stats[2], stats[0]):
            clock.advance(1)
            runs.finish("r-1", told)
            assert runs.get("r-1").status == told.status
            clock.advance(1)
            other.finish("r-1", told)
        found = runs.get("r-1")
        assert (found.tool_calls_count, found.error) == (2, "")
        assert found.finished_at == START + timedelta(seconds=11)
        assert len(ledger.storage.runs.events("run:r-1", 0, 100)) == 1 + 4

    def test_a_finish_is_said_again_where_another_process_said_otherwise(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        other = reopen().runs
        begin(runs, "r-1")
        for each, status in ((runs, "ok"), (other, "error"), (runs, "ok"), (other, "error")):
            each.finish("r-1", RunStats(status))
            assert (runs.get("r-1").status, other.get("r-1").status) == (status, status)

    def test_a_run_that_never_started_cannot_be_finished(self, runs: Runs) -> None:
        with pytest.raises(RunNotFoundError, match="skill run not found"):
            runs.finish("r-1", RunStats("ok"))
        begin(runs, "r-1")
        assert runs.get("r-1").status == "running"

    # ----------------------------------------------------------------------------------------- time

    def test_a_clock_that_jumps_back_does_not_take_a_run_along(
        self, reopen: Callable[..., Ledger], runs: Runs, clock: ManualClock
    ) -> None:
        begin(runs, "r-1")
        clock.advance(10)
        step(runs, "r-1")
        clock.advance(-8)
        other = reopen(clock=clock).runs
        assert [step(each, "r-1").created_at for each in (runs, other)] == [START + timedelta(seconds=10)] * 2
        other.finish("r-1", RunStats("ok"))
        assert runs.get("r-1").finished_at == START + timedelta(seconds=10)
        assert begin(runs, "r-2").started_at == START + timedelta(seconds=2)

    def test_another_process_sees_what_was_written_at_once(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        other = reopen().runs
        begin(runs, "r-1")
        assert other.get("r-1").status == "running"
        assert step(other, "r-1").sequence == 1
        assert step(runs, "r-1").sequence == 2
        other.finish("r-1", RunStats("ok"))
        assert step(runs, "r-1").sequence == 3
        assert runs.get("r-1").status == "ok"
        assert len(other.logs("r-1")) == 3
