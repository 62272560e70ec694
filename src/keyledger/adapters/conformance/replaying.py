"""Runs done again in forks of what they started from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin
from keyledger.domain.audit.records import RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    InvalidArgumentError,
    PartitionExistsError,
    RunNotFoundError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.replay_report import ReplayDifference, ReplayReport, Sandbox
from keyledger.domain.run import run_stream


def found_in(report: ReplayReport) -> ReplayDifference:
    """The difference that a replay found."""
    assert report.difference is not None
    return report.difference


def brief(difference: ReplayDifference) -> tuple[Any, ...]:
    """What was done with which key, what it gave then and gives now, and which change explains it."""
    then, now, cause = difference.then, difference.now, difference.cause
    return (
        difference.operation,
        difference.key,
        then and then.value,
        now and now.value,
        cause and cause.revision,
    )


def everything(ledger: Ledger, but: str) -> dict[str, list[Any]]:
    """Every event of every partition whose name is without ``but``, and of the run r-1."""
    storage = ledger.storage
    names = (name for name, _ in storage.all_streams() if but not in name)
    found: dict[str, list[Any]] = {name: storage.events(name, 0, 1_000) for name in names}
    return found | {"r-1": storage.runs.events(run_stream("r-1"), 0, 1_000)}


class ReplayContract(Fixtures):
    """What a replay of a run tells, and leaves alone."""

    @pytest.fixture
    def bob(self, ledger: Ledger) -> Partition:
        """The partition as somebody else holds it."""
        return ledger.partition("weather", actor="bob")

    @pytest.fixture
    def agent(self, ledger: Ledger, runs: Runs, bob: Partition) -> Partition:
        """The partition as run r-1 of tree r-0 holds it, which records its reads; a is 1, b is 2, n is 5."""
        bob.set("a", 1)
        bob.set("b", 2)
        bob.set("n", 5)
        begin(runs, "r-1", root_run_id="r-0")
        return ledger.partition(
            "weather", actor="ada", run_id="r-1", root_run_id="r-0", tool="kv_set", record_reads=True
        )

    # -------------------------------------------------------------------------------------- alike

    def test_a_run_that_nobody_disturbed_comes_out_as_it_had(self, ledger: Ledger, agent: Partition) -> None:
        agent.get("a")
        agent.get("missing")
        agent.set("a", {"deep": [1]})
        agent.get("a")
        agent.increment("n", 2)
        agent.increment("new", 3, initial_value=10)
        agent.delete("b")
        agent.get("b")
        agent.set("b", "again")
        agent.list()
        report = ledger.replay("r-1", "sandbox")
        assert report.difference is None
        assert (report.run_id, report.purged) == ("r-1", False)
        assert (report.writes, report.reads, report.agreed) == (5, 7, 12)
        assert [(entry.key, entry.value) for entry in ledger.partition("sandbox").list()] == [
            ("a", {"deep": [1]}),
            ("b", "again"),
            ("n", 7),
            ("new", 13),
        ]

    def test_the_sandbox_says_what_it_began_as_and_whose_writes_were_done_again(
        self, ledger: Ledger, agent: Partition
    ) -> None:
        agent.set("a", 9)
        report = ledger.replay("r-1", "sandbox", actor="carol")
        assert report.sandboxes == (Sandbox(str(agent.at(run="r-1")), "sandbox"),)
        done, copied = ledger.partition("sandbox").history("a")
        assert (copied.operation, copied.changed_by, copied.copied_from) == ("copy", "carol", 3)
        assert (done.operation, done.changed_by, done.tool) == ("set", "ada", "kv_set")
        assert (done.run_id, done.root_run_id) == (None, None)

    def test_nothing_of_the_run_or_of_what_it_touched_changes(
        self, ledger: Ledger, runs: Runs, agent: Partition, bob: Partition
    ) -> None:
        agent.get("a")
        agent.set("a", 2, ttl=60)
        agent.set("k", 1, scope="root_run:r-0")
        bob.increment("n")
        agent.increment("n")
        agent.get("n")
        assert len(runs.reads("r-1")) == 2
        before = everything(ledger, "sandbox")
        ledger.replay("r-1", "sandbox")
        assert everything(ledger, "sandbox") == before
        assert runs.count_writes(["r-1"]) == {"r-1": 3}

    def test_a_run_may_be_done_again_any_number_of_times(self, ledger: Ledger, agent: Partition) -> None:
        agent.increment("n")
        reports = [ledger.replay("r-1", into) for into in ("one", "two")]
        assert [(report.agreed, report.difference) for report in reports] == [(1, None), (1, None)]

    def test_what_was_written_since_is_not_looked_at(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.get("a")
        agent.increment("n")
        bob.set("a", "other")
        bob.delete("n")
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_the_same_value_is_no_difference_whoever_wrote_it(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        bob.set("o", {"x": 1, "y": 2})
        agent.set("mine", 1)
        bob.set("a", 1)
        bob.set("o", {"y": 2, "x": 1})
        agent.get("a")
        agent.get("o")
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (3, None)

    def test_a_batch_is_done_again_as_one(self, ledger: Ledger, agent: Partition) -> None:
        with agent.batch() as batch:
            batch.set("x", 1, ttl=60)
            batch.increment("x", 4)
            batch.delete("a")
            batch.increment("fresh", initial_value=3)
        agent.get("x")
        report = ledger.replay("r-1", "sandbox")
        assert (report.writes, report.agreed, report.difference) == (4, 5, None)
        kv = ledger.partition("sandbox")
        (set_x, incremented_x) = reversed(kv.history("x").items)
        assert (incremented_x.value, incremented_x.request_id) == (5, set_x.request_id)

    def test_several_partitions_and_a_tree_have_a_sandbox_each(self, ledger: Ledger, agent: Partition) -> None:
        fares = ledger.partition("fares", run_id="r-1", root_run_id="r-0", record_reads=True)
        ledger.partition("zoo").set("lion", 1)
        agent.set("shared", 1, scope="root_run:r-0")
        agent.set("mine", 2, scope="run:r-1")
        fares.increment("price", 3)
        fares.get("shared", scope="root_run:r-0")
        ledger.partition("zoo", run_id="r-1", record_reads=True).get("lion")
        agent.set("a", 2)
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (6, None)
        assert {(each.partition_id, each.scope) for each in report.sandboxes} == {
            ("sandbox", None),
            ("sandbox/fares", None),
            ("sandbox/zoo", None),
            ("__root_run__", "root_run:sandbox"),
        }
        sandbox = ledger.partition("sandbox")
        assert [entry.value for entry in sandbox.list(scope="root_run:sandbox")] == [1]
        assert [entry.value for entry in sandbox.list(scope="run:r-1")] == [2]
        assert [entry.value for entry in ledger.partition("sandbox/fares").list()] == [3]

    def test_without_the_runs_own_the_first_partition_by_name_is_the_sandbox(self, ledger: Ledger) -> None:
        for partition_id in ("m", "k"):
            ledger.partition(partition_id, run_id="r-9").set("a", 1)
        report = ledger.replay("r-9", "sandbox")
        assert [(each.source[:2], each.partition_id) for each in report.sandboxes] == [
            ("k@", "sandbox"),
            ("m@", "sandbox/m"),
        ]

    def test_a_deleted_partition_and_what_a_run_restored_come_out_as_they_had(
        self, ledger: Ledger, agent: Partition
    ) -> None:
        agent.set("a", 10)
        agent.restore("a", 3)
        agent.restore("b", 0)
        agent.get("a")
        ledger.delete_partition("weather", run_id="r-1")
        agent.get("n")
        agent.increment("n", 1)
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (report.writes + report.reads, None)
        assert [(entry.key, entry.value) for entry in ledger.partition("sandbox").list()] == [("n", 1)]

    def test_no_quota_keeps_a_run_from_being_done_again(
        self, reopen: Callable[..., Ledger], ledger: Ledger, agent: Partition, clock: ManualClock
    ) -> None:
        agent.set("long", "x" * 1_000)
        agent.set_quota(10)
        strict = reopen(clock=clock, max_value_bytes=100, quota=100)
        assert strict.replay("r-1", "sandbox").difference is None
        entry = ledger.partition("sandbox").get("long")
        assert entry is not None
        assert entry.size == 1_002

    # --------------------------------------------------------------------------------------- time

    def test_what_expired_during_the_run_expires_again(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("short", 1, ttl=10)
        agent.set("own", 1, ttl=10)
        agent.get("short")
        agent.get("own")
        clock.advance(10)
        agent.get("short")
        agent.get("own")
        agent.increment("short")
        agent.increment("own")
        agent.get("short")
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (8, None)
        assert [(entry.key, entry.value) for entry in ledger.partition("sandbox").list(prefix="s")] == [
            ("short", 1)
        ]

    def test_what_expired_and_was_swept_before_the_first_write_was_there_when_it_was_read(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("short", 1, ttl=10)
        agent.get("short")
        clock.advance(10)
        ledger.sweep()
        bob.set("b", 3)
        agent.set("a", 2)
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_but_not_what_another_version_was_that_expired(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        agent.get("a")
        bob.set("a", 2, ttl=10)
        clock.advance(10)
        ledger.sweep()
        bob.set("b", 3)
        agent.set("b", 2)
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "a", 1, None, 5)

    def test_an_increment_that_kept_a_life_keeps_the_one_in_the_sandbox(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.set("n", 5, ttl=60)
        agent.increment("n")
        assert ledger.replay("r-1", "sandbox").difference is None
        assert [entry.ttl_seconds for entry in ledger.partition("sandbox").list(prefix="n")] == [None]

    def test_the_sandbox_has_the_lives_that_were_left_at_the_runs_end_from_now_on(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("theirs", 1, ttl=100)
        agent.set("a", 1, ttl=60)
        clock.advance(20)
        agent.increment("a")
        agent.increment("b", ttl=30)
        clock.advance(1_000)
        assert ledger.replay("r-1", "sandbox").difference is None
        left = {entry.key: entry.ttl_seconds for entry in ledger.partition("sandbox").list()}
        assert left == {"a": 40, "b": 30, "n": None, "theirs": 80}

    def test_a_clock_that_was_set_back_since_does_not_matter(
        self, ledger: Ledger, agent: Partition, clock: ManualClock
    ) -> None:
        agent.get("a")
        agent.set("a", 2)
        clock.advance(-3_600)
        assert ledger.replay("r-1", "sandbox").difference is None

    # --------------------------------------------------------------------------------- differences

    def test_a_value_that_somebody_set_while_the_run_went_on_is_the_difference(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.set("a", 100)
        agent.get("a")
        agent.set("mine", 2)
        report = ledger.replay("r-1", "sandbox")
        assert brief(found_in(report)) == ("read", "a", 100, 1, 5)
        assert (report.agreed, report.writes, report.reads) == (1, 2, 1)
        difference = found_in(report)
        assert (difference.partition_id, difference.scope, difference.refusal) == ("weather", "skill", None)
        assert difference.cause is not None
        assert difference.cause.changed_by == "bob"
        entry = ledger.partition("sandbox").get("mine")
        assert entry is not None
        assert entry.value == 1

    def test_an_increment_of_what_somebody_changed_comes_to_something_else(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.increment("n")
        bob.set("n", 100)
        agent.increment("n")
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("increment", "n", 101, 7, 5)

    def test_an_increment_may_be_refused_now(self, ledger: Ledger, agent: Partition, bob: Partition) -> None:
        agent.set("n", "many")
        bob.set("n", 100)
        with agent.batch() as batch:
            batch.set("a", 2)
            batch.increment("n")
        report = ledger.replay("r-1", "sandbox")
        assert brief(found_in(report)) == ("increment", "n", 101, "many", 5)
        assert found_in(report).refusal == (
            "cannot increment 'n': it holds a string, and only an integer can be incremented"
        )
        assert report.agreed == 1
        entry = ledger.partition("sandbox").get("a")
        assert entry is not None
        assert entry.value == 1

    def test_a_delete_of_what_only_somebody_else_had_set_finds_nothing(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.set("k", 1)
        with agent.batch() as batch:
            batch.set("mine", 2)
            batch.delete("k")
            batch.delete("a")
        report = ledger.replay("r-1", "sandbox")
        assert brief(found_in(report)) == ("delete", "k", None, None, 5)
        assert report.agreed == 2

    def test_what_somebody_deleted_is_there_now(self, ledger: Ledger, agent: Partition, bob: Partition) -> None:
        agent.set("mine", 1)
        bob.delete("a")
        agent.set("mine", 2)
        agent.get("a")
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "a", None, 1, 5)

    def test_what_somebody_let_expire_is_there_now(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        agent.set("mine", 1)
        bob.set("b", 3, ttl=5)
        agent.set("mine", 2)
        clock.advance(5)
        agent.get("b")
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "b", None, 2, 5)

    def test_what_changed_between_a_read_and_the_first_write_is_a_difference(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.get("a")
        bob.set("a", 50)
        agent.set("a", 2)
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "a", 1, 50, 4)

    def test_a_key_that_was_deleted_by_somebody_is_looked_for_as_long_as_it_lived(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("short", 1, ttl=10)
        agent.set("mine", 1)
        bob.delete("short")
        clock.advance(10)
        agent.get("short")
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_what_was_absent_before_somebody_set_it_is_a_difference(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.get("k")
        bob.set("k", 50)
        agent.set("a", 2)
        difference = found_in(ledger.replay("r-1", "sandbox"))
        assert brief(difference)[:4] == ("read", "k", None, 50)

    def test_a_difference_in_a_tree_names_the_trees_scope(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("k", 1, scope="root_run:r-0")
        bob.set("k", 2, scope="root_run:r-0")
        agent.get("k", scope="root_run:r-0")
        difference = found_in(ledger.replay("r-1", "sandbox"))
        assert (difference.partition_id, difference.scope) == ("__root_run__", "root_run:r-0")
        assert difference.now is not None
        assert (difference.now.scope, difference.now.value) == ("root_run:sandbox", 1)

    # -------------------------------------------------------------------------------------- order

    def test_a_read_stands_after_the_write_that_it_saw_and_before_the_next(
        self, ledger: Ledger, agent: Partition
    ) -> None:
        for number in range(4):
            agent.get("a")
            agent.set("a", number)
            agent.delete("a")
            agent.get("a")
            agent.set("a", -number)
        agent.get("a")
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (12 + 6, None)

    def test_the_reads_before_a_difference_are_those_that_were_recorded_before_it(
        self, ledger: Ledger, runs: Runs, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.set("b", 20)
        bob.set("a", 10)
        agent.get("a")
        agent.get("b")
        assert len(runs.reads("r-1")) == 2
        assert brief(found_in(ledger.replay("r-1", "sandbox")))[1] == "a"

    def test_what_was_not_found_is_taken_to_be_looked_for_where_a_replay_finds_nothing_either(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.delete("a")
        agent.set("a", 2)
        agent.delete("a")
        agent.get("a")
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_but_not_before_what_it_was_recorded_after(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.delete("a")
        agent.get("a")
        agent.set("mine", 2)
        agent.get("mine")
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "a", None, 1, 5)

    def test_nor_between_the_writes_of_one_command(self, ledger: Ledger, agent: Partition) -> None:
        agent.delete("a")
        with agent.batch() as batch:
            batch.set("b", 2)
            batch.set("a", 2)
        agent.get("b")
        agent.delete("a")
        agent.get("a")
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_nor_where_a_command_ended_what_had_expired(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("short", 1, ttl=10)
        agent.set("mine", 1)
        clock.advance(10)
        with agent.batch() as batch:
            batch.set("b", 2)
            batch.set("short", 2)
        agent.get("b")
        agent.delete("short")
        agent.get("short")
        assert ledger.replay("r-1", "sandbox").difference is None

    def test_nor_in_a_stretch_that_was_over_by_then(
        self, ledger: Ledger, agent: Partition, bob: Partition
    ) -> None:
        agent.set("k", 1)
        bob.delete("k")
        agent.set("mine", 2)
        agent.get("mine")
        agent.get("k")
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "k", None, 1, 5)

    def test_nor_after_it_was_recorded(
        self, ledger: Ledger, runs: Runs, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        bob.set("short", 1, ttl=10)
        agent.set("mine", 1)
        bob.delete("short")
        agent.get("short")
        assert len(runs.reads("r-1")) == 1
        clock.advance(20)
        agent.set("mine", 2)
        assert brief(found_in(ledger.replay("r-1", "sandbox"))) == ("read", "short", None, 1, 6)

    def test_what_was_missing_comes_after_the_reads_that_were_recorded_before_it(
        self, ledger: Ledger, runs: Runs, agent: Partition, bob: Partition
    ) -> None:
        agent.set("mine", 1)
        bob.delete("b")
        bob.set("a", 10)
        agent.get("a")
        agent.get("b")
        assert len(runs.reads("r-1")) == 2
        assert brief(found_in(ledger.replay("r-1", "sandbox")))[1] == "a"

    # -------------------------------------------------------------------------------- little to do

    def test_a_run_that_recorded_no_reads_is_compared_by_its_writes(self, ledger: Ledger, bob: Partition) -> None:
        bob.set("n", 1)
        agent = ledger.partition("weather", run_id="r-9")
        agent.get("n")
        agent.increment("n")
        report = ledger.replay("r-9", "sandbox")
        assert (report.writes, report.reads, report.agreed, report.difference) == (1, 0, 1, None)

    def test_a_run_that_only_read_is_compared_by_what_stood_when_it_started(
        self, ledger: Ledger, agent: Partition, bob: Partition, clock: ManualClock
    ) -> None:
        agent.get("a")
        clock.advance(1)
        bob.set("b", 3)
        assert ledger.replay("r-1", "one").agreed == 1
        agent.get("b")
        assert brief(found_in(ledger.replay("r-1", "two"))) == ("read", "b", 3, 2, 4)

    def test_a_run_that_touched_nothing_has_no_sandbox(self, ledger: Ledger, agent: Partition) -> None:
        agent.usage()
        report = ledger.replay("r-1", "sandbox")
        assert report == ReplayReport("r-1", (), 0, 0, 0, purged=False, difference=None)
        assert "sandbox" not in {each.id for each in ledger.partitions()}

    def test_of_a_purged_run_the_writes_are_done_again(
        self, ledger: Ledger, runs: Runs, agent: Partition, clock: ManualClock
    ) -> None:
        agent.get("a")
        agent.increment("n")
        runs.finish("r-1", RunStats("ok"))
        clock.advance(1)
        runs.purge_older_than(clock.now())
        report = ledger.replay("r-1", "sandbox")
        assert (report.writes, report.reads, report.agreed, report.purged) == (1, 0, 1, True)

    def test_a_run_that_nobody_knows_cannot_be_done_again(
        self, ledger: Ledger, runs: Runs, clock: ManualClock
    ) -> None:
        with pytest.raises(RunNotFoundError) as caught:
            ledger.replay("r-7", "sandbox")
        assert not caught.value.purged
        begin(runs, "r-7")
        clock.advance(1)
        runs.purge_older_than(clock.now())
        with pytest.raises(RunNotFoundError) as caught:
            ledger.replay("r-7", "sandbox")
        assert caught.value.purged

    # -------------------------------------------------------------------------------------- refused

    @pytest.mark.parametrize("used", ["sandbox", "sandbox/fares"])
    def test_a_sandbox_that_was_used_is_refused_before_anything_is_forked(
        self, ledger: Ledger, agent: Partition, used: str
    ) -> None:
        agent.set("a", 2)
        ledger.partition("fares", run_id="r-1").set("a", 2)
        ledger.partition(used).set("k", 1)
        ledger.delete_partition(used)
        with pytest.raises(PartitionExistsError) as caught:
            ledger.replay("r-1", "sandbox")
        assert caught.value.partition == used
        assert {each.id for each in ledger.partitions()} == {"fares", "weather"}

    def test_of_two_replays_into_one_sandbox_at_once_one_is_refused(
        self, ledger: Ledger, agent: Partition
    ) -> None:
        for _ in range(5):
            agent.increment("n")
        barrier = Barrier(2)

        def replayed(_: int) -> ReplayReport | None:
            barrier.wait(60)
            try:
                return ledger.replay("r-1", "sandbox")
            except PartitionExistsError:
                return None

        with ThreadPoolExecutor(2) as pool:
            reports = list(pool.map(replayed, range(2)))
        (report,) = filter(None, reports)
        assert (report.agreed, report.difference) == (5, None)
        assert [entry.value for entry in ledger.partition("sandbox").list(prefix="n")] == [10]

    def test_a_tree_that_was_used_is_refused(self, ledger: Ledger, agent: Partition) -> None:
        agent.set("k", 1, scope="root_run:r-0")
        agent.set("k", 1, scope="root_run:sandbox")
        with pytest.raises(PartitionExistsError, match="__root_run__:sandbox"):
            ledger.replay("r-1", "sandbox")

    def test_a_global_quota_that_is_full_refuses_the_whole(
        self, reopen: Callable[..., Ledger], agent: Partition, clock: ManualClock
    ) -> None:
        agent.set("a", "x" * 100)
        full = reopen(clock=clock, global_quota=150)
        with pytest.raises(GlobalQuotaExceededError):
            full.replay("r-1", "sandbox")

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("run_id", {"run_id": ""}),
            ("run_id", {"run_id": 3}),
            ("into", {"into": ""}),
            ("into", {"into": "__root_run__"}),
            ("into", {"into": "x" * 257}),
            ("actor", {"actor": ""}),
        ],
    )
    def test_replay_wants_a_run_and_a_sandbox(
        self, ledger: Ledger, agent: Partition, field: str, arguments: dict[str, Any]
    ) -> None:
        agent.set("a", 2)
        with pytest.raises(InvalidArgumentError) as caught:
            ledger.replay(**{"run_id": "r-1", "into": "sandbox", **arguments})
        assert caught.value.field == field

    def test_a_sandbox_whose_name_becomes_too_long_is_refused(self, ledger: Ledger, agent: Partition) -> None:
        agent.set("a", 2)
        ledger.partition("fares", run_id="r-1").set("a", 2)
        with pytest.raises(InvalidArgumentError) as caught:
            ledger.replay("r-1", "x" * 252)
        assert caught.value.field == "into"

    def test_progress_is_told_step_by_step(self, ledger: Ledger, agent: Partition) -> None:
        agent.set("a", 2)
        agent.get("a")
        told: list[tuple[int, int]] = []
        ledger.replay("r-1", "sandbox", progress=lambda done, total: told.append((done, total)))
        assert told == [(1, 2), (2, 2)]

    def test_more_steps_than_one_page_holds(self, ledger: Ledger, agent: Partition) -> None:
        with agent.batch() as batch:
            for number in range(1_200):
                batch.set(f"k{number}", number)
        for number in range(0, 1_200, 2):
            agent.get(f"k{number}")
        report = ledger.replay("r-1", "sandbox")
        assert (report.agreed, report.difference) == (1_800, None)
