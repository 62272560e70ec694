"""A schema of a PostgreSQL database: brought up to date, and cursors on it whose errors are translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, NoReturn

import psycopg
from eventsourcing.persistence import IntegrityError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection, Cursor, errors, sql
from psycopg.rows import DictRow

from keyledger.adapters.postgres.connections import Connections, told
from keyledger.adapters.postgres.schema import VERSION_TABLE
from keyledger.adapters.postgres.statements import MIGRATIONS
from keyledger.domain.errors import (
    InvalidArgumentError,
    LedgerBusyError,
    NewerLedgerError,
    StorageError,
    StorageUnavailableError,
)
from keyledger.domain.ports import HeadMovedError

_MOST_IDENTIFIER_BYTES = 63
_MIGRATION_LOCK = 0x6B65796C  # "keyl": one number for all who migrate, so that first starts do not race


class ConnectionLostError(StorageUnavailableError):
    """The connection broke while a statement was under way: its outcome is unknown."""


class Datastore(PostgresDatastore):
    """The library's datastore, on connections of our own or of a host's pool."""

    def __init__(self, connections: Connections, *, schema: str, create: bool) -> None:
        if len(schema.encode()) > _MOST_IDENTIFIER_BYTES:
            raise InvalidArgumentError("schema", schema, f"a name of at most {_MOST_IDENTIFIER_BYTES} UTF-8 bytes")
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        self.connections = connections
        self._migrate(create=create)

    def reset(self) -> None:
        """Start without connections. Those inherited by fork() are kept aside, as closing them is not ours."""
        self.connections.reset()

    def own_connection(self) -> Connection[Any]:
        """A connection beside the pool, for whoever asks, to use and to close; it notices a peer that is gone."""
        return self.connections.own()

    def register_type_adapters(self) -> None:
        """The library's composite types are not used here."""

    def _migrate(self, *, create: bool) -> None:
        """Bring the schema up to date, one process at a time; where it is, ask for no right to change it."""
        with self.connections.first() as connection, connection.transaction():
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
                connection.execute(script, prepare=False)  # which takes many statements in one
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
        return _Borrowed(self.connections)

    @contextmanager
    def begun(self) -> Iterator[Cursor[Any]]:
        """As :meth:`cursor`, in a transaction that the block ends; on another connection if an idle one broke."""
        try:
            borrowed, cursor = self._begin()
        except ConnectionLostError:
            self.drop_idle()
            borrowed, cursor = self._begin()
        with ExitStack() as stack:
            stack.push(borrowed)
            yield cursor

    def _begin(self) -> tuple[_Borrowed, Cursor[Any]]:
        borrowed = self.cursor()
        cursor = borrowed.__enter__()
        try:
            cursor.execute("BEGIN")
        except psycopg.Error as error:
            borrowed.__exit__(type(error), error, error.__traceback__)
            raise
        return borrowed, cursor

    @contextmanager
    def get_connection(self) -> Iterator[Connection[DictRow]]:
        """For the library's own methods: the connection behind a cursor."""
        with self.cursor() as cursor:
            yield cursor.connection

    def drop_idle(self) -> None:
        """Let the pool close what is broken among the idle: where one broke, others did."""
        self.connections.drop_idle()

    def close(self) -> None:
        """Close every connection of ours; those in use, when they are given back."""
        connections = getattr(self, "connections", None)
        if connections is not None:
            connections.close()


class _Borrowed:
    """A borrowed cursor as a context manager; a class, as a generator costs more than it does."""

    __slots__ = ("_connections", "_cursor")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __enter__(self) -> Cursor[Any]:
        self._cursor = self._connections.take()
        return self._cursor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lost = self._cursor.connection.closed
        self._connections.give_back(self._cursor)
        if isinstance(error, psycopg.Error):
            raise_translated(error, lost=lost)


def raise_translated(error: Exception, *, lost: bool) -> NoReturn:
    """Raise the error of ours, or for the library of its own, that a driver's error means."""
    if isinstance(error, errors.IntegrityError):
        raise IntegrityError(str(error)) from error
    if isinstance(error, errors.LockNotAvailable):
        raise LedgerBusyError("another held the lock for too long; try again") from error
    if lost:
        raise ConnectionLostError(f"the connection to the server broke: {told(error)}") from error
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        raise StorageUnavailableError(told(error)) from error
    raise StorageError(f"the database refused: {told(error)}") from error


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


@contextmanager
def committing(datastore: Datastore, cursor: Cursor[Any]) -> Iterator[None]:
    """Commit the cursor's transaction after the block; errors of either as in :func:`lost_as_moved`."""
    with lost_as_moved(datastore):
        try:
            yield
            cursor.connection.commit()
        except psycopg.Error as error:
            raise_translated(error, lost=cursor.connection.closed)
