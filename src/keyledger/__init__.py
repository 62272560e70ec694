"""keyledger: an event-sourced key-value store for AI agents and other audit-heavy software.

Open a ledger, take a partition, and work with its keys; every change is an event, and the current value,
the history, the usage and the audit all come from those events.
"""

from __future__ import annotations

import importlib
import typing

from keyledger.adapters.registry import available_kv_store_adapters, register_kv_store_adapter
from keyledger.configured import Config, Setting, load_config
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
    SkillNotFoundError,
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
from keyledger.domain.skills.definition import InputParameter, OutputTarget, Skill
from keyledger.domain.skills.options import ValidateOptions
from keyledger.domain.skills.records import SkillDiff, SkillRecord, SkillVersion
from keyledger.domain.skills.skills import Skills
from keyledger.domain.toolset import Toolset
from keyledger.opening import open  # noqa: A004 - keyledger.open, as in gzip.open
from keyledger.opening_async import open_async

if typing.TYPE_CHECKING:
    from keyledger.adapters.aio.batch import AsyncPendingBatch
    from keyledger.adapters.aio.ledger import AsyncLedger
    from keyledger.adapters.aio.partition import AsyncPartition
    from keyledger.adapters.aio.recording import AsyncRecordedRun, AsyncRunRecorder, AsyncSink
    from keyledger.adapters.aio.runs import AsyncRuns
    from keyledger.adapters.aio.skills import AsyncSkills
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
    "AsyncSkills": "skills",
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
    "AsyncSkills",
    "AsyncToolset",
    "AsyncView",
    "AsyncWatch",
    "Config",
    "DuplicateRunError",
    "DuplicateSequenceError",
    "Entry",
    "FlagRequiredError",
    "ForkIncompleteError",
    "GlobalQuotaExceededError",
    "ImportReport",
    "InputParameter",
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
    "OutputTarget",
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
    "Setting",
    "Sink",
    "Skill",
    "SkillDiff",
    "SkillNotFoundError",
    "SkillRecord",
    "SkillVersion",
    "Skills",
    "StorageError",
    "StorageUnavailableError",
    "SweepReport",
    "TimeReversalError",
    "Toolset",
    "UnreadableError",
    "Usage",
    "ValidateOptions",
    "ValueSerializationError",
    "ValueTooLargeError",
    "Version",
    "View",
    "Watch",
    "available_kv_store_adapters",
    "load_config",
    "open",
    "open_async",
    "register_kv_store_adapter",
    "sink_on",
]
