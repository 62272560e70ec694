"""The RunStorage port for SQL engines: reads, and what a commit writes; an engine says how a statement runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby, starmap
from operator import itemgetter
from typing import Any, Protocol

from keyledger.adapters.run_models import RunModels
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.sql.run_statements import RunStatements, conditions
from keyledger.adapters.sql.statements import narrowed
from keyledger.domain.audit.ports import (
    Closed,
    Forgotten,
    Noted,
    Opened,
    ReadRow,
    RebuiltRuns,
    RunChange,
    RunProjector,
    RunRow,
    RunStatus,
)
from keyledger.domain.audit.records import RunFilter
from keyledger.domain.errors import UnreadableError
from keyledger.domain.ports import StoredVersion
from keyledger.domain.run import PURGES_STREAM, TERMINAL, RunLogged, RunsPurged, RunState


class Runner(Protocol):
    """A transaction's way to run statements."""

    def all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of a statement."""
        ...

    def stream(self, statement: str, parameters: dict[str, Any]) -> Iterator[Any]:
        """The rows of a statement as they come, so that many never stand in memory."""
        ...

    def run(self, statement: str, parameters: dict[str, Any]) -> int:
        """How many rows a statement changed."""
        ...


class RunChanges:
    """What a commit or a rebuild writes beside head and event, in a transaction."""

    def __init__(self, sql: RunStatements, rows: RunRows, runner: Runner) -> None:
        self._sql, self._rows, self._runner = sql, rows, runner

    def apply(self, changes: Sequence[RunChange]) -> None:
        """Make ``changes``, in order."""
        for change in changes:
            match change:
                case Opened(row):
                    self._runner.run(self._sql.insert_run, self._rows.run_parameters(row))
                case Closed():
                    self._runner.run(self._sql.close_run, self._rows.closing_parameters(change))
                case Noted(rows):
                    for read in rows:
                        self._runner.run(self._sql.insert_run_read, self._rows.read_parameters(read))
                case Forgotten(stream):
                    self._runner.run(self._sql.remove_run, {"stream": stream})
                    self._runner.run(self._sql.remove_run_reads, {"stream": stream})

    def replace(self, stream: str, rebuilt: RunModels) -> None:
        """Let one run's rows be those that were rebuilt."""
        for remove in (self._sql.remove_run, self._sql.remove_run_reads, self._sql.remove_run_head):
            self._runner.run(remove, {"stream": stream})
        if stream in rebuilt.heads:
            self._runner.run(self._sql.put_run_head, self._rows.head_parameters(rebuilt.heads[stream]))
        if stream in rebuilt.runs:
            self._runner.run(self._sql.insert_run, self._rows.run_parameters(rebuilt.runs[stream]))
        self.apply([Noted(tuple(rebuilt.reads.get(stream, {}).values()))])


class RunSessionReads:
    """What a session on one run reads; ``_all`` says where its statements run."""

    def __init__(self, sql: RunStatements, rows: RunRows, read_events: str) -> None:
        self._sql, self._rows, self._read_events = sql, rows, read_events

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of a statement."""
        raise NotImplementedError

    def load(self, stream: str) -> RunState:
        found = self._all(self._sql.load_run, {"stream": stream})
        return self._rows.head((stream, *found[0])) if found else RunState(stream)

    def events(self, stream: str, after: int, limit: int) -> list[Any]:
        found = self._all(self._read_events, {"stream": stream, "after": after, "limit": limit})
        return [self._rows.mapper.to_event(stream, *row) for row in found]


class SQLRuns(RunSessionReads):
    """Everything of the port that all engines do alike."""

    def __init__(self, sql: RunStatements, rows: RunRows, key_rows: Rows, read_events: str) -> None:
        super().__init__(sql, rows, read_events)
        self._key_rows = key_rows

    def _array(self, items: Sequence[Any]) -> Any:
        """A sequence as the engine takes it for a parameter."""
        raise NotImplementedError

    def _rebuilding(self, streams: Sequence[str]) -> AbstractContextManager[Runner]:
        """A transaction in which nobody else writes ``streams``."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------- reading

    def read_run(self, stream: str) -> RunRow | None:
        found = self._runs(self._sql.read_run, {"stream": stream})
        return found[0] if found else None

    def logs(self, stream: str) -> list[RunLogged]:
        found = self._all(self._sql.read_run_logs, {"stream": stream})
        lines = [self._rows.mapper.to_event(stream, *row) for row in found]
        return sorted(lines, key=lambda line: int(line.sequence))

    def list_runs(self, wanted: RunFilter, offset: int, limit: int) -> list[RunRow]:
        given = self._filter(wanted)
        statement = narrowed(self._sql.list_runs, conditions(given.keys()))
        return self._runs(statement, given | {"offset": offset, "limit": limit})

    def count_runs(self, wanted: RunFilter) -> int:
        given = self._filter(wanted)
        ((count,),) = self._all(narrowed(self._sql.count_runs, conditions(given.keys())), given)
        return int(count)

    def _filter(self, wanted: RunFilter) -> dict[str, Any]:
        """The conditions that a filter sets, with their values."""
        every = {
            "status": wanted.status or None,
            "skill_id": wanted.skill_id or None,
            "caller_id": wanted.caller_id or None,
            "channel_id": wanted.channel_id or None,
            "top_level": wanted.top_level_only or None,
            "no_dry_run": not (wanted.status or wanted.include_dry_run) or None,
            "since": self._rows.to_column(wanted.since),
            "until": self._rows.to_column(wanted.until),
        }
        return {name: value for name, value in every.items() if value is not None}

    def children(self, parent_run_id: str) -> list[RunRow]:
        return self._runs(self._sql.list_child_runs, {"parent": parent_run_id})

    def tree(self, stream: str) -> list[RunRow]:
        return self._runs(self._sql.list_tree_runs, {"stream": stream})

    def last_started(self, skill_ids: Sequence[str], statuses: Sequence[str]) -> dict[str, datetime]:
        parameters = {"skill_ids": self._array(skill_ids), "statuses": self._array(statuses)}
        found = self._all(self._sql.list_last_starts, parameters)
        return {skill: self._rows.to_time(at) for skill, at in found if at is not None}

    def finished_before(self, cutoff: datetime, limit: int) -> list[RunRow]:
        return self._runs(self._sql.list_finished_runs, {"cutoff": self._rows.to_column(cutoff), "limit": limit})

    def started_before(self, cutoff: datetime, limit: int) -> list[str]:
        parameters = {"cutoff": self._rows.to_column(cutoff), "limit": limit}
        return [stream for (stream,) in self._all(self._sql.list_old_runs, parameters)]

    def ended_before(self, started: datetime, finished: datetime, limit: int) -> list[str]:
        parameters = {
            "statuses": self._array(TERMINAL),
            "started": self._rows.to_column(started),
            "finished": self._rows.to_column(finished),
            "limit": limit,
        }
        return [stream for (stream,) in self._all(self._sql.list_ended_runs, parameters)]

    def purges(self, before: int, limit: int) -> list[RunsPurged]:
        parameters = {"stream": PURGES_STREAM, "before": before, "limit": limit}
        found = self._all(self._sql.list_purges, parameters)
        return [self._rows.mapper.to_event(PURGES_STREAM, *row) for row in found]

    def _runs(self, statement: str, parameters: dict[str, Any]) -> list[RunRow]:
        return list(map(self._rows.run, self._all(statement, parameters)))

    # ------------------------------------------------------------------------------------- lineage

    def written(
        self, run_id: str, after: tuple[str, int, str, str], limit: int
    ) -> list[tuple[str, StoredVersion]]:
        names = ("after_stream", "after_revision", "after_scope", "after_key")
        parameters = {"run_id": run_id, "limit": limit, **dict(zip(names, after, strict=True))}
        return [
            (stream, self._key_rows.stored_version(stream, row))
            for stream, *row in self._all(self._sql.list_run_writes, parameters)
        ]

    def count_written(self, run_ids: Sequence[str]) -> dict[str, int]:
        return dict(self._all(self._sql.count_run_writes, {"run_ids": self._array(run_ids)}))

    def reads(self, run_stream: str, after: tuple[str, str, str, int], limit: int) -> list[ReadRow]:
        names = ("after_stream", "after_scope", "after_key", "after_revision")
        parameters = {"stream": run_stream, "limit": limit, **dict(zip(names, after, strict=True))}
        return list(map(self._rows.read, self._all(self._sql.list_run_reads, parameters)))

    def readers(self, stream: str, scope: str, key: str, revision: int, after: str, limit: int) -> list[ReadRow]:
        parameters = {
            "stream": stream,
            "scope": scope,
            "key": key,
            "revision": revision,
            "after": after,
            "limit": limit,
        }
        return list(map(self._rows.read, self._all(self._sql.list_readers, parameters)))

    # -------------------------------------------------------------------------------- housekeeping

    def changed(self, since: datetime, after: str, limit: int) -> list[tuple[str, int, datetime]]:
        parameters = {"since": self._rows.to_column(since), "after": after, "limit": limit}
        found = self._all(self._sql.list_changed_runs, parameters)
        return [(stream, revision, self._rows.to_time(at)) for stream, revision, at in found]

    def run_scopes(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        scope, stream = after
        found = self._all(self._sql.list_run_scopes, {"scope": scope, "stream": stream, "limit": limit})
        return [(scope, stream) for scope, stream in found]

    def statuses(self, streams: Sequence[str]) -> list[RunStatus]:
        found = self._all(self._sql.list_run_statuses, {"streams": self._array(streams)})
        return list(map(self._rows.status, found))

    def unfinished_trees(self, root_run_ids: Sequence[str], cutoff: datetime) -> set[str]:
        parameters = {"root_run_ids": self._array(root_run_ids), "cutoff": self._rows.to_column(cutoff)}
        return {root for (root,) in self._all(self._sql.list_unfinished_trees, parameters)}

    def count_events(self) -> int:
        ((count,),) = self._all(self._sql.count_run_events, {})
        return int(count)

    # ------------------------------------------------------------------------------------- rebuild

    def rebuild(
        self, after: str, limit: int, project: RunProjector, progress: Callable[[int], None]
    ) -> RebuiltRuns | None:
        found = self._all(self._sql.list_run_streams, {"after": after, "limit": limit})
        streams = [stream for (stream,) in found]
        if not streams:
            return None
        lines: list[str] = []
        with self._rebuilding(streams) as runner:
            of_streams = {"streams": self._array(streams)}
            standing = self._standing(runner, of_streams)
            rebuilt = self._rebuilt(runner, of_streams, project, progress)
            changes = RunChanges(self._sql, self._rows, runner)
            for stream in streams:
                if differences := standing.differing(stream, rebuilt):
                    lines += differences
                    changes.replace(stream, rebuilt)
        return RebuiltRuns(streams[-1], len(streams), lines)

    def _standing(self, runner: Runner, of_streams: dict[str, Any]) -> RunModels:
        models = RunModels()
        tables: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
            (self._sql.read_run_heads, "run_head", lambda row: models.put_head(self._rows.head(row))),
            (self._sql.read_runs, "runs", lambda row: models.apply([Opened(self._rows.run(row))])),
            (self._sql.read_reads_of_runs, "run_reads", lambda row: models.put_read(self._rows.read(row))),
        )
        for statement, table, put in tables:
            for row in runner.all(statement, of_streams):
                try:
                    put(row)
                except UnreadableError as error:
                    models.tell(row[0], f"{table}: stood unreadable: {error.reason}")
        return models

    def _rebuilt(
        self, runner: Runner, of_streams: dict[str, Any], project: RunProjector, progress: Callable[[int], None]
    ) -> RunModels:
        models = RunModels()
        rows = runner.stream(self._sql.read_events_of_runs, of_streams)
        for stream, events in groupby(rows, key=itemgetter(0)):
            progress(models.fold(stream, starmap(self._rows.mapper.to_event, events), project))
        return models
