"""The limit on PostgreSQL: one connection on autocommit, one prepared statement and round trip a write.

For a batch, measured on PostgreSQL 18 with psycopg 3.3 for 100 sets: arrays in binary through unnest 2.2 ms, one
jsonb parameter 2.3 ms, one json parameter 2.8 ms, arrays as text 3.4 ms, executemany in a pipeline 5.5 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from psycopg import RawCursor, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.sides import Conflict
from benchmarks.workload import ACTOR, PARTITION, RUN, SCOPE, TOPIC, Encoder, Item, Row, chunks, stream
from keyledger.domain.values import JSONValue

_PUT = """
    ON CONFLICT (partition_id, scope, key) DO UPDATE SET
        value = excluded.value,
        size = excluded.size,
        revision = excluded.revision,
        updated_at = excluded.updated_at,
        expires_at = excluded.expires_at,
        changed_by = excluded.changed_by,
        run_id = excluded.run_id
"""
_ENTRY = """current_value (
    partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at, expires_at,
    changed_by, run_id
)"""
_VERSION = """key_history (
    partition_id, scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id
)"""
_EVENT = "stored_events (originator_id, originator_version, topic, state)"

# $1 stream, $2 expected, $3 revision, $4 now, $5 topic, $6 state, $7 scope, $8 key, $9 value, $10 size,
# $11 expires_at, $12 changed_by, $13 run_id, $14 operation, $15 the size before
_SET = f"""
head AS (
    UPDATE partition_head SET
        revision = $3,
        used_bytes = used_bytes + $10 - {{old_size}},
        live_keys = live_keys + {{new_keys}},
        last_recorded_at = $4
    WHERE partition_id = $1 AND revision = $2
    RETURNING partition_id
),
event AS (
    INSERT INTO {_EVENT}
    SELECT partition_id, $3, $5, $6 FROM head
),
entry AS (
    INSERT INTO {_ENTRY}
    SELECT partition_id, $7, $8, $9, $10, $3, $3, $4, $4, $11, $12, $13 FROM head
    {_PUT}
),
version AS (
    INSERT INTO {_VERSION}
    SELECT partition_id, $7, $8, $3, $14, $10, $4, $11, $12, $13 FROM head
)
SELECT count(*) FROM head
"""
SET_KNOWN = "WITH" + _SET.format(old_size="$15", new_keys="0")
_SET_COLD = """
WITH old AS (
    SELECT size FROM current_value WHERE partition_id = $1 AND scope = $7 AND key = $8
),""" + _SET.format(old_size="coalesce((SELECT size FROM old), 0)", new_keys="1 - (SELECT count(*) FROM old)")

_BATCH = f"""
WITH head AS (
    UPDATE partition_head SET
        revision = %(revision)s,
        used_bytes = used_bytes + %(growth)s,
        last_recorded_at = %(now)s
    WHERE partition_id = %(stream)s AND revision = %(expected)s
    RETURNING partition_id
),
rows AS (
    SELECT head.partition_id, %(expected)s::bigint + number AS revision, key, value, state
    FROM head, unnest(%(keys)b::text[], %(values)b::bytea[], %(states)b::bytea[])
        WITH ORDINALITY AS row (key, value, state, number)
),
events AS (
    INSERT INTO {_EVENT}
    SELECT partition_id, revision, %(topic)s, state FROM rows
),
entries AS (
    INSERT INTO {_ENTRY}
    SELECT partition_id, %(scope)s, key, value, octet_length(value), revision, revision, %(now)s, %(now)s, NULL,
        %(actor)s, %(run)s
    FROM rows
    {_PUT}
),
versions AS (
    INSERT INTO {_VERSION}
    SELECT partition_id, %(scope)s, key, revision, 'set', octet_length(value), %(now)s, NULL, %(actor)s, %(run)s
    FROM rows
)
SELECT count(*) FROM head
"""
GET = """
SELECT scope, key, value, revision, create_revision, created_at, updated_at, expires_at, changed_by, run_id
FROM current_value WHERE partition_id = $1 AND scope = $2 AND key = $3
"""


_LOADING = "CREATE TEMPORARY TABLE loading (LIKE current_value) ON COMMIT DROP"
_PUT_LOADED = f"INSERT INTO {_ENTRY} SELECT * FROM loading {_PUT}"
_HEAD = """
INSERT INTO partition_head (
    partition_id, revision, used_bytes, live_keys, last_recorded_at, deleted, leases, lease_version
)
SELECT partition_id, %s, sum(size), count(*), %s, false, '[]', 0 FROM current_value WHERE partition_id = %s
GROUP BY partition_id
"""
_REVISION = "SELECT revision FROM partition_head WHERE partition_id = %s"


class HandWrittenPostgres:
    """The same rows as keyledger's, in tables that stand, by the least SQL that keeps them right."""

    def __init__(self, url: str, partition: str = PARTITION) -> None:
        options = f"{conninfo_to_dict(url).get('options') or ''} -c timezone=UTC"
        self._connection = psycopg.connect(make_conninfo(url, options=options), autocommit=True)
        self._cursor, self._encoder, self._stream = self._connection.cursor(), Encoder(), stream(partition)
        self._writing, self._reading = RawCursor(self._connection), RawCursor(self._connection)
        self._reading.format = pq.Format.BINARY
        head = self._cursor.execute(_REVISION, (self._stream,)).fetchone()
        self._revision: int = head[0] if head else 0
        self._sizes: dict[str, int] = {}

    def load(self, items: Iterable[Item]) -> None:
        """As :meth:`HandWritten.load`: by COPY."""
        now = datetime.now(UTC)
        with self._connection.transaction():
            self._cursor.execute(_LOADING)
            for some in chunks(items):
                rows = [self._encoder.row(item, now, self._encoder.request_id()) for item in some]
                self._load(list(enumerate(rows, self._revision + 1)), now)
                self._revision += len(some)
            self._cursor.execute(_HEAD, (self._revision, now, self._stream))

    def _load(self, numbered: Sequence[tuple[int, Row]], now: datetime) -> None:
        self._copy(_EVENT, [(self._stream, revision, TOPIC, row.state) for revision, row in numbered])
        versions = [
            (self._stream, SCOPE, row.key, revision, "set", len(row.value), now, None, ACTOR, RUN)
            for revision, row in numbered
        ]
        self._copy(_VERSION, versions)
        created: dict[str, int] = {}
        for revision, row in numbered:
            created.setdefault(row.key, revision)
        entries = [
            (
                self._stream,
                SCOPE,
                key,
                row.value,
                len(row.value),
                revision,
                created[key],
                now,
                now,
                None,
                ACTOR,
                RUN,
            )
            for key, (revision, row) in {row.key: (revision, row) for revision, row in numbered}.items()
        ]
        self._copy("loading", entries)
        self._cursor.execute(_PUT_LOADED.encode())
        self._cursor.execute("TRUNCATE loading")

    def _copy(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Side.set`."""
        now, revision = datetime.now(UTC), self._revision + 1
        row = self._encoder.row((key, value), now, self._encoder.request_id())
        old_size, size = self._sizes.get(key), len(row.value)
        parameters = [self._stream, self._revision, revision, now, TOPIC, row.state, SCOPE, key, row.value, size]
        parameters += [None, ACTOR, RUN, "set"]
        if old_size is None:
            found = self._writing.execute(_SET_COLD, parameters, prepare=True).fetchall()
        else:
            found = self._writing.execute(SET_KNOWN, [*parameters, old_size], prepare=True).fetchall()
        if found != [(1,)]:
            raise Conflict
        self._revision, self._sizes[key] = revision, size
        return revision

    def get(self, key: str) -> object:
        """As :meth:`Side.get`."""
        (row,) = self._reading.execute(GET, (self._stream, SCOPE, key), prepare=True).fetchall()
        return row, orjson.loads(row[2])

    def batch(self, items: Sequence[Item]) -> object:
        """As :meth:`Side.batch`."""
        now, request_id = datetime.now(UTC), self._encoder.request_id()
        rows = [self._encoder.row(item, now, request_id) for item in items]
        revision = self._revision + len(rows)
        parameters = {
            "stream": self._stream,
            "expected": self._revision,
            "revision": revision,
            "growth": sum(len(row.value) - self._sizes[row.key] for row in rows),
            "now": now,
            "topic": TOPIC,
            "scope": SCOPE,
            "actor": ACTOR,
            "run": RUN,
            "keys": [row.key for row in rows],
            "values": [row.value for row in rows],
            "states": [row.state for row in rows],
        }
        found = self._cursor.execute(_BATCH.encode(), parameters, prepare=True).fetchall()
        if found != [(1,)]:
            raise Conflict
        self._revision = revision
        self._sizes.update((row.key, len(row.value)) for row in rows)
        return revision

    def forget(self) -> None:
        """As :meth:`Side.forget`."""
        self._sizes.clear()

    def close(self) -> None:
        """As :meth:`Side.close`."""
        self._connection.close()
