"""Differences between two moments, of one partition or of two."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.adapters.conformance.unfinished_forks import interrupted
from keyledger.domain.errors import ForkIncompleteError, InvalidArgumentError, RevisionNotFoundError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import KeyChange


def told(changes: Iterable[KeyChange]) -> list[tuple[Any, ...]]:
    """Kind, key, value before and after."""
    return [
        (each.kind, each.key, each.before and each.before.value, each.after and each.after.value)
        for each in changes
    ]


class DifferenceContract(Fixtures):
    """What diff tells."""

    def test_what_was_added_removed_and_changed_is_told_in_the_order_of_keys(self, kv: Partition) -> None:
        for key, value in (("c", 1), ("same", 1), ("a", {"x": 1, "y": 2}), ("gone", 1)):
            kv.set(key, value)
        kv.set("a", {"x": 1, "y": 3})
        kv.delete("gone")
        kv.increment("c")
        kv.set("b", "new")
        changes = kv.diff(4)
        assert told(changes) == [
            ("changed", "a", {"x": 1, "y": 2}, {"x": 1, "y": 3}),
            ("added", "b", None, "new"),
            ("changed", "c", 1, 2),
            ("removed", "gone", 1, None),
        ]
        assert [each.patch for each in changes] == [
            ({"op": "replace", "path": "/y", "value": 3},),
            (),
            ({"op": "replace", "path": "", "value": 2},),
            (),
        ]
        assert changes[0].before == kv.at(4).get("a")
        assert changes[0].after == kv.get("a")

    def test_the_way_back_is_told_too(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 2)
        kv.delete("a")
        assert told(kv.diff(3, 1)) == [("added", "a", None, 1), ("removed", "b", 2, None)]
        assert told(kv.diff(1, 3)) == [("removed", "a", 1, None), ("added", "b", None, 2)]

    def test_a_moment_does_not_differ_from_itself(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=50)
        clock.advance(1)
        assert (kv.diff(1, 1), kv.diff(0, 0), kv.diff(kv.at()), kv.diff(1)) == ((), (), (), ())

    def test_a_value_that_came_back_is_no_difference(self, kv: Partition) -> None:
        kv.set("a", {"x": 1, "y": [1]})
        kv.set("a", 2)
        kv.set("a", {"y": [1], "x": 1})
        kv.set("b", 1)
        kv.delete("b")
        kv.set("b", 1)
        assert told(kv.diff(1, 3)) == []
        assert told(kv.diff(4, 6)) == []

    @pytest.mark.parametrize(
        ("old", "new"), [(1, 1.0), (1, True), (0, False), (0.0, False), ([1], [True]), ({"a": 1}, {"a": 1.0})]
    )
    def test_values_of_different_types_differ(self, kv: Partition, old: Any, new: Any) -> None:
        kv.set("a", old)
        kv.set("a", new)
        (change,) = kv.diff(1, 2)
        assert change.patch
        assert change.after is not None
        assert repr(change.after.value) == repr(new)

    def test_a_life_that_changed_is_a_change_without_a_patch(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 1, ttl=9)
        (change,) = kv.diff(1, 2)
        assert (change.kind, change.patch) == ("changed", ())
        assert change.after is not None
        assert change.after.ttl_seconds == 9

    def test_what_expired_between_the_two_is_removed_by_whatever_ended_it(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        kv.set("b", 1)
        clock.advance(20)
        assert told(kv.diff(2)) == told(kv.diff(START, clock.now())) == [("removed", "a", 1, None)]
        ledger.sweep()
        assert told(kv.diff(2)) == told(kv.diff(2, 3)) == [("removed", "a", 1, None)]

    def test_every_scope_is_compared_unless_one_is_named(self, kv: Partition) -> None:
        kv.set("b", 1)
        kv.set("a", 1, scope="user:bob")
        kv.set("ab", 1, scope="user:ada")
        kv.set("plan", 1, scope="root_run:r-0")
        assert [(each.scope, each.key) for each in kv.diff(0)] == [
            ("skill", "b"),
            ("user:ada", "ab"),
            ("user:bob", "a"),
        ]
        assert [each.key for each in kv.diff(0, scope="user:bob")] == ["a"]
        assert [(each.scope, each.key) for each in kv.diff(0, prefix="a")] == [
            ("user:ada", "ab"),
            ("user:bob", "a"),
        ]
        assert [each.key for each in kv.diff(0, prefix="a", scope="skill")] == []
        assert told(kv.diff(0, 1, scope="root_run:r-0")) == [("added", "plan", None, 1)]

    def test_a_deleted_partition_has_lost_all(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 1, scope="user:ada")
        ledger.delete_partition("weather")
        assert [each.kind for each in kv.diff(2)] == ["removed", "removed"]
        assert [each.kind for each in kv.diff(3, 2)] == ["added", "added"]

    def test_any_number_of_keys_can_differ(self, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(1_101):
                batch.set(f"{number:04}", number)
        with kv.batch() as batch:
            for number in range(0, 1_101, 2):
                batch.set(f"{number:04}", -number)
        changes = kv.diff(1_101)
        assert [each.key for each in changes] == [f"{number:04}" for number in range(2, 1_101, 2)]
        assert len(kv.diff(0, 1_101)) == 1_101

    # ---------------------------------------------------------------------------- of two partitions

    def test_two_partitions_differ_by_what_they_hold(self, ledger: Ledger, kv: Partition) -> None:
        other = ledger.partition("fares")
        for key in ("same", "mine", "both"):
            kv.set(key, 1)
        for key, value in (("both", 2), ("same", 1), ("theirs", 3)):
            other.set(key, value)
        expected = [("changed", "both", 1, 2), ("removed", "mine", 1, None), ("added", "theirs", None, 3)]
        assert told(kv.diff("weather@3", "fares@3")) == expected
        assert told(kv.diff(3, other.at())) == told(other.diff(kv.at(), 3)) == expected
        assert told(ledger.partition("third").diff(kv.at(), other.at())) == expected
        assert told(kv.diff("fares@0")) == [("added", key, None, 1) for key in ("both", "mine", "same")]

    def test_a_fork_differs_from_its_source_by_what_came_later(self, kv: Partition) -> None:
        for key in "abc":
            kv.set(key, 1)
        fork = kv.fork("sandbox")
        kv.set("a", 2)
        fork.delete("b")
        assert told(kv.diff(kv.at(), fork.at())) == [("changed", "a", 2, 1), ("removed", "b", 1, None)]

    def test_two_trees_are_compared_by_the_names_of_their_keys(self, kv: Partition) -> None:
        kv.set("plan", 1, scope="root_run:one")
        kv.set("plan", 2, scope="root_run:two")
        kv.set("more", 2, scope="root_run:two")
        one, two = kv.at(scope="root_run:one"), kv.at(scope="root_run:two")
        changes = kv.diff(one, two)
        assert told(changes) == [("added", "more", None, 2), ("changed", "plan", 1, 2)]
        assert [each.scope for each in changes] == ["root_run:two"] * 2
        assert told(kv.diff(str(one), str(two), scope="root_run:one", prefix="p")) == [("changed", "plan", 1, 2)]
        with pytest.raises(InvalidArgumentError, match="after: "):
            kv.diff(one, kv.at())

    def test_a_partition_that_was_never_used_is_empty(self, kv: Partition) -> None:
        kv.set("a", 1)
        assert told(kv.diff("nobody@0", kv.at())) == [("added", "a", None, 1)]
        with pytest.raises(RevisionNotFoundError, match="nobody"):
            kv.diff("nobody@1", 1)

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("scope", {"before": 0, "scope": "skills"}),
            ("prefix", {"before": 0, "prefix": "\0"}),
            ("before", {"before": None, "after": "weather"}),
            ("after", {"before": 0, "after": -1}),
        ],
    )
    def test_diff_checks_what_it_is_asked(self, kv: Partition, field: str, arguments: dict[str, Any]) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError) as caught:
            kv.diff(**arguments)
        assert caught.value.field == field

    def test_a_difference_names_the_last_change_of_each_key(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("changed", 1)
        kv.set("removed", 1)
        kv.set("expired", 1, ttl=1)
        other = ledger.partition("weather", actor="bob", run_id="r-bad", tool="kv_set")
        other.set("changed", 2)
        other.set("changed", 3)
        other.set("added", 4)
        other.delete("removed")
        by = {change.key: change.by for change in kv.diff(3, 7)}
        who = attrgetter("revision", "operation", "changed_by", "run_id", "tool")
        assert {key: who(each) for key, each in by.items()} == {
            "added": (6, "set", "bob", "r-bad", "kv_set"),
            "changed": (5, "set", "bob", "r-bad", "kv_set"),
            "removed": (7, "delete", "bob", "r-bad", "kv_set"),
        }
        assert [change.by for change in kv.diff(7, 1) if change.kind == "removed"] == [None, None]

    def test_what_only_expired_was_removed_by_nobody(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=1)
        clock.advance(1)
        assert [(change.kind, change.by) for change in kv.diff(1)] == [("removed", None)]

    def test_a_view_of_another_ledger_is_compared_as_such_and_taken_for_nothing_else(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", 1)
        kv.set("b", 1)
        with ledger.dry_run() as dry:
            trial = dry.partition("weather")
            trial.set("a", 2)
            trial.delete("b")
            view = trial.at()
            assert told(kv.diff(kv.at(), view)) == [("changed", "a", 1, 2), ("removed", "b", 1, None)]
            for ask in (kv.at, kv.restore_all, lambda to: kv.restore("a", to), lambda at: kv.fork("new", at)):
                with pytest.raises(InvalidArgumentError, match="in this ledger"):
                    ask(view)
        assert held(kv.list()) == {"a": 1, "b": 1}

    def test_an_unfinished_fork_is_not_compared(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=1)
        with pytest.raises(ForkIncompleteError):
            kv.diff("sandbox@1")
