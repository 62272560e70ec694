"""Time in the past: an entry's life is judged as of the moment that is asked about."""

from __future__ import annotations

from datetime import timedelta

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Usage


def after(seconds: float) -> timedelta:
    """A time after the clock's start."""
    return timedelta(seconds=seconds)


class PastTimeContract(Fixtures):
    """What expiry looks like from a moment in the past."""

    def test_an_entry_that_expired_later_is_there_with_what_was_left_of_its_life(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=100)
        clock.advance(30)
        kv.set("b", 1)
        clock.advance(1_000)
        for moment, left in ((1, 100), (2, 70), (START + after(99.5), 1), (START, 100)):
            entry = kv.at(moment).get("a")
            assert entry is not None
            assert (entry.ttl_seconds, entry.expires_at) == (left, START + after(100))

    def test_an_entry_that_had_expired_by_then_is_absent_though_no_event_had_ended_it(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(10)
        kv.set("b", 1)
        for view in (kv.at(2), kv.at(), kv.at(START + after(10))):
            assert (view.get("a"), held(view.list()), held(view.scan())) == (None, {"b": 1}, {"b": 1})
            assert view.get_many(["a", "b"]).keys() == {"b"}
            assert [version.key for version in view.blame()] == ["b"]
            assert (view.usage().used_bytes, view.usage().live_keys) == (1, 1)
        assert held(kv.at(START + after(9.999999)).list()) == {"a": 1}

    def test_the_event_that_ended_it_later_changes_nothing_about_the_time_before(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(20)
        assert ledger.sweep().expired == 1
        assert held(kv.at(1).list()) == {"a": 1}
        assert held(kv.at(START + after(5)).list()) == {"a": 1}
        assert held(kv.at(START + after(15)).list()) == {}
        assert held(kv.at(2).list()) == {}

    def test_a_revision_is_judged_at_its_own_time_and_not_before_the_next(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(50)
        assert held(kv.at(1).list()) == {"a": 1}
        assert held(kv.at().list()) == {}
        assert held(kv.at(clock.now()).list()) == {}

    def test_usage_at_a_time_counts_what_was_live_at_that_time(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 123, ttl=10)
        kv.set("b", 12345)
        clock.advance(60)
        quota = kv.usage().max_bytes
        assert kv.at(START + after(9)).usage() == Usage(8, 2, quota)
        assert kv.at(START + after(10)).usage() == Usage(5, 1, quota)

    def test_a_time_finds_the_last_revision_not_later_than_it(self, kv: Partition, clock: ManualClock) -> None:
        for number in range(1, 60):
            clock.advance(1)
            kv.set("n", number)
            if number % 3 == 0:  # several at one time
                kv.set("n", -number)
        clock.advance(1)
        for second in range(1, 60):
            for instant in (START + after(second), START + after(second + 0.999999)):
                entry = kv.at(instant).get("n")
                assert entry is not None
                assert entry.value == (second if second % 3 else -second)
                assert kv.at(instant).instant == instant

    def test_a_time_before_the_first_event_is_the_empty_past(self, kv: Partition) -> None:
        kv.set("a", 1)
        for instant in (START - after(0.000001), START.replace(year=1960), START.replace(year=1)):
            view = kv.at(instant)
            assert (view.revision, view.instant, view.list().items, view.usage().live_keys) == (0, instant, (), 0)
            assert kv.at(str(view)).list().items == ()

    def test_a_clock_that_jumped_back_does_not_hide_what_is_written(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        clock.advance(100)
        kv.set("a", 1, ttl=50)
        clock.advance(-90)
        kv.set("b", 1)
        assert kv.at().instant == START + after(100)
        assert held(kv.at().list()) == held(kv.at(START + after(100)).list()) == {"a": 1, "b": 1}
        assert kv.at(START + after(99)).revision == 0

    def test_an_increment_keeps_a_life_and_a_set_clears_it_in_the_past_too(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("n", 1, ttl=10)
        kv.increment("n")
        kv.set("n", 3)
        clock.advance(99)
        lives = [entry and (entry.value, entry.ttl_seconds) for entry in (kv.at(r).get("n") for r in range(4))]
        assert lives == [None, (1, 10), (2, 10), (3, None)]
        assert held(kv.at().list()) == {"n": 3}

    def test_a_key_that_expired_and_came_again_is_one_life_after_the_other(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        clock.advance(20)
        kv.set("a", 2, ttl=10)
        clock.advance(20)
        found = [kv.at(START + after(second)).get("a") for second in (0, 9, 10, 19, 20, 29, 30, 40)]
        assert [entry and (entry.value, entry.create_revision) for entry in found] == [
            (1, 1),
            (1, 1),
            None,
            None,
            (2, 3),
            (2, 3),
            None,
            None,
        ]
