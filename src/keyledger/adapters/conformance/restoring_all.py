"""Going back with everything at once."""

from __future__ import annotations

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


class RestoreAllContract(Fixtures):
    """What restore_all does."""

    def test_restoring_all_gives_the_very_moment(self, ledger: Ledger, kv: Partition, clock: ManualClock) -> None:
        kv.set("kept", 1)
        kv.set("changed", {"x": [1]})
        kv.set("gone", 1, ttl=60)
        kv.set("hers", 1, scope="user:ada")
        clock.advance(10)
        then = kv.at()
        kv.set("changed", {"x": [2]})
        kv.delete("gone")
        kv.delete("hers", scope="user:ada")
        kv.set("new", 1)
        kv.set("new", 1, scope="run:r-1")
        clock.advance(10)
        assert kv.restore_all(then) == 5
        assert {each.key: each.patch for each in kv.diff(then)} == {"gone": ()}
        entry = kv.get("gone")
        assert entry is not None
        assert entry.ttl_seconds == 50
        changed = kv.history("changed")
        assert [(each.operation, each.restored_from) for each in changed][:1] == [("restore", 4)]
        assert kv.history("kept")[0].revision == 1
        assert ledger.rebuild().differences == ()

    def test_restoring_all_brings_back_a_deleted_partition(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 2, scope="user:ada")
        ledger.delete_partition("weather")
        assert kv.restore_all(2) == 2
        assert kv.diff(2) == ()
        assert [each.id for each in ledger.partitions()] == ["weather"]

    def test_restoring_all_to_nothing_empties(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 2, scope="user:ada")
        assert kv.restore_all(0) == 2
        assert kv.usage().live_keys == 0
        assert kv.restore_all(0) == 0

    def test_restoring_all_can_be_of_a_scope_and_a_prefix(self, kv: Partition) -> None:
        for scope in ("skill", "user:ada"):
            for key in ("a/1", "a/2", "b/1"):
                kv.set(key, 1, scope=scope)
        assert kv.restore_all(0, scope="user:ada", prefix="a/") == 2
        assert held(kv.list(scope="user:ada")) == {"b/1": 1}
        assert kv.restore_all(0, prefix="a/") == 2
        assert kv.restore_all(0, scope="user:bob") == 0
        assert held(kv.list()) == {"b/1": 1}

    def test_a_tree_is_restored_apart(self, kv: Partition) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        kv.set("plan", 2, scope="root_run:r-0")
        kv.set("a", 1)
        assert kv.restore_all(1, scope="root_run:r-0") == 1
        entry = kv.get("plan", scope="root_run:r-0")
        assert entry is not None
        assert entry.value == 1
        assert kv.restore("plan", 2, scope="root_run:r-0") is not None
        assert held(kv.list()) == {"a": 1}

    def test_restoring_all_is_one_transaction_of_any_size(self, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(1_101):
                batch.set(f"{number:04}", number)
        assert kv.restore_all(0) == 1_101
        assert kv.restore_all(1_101) == 1_101
        assert kv.usage().live_keys == 1_101
        requests = {kv.history(key)[0].request_id for key in ("0000", "0500", "1100")}
        assert len(requests) == 1

    def test_keys_that_had_expired_then_go_and_keys_that_expired_since_come_back(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("early", 1, ttl=5)
        kv.set("late", 1, ttl=50)
        clock.advance(10)
        then = kv.at()
        kv.set("early", 2)
        clock.advance(100)
        assert kv.restore_all(then) == 2
        assert [(entry.key, entry.ttl_seconds) for entry in kv.list()] == [("late", 40)]

    def test_a_clock_that_jumped_back_does_not_keep_what_expired_from_coming_back(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(20)
        kv.set("b", 1)
        clock.advance(-15)
        assert kv.restore_all(1) == 2
        assert [(entry.key, entry.ttl_seconds) for entry in kv.list()] == [("a", 10)]
