"""Several processes that sweep one ledger, and one that is killed at it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import keyledger

PROCESSES, RUNS, KEYS = 3, 24, 5
AGE = 0.000001

Reopen = Callable[..., keyledger.Ledger]


@pytest.fixture
def filled(reopen: Reopen) -> Reopen:
    """Runs with keys in their own scopes and their trees'; every third of them goes on."""
    with reopen() as ledger:
        for number in range(RUNS):
            ledger.runs.start(keyledger.RunInfo(f"{number}", "weather"))
            for scope in (f"run:{number}", f"root_run:{number}"):
                with ledger.partition(f"p{number % 2}").batch() as batch:
                    for key in range(KEYS):
                        batch.set(f"{key}", 1, scope=scope)
            if number % 3:
                ledger.runs.finish(f"{number}", keyledger.RunStats("ok"))
    return reopen


def sweep_all(options: dict[str, Any], begin: Any, done: Any) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        begin.wait(60)
        while True:
            report = ledger.sweep(limit=7, run_keys_after=AGE)
            done.put(report.run_keys)
            if report.complete:
                return


def sweep_until_killed(options: dict[str, Any], begun: Any) -> None:
    with keyledger.open(**options) as ledger:
        for _ in range(5):
            assert ledger.sweep(limit=1, run_keys_after=AGE).run_keys == 1
        begun.set()
        while True:
            ledger.sweep(limit=1, run_keys_after=AGE)


def assert_swept(ledger: keyledger.Ledger) -> None:
    """Each key of what is over was deleted once, and nothing else was."""
    for number in range(RUNS):
        kv = ledger.partition(f"p{number % 2}")
        for scope in (f"run:{number}", f"root_run:{number}"):
            for key in range(KEYS):
                versions = [(each.operation, each.changed_by) for each in kv.history(f"{key}", scope=scope)]
                assert versions == [("delete", "system:retention")] * bool(number % 3) + [("set", None)]
    assert ledger.rebuild().differences == ()


def test_what_each_process_says_it_did_adds_up(options: dict[str, Any], filled: Reopen) -> None:
    context = multiprocessing.get_context("spawn")
    begin, done = context.Barrier(PROCESSES), context.Queue()
    sweepers = [context.Process(target=sweep_all, args=(options, begin, done)) for _ in range(PROCESSES)]
    for sweeper in sweepers:
        sweeper.start()
    reports = list[int]()
    wanted = 2 * KEYS * RUNS * 2 // 3
    while sum(reports) < wanted:
        reports.append(done.get(timeout=60))
    for sweeper in sweepers:
        sweeper.join(60)
        assert sweeper.exitcode == 0
    while not done.empty():
        reports.append(done.get())
    assert sum(reports) == wanted
    with filled() as ledger:
        assert_swept(ledger)


def test_what_a_killed_sweep_left_is_done_by_the_next(options: dict[str, Any], filled: Reopen) -> None:
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    sweeper = context.Process(target=sweep_until_killed, args=(options, begun))
    sweeper.start()
    assert begun.wait(60)
    assert sweeper.pid is not None
    os.kill(sweeper.pid, signal.SIGKILL)
    sweeper.join()
    with filled() as ledger:
        assert ledger.sweep(run_keys_after=AGE).complete
        assert_swept(ledger)
