"""keyledger: an event-sourced key-value store for AI agents and other audit-heavy software.

Open a ledger, take a partition, and work with its keys; every change is an event, and the current value,
the history, the usage and the audit all come from those events.
"""

from __future__ import annotations

import importlib
import typing

from keyledger.domain.audit.recorded_run import RecordedRun
from keyledger.domain.audit.recording import RunRecorder, sink_on
from keyledger.domain.audit.records import Run, RunFilter, RunInfo, RunLog, RunPurge, RunRead, RunStats, RunWrite
from keyledger.domain.audit.runs import Runs
from keyledger.domain.audit.sink import NullSink, Recorder, Sink
from keyledger.domain.batch import PendingBatch
from keyledger.domain.errors import (
    DuplicateRunError,
    DuplicateSequenceError,
    FlagRequiredError,
    ForkIncompleteError,
    GlobalQuotaExceededError,
    IntegerOverflowError,
    InvalidArgumentError,
    InvalidValueTypeError,
    InvokeDepthExceededError,
    KeyCountExceededError,
    KeyledgerError,
    KeyNotFoundError,
    LedgerBusyError,
    LedgerClosedError,
    NamespaceQuotaExceededError,
    NewerLedgerError,
    NotConfiguredError,
    OutcomeUnknownError,
    PartitionExistsError,
    PredicateError,
    QuotaExceededError,
    ReadOnlyViewError,
    RefusedError,
    RequestIdReusedError,
    RevisionConflictError,
    RevisionNotFoundError,
    RunNotFoundError,
    ScopeAccessError,
    StorageError,
    StorageUnavailableError,
    TimeReversalError,
    UnreadableError,
    ValueSerializationError,
    ValueTooLargeError,
)
from keyledger.domain.invocation import Invocation
from keyledger.domain.kv import Partition
from keyledger.domain.ledger import Ledger
from keyledger.domain.past.replay_report import ReplayDifference, ReplayReport, Sandbox
from keyledger.domain.past.view import View
from keyledger.domain.past.watch import Watch
from keyledger.domain.policy import Permission
from keyledger.domain.records import (
    Entry,
    ImportReport,
    KeyChange,
    Page,
    PartitionInfo,
    RebuildReport,
    SweepReport,
    Usage,
    Version,
)
from keyledger.domain.toolset import Toolset
from keyledger.opening import open  # noqa: A004 - keyledger.open, as in gzip.open
from keyledger.opening_async import open_async

if typing.TYPE_CHECKING:
    from keyledger.adapters.aio.batch import AsyncPendingBatch
    from keyledger.adapters.aio.ledger import AsyncLedger
    from keyledger.adapters.aio.partition import AsyncPartition
    from keyledger.adapters.aio.recording import AsyncRecordedRun, AsyncRunRecorder, AsyncSink
    from keyledger.adapters.aio.runs import AsyncRuns
    from keyledger.adapters.aio.tools import AsyncToolset
    from keyledger.adapters.aio.view import AsyncView
    from keyledger.adapters.aio.watch import AsyncWatch

_WITH_ASYNCIO = {
    "AsyncLedger": "ledger",
    "AsyncPartition": "partition",
    "AsyncPendingBatch": "batch",
    "AsyncRecordedRun": "recording",
    "AsyncRunRecorder": "recording",
    "AsyncRuns": "runs",
    "AsyncSink": "recording",
    "AsyncToolset": "tools",
    "AsyncView": "view",
    "AsyncWatch": "watch",
}


def __getattr__(name: str) -> object:
    """The classes for asyncio, imported when somebody asks for them: asyncio takes 20 ms."""
    if name not in _WITH_ASYNCIO:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"keyledger.adapters.aio.{_WITH_ASYNCIO[name]}")
    return globals().setdefault(name, getattr(module, name))


__all__ = [
    "AsyncLedger",
    "AsyncPartition",
    "AsyncPendingBatch",
    "AsyncRecordedRun",
    "AsyncRunRecorder",
    "AsyncRuns",
    "AsyncSink",
    "AsyncToolset",
    "AsyncView",
    "AsyncWatch",
    "DuplicateRunError",
    "DuplicateSequenceError",
    "Entry",
    "FlagRequiredError",
    "ForkIncompleteError",
    "GlobalQuotaExceededError",
    "ImportReport",
    "IntegerOverflowError",
    "InvalidArgumentError",
    "InvalidValueTypeError",
    "Invocation",
    "InvokeDepthExceededError",
    "KeyChange",
    "KeyCountExceededError",
    "KeyNotFoundError",
    "KeyledgerError",
    "Ledger",
    "LedgerBusyError",
    "LedgerClosedError",
    "NamespaceQuotaExceededError",
    "NewerLedgerError",
    "NotConfiguredError",
    "NullSink",
    "OutcomeUnknownError",
    "Page",
    "Partition",
    "PartitionExistsError",
    "PartitionInfo",
    "PendingBatch",
    "Permission",
    "PredicateError",
    "QuotaExceededError",
    "ReadOnlyViewError",
    "RebuildReport",
    "RecordedRun",
    "Recorder",
    "RefusedError",
    "ReplayDifference",
    "ReplayReport",
    "RequestIdReusedError",
    "RevisionConflictError",
    "RevisionNotFoundError",
    "Run",
    "RunFilter",
    "RunInfo",
    "RunLog",
    "RunNotFoundError",
    "RunPurge",
    "RunRead",
    "RunRecorder",
    "RunStats",
    "RunWrite",
    "Runs",
    "Sandbox",
    "ScopeAccessError",
    "Sink",
    "StorageError",
    "StorageUnavailableError",
    "SweepReport",
    "TimeReversalError",
    "Toolset",
    "UnreadableError",
    "Usage",
    "ValueSerializationError",
    "ValueTooLargeError",
    "Version",
    "View",
    "Watch",
    "open",
    "open_async",
    "sink_on",
]
