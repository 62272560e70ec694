"""The draft of a rebuild on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from psycopg import Cursor
from psycopg.rows import tuple_row

from keyledger.adapters.postgres.statements import SQL
from keyledger.adapters.sql.draft import SQLDraft
from keyledger.adapters.sql.rows import Rows
from keyledger.domain.commands import EntryKey

_FETCH = 250  # rows, as values may be long

# Of the columns, in the order of the COPY statements: in binary the server converts nothing.
_WHO = ("timestamptz", "text", "text")
_ENTRY_TYPES = ("text", "text", "text", "bytea", "int8", "int8", "int8", "timestamptz", "timestamptz", *_WHO)
_VERSION_TYPES = ("text", "text", "text", "int8", "text", "int8", "timestamptz", *_WHO)


class PostgresDraft(SQLDraft):
    """Temporary tables of a transaction."""

    def __init__(self, rows: Rows, stream: str, cursor: Cursor[Any]) -> None:
        self._cursor, self._names = cursor, count(1)
        super().__init__(SQL, rows, stream)

    def _run(self, statement: str, parameters: dict[str, Any]) -> None:
        self._cursor.execute(statement, parameters)

    def _insert_entries(self, rows: list[tuple[Any, ...]]) -> None:
        self._copy(SQL.copy_draft_entries, _ENTRY_TYPES, rows)

    def _insert_versions(self, rows: list[tuple[Any, ...]]) -> None:
        self._copy(SQL.copy_draft_versions, _VERSION_TYPES, rows)

    def _copy(self, statement: str, types: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        with self._cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def _read(self, statement: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        name = f"draft_{next(self._names)}"
        with self._cursor.connection.cursor(name, row_factory=tuple_row, binary=True) as cursor:
            cursor.itersize = _FETCH
            yield from cursor.execute(statement, parameters)

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self._cursor.execute(statement, parameters, binary=True).fetchall()

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        return {"scopes": [scope for scope, _ in keys], "keys": [key for _, key in keys]}
