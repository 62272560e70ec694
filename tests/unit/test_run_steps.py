"""Where reads stand among the writes of a run."""

from __future__ import annotations

from keyledger import Ledger, RunInfo
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.audit.reading import Read
from keyledger.domain.run import RecordReads, run_stream
from keyledger.opening import ledger_on

STREAM = "partition:weather"


def run_that_recorded(*reads: Read) -> Ledger:
    """A run that sets a from 1 to 2 and deletes b, and recorded these reads, in whatever order."""
    storage = MemoryStorage(EventMapper())
    ledger = ledger_on(lambda: storage, clock=ManualClock())
    kv = ledger.partition("weather")
    kv.set("a", 1)
    kv.set("b", 1)
    ledger.runs.start(RunInfo("r-1", "weather"))
    run = ledger.partition("weather", run_id="r-1")
    run.set("a", 2)
    run.delete("b")
    kv.writes.engine.run_writer.execute(run_stream("r-1"), RecordReads(reads))
    return ledger


def test_a_read_that_was_recorded_late_stands_before_the_write_that_it_did_not_see() -> None:
    own, former = (STREAM, "skill", "a", 3), (STREAM, "skill", "a", 1)
    report = run_that_recorded(own, former).replay("r-1", "sandbox")
    assert (report.agreed, report.difference) == (4, None)


def test_a_read_that_was_recorded_late_stands_before_the_delete_that_it_did_not_see() -> None:
    missed, found = (STREAM, "skill", "b", 0), (STREAM, "skill", "b", 2)
    report = run_that_recorded(missed, found).replay("r-1", "sandbox")
    assert (report.agreed, report.difference) == (4, None)


def test_what_was_recorded_twice_is_one_read() -> None:
    read = (STREAM, "skill", "a", 1)
    report = run_that_recorded(read, read).replay("r-1", "sandbox")
    assert (report.reads, report.agreed, report.difference) == (1, 3, None)
