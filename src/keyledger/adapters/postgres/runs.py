"""The RunStorage port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from keyledger.adapters.postgres.datastore import Datastore, committing, lost_as_moved
from keyledger.adapters.postgres.statements import RUN_SQL, SQL
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.sql.run_store import RunChanges, RunSessionReads, SQLRuns
from keyledger.domain.audit.ports import RunCommit
from keyledger.domain.ports import HeadMovedError

_AT_ONCE = 1_000


class CursorRunner:
    """Statements in a cursor's transaction."""

    def __init__(self, cursor: Cursor[Any]) -> None:
        self._cursor = cursor

    def all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters, prepare=True, binary=True).fetchall()

    def stream(self, statement: str, parameters: dict[str, Any]) -> Iterator[Any]:
        with self._cursor.connection.cursor(name="runs", row_factory=self._cursor.row_factory) as rows:
            rows.itersize = _AT_ONCE
            yield from rows.execute(statement, parameters, binary=True)

    def run(self, statement: str, parameters: dict[str, Any]) -> int:
        return self._cursor.execute(statement, parameters, prepare=True).rowcount


class LockingRunner(CursorRunner):
    """Statements in a transaction that from the first of them on holds the row that ``lock`` locks of a stream."""

    def __init__(self, cursor: Cursor[Any], lock: str, stream: str) -> None:
        super().__init__(cursor)
        self._lock, self._stream = lock, stream
        self._holds = False

    def all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        if not self._holds:
            super().all(self._lock, {"stream": self._stream})
            self._holds = True
        return super().all(statement, parameters)


class _Locked(RunSessionReads):
    """A session inside a transaction that holds, from its first statement on, the row lock of a run's head."""

    def __init__(self, datastore: Datastore, rows: RunRows, cursor: Cursor[Any], stream: str) -> None:
        super().__init__(RUN_SQL, rows, SQL.read_events)
        self._datastore, self._cursor = datastore, cursor
        self._runner = LockingRunner(cursor, RUN_SQL.lock_run, stream)

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._runner.all(statement, parameters)

    def commit(self, commit: RunCommit) -> None:
        with committing(self._datastore, self._cursor):
            _write(self._cursor, self._rows, commit)


class PostgresRuns(SQLRuns):
    """Events and read models of runs in the ledger's schema."""

    def __init__(
        self,
        datastore: Datastore,
        rows: RunRows,
        key_rows: Rows,
        fetch: Callable[[str, dict[str, Any]], list[Any]],
    ) -> None:
        super().__init__(RUN_SQL, rows, key_rows, SQL.read_events)
        self._datastore, self._fetch = datastore, fetch

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._fetch(statement, parameters)

    def _array(self, items: Sequence[Any]) -> list[Any]:
        return list(items)

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:
        with self._datastore.begun() as cursor:
            yield _Locked(self._datastore, self._rows, cursor, stream)

    def commit(self, commit: RunCommit) -> None:
        with lost_as_moved(self._datastore), self._datastore.cursor() as cursor:
            if commit.changes or commit.marker is not None:
                with cursor.connection.transaction():
                    _write(cursor, self._rows, commit)
            else:
                _write(cursor, self._rows, commit)

    @contextmanager
    def _rebuilding(self, streams: Sequence[str]) -> Iterator[CursorRunner]:
        with self._datastore.cursor() as cursor, cursor.connection.transaction():
            runner = CursorRunner(cursor)
            for stream in streams:  # one by one, as Citus locks rows of one shard alone; in one order
                runner.all(RUN_SQL.lock_run, {"stream": stream})
            yield runner


def _write(cursor: Cursor[Any], rows: RunRows, commit: RunCommit) -> None:
    """Write a commit in the cursor's transaction; HeadMovedError if the head is not the expected one."""
    _, _, topic, state = rows.mapper.to_row(commit.event)
    own = {"expected": commit.expected, "topic": topic, "state": state}
    runner = CursorRunner(cursor)
    ((moved,),) = runner.all(RUN_SQL.append_run_event, rows.head_parameters(commit.state) | own)
    if not moved:
        raise HeadMovedError
    if commit.marker is not None:
        runner.run(RUN_SQL.purge_run_events, rows.marker_parameters(commit))
    RunChanges(RUN_SQL, rows, runner).apply(commit.changes)
