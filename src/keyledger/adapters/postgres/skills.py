"""The SkillStorage port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Cursor

from keyledger.adapters.postgres.datastore import Datastore, lost_as_moved, raise_translated
from keyledger.adapters.postgres.runs import CursorRunner
from keyledger.adapters.postgres.statements import SKILL_SQL, SQL
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.skill_store import SkillReads, SkillRows, SQLSkills
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.skills.ports import SkillCommit


class _Locked(SkillReads):
    """A session inside a transaction that holds, from its first statement on, the lock of a skill's row."""

    def __init__(self, datastore: Datastore, rows: SkillRows, cursor: Cursor[Any], stream: str) -> None:
        super().__init__(SKILL_SQL, rows, SQL.read_events)
        self._datastore, self._runner, self._cursor, self._stream = datastore, CursorRunner(cursor), cursor, stream
        self._holds = False

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        if not self._holds:
            self._runner.all(SKILL_SQL.lock_skill, {"stream": self._stream})
            self._holds = True
        return self._runner.all(statement, parameters)

    def commit(self, commit: SkillCommit) -> None:
        _, _, topic, state = self._rows.mapper.to_row(commit.event)
        own = {"expected": commit.expected, "topic": topic, "state": state}
        with lost_as_moved(self._datastore):
            try:
                ((moved,),) = self._runner.all(
                    SKILL_SQL.append_skill_event, self._rows.parameters(commit.row) | own
                )
                if not moved:
                    raise HeadMovedError
                self._cursor.connection.commit()
            except psycopg.Error as error:
                raise_translated(error, lost=self._cursor.connection.closed)


class PostgresSkills(SQLSkills):
    """Events and rows of skills in the ledger's schema."""

    def __init__(
        self, datastore: Datastore, rows: Rows, fetch: Callable[[str, dict[str, Any]], list[Any]]
    ) -> None:
        super().__init__(SKILL_SQL, SkillRows(rows, list, tuple), SQL.read_events)
        self._datastore, self._fetch = datastore, fetch

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._fetch(statement, parameters)

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:
        with self._datastore.begun() as cursor:
            yield _Locked(self._datastore, self._rows, cursor, stream)

    @contextmanager
    def _rebuilding(self, stream: str) -> Iterator[CursorRunner]:
        with self._datastore.cursor() as cursor, cursor.connection.transaction():
            runner = CursorRunner(cursor)
            runner.all(SKILL_SQL.lock_skill, {"stream": stream})
            yield runner
