"""Watching: each change once, in order, from any revision on; and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import (
    ForkIncompleteError,
    InvalidArgumentError,
    LedgerClosedError,
    RevisionNotFoundError,
    StorageUnavailableError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.watch import READ_AT_ONCE
from keyledger.domain.records import Version

PATIENCE = 60


class WatchContract(Fixtures):
    """What ``Partition.watch`` gives, on any storage."""

    @pytest.fixture
    def elsewhere(self) -> Iterator[ThreadPoolExecutor]:
        """A thread in which a test waits."""
        with ThreadPoolExecutor(2) as pool:
            yield pool

    # -------------------------------------------------------------------------------- what it gives

    def test_every_change_after_a_revision_comes_once_oldest_first(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", {"n": 1})
        kv.increment("n", 5)
        kv.set("t", "soon gone", ttl=10)
        kv.delete("a")
        clock.advance(10)
        kv.set("t", "again")
        assert _told(kv.watch(after=1, follow=False)) == [
            (2, "increment", "skill", "n", 5),
            (3, "set", "skill", "t", "soon gone"),
            (4, "delete", "skill", "a", None),
            (5, "expire", "skill", "t", None),
            (6, "set", "skill", "t", "again"),
        ]

    def test_a_change_is_the_version_that_the_history_shows(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", [1], ttl=60)
        clock.advance(1)
        kv.increment("n", request_id="q")
        kv.delete("a")
        found = list(kv.watch(after=0, follow=False))
        history = [*kv.history("a"), *kv.history("n")]
        assert found == sorted(history, key=lambda version: version.revision)

    def test_without_a_revision_it_begins_with_what_comes(self, kv: Partition) -> None:
        kv.set("a", 1)
        with kv.watch() as watch:
            assert watch.revision == 1
            kv.set("a", 2)
            kv.set("b", 3)
            assert _told(islice(watch, 2)) == [(2, "set", "skill", "a", 2), (3, "set", "skill", "b", 3)]

    def test_a_waiting_watcher_is_told_what_another_writes(
        self, reopen: Callable[..., Ledger], elsewhere: ThreadPoolExecutor
    ) -> None:
        watched, writer = reopen().partition("p"), reopen().partition("p")
        with watched.watch("n") as watch:
            for number in range(1, 4):
                waiting = elsewhere.submit(next, watch)
                writer.set("other", number)
                writer.increment("n")
                assert waiting.result(PATIENCE).value == number

    def test_a_partition_may_be_watched_before_it_is_used(
        self, ledger: Ledger, elsewhere: ThreadPoolExecutor
    ) -> None:
        kv = ledger.partition("unused")
        with kv.watch(after=0) as watch:
            waiting = elsewhere.submit(next, watch)
            ledger.partition("other").set("a", 1)
            kv.set("a", 2)
            assert waiting.result(PATIENCE).value == 2

    def test_many_changes_are_read_bit_by_bit(self, kv: Partition) -> None:
        changes = 2 * READ_AT_ONCE + 1
        for begin in range(0, changes, 100):
            with kv.batch() as batch:
                for number in range(begin, min(begin + 100, changes)):
                    batch.set(f"k{number}", number)
        assert [version.value for version in kv.watch(after=0, follow=False)] == list(range(changes))

    def test_several_watchers_each_see_everything(self, kv: Partition) -> None:
        with kv.watch() as one, kv.watch() as two:
            kv.set("a", 1)
            kv.set("b", 2)
            assert list(islice(one, 2)) == list(islice(two, 2))

    # -------------------------------------------------------------------------------- what it leaves out

    @pytest.mark.parametrize(
        ("prefix", "scope", "revisions"),
        [
            ("", None, [1, 2, 3, 4, 5]),
            ("a", None, [1, 2, 4]),
            ("a/", None, [2, 4]),
            ("", "skill", [1, 2, 3]),
            ("a", "user:ada", [4]),
            ("b", "run:r-1", [5]),
            ("x", "run:r-1", []),
        ],
    )
    def test_only_what_is_asked_for_comes(
        self, kv: Partition, prefix: str, scope: str | None, revisions: list[int]
    ) -> None:
        kv.set("a", 1)
        kv.set("a/b", 2)
        kv.set("b", 3)
        kv.set("a/b", 4, scope="user:ada")
        kv.set("b", 5, scope="run:r-1")
        watch = kv.watch(prefix, scope=scope, after=0, follow=False)
        assert [version.revision for version in watch] == revisions
        assert watch.revision == 5

    def test_a_tree_is_watched_by_its_scope_with_its_own_revisions(self, kv: Partition, ledger: Ledger) -> None:
        kv.set("a", 1)
        kv.set("a", 2, scope="root_run:r-0")
        ledger.partition("other").set("b", 3, scope="root_run:r-0")
        assert _told(kv.watch(scope="root_run:r-0", after=0, follow=False)) == [
            (1, "set", "root_run:r-0", "a", 2),
            (2, "set", "root_run:r-0", "b", 3),
        ]
        assert [version.value for version in kv.watch(after=0, follow=False)] == [1]

    def test_the_end_of_the_partition_is_one_change_whatever_is_asked_for(
        self, kv: Partition, ledger: Ledger
    ) -> None:
        kv.set("a", 1)
        kv.set("b", 2)
        ledger.delete_partition("weather", actor="mia")
        kv.set("a", 3)
        for prefix, scope in (("b", None), ("", "user:ada"), ("", None)):
            watch = kv.watch(prefix, scope=scope, after=2, follow=False)
            first = next(watch)
            assert (first.revision, first.operation, first.scope, first.key) == (3, "partition_deleted", "", "")
            assert (first.value, first.size, first.changed_by) == (None, 0, "mia")

    def test_a_change_of_the_quota_is_passed_over(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set_quota(10_000)
        watch = kv.watch(after=1, follow=False)
        assert list(watch) == []
        assert watch.revision == 2

    def test_a_fork_shows_what_was_copied(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 2)
        kv.delete("a")
        fork = kv.fork("copy")
        fork.set("c", 3)
        assert _told(fork.watch(after=0, follow=False)) == [
            (2, "copy", "skill", "b", 2),
            (4, "set", "skill", "c", 3),
        ]

    # -------------------------------------------------------------------------------------- resuming

    @pytest.mark.parametrize("prefix", ["", "k1"])
    def test_from_any_revision_it_goes_on_without_gap_or_repeat(self, kv: Partition, prefix: str) -> None:
        for number in range(12):
            kv.set(f"k{number % 3}", number)
        every = list(kv.watch(prefix, after=0, follow=False))
        for taken in range(len(every) + 1):
            watch = kv.watch(prefix, after=0, follow=False)
            before = list(islice(watch, taken))
            assert before + list(kv.watch(prefix, after=watch.revision, follow=False)) == every

    def test_one_that_failed_can_be_gone_on_with(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        with kv.watch(after=0) as watch:
            with monkeypatch.context() as broken:
                broken.setattr(ledger.storage, "events", _unavailable)
                with pytest.raises(StorageUnavailableError):
                    next(watch)
            assert [version.value for version in islice(watch, 2)] == [1, 2]
            with monkeypatch.context() as broken:
                broken.setattr(ledger.storage, "events", _unavailable)
                with pytest.raises(StorageUnavailableError):
                    next(watch)
            kv.set("a", 3)
            assert next(watch).value == 3

    # ----------------------------------------------------------------------------------------- ending

    def test_without_following_it_ends_when_it_has_caught_up(self, kv: Partition) -> None:
        kv.set("a", 1)
        watch = kv.watch(after=0, follow=False)
        assert len(list(watch)) == 1
        kv.set("a", 2)
        assert list(watch) == []
        assert [version.value for version in kv.watch(after=watch.revision, follow=False)] == [2]

    def test_to_close_it_ends_one_that_waits(self, kv: Partition, elsewhere: ThreadPoolExecutor) -> None:
        with kv.watch() as idle, kv.watch() as watch:
            waiting = [elsewhere.submit(list, each) for each in (idle, watch)]
            kv.set("a", 1)
            watch.close()
            watch.close()
            assert len(waiting[1].result(PATIENCE)) <= 1
            idle.close()
            assert len(waiting[0].result(PATIENCE)) <= 1
        assert list(watch) == []

    def test_to_close_the_ledger_ends_it(
        self, reopen: Callable[..., Ledger], elsewhere: ThreadPoolExecutor
    ) -> None:
        ledger = reopen()
        kv = ledger.partition("p")
        kv.set("a", 1)
        watches = [kv.watch(), kv.watch(after=0)]
        first = next(watches[1])
        waiting = elsewhere.submit(list, watches[0])
        ledger.close()
        assert first.value == 1
        assert waiting.result(PATIENCE) == []
        assert list(watches[1]) == []

    def test_a_closed_ledger_is_not_watched(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen()
        kv = ledger.partition("p")
        kv.set("a", 1)
        ledger.close()
        with pytest.raises(LedgerClosedError):
            kv.watch()

    # -------------------------------------------------------------------------------------- bad input

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("prefix", {"prefix": 1}),
            ("prefix", {"prefix": "a\0"}),
            ("scope", {"scope": "nobody"}),
            ("scope", {"scope": "user:"}),
            ("after", {"after": -1}),
            ("after", {"after": "1"}),
            ("after", {"after": True}),
            ("follow", {"follow": None}),
        ],
    )
    def test_what_is_not_of_the_form_of_a_watch_is_refused(
        self, kv: Partition, field: str, arguments: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidArgumentError) as raised:
            kv.watch(**arguments)
        assert raised.value.field == field

    def test_a_revision_that_is_not_reached_is_refused(self, kv: Partition) -> None:
        kv.set("a", 1)
        assert list(kv.watch(after=1, follow=False)) == []
        with pytest.raises(RevisionNotFoundError) as raised:
            kv.watch(after=2)
        assert (raised.value.revision, raised.value.head) == (2, 1)

    def test_a_fork_that_is_not_finished_is_not_watched(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1)
        with monkeypatch.context() as broken:
            broken.setattr(ledger.storage, "rows_at", _unavailable)
            with pytest.raises(StorageUnavailableError):
                kv.fork("copy")
        with pytest.raises(ForkIncompleteError):
            ledger.partition("copy").watch(after=0)
        assert len(list(kv.fork("copy").watch(after=0, follow=False))) == 1


def _told(versions: Iterable[Version]) -> list[tuple[int, str, str, str, Any]]:
    return [(each.revision, each.operation, each.scope, each.key, each.value) for each in versions]


def _unavailable(*_: object) -> list[Any]:
    raise StorageUnavailableError("gone")
