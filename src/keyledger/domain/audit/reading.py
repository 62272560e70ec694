"""What runs read: noted by the reader in passing, recorded by a thread of its own.

The reader only puts what it saw into a queue. What has gathered there while the thread recorded the last batch is
the next one, so batches form by themselves, the larger the more is read, and nothing waits for a timer.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias
from weakref import finalize, ref

from keyledger.domain.audit.ports import ReadRow
from keyledger.domain.audit.records import RunRead
from keyledger.domain.audit.writer import RunWriter
from keyledger.domain.errors import KeyledgerError, LedgerBusyError, OutcomeUnknownError, StorageUnavailableError
from keyledger.domain.run import RecordReads, run_of
from keyledger.domain.scope import partition_of

Read: TypeAlias = tuple[str, str, str, int]
"""(stream, scope, key, revision); revision 0 where there was nothing."""

MAX_QUEUED_READS = 100_000
"""How many reads may wait to be recorded; what comes beyond them is not."""

MAX_KNOWN_READS = 100_000
"""How many recorded reads a process remembers, so as not to record them again."""

READS_PER_EVENT = 500
"""The most reads that one event holds."""

_PAUSES = (0.5, 2.0, 8.0, 30.0)
"""Seconds to wait after each failure of a run's batch; after one more its reads are given up."""

_MOST_REPORTED = 1_024
_AGAIN = (StorageUnavailableError, LedgerBusyError, OutcomeUnknownError)
"""What may pass. A batch that was recorded after all and is recorded again changes no row."""
_OVERFLOW = ""
_RING, _END = True, False
_log = logging.getLogger("keyledger")


@dataclass(slots=True)
class _Pending:
    """What one run read and nobody has recorded yet, without repetitions, in order."""

    reads: dict[Read, None] = field(default_factory=dict)
    failures: int = 0


class ReadRecorder:
    """Records what runs read. No reader ever waits for it, or hears of its failures."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self.reset()

    def reset(self) -> None:
        """Start anew, as in a forked child: what was noted before, the parent records."""
        self.unrecorded = 0
        """How many reads were lost, in all."""
        self._queue: deque[tuple[str, Read]] = deque()
        self._known: OrderedDict[tuple[str, Read], None] = OrderedDict()
        self._pending: dict[str, _Pending] = {}
        self._kept = 0
        self._reported: OrderedDict[str, None] = OrderedDict()
        self._overflowed = self._rung = self._closed = False
        self._recording, self._mutex = Lock(), Lock()
        self._thread: Thread | None = None
        self._bell: SimpleQueue[bool] = SimpleQueue()
        finalize(self, self._bell.put, _END)  # ends the thread of a ledger that nobody closed

    # ---------------------------------------------------------------------------------- the reader

    def note(self, run: str, reads: Sequence[Read]) -> None:
        """Have ``reads`` recorded soon, in the run of this stream, those not yet recorded."""
        known = self._known
        fresh = [noted for read in reads if (noted := (run, read)) not in known]
        if not fresh:
            return
        if len(self._queue) + self._kept + len(fresh) > MAX_QUEUED_READS:
            self._overflowed = True
            self._count(len(fresh))
            return
        self._queue.extend(fresh)
        if not self._rung:
            self._ring()

    def _ring(self) -> None:
        if self._thread is None and not self._start():
            return
        self._rung = True
        self._bell.put(_RING)

    def _start(self) -> bool:
        """Whether there is a thread; where none can be started, what is noted waits for a flush."""
        with self._mutex:
            if self._thread is None and not self._closed:
                thread = Thread(target=_work, args=(ref(self), self._bell), name="keyledger-reads", daemon=True)
                with suppress(RuntimeError):
                    thread.start()
                    self._thread = thread
            return self._thread is not None

    def _count(self, lost: int) -> None:
        with self._mutex:
            self.unrecorded += lost

    # -------------------------------------------------------------------------------- the recorder

    def answer(self) -> float | None:
        """Record what was noted until the bell rang: what comes from now on rings it again.

        Not where some of it is to be tried again after a pause: this is what it says then, else None.
        """
        self._rung = False
        pause = self.flush()
        if pause is not None:
            self._rung = True
        return pause

    def flush(self, run: str | None = None) -> float | None:
        """Record what was noted before the call, by every run or one, until the storage does not let it.

        What is left should be tried again after as many seconds as it says; None if there is nothing.
        """
        with self._recording:
            self._take()
            wanted = list(self._pending) if run is None else [run]
            for each in wanted:
                if each in self._pending and not self._record(each):
                    break
            if self._overflowed:
                self._report(_OVERFLOW, f"reads are not recorded while {MAX_QUEUED_READS} others wait for it")
            return self._pause()

    def _pause(self) -> float | None:
        """By the run that failed last: it stands behind the others."""
        last = next(reversed(self._pending.values()), None)
        return None if last is None else _PAUSES[max(0, last.failures - 1)]

    def close(self) -> None:
        """Record everything that was noted, and end the thread. What cannot be recorded is lost."""
        self.flush()
        with self._mutex:
            self._closed = True
        self._bell.put(_END)
        if self._thread is not None:
            self._thread.join()
        with self._recording:
            for run in list(self._pending):
                self._lose(run, "the ledger was closed")

    def _take(self) -> None:
        """Move what is in the queue to the runs that it belongs to."""
        for _ in range(len(self._queue)):
            noted = self._queue.popleft()
            run, read = noted
            if noted not in self._known:
                reads = self._pending.setdefault(run, _Pending()).reads
                self._kept += read not in reads
                reads[read] = None

    def _record(self, run: str) -> bool:
        """Whether the storage let it; if not, the other runs are tried first the next time."""
        pending = self._pending[run]
        while batch := tuple(islice(pending.reads, READS_PER_EVENT)):
            try:
                self._writer.execute(run, RecordReads(batch))
            except _AGAIN as error:
                self._fail(run, error)
                return False
            except Exception as error:  # noqa: BLE001 - of an audit's failures no reader is to hear
                self._lose(run, error if isinstance(error, KeyledgerError) else repr(error))
                return True
            pending.failures = 0
            self._remember(run, batch)
        del self._pending[run]
        return True

    def _fail(self, run: str, error: KeyledgerError) -> None:
        self._pending[run] = pending = self._pending.pop(run)
        pending.failures += 1
        if pending.failures > len(_PAUSES):
            self._lose(run, error)

    def _remember(self, run: str, batch: Sequence[Read]) -> None:
        reads = self._pending[run].reads
        for read in batch:
            del reads[read]
            self._known[run, read] = None
        self._kept -= len(batch)
        for _ in range(len(self._known) - MAX_KNOWN_READS):
            self._known.popitem(last=False)

    def _lose(self, run: str, why: object) -> None:
        lost = len(self._pending.pop(run).reads)
        self._kept -= lost
        self._count(lost)
        self._report(run, f"reads of run {run_of(run)!r} are not recorded: {why}")

    def _report(self, run: str, message: str) -> None:
        """Tell the log, once for each run."""
        if run not in self._reported:
            self._reported[run] = None
            _log.warning("%s", message)
            if len(self._reported) > _MOST_REPORTED:
                self._reported.popitem(last=False)


def _work(recorder: ref[ReadRecorder], bell: SimpleQueue[bool]) -> None:
    """Answer the bell for as long as there is a recorder, which this keeps alive only meanwhile.

    It also rings by itself when what could not be recorded is to be tried again.
    """
    pause: float | None = None
    while _rings(bell, pause):
        alive = recorder()
        if alive is None:
            return
        pause = alive.answer()
        del alive


def _rings(bell: SimpleQueue[bool], pause: float | None) -> bool:
    """Whether the bell has not rung the end."""
    try:
        return bell.get(timeout=pause)
    except Empty:
        return _RING


def read_of(row: ReadRow) -> RunRead:
    """A read as users see it."""
    return RunRead(
        run_of(row.run_stream), partition_of(row.stream), row.scope, row.key, row.revision, row.recorded_at
    )
