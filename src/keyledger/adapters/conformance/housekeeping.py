"""Partitions as a whole, sweeping, rebuilding, closing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Usage


class HousekeepingContract(Fixtures):
    """What keeps a ledger in order."""

    def test_partitions_are_listed_by_id_with_their_usage(self, ledger: Ledger) -> None:
        for name in ("b", "a", "é", "ab"):
            ledger.partition(name).set("k", name)
        ledger.partition("a").set_quota(77)
        page = ledger.partitions(limit=3)
        assert [(each.id, each.usage.used_bytes) for each in page] == [("a", 3), ("ab", 4), ("b", 3)]
        assert page[0].usage == Usage(3, 1, 77)
        assert page.next == "b"
        assert [each.id for each in ledger.partitions(after="b")] == ["é"]
        assert [each.id for each in ledger.partitions(prefix="a")] == ["a", "ab"]

    def test_all_trees_show_as_one_partition(self, ledger: Ledger) -> None:
        kv = ledger.partition("a")
        kv.set("k", 1)
        for run in ("r-1", "r-2", "r-3"):
            kv.set("k", 12, scope=f"root_run:{run}")
        ledger.partition("zz").set("k", 1)
        listed = {each.id: each.usage for each in ledger.partitions()}
        assert listed["__root_run__"] == Usage(6, 3, None)
        assert len(listed) == 3
        one_by_one, after = [], ""
        while page := ledger.partitions(limit=1, after=after).items:
            one_by_one.append(page[0].id)
            after = page[0].id
        assert sorted(one_by_one) == sorted(listed)

    def test_a_deleted_partition_is_empty_keeps_its_past_and_can_be_used_again(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 1)
        kv.set("b", 2, scope="user:ada")
        kv.set_quota(50)
        assert ledger.delete_partition("weather", actor="root") is True
        assert kv.get("a") is None
        assert kv.list(scope="user:ada").items == ()
        assert kv.usage() == Usage(0, 0, 50)
        assert ledger.partitions().items == ()
        assert ledger.delete_partition("weather") is False
        newest = kv.history("a")[0]
        assert (newest.operation, newest.revision, newest.changed_by) == ("partition_deleted", 4, "root")
        entry = kv.set("a", 3, if_revision=0)
        assert (entry.revision, entry.create_revision) == (5, 5)
        assert [each.id for each in ledger.partitions()] == ["weather"]
        assert ledger.delete_partition("never") is False

    # --------------------------------------------------------------------------------------- sweep

    def test_a_sweep_ends_expired_entries_across_partitions(self, ledger: Ledger, clock: ManualClock) -> None:
        for name in ("one", "two"):
            kv = ledger.partition(name)
            kv.set("gone", 1, ttl=1)
            kv.set("kept", 1)
        ledger.partition("one").set("tree", 1, ttl=1, scope="root_run:r-1")
        clock.advance(1)
        report = ledger.sweep()
        assert (report.expired, report.complete) == (3, True)
        assert ledger.sweep().expired == 0
        for name in ("one", "two"):
            ended = ledger.partition(name).history("gone")[0]
            assert (ended.operation, ended.changed_by) == ("expire", "system:expiry")

    def test_a_sweep_is_bounded(self, ledger: Ledger, clock: ManualClock) -> None:
        for name in ("one", "two"):
            with ledger.partition(name).batch() as batch:
                for number in range(5):
                    batch.set(f"k{number}", 1, ttl=1)
        clock.advance(1)
        done = [ledger.sweep(limit=4) for _ in range(3)]
        assert [(report.expired, report.complete) for report in done] == [(4, False), (4, False), (2, True)]

    @pytest.mark.parametrize("limit", [0, -1, True, "5"])
    def test_a_sweeps_limit_is_a_number(self, ledger: Ledger, limit: int) -> None:
        with pytest.raises(InvalidArgumentError, match="limit"):
            ledger.sweep(limit=limit)

    # ------------------------------------------------------------------------------------- rebuild

    def test_a_rebuild_finds_nothing_to_change(self, ledger: Ledger, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=1)
        kv.set("b", {"x": [1.5, "é"]}, scope="user:ada")
        kv.increment("n", 3)
        kv.delete("b", scope="user:ada")
        clock.advance(1)
        kv.set("a", 2)
        ledger.delete_partition("weather")
        kv.set("c", 1)
        kv.set("t", 1, scope="root_run:r-0")
        before = (kv.list(), kv.history("a"), kv.usage(), kv.history("b", scope="user:ada"))
        steps: list[tuple[int, int]] = []
        report = ledger.rebuild(progress=lambda done, total: steps.append((done, total)))
        assert report.differences == ()
        assert (report.partitions, report.events) == (2, 9)
        assert steps[-1] == (9, 9)
        assert (kv.list(), kv.history("a"), kv.usage(), kv.history("b", scope="user:ada")) == before
        assert kv.set("c", 2).revision == 9

    # --------------------------------------------------------------------------------------- close

    def test_a_closed_ledger_says_so(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()
        kv = ledger.partition("a")
        kv.set("k", 1)
        ledger.close()
        ledger.close()
        for use in (lambda: kv.get("k"), lambda: kv.set("k", 1), ledger.sweep, ledger.partitions, kv.usage):
            with pytest.raises(LedgerClosedError):
                use()
