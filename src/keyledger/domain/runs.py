"""The audit of runs as users hold it: what ran, what it said, what it read and wrote, and who called whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakValueDictionary

from keyledger.domain import arguments
from keyledger.domain.engine import Engine
from keyledger.domain.errors import (
    InvalidArgumentError,
    InvokeDepthExceededError,
    KeyledgerError,
    RunNotFoundError,
    StorageError,
)
from keyledger.domain.kv import open_partition, version_of
from keyledger.domain.reading import read_of
from keyledger.domain.recorded_run import RecordedRun
from keyledger.domain.recording import Audit, Failures, RunRecorder, RunSink
from keyledger.domain.records import Page
from keyledger.domain.run import (
    MAX_INVOKE_DEPTH,
    MAX_PARENT_CHAIN_DEPTH,
    PURGES_STREAM,
    RUNNING,
    TERMINAL,
    CountPurge,
    Finish,
    Purge,
    RunLogged,
    RunsPurged,
    RunStarted,
    Start,
    run_of,
    run_stream,
)
from keyledger.domain.run_arguments import (
    check_filter,
    check_log,
    check_run_id,
    check_run_info,
    clamped,
    json_object,
    log_action,
    outcome,
)
from keyledger.domain.run_ports import RunRow
from keyledger.domain.run_records import Run, RunFilter, RunInfo, RunLog, RunPurge, RunRead, RunStats, RunWrite
from keyledger.domain.scope import check_id, partition_of
from keyledger.domain.sink import Sink
from keyledger.domain.telemetry import EndedRun, TracedRun, Tracing
from keyledger.domain.tool_log import ToolLog
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, JSONValue

DEFAULT_RUNS = 50
PURGE_BATCH = 500
RETENTION_ACTOR = "system:retention"
_BEYOND = 2**63 - 1
T = TypeVar("T", bound=tuple[str | int, ...])


class Runs:
    """Every run of a ledger. Safe to share between threads.

    Arguments are checked: InvalidArgumentError names the field, what came and what is allowed. Lists of runs take
    a ``limit`` from 1 to 500; any other becomes 50.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._storage, self._writer = engine, engine.storage.runs, engine.run_writer
        self.tracing = Tracing(engine.settings.telemetry, self._traceparent)
        """What makes spans of runs and tool calls, for adapters; its shape is no promise."""
        self._failures = Failures()
        self._live: WeakValueDictionary[str, RunRecorder] = WeakValueDictionary()
        self.audit = Audit(
            self.start, self.append_log, self._finish, engine.clock, self.tracing, self._failures, self._live
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
        self._engine.reads.flush()
        end_span = self.tracing.ending(run_id, self._begun_elsewhere)
        for event in self._writer.execute(run_stream(run_id), Finish(how)):
            end_span(EndedRun(how, event.recorded_at, error_type))

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
        cannot be written, the body runs all the same: the log says so, and ``failures`` counts it.

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
        the keys that it wrote stay written.
        """
        arguments.check_actor(actor)
        before = arguments.moment("cutoff", cutoff)
        total = 0
        while (purged := self.purge_batch(before, PURGE_BATCH, actor)) is not None:
            total += purged
        return total

    def purge_batch(self, before: datetime, limit: int, actor: str | None = None) -> int | None:
        """Purge up to ``limit`` of such runs; how many, or None where there were none to look at."""
        who = actor or RETENTION_ACTOR
        streams = self._storage.started_before(before, limit)
        purged = sum(bool(self._writer.execute(each, Purge(), changed_by=who)) for each in streams)
        if purged:
            self._writer.execute(PURGES_STREAM, CountPurge(purged, before), changed_by=who)
        elif streams and self._storage.started_before(before, 1) == streams[:1]:
            raise StorageError(f"the summary of {streams[0]!r} does not match its events; rebuild the ledger")
        return purged if streams else None

    # ------------------------------------------------------------------------------------- reading

    def get(self, run_id: str) -> Run:
        """A run's summary; RunNotFoundError if it was never started, or was purged."""
        check_run_id("run_id", run_id)
        row = self._storage.read_run(run_stream(run_id))
        if row is None:
            raise self._not_found(run_id)
        return self._run(row)

    def exists(self, run_id: str) -> bool:
        """Whether a run was started, and not purged: cheaper than :meth:`get`, for a run under way often free."""
        check_run_id("run_id", run_id)
        stream = run_stream(run_id)
        return self._writer.holds(stream) or any(not run.purged for run in self._storage.statuses((stream,)))

    def logs(self, run_id: str) -> tuple[RunLog, ...]:
        """A run's log in the order of its sequence numbers; RunNotFoundError as for :meth:`get`."""
        check_run_id("run_id", run_id)
        found = self._storage.logs(run_stream(run_id))
        if not found:
            self.get(run_id)
        return tuple(map(self._log, found))

    def by_skill(
        self, skill_id: str, limit: int = DEFAULT_RUNS, *, offset: int = 0, include_dry_run: bool = False
    ) -> tuple[Run, ...]:
        """A skill's runs, newest first, without dry runs unless asked for."""
        check_id("skill_id", skill_id)
        return self.filtered(RunFilter(skill_id=skill_id, include_dry_run=include_dry_run), offset, limit)

    def count_by_skill(self, skill_id: str, *, include_dry_run: bool = False) -> int:
        """How many runs :meth:`by_skill` has in all."""
        check_id("skill_id", skill_id)
        return self.count_filtered(RunFilter(skill_id=skill_id, include_dry_run=include_dry_run))

    def by_caller(self, caller_id: str, limit: int = DEFAULT_RUNS) -> tuple[Run, ...]:
        """A caller's runs, newest first, dry runs too."""
        check_id("caller_id", caller_id)
        return self.filtered(RunFilter(caller_id=caller_id, include_dry_run=True), 0, limit)

    def filtered(
        self, wanted: RunFilter | None = None, offset: int = 0, limit: int = DEFAULT_RUNS
    ) -> tuple[Run, ...]:
        """The runs that match, newest first; of one time, by id falling. Without a filter, all but dry runs."""
        arguments.check_integer("offset", offset, 0)
        return self._runs(self._storage.list_runs(check_filter(wanted), offset, clamped(limit, DEFAULT_RUNS)))

    def count_filtered(self, wanted: RunFilter | None = None) -> int:
        """How many runs :meth:`filtered` has in all."""
        return self._storage.count_runs(check_filter(wanted))

    def children(self, parent_run_id: str) -> tuple[Run, ...]:
        """The runs that a run called, oldest first; none for an empty id."""
        if parent_run_id == "":
            return ()
        check_run_id("parent_run_id", parent_run_id)
        return self._runs(self._storage.children(parent_run_id))

    def parent_chain(self, run_id: str) -> tuple[Run, ...]:
        """The run and those above it, root first: at most 32, as far as they are known.

        Raises:
            RunNotFoundError: as for :meth:`get`, of the run itself.
        """
        chain = [self.get(run_id)]
        seen = {run_id}
        while (parent := chain[-1].parent_run_id) and parent not in seen and len(chain) < MAX_PARENT_CHAIN_DEPTH:
            row = self._storage.read_run(run_stream(parent))
            if row is None:
                break
            chain.append(self._run(row))
            seen.add(parent)
        return tuple(reversed(chain))

    def tree(self, run_id: str) -> tuple[Run, ...]:
        """Every run of the dispatch tree that a run is in, oldest first; RunNotFoundError as for :meth:`get`."""
        check_run_id("run_id", run_id)
        found = self._storage.tree(run_stream(run_id))
        if not found:
            raise self._not_found(run_id)
        return self._runs(found)

    def last_by_skills(self, skill_ids: Iterable[str], *, include_failed: bool = False) -> dict[str, datetime]:
        """When each skill was last started, by skill; one that never was is left out.

        Only runs that ended ``ok`` count; with ``include_failed`` those that ended otherwise too. Dry runs and
        runs that have not ended never do.
        """
        ids = arguments.ids("skill_ids", skill_ids)
        statuses = tuple(status for status in TERMINAL if status != "dry_run") if include_failed else ("ok",)
        return self._storage.last_started(ids, statuses) if ids else {}

    def finished_before(self, cutoff: datetime, limit: int) -> tuple[Run, ...]:
        """Up to ``limit`` runs that finished strictly before ``cutoff``, oldest end first; none if it is ≤ 0."""
        before = arguments.moment("cutoff", cutoff)
        arguments.check_integer("limit", limit)
        return self._runs(self._storage.finished_before(before, limit)) if limit > 0 else ()

    def purges(self, *, limit: int = arguments.DEFAULT_PAGE, before: int | None = None) -> Page[RunPurge]:
        """What was purged, a total for each batch, newest first; ``next`` is the ``before`` that continues."""
        arguments.check_page(limit)
        arguments.check_revision("before", before)
        found = self._storage.purges(_BEYOND if before is None else before, limit + 1)
        shown = tuple(map(_purge, found[:limit]))
        return Page(shown, found[limit - 1].originator_version if len(found) > limit else None)

    # ------------------------------------------------------------------------------------- lineage

    def writes(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunWrite]:
        """The versions that a run wrote, by partition and revision; of runs that were never started, too."""
        check_run_id("run_id", run_id)
        arguments.check_page(limit)
        found = self._storage.written(run_id, self._cursor(after, ("", 0, "", "")), limit + 1)
        shown = tuple(
            RunWrite(partition_of(stream), version_of(self._engine.codec, version))
            for stream, version in found[:limit]
        )
        if len(found) <= limit:
            return Page(shown)
        stream, (row, _) = found[limit - 1]
        return Page(shown, self._next(stream, row.revision, row.scope, row.key))

    def count_writes(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many versions each run wrote; one that wrote none is left out."""
        ids = arguments.ids("run_ids", run_ids)
        return self._storage.count_written(ids) if ids else {}

    def reads(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunRead]:
        """The versions that a run read, if its invocation records reads, by partition, scope, key and revision."""
        check_run_id("run_id", run_id)
        arguments.check_page(limit)
        self._engine.reads.flush()
        found = self._storage.reads(run_stream(run_id), self._cursor(after, ("", "", "", 0)), limit + 1)
        shown = tuple(map(read_of, found[:limit]))
        return Page(shown, self._next(*found[limit - 1][1:5]) if len(found) > limit else None)

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

    def _cursor(self, after: str, start: T) -> T:
        """What :meth:`_next` was given."""
        if after == "":
            return start
        try:
            found = self._engine.codec.decode(after.encode())
        except (KeyledgerError, AttributeError, UnicodeEncodeError):
            found = None
        kinds = list(map(type, start))
        if not isinstance(found, list) or list(map(type, found)) != kinds or not all(map(_is_storable, found)):
            raise InvalidArgumentError("after", after, "what a page of this run gave as its next")
        return tuple(found)  # type: ignore[return-value]

    def _next(self, *last: str | int) -> str:
        return self._engine.codec.encode(list(last)).decode()

    def _not_found(self, run_id: str) -> RunNotFoundError:
        known = self._storage.statuses((run_stream(run_id),))
        return RunNotFoundError(run_id, purged=any(each.purged for each in known))

    def _runs(self, rows: Iterable[RunRow]) -> tuple[Run, ...]:
        return tuple(map(self._run, rows))

    def _run(self, row: RunRow) -> Run:
        inputs = self._decoded(row.inputs)
        begun = (row.skill_id, row.caller_id, row.channel_id, inputs, row.started_at)
        place = (row.parent_run_id, row.root_run_id)
        ended = (RUNNING, None) if row.outcome is None else (row.outcome.status, row.finished_at, *row.outcome[1:])
        return Run(run_of(row.stream), *begun, *place, *ended)

    def _decoded(self, text: bytes) -> dict[str, Any]:
        decoded: Any = self._engine.codec.decode(text)
        return dict(decoded)

    def _log(self, event: RunLogged) -> RunLog:
        payload = self._decoded(event.payload)
        run_id = run_of(event.originator_id)
        return RunLog(run_id, event.event_type, payload, event.sequence, event.recorded_at.astimezone(UTC))


def _is_storable(part: str | int) -> bool:
    return "\0" not in part if isinstance(part, str) else MIN_INTEGER <= part <= MAX_INTEGER


def _place(run: RunInfo, parent: RunRow | None) -> tuple[str, int]:
    """The root of the tree that a run is in, and how many runs are above it, as far as they are known."""
    if not run.parent_run_id:
        return run.root_run_id or run.id, 0
    depth = 1 if parent is None else parent.depth + 1
    if depth > MAX_INVOKE_DEPTH:
        raise InvokeDepthExceededError(run.parent_run_id, depth, MAX_INVOKE_DEPTH)
    above = run.parent_run_id if parent is None else parent.root_run_id
    return run.root_run_id or above, depth


def _purge(event: RunsPurged) -> RunPurge:
    return RunPurge(event.runs, event.before.astimezone(UTC), event.changed_by, event.recorded_at.astimezone(UTC))
