"""What runs read, and who read a version."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.run_steps import begin
from keyledger.domain.audit.reading import READS_PER_EVENT
from keyledger.domain.audit.records import RunRead, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


def reading(ledger: Ledger, run_id: str = "r-1", partition_id: str = "weather") -> Partition:
    """A partition as a run holds it that records what it reads."""
    return ledger.partition(partition_id, run_id=run_id, record_reads=True)


def seen(reads: Iterable[RunRead]) -> list[tuple[str, str, int]]:
    """What was read, where, at which revision."""
    return [(read.scope, read.key, read.revision) for read in reads]


class LineageContract(Fixtures):
    """What a run that records its reads leaves behind."""

    @pytest.fixture
    def reader(self, ledger: Ledger, runs: Runs, kv: Partition) -> Partition:
        """The partition as a run holds it that records reads; a, b and c are at 1, 2 and 3."""
        for number, key in enumerate("abc"):
            kv.set(key, number)
        begin(runs, "r-1")
        return reading(ledger)

    def test_a_get_is_recorded_with_the_version_that_it_gave(
        self, runs: Runs, reader: Partition, clock: ManualClock
    ) -> None:
        clock.advance(5)
        reader.get("b")
        (read,) = runs.reads("r-1")
        assert read == RunRead("r-1", "weather", "skill", "b", 2, clock.now())

    def test_a_get_of_many_is_recorded_key_by_key(self, runs: Runs, reader: Partition) -> None:
        reader.get_many(["c", "missing", "a", "c"])
        assert seen(runs.reads("r-1")) == [("skill", "a", 1), ("skill", "c", 3), ("skill", "missing", 0)]

    def test_a_list_is_recorded_as_far_as_it_was_shown(self, runs: Runs, reader: Partition) -> None:
        reader.list(limit=2)
        assert seen(runs.reads("r-1")) == [("skill", "a", 1), ("skill", "b", 2)]
        reader.list(prefix="nothing")
        assert len(runs.reads("r-1")) == 2

    def test_a_scan_is_recorded_to_its_end(self, runs: Runs, reader: Partition) -> None:
        assert [entry.key for entry in reader.scan()] == ["a", "b", "c"]
        assert seen(runs.reads("r-1")) == [("skill", "a", 1), ("skill", "b", 2), ("skill", "c", 3)]

    def test_what_was_not_found_is_recorded_as_revision_0(
        self, runs: Runs, reader: Partition, clock: ManualClock
    ) -> None:
        reader.set("short", 1, ttl=1)
        reader.delete("a")
        clock.advance(1)
        for key in ("a", "never", "short"):
            assert reader.get(key) is None
        assert seen(runs.reads("r-1")) == [("skill", "a", 0), ("skill", "never", 0), ("skill", "short", 0)]

    def test_every_scope_is_recorded_a_trees_under_the_partition_of_all_trees(
        self, runs: Runs, reader: Partition
    ) -> None:
        for scope in ("user:ada", "run:r-1", "root_run:r-0"):
            reader.set("k", 1, scope=scope)
            reader.get("k", scope=scope)
        found = [(read.partition_id, read.scope, read.revision) for read in runs.reads("r-1")]
        tree, weather = ("__root_run__", "root_run:r-0", 1), "weather"
        assert found == [tree, (weather, "run:r-1", 5), (weather, "user:ada", 4)]

    def test_a_version_is_recorded_once_however_it_is_read(
        self, ledger: Ledger, runs: Runs, reader: Partition, clock: ManualClock
    ) -> None:
        first = clock.now()
        for _ in range(3):
            reader.get("a")
            reader.get_many(["a", "b"])
            reading(ledger).list()
            assert len(runs.reads("r-1")) == 3
            clock.advance(1)
        assert [read.recorded_at for read in runs.reads("r-1")] == [first] * 3
        reader.set("a", "other")
        reader.get("a")
        assert seen(runs.reads("r-1"))[:2] == [("skill", "a", 1), ("skill", "a", 4)]

    def test_two_ledgers_record_one_version_of_one_run_once(
        self, reopen: Callable[..., Ledger], runs: Runs, reader: Partition, clock: ManualClock
    ) -> None:
        first = clock.now()
        reader.get("a")
        assert len(runs.reads("r-1")) == 1
        clock.advance(1)
        other = reopen(clock=clock)
        reading(other).list()
        assert len(other.runs.reads("r-1")) == 3
        assert seen(runs.reads("r-1")) == [("skill", "a", 1), ("skill", "b", 2), ("skill", "c", 3)]
        assert runs.reads("r-1")[0].recorded_at == first

    def test_more_than_an_event_holds_is_recorded_in_several(self, runs: Runs, reader: Partition) -> None:
        keys = [f"k{number:04}" for number in range(2 * READS_PER_EVENT + 1)]
        reader.get_many(keys)
        reads = runs.reads("r-1", limit=1_000)
        rest = runs.reads("r-1", limit=1_000, after=str(reads.next))
        assert seen((*reads, *rest)) == [("skill", key, 0) for key in keys]

    def test_the_reads_of_a_run_come_in_pages(self, ledger: Ledger, runs: Runs, reader: Partition) -> None:
        reading(ledger, partition_id="fares").get("a")
        reader.list()
        after, found = "", list[tuple[str, str]]()
        for _ in range(4):
            page = runs.reads("r-1", limit=1, after=after)
            found += [(read.partition_id, read.key) for read in page]
            after = str(page.next)
        assert found == [("fares", "a"), ("weather", "a"), ("weather", "b"), ("weather", "c")]
        assert after == "None"

    def test_reads_of_other_partitions_and_runs_stay_apart(
        self, ledger: Ledger, runs: Runs, reader: Partition
    ) -> None:
        begin(runs, "r-2")
        reader.get("a")
        reading(ledger, "r-2").get("b")
        assert seen(runs.reads("r-1")) == [("skill", "a", 1)]
        assert seen(runs.reads("r-2")) == [("skill", "b", 2)]

    def test_nothing_is_recorded_unless_asked_for(self, ledger: Ledger, runs: Runs, reader: Partition) -> None:
        ledger.partition("weather", run_id="r-1").get("a")
        reader.history("a")
        reader.usage()
        assert runs.reads("r-1").items == ()

    def test_the_end_of_a_run_finds_its_reads_recorded(
        self, reopen: Callable[..., Ledger], runs: Runs, reader: Partition
    ) -> None:
        reader.get("a")
        runs.finish("r-1", RunStats("ok"))
        assert seen(reopen().runs.reads("r-1")) == [("skill", "a", 1)]

    def test_what_a_run_reads_after_its_end_is_recorded_too(self, runs: Runs, reader: Partition) -> None:
        runs.finish("r-1", RunStats("ok"))
        reader.get("a")
        assert seen(runs.reads("r-1")) == [("skill", "a", 1)]

    def test_a_run_that_was_never_started_reads_unrecorded_and_undisturbed(
        self, ledger: Ledger, runs: Runs, reader: Partition
    ) -> None:
        nobodys = reading(ledger, "r-9")
        entry = nobodys.get("a")
        assert entry is not None
        assert entry.value == 0
        assert (runs.reads("r-9").items, runs.unrecorded_reads) == ((), 1)
        begin(runs, "r-9")
        nobodys.get("a")
        assert seen(runs.reads("r-9")) == [("skill", "a", 1)]
        assert reader.readers("a", 1)[0].run_id == "r-9"

    def test_a_purge_takes_reads_away_and_no_more_are_recorded(
        self, runs: Runs, reader: Partition, clock: ManualClock
    ) -> None:
        reader.get("a")
        assert len(reader.readers("a", 1)) == 1
        clock.advance(1)
        assert runs.purge_older_than(clock.now()) == 1
        assert reader.readers("a", 1).items == ()
        reader.get("b")
        assert (runs.reads("r-1").items, runs.unrecorded_reads) == ((), 1)

    def test_a_rebuild_finds_the_reads_as_they_are(self, ledger: Ledger, runs: Runs, reader: Partition) -> None:
        reader.list()
        reader.get("missing")
        before = runs.reads("r-1")
        assert ledger.rebuild().differences == ()
        assert runs.reads("r-1") == before

    @pytest.mark.parametrize("run_id", [None, "", "__purges__"])
    def test_only_a_run_can_record_reads(self, ledger: Ledger, run_id: str | None) -> None:
        with pytest.raises(InvalidArgumentError):
            ledger.partition("weather", run_id=run_id, record_reads=True)

    def test_a_run_exists_from_its_start_to_its_purge(
        self, reopen: Callable[..., Ledger], runs: Runs, clock: ManualClock
    ) -> None:
        other = reopen(clock=clock).runs
        assert (runs.exists("r-1"), other.exists("r-1")) == (False, False)
        begin(runs, "r-1")
        assert (runs.exists("r-1"), other.exists("r-1")) == (True, True)
        runs.finish("r-1", RunStats("ok"))
        assert (runs.exists("r-1"), other.exists("r-1")) == (True, True)
        clock.advance(1)
        runs.purge_older_than(clock.now())
        assert (runs.exists("r-1"), other.exists("r-1")) == (False, False)

    # ------------------------------------------------------------------------------------- readers

    def test_the_readers_of_a_bad_value_are_those_who_saw_that_version(
        self, ledger: Ledger, runs: Runs, kv: Partition
    ) -> None:
        good = kv.set("units", "C")
        for run_id in ("r-before", "r-bad-2", "r-bad-1", "r-after"):
            begin(runs, run_id)
        reading(ledger, "r-before").get("units")
        bad = kv.set("units", "furlongs")
        reading(ledger, "r-bad-2").list()
        reading(ledger, "r-bad-1").get("units")
        fixed = kv.set("units", "F")
        reading(ledger, "r-after").get("units")
        assert [read.run_id for read in kv.readers("units", bad.revision)] == ["r-bad-1", "r-bad-2"]
        assert [read.run_id for read in kv.readers("units", good.revision)] == ["r-before"]
        assert [read.run_id for read in kv.readers("units", fixed.revision)] == ["r-after"]
        assert kv.readers("units", 99).items == ()
        assert kv.readers("other", bad.revision).items == ()
        assert kv.readers("units", bad.revision, scope="user:ada").items == ()
        assert ledger.partition("fares").readers("units", bad.revision).items == ()

    def test_the_readers_of_revision_0_are_those_who_found_nothing(self, runs: Runs, reader: Partition) -> None:
        assert runs.get("r-1").id == "r-1"
        reader.get("missing")
        assert seen(reader.readers("missing", 0)) == [("skill", "missing", 0)]

    def test_readers_in_a_tree_are_found_from_any_partition(
        self, ledger: Ledger, runs: Runs, kv: Partition
    ) -> None:
        entry = kv.set("plan", 1, scope="root_run:r-0")
        begin(runs, "r-2")
        reading(ledger, "r-2", "fares").get("plan", scope="root_run:r-0")
        (read,) = kv.readers("plan", entry.revision, scope="root_run:r-0")
        assert (read.run_id, read.partition_id) == ("r-2", "__root_run__")

    def test_readers_come_by_id_in_pages(self, ledger: Ledger, runs: Runs, kv: Partition) -> None:
        kv.set("a", 1)
        for run_id in ("é", "r-2", "r-10", "r-1"):
            begin(runs, run_id)
            reading(ledger, run_id).get("a")
        first = kv.readers("a", 1, limit=3)
        assert ([read.run_id for read in first], first.next) == (["r-1", "r-10", "r-2"], "r-2")
        last = kv.readers("a", 1, limit=3, after="r-2")
        assert ([read.run_id for read in last], last.next) == (["é"], None)

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("key", {"key": ""}),
            ("revision", {"revision": -1}),
            ("revision", {"revision": True}),
            ("scope", {"scope": "users:ada"}),
            ("limit", {"limit": 0}),
            ("after", {"after": "x" * 257}),
        ],
    )
    def test_readers_wants_a_version(self, kv: Partition, field: str, arguments: dict[str, object]) -> None:
        wanted: dict[str, object] = {"key": "a", "revision": 1, **arguments}
        with pytest.raises(InvalidArgumentError) as caught:
            kv.readers(**wanted)  # type: ignore[arg-type]
        assert caught.value.field == field
