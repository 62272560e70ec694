"""Recorded reads where there is a disk, other processes and locks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import keyledger
from keyledger.domain.audit.reading import ReadRecorder
from keyledger.domain.audit.writer import RunWriter


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


def test_who_asks_waits_for_a_lock_once_however_many_runs_have_reads_waiting(
    reopen: Callable[..., keyledger.Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadRecorder, "_start", lambda _: False)
    tried = _attempts(monkeypatch)
    with reopen(lock_timeout=0.05) as ledger, reopen() as other:
        for number in range(9):
            ledger.runs.start(keyledger.RunInfo(f"r-{number}", "p"))
            ledger.partition("p", run_id=f"r-{number}", record_reads=True).get("k")
        with other.storage.runs.exclusive("run:r-0") as session:
            assert session.load("run:r-0").revision == 1
            tried.clear()
            assert len(ledger.partition("p").readers("k", 0)) == 0
            assert tried == ["run:r-0"]
            assert len(ledger.runs.reads("r-0")) == 0
            assert tried == ["run:r-0"] * 2
            with pytest.raises(keyledger.LedgerBusyError):
                ledger.runs.finish("r-0", keyledger.RunStats("ok"))
            assert tried == ["run:r-0"] * 4
        assert [read.run_id for read in ledger.partition("p").readers("k", 0)] == [f"r-{n}" for n in range(9)]


def _attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The streams of runs that are tried to be written from now on."""
    tried: list[str] = []
    execute = RunWriter.execute

    def counted(self: RunWriter, stream: str, *arguments: Any, **more: Any) -> Any:
        tried.append(stream)
        return execute(self, stream, *arguments, **more)

    monkeypatch.setattr(RunWriter, "execute", counted)
    return tried
