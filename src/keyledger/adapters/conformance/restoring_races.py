"""Going back and branching off while others write: threads here; an adapter's own tests add processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from threading import Barrier
from typing import TypeVar

import pytest

from keyledger.adapters.conformance.fixtures import Fixtures
from keyledger.adapters.conformance.past import held
from keyledger.domain.errors import PartitionExistsError, RefusedError
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.partition import KeyDeleted, KeySet
from keyledger.domain.ports import Commit

T = TypeVar("T")
WRITERS = 4


def restores_of(ledger: Ledger, partition_id: str) -> Iterator[tuple[int, int, int]]:
    """Each restore_all in a partition's log: the revision it went back to, the one before it, and its last."""
    events = ledger.storage.events(f"partition:{partition_id}", 0, 10**6)
    for request_id, found in groupby(events, key=lambda event: event.request_id):
        made = list(found)
        restored = {e.restored_from for e in made if isinstance(e, KeySet | KeyDeleted)}
        if request_id.startswith("undo"):
            (to,) = restored
            assert to is not None
            yield to, made[0].originator_version - 1, made[-1].originator_version


def check_restores(ledger: Ledger, kv: Partition) -> int:
    """Each restore_all left the very moment that it went back to, whoever wrote before and after; how many."""
    found = list(restores_of(ledger, kv.id))
    for to, before, after in found:
        then = {entry.key: entry.value for entry in kv.at(to).scan()}
        assert {entry.key: entry.value for entry in kv.at(after).scan()} == then
        changed = [change.key for change in kv.diff(before, to, scope="skill")]
        assert sorted(version.key for version in kv.at(after).blame(limit=1_000) if version.revision > before) == (
            sorted(key for key in changed if key in then)
        )
    return len(found)


class RestoreRaceContract(Fixtures):
    """What holds however writes, restores and forks interleave."""

    def test_restoring_all_among_writers_leaves_the_very_moment(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        kv = ledgers[0].partition("p")
        with kv.batch() as batch:
            for number in range(20):
                batch.set(f"k{number:02}", 0)
        barrier = Barrier(WRITERS + 2)

        def write(thread: int) -> None:
            own = ledgers[thread % 2].partition("p", actor=f"t{thread}")
            barrier.wait(30)
            for step in range(25):
                own.set(f"k{(step * 7 + thread) % 20:02}", [thread, step])
                own.increment(f"n{thread}")
                own.delete(f"k{(step * 3 + thread) % 20:02}")

        def undo(thread: int) -> None:
            own = ledgers[thread % 2].partition("p", actor=f"u{thread}")
            barrier.wait(30)
            for step in range(6):
                own.restore_all(own.at().revision - step, request_id=f"undo-{thread}-{step}")

        with ThreadPoolExecutor(WRITERS + 2) as pool:
            jobs = [pool.submit(write, thread) for thread in range(WRITERS)]
            jobs += [pool.submit(undo, thread) for thread in range(2)]
            for job in jobs:
                job.result(60)
        kv.set("n-final", 1)
        assert kv.restore_all(20, request_id="undo-last") > 0
        assert check_restores(ledgers[0], kv) >= 1
        assert held(kv.list()) == {f"k{number:02}": 0 for number in range(20)}
        revisions = [event.originator_version for event in ledgers[0].storage.events("partition:p", 0, 10**6)]
        assert revisions == list(range(1, len(revisions) + 1))
        assert ledgers[1].rebuild().differences == ()

    def test_a_write_that_comes_between_is_undone_too(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        kv, other = one.partition("p"), two.partition("p")
        kv.set("a", 1)
        kv.set("a", 2)
        exclusive = one.storage.exclusive

        def late(stream: str) -> object:
            monkeypatch.setattr(one.storage, "exclusive", exclusive)
            other.set("b", 1)
            other.delete("a")
            return exclusive(stream)

        monkeypatch.setattr(one.storage, "exclusive", late)
        assert kv.restore_all(1) == 2
        assert held(kv.list()) == held(other.list()) == {"a": 1}

    def test_a_restore_of_a_key_that_somebody_wrote_meanwhile_comes_after_it(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        kv, other = one.partition("p"), two.partition("p")
        kv.set("a", 1)
        kv.set("a", 2)
        commit = one.storage.commit

        def late(what: Commit) -> None:
            monkeypatch.setattr(one.storage, "commit", commit)
            other.set("a", 3)
            commit(what)

        monkeypatch.setattr(one.storage, "commit", late)
        entry = kv.restore("a", 1)
        assert entry is not None
        assert (entry.value, entry.revision) == (1, 4)

    def test_a_restore_that_found_nothing_to_do_looks_again_at_what_others_wrote(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        kv, other = reopen().partition("p"), reopen().partition("p")
        kv.set("a", 1)
        kv.restore("a", 1)
        other.set("a", 2)
        entry = kv.restore("a", 1)
        assert entry is not None
        assert entry.value == 1

    def test_of_racing_forks_into_one_partition_one_source_wins_and_is_whole(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledgers = [reopen() for _ in range(2)]
        for number in range(4):
            with ledgers[0].partition(f"p{number}").batch() as batch:
                for key in range(150):
                    batch.set(f"k{key:03}", number)
        barrier = Barrier(8)

        def fork(thread: int) -> int | None:
            kv = ledgers[thread % 2].partition(f"p{thread % 4}")
            barrier.wait(30)
            try:
                kv.fork("sandbox", 150)
            except PartitionExistsError:
                return None
            return thread % 4

        with ThreadPoolExecutor(8) as pool:
            winners = {found for found in pool.map(fork, range(8)) if found is not None}
        (winner,) = winners
        sandbox = ledgers[0].partition("sandbox")
        assert {entry.key: entry.value for entry in sandbox.scan()} == {f"k{key:03}": winner for key in range(150)}
        topics = [event.TOPIC for event in ledgers[0].storage.events("partition:sandbox", 0, 1_000)]
        assert topics == ["kv.PartitionForked", *["kv.KeySet"] * 150, "kv.ForkCompleted"]
        assert ledgers[1].rebuild().differences == ()

    def test_a_fork_of_a_moment_is_that_moment_whatever_is_written_meanwhile(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledger, other = reopen(), reopen()
        kv = ledger.partition("p")
        with kv.batch() as batch:
            for number in range(300):
                batch.set(f"k{number:03}", 0)
        barrier = Barrier(3)

        def write(thread: int) -> None:
            own = other.partition("p")
            barrier.wait(30)
            for step in range(40):
                own.increment(f"k{(step * 7 + thread) % 300:03}")
                own.set(f"new/{thread}/{step}", 1)

        def fork() -> Partition:
            barrier.wait(30)
            return kv.fork("sandbox")

        with ThreadPoolExecutor(3) as pool:
            jobs = [pool.submit(write, thread) for thread in range(2)]
            sandbox = pool.submit(fork).result(60)
            for job in jobs:
                job.result(60)
        (of,) = {version.copied_from for version in sandbox.blame(limit=1_000)}
        assert of is not None
        assert held(sandbox.scan()) == held(kv.at(of).scan())

    def test_views_of_a_moment_agree_while_others_write(self, reopen: Callable[..., Ledger]) -> None:
        ledger, other = reopen(), reopen()
        kv, done = ledger.partition("p"), list[bool]()

        def write() -> None:
            own = other.partition("p")
            for number in range(60):
                with own.batch() as batch:
                    batch.set("left", number)
                    batch.set("right", number)
            done.append(True)

        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(write)
            seen = 0
            while not done or not seen:
                view = kv.at()
                found = view.get_many(["left", "right"])
                assert held(view.list()) == {key: entry.value for key, entry in found.items()}
                if view.revision % 2 == 0 and view.revision:
                    assert found["left"].value == found["right"].value == view.revision // 2 - 1
                    seen += 1
                if job.done():
                    job.result()
            job.result(60)

    def test_a_revision_that_is_reached_while_it_is_looked_for_is_found(
        self, reopen: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one, two = reopen(), reopen()
        kv, other = one.partition("p"), two.partition("p")
        kv.set("a", 1)
        events_at = one.storage.events_at

        def late(stream: str, revisions: Sequence[int]) -> object:
            monkeypatch.setattr(one.storage, "events_at", events_at)
            found = events_at(stream, revisions)
            other.set("a", 2)
            return found

        monkeypatch.setattr(one.storage, "events_at", late)
        assert held(kv.at(2).list()) == {"a": 2}

    def test_racing_undoes_under_one_request_id_are_one(self, reopen: Callable[..., Ledger]) -> None:
        ledgers = [reopen() for _ in range(2)]
        kv = ledgers[0].partition("p")
        for number in range(3):
            kv.set("a", number)
            kv.set(f"k{number}", number)
        barrier = Barrier(6)

        def undo(thread: int) -> int:
            barrier.wait(30)
            return ledgers[thread % 2].partition("p").restore_all(2, request_id="undo")

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(undo, range(6))) == {3}
        assert kv.at().revision == 9
        assert held(kv.list()) == {"a": 0, "k0": 0}

    def test_a_restore_refused_by_a_quota_changes_nothing_among_writers(
        self, reopen: Callable[..., Ledger]
    ) -> None:
        ledgers = [reopen(quota=200) for _ in range(2)]
        kv = ledgers[0].partition("p")
        kv.set("big", "x" * 148)
        kv.delete("big")
        kv.set("n", 0)
        barrier = Barrier(4)

        def write(thread: int) -> int:
            own = ledgers[thread % 2].partition("p")
            barrier.wait(30)
            passed = 0
            for step in range(20):
                try:
                    if thread < 2:
                        own.set(f"{thread}/{step}", "x" * 8)
                    else:
                        own.restore("big", 1)
                        own.delete("big")
                    passed += 1
                except RefusedError:
                    pass
                assert own.usage().used_bytes <= 200
            return passed

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        largest = max(kv.at(revision).usage().used_bytes for revision in range(1, kv.at().revision + 1))
        assert largest <= 200
        assert ledgers[1].rebuild().differences == ()
