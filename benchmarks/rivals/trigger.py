"""A table of current values whose trigger copies each change into an audit table: one prepared statement a set."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import orjson
import psycopg
from psycopg import RawCursor, pq

from benchmarks.workload import ACTOR, PARTITION, RUN, SCOPE, microseconds
from keyledger.domain.values import JSONValue

_TABLES = """
CREATE TABLE kv (
    partition_id text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    value {blob} NOT NULL,
    changed_at {time} NOT NULL,
    changed_by text,
    run_id text,
    PRIMARY KEY (partition_id, scope, key)
);
CREATE TABLE kv_audit (
    {id},
    partition_id text NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    value {blob} NOT NULL,
    changed_at {time} NOT NULL,
    changed_by text,
    run_id text
);
CREATE INDEX kv_audit_key ON kv_audit (partition_id, scope, key, id);
"""
_COLUMNS = "partition_id, scope, key, value, changed_at, changed_by, run_id"
_NEW = ", ".join(f"new.{column}" for column in _COLUMNS.split(", "))
_COPY = f"INSERT INTO kv_audit ({_COLUMNS}) VALUES ({_NEW});"
_PUT = f"""
INSERT INTO kv ({_COLUMNS}) VALUES ({{parameters}})
ON CONFLICT (partition_id, scope, key) DO UPDATE SET
    value = excluded.value,
    changed_at = excluded.changed_at,
    changed_by = excluded.changed_by,
    run_id = excluded.run_id
"""
_GET = f"SELECT {_COLUMNS} FROM kv WHERE partition_id = {{}} AND scope = {{}} AND key = {{}}"


class TriggerSQLite:
    """On SQLite."""

    _TABLES = _TABLES.format(blob="BLOB", time="INTEGER", id="id INTEGER PRIMARY KEY")
    _TRIGGERS = "".join(
        f"CREATE TRIGGER kv_after_{event} AFTER {event} ON kv BEGIN {_COPY} END;" for event in ("INSERT", "UPDATE")
    )
    _PUT = _PUT.format(parameters="?, ?, ?, ?, ?, ?, ?")
    _GET = _GET.format("?", "?", "?")

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {self._TABLES} {self._TRIGGERS}"
        )
        self._cursor = self._connection.cursor()

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Store.set`."""
        at = microseconds(datetime.now(UTC))
        return self._cursor.execute(self._PUT, (PARTITION, SCOPE, key, orjson.dumps(value), at, ACTOR, RUN))

    def get(self, key: str) -> object:
        """As :meth:`Store.get`."""
        (row,) = self._cursor.execute(self._GET, (PARTITION, SCOPE, key)).fetchall()
        return orjson.loads(row[3])

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._connection.close()


class TriggerPostgres:
    """On PostgreSQL."""

    _TABLES = _TABLES.format(
        blob="bytea", time="timestamptz", id="id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    )
    _TRIGGER = f"""
    CREATE FUNCTION kv_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_COPY} RETURN NULL; END $$;
    CREATE TRIGGER kv_after AFTER INSERT OR UPDATE ON kv FOR EACH ROW EXECUTE FUNCTION kv_audit();
    """
    _PUT = _PUT.format(parameters="$1, $2, $3, $4, $5, $6, $7")
    _GET = _GET.format("$1", "$2", "$3")

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(self._TABLES.encode())
        self._connection.execute(self._TRIGGER.encode())
        self._writing, self._reading = RawCursor(self._connection), RawCursor(self._connection)
        self._reading.format = pq.Format.BINARY

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Store.set`."""
        parameters = (PARTITION, SCOPE, key, orjson.dumps(value), datetime.now(UTC), ACTOR, RUN)
        return self._writing.execute(self._PUT, parameters, prepare=True)

    def get(self, key: str) -> object:
        """As :meth:`Store.get`."""
        (row,) = self._reading.execute(self._GET, (PARTITION, SCOPE, key), prepare=True).fetchall()
        return orjson.loads(row[3])

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._connection.close()
