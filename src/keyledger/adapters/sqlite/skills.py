"""The SkillStorage port on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Cursor
from typing import Any

import orjson

from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.skill_store import SkillReads, SkillRows, SQLSkills
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.runs import CursorRunner
from keyledger.adapters.sqlite.statements import SKILL_SQL, SQL
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.skills.ports import SkillCommit


class _Locked(SkillReads):
    """A session inside a transaction that holds the write lock."""

    def __init__(self, rows: SkillRows, cursor: Cursor) -> None:
        super().__init__(SKILL_SQL, rows, SQL.read_events)
        self._cursor = cursor

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def commit(self, commit: SkillCommit) -> None:
        row = self._rows.parameters(commit.row) | {"expected": commit.expected}
        try:
            if self._cursor.execute(SKILL_SQL.put_skill, row).rowcount == 0:
                raise HeadMovedError
            self._cursor.execute(SQL.insert_event, self._rows.mapper.to_row(commit.event))
        except sqlite3.IntegrityError as error:
            raise HeadMovedError from error
        self._cursor.execute("COMMIT")


class SQLiteSkills(SQLSkills):
    """Events and rows of skills in the ledger's file."""

    def __init__(self, datastore: Datastore, rows: Rows) -> None:
        skill_rows = SkillRows(rows, lambda tags: orjson.dumps(tags).decode(), orjson.loads)
        super().__init__(SKILL_SQL, skill_rows, SQL.read_events)
        self._datastore = datastore

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._datastore.fetch(statement, parameters)

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:  # noqa: ARG002 - one lock for the whole file
        with self._datastore.writing() as cursor:
            yield _Locked(self._rows, cursor)

    @contextmanager
    def _rebuilding(self, stream: str) -> Iterator[CursorRunner]:  # noqa: ARG002 - one lock for the whole file
        with self._datastore.writing() as cursor:
            yield CursorRunner(cursor)
