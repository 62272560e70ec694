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

_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Datastore(SQLiteDatastore):
    """The library's datastore on connections of our own."""

    def __init__(self, path: str, lock_timeout: float) -> None:
        super().__init__(path, originator_id_type="text")
        self._path, self._lock_timeout = path, lock_timeout
        self._inherited: list[object] = []
        self.reset()
        self._migrate()

    def reset(self) -> None:
        """Start without connections. Those inherited by fork() are kept aside, as closing them is not ours."""
        self._inherited += [getattr(self, "_readers", None), getattr(self, "_writer", None)]
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer: sqlite3.Connection | None = None
        self._turn = Lock()
        self._closed = False

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=128,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
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

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one read statement, which sees all that was committed before it."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._open()
        try:
            yield connection
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._readers.append(connection)
            if self._closed:
                self._close_readers()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Cursor]:
        """A cursor in a transaction that holds the file's write lock, committed if the block ends well."""
        with self._turn:
            if self._writer is None:
                self._writer = self._open()
            cursor = self._writer.cursor()
            try:
                cursor.execute("BEGIN IMMEDIATE")
                yield cursor
                if self._writer.in_transaction:
                    cursor.execute("COMMIT")
            except sqlite3.Error as error:
                raise translated(error) from error
            finally:
                if self._writer.in_transaction:
                    self._writer.rollback()
                cursor.close()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """For the library's own methods: its cursor, with rows by column name."""
        if commit:
            with self.writing() as cursor:
                yield SQLiteCursor(cursor)
        else:
            with self.reading() as connection:
                cursor = connection.cursor()
                cursor.row_factory = sqlite3.Row
                yield SQLiteCursor(cursor)
                cursor.close()

    def _open(self) -> sqlite3.Connection:
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
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()


def translated(error: sqlite3.Error, context: str = "") -> StorageError | IntegrityError:
    """The error of ours, or for the library of its own, that a driver's error means."""
    if isinstance(error, sqlite3.IntegrityError):
        return IntegrityError(error)
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY_CODES:
        return LedgerBusyError(f"{context}the file is locked by another process's write; try again")
    return StorageUnavailableError(f"{context}{error}")
