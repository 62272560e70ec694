"""The RunStorage port on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from sqlite3 import Cursor
from typing import Any

import orjson
from eventsourcing.persistence import IntegrityError

from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.sql.run_store import RunChanges, RunSessionReads, SQLRuns
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.statements import RUN_SQL, SQL
from keyledger.domain.audit.ports import RunCommit
from keyledger.domain.ports import HeadMovedError


class CursorRunner:
    """Statements in a cursor's transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def stream(self, statement: str, parameters: dict[str, Any]) -> Iterator[Any]:
        return self._cursor.connection.execute(statement, parameters)

    def run(self, statement: str, parameters: dict[str, Any]) -> int:
        return self._cursor.execute(statement, parameters).rowcount


class _Locked(RunSessionReads):
    """A session inside a transaction that holds the write lock."""

    def __init__(self, rows: RunRows, cursor: Cursor) -> None:
        super().__init__(RUN_SQL, rows, SQL.read_events)
        self._cursor = cursor

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def commit(self, commit: RunCommit) -> None:
        try:
            _write(self._cursor, self._rows, commit)
        except sqlite3.IntegrityError as error:
            raise HeadMovedError from error
        self._cursor.execute("COMMIT")


class SQLiteRuns(SQLRuns):
    """Events and read models of runs in the ledger's file."""

    def __init__(self, datastore: Datastore, rows: RunRows, key_rows: Rows) -> None:
        super().__init__(RUN_SQL, rows, key_rows, SQL.read_events)
        self._datastore = datastore

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._datastore.fetch(statement, parameters)

    def _array(self, items: Sequence[Any]) -> str:
        return orjson.dumps(items).decode()

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:  # noqa: ARG002 - one lock for the whole file
        with self._datastore.writing() as cursor:
            yield _Locked(self._rows, cursor)

    def commit(self, commit: RunCommit) -> None:
        try:
            with self._datastore.writing() as cursor:
                _write(cursor, self._rows, commit)
        except IntegrityError as error:
            raise HeadMovedError from error

    @contextmanager
    def _rebuilding(self, streams: Sequence[str]) -> Iterator[CursorRunner]:  # noqa: ARG002 - one lock for the whole file
        with self._datastore.writing() as cursor:
            yield CursorRunner(cursor)


def _write(cursor: Cursor, rows: RunRows, commit: RunCommit) -> None:
    """Write a commit in the cursor's transaction; HeadMovedError if the head is not the expected one."""
    head = rows.head_parameters(commit.state) | {"expected": commit.expected}
    if cursor.execute(RUN_SQL.move_run_head, head).rowcount == 0:
        raise HeadMovedError
    cursor.execute(SQL.insert_event, rows.mapper.to_row(commit.event))
    if commit.marker is None:
        RunChanges(RUN_SQL, rows, CursorRunner(cursor)).apply(commit.changes)
        return
    ((before,),) = cursor.execute("PRAGMA secure_delete").fetchall()
    cursor.execute("PRAGMA secure_delete = ON")  # what is purged is not to stay in the free parts of the file
    try:
        cursor.execute(RUN_SQL.purge_run_events, rows.marker_parameters(commit))
        RunChanges(RUN_SQL, rows, CursorRunner(cursor)).apply(commit.changes)
    finally:
        cursor.execute(f"PRAGMA secure_delete = {before}")
