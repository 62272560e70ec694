"""Going back and branching off, by several processes on one ledger."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest

import keyledger
from keyledger.adapters.conformance.restoring_races import check_restores

PROCESSES = 4
KEYS = 30

Options = dict[str, Any]


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def fill(ledger: keyledger.Ledger, keys: int = KEYS) -> keyledger.Partition:
    kv = ledger.partition("p")
    with kv.batch() as batch:
        for number in range(keys):
            batch.set(f"k{number:04}", 0)
    return kv


def write_or_undo(options: Options, number: int) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        kv = ledger.partition("p", actor=f"process-{number}")
        for step in range(25):
            if number % 2:
                kv.restore_all(max(KEYS, kv.at().revision - 3 * step), request_id=f"undo-{number}-{step}")
            else:
                kv.set(f"k{(7 * step + number) % KEYS:04}", [number, step])
                kv.delete(f"k{(3 * step + number) % KEYS:04}")
                kv.increment("n")


def fork(options: Options, into: str) -> bool:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        try:
            ledger.partition("p").fork(into, 250)
        except keyledger.PartitionExistsError:
            return False
        return True


def fork_until_killed(options: Options, ready: Any) -> None:
    with keyledger.open(**options) as ledger:
        commit, commits = ledger.storage.commit, iter(range(2))

        def last(what: Any) -> None:
            if next(commits, None) is None:
                ready.set()
                signal.pause()
            commit(what)

        ledger.storage.commit = last  # type: ignore[assignment, method-assign]
        ledger.partition("p").fork("sandbox", 250)


def restore_until_killed(options: Options, ready: Any) -> None:
    with keyledger.open(**options) as ledger:
        kv, step = ledger.partition("p"), 0
        while True:
            step += 1
            kv.restore_all(2 * KEYS if step % 2 else KEYS, request_id=f"undo-{step}")
            if step == 5:
                ready.set()


def killed(work: Callable[[Options, Any], None], options: Options) -> None:
    """Have a process work until it is ready, and kill it."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=work, args=(options, ready))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def values(entries: Iterator[keyledger.Entry]) -> dict[str, Any]:
    return {entry.key: entry.value for entry in entries}


def test_restoring_all_among_writing_processes_leaves_the_very_moment(
    options: Options, reopen: Callable[..., keyledger.Ledger], processes: ProcessPoolExecutor
) -> None:
    with reopen() as ledger:
        kv = fill(ledger)
        list(processes.map(partial(write_or_undo, options), range(PROCESSES)))
        kv.set("last", 1)
        assert kv.restore_all(KEYS, request_id="undo-last") > 0
        assert check_restores(ledger, kv) > 1
        assert values(kv.scan()) == {f"k{number:04}": 0 for number in range(KEYS)}
        revisions = [event.originator_version for event in ledger.storage.events("partition:p", 0, 10**6)]
        assert revisions == list(range(1, len(revisions) + 1))
        assert ledger.rebuild().differences == ()


def test_processes_that_fork_the_same_into_one_partition_make_one_whole_fork(
    options: Options, reopen: Callable[..., keyledger.Ledger], processes: ProcessPoolExecutor
) -> None:
    with reopen() as ledger:
        fill(ledger, 250)
        assert any(processes.map(partial(fork, options), ["sandbox"] * PROCESSES))
        sandbox = ledger.partition("sandbox")
        assert values(sandbox.scan()) == {f"k{number:04}": 0 for number in range(250)}
        assert sandbox.at().revision == 252
        assert ledger.rebuild().differences == ()


def test_a_fork_whose_process_was_killed_is_refused_and_can_be_finished(
    options: Options, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        kv = fill(ledger, 250)
        killed(fork_until_killed, options)
        with pytest.raises(keyledger.ForkIncompleteError):
            ledger.partition("sandbox").get("k0000")
        kv.set("k0000", "later")
        sandbox = kv.fork("sandbox", 250)
        assert values(sandbox.scan()) == {f"k{number:04}": 0 for number in range(250)}
        assert sandbox.at().revision == 252
        assert ledger.rebuild().differences == ()


def test_a_process_that_is_killed_while_it_restores_leaves_one_of_the_moments_and_no_lock(
    options: Options, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        kv = fill(ledger)
        with kv.batch() as batch:
            for number in range(KEYS):
                batch.set(f"k{number:04}", 1)
        killed(restore_until_killed, options)
        assert {entry.value for entry in kv.scan()} in ({0}, {1})
        assert kv.usage().live_keys == KEYS
        assert check_restores(ledger, kv) >= 4
        kv.set("k0000", 2)
        assert kv.restore_all(KEYS) >= 1
        assert ledger.rebuild().differences == ()
