"""Connections to one SQLite file: one that writes, as many as are needed that read.

Writers of one process take turns at a lock, which is fairer and cheaper than SQLite's busy loop; writers of
several processes meet at BEGIN IMMEDIATE. A transaction that would read first and write later fails under a
plain BEGIN as soon as someone else has written (SQLITE_BUSY_SNAPSHOT), so no write begins like that.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from eventsourcing.persistence import IntegrityError
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore

from keyledger.adapters.sqlite.statements import MIGRATIONS
from keyledger.domain.errors import (
    LedgerBusyError,
    LedgerClosedError,
    NewerLedgerError,
    StorageError,
    StorageUnavailableError,
)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0002, 0.003
"""Seconds between two looks at another process's lock; they double."""

_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Datastore(SQLiteDatastore):
    """The library's datastore on connections of our own."""

    def __init__(self, path: str, lock_timeout: float, synchronous: str) -> None:
        super().__init__(path, originator_id_type="text")
        self._path, self._lock_timeout, self._synchronous = path, lock_timeout, synchronous
        self._inherited: list[object] = []
        self.reset()
        self._migrate()

    def reset(self) -> None:
        """Start without connections. Those inherited by fork() are kept aside, as closing them is not ours."""
        self._inherited += [getattr(self, "_readers", None), getattr(self, "_writer", None)]
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer: sqlite3.Connection | None = None
        self.turn = Lock()
        self._closed = self._held = False

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=128,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        return connection

    def _migrate(self) -> None:
        with self.writing() as cursor:
            (version,) = cursor.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise NewerLedgerError(f"schema version {version} of {self._path!r}")
            for number, script in enumerate(MIGRATIONS[version:], version + 1):
                for statement in script.split(";\n"):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA user_version = {number}")

    def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of one read, which sees all that was committed before it."""
        connection = self._take_reader()
        try:
            return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._give_back(connection)

    def fetch_as_writer(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """As :meth:`fetch`, before a write: a reader has to read anew whatever it reads after each write.

        Where somebody is writing, a reader all the same: no read waits for a write.
        """
        if not self.turn.acquire(blocking=False):
            return self.fetch(statement, parameters)
        try:
            return self.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self.turn.release()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose reads, while the block lasts, all see one moment."""
        connection = self._take_reader()
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            connection.rollback()
            self._give_back(connection)

    def writing(self) -> _Writing:
        """A context manager: a cursor in a transaction that holds the file's write lock.

        Committed if the block ends well and has not ended the transaction itself; rolled back otherwise.
        """
        return _Writing(self)

    def _take_reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return self.new_connection()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._readers.append(connection)
        if self._closed:
            self._close_readers()

    def hold(self) -> None:
        """Take the turn of this process's writers, unless the caller is one of them."""
        self._held = self.turn.acquire(timeout=self._lock_timeout)

    def release(self) -> None:
        """Give back what :meth:`hold` took."""
        if self._held:
            self.turn.release()

    @property
    def opened_writer(self) -> sqlite3.Connection | None:
        """The connection that writes, if there is one yet."""
        return self._writer

    def writer(self) -> sqlite3.Connection:
        """The connection that writes; for who holds the turn."""
        if self._writer is None:
            self._writer = self.new_connection()
            self._writer.execute("PRAGMA busy_timeout = 0")
        return self._writer

    def execute(self, statement: str, parameters: dict[str, Any] | tuple[()] = ()) -> sqlite3.Cursor:
        """Execute, for who holds the turn, on the connection that writes, once no other process is in the way.

        SQLite's own wait sleeps for up to 100 ms between two looks, which is what several writers would do most.
        """
        connection, pause, deadline = self.writer(), _FIRST_PAUSE, monotonic() + self._lock_timeout
        while True:
            try:
                return connection.execute(statement, parameters)
            except sqlite3.OperationalError as error:
                if not is_busy(error) or monotonic() >= deadline:
                    raise
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """For the library's own methods: its cursor, with rows by column name."""
        if commit:
            with self.writing() as cursor:
                yield SQLiteCursor(cursor)
        else:
            connection = self._take_reader()
            cursor = connection.cursor()
            cursor.row_factory = sqlite3.Row
            try:
                yield SQLiteCursor(cursor)
            finally:
                cursor.close()
                self._give_back(connection)

    def new_connection(self) -> sqlite3.Connection:
        """A connection for whoever asks, to use and to close; LedgerClosedError after :meth:`close`."""
        if self._closed:
            raise LedgerClosedError
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise translated(error, f"cannot open {self._path!r}: ") from error

    def close(self) -> None:
        """Close every connection that is not in use; those that are, when they are given back."""
        self._closed = True
        self._close_readers()
        with self.turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()


class _Writing:
    """A write transaction as a context manager; a class, as a generator costs more than its BEGIN."""

    __slots__ = ("_connection", "_datastore")

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def __enter__(self) -> sqlite3.Cursor:
        self._datastore.turn.acquire()
        try:
            self._connection = self._datastore.writer()
            return self._datastore.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            writer = self._datastore.opened_writer
            if writer is not None and writer.in_transaction:  # interrupted just after it began
                writer.rollback()
            self._datastore.turn.release()
            if isinstance(error, sqlite3.Error):
                raise translated(error) from error
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection = self._connection
        try:
            if kind is None and connection.in_transaction:
                connection.execute("COMMIT")
        except sqlite3.Error as failure:
            raise translated(failure) from failure
        finally:
            if connection.in_transaction:
                connection.rollback()
            self._datastore.turn.release()
        if isinstance(error, sqlite3.Error):
            raise translated(error) from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else's lock is in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY_CODES


def translated(error: sqlite3.Error, context: str = "") -> StorageError | IntegrityError:
    """The error of ours, or for the library of its own, that a driver's error means."""
    if isinstance(error, sqlite3.IntegrityError):
        return IntegrityError(error)
    if is_busy(error):
        return LedgerBusyError(f"{context}the file is locked by another process's write; try again")
    return StorageUnavailableError(f"{context}{error}")
