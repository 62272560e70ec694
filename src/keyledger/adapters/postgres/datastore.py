"""Connections to PostgreSQL from a pool, each on autocommit, in UTC, with the ledger's schema to search."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NoReturn

import psycopg
from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection, Cursor, errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from keyledger.adapters.postgres.schema import VERSION_TABLE
from keyledger.adapters.postgres.statements import MIGRATIONS
from keyledger.domain.errors import (
    InvalidArgumentError,
    LedgerBusyError,
    LedgerClosedError,
    NewerLedgerError,
    StorageError,
    StorageUnavailableError,
)
from keyledger.domain.ports import HeadMovedError

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for a connection before the server counts as unavailable."""

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_MOST_IDENTIFIER_BYTES = 63
_ISOLATION = r"-c default_transaction_isolation=read\ committed"
_NOTICING = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000}
"""Seconds, and milliseconds: for a connection that may wait for hours to be told something."""

_MIGRATION_LOCK = 0x6B65796C  # "keyl": one number for all who migrate, so that first starts do not race


class ConnectionLostError(StorageUnavailableError):
    """The connection broke while a statement was under way: its outcome is unknown."""


class Datastore(PostgresDatastore):
    """The library's datastore on a pool of our own."""

    def __init__(self, url: str, *, schema: str, pool_size: int, lock_timeout: float, create: bool) -> None:
        if len(schema.encode()) > _MOST_IDENTIFIER_BYTES:
            raise InvalidArgumentError("schema", schema, f"a name of at most {_MOST_IDENTIFIER_BYTES} UTF-8 bytes")
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        try:
            options = psycopg.conninfo.conninfo_to_dict(url).get("options") or ""
            settings = f"-c timezone=UTC -c lock_timeout={ceil(lock_timeout * 1000)} {_ISOLATION}"
            self._conninfo = make_conninfo(url, options=f"{options} {settings}".strip())
        except psycopg.ProgrammingError as error:
            reason = str(error).strip()
            raise InvalidArgumentError("url", "…", f"a PostgreSQL connection URL ({reason})") from None
        self._pool_size = pool_size
        self._inherited: list[object] = []
        self.reset()
        self._migrate(create=create)

    def reset(self) -> None:
        """Start without connections. Those inherited by fork() are kept aside, as closing them is not ours."""
        self._inherited += [self.pool, getattr(self, "_idle", None)]
        self.pool = ConnectionPool(  # type: ignore[assignment]
            self._conninfo,
            connection_class=Connection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=0,
            max_size=self._pool_size,
            timeout=CONNECT_TIMEOUT,
            configure=self._configure,
            open=False,
        )
        self._idle: deque[Cursor[Any]] = deque()
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(self._pool_size):
            self._permits.put(None)
        self._closed = False

    def _configure(self, connection: Connection[Any]) -> None:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))

    @contextmanager
    def _connect(self) -> Iterator[Connection[DictRow]]:
        """A connection beside the pool, which says at once, and why, that there is none to be had."""
        try:
            timeout = int(CONNECT_TIMEOUT)
            connection = Connection.connect(self._conninfo, row_factory=dict_row, connect_timeout=timeout)
            with connection:
                yield connection
        except psycopg.Error as error:
            raise StorageUnavailableError(_told(error)) from error

    def own_connection(self) -> Connection[Any]:
        """A connection beside the pool, for whoever asks, to use and to close; it notices a peer that is gone."""
        if self._closed:
            raise LedgerClosedError
        conninfo = make_conninfo(self._conninfo, connect_timeout=int(CONNECT_TIMEOUT), **_NOTICING)
        connection = Connection.connect(conninfo, autocommit=True)
        self._configure(connection)
        return connection

    def register_type_adapters(self) -> None:
        """The library's composite types are not used here."""

    def _migrate(self, *, create: bool) -> None:
        """Bring the schema up to date, one process at a time; where it is, ask for no right to change it."""
        with self._connect() as connection, connection.transaction():
            self._configure(connection)
            version = self._version(connection)
            if version == len(MIGRATIONS):
                return
            if version == 0 and not create:
                raise StorageUnavailableError(
                    f"there is no ledger in schema {self.schema!r}; a first write makes one"
                )
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            self._create_schema(connection)
            connection.execute(VERSION_TABLE)
            version = self._version(connection)
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                connection.execute(script)
                connection.execute("INSERT INTO keyledger_schema (version) VALUES (%s)", (number,))

    def _create_schema(self, connection: Connection[DictRow]) -> None:
        """Only where it is missing: IF NOT EXISTS would ask for the right to create it all the same."""
        name = sql.Identifier(self.schema)
        row = connection.execute("SELECT to_regnamespace(%s) IS NULL AS missing", (name.as_string(),)).fetchone()
        if row and row["missing"]:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))

    def _version(self, connection: Connection[DictRow]) -> int:
        table = f"{sql.Identifier(self.schema).as_string()}.keyledger_schema"
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL AS exists", (table,)).fetchone()
        if not (row and row["exists"]):
            return 0
        row = connection.execute("SELECT coalesce(max(version), 0) AS version FROM keyledger_schema").fetchone()
        version = int(row["version"]) if row else 0
        if version > len(MIGRATIONS):
            raise NewerLedgerError(f"schema version {version} of {self.schema!r}")
        return version

    def cursor(self) -> _Borrowed:  # type: ignore[override]
        """A context manager: a cursor for tuples, of a connection that nobody else has meanwhile.

        Errors come out as ours or the library's; a transaction that the block leaves open is rolled back.
        """
        return _Borrowed(self)

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """For the library's own methods: the connection behind a cursor."""
        with self.cursor() as cursor:
            yield cursor.connection

    def take(self) -> Cursor[Any]:
        """An idle cursor, or one of a new connection; there are never more than the pool's size at work.

        The pool is not asked for what lies idle here: that would cost a sixth of a read's round trip.
        """
        if self._closed:
            raise LedgerClosedError
        try:
            self._permits.get(timeout=CONNECT_TIMEOUT)
        except Empty:
            raise StorageUnavailableError(
                f"all {self._pool_size} connections were busy for {CONNECT_TIMEOUT:g} s; raise pool_size"
            ) from None
        try:
            return self._idle_or_new()
        except BaseException:
            self._permits.put(None)
            raise

    def _idle_or_new(self) -> Cursor[Any]:
        with suppress(IndexError):
            return self._idle.pop()
        try:
            self.pool.open()
            return self.pool.getconn().cursor(row_factory=tuple_row)
        except (psycopg.Error, PoolTimeout) as error:
            if self._closed:
                raise LedgerClosedError from error
            raise StorageUnavailableError(f"no connection to the server: {_told(error)}") from error

    def give_back(self, cursor: Cursor[Any]) -> None:
        """Let others have the cursor; one that was left in the middle of something is not worth saving."""
        connection = cursor.connection
        try:
            if connection.pgconn.transaction_status in _IN_TRANSACTION:
                connection.rollback()
        except psycopg.Error:
            connection.close()
        finally:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE and not self._closed:
                self._idle.append(cursor)
            else:
                connection.close()
                self.pool.putconn(connection)
            self._permits.put(None)

    def drop_idle(self) -> None:
        """Let the pool close what is broken among the idle: where one broke, others did."""
        self._hand_over_idle()
        self.pool.check()

    def _hand_over_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self.pool.putconn(self._idle.pop().connection)

    def close(self) -> None:
        """Close every connection; those in use, when they are given back."""
        if getattr(self, "_inherited", None):
            self._closed = True
            self._hand_over_idle()
            self.pool.close()


class _Borrowed:
    """A borrowed cursor as a context manager; a class, as a generator costs more than it does."""

    __slots__ = ("_cursor", "_datastore")

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def __enter__(self) -> Cursor[Any]:
        self._cursor = self._datastore.take()
        return self._cursor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lost = self._cursor.connection.closed
        self._datastore.give_back(self._cursor)
        if isinstance(error, psycopg.Error):
            raise_translated(error, lost=lost)


def raise_translated(error: Exception, *, lost: bool) -> NoReturn:
    """Raise the error of ours, or for the library of its own, that a driver's error means."""
    if isinstance(error, errors.IntegrityError):
        raise IntegrityError(str(error)) from error
    if isinstance(error, errors.LockNotAvailable):
        raise LedgerBusyError("another held the lock for too long; try again") from error
    if lost:
        raise ConnectionLostError(f"the connection to the server broke: {_told(error)}") from error
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        raise StorageUnavailableError(_told(error)) from error
    raise StorageError(f"the database refused: {_told(error)}") from error


def _told(error: Exception) -> str:
    """What a driver says, on one line."""
    return " ".join(str(error).split())


@contextmanager
def lost_as_moved(datastore: Datastore) -> Iterator[None]:
    """A conflict, or a commit whose outcome the broken connection did not tell: the caller finds out."""
    try:
        yield
    except IntegrityError as error:
        raise HeadMovedError from error
    except ConnectionLostError as error:
        with suppress(StorageError):
            datastore.drop_idle()
        raise HeadMovedError(unknown=True) from error
