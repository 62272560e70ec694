"""The library's application recorder, which writes the inline read models in the insert's own transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.sqlite import rows
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.statements import SQL
from keyledger.domain.ports import Commit, HeadMovedError, ReadModelChanges


class Recorder(SQLiteApplicationRecorder):
    """Inserts events and, given a ``commit``, everything that goes with them."""

    datastore: Datastore

    def __init__(self, datastore: Datastore, mapper: EventMapper) -> None:
        super().__init__(datastore)
        self._mapper = mapper

    def _insert_events(
        self,
        c: SQLiteCursor,
        stored_events: Sequence[StoredEvent],
        *,
        commit: Commit | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        if commit is None:
            return super()._insert_events(c, stored_events, **kwargs)
        head = rows.head_parameters(commit.stream, commit.changes.head, commit.leases)
        expected = {"expected": commit.expected, "expected_leases": commit.expected_leases}
        cursor = c.sqlite_cursor
        if cursor.execute(SQL.put_head, head | expected).rowcount == 0:
            raise HeadMovedError
        many(cursor, SQL.insert_event, [(e.originator_id, e.originator_version, e.topic, e.state) for e in stored_events])
        self.write_rows(cursor, commit.stream, commit.changes)
        many(cursor, SQL.insert_request, [rows.request_columns(commit.stream, r) for r in commit.requests])
        return None

    def write_rows(self, cursor: Any, stream: str, changes: ReadModelChanges) -> None:
        """Write current values and key history."""
        if changes.cleared is not None:
            ended = {
                "stream": stream,
                "operation": "partition_deleted",
                "revision": changes.cleared.originator_version,
                "recorded_at": rows.to_column(changes.cleared.recorded_at),
                "changed_by": changes.cleared.changed_by,
                "run_id": changes.cleared.run_id,
            }
            cursor.execute(SQL.end_all_versions, ended)
            cursor.execute(SQL.remove_all_entries, {"stream": stream})
        put = [(key, entry) for key, entry in changes.entries if entry is not None]
        gone = [(stream, *key) for key, entry in changes.entries if entry is None]
        many(cursor, SQL.put_entry, [rows.entry_columns(stream, key, entry, self._mapper) for key, entry in put])
        many(cursor, SQL.remove_entry, gone)
        many(cursor, SQL.insert_version, [rows.version_columns(stream, row) for row in changes.history])


def many(cursor: Any, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
    """Execute a statement for each of ``parameters``."""
    if len(parameters) == 1:
        cursor.execute(statement, parameters[0])
    elif parameters:
        cursor.executemany(statement, parameters)
