"""Quotas: of a partition, of a dispatch tree, of the ledger, and of the number of keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    InvalidArgumentError,
    KeyCountExceededError,
    NamespaceQuotaExceededError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Usage

MIB = 1_048_576


class QuotaContract(Fixtures):
    """What limits refuse, and what they let pass."""

    def test_usage_counts_the_json_text_of_live_values(self, kv: Partition) -> None:
        kv.set("a", "xy")
        kv.set("b", [1, 2], scope="user:ada")
        assert kv.usage() == Usage(4 + 5, 2, MIB)
        kv.set("a", 1)
        kv.delete("b", scope="user:ada")
        assert kv.usage() == Usage(1, 1, MIB)

    def test_exactly_at_the_quota_passes_and_one_byte_more_does_not(self, kv: Partition) -> None:
        kv.set_quota(10)
        kv.set("a", 12345)
        kv.set("b", 12345)
        with pytest.raises(NamespaceQuotaExceededError) as refused:
            kv.set("c", 1)
        assert (refused.value.used, refused.value.asked, refused.value.max) == (10, 1, 10)
        assert kv.get("c") is None

    def test_a_write_that_does_not_grow_passes_also_above_a_lowered_quota(self, kv: Partition) -> None:
        kv.set("a", 12345)
        kv.set_quota(3)
        assert kv.set("a", 54321).value == 54321
        assert kv.set("a", 1234).value == 1234
        with pytest.raises(NamespaceQuotaExceededError):
            kv.set("a", 12345)
        with pytest.raises(NamespaceQuotaExceededError):
            kv.increment("n")

    def test_a_quota_of_its_own_is_an_event_and_can_be_taken_back(self, kv: Partition) -> None:
        assert kv.set_quota(5) == Usage(0, 0, 5)
        assert kv.set_quota(None) == Usage(0, 0, MIB)
        kv.set("a", "x" * 100)
        assert kv.set("b", 1).revision == 4

    def test_a_batch_is_judged_on_its_final_state(self, kv: Partition) -> None:
        kv.set_quota(6)
        kv.set("old", 12345)
        with kv.batch() as batch:
            batch.set("new", 123456)
            batch.delete("old")
        assert kv.usage().used_bytes == 6
        with pytest.raises(NamespaceQuotaExceededError), kv.batch() as batch:
            batch.set("x", 1)
            batch.set("y", 1)
        assert kv.get("x") is None

    def test_a_write_that_needs_room_ends_expired_entries_first(self, kv: Partition, clock: ManualClock) -> None:
        kv.set_quota(9)
        kv.set("first", 123, ttl=1)
        kv.set("second", 123, ttl=2)
        kv.set("third", 123, ttl=3)
        clock.advance(5)
        kv.set("new", 1234)
        ended = [key for key in ("first", "second", "third") if kv.history(key)[0].operation == "expire"]
        assert ended == ["first", "second"]
        assert kv.usage().used_bytes == 4

    def test_what_expired_counts_for_no_refusal(self, kv: Partition, clock: ManualClock) -> None:
        kv.set_quota(9)
        kv.set("gone", 123, ttl=1)
        kv.set("kept", 12345)
        clock.advance(1)
        with pytest.raises(NamespaceQuotaExceededError) as refused:
            kv.set("new", 12345)
        assert (refused.value.used, refused.value.asked) == (5, 5)
        assert kv.history("gone")[0].operation == "set"

    def test_a_quota_of_none_is_no_quota(self, reopen: Callable[..., Ledger]) -> None:
        kv = reopen(quota=None, max_value_bytes=10).partition("free")
        for number in range(30):
            kv.set(f"k{number}", "12345678")
        assert kv.usage() == Usage(300, 30, None)

    def test_the_number_of_keys_is_limited_too(self, reopen: Callable[..., Ledger], clock: ManualClock) -> None:
        kv = reopen(max_keys=2, clock=clock).partition("few")
        kv.set("a", 1, ttl=1)
        kv.set("b", 1)
        with pytest.raises(KeyCountExceededError) as refused:
            kv.set("c", 1)
        assert (refused.value.used, refused.value.asked, refused.value.max) == (2, 1, 2)
        clock.advance(1)
        kv.set("c", 1)
        assert kv.usage().live_keys == 2

    def test_a_tree_has_a_cap_of_its_own_and_no_partitions_quota(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(quota=5, tree_quota=20)
        kv = ledger.partition("small")
        kv.set("a", "x" * 18, scope="root_run:r-1")
        kv.set("a", "x" * 18, scope="root_run:r-2")
        with pytest.raises(NamespaceQuotaExceededError, match="__root_run__"):
            kv.set("b", 1, scope="root_run:r-1")
        assert kv.usage(scope="root_run:r-1") == Usage(20, 1, 20)

    @pytest.mark.parametrize("max_bytes", [-1, True, 1.5, "10"])
    def test_a_quota_is_a_number_of_bytes(self, kv: Partition, max_bytes: int) -> None:
        with pytest.raises(InvalidArgumentError, match="max_bytes"):
            kv.set_quota(max_bytes)

    # ------------------------------------------------------------------------------------- global

    def test_the_global_quota_is_shared_by_all_partitions(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(global_quota=100_000)
        one, two = ledger.partition("one"), ledger.partition("two")
        one.set("a", "x" * 30_000)
        two.set("a", "x" * 30_000)
        with pytest.raises(GlobalQuotaExceededError) as refused:
            two.set("b", "x" * 60_000)
        assert refused.value.max == 100_000
        assert two.get("b") is None
        two.set("a", 1)

    def test_a_sweep_takes_back_what_partitions_lease_and_do_not_use(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(global_quota=65_536)
        one, two = ledger.partition("one"), ledger.partition("two")
        one.set("a", "x" * 1_000)
        with pytest.raises(GlobalQuotaExceededError):
            two.set("a", "x" * 1_000)
        one.delete("a")
        assert ledger.sweep().bytes_returned == 65_536
        two.set("a", "x" * 1_000)
        assert ledger.sweep().bytes_returned == 0
        with pytest.raises(GlobalQuotaExceededError):
            one.set("a", 1)

    def test_a_sweep_takes_back_the_part_of_a_lease_that_is_not_used(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(global_quota=1_000_000)
        one, two = ledger.partition("one"), ledger.partition("two")
        with one.batch() as batch:
            for number in range(12):
                batch.set(f"k{number}", "x" * 60_000)
        for number in range(1, 12):
            one.delete(f"k{number}")
        with pytest.raises(GlobalQuotaExceededError), two.batch() as batch:
            for number in range(12):
                batch.set(f"k{number}", "x" * 60_000)
        assert ledger.sweep().bytes_returned == 10 * 65_536
        with two.batch() as batch:
            for number in range(12):
                batch.set(f"k{number}", "x" * 60_000)
        assert ledger.sweep().bytes_returned == 0
        assert sum(each.usage.used_bytes for each in ledger.partitions()) == 13 * 60_002

    def test_the_global_quota_makes_room_from_expired_entries(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        kv = reopen(global_quota=1_000, clock=clock).partition("one")
        kv.set("gone", "x" * 900, ttl=1)
        clock.advance(1)
        assert kv.set("new", "x" * 950).size == 952

    def test_what_was_used_before_counts_when_a_global_quota_comes(self, reopen: Callable[..., Ledger]) -> None:
        reopen().partition("before").set("a", "x" * 900)
        ledger = reopen(global_quota=1_000)
        with pytest.raises(GlobalQuotaExceededError):
            ledger.partition("after").set("a", "x" * 200)
        ledger.partition("after").set("a", "x" * 50)
        ledger.partition("before").set("a", 1)
