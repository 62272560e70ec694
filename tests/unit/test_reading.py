"""The recorder of reads, on a writer that does as it is told."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import keyledger
from keyledger import LedgerBusyError, OutcomeUnknownError, RunNotFoundError, StorageUnavailableError
from keyledger.domain.audit import reading
from keyledger.domain.audit.reading import Read, ReadRecorder
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.run import RecordReads, RunAction


def read(number: int) -> Read:
    return "partition:weather", "skill", f"k{number}", number


class Writer:
    """Keeps what it is given, unless the next of ``errors`` is one to raise. It waits until it may ``go_on``."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.errors: list[Exception | None] = []
        self.entered, self.go_on, self.recorded = threading.Event(), threading.Event(), threading.Event()
        self.go_on.set()

    def execute(self, stream: str, action: RunAction) -> None:
        assert isinstance(action, RecordReads)
        self.entered.set()
        assert self.go_on.wait(10)
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        self.batches.append((stream, [revision for *_, revision in action.reads]))
        self.recorded.set()


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def recorder(writer: Writer) -> Iterator[ReadRecorder]:
    recorder = ReadRecorder(writer)  # type: ignore[arg-type]
    yield recorder
    writer.go_on.set()
    recorder.close()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


def hold(recorder: ReadRecorder, writer: Writer) -> None:
    """Have the thread stand in the writer, with read 0 of run:r-0."""
    writer.go_on.clear()
    recorder.note("run:r-0", [read(0)])
    assert writer.entered.wait(10)


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "keyledger-reads"}


# --------------------------------------------------------------------------------------------- batches


def test_what_is_noted_is_recorded_without_anybody_asking(recorder: ReadRecorder, writer: Writer) -> None:
    recorder.note("run:r-1", [read(1)])
    assert writer.entered.wait(10)


def test_what_gathers_while_a_batch_is_written_is_the_next_one_a_run(
    recorder: ReadRecorder, writer: Writer
) -> None:
    hold(recorder, writer)
    for number in (3, 1, 2, 1, 3):
        recorder.note("run:r-1", [read(number)])
    recorder.note("run:r-2", [read(1), read(4)])
    recorder.note("run:r-0", [read(0)])
    writer.go_on.set()
    recorder.flush()
    assert writer.batches == [("run:r-0", [0]), ("run:r-1", [3, 1, 2]), ("run:r-2", [1, 4])]


def test_an_event_holds_so_many_reads_and_no_more(recorder: ReadRecorder, writer: Writer) -> None:
    hold(recorder, writer)
    recorder.note("run:r-1", [read(number) for number in range(1, 1_002)])
    writer.go_on.set()
    recorder.flush()
    assert [len(batch) for _, batch in writer.batches] == [1, 500, 500, 1]


def test_the_oldest_of_too_many_known_reads_are_forgotten(
    recorder: ReadRecorder, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_KNOWN_READS", 2)
    for number in (1, 2, 2, 3, 2, 1):
        recorder.note("run:r-1", [read(number)])
        recorder.flush()
    assert writer.batches == [("run:r-1", [number]) for number in (1, 2, 3, 1)]


def test_flushing_nothing_writes_nothing(recorder: ReadRecorder, writer: Writer) -> None:
    recorder.note("run:r-1", [])
    recorder.flush()
    assert not writer.entered.is_set()


# -------------------------------------------------------------------------------------------- too much


def test_reads_beyond_the_bound_are_counted_reported_once_and_no_reader_waits(
    recorder: ReadRecorder, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reading, "MAX_QUEUED_READS", 4)
    hold(recorder, writer)
    recorder.note("run:r-1", [read(1), read(2)])
    recorder.note("run:r-1", [read(3), read(4)])
    recorder.note("run:r-1", [read(5)])
    recorder.note("run:r-1", [read(6)])
    assert recorder.unrecorded == 3
    writer.go_on.set()
    recorder.flush()
    recorder.note("run:r-1", [read(7)])
    recorder.flush()
    assert writer.batches == [("run:r-0", [0]), ("run:r-1", [1, 2, 5]), ("run:r-1", [7])]
    assert caplog.messages == ["reads are not recorded while 4 others wait for it"]


@pytest.mark.usefixtures("no_threads")
def test_what_is_known_or_was_lost_takes_no_room(
    recorder: ReadRecorder, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_QUEUED_READS", 1)
    writer.errors = [None, RunNotFoundError("r-1")]
    for number in (1, 2):
        recorder.note("run:r-1", [read(number)])
        recorder.flush()
    for number in (1, 1, 3):
        recorder.note("run:r-1", [read(number)])
    recorder.flush()
    assert (writer.batches, recorder.unrecorded) == ([("run:r-1", [1]), ("run:r-1", [3])], 1)


# ------------------------------------------------------------------------------------------- failures


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    "error", [StorageUnavailableError("gone"), LedgerBusyError("busy"), OutcomeUnknownError("run:r-1")]
)
def test_what_could_not_be_written_is_tried_again_with_the_next(
    recorder: ReadRecorder, writer: Writer, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    recorder.note("run:r-1", [read(1)])
    writer.errors = [error]
    recorder.flush()
    assert writer.batches == []
    recorder.note("run:r-1", [read(2)])
    recorder.flush()
    assert (writer.batches, recorder.unrecorded, caplog.messages) == ([("run:r-1", [1, 2])], 0, [])


@pytest.mark.usefixtures("no_threads")
def test_after_five_failures_reads_are_given_up_counted_and_reported_once_a_run(
    recorder: ReadRecorder, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        writer.errors = [StorageUnavailableError("gone") for _ in range(5)]
        recorder.note("run:r-1", [read(number), read(number + 2)])
        for _ in range(4):
            recorder.flush()
        assert recorder.unrecorded == 2 * (number - 1)
        recorder.flush()
        assert recorder.unrecorded == 2 * number
    recorder.flush()
    assert (writer.batches, writer.errors) == ([], [])
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("keyledger", logging.WARNING)
    assert record.message == "reads of run 'r-1' are not recorded: gone"


@pytest.mark.usefixtures("no_threads")
def test_a_success_makes_the_failures_before_it_forgotten(recorder: ReadRecorder, writer: Writer) -> None:
    gone = StorageUnavailableError("gone")
    recorder.note("run:r-1", [read(number) for number in range(501)])
    writer.errors = [gone, gone, gone, gone, None, gone, gone, gone, gone]
    for _ in range(8):
        recorder.flush()
        assert recorder.unrecorded == 0
    recorder.flush()
    assert [len(batch) for _, batch in writer.batches] == [500, 1]


@pytest.mark.usefixtures("no_threads")
def test_a_run_that_is_not_there_and_a_bug_cost_their_own_reads_alone(
    recorder: ReadRecorder, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    for run in ("run:r-1", "run:r-2", "run:r-3"):
        recorder.note(run, [read(1)])
    writer.errors = [RunNotFoundError("r-1"), ZeroDivisionError("a bug")]
    recorder.flush()
    assert (writer.batches, recorder.unrecorded) == ([("run:r-3", [1])], 2)
    assert caplog.messages == [
        "reads of run 'r-1' are not recorded: skill run not found: 'r-1'",
        "reads of run 'r-2' are not recorded: ZeroDivisionError('a bug')",
    ]


@pytest.mark.usefixtures("no_threads")
def test_a_lost_read_is_recorded_when_it_is_read_again(recorder: ReadRecorder, writer: Writer) -> None:
    writer.errors = [RunNotFoundError("r-1")]
    recorder.note("run:r-1", [read(1)])
    recorder.flush()
    recorder.note("run:r-1", [read(1)])
    recorder.flush()
    assert writer.batches == [("run:r-1", [1])]


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("error", [StorageUnavailableError("gone"), LedgerBusyError("busy")])
def test_a_flush_ends_with_the_first_failure_and_the_next_begins_with_the_other_runs(
    recorder: ReadRecorder, writer: Writer, error: Exception
) -> None:
    for number in range(1, 5):
        recorder.note(f"run:r-{number}", [read(number)])
    writer.errors = [error, None, error]
    recorder.flush()
    assert (len(writer.errors), writer.batches) == (2, [])
    recorder.flush()
    assert (len(writer.errors), writer.batches) == (0, [("run:r-2", [2])])
    recorder.flush()
    assert writer.batches == [("run:r-2", [2]), ("run:r-4", [4]), ("run:r-1", [1]), ("run:r-3", [3])]


@pytest.mark.usefixtures("no_threads")
def test_a_flush_of_one_run_leaves_the_others_alone(recorder: ReadRecorder, writer: Writer) -> None:
    for number in range(3):
        recorder.note(f"run:r-{number}", [read(number)])
    recorder.flush("run:r-1")
    recorder.flush("run:r-9")
    assert writer.batches == [("run:r-1", [1])]
    recorder.flush()
    assert writer.batches == [("run:r-1", [1]), ("run:r-0", [0]), ("run:r-2", [2])]


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize(
    ("asks", "flushed"), [("finish", ["r-1"]), ("reads", ["r-1"]), ("readers", ["r-0", "r-1", "r-2"])]
)
def test_who_asks_about_one_run_waits_for_no_other(
    monkeypatch: pytest.MonkeyPatch, asks: str, flushed: list[str]
) -> None:
    recorded: list[str] = []
    execute = RunWriter.execute

    def told(self: RunWriter, stream: str, action: RunAction, **how: Any) -> Any:
        if isinstance(action, RecordReads):
            recorded.append(stream.removeprefix("run:"))
        return execute(self, stream, action, **how)

    monkeypatch.setattr(RunWriter, "execute", told)
    with keyledger.open("memory://") as ledger:
        for number in range(3):
            ledger.runs.start(keyledger.RunInfo(f"r-{number}", "weather"))
            ledger.partition("p", run_id=f"r-{number}", record_reads=True).get("k")
        match asks:
            case "finish":
                ledger.runs.finish("r-1", keyledger.RunStats("ok"))
            case "reads":
                assert [each.key for each in ledger.runs.reads("r-1")] == ["k"]
            case _:
                assert [each.run_id for each in ledger.partition("p").readers("k", 0)] == ["r-0", "r-1", "r-2"]
        assert recorded == flushed


# ------------------------------------------------------------------------------------------------ pauses


def test_after_an_outage_reads_are_recorded_though_nobody_reads_on(
    recorder: ReadRecorder, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAUSES", (0.0,) * 4)
    writer.errors = [StorageUnavailableError("gone") for _ in range(4)]
    recorder.note("run:r-1", [read(1)])
    assert writer.recorded.wait(10)
    assert (writer.batches, recorder.unrecorded) == ([("run:r-1", [1])], 0)


@pytest.mark.usefixtures("no_threads")
def test_the_pauses_grow_and_end_when_nothing_is_left(recorder: ReadRecorder, writer: Writer) -> None:
    gone = StorageUnavailableError("gone")
    writer.errors = [gone] * 5
    recorder.note("run:r-1", [read(1)])
    assert [recorder.flush() for _ in range(6)] == [0.5, 2.0, 8.0, 30.0, None, None]
    writer.errors = [gone, gone]
    for run in ("run:r-1", "run:r-2"):
        recorder.note(run, [read(2)])
    assert [recorder.flush() for _ in range(3)] == [0.5, 0.5, None]


@pytest.mark.usefixtures("no_threads")
def test_who_is_given_up_ends_the_flush_and_leaves_the_others_a_pause(
    recorder: ReadRecorder, writer: Writer
) -> None:
    writer.errors = [StorageUnavailableError("gone") for _ in range(5)]
    recorder.note("run:r-1", [read(1)])
    for _ in range(4):
        recorder.flush()
    recorder.note("run:r-2", [read(2)])
    assert recorder.flush() == 0.5
    assert (recorder.unrecorded, writer.batches) == (1, [])


def test_what_is_read_in_a_pause_does_not_end_it(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _thread: None)
    recorder: Any = ReadRecorder(writer)  # type: ignore[arg-type]
    writer.errors = [StorageUnavailableError("gone")]
    recorder.note("run:r-1", [read(1)])
    assert recorder._bell.qsize() == 1
    assert recorder.answer() == 0.5
    recorder.note("run:r-1", [read(2)])
    assert recorder._bell.qsize() == 1
    assert recorder.answer() is None
    recorder.note("run:r-1", [read(3)])
    assert recorder._bell.qsize() == 2


def test_closing_does_not_wait_for_the_end_of_a_pause(
    recorder: ReadRecorder, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAUSES", (3_600.0,) * 4)
    before = workers()
    writer.errors = [StorageUnavailableError("gone")]
    hold(recorder, writer)
    (thread,) = workers() - before
    writer.go_on.set()
    recorder.close()
    assert not thread.is_alive()


# --------------------------------------------------------------------------------------- begin and end


def test_without_reads_there_is_no_thread_and_with_them_one(writer: Writer) -> None:
    before = workers()
    recorder = ReadRecorder(writer)  # type: ignore[arg-type]
    recorder.flush()
    assert workers() == before
    for number in range(10):
        recorder.note("run:r-1", [read(number)])
    (thread,) = workers() - before
    assert thread.daemon
    recorder.close()
    assert not thread.is_alive()


def test_closing_records_what_waits_and_may_be_repeated(recorder: ReadRecorder, writer: Writer) -> None:
    hold(recorder, writer)
    recorder.note("run:r-1", [read(1)])
    writer.go_on.set()
    recorder.close()
    recorder.close()
    assert writer.batches == [("run:r-0", [0]), ("run:r-1", [1])]


def test_closing_counts_what_it_could_not_record(
    recorder: ReadRecorder, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    hold(recorder, writer)
    recorder.note("run:r-1", [read(1)])
    writer.errors = [StorageUnavailableError("gone") for _ in range(9)]
    writer.go_on.set()
    recorder.close()
    assert (writer.batches, recorder.unrecorded, len(caplog.messages)) == ([], 2, 2)


def test_the_thread_of_a_recorder_that_nobody_holds_ends(writer: Writer) -> None:
    before = workers()
    recorder: Any = ReadRecorder(writer)  # type: ignore[arg-type]
    hold(recorder, writer)
    (thread,) = workers() - before
    writer.go_on.set()
    recorder.flush()
    del recorder
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_after_closing_no_thread_begins(recorder: ReadRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", begun.append)
    recorder.close()
    recorder.note("run:r-1", [read(1)])
    assert begun == []


def test_readers_that_come_first_together_begin_one_thread(
    recorder: ReadRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[threading.Thread] = []
    really_start = threading.Thread.start
    others = [threading.Thread(target=recorder.note, args=("run:r-1", [read(number)])) for number in range(5)]

    def start(thread: threading.Thread) -> None:
        begun.append(thread)
        if len(begun) == 1:
            for other in others:
                really_start(other)
        really_start(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    recorder.note("run:r-1", [read(9)])
    for other in others:
        other.join(10)
    assert len(begun) == 1


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started_a_flush_records(recorder: ReadRecorder, writer: Writer) -> None:
    for number in (1, 2):
        recorder.note("run:r-1", [read(number)])
    assert writer.batches == []
    recorder.flush()
    assert writer.batches == [("run:r-1", [1, 2])]


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started_closing_records(recorder: ReadRecorder, writer: Writer) -> None:
    recorder.note("run:r-1", [read(1)])
    recorder.close()
    assert writer.batches == [("run:r-1", [1])]


@pytest.mark.usefixtures("no_threads")
def test_a_forked_child_leaves_to_its_parent_what_was_noted_before(recorder: ReadRecorder, writer: Writer) -> None:
    recorder.note("run:r-1", [read(1)])
    recorder.reset()
    recorder.note("run:r-1", [read(2)])
    recorder.flush()
    assert writer.batches == [("run:r-1", [2])]
