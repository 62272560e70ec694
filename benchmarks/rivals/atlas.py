"""The upsert of ATLAS's key-value store, by SQLAlchemy Core.

Each set is one transaction that clears expired rows, reads the key's size, sums its namespace for the quota and
upserts; each get is one that clears expired rows and reads. The quota here is never reached.
"""

from __future__ import annotations

import json
import time
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from benchmarks.workload import PARTITION
from keyledger.domain.values import JSONValue

_QUOTA_BYTES = 1 << 40


class QuotaExceeded(Exception):  # noqa: N818 - it is what the upsert would refuse with, and never does here
    """The namespace would hold more than its quota."""


class Atlas:
    """A table of one row a key on either engine."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        on_postgres = self._engine.dialect.name == "postgresql"
        if not on_postgres:
            event.listen(self._engine, "connect", _durable)
        self._insert: Any = postgres_insert if on_postgres else sqlite_insert
        self._table = Table(
            "kv_entries",
            MetaData(),
            Column("namespace", String, primary_key=True),
            Column("key", String, primary_key=True),
            Column("value", JSONB if on_postgres else JSON, nullable=False),
            Column("expires_at", Float, index=True),
            Column("size_bytes", Integer, nullable=False),
        )
        self._table.metadata.create_all(self._engine)

    def set(self, key: str, value: JSONValue) -> object:
        """As :meth:`Store.set`."""
        size, columns = len(json.dumps(value, separators=(",", ":")).encode()), self._table.c
        with self._engine.begin() as connection:
            self._clear_expired(connection)
            of_namespace = columns.namespace == PARTITION
            of_key = select(columns.size_bytes).where(of_namespace, columns.key == key)
            of_all = select(func.coalesce(func.sum(columns.size_bytes), 0)).where(of_namespace)
            before = connection.execute(of_key).scalar_one_or_none() or 0
            used = connection.execute(of_all).scalar_one()
            if used - before + size > _QUOTA_BYTES:
                raise QuotaExceeded
            changed = {"value": value, "expires_at": None, "size_bytes": size}
            statement = self._insert(self._table).values(namespace=PARTITION, key=key, **changed)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[columns.namespace, columns.key], set_=changed)
            )
        return changed

    def get(self, key: str) -> object:
        """As :meth:`Store.get`."""
        columns = self._table.c
        found = select(columns.value, columns.expires_at).where(columns.namespace == PARTITION, columns.key == key)
        with self._engine.begin() as connection:
            self._clear_expired(connection)
            return connection.execute(found).one().value

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._engine.dispose()

    def _clear_expired(self, connection: Connection) -> None:
        connection.execute(delete(self._table).where(self._table.c.expires_at <= time.time()))


def _durable(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
