"""Writers that race: threads here; an adapter's own tests add processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.racing import THREADS, race
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    NamespaceQuotaExceededError,
    RevisionConflictError,
)
from keyledger.domain.ledger import Ledger


class ConcurrencyContract(Fixtures):
    """What holds under any number of racing writers."""

    def test_no_increment_is_lost_also_from_a_missing_key(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def count(thread: int) -> None:
            kv = ledgers[thread % 2].partition("p", actor=f"t{thread}")
            for _ in range(25):
                kv.increment("n")

        race(count)
        history = ledgers[0].partition("p").history("n", limit=1000)
        assert [version.value for version in history] == list(range(THREADS * 25, 0, -1))
        assert [version.revision for version in history] == list(range(THREADS * 25, 0, -1))

    def test_no_quota_is_overshot(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen(quota=1_000) for _ in range(2)]

        def fill(thread: int) -> int:
            kv = ledgers[thread % 2].partition("p")
            return sum(_passes(partial(kv.set, f"{thread}/{n}", "x" * 18)) for n in range(20))

        assert sum(race(fill)) == 50
        assert ledgers[0].partition("p").usage().used_bytes == 1_000
        assert ledgers[1].rebuild().differences == ()

    def test_no_global_quota_is_overshot(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen(global_quota=2_000) for _ in range(2)]

        def fill(thread: int) -> int:
            kv = ledgers[thread % 2].partition(f"p{thread}")
            return sum(_passes(partial(kv.set, f"{n}", "x" * 98)) for n in range(10))

        assert sum(race(fill)) <= 20
        used = sum(each.usage.used_bytes for each in ledgers[0].partitions())
        assert 0 < used <= 2_000

    def test_of_racing_conditions_one_wins(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def create(thread: int) -> int:
            kv = ledgers[thread % 2].partition("p")
            return sum(_passes(partial(kv.set, f"{n}", thread, if_revision=0)) for n in range(20))

        assert sum(race(create)) == 20

    def test_racing_retries_of_one_request_write_once(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def ask(thread: int) -> object:
            return ledgers[thread % 2].partition("p").increment("n", request_id="q-1").value

        assert set(race(ask)) == {1}
        assert len(ledgers[0].partition("p").history("n")) == 1

    def test_a_refusal_in_a_group_fails_only_its_caller(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()

        def write(thread: int) -> int:
            kv = ledger.partition("p")
            odd = thread % 2
            condition = 9 if odd else 0
            return sum(_passes(partial(kv.set, f"{thread}/{n}", 1, if_revision=condition)) for n in range(20))

        assert sum(race(write)) == THREADS // 2 * 20
        assert ledger.partition("p").usage().live_keys == THREADS // 2 * 20

    def test_batches_never_interleave(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]

        def write(thread: int) -> None:
            for number in range(10):
                with ledgers[thread % 2].partition("p").batch() as batch:
                    batch.set("left", [thread, number])
                    batch.set("right", [thread, number])

        race(write)
        kv = ledgers[0].partition("p")
        left = [(version.value, version.revision + 1) for version in kv.history("left", limit=1000)]
        assert left == [(version.value, version.revision) for version in kv.history("right", limit=1000)]


def _passes(write: Callable[[], object]) -> bool:
    try:
        write()
    except (NamespaceQuotaExceededError, GlobalQuotaExceededError, RevisionConflictError):
        return False
    return True
