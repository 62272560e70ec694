"""A run's log, and what a run may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyledger.adapters.conformance import strategies
from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin, begin_and_end, moment, step
from keyledger.domain.audit.arguments import MAX_PAYLOAD_BYTES
from keyledger.domain.audit.records import RunLog, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import (
    DuplicateSequenceError,
    RunNotFoundError,
)
from keyledger.domain.ledger import Ledger
from keyledger.domain.run import LOG_TYPES, MAX_SEQUENCE, MAX_SEQUENCE_GAPS
from keyledger.domain.values import MAX_INTEGER, JSONValue


class RunLogContract(Fixtures):
    """What a run's log holds, and what a run may say."""

    # ------------------------------------------------------------------------------------------ log

    def test_a_line_gets_the_next_number_and_the_time(self, runs: Runs, clock: ManualClock) -> None:
        begin(runs, "r-1")
        clock.advance(1)
        told = [runs.append_log(RunLog("r-1", event_type, {"of": event_type})) for event_type in LOG_TYPES]
        assert told == [
            RunLog("r-1", event_type, {"of": event_type}, number, clock.now())
            for number, event_type in enumerate(LOG_TYPES, 1)
        ]
        assert list(runs.logs("r-1")) == told

    def test_the_time_of_a_line_is_the_ledgers_to_say(self, runs: Runs) -> None:
        begin(runs, "r-1")
        assert runs.append_log(RunLog("r-1", "step", created_at=moment(0))).created_at == START

    def test_a_log_is_read_in_the_order_of_its_numbers(self, runs: Runs) -> None:
        begin(runs, "r-1")
        given_numbers: list[int | None] = [5, None, 0, 3, None, 1, 4]
        assert [step(runs, "r-1", each).sequence for each in given_numbers] == [5, 6, 0, 3, 7, 1, 4]
        assert [line.sequence for line in runs.logs("r-1")] == [0, 1, 3, 4, 5, 6, 7]

    def test_a_number_in_use_is_refused_whoever_writes(self, reopen: Callable[..., Ledger], runs: Runs) -> None:
        begin(runs, "r-1")
        step(runs, "r-1", None, {"n": 1})
        step(runs, "r-1", 7, {"n": 7})
        for other in (runs, reopen().runs):
            for number in (1, 7):
                with pytest.raises(DuplicateSequenceError, match=f"sequence {number} of run 'r-1' is taken") as no:
                    step(other, "r-1", number)
                assert (no.value.run_id, no.value.sequence) == ("r-1", number)
        assert [line.payload for line in runs.logs("r-1")] == [{"n": 1}, {"n": 7}]

    def test_every_run_counts_for_itself(self, runs: Runs) -> None:
        for run_id in ("r-1", "r-2", "r-1x"):
            begin(runs, run_id)
        assert [step(runs, run_id).sequence for run_id in ("r-1", "r-2", "r-1x", "r-2")] == [1, 1, 1, 2]
        assert [len(runs.logs(run_id)) for run_id in ("r-1", "r-2", "r-1x")] == [1, 2, 1]

    def test_a_line_may_follow_the_highest_number_that_may_be_named(
        self, reopen: Callable[..., Ledger], runs: Runs
    ) -> None:
        begin(runs, "r-1")
        numbers = [step(each, "r-1", number).sequence for each, number in ((runs, MAX_SEQUENCE), (runs, None))]
        numbers.append(step(reopen().runs, "r-1").sequence)
        assert numbers == [MAX_SEQUENCE, MAX_SEQUENCE + 1, MAX_SEQUENCE + 2]
        assert [line.sequence for line in reopen().runs.logs("r-1")] == numbers

    def test_beyond_100_gaps_the_lowest_is_closed(self, reopen: Callable[..., Ledger], runs: Runs) -> None:
        begin(runs, "r-1")
        for number in range(1, 2 * MAX_SEQUENCE_GAPS + 4, 2):
            step(runs, "r-1", number)
        for other in (runs, reopen().runs):
            with pytest.raises(DuplicateSequenceError):
                step(other, "r-1", 2)
        assert step(reopen().runs, "r-1", 4).sequence == 4
        assert len(runs.logs("r-1")) == MAX_SEQUENCE_GAPS + 3

    def test_a_finished_run_can_still_be_logged_to_and_stays_finished(self, runs: Runs) -> None:
        begin_and_end(runs, "r-1", status="timeout")
        assert [step(runs, "r-1").sequence for _ in range(2)] == [1, 2]
        assert runs.get("r-1").status == "timeout"

    def test_a_run_that_never_started_cannot_be_logged_to(self, runs: Runs) -> None:
        for sequence in (None, 1):
            with pytest.raises(RunNotFoundError, match="skill run not found"):
                step(runs, "r-1", sequence)
        begin(runs, "r-1")
        assert runs.logs("r-1") == ()

    # --------------------------------------------------------------------------------- what it says

    def test_any_json_object_reads_back_as_it_was(self, runs: Runs) -> None:
        @settings(max_examples=20, deadline=None)
        @given(said=st.dictionaries(strategies.texts(), strategies.json_values(), max_size=3))
        @example(said={"": "\0", "value": ',"value":{"}', "ö": [0.1, -0.0, MAX_INTEGER, None]})
        def reads_back(said: dict[str, Any]) -> None:
            run_id = f"r-{runs.count_by_skill('weather')}"
            begin(runs, run_id, inputs=said)
            step(runs, run_id, None, said)
            assert repr(runs.get(run_id).inputs) == repr(said)
            assert [repr(line.payload) for line in runs.logs(run_id)] == [repr(said)]

        reads_back()

    def test_what_a_run_says_may_be_as_long_as_the_cap(self, runs: Runs) -> None:
        longest = "é" * (MAX_PAYLOAD_BYTES // 2)
        said: dict[str, JSONValue] = {"a": "x" * (MAX_PAYLOAD_BYTES - len('{"a":""}'))}
        begin(runs, "r-1", inputs=said)
        step(runs, "r-1", None, said)
        runs.finish("r-1", RunStats("ok", longest, longest))
        found = runs.get("r-1")
        assert (found.inputs, found.output, found.error) == (said, longest, longest)
        assert runs.logs("r-1")[0].payload == said

    def test_a_redaction_sees_what_runs_say_before_it_is_written(self, reopen: Callable[..., Ledger]) -> None:
        seen: list[tuple[str, Any]] = []

        def redact(kind: str, value: Any) -> Any:
            seen.append((kind, value))
            if isinstance(value, str):
                return value.replace("secret", "*")
            return dict.fromkeys(value, "*")

        runs, plain = reopen(redact=redact).runs, reopen().runs
        said: dict[str, JSONValue] = {"key": "secret"}
        assert begin(runs, "r-1", inputs=said).inputs == {"key": "*"}
        assert step(runs, "r-1", None, said).payload == {"key": "*"}
        runs.finish("r-1", RunStats("error", "a secret", "no secret"))
        assert seen == [("inputs", said), ("payload", said), ("output", "a secret"), ("error", "no secret")]
        found = plain.get("r-1")
        assert (found.inputs, found.output, found.error) == ({"key": "*"}, "a *", "no *")
        assert [line.payload for line in plain.logs("r-1")] == [{"key": "*"}]

    def test_a_redaction_is_given_a_copy_to_change(self, reopen: Callable[..., Ledger]) -> None:
        def redact(_: str, value: Any) -> Any:
            value["nested"]["key"] = "*"
            return value

        said: dict[str, JSONValue] = {"nested": {"key": "secret"}}
        runs = reopen(redact=redact).runs
        begin(runs, "r-1", inputs=said)
        assert said == {"nested": {"key": "secret"}}
        assert runs.get("r-1").inputs == {"nested": {"key": "*"}}

    def test_empty_texts_are_not_shown_to_a_redaction(self, reopen: Callable[..., Ledger]) -> None:
        runs = reopen(redact=lambda kind, value: value if kind == "inputs" else 1 / 0).runs
        begin_and_end(runs, "r-1")
        assert runs.get("r-1").output == ""
