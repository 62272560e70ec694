"""Several processes on one ledger."""

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

PROCESSES = 6

Options = dict[str, Any]


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def open_and_count(options: Options, number: int) -> int:
    with keyledger.open(**options) as ledger:
        return int(ledger.partition(f"p{number}").increment("n").revision)


def count_up(options: Options, number: int) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        shared, own = ledger.partition("shared", actor=f"process-{number}"), ledger.partition(f"own-{number}")
        for step in range(40):
            shared.increment("n")
            own.set(f"k{step % 5}", step)


def fill(options: Options, number: int) -> int:
    passed = 0
    with keyledger.open(**options, quota=3_000, lock_timeout=60) as ledger:
        kv = ledger.partition("p")
        for step in range(50):
            try:
                kv.set(f"{number}/{step}", "x" * 28)
                passed += 1
            except keyledger.NamespaceQuotaExceededError:
                pass
    return passed


def write_for_ever(options: Options, ready: Any) -> None:
    with keyledger.open(**options) as ledger:
        kv = ledger.partition("p")
        step = 0
        while True:
            step += 1
            with kv.batch() as batch:
                batch.increment("n")
                batch.set(f"k{step % 10}", step)
            if step == 20:
                ready.set()


def test_first_starts_do_not_race(options: Options, processes: ProcessPoolExecutor) -> None:
    assert list(processes.map(partial(open_and_count, options), range(24))) == [1] * 24


def test_no_increment_is_lost_and_no_revision_missing(
    options: Options, reopen: Callable[..., keyledger.Ledger], processes: ProcessPoolExecutor
) -> None:
    list(processes.map(partial(count_up, options), range(PROCESSES)))
    with reopen() as ledger:
        history = ledger.partition("shared").history("n", limit=1000)
        total = PROCESSES * 40
        assert [version.value for version in history] == list(range(total, 0, -1))
        assert [version.revision for version in history] == list(range(total, 0, -1))
        for number in range(PROCESSES):
            values = [entry.value for entry in ledger.partition(f"own-{number}").list()]
            assert values == [35, 36, 37, 38, 39]
        assert ledger.rebuild().differences == ()


def test_no_quota_is_overshot(
    options: Options, reopen: Callable[..., keyledger.Ledger], processes: ProcessPoolExecutor
) -> None:
    assert sum(processes.map(partial(fill, options), range(PROCESSES))) == 100
    with reopen() as ledger:
        assert ledger.partition("p").usage().used_bytes == 3_000


def test_a_killed_writer_leaves_whole_batches_and_no_lock(
    options: Options, reopen: Callable[..., keyledger.Ledger]
) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    writer = context.Process(target=write_for_ever, args=(options, ready))
    writer.start()
    assert ready.wait(60)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with reopen() as ledger:
        kv = ledger.partition("p")
        count = kv.get("n")
        assert count is not None
        assert max(int(str(entry.value)) for entry in kv.list(prefix="k")) == count.value
        assert kv.increment("n").revision == 2 * int(str(count.value)) + 1
        assert ledger.rebuild().differences == ()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_use_the_ledger_and_so_can_its_parent(
    reopen: Callable[..., keyledger.Ledger],
) -> None:
    with reopen() as ledger:
        kv = ledger.partition("p")
        kv.increment("n")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(20):
                    kv.increment("n")
                assert kv.get("n") is not None
                status = 0
            finally:
                os._exit(status)
        for _ in range(20):
            kv.increment("n")
        assert os.waitpid(child, 0)[1] == 0
        found = kv.get("n")
        assert found is not None
        assert found.value == 41
