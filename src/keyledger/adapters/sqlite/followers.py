"""The FollowerStore port on SQLite: the table is in the ledger's file.

Events are read and rows made ready before the file's write lock is taken, which the ledger's writers need too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from sqlite3 import Connection
from time import monotonic, sleep
from typing import Any

import orjson

from keyledger.adapters.sql.follower_store import FollowerReads, FollowerSession, SQLFollower
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.statements import FOLLOWER_SQL
from keyledger.domain.audit.follower_ports import Span, Target

LONGEST_HOLD = 0.05
"""Seconds for which a batch may hold the write lock; a longer one makes the next ones smaller."""

_SMALLEST_SHARE = 0.02
_CACHE_KIB = 65_536
"""Of the connection that writes; SQLite's own is 2 MB."""

_DROPPED = 2_000
"""Rows of an old table that are removed in one transaction."""


class _Parameters(FollowerReads):
    """How this engine takes names and sequences."""

    def _on(self, statement: str, table: str, other: str = "") -> str:
        return statement.replace("{table}", _quoted(table)).replace("{other}", _quoted(other))

    def _array(self, items: Sequence[Any]) -> str:
        return orjson.dumps(items).decode()

    def _spans(self, spans: Sequence[Span]) -> dict[str, Any]:
        return {"spans": self._array(list(map(tuple, spans)))}


class _Session(_Parameters, FollowerSession):
    """A connection's transaction."""

    def __init__(self, rows: RunRows, name: str, connection: Connection) -> None:
        super().__init__(FOLLOWER_SQL, rows, name)
        self._connection = connection

    def _all(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    def _stream(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
        return self._connection.execute(statement, parameters)

    def _run(self, statement: str, parameters: Mapping[str, Any]) -> int:
        return self._connection.execute(statement, parameters).rowcount

    def _put(self, table: str, rows: Sequence[tuple[Any, ...]], removed: Sequence[str]) -> None:
        if removed:
            self._run(self._on(FOLLOWER_SQL.remove_followed, table), {"streams": self._array(removed)})
        self._connection.executemany(self._on(FOLLOWER_SQL.put_followed, table), rows)

    def _create(self, table: str, generation: int) -> None:
        for name, made in self._all(FOLLOWER_SQL.read_runs_ddl, {}):
            begin, columns = made[: made.index(name)], made[made.index("(") :]
            index = "" if name == "runs" else f"{_quoted(f'{self._name}#{generation}/{name}')} ON "
            self._connection.execute(f"{begin}{index}{_quoted(table)} {columns}")

    def _replace(self, table: str, former: str) -> None:
        self._connection.execute(
            "PRAGMA legacy_alter_table = ON"
        )  # or views of the table would follow the old one
        try:
            self._run(self._on(FOLLOWER_SQL.rename_followed, self._name, former), {})
            self._run(self._on(FOLLOWER_SQL.rename_followed, table, self._name), {})
        finally:
            self._connection.execute("PRAGMA legacy_alter_table = OFF")

    def drop(self, table: str) -> None:
        """Remove an index of a table, or some rows, or the table if it has neither."""
        indexes = self._all(FOLLOWER_SQL.list_followed_indexes, {"table": table})
        if indexes:
            self._run(self._on(FOLLOWER_SQL.drop_followed_index, indexes[0][0]), {})
        elif not self._run(self._on(FOLLOWER_SQL.trim_followed, table), {"limit": _DROPPED}):
            self._run(self._on(FOLLOWER_SQL.drop_followed, table), {})


class SQLiteFollower(_Parameters, SQLFollower):
    """One follower of the ledger in a file."""

    def __init__(self, datastore: Datastore, rows: RunRows, name: str) -> None:
        super().__init__(FOLLOWER_SQL, rows, name)
        self._datastore, self._share = datastore, 1.0

    def _all(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        return self._datastore.fetch(statement, dict(parameters))

    def begin(self) -> Target:
        with self._datastore.writing() as cursor:  # rows go to places all over ten indexes
            cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return super().begin()

    def clear(self) -> bool:
        began = monotonic()
        more = super().clear()
        if more:
            sleep(monotonic() - began)  # so that the write lock is others' half of the time
        return more

    def share(self) -> float:
        return self._share

    @contextmanager
    def _writing(self) -> Iterator[_Session]:
        with self._datastore.writing() as cursor:
            began = monotonic()
            yield _Session(self._rows, self._name, cursor.connection)
            cursor.execute("COMMIT")
            self._adapt(monotonic() - began)

    def _adapt(self, held: float) -> None:
        """Write less at once where a disk is slow or a table long, and more again where it is not."""
        if held > LONGEST_HOLD:
            self._share = max(self._share / 2, _SMALLEST_SHARE)
        elif held < LONGEST_HOLD / 2:
            self._share = min(self._share * 1.25, 1.0)

    _alone = _writing

    @contextmanager
    def _reading(self) -> Iterator[_Session]:
        with self._datastore.reading() as connection:
            yield _Session(self._rows, self._name, connection)


def _quoted(name: str) -> str:
    """A follower's name and its generations' hold no quote."""
    return f'"{name}"'
