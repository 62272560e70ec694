"""The limit on SQLite: one connection, cached prepared statements, one BEGIN IMMEDIATE a write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks.sides import Conflict
from benchmarks.workload import (
    ACTOR,
    PARTITION,
    RUN,
    SCOPE,
    TOPIC,
    Encoder,
    Item,
    Row,
    chunks,
    microseconds,
    stream,
)
from keyledger.domain.values import JSONValue

# ?1 stream, ?2 scope, ?3 key, ?4 size, ?5 revision, ?6 now, ?7 expected
_SET_HEAD = """
WITH old (size) AS MATERIALIZED (
    SELECT size FROM current_value WHERE partition_id = ?1 AND scope = ?2 AND key = ?3
)
UPDATE partition_head SET
    revision = ?5,
    used_bytes = used_bytes + ?4 - coalesce((SELECT size FROM old), 0),
    live_keys = live_keys + 1 - (SELECT count(*) FROM old),
    last_recorded_at = ?6
WHERE partition_id = ?1 AND revision = ?7
"""
_MOVE_HEAD = """
UPDATE partition_head SET revision = ?, used_bytes = used_bytes + ?, last_recorded_at = ?
WHERE partition_id = ? AND revision = ?
"""
_INSERT_HEAD = """
INSERT INTO partition_head (
    partition_id, revision, used_bytes, live_keys, last_recorded_at, deleted, leases, lease_version
)
SELECT partition_id, ?, sum(size), count(*), ?, 0, '[]', 0 FROM current_value WHERE partition_id = ?
GROUP BY partition_id
"""
_REVISION = "SELECT revision FROM partition_head WHERE partition_id = ?"
_INSERT_EVENT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"
_PUT_ENTRY = """
INSERT INTO current_value (
    partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
    changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (partition_id, scope, key) DO UPDATE SET
    value = excluded.value,
    size = excluded.size,
    revision = excluded.revision,
    updated_at = excluded.updated_at,
    expires_at = excluded.expires_at,
    changed_by = excluded.changed_by,
    run_id = excluded.run_id
"""
_INSERT_VERSION = """
INSERT INTO key_history (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_GET = """
SELECT scope, key, value, revision, create_revision, created_at, updated_at, expires_at, changed_by, run_id
FROM current_value WHERE partition_id = ? AND scope = ? AND key = ?
"""


class HandWrittenSQLite:
    """The same rows as keyledger's, in tables that stand, by the least SQL that keeps them right."""

    def __init__(self, url: str, partition: str = PARTITION) -> None:
        path = url.removeprefix("sqlite:///")
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=128)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._cursor, self._encoder, self._stream = self._connection.cursor(), Encoder(), stream(partition)
        head = self._cursor.execute(_REVISION, (self._stream,)).fetchone()
        self._revision: int = head[0] if head else 0
        self._sizes: dict[str, int] = {}

    def load(self, items: Iterable[Item]) -> None:
        """As :meth:`HandWritten.load`."""
        now = datetime.now(UTC)
        self._cursor.execute("BEGIN IMMEDIATE")
        for some in chunks(items):
            self._insert([self._encoder.row(item, now, self._encoder.request_id()) for item in some], now)
            self._revision += len(some)
        self._cursor.execute(_INSERT_HEAD, (self._revision, microseconds(now), self._stream))
        self._cursor.execute("COMMIT")

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Side.set`."""
        now = datetime.now(UTC)
        at, revision = microseconds(now), self._revision + 1
        row = self._encoder.row((key, value), now, self._encoder.request_id())
        size = len(row.value)
        head = (self._stream, SCOPE, key, size, revision, at, self._revision)
        execute = self._cursor.execute
        execute("BEGIN IMMEDIATE")
        if execute(_SET_HEAD, head).rowcount == 0:
            raise Conflict
        execute(_INSERT_EVENT, (self._stream, revision, TOPIC, row.state))
        execute(_PUT_ENTRY, self._entry(row, revision, at))
        execute(_INSERT_VERSION, self._version(row, revision, at))
        execute("COMMIT")
        self._revision, self._sizes[key] = revision, size
        return revision

    def get(self, key: str) -> object:
        """As :meth:`Side.get`."""
        (row,) = self._cursor.execute(_GET, (self._stream, SCOPE, key)).fetchall()
        return row, orjson.loads(row[2])

    def batch(self, items: Sequence[Item]) -> object:
        """As :meth:`Side.batch`."""
        now, request_id = datetime.now(UTC), self._encoder.request_id()
        rows = [self._encoder.row(item, now, request_id) for item in items]
        growth = sum(len(row.value) - self._sizes[row.key] for row in rows)
        revision = self._revision + len(rows)
        self._cursor.execute("BEGIN IMMEDIATE")
        head = (revision, growth, microseconds(now), self._stream, self._revision)
        if self._cursor.execute(_MOVE_HEAD, head).rowcount == 0:
            raise Conflict
        self._insert(rows, now)
        self._cursor.execute("COMMIT")
        self._revision = revision
        self._sizes.update((row.key, len(row.value)) for row in rows)
        return revision

    def _insert(self, rows: Sequence[Row], now: datetime) -> None:
        at, many = microseconds(now), self._cursor.executemany
        numbered = list(enumerate(rows, self._revision + 1))
        many(_INSERT_EVENT, [(self._stream, revision, TOPIC, row.state) for revision, row in numbered])
        many(_PUT_ENTRY, [self._entry(row, revision, at) for revision, row in numbered])
        many(_INSERT_VERSION, [self._version(row, revision, at) for revision, row in numbered])

    def _entry(self, row: Row, revision: int, at: int) -> tuple[Any, ...]:
        size = len(row.value)
        return (self._stream, SCOPE, row.key, row.value, size, revision, revision, at, at, None, ACTOR, RUN)

    def _version(self, row: Row, revision: int, at: int) -> tuple[Any, ...]:
        return (self._stream, SCOPE, row.key, revision, "set", len(row.value), at, None, ACTOR, RUN)

    def forget(self) -> None:
        """As :meth:`Side.forget`."""
        self._sizes.clear()

    def close(self) -> None:
        """As :meth:`Side.close`."""
        self._connection.close()
