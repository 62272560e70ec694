"""The limit for the audit of runs: the least SQL that writes the same rows, and reads a page of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
import psycopg
from psycopg import RawCursor

from benchmarks.sides import Conflict
from benchmarks.workload import microseconds
from keyledger.adapters.sql.run_rows import RUN_COLUMNS
from keyledger.domain.values import JSONValue

STREAM = "run:bench"
TOPIC = "run.RunLogged"
SKILLS = 100
PAGE = 50
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)

_RUNS = f"runs (run_id, {', '.join(RUN_COLUMNS[1:])})"
_PAGE = f"""
SELECT run_id, {", ".join(RUN_COLUMNS[1:])} FROM runs
WHERE skill_id = {{0}} AND status <> 'dry_run' ORDER BY started_at DESC, run_id DESC LIMIT {PAGE}
"""
_HEAD = "UPDATE run_head SET revision = ?, last_recorded_at = ?, sequences = ? WHERE run_id = ? AND revision = ?"
_EVENT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"
# $1 stream, $2 expected, $3 revision, $4 now, $5 sequences, $6 topic, $7 state
_APPEND = """
WITH head AS (
    UPDATE run_head SET revision = $3, last_recorded_at = $4, sequences = $5
    WHERE run_id = $1 AND revision = $2
    RETURNING run_id
),
event AS (
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT run_id, $3, $6, $7 FROM head
)
SELECT count(*) FROM head
"""


class HandWrittenRuns(Protocol):
    """One run that is logged, and a table of many."""

    def load(self, lines: int) -> None:
        """Log so many lines, as fast as they get in, in a run that has been started."""

    def load_runs(self, runs: int) -> None:
        """Fill the table with finished runs of some skills."""

    def append(self, payload: JSONValue) -> object:
        """Log a line."""

    def page(self, skill_id: str) -> object:
        """The newest runs of a skill, their inputs as Python objects."""

    def close(self) -> None:
        """Release the connection."""


def log_state(sequence: int, payload: JSONValue, now: datetime) -> bytes:
    """The stored state of a log line, as keyledger writes it."""
    head = {
        "recorded_at": now,
        "request_id": f"by-hand-{sequence}",
        "schema_version": 1,
        "sequence": sequence,
        "event_type": "step",
    }
    return b'%b,"value":%b}' % (orjson.dumps(head)[:-1], orjson.dumps(payload))


def _lines(lines: int) -> Iterator[tuple[str, int, str, bytes]]:
    for sequence in range(1, lines + 1):
        yield STREAM, sequence + 1, TOPIC, log_state(sequence, {"n": sequence}, BEGUN)


def _finished(runs: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the table of runs, their times as datetimes; one of fifty is a dry run."""
    for number in range(runs):
        started = BEGUN + timedelta(seconds=number)
        names = (f"run:r-{number}", f"skill-{number % SKILLS}", "ada", "", "", f"r-{number}", 0)
        ended = (
            started + timedelta(seconds=9),
            "dry_run" if number % 50 == 3 else "ok",
            b"done",
            b"",
            2,
            9.0,
            7,
            5,
            0,
        )
        yield *names, started, None, b'{"city":"Ljubljana"}', *ended


class OnSQLite:
    """As keyledger's connection is set."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._cursor, self._revision = self._connection.cursor(), 1

    def load(self, lines: int) -> None:
        """As :meth:`HandWrittenRuns.load`."""
        self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.executemany(_EVENT, _lines(lines))
        self._move_head(lines + 1, BEGUN)
        self._cursor.execute("COMMIT")
        self._revision = lines + 1

    def load_runs(self, runs: int) -> None:
        """As :meth:`HandWrittenRuns.load_runs`."""
        marks = ", ".join("?" * len(RUN_COLUMNS))
        rows = (
            tuple(microseconds(value) if isinstance(value, datetime) else value for value in row)
            for row in _finished(runs)
        )
        self._cursor.execute("BEGIN IMMEDIATE")
        self._cursor.executemany(f"INSERT INTO {_RUNS} VALUES ({marks})", rows)
        self._cursor.execute("COMMIT")

    def _move_head(self, revision: int, now: datetime) -> None:
        sequences = f"[[1,{revision - 1}]]"
        head = (revision, microseconds(now), sequences, STREAM, self._revision)
        if self._cursor.execute(_HEAD, head).rowcount == 0:
            raise Conflict

    def append(self, payload: JSONValue) -> object:
        """As :meth:`HandWrittenRuns.append`."""
        now, revision = datetime.now(UTC), self._revision + 1
        state = log_state(revision - 1, payload, now)
        self._cursor.execute("BEGIN IMMEDIATE")
        self._move_head(revision, now)
        self._cursor.execute(_EVENT, (STREAM, revision, TOPIC, state))
        self._cursor.execute("COMMIT")
        self._revision = revision
        return revision

    def page(self, skill_id: str) -> object:
        """As :meth:`HandWrittenRuns.page`."""
        rows = self._cursor.execute(_PAGE.format("?"), (skill_id,)).fetchall()
        return [(row, orjson.loads(row[9])) for row in rows]

    def close(self) -> None:
        """As :meth:`HandWrittenRuns.close`."""
        self._connection.close()


class OnPostgres:
    """One connection on autocommit, prepared statements."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._cursor, self._revision = RawCursor(self._connection), 1

    def load(self, lines: int) -> None:
        """As :meth:`HandWrittenRuns.load`."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._copy("stored_events (originator_id, originator_version, topic, state)", _lines(lines))
            head = (lines + 1, BEGUN, f"[[1,{lines}]]", STREAM)
            cursor.execute(
                "UPDATE run_head SET revision = %s, last_recorded_at = %s, sequences = %s WHERE run_id = %s", head
            )
        self._revision = lines + 1

    def load_runs(self, runs: int) -> None:
        """As :meth:`HandWrittenRuns.load_runs`."""
        self._copy(_RUNS, _finished(runs))

    def _copy(self, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def append(self, payload: JSONValue) -> object:
        """As :meth:`HandWrittenRuns.append`."""
        now, revision = datetime.now(UTC), self._revision + 1
        state = log_state(revision - 1, payload, now)
        given = (STREAM, self._revision, revision, now, f"[[1,{revision - 1}]]", TOPIC, state)
        if self._cursor.execute(_APPEND, given, prepare=True).fetchall() != [(1,)]:
            raise Conflict
        self._revision = revision
        return revision

    def page(self, skill_id: str) -> object:
        """As :meth:`HandWrittenRuns.page`."""
        rows = self._cursor.execute(_PAGE.format("$1"), (skill_id,), prepare=True, binary=True).fetchall()
        return [(row, orjson.loads(row[9])) for row in rows]

    def close(self) -> None:
        """As :meth:`HandWrittenRuns.close`."""
        self._connection.close()
