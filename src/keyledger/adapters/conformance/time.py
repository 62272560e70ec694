"""Time: entries that expire, and a clock that may jump."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


class TimeContract(Fixtures):
    """What time does to entries."""

    def test_an_entry_is_gone_from_its_expiry_on(self, kv: Partition, clock: ManualClock) -> None:
        entry = kv.set("a", 1, ttl=10)
        assert (entry.ttl_seconds, entry.expires_at) == (10, START + timedelta(seconds=10))
        clock.advance(9.999999)
        found = kv.get("a")
        assert found is not None
        assert found.ttl_seconds == 1
        clock.advance(0.000001)
        assert kv.get("a") is None
        assert kv.get_many(["a"]) == {}
        assert kv.list().items == ()
        assert (kv.usage().used_bytes, kv.usage().live_keys) == (0, 0)

    def test_a_read_does_not_write(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=1)
        clock.advance(2)
        assert kv.get("a") is None
        assert [version.operation for version in kv.history("a")] == ["set"]

    def test_a_remaining_ttl_rounds_up(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=2.5)
        assert [entry.ttl_seconds for entry in kv.list()] == [3]
        clock.advance(0.5)
        assert [entry.ttl_seconds for entry in kv.list()] == [2]

    def test_a_set_without_ttl_clears_it_and_an_increment_keeps_it(self, kv: Partition) -> None:
        kv.set("n", 1, ttl=10)
        assert kv.increment("n").ttl_seconds == 10
        assert kv.increment("n", ttl=99).ttl_seconds == 99
        assert kv.set("n", 5).ttl_seconds is None

    def test_the_next_write_ends_an_expired_entry_in_the_history(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=1)
        clock.advance(5)
        entry = kv.set("a", 2)
        assert (entry.revision, entry.create_revision) == (3, 3)
        told = [(v.operation, v.changed_by, v.run_id) for v in kv.history("a")]
        assert told == [("set", "ada", "r-1"), ("expire", "system:expiry", None), ("set", "ada", "r-1")]

    def test_an_expired_entry_does_not_exist_for_conditions_increments_and_deletes(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        for key in ("a", "n", "d"):
            kv.set(key, 7, ttl=1)
        clock.advance(1)
        assert kv.set("a", 2, if_revision=0).value == 2
        increased = kv.increment("n")
        assert (increased.value, increased.ttl_seconds) == (1, None)
        assert kv.delete("d") is False
        assert [version.operation for version in kv.history("d")] == ["expire", "set"]

    def test_a_clock_that_jumps_back_neither_stops_writes_nor_revives(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(20)
        kv.set("b", 1)
        clock.advance(-15)
        assert kv.get("a") is None
        assert [entry.key for entry in kv.list()] == ["b"]
        assert kv.usage().live_keys == 1
        kv.set("c", 1)
        times = [kv.history(key)[0].recorded_at for key in ("b", "c")]
        assert times == [START + timedelta(seconds=20)] * 2

    @pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "10", 1e300, 10**400])
    def test_a_ttl_is_a_finite_number_of_seconds_above_0(self, kv: Partition, ttl: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="ttl"):
            kv.set("a", 1, ttl=ttl)
        assert kv.get("a") is None

    def test_the_shortest_ttl_still_ends(self, kv: Partition, clock: ManualClock) -> None:
        entry = kv.set("a", 1, ttl=1e-9)
        assert entry.ttl_seconds == 1
        clock.advance(0.000001)
        assert kv.get("a") is None

    def test_another_reader_sees_what_was_written(self, reopen: Callable[..., Ledger], kv: Partition) -> None:
        other = reopen().partition("weather")
        kv.set("a", 1)
        found = other.get("a")
        assert found is not None
        other.set("a", found.value)
        assert kv.set("a", 3).revision == 3
        with kv.batch() as batch:
            batch.set("a", 4)
        assert [version.value for version in other.history("a")] == [4, 3, 1, 1]
