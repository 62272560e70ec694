"""Forks: a partition that begins as a copy of a moment, and shares nothing afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.domain.errors import (
    ForkIncompleteError,
    GlobalQuotaExceededError,
    InvalidArgumentError,
    NamespaceQuotaExceededError,
    PartitionExistsError,
)
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.partition import QuotaChanged
from keyledger.domain.ports import Commit
from keyledger.domain.records import Usage


def fill(kv: Partition, count: int) -> None:
    """As many keys, each with its number."""
    with kv.batch() as batch:
        for number in range(count):
            batch.set(f"k{number:04}", number)


class ForkContract(Fixtures):
    """What a fork is, while it is made and afterwards."""

    def test_a_fork_begins_as_what_stood_and_shares_nothing_afterwards(
        self, ledger: Ledger, kv: Partition
    ) -> None:
        kv.set("a", {"x": 1})
        kv.set("gone", 1)
        kv.set("hers", 1, scope="user:ada")
        kv.delete("gone")
        fork = kv.fork("sandbox")
        assert fork.id == "sandbox"
        assert held(fork.list()) == {"a": {"x": 1}}
        assert held(fork.list(scope="user:ada")) == {"hers": 1}
        assert kv.diff(kv.at(), fork.at()) == ()
        fork.set("a", 2)
        kv.delete("hers", scope="user:ada")
        ledger.delete_partition("weather")
        assert (held(fork.list()), held(fork.list(scope="user:ada"))) == ({"a": 2}, {"hers": 1})
        assert kv.list().items == ()
        assert held(kv.at(4).list()) == {"a": {"x": 1}}
        assert ledger.rebuild().differences == ()

    def test_a_fork_that_is_deleted_while_it_is_made_is_told(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1)
        quota_at = ledger.storage.quota_at

        def deleted_meanwhile(stream: str, revision: int) -> QuotaChanged | None:
            ledger.delete_partition("sandbox")
            return quota_at(stream, revision)

        monkeypatch.setattr(ledger.storage, "quota_at", deleted_meanwhile)
        with pytest.raises(ForkIncompleteError, match="sandbox"):
            kv.fork("sandbox")
        assert not ledger.partition("sandbox").list()

    def test_a_fork_can_be_of_any_moment(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        clock.advance(1)
        kv.set("a", 2)
        token, view = str(kv.at(1)), kv.at(1)
        moments: tuple[Any, ...] = (1, START, token, view)
        for number, moment in enumerate(moments):
            assert held(kv.fork(f"fork-{number}", moment).list()) == {"a": 1}
        assert held(kv.fork("now").list()) == {"a": 2}
        assert held(kv.fork("empty", 0).list()) == {}
        assert held(kv.fork("run", kv.at(run="r-1")).list()) == {}

    def test_a_fork_tells_where_it_came_from(self, ledger: Ledger, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1)
        kv.set("b", 1)
        kv.set("a", 2)
        clock.advance(5)
        by_bob = ledger.partition("weather", actor="bob", run_id="r-2", tool="fork")
        fork = by_bob.fork("sandbox", 2)
        version = fork.history("a")[0]
        assert (version.operation, version.copied_from, version.restored_from) == ("copy", 2, None)
        assert (version.value, version.revision, version.changed_by, version.run_id, version.tool) == (
            1,
            2,
            "bob",
            "r-2",
            "fork",
        )
        assert version.recorded_at == START + timedelta(seconds=5)
        told = [
            (event.TOPIC, getattr(event, "source", None), getattr(event, "revision", None))
            for event in ledger.storage.events("partition:sandbox", 0, 10)
        ]
        assert told == [
            ("kv.PartitionForked", "weather", 2),
            ("kv.KeySet", None, None),
            ("kv.KeySet", None, None),
            ("kv.ForkCompleted", None, None),
        ]

    def test_a_fork_has_revisions_and_a_past_of_its_own(self, kv: Partition) -> None:
        for number in range(10):
            kv.set("a", number)
        fork = kv.fork("sandbox", 5)
        assert str(fork.at(3)) == "sandbox@3"
        entry = fork.get("a")
        assert entry is not None
        assert (entry.revision, entry.create_revision, entry.value) == (2, 2, 4)
        assert fork.set("a", 99, if_revision=2).revision == 4
        assert held(fork.at(2).list()) == {"a": 4}
        assert held(fork.at(1).list()) == {}

    def test_the_handle_of_a_fork_is_for_the_same_caller(self, kv: Partition) -> None:
        kv.set("a", 0)
        fork = kv.fork("sandbox")
        fork.set("a", 1)
        version = fork.history("a")[0]
        assert (version.changed_by, version.run_id, version.root_run_id, version.tool) == (
            "ada",
            "r-1",
            "r-0",
            "kv_set",
        )

    def test_lives_go_on_in_a_fork_for_as_long_as_was_left(self, kv: Partition, clock: ManualClock) -> None:
        kv.set("a", 1, ttl=100)
        kv.set("short", 1, ttl=20)
        clock.advance(30)
        kv.set("b", 1)
        clock.advance(1_000)
        fork = kv.fork("sandbox", 3)
        assert [(entry.key, entry.ttl_seconds) for entry in fork.list()] == [("a", 70), ("b", None)]
        assert fork.history("short").items == ()
        clock.advance(70)
        assert held(fork.list()) == {"b": 1}
        assert held(kv.fork("early", 2).list()) == {"a": 1, "short": 1}

    def test_the_quota_of_the_source_goes_with_a_fork(self, kv: Partition) -> None:
        kv.set("a", 12345)
        kv.set_quota(50)
        kv.set_quota(5)
        assert kv.fork("before", 1).usage() == Usage(5, 1, 1_048_576)
        assert kv.fork("then", 2).usage() == Usage(5, 1, 50)
        fork = kv.fork("now")
        assert fork.usage() == Usage(5, 1, 5)
        with pytest.raises(NamespaceQuotaExceededError):
            fork.set("b", 1)

    def test_no_quota_or_cap_of_a_partition_is_in_the_way_of_a_fork(self, reopen: Callable[..., Ledger]) -> None:
        fill(reopen(max_keys=500).partition("p"), 300)
        kv = reopen(quota=10, max_value_bytes=2, max_keys=5).partition("p")
        kv.set_quota(3)
        fork = kv.fork("sandbox")
        assert fork.usage() == Usage(790, 300, 3)

    def test_the_global_quota_holds_for_a_fork_which_can_be_finished_when_there_is_room(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledger = reopen(global_quota=200_000)
        kv = ledger.partition("p")
        for number in range(2):
            with kv.batch() as batch:
                for count in range(60):
                    batch.set(f"{number}/{count:03}", "x" * 1_000)
        with pytest.raises(GlobalQuotaExceededError):
            kv.fork("sandbox")
        with pytest.raises(ForkIncompleteError):
            ledger.partition("sandbox").list()
        used = {each.id: each.usage for each in ledger.partitions()}
        assert used["sandbox"].live_keys in {0, 100}
        then = kv.at()
        for count in range(60):
            kv.delete(f"1/{count:03}")
        ledger.sweep()
        fork = kv.fork("sandbox")
        assert held(fork.scan()) == held(then.scan())

    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
    def test_a_fork_copies_any_number_of_keys_in_bounded_steps(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> None:
        fill(kv, count)
        kv.set("gone", 1)
        kv.delete("gone")
        sizes, commit = list[int](), ledger.storage.commit

        def counting(what: Commit) -> None:
            sizes.append(len(what.events))
            commit(what)

        monkeypatch.setattr(ledger.storage, "commit", counting)
        fork = kv.fork("sandbox")
        assert (sum(sizes), max(sizes) <= 100) == (count + 2, True)
        assert held(fork.scan()) == {f"k{number:04}": number for number in range(count)}

    def test_a_fork_is_exported_and_imported_as_what_it_is(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1, ttl=60)
        kv.set_quota(77)
        fork = kv.fork("sandbox")
        fork.set("b", 1)
        lines = [line.replace('"sandbox"', '"copy"') for line in ledger.export_lines("sandbox")]
        assert ledger.import_lines(lines, source="copy", stop=True).failed == 0
        copy = ledger.partition("copy")
        assert copy.list() == fork.list()
        assert copy.usage() == fork.usage()
        assert copy.history("a")[0].copied_from == fork.history("a")[0].copied_from == 2

    def test_a_fork_of_a_tree_is_exported_and_imported_too(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        kv.fork("sandbox", scope="root_run:r-0")
        lines = [line.replace("root_run:sandbox", "root_run:copy") for line in ledger.export_lines()]
        told = [line for line in lines if "root_run:copy" in line]
        assert len(told) == 3
        assert ledger.import_lines(told, source="copy", stop=True).failed == 0
        assert held(kv.list(scope="root_run:copy")) == {"plan": 1}

    # ------------------------------------------------------------------------------- what exists

    def test_a_fork_goes_only_where_nothing_ever_was(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        ledger.partition("used").set("b", 1)
        ledger.partition("emptied").set("b", 1)
        ledger.partition("emptied").delete("b")
        ledger.partition("limited").set_quota(5)
        ledger.partition("deleted").set("b", 1)
        ledger.delete_partition("deleted")
        kv.fork("forked")
        for into in ("used", "emptied", "limited", "deleted", "forked"):
            with pytest.raises(PartitionExistsError) as caught:
                kv.fork(into)
            assert caught.value.partition == into
        assert held(ledger.partition("used").list()) == {"b": 1}

    def test_a_fork_of_nothing_is_an_empty_partition(self, kv: Partition) -> None:
        assert held(kv.fork("sandbox").list()) == {}
        kv.set("a", 1)
        assert held(kv.fork("other", 0).list()) == {}

    def test_a_fork_says_where_it_came_from(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("a", 1)
        kv.set("plan", 1, scope="root_run:r-0")
        moment = kv.at(1)
        fork = kv.fork("sandbox", moment)
        kv.fork("trial", scope="root_run:r-0")
        origin = fork.forked_from()
        assert origin is not None
        assert kv.at(origin).list() == moment.list()
        assert (kv.forked_from(), ledger.partition("unused").forked_from()) == (None, None)
        tree = kv.forked_from(scope="root_run:trial")
        assert tree is not None
        assert tree.startswith("__root_run__:r-0@1~")

    def test_a_fork_of_a_fork_is_a_fork(self, kv: Partition) -> None:
        kv.set("a", 1)
        second = kv.fork("one").fork("two")
        assert held(second.list()) == {"a": 1}
        assert second.history("a")[0].copied_from == 3

    @pytest.mark.parametrize(
        "into", ["", "weather", "__root_run__", "__root_run__:r-0", "x" * 257, "a\0b", 7, None]
    )
    def test_a_fork_needs_another_partition(self, kv: Partition, into: Any) -> None:
        kv.set("a", 1)
        with pytest.raises(InvalidArgumentError) as caught:
            kv.fork(into)
        assert caught.value.field == "into"

    # -------------------------------------------------------------------------------------- trees

    def test_a_fork_of_a_tree_is_a_tree_with_a_scope_of_its_own(self, ledger: Ledger, kv: Partition) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        kv.set("plan", 2, scope="root_run:r-0")
        kv.set("a", 1)
        through = kv.fork("try", 1, scope="root_run:r-0")
        assert held(through.list(scope="root_run:try")) == {"plan": 1}
        assert held(ledger.partition("anything").list(scope="root_run:try")) == {"plan": 1}
        through.set("plan", 3, scope="root_run:try")
        assert held(kv.list(scope="root_run:r-0")) == {"plan": 2}
        (version,) = kv.at(2, scope="root_run:try").blame()
        assert (version.operation, version.copied_from, version.scope) == ("copy", 1, "root_run:try")
        assert [each.id for each in ledger.partitions()] == ["__root_run__", "weather"]
        with pytest.raises(PartitionExistsError) as caught:
            kv.fork("try", scope="root_run:r-0")
        assert caught.value.partition == "__root_run__:try"
        with pytest.raises(InvalidArgumentError):
            kv.fork("r-0", scope="root_run:r-0")
