"""The RunStorage port on dicts, under the lock of the ledger's storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.recorder import Recorder, read_events
from keyledger.adapters.run_models import RunModels
from keyledger.domain.audit.ports import (
    ReadRow,
    RebuiltRuns,
    RunCommit,
    RunProjector,
    RunRow,
    RunStatus,
)
from keyledger.domain.audit.records import RunFilter
from keyledger.domain.ports import HeadMovedError, HistoryRow, StoredVersion
from keyledger.domain.run import (
    PURGES_STREAM,
    STREAM_PREFIX,
    RunEvent,
    RunLogged,
    RunsPurged,
    RunState,
)


class MemoryRuns:
    """Events and read models of runs in this process's memory."""

    def __init__(self, mapper: EventMapper, recorder: Recorder) -> None:
        self._mapper, self._recorder = mapper, recorder
        self._rows = RunModels()

    @contextmanager
    def _locked(self) -> Iterator[RunModels]:
        with self._recorder.locked():
            yield self._rows

    # ------------------------------------------------------------------------------------- session

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[MemoryRuns]:  # noqa: ARG002 - one lock for all streams
        with self._locked():
            yield self

    def load(self, stream: str) -> RunState:
        with self._locked() as rows:
            head, run = rows.heads.get(stream, RunState(stream)), rows.runs.get(stream)
            return head._replace(outcome=run.outcome if run else None)

    def events(self, stream: str, after: int, limit: int) -> list[Any]:
        with self._locked():
            return read_events(self._recorder, self._mapper, stream, after, limit)

    def commit(self, commit: RunCommit) -> None:
        with self._locked() as rows:
            stream, mapper, recorder = commit.state.id, self._mapper, self._recorder
            if rows.heads.get(stream, RunState(stream)).revision != commit.expected:
                raise HeadMovedError
            recorder.insert_events([mapper.to_stored_event(commit.event)])
            if commit.marker is not None:
                recorder.replace_events(stream, commit.expected, mapper.to_stored_event(commit.marker))
            rows.put_head(commit.state)
            rows.apply(commit.changes)

    # ------------------------------------------------------------------------------------- reading

    def read_run(self, stream: str) -> RunRow | None:
        with self._locked() as rows:
            return rows.runs.get(stream)

    def logs(self, stream: str) -> list[RunLogged]:
        found = [event for event in self._all_events(stream) if isinstance(event, RunLogged)]
        return sorted(found, key=lambda event: event.sequence)

    def _all_events(self, stream: str) -> list[RunEvent]:
        return self.events(stream, 0, 2**63 - 1)

    def _select(self, wanted: Callable[[RunRow], bool]) -> list[RunRow]:
        """Rows, oldest first."""
        with self._locked() as rows:
            return sorted(filter(wanted, rows.runs.values()), key=lambda row: (row.started_at, row.stream))

    def list_runs(self, wanted: RunFilter, offset: int, limit: int) -> list[RunRow]:
        found = self._select(lambda row: _matches(row, wanted))
        return found[::-1][offset : offset + limit]

    def count_runs(self, wanted: RunFilter) -> int:
        return len(self._select(lambda row: _matches(row, wanted)))

    def children(self, parent_run_id: str) -> list[RunRow]:
        return self._select(lambda row: row.parent_run_id == parent_run_id)

    def tree(self, stream: str) -> list[RunRow]:
        run = self.read_run(stream)
        return [] if run is None else self._select(lambda row: row.root_run_id == run.root_run_id)

    def last_started(self, skill_ids: Sequence[str], statuses: Sequence[str]) -> dict[str, datetime]:
        found = self._select(lambda row: row.skill_id in skill_ids and _status(row) in statuses)
        return {row.skill_id: row.started_at for row in found}

    def finished_before(self, cutoff: datetime, limit: int) -> list[RunRow]:
        found = self._select(lambda row: row.finished_at is not None and row.finished_at < cutoff)
        return sorted(found, key=lambda row: (row.finished_at, row.stream))[:limit]

    def started_before(self, cutoff: datetime, limit: int) -> list[str]:
        return [row.stream for row in self._select(lambda row: row.started_at < cutoff)[:limit]]

    def ended_before(self, started: datetime, finished: datetime, limit: int) -> list[str]:
        found = self._select(lambda row: row.finished_at is not None and row.finished_at < finished)
        return [row.stream for row in found if row.started_at < started][:limit]

    def purges(self, before: int, limit: int) -> list[RunsPurged]:
        found = [event for event in self._all_events(PURGES_STREAM) if isinstance(event, RunsPurged)]
        return [event for event in reversed(found) if event.originator_version < before][:limit]

    # ------------------------------------------------------------------------------------- lineage

    def written(
        self, run_id: str, after: tuple[str, int, str, str], limit: int
    ) -> list[tuple[str, StoredVersion]]:
        with self._locked():
            found = sorted(row for row in self._written(run_id) if row[0] > after)[:limit]
            return [
                (stream, StoredVersion(row, self.events(stream, revision - 1, 1)[0]))
                for (stream, revision, _, _), row in found
            ]

    def count_written(self, run_ids: Sequence[str]) -> dict[str, int]:
        with self._locked():
            counts = {run_id: len(list(self._written(run_id))) for run_id in run_ids}
            return {run_id: count for run_id, count in counts.items() if count}

    def _written(self, run_id: str) -> Iterable[tuple[tuple[str, int, str, str], HistoryRow]]:
        for stream, rows in self._recorder.streams.items():
            for versions in rows.history.values():
                for row in versions:
                    if row.run_id == run_id:
                        yield (stream, row.revision, row.scope, row.key), row

    def reads(self, run_stream: str, after: tuple[str, str, str, int], limit: int) -> list[ReadRow]:
        with self._locked() as rows:
            found = sorted(rows.reads.get(run_stream, {}).items())
            return [row for read, row in found if read > after][:limit]

    def readers(self, stream: str, scope: str, key: str, revision: int, after: str, limit: int) -> list[ReadRow]:
        read = (stream, scope, key, revision)
        with self._locked() as rows:
            found = sorted(run for run, reads in rows.reads.items() if run > after and read in reads)
            return [rows.reads[run][read] for run in found[:limit]]

    # -------------------------------------------------------------------------------- housekeeping

    def changed(self, since: datetime, after: str, limit: int) -> list[tuple[str, int, datetime]]:
        with self._locked() as rows:
            found = sorted(
                (state.last_recorded_at or since, stream, state.revision) for stream, state in rows.heads.items()
            )
            return [(stream, revision, at) for at, stream, revision in found if (at, stream) > (since, after)][
                :limit
            ]

    def run_scopes(self, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
        with self._locked():
            found = {
                (scope, stream)
                for stream, rows in self._recorder.streams.items()
                for scope, _ in rows.entries
                if scope.startswith("run:")
            }
            return sorted(row for row in found if row > after)[:limit]

    def statuses(self, streams: Sequence[str]) -> list[RunStatus]:
        with self._locked() as rows:
            return [_run_status(rows.heads[each], rows.runs.get(each)) for each in streams if each in rows.heads]

    def unfinished_trees(self, root_run_ids: Sequence[str], cutoff: datetime) -> set[str]:
        found = self._select(lambda row: row.root_run_id in root_run_ids)
        return {row.root_run_id for row in found if row.finished_at is None or not row.finished_at < cutoff}

    def rebuild(
        self, after: str, limit: int, project: RunProjector, progress: Callable[[int], None]
    ) -> RebuiltRuns | None:
        with self._locked() as rows:
            streams = [each for each in self._streams() if each > after][:limit]
            lines: list[str] = []
            for stream in streams:
                current = RunModels()
                progress(current.fold(stream, self._all_events(stream), project))
                lines += rows.differing(stream, current)
                rows.adopt(stream, current)
            return RebuiltRuns(streams[-1], len(streams), lines) if streams else None

    def _streams(self) -> list[str]:
        rows = self._rows
        stored = {stream for stream in self._recorder.stream_ids() if stream.startswith(STREAM_PREFIX)}
        return sorted(stored | rows.heads.keys() | rows.runs.keys() | rows.reads.keys())

    def count_events(self) -> int:
        with self._locked() as rows:
            return sum(state.revision for state in rows.heads.values())


def _run_status(head: RunState, row: RunRow | None) -> RunStatus:
    return RunStatus(head.id, head.last_recorded_at if head.purged else row and row.finished_at, head.purged)


def _status(row: RunRow) -> str:
    return "running" if row.outcome is None else row.outcome.status


def _matches(row: RunRow, wanted: RunFilter) -> bool:
    dry = _status(row) == "dry_run"
    return (
        (wanted.status in ("", _status(row)))
        and (bool(wanted.status) or wanted.include_dry_run or not dry)
        and wanted.skill_id in ("", row.skill_id)
        and wanted.caller_id in ("", row.caller_id)
        and wanted.channel_id in ("", row.channel_id)
        and not (wanted.top_level_only and row.parent_run_id)
        and (wanted.since is None or row.started_at >= wanted.since)
        and (wanted.until is None or row.started_at < wanted.until)
    )
