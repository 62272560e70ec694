"""A run that begins and ends with a block of code."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from keyledger.domain.audit.failures import described
from keyledger.domain.audit.recording import Audit, RunRecorder
from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.audit.telemetry import error_type
from keyledger.domain.errors import InvalidArgumentError
from keyledger.domain.kv import Partition
from keyledger.domain.run import TERMINAL
from keyledger.domain.writes import Caller


class RecordedRun(RunRecorder):
    """A run that begins and ends with a ``with`` block; see ``Runs.record``.

    It ends ``ok``, or by the exception that leaves the block, which goes on: ``timeout`` by a TimeoutError,
    ``error`` by any other Exception, ``preempted`` by what is none, as KeyboardInterrupt and a task's
    cancellation. Set ``status`` to have it end otherwise.
    """

    def __init__(self, audit: Audit, open_partition: Callable[..., Partition], info: RunInfo) -> None:
        super().__init__(audit, info)
        self._open_partition = open_partition
        self.output = ""
        """What the run came to."""
        self._status = ""
        self._leave: Callable[[], None]

    @property
    def status(self) -> str:
        """How the run is to end; empty where the end of the block decides."""
        return self._status

    @status.setter
    def status(self, status: str) -> None:
        if status not in TERMINAL:
            raise InvalidArgumentError("status", status, ", ".join(TERMINAL))
        self._status = status

    @property
    def root_run_id(self) -> str:
        """The run that the dispatch tree began with."""
        return (
            self._run.root_run_id if self._run else self._info.root_run_id or self._info.parent_run_id or self.id
        )

    def partition(self, partition_id: str, *, tool: str | None = None, record_reads: bool = False) -> Partition:
        """A handle on a partition, as ``Ledger.partition``: through it this run acts, for its caller."""
        caller = Caller(self._info.caller_id or None, self.id, self.root_run_id, tool)
        return self._open_partition(partition_id, caller, record_reads=record_reads)

    def end(self, error: BaseException | None = None) -> None:
        """Finish the run, as the end of the block does, by ``error`` if there was one."""
        if error is None:
            status, text, kind = ("error" if self._error else "ok"), self._error, None
        else:
            status, text, kind = _status_by(error), described(error), error_type(error)
        self._close(RunStats(self._status or status, self.output, text), kind)

    def __enter__(self) -> Self:
        self.begin()
        self._leave = self._audit.tracing.enter_run(self.id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        self.end(error)


def _status_by(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    return "error" if isinstance(error, Exception) else "preempted"
