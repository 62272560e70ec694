"""Dry runs: ledgers in memory that begin as what stands here, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.audit.records import RunInfo
from keyledger.domain.errors import (
    DuplicateRunError,
    ForkIncompleteError,
    GlobalQuotaExceededError,
    LedgerClosedError,
    NamespaceQuotaExceededError,
    RunNotFoundError,
    ValueTooLargeError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger

TREE = "root_run:r-0"


def events(ledger: Ledger) -> dict[str, list[Any]]:
    """Every event of every partition."""
    storage = ledger.storage
    return {name: storage.events(name, 0, 1_000) for name, _ in storage.all_streams()}


def _in_batch(kv: Partition) -> Any:
    with kv.batch() as batch:
        batch.increment("a")
        batch.delete("b")
    return [getattr(result, "value", result) for result in batch.results]


FIRST_TOUCHES: list[tuple[str, Callable[[Ledger, Partition], Any], Any]] = [
    ("get", lambda _, kv: kv.get("a").value, 1),  # type: ignore[union-attr]
    ("get_many", lambda _, kv: sorted(kv.get_many(["a", "b", "c"])), ["a", "b"]),
    ("list", lambda _, kv: [entry.key for entry in kv.list()], ["a", "b"]),
    ("scan", lambda _, kv: [entry.key for entry in kv.scan()], ["a", "b"]),
    ("history", lambda _, kv: [version.operation for version in kv.history("a")], ["copy"]),
    ("usage", lambda _, kv: kv.usage().live_keys, 2),
    ("at", lambda _, kv: kv.at().get("a").value, 1),  # type: ignore[union-attr]
    ("blame", lambda _, kv: [version.key for version in kv.blame()], ["a", "b"]),
    ("diff", lambda _, kv: [change.key for change in kv.diff(0)], ["a", "b"]),
    ("set", lambda _, kv: kv.set("a", 5).create_revision, 2),
    ("increment", lambda _, kv: kv.increment("a", 5).value, 6),
    ("delete", lambda _, kv: kv.delete("a"), True),
    ("batch", lambda _, kv: _in_batch(kv), [2, True]),
    ("restore", lambda _, kv: kv.restore("a", 0), None),
    ("restore_all", lambda _, kv: kv.restore_all(0), 2),
    ("fork", lambda _, kv: kv.fork("branch").get("a").value, 1),  # type: ignore[union-attr]
    ("delete_partition", lambda dry, _: dry.delete_partition("weather"), True),
    ("export_lines", lambda dry, _: len(list(dry.export_lines("weather"))), 4),
]
"""What may be the first thing that is done with a partition, and what it gives where a is 1 and b is 2."""


class DryRunContract(Fixtures):
    """What a dry run shows, and leaves alone."""

    @pytest.fixture
    def dry(self, ledger: Ledger, kv: Partition) -> Iterator[Ledger]:
        """A dry run on a ledger in whose partition ``weather`` a is 1 and b is 2."""
        kv.set("a", 1)
        kv.set("b", 2)
        with ledger.dry_run() as dry:
            yield dry

    @pytest.mark.parametrize(("name", "touch", "given"), FIRST_TOUCHES, ids=[name for name, _, _ in FIRST_TOUCHES])
    def test_whatever_is_done_first_finds_what_stands_here_and_changes_nothing(
        self, ledger: Ledger, dry: Ledger, name: str, touch: Callable[[Ledger, Partition], Any], given: object
    ) -> None:
        before = events(ledger)
        assert touch(dry, dry.partition("weather")) == given, name
        assert events(ledger) == before

    def test_what_is_done_there_is_seen_there(self, ledger: Ledger, dry: Ledger) -> None:
        before = events(ledger)
        dry.partition("weather", actor="eve").set("a", 10)
        dry.partition("weather").delete("b")
        dry.partition("fares").set("new", 1)
        seen = {entry.key: (entry.value, entry.changed_by) for entry in dry.partition("weather").list()}
        assert seen == {"a": (10, "eve")}
        assert [each.id for each in dry.partitions()] == ["fares", "weather"]
        assert events(ledger) == before

    def test_a_partition_is_what_it_was_when_it_was_first_used_there(
        self, ledger: Ledger, dry: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 3)
        assert dry.partition("weather").get_many(["a"])["a"].value == 3
        kv.set("a", 4)
        ledger.partition("fares").set("price", 5)
        assert dry.partition("weather").get_many(["a"])["a"].value == 3
        assert dry.partition("fares").get_many(["price"])["price"].value == 5

    def test_it_begins_as_a_fork_says_it_does(self, ledger: Ledger, dry: Ledger, clock: ManualClock) -> None:
        clock.advance(60)
        (copy,) = dry.partition("weather").history("b")
        assert (copy.operation, copy.copied_from, copy.recorded_at) == ("copy", 2, clock.now())
        first = dry.storage.events("partition:weather", 0, 1)[0]
        assert (first.TOPIC, first.request_id != "") == ("kv.PartitionForked", True)
        assert ledger.partition("weather").at().revision == 2

    def test_what_nobody_has_used_begins_with_revision_1(self, dry: Ledger) -> None:
        assert dry.partition("fares").set("price", 1).revision == 1
        assert dry.partition("fares").set("k", 1, scope="root_run:r-9").revision == 1

    def test_trees_and_scopes_are_there_too(self, dry: Ledger, kv: Partition) -> None:
        kv.set("plan", 1, scope=TREE)
        kv.set("mine", 2, scope="user:ada")
        there = dry.partition("fares")
        assert there.increment("plan", scope=TREE).value == 2
        assert dry.partition("weather").get_many(["mine"], scope="user:ada")["mine"].value == 2
        entry = kv.get("plan", scope=TREE)
        assert entry is not None
        assert entry.value == 1

    def test_lives_go_on_from_what_was_left(self, dry: Ledger, kv: Partition, clock: ManualClock) -> None:
        kv.set("short", 1, ttl=10)
        clock.advance(4)
        there = dry.partition("weather")
        assert there.get_many(["short"])["short"].ttl_seconds == 6
        clock.advance(6)
        assert there.get("short") is None

    def test_more_keys_than_are_copied_at_once(self, dry: Ledger, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(250):
                batch.set(f"k{number:03}", number)
        assert [entry.value for entry in dry.partition("weather").scan(prefix="k")] == list(range(250))

    def test_quotas_and_caps_hold_there_but_not_the_global_one(
        self, reopen: Callable[..., Ledger], kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", "x" * 98)
        kv.set_quota(300)
        limited = reopen(clock=clock, global_quota=150, max_value_bytes=200)
        with limited.dry_run() as dry:
            there = dry.partition("weather")
            there.set("b", "x" * 150)
            with pytest.raises(NamespaceQuotaExceededError):
                there.set("c", "x" * 100)
            with pytest.raises(ValueTooLargeError):
                there.set("c", "x" * 200)

    def test_two_of_them_share_nothing(self, ledger: Ledger, dry: Ledger) -> None:
        with ledger.dry_run() as other:
            dry.partition("weather").set("a", "dry")
            assert other.partition("weather").get_many(["a"])["a"].value == 1

    def test_one_may_begin_as_another(self, ledger: Ledger, dry: Ledger) -> None:
        dry.partition("weather").set("a", "dry")
        with dry.dry_run() as deeper:
            assert deeper.partition("weather").increment("b").value == 3
            assert deeper.partition("weather").get_many(["a"])["a"].value == "dry"
        assert dry.partition("weather").get_many(["b"])["b"].value == 2
        assert ledger.partition("weather").get_many(["b"])["b"].value == 2

    def test_runs_there_are_not_runs_here(self, ledger: Ledger, dry: Ledger) -> None:
        ledger.runs.start(RunInfo("r-1", "weather"))
        with pytest.raises(RunNotFoundError):
            dry.runs.get("r-1")
        dry.runs.start(RunInfo("r-1", "weather"))
        with pytest.raises(DuplicateRunError):
            dry.runs.start(RunInfo("r-1", "weather"))
        kv = dry.partition("weather", run_id="r-1", record_reads=True)
        kv.get("a")
        kv.set("a", 2)
        assert [read.key for read in dry.runs.reads("r-1")] == ["a"]
        assert dry.runs.count_writes(["r-1"]) == {"r-1": 1}
        assert (ledger.runs.reads("r-1").items, ledger.runs.writes("r-1").items) == (
            (),
            ledger.runs.writes("r-1").items,
        )
        assert ledger.runs.count_writes(["r-1"]) == {"r-1": 2}

    def test_many_who_use_it_first_at_once_find_one_fork(self, dry: Ledger, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(150):
                batch.set(f"k{number:03}", number)
        barrier = Barrier(8)

        def count(_: int) -> int:
            barrier.wait(60)
            return len(list(dry.partition("weather").scan())) + int(bool(dry.partition("weather").increment("a")))

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(count, range(8))) == [153] * 8
        assert dry.partition("weather").get_many(["a"])["a"].value == 9
        assert [version.operation for version in dry.partition("weather").history("b")] == ["copy"]

    def test_a_fork_that_is_not_finished_is_refused_there_as_here(
        self, ledger: Ledger, reopen: Callable[..., Ledger], dry: Ledger, clock: ManualClock
    ) -> None:
        full = reopen(clock=clock, global_quota=1)
        ledger.partition("large").set("k", "x" * 100)
        with pytest.raises(GlobalQuotaExceededError):
            full.partition("large").fork("half")
        with pytest.raises(ForkIncompleteError):
            dry.partition("half").get("k")
        ledger.partition("large").fork("half")
        assert dry.partition("half").get_many(["k"])["k"].size == 102

    def test_what_was_used_there_outlives_the_ledger_that_it_came_from(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        source = reopen(clock=clock)
        source.partition("weather").set("a", 1)
        with source.dry_run() as dry:
            there = dry.partition("weather")
            there.increment("a")
            source.close()
            assert there.increment("a").value == 3
            with pytest.raises(LedgerClosedError):
                dry.partition("fares").get("a")
        with pytest.raises(LedgerClosedError):
            there.get("a")

    def test_a_forked_child_goes_on_where_the_parent_was(self, ledger: Ledger) -> None:
        ledger.partition("weather").set("a", 1)
        ledger.partition("fares").set("price", 5)
        dry = ledger.dry_run()
        dry.partition("weather").increment("a")
        dry.storage.reset()
        assert dry.partition("weather").increment("a").value == 3
        assert dry.partition("fares").increment("price").value == 6
