"""Keys and their values: set, get, delete, increment, list, history, batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from keyledger.adapters.conformance import strategies
from keyledger.adapters.conformance.clock import START
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import (
    IntegerOverflowError,
    InvalidArgumentError,
    InvalidValueTypeError,
    RevisionConflictError,
    ValueSerializationError,
    ValueTooLargeError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Entry
from keyledger.domain.values import MAX_INTEGER, JSONValue


class KeyContract(Fixtures):
    """What a key does."""

    def test_a_key_that_was_never_set_is_none(self, kv: Partition) -> None:
        assert kv.get("missing") is None

    def test_a_set_returns_the_entry_that_a_get_then_finds(self, kv: Partition) -> None:
        entry = kv.set("units", {"t": "C"})
        assert entry == Entry(
            scope="skill",
            key="units",
            value={"t": "C"},
            size=9,
            revision=1,
            create_revision=1,
            created_at=START,
            updated_at=START,
            expires_at=None,
            ttl_seconds=None,
            changed_by="ada",
            run_id="r-1",
        )
        assert kv.get("units") == entry

    def test_a_second_set_keeps_the_creation_and_moves_the_revision(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 1)
        entry = kv.set("a", 2)
        assert (entry.value, entry.revision, entry.create_revision) == (2, 3, 1)

    def test_a_stored_null_is_found(self, kv: Partition) -> None:
        kv.set("nothing", None)
        found = kv.get("nothing")
        assert found is not None
        assert found.value is None

    def test_scopes_and_partitions_do_not_see_each_other(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("k", "skill")
        kv.set("k", "user", scope="user:ada")
        ledger.partition("other").set("k", "other")
        assert _value(kv, "k") == "skill"
        assert _value(kv, "k", scope="user:ada") == "user"
        assert kv.get("k", scope="user:bob") is None

    def test_a_tree_shares_its_scope_across_partitions(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("plan", "go", scope="root_run:r-0")
        other = ledger.partition("other")
        assert _value(other, "plan", scope="root_run:r-0") == "go"
        assert other.get("plan", scope="root_run:r-9") is None
        assert kv.usage().live_keys == 0

    def test_get_many_answers_in_the_order_asked_and_leaves_out_what_is_missing(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 2)
        found = kv.get_many(["b", "x", "a", "b"])
        assert [(key, entry.value) for key, entry in found.items()] == [("b", 2), ("a", 1)]
        assert kv.get_many([]) == {}

    # --------------------------------------------------------------------------------------- values

    def test_every_json_value_comes_back_exactly(self, kv: Partition) -> None:
        @settings(deadline=None)
        @given(value=strategies.json_values(), key=strategies.keys(), scope=strategies.scopes())
        def comes_back(value: JSONValue, key: str, scope: str) -> None:
            kv.set(key, value, scope=scope)
            assert repr(_value(kv, key, scope=scope)) == repr(value)
            assert repr(kv.history(key, scope=scope)[0].value) == repr(value)

        comes_back()

    def test_what_is_not_json_is_refused_and_nothing_is_written(self, kv: Partition) -> None:
        @settings(deadline=None)
        @given(value=strategies.not_json())
        def is_refused(value: Any) -> None:
            with pytest.raises(ValueSerializationError):
                kv.set("bad", value)
            assert kv.get("bad") is None

        is_refused()

    def test_a_value_of_exactly_the_cap_passes_and_one_byte_more_does_not(self, kv: Partition) -> None:
        kv.set("full", "x" * (65_536 - 2))
        with pytest.raises(ValueTooLargeError) as refused:
            kv.set("over", "x" * (65_536 - 1))
        assert (refused.value.size, refused.value.max_bytes) == (65_537, 65_536)

    @pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "k" * 513, "é" * 257, None, 7, b"k"])
    def test_a_key_outside_its_grammar_is_refused(self, kv: Partition, key: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="key"):
            kv.set(key, 1)
        with pytest.raises(InvalidArgumentError, match="key"):
            kv.get(key)

    @pytest.mark.parametrize(
        "scope",
        ["", "Skill", "user", "user:", "run:", "team:x", "user:\0", "user:" + "x" * 257, 1, None, ["skill"]],
    )
    def test_a_scope_outside_its_grammar_is_refused(self, kv: Partition, scope: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="scope"):
            kv.set("k", 1, scope=scope)

    @pytest.mark.parametrize("name", ["", "__root_run__", "__root_run__:r-0", "p\0", "p" * 257, None, 3])
    def test_a_partition_id_outside_its_grammar_is_refused(self, ledger: Ledger, name: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="partition"):
            ledger.partition(name)

    @pytest.mark.parametrize("scope", ["user:__root_run__", "run:__root_run__x", "root_run:__root_run__"])
    def test_no_scope_names_the_trees_partition(self, kv: Partition, scope: str) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^scope: got .*, where <id> is an id that does not begin"):
            kv.set("k", 1, scope=scope)

    # --------------------------------------------------------------------------- delete and increment

    def test_a_delete_removes_and_a_second_one_finds_nothing(self, kv: Partition) -> None:
        kv.set("a", 1)
        assert kv.delete("a") is True
        assert kv.get("a") is None
        assert kv.delete("a") is False
        assert len(kv.history("a")) == 2

    def test_an_increment_counts_from_a_missing_key(self, kv: Partition) -> None:
        assert kv.increment("n").value == 1
        assert kv.increment("n", 5).value == 6
        assert kv.increment("m", -2, initial_value=10).value == 8
        assert _value(kv, "n") == 6

    @pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], {"n": 1}])
    def test_an_increment_of_what_is_no_integer_is_refused(self, kv: Partition, value: JSONValue) -> None:
        kv.set("n", value)
        with pytest.raises(InvalidValueTypeError, match="integer"):
            kv.increment("n")
        assert kv.get("n") is not None
        assert len(kv.history("n")) == 1

    def test_an_increment_past_64_bits_is_refused(self, kv: Partition) -> None:
        kv.set("n", MAX_INTEGER)
        with pytest.raises(IntegerOverflowError):
            kv.increment("n")
        assert _value(kv, "n") == MAX_INTEGER

    @pytest.mark.parametrize("delta", [1.0, True, "1", None, MAX_INTEGER + 1])
    def test_a_delta_that_is_no_integer_is_refused(self, kv: Partition, delta: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="delta"):
            kv.increment("n", delta)

    # ------------------------------------------------------------------------------------ conditions

    def test_if_revision_holds_for_the_revision_that_last_changed_the_key(self, kv: Partition) -> None:
        revision = kv.set("a", 1, if_revision=0).revision
        kv.set("b", 1)
        with pytest.raises(RevisionConflictError) as refused:
            kv.set("a", 2, if_revision=2)
        assert (refused.value.expected, refused.value.found) == (2, revision)
        with pytest.raises(RevisionConflictError):
            kv.increment("a", if_revision=0)
        with pytest.raises(RevisionConflictError):
            kv.delete("missing", if_revision=7)
        assert kv.set("a", 2, if_revision=revision).value == 2
        assert kv.delete("a", if_revision=3)

    @pytest.mark.parametrize("revision", [-1, True, 1.0, "1"])
    def test_if_revision_is_a_revision(self, kv: Partition, revision: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="if_revision"):
            kv.set("a", 1, if_revision=revision)

    # ----------------------------------------------------------------------------------- list, history

    def test_a_list_is_in_byte_order_and_continues_where_it_stopped(self, kv: Partition) -> None:
        keys = ["b", "a", "é", "Z", "\U0001f600", "\uffff", "a/1", "a/2"]
        for key in keys:
            kv.set(key, key)
        kv.set("elsewhere", 1, scope="user:ada")
        expected = sorted(keys, key=str.encode)
        first = kv.list(limit=3)
        assert [entry.key for entry in first] == expected[:3]
        assert first.next == expected[2]
        rest = kv.list(after=str(first.next))
        assert [entry.key for entry in rest] == expected[3:]
        assert rest.next is None
        assert kv.list(limit=len(keys)).next is None

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [("a", ["a", "a/1", "ab"]), ("a/", ["a/1"]), ("", ["a", "a/1", "ab", "b"]), ("c", []), ("ab", ["ab"])],
    )
    def test_a_prefix_takes_what_begins_with_it(self, kv: Partition, prefix: str, found: list[str]) -> None:
        for key in ["a", "a/1", "ab", "b"]:
            kv.set(key, 1)
        assert [entry.key for entry in kv.list(prefix=prefix)] == found

    def test_a_prefix_is_text_and_no_pattern(self, kv: Partition) -> None:
        for key in ["%", "_", "a", "\U0010ffff", "\ud7ff", "\ue000"]:
            kv.set(key, 1)
        assert [entry.key for entry in kv.list(prefix="%")] == ["%"]
        assert [entry.key for entry in kv.list(prefix="_")] == ["_"]
        assert [entry.key for entry in kv.list(prefix="\U0010ffff")] == ["\U0010ffff"]
        assert [entry.key for entry in kv.list(prefix="\ud7ff")] == ["\ud7ff"]

    @pytest.mark.parametrize("limit", [0, -1, 1001, True, 1.5, "10"])
    def test_a_limit_is_from_1_to_1000(self, kv: Partition, limit: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="limit"):
            kv.list(limit=limit)
        with pytest.raises(InvalidArgumentError, match="limit"):
            kv.history("a", limit=limit)

    def test_history_tells_what_was_done_by_whom_newest_first(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        ledger.partition("weather", actor="bob", run_id="r-2").increment("a", 4)
        kv.delete("a")
        kv.set("a", "again")
        told = [(v.revision, v.operation, v.value, v.changed_by, v.run_id) for v in kv.history("a")]
        assert told == [
            (4, "set", "again", "ada", "r-1"),
            (3, "delete", None, "ada", "r-1"),
            (2, "increment", 5, "bob", "r-2"),
            (1, "set", 1, "ada", "r-1"),
        ]
        newest = kv.history("a")[0]
        assert (newest.root_run_id, newest.tool, newest.recorded_at) == ("r-0", "kv_set", START)
        assert kv.history("never").items == ()

    def test_history_continues_where_it_stopped(self, kv: Partition) -> None:
        for number in range(5):
            kv.set("a", number)
        page = kv.history("a", limit=2)
        assert ([v.revision for v in page], page.next) == ([5, 4], 4)
        rest = kv.history("a", limit=3, before=4)
        assert ([v.revision for v in rest], rest.next) == ([3, 2, 1], None)

    # ---------------------------------------------------------------------------------------- batch

    def test_a_batch_happens_whole_and_answers_for_each_part(self, kv: Partition) -> None:
        kv.set("old", 1)
        with kv.batch() as batch:
            batch.set("a", 1)
            batch.increment("a", 2)
            batch.delete("old")
            batch.delete("missing")
            batch.set("b", [1], scope="user:ada")
        first, second, *deleted, last = batch.results
        assert isinstance(first, Entry)
        assert isinstance(second, Entry)
        assert isinstance(last, Entry)
        assert (first.value, first.revision, second.value, second.create_revision) == (1, 2, 3, 2)
        assert deleted == [True, False]
        assert last.scope == "user:ada"
        assert _value(kv, "a") == 3

    def test_a_batch_with_one_refusal_writes_nothing(self, kv: Partition) -> None:
        kv.set("text", "x")
        with pytest.raises(InvalidValueTypeError), kv.batch() as batch:
            batch.set("a", 1)
            batch.increment("text")
        assert kv.get("a") is None
        assert len(kv.history("text")) == 1

    def test_a_batch_whose_block_raises_writes_nothing(self, kv: Partition) -> None:
        with pytest.raises(RuntimeError), kv.batch() as batch:
            batch.set("a", 1)
            raise RuntimeError
        assert kv.get("a") is None

    def test_a_batch_stays_in_one_stream(self, kv: Partition) -> None:
        with pytest.raises(InvalidArgumentError, match="one stream"), kv.batch() as batch:
            batch.set("a", 1)
            batch.set("b", 1, scope="root_run:r-0")
        assert kv.get("a") is None

    def test_an_empty_batch_is_nothing(self, kv: Partition) -> None:
        with kv.batch() as batch:
            pass
        assert batch.results == ()


def _value(kv: Partition, key: str, scope: str = "skill") -> JSONValue:
    found = kv.get(key, scope=scope)
    assert found is not None
    return found.value
