"""Searching a partition's past for the change with which something turned true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import log2
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import (
    InvalidArgumentError,
    PredicateError,
    RevisionNotFoundError,
    StorageUnavailableError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger


def at_least(number: int) -> Callable[[Any], bool]:
    """Whether an entry holds that number or more; where there is none it does not."""
    return lambda entry: entry is not None and entry.value >= number


class BisectContract(Fixtures):
    """What bisect finds."""

    def test_the_change_with_which_a_value_turned_bad_is_found_in_few_looks(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        others = ledger.partition("weather", actor="bob", run_id="r-bad", tool="kv_increment")
        for number in range(1, 301):
            (others if number == 201 else kv).increment("n")
            kv.set("noise", number)
        looks = list[object]()

        def is_bad(entry: Any) -> bool:
            looks.append(entry)
            return at_least(201)(entry)

        found = kv.bisect("n", is_bad)
        assert found is not None
        assert found == next(version for version in kv.scan_history("n") if version.value == 201)
        assert (found.revision, found.changed_by, found.run_id, found.tool) == (
            401,
            "bob",
            "r-bad",
            "kv_increment",
        )
        assert len(looks) <= log2(600) + 3

    def test_every_place_in_the_history_can_be_found(self, kv: Partition) -> None:
        for _ in range(17):
            kv.increment("n")
        for number in range(1, 18):
            found = kv.bisect("n", at_least(number))
            assert found is not None
            assert (found.revision, found.value, found.operation) == (number, number, "increment")
        assert kv.bisect("n", at_least(18)) is None

    def test_the_search_can_be_of_a_part_of_the_past(self, kv: Partition) -> None:
        for number in (1, 9, 1, 1, 9, 9):
            kv.set("n", number)
        found = kv.bisect("n", at_least(9), after=3)
        assert found is not None
        assert found.revision == 5
        found = kv.bisect("n", at_least(9), before=2)
        assert found is not None
        assert found.revision == 2
        assert kv.bisect("n", at_least(9), after=3, before=4) is None
        assert kv.bisect("n", at_least(9), after=4, before=4) is None

    def test_what_is_true_at_the_beginning_already_is_refused(self, kv: Partition) -> None:
        kv.set("n", 9)
        kv.set("n", 9)
        for after, predicate in ((1, at_least(9)), (0, lambda entry: entry is None), (0, lambda _: True)):
            with pytest.raises(InvalidArgumentError, match=f"true at revision {after}") as caught:
                kv.bisect("n", predicate, after=after)
            assert caught.value.field == "predicate"

    def test_a_key_that_went_is_found_by_its_absence(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 1)
        kv.delete("a")
        kv.set("b", 2)
        gone = kv.bisect("a", lambda entry: entry is None, after=1)
        assert gone is not None
        assert (gone.revision, gone.operation, gone.key) == (3, "delete", "a")
        ledger.delete_partition("weather", actor="eve")
        dropped = kv.bisect("b", lambda entry: entry is None, after=2)
        assert dropped is not None
        assert (dropped.operation, dropped.scope, dropped.key) == ("partition_deleted", "", "")
        assert (dropped.revision, dropped.changed_by, dropped.size) == (5, "eve", 0)

    def test_an_entry_that_expired_turns_with_the_next_change_of_any_key(
        self, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1, ttl=10)
        kv.set("b", 1)
        clock.advance(20)
        kv.set("b", 2)
        kv.set("a", 2)
        gone = kv.bisect("a", lambda entry: entry is None, after=1, before=3)
        assert gone is not None
        assert (gone.revision, gone.key, gone.value) == (3, "b", 2)

    def test_the_whole_state_can_be_asked_about(self, kv: Partition) -> None:
        for number in range(12):
            kv.set(f"k{number}", number)
        found = kv.bisect(None, lambda view: view.usage().live_keys >= 8)
        assert found is not None
        assert (found.key, found.revision) == ("k7", 8)
        found = kv.bisect(None, lambda view: sum(entry.value for entry in view.scan()) > 60)
        assert found is not None
        assert (found.key, found.revision) == ("k11", 12)
        seen = list[str]()
        kv.bisect(None, lambda view: seen.append(str(view)))
        assert seen == ["weather@0", "weather@12"]

    def test_a_change_of_the_quota_can_be_what_is_found(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set_quota(5)
        kv.set("a", 2)
        found = kv.bisect(None, lambda view: view.usage().max_bytes == 5)
        assert found is not None
        assert (found.operation, found.scope, found.key, found.revision) == ("quota", "", "", 2)

    def test_if_it_turned_more_than_once_one_of_the_turns_is_found(self, kv: Partition) -> None:
        values = [0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1]
        for value in values:
            kv.set("n", value)
        found = kv.bisect("n", at_least(1), after=1)
        assert found is not None
        assert values[found.revision - 2 : found.revision] == [0, 1]

    def test_scopes_and_trees_have_pasts_of_their_own(self, kv: Partition) -> None:
        for scope, number in (("user:ada", 1), ("skill", 9), ("root_run:r-0", 1), ("root_run:r-0", 9)):
            kv.set("n", number, scope=scope)
        assert kv.bisect("n", at_least(9), scope="user:ada") is None
        found = kv.bisect("n", at_least(9), scope="root_run:r-0")
        assert found is not None
        assert (found.revision, found.scope) == (2, "root_run:r-0")
        found = kv.bisect(None, lambda view: at_least(9)(view.get("n")), scope="root_run:r-0")
        assert found is not None
        assert found.revision == 2

    def test_a_truthy_answer_is_a_yes(self, kv: Partition) -> None:
        for value in ("", "x"):
            kv.set("a", value)
        found = kv.bisect("a", lambda entry: entry and entry.value)
        assert found is not None
        assert found.revision == 2

    def test_a_predicate_that_raises_is_told_with_the_revision(self, kv: Partition) -> None:
        for value in (1, "one", 3):
            kv.set("n", value)
        with pytest.raises(PredicateError, match="revision 2: TypeError") as caught:
            kv.bisect("n", lambda entry: entry is not None and entry.value > 2)
        assert caught.value.revision == 2
        assert isinstance(caught.value.__cause__, TypeError)
        with pytest.raises(PredicateError, match="revision 0: AttributeError") as caught:
            kv.bisect("n", lambda entry: entry.value > 2)
        assert caught.value.revision == 0

    def test_a_storage_that_is_in_the_way_is_told_as_such(self, kv: Partition) -> None:
        def asks_in_vain(_: object) -> bool:
            raise StorageUnavailableError("gone")

        kv.set("n", 1)
        with pytest.raises(StorageUnavailableError, match="gone"):
            kv.bisect("n", asks_in_vain)

    def test_nothing_is_found_where_nothing_was_written(self, kv: Partition) -> None:
        assert kv.bisect("a", lambda entry: entry is not None) is None
        assert kv.bisect(None, lambda view: view.revision > 0) is None

    @pytest.mark.parametrize(
        ("field", "arguments"),
        [
            ("key", {"key": ""}),
            ("scope", {"scope": "skills"}),
            ("after", {"after": -1}),
            ("after", {"after": 2, "before": 1}),
            ("after", {"after": True}),
            ("after", {"after": None}),
        ],
    )
    def test_bisect_checks_what_it_is_asked(self, kv: Partition, field: str, arguments: dict[str, Any]) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        wanted: dict[str, Any] = {"key": "a", **arguments}
        with pytest.raises(InvalidArgumentError) as caught:
            kv.bisect(wanted.pop("key"), at_least(2), **wanted)
        assert caught.value.field == field

    def test_a_predicate_is_a_plain_function(self, kv: Partition) -> None:
        async def awaited(_: object) -> bool:
            return True

        kv.set("a", 1)
        for predicate in (awaited, None, "@ > 1"):
            with pytest.raises(InvalidArgumentError, match="predicate: "):
                kv.bisect("a", predicate)  # type: ignore[arg-type]

    def test_no_search_goes_beyond_the_head(self, kv: Partition) -> None:
        kv.set("a", 1)
        with pytest.raises(RevisionNotFoundError):
            kv.bisect("a", at_least(1), before=2)
        with pytest.raises(RevisionNotFoundError):
            kv.bisect("a", at_least(1), after=2)

    def test_the_part_that_is_searched_can_be_named_by_any_moment(self, kv: Partition, clock: ManualClock) -> None:
        for number in (9, 1, 9, 9):
            kv.set("n", number)
            clock.advance(1)
        for after in (2, START + timedelta(seconds=1.5), str(kv.at(2)), kv.at(2)):
            found = kv.bisect("n", at_least(9), after=after, before=START + timedelta(seconds=2))
            assert found is not None
            assert found.revision == 3
