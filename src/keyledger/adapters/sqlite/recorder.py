"""The library's application recorder, which also writes a commit: events and inline read models at once."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Cursor
from typing import Any

from eventsourcing.sqlite import SQLiteApplicationRecorder

from keyledger.adapters.event_mapper import EventRow
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.statements import SQL
from keyledger.domain.ports import Commit, HeadMovedError, ReadModelChanges


class Recorder(SQLiteApplicationRecorder):
    """The library's recorder, and what writes a commit."""

    datastore: Datastore

    def __init__(self, datastore: Datastore, rows: Rows) -> None:
        super().__init__(datastore)
        self._rows = rows

    def write(self, cursor: Cursor, commit: Commit, events: Sequence[EventRow]) -> None:
        """Write a commit in the cursor's transaction; HeadMovedError if the head is not the expected one."""
        stream = commit.stream
        if self._move_head(cursor, commit) == 0:
            raise HeadMovedError
        _many(cursor, SQL.insert_event, events)
        self.write_rows(cursor, stream, commit.changes)
        if commit.requests:
            requests = [(stream, *self._rows.request_columns(record)) for record in commit.requests]
            _many(cursor, SQL.insert_request, requests)

    def _move_head(self, cursor: Cursor, commit: Commit) -> int:
        columns = self._rows.head_columns(commit.changes.head, commit.leases)
        if commit.expected:
            found = cursor.execute(
                SQL.move_head, (*columns, commit.stream, commit.expected, commit.expected_leases)
            )
        else:
            head = self._rows.head_parameters(commit.stream, commit.changes.head, commit.leases)
            expected = {"expected": commit.expected, "expected_leases": commit.expected_leases}
            found = cursor.execute(SQL.put_head, head | expected)
        return found.rowcount

    def write_rows(self, cursor: Cursor, stream: str, changes: ReadModelChanges) -> None:
        """Write current values and key history."""
        if changes.cleared is not None:
            event = changes.cleared
            ended = {
                "stream": stream,
                "revision": event.originator_version,
                "recorded_at": self._rows.to_column(event.recorded_at),
                "changed_by": event.changed_by,
                "run_id": event.run_id,
            }
            cursor.execute(SQL.end_all_versions, ended)
            cursor.execute(SQL.remove_all_entries, {"stream": stream})
        put: list[tuple[Any, ...]] = []
        gone: list[tuple[Any, ...]] = []
        for key, entry in changes.entries:
            if entry is not None:
                put.append((stream, *self._rows.entry_columns(key, entry)))
            else:
                gone.append((stream, *key))
        _many(cursor, SQL.put_entry, put)
        _many(cursor, SQL.remove_entry, gone)
        versions = [(stream, *self._rows.version_columns(row)) for row in changes.history]
        _many(cursor, SQL.insert_version, versions)


def _many(cursor: Cursor, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
    if len(parameters) == 1:
        cursor.execute(statement, parameters[0])
    elif parameters:
        cursor.executemany(statement, parameters)
