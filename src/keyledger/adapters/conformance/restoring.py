"""Going back: of one key, and of everything at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.domain.errors import (
    GlobalQuotaExceededError,
    InvalidArgumentError,
    KeyCountExceededError,
    NamespaceQuotaExceededError,
    RequestIdReusedError,
    RevisionConflictError,
    ValueTooLargeError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


class RestoreContract(Fixtures):
    """What restore and restore_all do."""

    def test_a_restore_gives_back_what_was_there_as_a_new_change(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", {"x": 1})
        kv.set("a", 2)
        clock.advance(5)
        by_bob = ledger.partition("weather", actor="bob", run_id="r-2", tool="undo")
        entry = by_bob.restore("a", 1)
        assert entry is not None
        assert (entry.value, entry.revision, entry.create_revision) == ({"x": 1}, 3, 1)
        assert (entry.changed_by, entry.run_id, entry.updated_at) == ("bob", "r-2", START + timedelta(seconds=5))
        assert kv.get("a") == entry
        version = kv.history("a")[0]
        assert (version.operation, version.restored_from, version.value) == ("restore", 1, {"x": 1})
        assert (version.changed_by, version.run_id, version.tool, version.copied_from) == (
            "bob",
            "r-2",
            "undo",
            None,
        )
        assert [each.restored_from for each in kv.history("a")] == [1, None, None]

    def test_a_restore_to_when_a_key_was_not_there_ends_it(self, kv: Partition) -> None:
        kv.set("b", 1)
        kv.set("a", 1)
        assert kv.restore("a", 1) is None
        assert kv.get("a") is None
        version = kv.history("a")[0]
        assert (version.operation, version.restored_from, version.value, version.size) == ("restore", 1, None, 0)
        assert kv.restore("a", 0) is None
        assert kv.restore("never", 0) is None
        assert kv.at().revision == 3

    def test_a_restore_finds_what_stood_then_not_what_was_written_then(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 1)
        kv.set("a", 2)
        entry = kv.restore("a", 2)
        assert entry is not None
        assert (entry.value, kv.history("a")[0].restored_from) == (1, 2)

    @pytest.mark.parametrize("name", ["revision", "time", "token", "view"])
    def test_a_restore_goes_to_any_moment(self, kv: Partition, clock: ManualClock, name: str) -> None:
        kv.set("a", 1)
        moments: dict[str, Any] = {"revision": 1, "time": START, "token": str(kv.at(1)), "view": kv.at()}
        clock.advance(1)
        kv.set("a", 2)
        entry = kv.restore("a", moments[name])
        assert entry is not None
        assert (entry.value, kv.history("a")[0].restored_from) == (1, 1)
        kv.set("a", 3)
        assert kv.restore_all(moments[name]) == 1
        assert held(kv.list()) == {"a": 1}

    def test_what_still_stands_is_left_alone(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        kv.set("short", 1, ttl=60)
        kv.set("b", 1)
        kv.set("b", 1)
        clock.advance(30)
        for key, left in (("a", None), ("short", 30), ("b", None)):
            before = kv.get(key)
            assert kv.restore(key, 3) == before
            assert before is not None
            assert before.ttl_seconds == left
        assert kv.restore_all(3) == 0
        assert kv.at().revision == 4

    def test_a_restored_entry_lives_on_for_as_long_as_was_left_of_its_life(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=100)
        clock.advance(30)
        kv.set("b", 1)
        clock.advance(1_000)
        entry = kv.restore("a", 2)
        assert entry is not None
        assert (entry.ttl_seconds, entry.expires_at) == (70, clock.now() + timedelta(seconds=70))
        entry = kv.restore("a", START + timedelta(seconds=99.5))
        assert entry is not None
        assert entry.expires_at == clock.now() + timedelta(seconds=0.5)
        clock.advance(0.5)
        assert kv.get("a") is None

    def test_a_restore_to_when_a_key_had_expired_ends_it(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(20)
        kv.set("b", 1)
        kv.set("a", 2)
        assert kv.restore("a", 2) is None
        assert [each.operation for each in kv.history("a")] == ["restore", "set", "expire", "set"]

    def test_a_restored_life_or_none_takes_the_place_of_the_one_that_is(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 1, ttl=50)
        entry = kv.restore("a", 1)
        assert entry is not None
        assert entry.ttl_seconds is None
        entry = kv.restore("a", 2)
        assert entry is not None
        assert entry.ttl_seconds == 50

    def test_undoing_an_undo_brings_back_what_was_undone(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        kv.set("b", 1)
        kv.restore("a", 1)
        entry = kv.restore("a", 3)
        assert entry is not None
        assert entry.value == 2
        assert kv.restore_all(1) == 2
        assert held(kv.list()) == {"a": 1}
        assert kv.restore_all(3) == 2
        assert held(kv.list()) == {"a": 2, "b": 1}
        assert [each.operation for each in kv.history("b")] == ["restore", "restore", "set"]

    def test_a_restored_number_goes_on_counting(self, kv: Partition) -> None:
        for _ in range(5):
            kv.increment("n")
        kv.restore("n", 2)
        assert kv.increment("n").value == 3

    # ------------------------------------------------------------------- conditions, caps and quotas

    def test_if_revision_guards_a_restore(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        for wrong in (0, 1, 9):
            with pytest.raises(RevisionConflictError) as caught:
                kv.restore("a", 1, if_revision=wrong)
            assert (caught.value.expected, caught.value.found) == (wrong, 2)
        assert kv.restore("a", 1, if_revision=2) is not None
        kv.delete("a")
        assert kv.restore("a", 1, if_revision=0) is not None

    def test_the_quota_of_today_holds_for_what_is_restored(self, kv: Partition) -> None:
        kv.set("a", 12345)
        kv.delete("a")
        kv.set("b", 123)
        kv.set_quota(7)
        for restore in (lambda: kv.restore("a", 1), lambda: kv.restore_all(1, prefix="a")):
            with pytest.raises(NamespaceQuotaExceededError) as caught:
                restore()
            assert (caught.value.used, caught.value.asked, caught.value.max) == (3, 5, 7)
        assert kv.restore_all(1) == 2
        assert held(kv.list()) == {"a": 12345}

    def test_a_restore_makes_room_from_what_expired(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 12345)
        kv.delete("a")
        kv.set("b", 12345, ttl=1)
        kv.set_quota(5)
        clock.advance(1)
        assert kv.restore("a", 1) is not None
        assert kv.history("b")[0].operation == "expire"

    def test_the_caps_of_today_hold_for_what_is_restored(self, reopen: Callable[..., Ledger]) -> None:
        kv = reopen().partition("p")
        kv.set("long", "x" * 50)
        kv.set("long", 1)
        kv.set("a", 1)
        kv.delete("a")
        kv.set("b", 1)
        capped, counted = reopen(max_value_bytes=20).partition("p"), reopen(max_keys=2).partition("p")
        with pytest.raises(ValueTooLargeError):
            capped.restore("long", 1)
        with pytest.raises(ValueTooLargeError):
            capped.restore_all(1)
        with pytest.raises(KeyCountExceededError):
            counted.restore("a", 3)
        assert (capped.at().revision, held(kv.list())) == (5, {"b": 1, "long": 1})

    def test_the_global_quota_holds_for_what_is_restored(self, reopen: Callable[..., Ledger]) -> None:
        ledger = reopen(global_quota=65_536)
        kv, other = ledger.partition("p"), ledger.partition("other")
        kv.set("a", "x" * 40_000)
        kv.delete("a")
        ledger.sweep()
        other.set("b", "x" * 40_000)
        for restore in (lambda: kv.restore("a", 1), lambda: kv.restore_all(1)):
            with pytest.raises(GlobalQuotaExceededError):
                restore()
        other.delete("b")
        ledger.sweep()
        assert kv.restore_all(1) == 1

    # ----------------------------------------------------------------------------------- request ids

    def test_a_retried_restore_is_done_once(self, reopen: Callable[..., Ledger], kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        first = kv.restore("a", 1, request_id="q-1")
        kv.set("a", 3)
        for again in (kv, reopen().partition("weather")):
            assert again.restore("a", 1, request_id="q-1") == first
        found = kv.get("a")
        assert found is not None
        assert (found.value, kv.at().revision) == (3, 4)

    def test_a_retried_restore_to_nothing_is_done_once(self, kv: Partition) -> None:
        kv.set("a", 1)
        assert kv.restore("a", 0, request_id="q-1") is None
        kv.set("a", 2)
        assert kv.restore("a", 0, request_id="q-1") is None
        assert held(kv.list()) == {"a": 2}

    def test_a_retried_restore_that_changed_nothing_changes_nothing_later(self, kv: Partition) -> None:
        kv.set("a", 1)
        assert kv.restore("a", 1, request_id="q-1") == kv.get("a")
        kv.set("a", 2)
        kv.restore("a", 1, request_id="q-1")
        assert held(kv.list()) == {"a": 2}

    def test_a_retried_restore_of_all_is_done_once_and_counts_as_the_first(
        self, reopen: Callable[..., Ledger], kv: Partition
    ) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        kv.set("b", 2)
        assert kv.restore_all(1, request_id="q-1") == 2
        kv.set("a", 3)
        for again in (kv, reopen().partition("weather")):
            assert again.restore_all(1, request_id="q-1") == 2
        assert held(kv.list()) == {"a": 3}

    def test_a_request_id_stands_for_one_restore(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        kv.set("b", 2)
        kv.restore("a", 1, request_id="q-1")
        kv.restore_all(2, request_id="q-2")
        others: list[Callable[[], object]] = [
            lambda: kv.restore("a", 2, request_id="q-1"),
            lambda: kv.restore("b", 1, request_id="q-1"),
            lambda: kv.set("a", 1, request_id="q-1"),
            lambda: kv.restore_all(1, request_id="q-1"),
            lambda: kv.restore_all(1, request_id="q-2"),
            lambda: kv.restore_all(2, prefix="a", request_id="q-2"),
            lambda: kv.restore_all(2, scope="skill", request_id="q-2"),
        ]
        for other in others:
            with pytest.raises(RequestIdReusedError):
                other()

    @pytest.mark.parametrize(
        ("field", "restore"),
        [
            ("key", lambda kv: kv.restore("", 1)),
            ("scope", lambda kv: kv.restore("a", 1, scope="skills")),
            ("if_revision", lambda kv: kv.restore("a", 1, if_revision=-1)),
            ("request_id", lambda kv: kv.restore("a", 1, request_id="")),
            ("scope", lambda kv: kv.restore_all(1, scope="skills")),
            ("prefix", lambda kv: kv.restore_all(1, prefix="\0")),
            ("request_id", lambda kv: kv.restore_all(1, request_id="x" * 257)),
        ],
    )
    def test_restoring_checks_what_it_is_asked(
        self, kv: Partition, field: str, restore: Callable[[Partition], object]
    ) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError) as caught:
            restore(kv)
        assert caught.value.field == field
        assert kv.at().revision == 1
