"""The draft of a rebuild on SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sqlite3 import Cursor
from typing import Any

import orjson

from keyledger.adapters.sql.draft import SQLDraft
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sqlite.statements import SQL
from keyledger.domain.commands import EntryKey


class SQLiteDraft(SQLDraft):
    """Temporary tables of the connection that writes."""

    def __init__(self, rows: Rows, stream: str, cursor: Cursor) -> None:
        self._connection = cursor.connection
        super().__init__(SQL, rows, stream)

    def _run(self, statement: str, parameters: dict[str, Any]) -> None:
        self._connection.execute(statement, parameters)

    def _insert_entries(self, rows: list[tuple[Any, ...]]) -> None:
        self._connection.executemany(SQL.insert_draft_entries, rows)

    def _insert_versions(self, rows: list[tuple[Any, ...]]) -> None:
        self._connection.executemany(SQL.insert_draft_versions, rows)

    def _read(self, statement: str, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        return self._connection.execute(statement, parameters)

    _all = _read

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        return {"keys": orjson.dumps(keys).decode()}

    def settle(self) -> list[str]:
        lines = super().settle()
        self._run(SQL.drop_draft_entries, {})
        self._run(SQL.drop_draft_versions, {})
        return lines
