"""The audit of runs as users hold it: what ran, what it said, what it read and wrote, and who called whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from uuid import uuid4
from weakref import WeakValueDictionary

from keyledger.domain import arguments
from keyledger.domain.audit.arguments import (
    check_log,
    check_run_id,
    check_run_info,
    json_object,
    log_action,
    outcome,
)
from keyledger.domain.audit.failures import Failures
from keyledger.domain.audit.ports import RunRow
from keyledger.domain.audit.purging import PURGE_BATCH, Purger
from keyledger.domain.audit.queries import RunQueries
from keyledger.domain.audit.recorded_run import RecordedRun
from keyledger.domain.audit.recording import Audit, RunRecorder, RunSink
from keyledger.domain.audit.records import Run, RunInfo, RunLog, RunStats
from keyledger.domain.audit.sink import Sink
from keyledger.domain.audit.telemetry import EndedRun, TracedRun, Tracing
from keyledger.domain.audit.tool_log import ToolLog
from keyledger.domain.engine import Engine
from keyledger.domain.errors import InvokeDepthExceededError
from keyledger.domain.kv import open_partition
from keyledger.domain.run import (
    MAX_INVOKE_DEPTH,
    Finish,
    RunLogged,
    RunStarted,
    Start,
    run_stream,
)
from keyledger.domain.values import JSONValue

_MOST_ROOTS = 1_024


class Runs(RunQueries):
    """Every run of a ledger. Safe to share between threads.

    Arguments are checked: InvalidArgumentError names the field, what came and what is allowed. Lists of runs take
    a ``limit`` from 1 to 500; any other becomes 50.
    """

    def __init__(self, engine: Engine, ended: Callable[[str], None]) -> None:
        super().__init__(engine)
        self._ended = ended
        self._writer = engine.run_writer
        self._purger = Purger(self._storage, self._writer)
        self.tracing = Tracing(engine.settings.telemetry, self._traceparent)
        """What makes spans of runs and tool calls, for adapters; its shape is no promise."""
        self._failures = Failures()
        self._roots: dict[str, str] = {}
        self._live: WeakValueDictionary[str, RunRecorder] = WeakValueDictionary()
        self.audit = Audit(
            self.start,
            self.get,
            self.append_log,
            self._finish,
            engine.clock,
            self.tracing,
            self._failures,
            self._live,
        )
        """What recorders write with, for adapters; its shape is no promise."""
        self.tool_log = ToolLog(engine.codec, self.exists, self._append_tool_line, self._failures)
        """What logs tool calls, for adapters; its shape is no promise."""

    @property
    def failures(self) -> int:
        """How often this process could not record something of a run, reads aside; the log says what and why."""
        return self._failures.total

    @property
    def unrecorded_reads(self) -> int:
        """How many reads this process could not record: the log says why, once for each run."""
        return self._engine.reads.unrecorded

    def reset_after_fork(self) -> None:
        """In a forked child, let go of what threads of the parent may hold."""
        self._failures.reset()

    # ------------------------------------------------------------------------------------- writing

    def start(self, run: RunInfo) -> Run:
        """Record that a run begins; it is ``running`` until it is finished.

        Raises:
            DuplicateRunError: a run of this id was started before.
            InvokeDepthExceededError: it would be more than 16 calls below its root.
        """
        now = self._engine.clock.now()
        check_run_info(run, now)
        parent = self._storage.read_run(run_stream(run.parent_run_id)) if run.parent_run_id else None
        root, depth = _place(run, parent)
        inputs = json_object(self._engine, "inputs", run.inputs)
        started_at = run.started_at and arguments.moment("started_at", run.started_at)
        traced = TracedRun(
            run.id, run.skill_id, run.channel_id, run.parent_run_id, root, min(started_at or now, now)
        )
        span = self.tracing.begin_run(traced, parent and parent.traceparent)
        action = Start(
            run.skill_id,
            run.caller_id,
            run.channel_id,
            run.parent_run_id,
            root,
            depth,
            started_at,
            span.traceparent,
            inputs,
        )
        (event,) = self._writer.execute(run_stream(run.id), action, changed_by=run.caller_id or None)
        assert isinstance(event, RunStarted)  # noqa: S101 - a start makes just that
        self.tracing.keep(span)
        decoded = self._decoded(inputs)
        return Run(
            run.id,
            run.skill_id,
            run.caller_id,
            run.channel_id,
            decoded,
            event.started_at,
            run.parent_run_id,
            root,
        )

    def finish(self, run_id: str, stats: RunStats) -> None:
        """Record how a run ended. Said again otherwise, the last one holds; said again alike, nothing happens.

        Raises:
            RunNotFoundError: no such run was started, or it was purged.
        """
        self._finish(run_id, stats, None)

    def _finish(self, run_id: str, stats: RunStats, error_type: str | None) -> None:
        check_run_id("run_id", run_id)
        how = outcome(self._engine, stats)
        self._engine.reads.flush(run_stream(run_id))
        end_span = self.tracing.ending(run_id, self._begun_elsewhere)
        for event in self._writer.execute(run_stream(run_id), Finish(how)):
            end_span(EndedRun(how, event.recorded_at, error_type))
        self._ended(run_id)

    def append_log(self, log: RunLog) -> RunLog:
        """Append a line to a run's log, also after its end; the line with its sequence and time.

        Raises:
            RunNotFoundError: no such run was started, or it was purged.
            DuplicateSequenceError: ``sequence`` was given and is taken.
        """
        check_log(log)
        (event,) = self._writer.execute(run_stream(log.run_id), log_action(self._engine, log))
        assert isinstance(event, RunLogged)  # noqa: S101 - a log line makes just that
        return self._log(event)

    def sink(self) -> Sink:
        """What an executor plugs in to have its runs recorded here: see :class:`Recorder`."""
        return RunSink(self.audit)

    def record(
        self,
        skill_id: str,
        *,
        run_id: str | None = None,
        caller_id: str = "",
        channel_id: str = "",
        inputs: Mapping[str, JSONValue] | None = None,
        parent_run_id: str = "",
        root_run_id: str = "",
    ) -> RecordedRun:
        """A run that is the body of ``with ledger.runs.record(…) as run:``; without an id it is given one.

        ``run`` is a recorder of it, with ``id``, ``output``, ``status`` and ``partition`` beside. Where the ledger
        cannot be written, or not with such inputs, the body runs all the same: the log says so, and ``failures``
        counts it.

        Raises:
            InvalidArgumentError, DuplicateRunError, InvokeDepthExceededError: as :meth:`start`, on entering.
        """
        named = uuid4().hex if run_id is None else run_id
        given = {} if inputs is None else inputs
        info = RunInfo(named, skill_id, caller_id, channel_id, given, parent_run_id, root_run_id)
        return RecordedRun(self.audit, partial(open_partition, self._engine), info)

    def purge_older_than(self, cutoff: datetime, *, actor: str | None = None) -> int:
        """Take every run that started strictly before ``cutoff`` out of the ledger, running or not; how many.

        Of each, RunPurged says who did it and when, and Purged stands for what it had said; its id stays used, and
        the keys that it wrote stay written. :meth:`purges` has a total for each batch of 500; one whose process
        was killed is missing there.
        """
        arguments.check_actor(actor)
        before = arguments.moment("cutoff", cutoff)
        total = 0
        while (purged := self.purge_batch(before, PURGE_BATCH, actor)) is not None:
            total += purged
        return total

    def purge_batch(self, before: datetime, limit: int, actor: str | None = None) -> int | None:
        """Purge up to ``limit`` of such runs; how many, or None where there were none to look at."""
        return self._purger.batch(before, limit, actor)

    def exists(self, run_id: str) -> bool:
        """Whether a run was started, and not purged: cheaper than :meth:`get`, for a run under way often free."""
        check_run_id("run_id", run_id)
        stream = run_stream(run_id)
        return self._writer.holds(stream) or any(not run.purged for run in self._storage.statuses((stream,)))

    def root_of(self, run_id: str) -> str | None:
        """The run that a run's dispatch tree began with, itself at the top level; None if it is not known."""
        check_run_id("run_id", run_id)
        root = self._roots.get(run_id)
        if root is None and (row := self._storage.read_run(run_stream(run_id))) is not None:
            root = self._roots[run_id] = row.root_run_id
            if len(self._roots) > _MOST_ROOTS:
                self._roots.clear()
        return root

    # ----------------------------------------------------------------------------------- internals

    def _append_tool_line(self, log: RunLog) -> RunLog:
        """Append a line about a call of a key tool; if a recorder has the run, it counts the call."""
        line = self.append_log(log)
        recorder = self._live.get(log.run_id)
        if recorder is not None and log.event_type == "tool_call":
            recorder.count_call()
        return line

    def _traceparent(self, run_id: str) -> str | None:
        """The trace context of a run's span, if it has one."""
        row = self._storage.read_run(run_stream(run_id))
        return row and row.traceparent

    def _begun_elsewhere(self, run_id: str) -> tuple[TracedRun, str] | None:
        """A run that goes on, and the trace context of its span, if it has one."""
        row = self._storage.read_run(run_stream(run_id))
        if row is None or row.outcome is not None or row.traceparent is None:
            return None
        place = (row.parent_run_id, row.root_run_id)
        return TracedRun(run_id, row.skill_id, row.channel_id, *place, row.started_at), row.traceparent


def _place(run: RunInfo, parent: RunRow | None) -> tuple[str, int]:
    """The root of the tree that a run is in, and how many runs are above it, as far as they are known."""
    if not run.parent_run_id:
        return run.root_run_id or run.id, 0
    depth = 1 if parent is None else parent.depth + 1
    if depth > MAX_INVOKE_DEPTH:
        raise InvokeDepthExceededError(run.parent_run_id, depth, MAX_INVOKE_DEPTH)
    above = run.parent_run_id if parent is None else parent.root_run_id
    return run.root_run_id or above, depth
