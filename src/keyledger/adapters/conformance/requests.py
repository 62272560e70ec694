"""Request ids: a retried write returns its first result and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import (
    InvalidArgumentError,
    NamespaceQuotaExceededError,
    RequestIdReusedError,
    RevisionConflictError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


class RequestContract(Fixtures):
    """What a request id promises."""

    def test_a_retry_returns_the_first_result_and_writes_nothing(self, kv: Partition) -> None:
        kv.set("a", 0)
        first = kv.set("a", 1, ttl=60, request_id="q-1")
        kv.set("a", 2)
        assert kv.set("a", 1, ttl=60, request_id="q-1") == first
        assert len(kv.history("a")) == 3

    def test_a_retried_increment_counts_once(self, kv: Partition) -> None:
        kv.set("n", 10)
        first = kv.increment("n", request_id="q-1")
        kv.increment("n")
        assert kv.increment("n", request_id="q-1") == first
        kv.delete("n")
        kv.increment("n")
        assert kv.increment("n", request_id="q-1") == first

    def test_a_retried_delete_says_again_what_it_said(self, kv: Partition) -> None:
        assert kv.delete("a", request_id="q-0") is False
        kv.set("a", 1)
        assert kv.delete("a", request_id="q-0") is False
        assert kv.delete("a", request_id="q-1") is True
        assert kv.delete("a", request_id="q-1") is True

    def test_a_retried_batch_returns_its_results(self, kv: Partition) -> None:
        def write() -> object:
            with kv.batch(request_id="q-1") as batch:
                batch.set("a", 1)
                batch.increment("a")
                batch.delete("a")
                batch.increment("a", 5)
            return batch.results

        first = write()
        kv.set("a", "later")
        assert write() == first
        assert len(kv.history("a")) == 5

    def test_a_retry_is_recognised_before_conditions_and_quota(self, kv: Partition) -> None:
        first = kv.set("a", "xxx", if_revision=0, request_id="q-1")
        kv.set_quota(1)
        assert kv.set("a", "xxx", if_revision=0, request_id="q-1") == first

    def test_a_refusal_is_not_remembered(self, kv: Partition) -> None:
        with pytest.raises(RevisionConflictError):
            kv.set("a", 1, if_revision=7, request_id="q-1")
        assert kv.set("a", 1, request_id="q-1").revision == 1

    def test_the_same_id_for_another_command_is_refused(self, kv: Partition) -> None:
        kv.set("a", 1, request_id="q-1")
        for write in (
            lambda: kv.set("a", 2, request_id="q-1"),
            lambda: kv.set("b", 1, request_id="q-1"),
            lambda: kv.set("a", 1, ttl=5, request_id="q-1"),
            lambda: kv.delete("a", request_id="q-1"),
            lambda: kv.set("a", True, request_id="q-1"),
        ):
            with pytest.raises(RequestIdReusedError):
                write()
        assert len(kv.history("a")) == 1

    def test_request_ids_belong_to_their_partition(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1, request_id="q-1")
        assert ledger.partition("other").set("a", 2, request_id="q-1").revision == 1

    def test_another_process_recognises_the_retry(self, reopen: Callable[..., Ledger], kv: Partition) -> None:
        first = kv.set("a", 1, request_id="q-1")
        again = reopen().partition("weather", actor="ada", run_id="r-1")
        assert again.set("a", 1, request_id="q-1") == first

    def test_a_sweep_forgets_request_ids_after_a_week(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, request_id="q-1")
        clock.advance(timedelta(days=6).total_seconds())
        assert ledger.sweep().requests_forgotten == 0
        clock.advance(timedelta(days=1, seconds=1).total_seconds())
        assert ledger.sweep().requests_forgotten == 1
        assert kv.set("a", 1, request_id="q-1").revision == 2

    def test_a_rebuild_keeps_request_ids(self, ledger: Ledger, kv: Partition) -> None:
        first = kv.set("a", 1, request_id="q-1")
        ledger.rebuild()
        assert kv.set("a", 1, request_id="q-1") == first

    def test_a_quota_change_can_be_retried(self, kv: Partition) -> None:
        kv.set_quota(5, request_id="grant")
        kv.set_quota(None)
        assert kv.set_quota(5, request_id="grant").max_bytes != 5

    @pytest.mark.parametrize("request_id", ["", "x" * 257, 5, "a\0"])
    def test_a_request_id_is_a_name(self, kv: Partition, request_id: str) -> None:
        with pytest.raises(InvalidArgumentError, match="request_id"):
            kv.set("a", 1, request_id=request_id)

    def test_a_retry_after_expired_entries_were_ended_for_it(self, kv: Partition, clock: ManualClock) -> None:
        kv.set_quota(5)
        kv.set("gone", 12345, ttl=1)
        clock.advance(2)
        first = kv.set("new", 123, request_id="q-1")
        assert kv.set("new", 123, request_id="q-1") == first
        with pytest.raises(NamespaceQuotaExceededError):
            kv.set("more", 12345)
