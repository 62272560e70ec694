"""Recorded reads where there is a disk, other processes and locks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

import keyledger


def start(ledger: keyledger.Ledger) -> keyledger.Partition:
    """Start run r-1; a partition of five keys as it holds it, with its reads recorded."""
    kv = ledger.partition("p")
    for key in "abcde":
        kv.set(key, 1)
    ledger.runs.start(keyledger.RunInfo("r-1", "p"))
    return ledger.partition("p", run_id="r-1", record_reads=True)


def read_by(ledger: keyledger.Ledger) -> list[str]:
    return [read.key for read in ledger.runs.reads("r-1")]


def test_closing_records_what_was_read(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger:
        start(ledger).list()
    with reopen() as again:
        assert read_by(again) == list("abcde")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_records_its_reads_and_its_parent_its_own(
    reopen: Callable[..., keyledger.Ledger],
) -> None:
    with reopen() as ledger:
        kv = start(ledger)
        kv.get("a")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                kv.get("b")
                begun = [thread.name for thread in threading.enumerate()].count("keyledger-reads")
                status = 0 if begun == 1 and "b" in read_by(ledger) else 2
                kv.get("c")
                ledger.close()
            finally:
                os._exit(status)
        kv.get("d")
        assert os.waitpid(child, 0)[1] == 0
        assert read_by(ledger) == list("abcd")
        assert ledger.runs.unrecorded_reads == 0


def test_no_reader_waits_for_a_lock_and_what_it_read_is_recorded_later(
    reopen: Callable[..., keyledger.Ledger],
) -> None:
    with reopen(lock_timeout=0.05) as ledger, reopen() as other:
        kv = start(ledger)
        with other.storage.runs.exclusive("run:r-1") as session:
            assert session.load("run:r-1").revision == 1
            assert list(kv.get_many(list("abcde"))) == list("abcde")
            assert read_by(ledger) == []
        assert read_by(ledger) == list("abcde")
        assert ledger.runs.unrecorded_reads == 0
