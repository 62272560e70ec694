"""Views of the past: what stood at a moment is what was read at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from operator import attrgetter
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.domain.errors import InvalidArgumentError, ReadOnlyViewError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.records import Entry, Usage
from keyledger.domain.values import JSONValue


def held(entries: Iterable[Entry]) -> dict[str, JSONValue]:
    """Keys and values."""
    return {entry.key: entry.value for entry in entries}


class PastContract(Fixtures):
    """What a view gives back."""

    def test_a_view_gives_the_very_entries_that_were_read_then(self, kv: Partition, clock: ManualClock) -> None:
        steps: list[Callable[[], object]] = [
            lambda: kv.set("a", {"x": [1, 2.5, None]}),
            lambda: kv.increment("n", 5),
            lambda: kv.set("é", "ü", ttl=1_000),
            lambda: kv.set("a", 1),
            lambda: kv.delete("n"),
            lambda: kv.increment("n"),
            lambda: kv.set_quota(500),
            lambda: kv.set("own", True, scope="user:ada"),
            lambda: kv.delete("a"),
        ]
        nothing: tuple[Entry, ...] = ()
        read = [(nothing, nothing, kv.usage())]
        for step in steps:
            clock.advance(1)
            step()
            read.append((kv.list().items, kv.list(scope="user:ada").items, kv.usage()))
        clock.advance(10_000)
        for revision, (skill, ada, usage) in enumerate(read):
            view = kv.at(revision)
            assert view.list().items == tuple(view.scan()) == skill
            assert view.list(scope="user:ada").items == ada
            assert view.usage() == usage
            assert view.get_many(["é", "missing", "n", "a"]) == {
                key: entry for key in ("é", "n", "a") for entry in skill if entry.key == key
            }
            for key in ("a", "n", "é", "missing"):
                assert view.get(key) == next((entry for entry in skill if entry.key == key), None)

    def test_a_view_is_pinned_whatever_is_written_meanwhile(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        views = [kv.at(), kv.at(1), kv.at(clock.now())]
        kv.set("a", 2)
        kv.set("b", 2)
        assert [held(view.list()) for view in views] == [{"a": 1}] * 3
        assert [view.revision for view in views] == [1] * 3
        assert held(kv.at().list()) == {"a": 2, "b": 2}

    def test_revision_0_is_the_empty_past(self, kv: Partition) -> None:
        kv.set("a", 1)
        view = kv.at(0)
        assert (view.get("a"), view.list().items, list(view.scan()), view.blame().items) == (None, (), [], ())
        assert (view.get_many(["a"]), view.usage().used_bytes, view.revision) == ({}, 0, 0)

    def test_a_partition_that_nobody_used_has_an_empty_now(self, kv: Partition) -> None:
        assert (kv.at().revision, kv.at().list().items, kv.blame().items) == (0, (), ())

    def test_a_key_that_was_deleted_and_created_again_is_told_as_it_was_then(self, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("a", 2)
        kv.delete("a")
        kv.set("a", 3)
        found = [kv.at(revision).get("a") for revision in range(5)]
        assert [entry and (entry.value, entry.revision, entry.create_revision) for entry in found] == [
            None,
            (1, 1, 1),
            (2, 2, 1),
            None,
            (3, 4, 4),
        ]

    def test_what_a_deleted_partition_held_is_still_there_before_it(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("b", 1, scope="user:ada")
        ledger.delete_partition("weather")
        kv.set("a", 2)
        assert held(kv.at(2).list()) == {"a": 1}
        assert held(kv.at(2).list(scope="user:ada")) == {"b": 1}
        assert kv.at(3).list().items == kv.at(3).list(scope="user:ada").items == ()
        entry = kv.at(4).get("a")
        assert entry is not None
        assert (entry.value, entry.create_revision) == (2, 4)

    def test_events_of_one_transaction_are_moments_of_their_own(self, kv: Partition) -> None:
        with kv.batch() as batch:
            batch.set("a", 1)
            batch.increment("n")
            batch.delete("a")
        assert [held(kv.at(revision).list()) for revision in range(4)] == [
            {},
            {"a": 1},
            {"a": 1, "n": 1},
            {"n": 1},
        ]

    def test_the_past_is_listed_in_pages_by_prefix_in_the_order_of_bytes(self, kv: Partition) -> None:
        keys = ["a", "a\x01", "aa", "b", "é", "\ue000", "\U00010000", "z", "~"]
        for key in keys:
            kv.set(key, key)
            kv.set(f"gone/{key}", key)
        head = kv.at().revision
        for key in keys:
            kv.delete(f"gone/{key}")
            kv.set(key, "later")
        live = kv.at()
        ordered = sorted(keys, key=str.encode)
        assert [entry.key for entry in live.list()] == ordered
        after, found = "", list[Entry]()
        while page := live.list(limit=2, after=after):
            found += page
            after = str(page.next)
            if page.next is None:
                break
        assert [entry.key for entry in found] == ordered
        assert [entry.key for entry in live.list(prefix="a")] == ["a", "a\x01", "aa"]
        assert [entry.key for entry in live.scan(prefix="a", after="a")] == ["a\x01", "aa"]
        assert held(kv.at(head).scan(prefix="gone/", after="gone/z")) == {
            f"gone/{key}": key for key in keys if key.encode() > b"z"
        }

    def test_a_page_of_the_past_may_pass_over_any_number_of_keys_that_had_gone(self, kv: Partition) -> None:
        with kv.batch() as batch:
            for number in range(1_200):
                batch.set(f"gone/{number:04}", number)
            batch.set("z", 1)
        with kv.batch() as batch:
            for number in range(1_200):
                batch.delete(f"gone/{number:04}")
        page = kv.at().list(limit=1)
        assert ([entry.key for entry in page], page.next) == (["z"], None)
        assert len(list(kv.at(1_201).scan())) == 1_201
        assert kv.at(1_201).usage().live_keys == 1_201

    @pytest.mark.parametrize("key", ["k" * 512, "é" * 256, "%_\\'\"", "a/b c\n"])
    def test_any_key_has_a_past(self, kv: Partition, key: str) -> None:
        kv.set(key, 1)
        kv.set(key, 2)
        entry = kv.at(1).get(key)
        assert entry is not None
        assert (entry.value, held(kv.at(1).list())) == (1, {key: 1})

    def test_usage_in_the_past_has_the_quota_that_held_then(
        self, reopen: Callable[..., Ledger], clock: ManualClock
    ) -> None:
        kv = reopen(clock=clock, quota=1_000).partition("p")
        kv.set("a", 12345)
        kv.set_quota(50)
        kv.set("b", 1, scope="user:ada")
        kv.set_quota(None)
        assert [kv.at(revision).usage() for revision in range(5)] == [
            Usage(0, 0, 1_000),
            Usage(5, 1, 1_000),
            Usage(5, 1, 50),
            Usage(6, 2, 50),
            Usage(6, 2, 1_000),
        ]

    def test_a_rebuild_leaves_the_past_as_it_was(self, ledger: Ledger, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=5)
        kv.set("b", 1)
        ledger.delete_partition("weather")
        clock.advance(9)
        kv.set("a", 2)
        before = [kv.at(revision).list().items for revision in range(5)]
        assert ledger.rebuild().differences == ()
        assert [kv.at(revision).list().items for revision in range(5)] == before

    # --------------------------------------------------------------------------------------- blame

    def test_blame_tells_of_each_live_key_who_set_it_where_and_when(
        self, ledger: Ledger, kv: Partition, clock: ManualClock
    ) -> None:
        kv.set("a", 1)
        clock.advance(5)
        other = ledger.partition("weather", actor="bob", run_id="r-2", root_run_id="r-2", tool="kv_increment")
        other.increment("n", 3)
        kv.set("gone", 1)
        kv.delete("gone")
        told = attrgetter(
            "key", "operation", "value", "revision", "changed_by", "run_id", "root_run_id", "tool", "recorded_at"
        )
        by_ada = ("a", "set", 1, 1, "ada", "r-1", "r-0", "kv_set", START)
        by_bob = ("n", "increment", 3, 2, "bob", "r-2", "r-2", "kv_increment", START + timedelta(seconds=5))
        assert [told(version) for version in kv.blame()] == [by_ada, by_bob]
        assert [told(version) for version in kv.at(1).blame()] == [by_ada]
        assert [version.key for version in kv.at(3).blame()] == ["a", "gone", "n"]
        assert tuple(kv.blame(prefix="n")) == (kv.history("n")[0],)

    def test_blame_comes_in_pages_of_one_scope(self, kv: Partition) -> None:
        for key in "abc":
            kv.set(key, 1)
            kv.set(key, 1, scope="user:ada")
        first = kv.blame(limit=2, scope="user:ada")
        assert ([(each.key, each.scope) for each in first], first.next) == (
            [("a", "user:ada"), ("b", "user:ada")],
            "b",
        )
        last = kv.at().blame(limit=2, after="b", scope="user:ada")
        assert ([each.key for each in last], last.next) == (["c"], None)

    # -------------------------------------------------------------------------------------- scopes

    def test_a_tree_has_a_past_of_its_own(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        kv.set("a", 1)
        ledger.partition("fares").set("plan", 2, scope="root_run:r-0")
        kv.set("plan", 9, scope="root_run:r-9")
        tree = kv.at(1, scope="root_run:r-0")
        assert (str(tree), tree.partition_id) == ("__root_run__:r-0@1", "__root_run__")
        assert held(tree.list()) == held(tree.list(scope="root_run:r-0")) == {"plan": 1}
        assert held(kv.at(scope="root_run:r-0").scan()) == {"plan": 2}
        assert held(kv.at(2, scope="root_run:r-0").list()) == {"plan": 2}
        assert [each.value for each in kv.blame(scope="root_run:r-9")] == [9]
        assert tree.usage().used_bytes == 1

    @pytest.mark.parametrize("scope", ["skill", "user:ada", "root_run:r-9"])
    def test_the_view_of_a_tree_shows_that_tree_alone(self, kv: Partition, scope: str) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        with pytest.raises(InvalidArgumentError, match="scope"):
            kv.at(1, scope="root_run:r-0").list(scope=scope)

    def test_the_view_of_a_partition_shows_no_tree(self, kv: Partition) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError, match=r"at\(…, scope=…\)"):
            kv.at(1).get("a", scope="root_run:r-0")

    def test_a_prefix_never_matches_across_scopes(self, kv: Partition) -> None:
        kv.set("a", 1, scope="user:a")
        kv.set("a", 2, scope="user:ab")
        kv.set("a", 3)
        assert held(kv.at().list(scope="user:a")) == {"a": 1}
        assert [entry.scope for entry in kv.at().scan(scope="user:a", prefix="a")] == ["user:a"]

    # ----------------------------------------------------------------------------------- read only

    @pytest.mark.parametrize(
        "write",
        [
            lambda view: view.set("a", 2),
            lambda view: view.set("a", 2, ttl=5, scope="user:ada", request_id="q"),
            lambda view: view.increment("n"),
            lambda view: view.delete("a"),
            lambda view: view.batch(),
            lambda view: view.set_quota(5),
            lambda view: view.restore("a", 1),
            lambda view: view.restore_all(1),
        ],
    )
    def test_a_view_refuses_to_be_written(self, kv: Partition, write: Callable[[Any], object]) -> None:
        kv.set("a", 1)
        view = kv.at(1)
        with pytest.raises(ReadOnlyViewError, match="weather@1") as refused:
            write(view)
        assert refused.value.view == "weather@1"
        assert kv.at().revision == 1

    @pytest.mark.parametrize(
        ("field", "read"),
        [
            ("key", lambda view: view.get("")),
            ("key", lambda view: view.get(7)),
            ("scope", lambda view: view.get("a", scope="users:ada")),
            ("keys", lambda view: view.get_many("abc")),
            ("key", lambda view: view.get_many(["a", ""])),
            ("limit", lambda view: view.list(limit=0)),
            ("limit", lambda view: view.blame(limit=1_001)),
            ("prefix", lambda view: view.list(prefix="\0")),
            ("after", lambda view: view.blame(after=7)),
            ("scope", lambda view: list(view.scan(scope="skills"))),
            ("prefix", lambda view: list(view.scan(prefix="x" * 513))),
        ],
    )
    def test_a_view_checks_what_it_is_asked(
        self, kv: Partition, field: str, read: Callable[[Any], object]
    ) -> None:
        kv.set("a", 1)
        view = kv.at(1)
        with pytest.raises(InvalidArgumentError) as caught:
            read(view)
        assert caught.value.field == field
