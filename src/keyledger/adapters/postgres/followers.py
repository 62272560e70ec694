"""The FollowerStore port on PostgreSQL: the table is in the ledger's schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from psycopg import Cursor, sql
from psycopg.rows import tuple_row

from keyledger.adapters.postgres.datastore import Datastore
from keyledger.adapters.postgres.statements import FOLLOWER_SQL
from keyledger.adapters.sql.follower_store import FollowerReads, FollowerSession, SQLFollower
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.domain.audit.follower_ports import Span

_FETCH = 1_000

_BEGUN = ("text",) * 6 + ("int8", "timestamptz", "text", "bytea")
_ENDED = ("timestamptz", "text", "bytea", "bytea", "int8", "float8", "int8", "int8", "int8")
_TYPES = _BEGUN + _ENDED
"""Of the columns of runs: in binary the server converts nothing."""


class _Parameters(FollowerReads):
    """How this engine takes names and sequences."""

    def _on(self, statement: str, table: str, other: str = "") -> str:
        names = {"table": sql.Identifier(table), "other": sql.Identifier(other or table)}
        return sql.SQL(statement).format(**names).as_string()

    def _array(self, items: Sequence[Any]) -> list[Any]:
        return list(items)

    def _spans(self, spans: Sequence[Span]) -> dict[str, Any]:
        streams, afters, untils = map(list, zip(*spans, strict=True))
        return {"streams": streams, "afters": afters, "untils": untils}


class _Session(_Parameters, FollowerSession):
    """A cursor's transaction."""

    def __init__(self, rows: RunRows, name: str, cursor: Cursor[Any]) -> None:
        super().__init__(FOLLOWER_SQL, rows, name)
        self._cursor, self._names = cursor, count(1)

    def _all(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters, binary=True).fetchall()

    def _stream(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        name = f"follower_{next(self._names)}"
        with self._cursor.connection.cursor(name, row_factory=tuple_row) as rows:
            rows.itersize = _FETCH
            yield from rows.execute(statement, parameters, binary=True)

    def _run(self, statement: str, parameters: Mapping[str, Any]) -> int:
        return self._cursor.execute(statement, parameters).rowcount

    def _put(self, table: str, rows: Sequence[tuple[Any, ...]], removed: Sequence[str]) -> None:
        touched = [*removed, *(row[0] for row in rows)]
        if touched:
            self._run(self._on(FOLLOWER_SQL.remove_followed, table), {"streams": touched})
        if rows:
            with self._cursor.copy(self._on(FOLLOWER_SQL.copy_followed, table)) as copy:
                copy.set_types(_TYPES)
                for row in rows:
                    copy.write_row(row)

    def _create(self, table: str, generation: int) -> None:  # noqa: ARG002 - the server names the indexes
        self._run(self._on(FOLLOWER_SQL.create_followed, table), {})

    def _replace(self, table: str, former: str) -> None:  # noqa: ARG002 - here it is gone at once
        self.drop(self._name)
        self._run(self._on(FOLLOWER_SQL.rename_followed, table, self._name), {})

    def drop(self, table: str) -> None:
        """Remove a table; what depends on it makes the server refuse."""
        self._run(self._on(FOLLOWER_SQL.drop_followed, table), {})

    def lock(self) -> None:
        """Let nobody else write to any follower's generation until the transaction ends."""
        self._run(FOLLOWER_SQL.lock_followers, {})


class PostgresFollower(_Parameters, SQLFollower):
    """One follower of the ledger in a schema."""

    def __init__(self, datastore: Datastore, rows: RunRows, name: str) -> None:
        super().__init__(FOLLOWER_SQL, rows, name)
        self._datastore = datastore

    def _all(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        with self._datastore.cursor() as cursor:  # a plan that is kept would be for the table as it was
            return cursor.execute(statement, parameters, prepare=False, binary=True).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[_Session]:
        with self._datastore.cursor() as cursor, cursor.connection.transaction():
            yield _Session(self._rows, self._name, cursor)

    @contextmanager
    def _alone(self) -> Iterator[_Session]:
        with self._writing() as session:
            session.lock()
            yield session

    @contextmanager
    def _reading(self) -> Iterator[_Session]:
        with self._datastore.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield _Session(self._rows, self._name, cursor)
