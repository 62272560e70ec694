"""The SkillStorage port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from keyledger.adapters.postgres.datastore import Datastore, committing
from keyledger.adapters.postgres.runs import CursorRunner, LockingRunner
from keyledger.adapters.postgres.statements import SKILL_SQL, SQL
from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.skill_store import SkillReads, SkillRows, SQLSkills
from keyledger.domain.ports import HeadMovedError
from keyledger.domain.skills.ports import SkillCommit


class _Locked(SkillReads):
    """A session inside a transaction that holds, from its first statement on, the lock of a skill's row."""

    def __init__(self, datastore: Datastore, rows: SkillRows, cursor: Cursor[Any], stream: str) -> None:
        super().__init__(SKILL_SQL, rows, SQL.read_events)
        self._datastore, self._cursor = datastore, cursor
        self._runner = LockingRunner(cursor, SKILL_SQL.lock_skill, stream)

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._runner.all(statement, parameters)

    def commit(self, commit: SkillCommit) -> None:
        _, _, topic, state = self._rows.mapper.to_row(commit.event)
        own = {"expected": commit.expected, "topic": topic, "state": state}
        with committing(self._datastore, self._cursor):
            ((moved,),) = self._all(SKILL_SQL.append_skill_event, self._rows.parameters(commit.row) | own)
            if not moved:
                raise HeadMovedError


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
            yield LockingRunner(cursor, SKILL_SQL.lock_skill, stream)
