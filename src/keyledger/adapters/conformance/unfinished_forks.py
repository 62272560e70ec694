"""Forks that were interrupted: what refuses to be used, and how they are finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.forking import fill
from keyledger.adapters.conformance.past import held
from keyledger.adapters.conformance.run_steps import begin_and_end
from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.errors import ForkIncompleteError, PartitionExistsError, StorageUnavailableError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.ports import Commit


def interrupted(
    kv: Partition, into: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *, commits: int, at: Any = None
) -> None:
    """Begin a fork, and have the storage go away after so many transactions."""
    commit, left = ledger.storage.commit, iter(range(commits))

    def failing(what: Commit) -> None:
        if next(left, None) is None:
            raise StorageUnavailableError("gone")
        commit(what)

    with monkeypatch.context() as patched, pytest.raises(StorageUnavailableError):
        patched.setattr(ledger.storage, "commit", failing)
        kv.fork(into, at)


class UnfinishedForkContract(Fixtures):
    """What an unfinished fork is, and what becomes of it."""

    @pytest.mark.parametrize("commits", [1, 2, 3, 4])
    def test_a_fork_that_was_interrupted_is_finished_by_the_same_call(
        self,
        reopen: Callable[..., Ledger],
        ledger: Ledger,
        kv: Partition,
        monkeypatch: pytest.MonkeyPatch,
        commits: int,
    ) -> None:
        fill(kv, 250)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=commits)
        kv.set("k0000", "later")
        kv.delete("k0249")
        fork = reopen().partition("weather").fork("sandbox")
        assert held(fork.scan()) == {f"k{number:04}": number for number in range(250)}
        copies = [version for key in ("k0000", "k0100", "k0249") for version in fork.history(key)]
        assert [(each.operation, each.copied_from) for each in copies] == [("copy", 250)] * 3
        assert fork.at().revision == 252
        assert fork.set("k0000", 1).revision == 253
        assert ledger.rebuild().differences == ()

    def test_a_fork_that_never_began_leaves_nothing(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 3)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=0)
        assert [each.id for each in ledger.partitions()] == ["weather"]
        assert kv.fork("sandbox").usage().live_keys == 3

    def test_a_fork_of_a_moment_is_finished_with_that_moment(
        self, ledger: Ledger, kv: Partition, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 150)
        kv.set("z", 1, ttl=100)
        clock.advance(40)
        then = kv.at()
        clock.advance(1_000)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2, at=then)
        clock.advance(1_000)
        for moment in (150, 151, START, 0):
            with pytest.raises(PartitionExistsError):
                kv.fork("sandbox", moment)
        fork = kv.fork("sandbox", str(then))
        assert fork.usage().live_keys == 151
        entry = fork.get("z")
        assert entry is not None
        assert entry.expires_at == clock.now() + timedelta(seconds=60)

    def test_the_quota_is_that_of_the_moment_also_when_it_is_finished_later(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 3)
        kv.set_quota(500)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        kv.set_quota(9)
        assert kv.fork("sandbox").usage().max_bytes == 500

    @pytest.mark.parametrize(
        "use",
        [
            lambda kv: kv.get("k0000"),
            lambda kv: kv.get_many(["k0000"]),
            lambda kv: kv.list(),
            lambda kv: list(kv.scan()),
            lambda kv: kv.history("k0000"),
            lambda kv: list(kv.scan_history("k0000")),
            lambda kv: kv.usage(),
            lambda kv: kv.at(),
            lambda kv: kv.at(1),
            lambda kv: kv.at(run="r-1"),
            lambda kv: kv.blame(),
            lambda kv: kv.diff(0),
            lambda kv: kv.bisect("k0000", bool),
            lambda kv: kv.fork("third"),
            lambda kv: kv.set("a", 1),
            lambda kv: kv.set("a", 1, request_id="q"),
            lambda kv: kv.increment("n"),
            lambda kv: kv.delete("k0000"),
            lambda kv: kv.delete("missing"),
            lambda kv: kv.set_quota(5),
            lambda kv: kv.restore("k0000", 1),
            lambda kv: kv.restore_all(1),
        ],
    )
    def test_an_unfinished_fork_is_neither_read_nor_written(
        self,
        ledger: Ledger,
        kv: Partition,
        monkeypatch: pytest.MonkeyPatch,
        use: Callable[[Partition], object],
    ) -> None:
        fill(kv, 150)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        for sandbox in (ledger.partition("sandbox", run_id="r-1"), ledger.partition("sandbox")):
            with pytest.raises(ForkIncompleteError, match="'sandbox'") as caught:
                use(sandbox)
            assert caught.value.partition == "sandbox"
        assert kv.fork("sandbox").usage().live_keys == 150

    def test_a_batch_into_an_unfinished_fork_is_refused(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=1)
        with pytest.raises(ForkIncompleteError), ledger.partition("sandbox").batch() as batch:
            batch.set("a", 1)

    def test_a_handle_that_knew_the_empty_partition_notices_the_fork(
        self, reopen: Callable[..., Ledger], ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handle = reopen().partition("sandbox")
        assert (handle.get("a"), handle.at().revision) == (None, 0)
        fill(kv, 3)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=1)
        with pytest.raises(ForkIncompleteError):
            handle.get("a")
        kv.fork("sandbox")
        assert held(handle.list()) == {"k0000": 0, "k0001": 1, "k0002": 2}

    def test_an_unfinished_fork_can_be_deleted_and_used_but_not_forked_into(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 150)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        assert ledger.delete_partition("sandbox")
        sandbox = ledger.partition("sandbox")
        assert (sandbox.list().items, sandbox.usage().live_keys) == ((), 0)
        sandbox.set("a", 1)
        with pytest.raises(PartitionExistsError):
            kv.fork("sandbox")
        assert held(sandbox.list()) == {"a": 1}

    def test_an_unfinished_fork_is_exported_whole_and_has_nothing_current(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 250)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        assert len(list(ledger.export_lines("sandbox"))) == 101
        assert list(ledger.export_lines("sandbox", current=True)) == []
        assert len(list(ledger.export_lines(current=True))) == 250
        kv.fork("sandbox")
        assert len(list(ledger.export_lines("sandbox", current=True))) == 250

    def test_sweeps_and_rebuilds_pass_over_an_unfinished_fork(
        self,
        ledger: Ledger,
        runs: Runs,
        kv: Partition,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        kv.set("a", 1, ttl=50)
        kv.set("k", 1, scope="run:r-9")
        fill(kv, 100)
        begin_and_end(runs, "r-9")
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        clock.advance(50)
        report = ledger.sweep(run_keys_after=1)
        assert (report.run_keys, report.complete) == (1, True)
        assert ledger.rebuild().differences == ()
        fork = kv.fork("sandbox")
        assert len(list(fork.scan(prefix="k"))) == 100
        assert fork.get("k", scope="run:r-9") is not None
        assert ledger.sweep(run_keys_after=1).run_keys == 1
        assert fork.get("k", scope="run:r-9") is None

    def test_what_expires_in_an_unfinished_fork_does_not_come_back(
        self, ledger: Ledger, kv: Partition, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("a", 1, ttl=50)
        kv.set("b", 1)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        clock.advance(50)
        assert ledger.sweep().expired == 1
        fork = kv.fork("sandbox")
        assert held(fork.list()) == {"b": 1}
        assert ledger.sweep().expired == 1
        lines = [line.replace('"sandbox"', '"copy"') for line in ledger.export_lines("sandbox")]
        assert ledger.import_lines(lines, source="copy", stop=True).imported == len(lines)
        assert [each.operation for each in ledger.partition("copy").history("a")] == ["expire", "copy"]

    def test_a_fork_that_somebody_deletes_while_it_is_copied_is_refused(
        self, reopen: Callable[..., Ledger], ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 150)
        other, commit, begun = reopen(), ledger.storage.commit, list[Commit]()

        def late(what: Commit) -> None:
            if begun:
                monkeypatch.setattr(ledger.storage, "commit", commit)
                other.delete_partition("sandbox")
            begun.append(what)
            commit(what)

        monkeypatch.setattr(ledger.storage, "commit", late)
        with pytest.raises(ForkIncompleteError):
            kv.fork("sandbox")
        assert other.partition("sandbox").list().items == ()

    def test_an_unfinished_fork_of_another_is_not_taken_for_ones_own(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(kv, 3)
        other = ledger.partition("fares")
        fill(other, 3)
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=1)
        for at in (None, 3):
            with pytest.raises(PartitionExistsError):
                other.fork("sandbox", at)
        assert kv.fork("sandbox").usage().live_keys == 3

    def test_an_unfinished_fork_of_a_tree_stops_nobody_elsewhere(
        self, ledger: Ledger, kv: Partition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kv.set("plan", 1, scope="root_run:r-0")
        commit = ledger.storage.commit

        def failing(what: Commit) -> None:
            if what.expected:
                raise StorageUnavailableError("gone")
            commit(what)

        with monkeypatch.context() as patched, pytest.raises(StorageUnavailableError):
            patched.setattr(ledger.storage, "commit", failing)
            kv.fork("try", scope="root_run:r-0")
        for write in (kv.get, lambda key, **options: kv.set(key, 1, **options)):
            with pytest.raises(ForkIncompleteError, match="__root_run__:try"):
                write("plan", scope="root_run:try")
        kv.set("plan", 2, scope="root_run:r-0")
        kv.set("a", 1)
        kv.fork("try", scope="root_run:r-0")
        assert held(kv.list(scope="root_run:try")) == {"plan": 1}

    def test_a_sweep_passes_over_a_fork_that_is_not_finished(
        self, ledger: Ledger, kv: Partition, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.runs.start(RunInfo("r-1", "weather"))
        kv.set("a", 1, scope="run:r-1")
        ledger.runs.finish("r-1", RunStats("ok"))
        interrupted(kv, "sandbox", ledger, monkeypatch, commits=2)
        clock.advance(3_600)
        assert ledger.sweep(run_keys_after=60).run_keys == 1
        assert ledger.partition("weather").list(scope="run:r-1").items == ()
        kv.fork("sandbox")
        assert ledger.sweep(run_keys_after=60).run_keys == 1
