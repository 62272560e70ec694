"""Connections to PostgreSQL from a pool, each on autocommit, in UTC, with the ledger's schema to search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg
from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection, errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from keyledger.adapters.postgres.statements import MIGRATIONS
from keyledger.domain.errors import (
    InvalidArgumentError,
    LedgerBusyError,
    LedgerClosedError,
    NewerLedgerError,
    StorageUnavailableError,
)

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection before the server counts as unavailable."""

_MIGRATION_LOCK = 0x6B65796C  # "keyl": one number for all who migrate, so that first starts do not race


class ConnectionLostError(StorageUnavailableError):
    """The connection broke while a statement was under way: its outcome is unknown."""


class Datastore(PostgresDatastore):
    """The library's datastore on a pool of our own."""

    def __init__(self, url: str, *, schema: str, pool_size: int, lock_timeout: float) -> None:
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        try:
            options = psycopg.conninfo.conninfo_to_dict(url).get("options") or ""
            self._conninfo = make_conninfo(
                url, options=f"{options} -c timezone=UTC -c lock_timeout={int(lock_timeout * 1000)}".strip()
            )
        except psycopg.ProgrammingError as error:
            raise InvalidArgumentError("url", url, f"a PostgreSQL connection URL ({error})") from None
        self._pool_size = pool_size
        self._inherited: list[object] = []
        self.reset()
        self._migrate()

    def reset(self) -> None:
        """Start with a new pool; one inherited by fork() is kept aside, as its connections are the parent's."""
        self._inherited.append(self.pool)
        self.pool = ConnectionPool(  # type: ignore[assignment]
            self._conninfo,
            connection_class=Connection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=1,
            max_size=self._pool_size,
            timeout=CONNECT_TIMEOUT,
            configure=self._configure,
            open=False,
        )
        self._opened = False

    def _configure(self, connection: Connection[Any]) -> None:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))

    @contextmanager
    def _connect(self) -> Iterator[Connection[DictRow]]:
        """A connection beside the pool, which says at once, and why, that there is none to be had."""
        try:
            timeout = int(CONNECT_TIMEOUT)
            connection = Connection.connect(self._conninfo, row_factory=dict_row, connect_timeout=timeout)
        except psycopg.Error as error:
            raise StorageUnavailableError(str(error).strip()) from error
        with connection:
            yield connection

    def register_type_adapters(self) -> None:
        """The library's composite types are not used here."""

    def _migrate(self) -> None:
        with self._connect() as connection, connection.transaction():
            self._configure(connection)
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
            connection.execute("CREATE TABLE IF NOT EXISTS keyledger_schema (version integer PRIMARY KEY)")
            row = connection.execute(
                "SELECT coalesce(max(version), 0) AS version FROM keyledger_schema"
            ).fetchone()
            version = row["version"] if row else 0
            if version > len(MIGRATIONS):
                raise NewerLedgerError(f"schema version {version} of {self.schema!r}")
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                connection.execute(script)
                connection.execute("INSERT INTO keyledger_schema (version) VALUES (%s)", (number,))

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """A connection from the pool, for the time of the block; errors come out as ours or the library's."""
        connection = None
        try:
            if not self._opened:
                self.pool.open()
                self._opened = True
            connection = self.pool.getconn()
            yield connection
        except (psycopg.Error, PoolTimeout, PoolClosed) as error:
            raise_translated(error, lost=connection is not None and connection.closed)
        finally:
            if connection is not None:
                if connection.info.transaction_status and not connection.closed:
                    connection.rollback()
                self.pool.putconn(connection)

    def close(self) -> None:
        """Close the pool."""
        if getattr(self, "_inherited", None):
            self._opened = True
            self.pool.close()


def raise_translated(error: Exception, *, lost: bool) -> NoReturn:
    """Raise the error of ours, or for the library of its own, that a driver's error means."""
    if isinstance(error, PoolClosed):
        raise LedgerClosedError from error
    if isinstance(error, errors.IntegrityError):
        raise IntegrityError(str(error)) from error
    if isinstance(error, errors.LockNotAvailable):
        raise LedgerBusyError("another writer of this partition held it for too long; try again") from error
    if lost:
        raise ConnectionLostError(f"the connection to the server broke: {error}") from error
    raise StorageUnavailableError(str(error)) from error
