"""What runs wrote: every key event carries its run."""

from __future__ import annotations

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.audit.records import RunWrite
from keyledger.domain.audit.runs import Runs
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Page


class RunWriteContract(Fixtures):
    """Which versions a run wrote, in which partitions."""

    def test_a_run_wrote_the_versions_that_its_handles_wrote(self, ledger: Ledger, runs: Runs) -> None:
        kv = ledger.partition("p", actor="ada", run_id="r-1", root_run_id="r-0", tool="kv_set")
        kv.set("a", {"x": 1})
        kv.increment("n", 5, scope="user:ada")
        ledger.partition("p", run_id="r-2").set("a", 2)
        ledger.partition("p").set("a", 3)
        kv.delete("a")
        page = runs.writes("r-1")
        assert page == Page(
            (RunWrite("p", kv.history("a")[3]), *_written(ledger, "n"), RunWrite("p", kv.history("a")[0]))
        )
        assert [(write.version.revision, write.version.operation) for write in page] == [
            (1, "set"),
            (2, "increment"),
            (5, "delete"),
        ]
        assert [write.version.value for write in page] == [{"x": 1}, 5, None]
        assert {(write.version.root_run_id, write.version.tool) for write in page} == {("r-0", "kv_set")}

    def test_writes_are_listed_by_partition_and_revision(self, ledger: Ledger, runs: Runs) -> None:
        for name in ("weather", "alerts", "é"):
            for value in range(2):
                ledger.partition(name, run_id="r-1").set("k", value)
        ledger.partition("weather", run_id="r-1").set("k", 9, scope="root_run:r-0")
        told = [(write.partition_id, write.version.revision) for write in runs.writes("r-1")]
        assert told == [
            ("__root_run__", 1),
            ("alerts", 1),
            ("alerts", 2),
            ("weather", 1),
            ("weather", 2),
            ("é", 1),
            ("é", 2),
        ]

    def test_writes_come_in_pages_also_within_one_revision(self, ledger: Ledger, runs: Runs) -> None:
        keys = [("skill", "a"), ("skill", "b"), ("skill", "\uffff"), ("skill", "😀"), ("user:ada", "a")]
        for name in ("p", "q"):
            for scope, key in reversed(keys):
                ledger.partition(name).set(key, 1, scope=scope)
            ledger.delete_partition(name, run_id="r-1")
        for size in (1, 2, 3, 4, 7):
            told = _in_pages(runs, size)
            assert told == [(name, *key) for name in ("p", "q") for key in keys]
        assert {write.version.operation for write in runs.writes("r-1")} == {"partition_deleted"}

    def test_a_page_that_ends_with_the_last_write_has_no_next(self, ledger: Ledger, runs: Runs) -> None:
        for value in range(3):
            ledger.partition("p", run_id="r-1").set("k", value)
        assert runs.writes("r-1", limit=3).next is None
        page = runs.writes("r-1", limit=2)
        assert runs.writes("r-1", limit=2, after=str(page.next)).next is None

    def test_what_time_ended_no_run_wrote(self, ledger: Ledger, runs: Runs, clock: ManualClock) -> None:
        ledger.partition("p", run_id="r-1").set("k", 1, ttl=1)
        clock.advance(1)
        ledger.sweep()
        assert [write.version.operation for write in runs.writes("r-1")] == ["set"]

    def test_writes_of_a_run_that_was_never_started_are_known(self, ledger: Ledger, runs: Runs) -> None:
        ledger.partition("p", run_id="unknown").set("k", 1)
        assert len(runs.writes("unknown")) == 1
        assert runs.writes("never wrote") == Page(())

    def test_writes_are_counted_by_run(self, ledger: Ledger, runs: Runs) -> None:
        for run_id, count in (("r-1", 3), ("r-2", 1), ("r-10", 2)):
            for number in range(count):
                ledger.partition(f"p{number % 2}", run_id=run_id).set("k", number)
        ledger.partition("p", run_id="r-2").set("k", 1, scope="root_run:r-1")
        assert runs.count_writes(["r-1", "r-2", "r-1", "never"]) == {"r-1": 3, "r-2": 2}
        assert runs.count_writes([]) == {}
        assert runs.count_writes(["never"]) == {}


def _written(ledger: Ledger, key: str) -> list[RunWrite]:
    return [RunWrite("p", version) for version in ledger.partition("p").history(key, scope="user:ada")]


def _in_pages(runs: Runs, size: int) -> list[tuple[str, str, str]]:
    told, after = list[tuple[str, str, str]](), ""
    for _ in range(20):
        page = runs.writes("r-1", limit=size, after=after)
        assert len(page) <= size
        told += [(each.partition_id, each.version.scope, each.version.key) for each in page]
        if page.next is None:
            break
        after = str(page.next)
    return told
