"""The read models of runs beside their log: rebuild after damage, encryption at rest, what a purge leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eventsourcing.compressor import ZlibCompressor

import keyledger
from keyledger import RunInfo, RunLog, RunStats
from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.domain.run import RecordReads

from .test_read_models import cipher, execute

SECRETS = ("secret-input", "secret-payload", "secret-output", "secret-error")


def run_something(ledger: keyledger.Ledger) -> None:
    """Three runs: one that ended, one that goes on, one that is purged."""
    runs, early = ledger.runs, START.replace(year=2025)
    runs.start(RunInfo("r-0", "weather", started_at=START.replace(year=2020)))
    runs.append_log(RunLog("r-0", "step", {"said": "secret-payload"}))
    runs.purge_older_than(START.replace(year=2021))
    runs.start(RunInfo("r-1", "weather", "ada", "cli", {"said": "secret-input"}, started_at=early))
    for sequence in (None, 5, None, 3):
        runs.append_log(RunLog("r-1", "step", {"said": "secret-payload"}, sequence))
    reads = (("partition:p", "skill", "a", 1), ("partition:p", "skill", "b", 0))
    ledger._engine.run_writer.execute("run:r-1", RecordReads(reads))
    runs.finish("r-1", RunStats("error", "secret-output", "secret-error", 2, 0.5, 1, 2, 3))
    runs.start(RunInfo("r-2", "news", parent_run_id="r-1"))


def everything(runs: keyledger.Runs) -> list[Any]:
    """Whatever can be read."""
    logs = [runs.logs(run_id) for run_id in ("r-1", "r-2")]
    return [runs.filtered(), logs, runs.tree("r-2"), runs.children("r-1"), runs.reads("r-1"), runs.purges()]


ALL_PURGED = "UPDATE run_head SET purged = (SELECT purged FROM run_head WHERE run_id = 'run:r-0')"
DAMAGE = [
    "UPDATE runs SET status = 'ok' WHERE run_id = 'run:r-1'",
    "UPDATE runs SET finished_at = NULL WHERE run_id = 'run:r-1'",
    "UPDATE runs SET caller_id = 'eve'",
    "UPDATE runs SET root_run_id = 'r-2'",
    "UPDATE runs SET depth = 7",
    "UPDATE runs SET thinking_tokens = 4 WHERE run_id = 'run:r-1'",
    "UPDATE runs SET output = error WHERE run_id = 'run:r-1'",
    "UPDATE runs SET started_at = (SELECT last_recorded_at FROM run_head WHERE run_id = 'run:r-0')",
    "UPDATE runs SET traceparent = 'x' WHERE run_id = 'run:r-1'",
    "DELETE FROM runs WHERE run_id = 'run:r-1'",
    "DELETE FROM runs",
    "UPDATE runs SET run_id = 'run:ghost' WHERE run_id = 'run:r-2'",
    "UPDATE run_head SET revision = revision + 1 WHERE run_id = 'run:r-1'",
    "UPDATE run_head SET last_recorded_at = NULL WHERE run_id = 'run:r-1'",
    "UPDATE run_head SET sequences = (SELECT sequences FROM run_head WHERE run_id = 'run:r-2')",
    ALL_PURGED,
    "UPDATE run_head SET purged = (SELECT purged FROM run_head WHERE run_id = 'run:r-1')",
    "DELETE FROM run_head",
    "UPDATE run_head SET run_id = 'run:ghost' WHERE run_id = 'run:r-2'",
    "DELETE FROM run_reads",
    "UPDATE run_reads SET revision = 2 WHERE key = 'a'",
    "UPDATE run_reads SET run_id = 'run:ghost'",
    "UPDATE run_head SET sequences = 'x' WHERE run_id = 'run:r-1'",
    "UPDATE run_head SET sequences = '[[1,2,3]]' WHERE run_id = 'run:r-1'",
    "UPDATE runs SET inputs = substr(inputs, 3) WHERE run_id = 'run:r-1'",
]


UNDER_CIPHER = [(DAMAGE[6], cipher()), (DAMAGE[-1], cipher())]


@pytest.mark.parametrize(("damage", "key"), [*((each, None) for each in DAMAGE), *UNDER_CIPHER])
def test_a_rebuild_reports_and_repairs_rows_of_runs_that_stood_otherwise(
    damage: str, key: Any, options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen(clock=ManualClock(), cipher=key) as ledger:
        run_something(ledger)
        before = everything(ledger.runs)
        assert ledger.rebuild().differences == ()
        execute(options, damage)
        report = ledger.rebuild()
        assert report.differences
        assert all("stood" in line for line in report.differences)
        assert ledger.rebuild().differences == ()
        assert everything(ledger.runs) == before
        assert ledger.runs.append_log(RunLog("r-1", "step")).sequence == 7
        with pytest.raises(keyledger.DuplicateRunError):
            ledger.runs.start(RunInfo("r-0", "weather"))
        with pytest.raises(keyledger.RunNotFoundError):
            ledger.runs.get("ghost")


def test_a_rebuild_tells_of_revisions_that_are_missing(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        run_something(ledger)
        ledger.partition("p").set("a", 1)
        ledger.partition("p").set("a", 2)
        for stream, revision in (("run:r-1", 3), ("partition:p", 1)):
            of_stream = f"originator_id = '{stream}' AND originator_version = {revision}"
            execute(options, f"DELETE FROM stored_events WHERE {of_stream}")
        for _ in range(2):
            told = [line for line in ledger.rebuild().differences if "revisions are missing" in line]
            assert [line.split()[0] for line in told] == ["partition:p", "run:r-1"]


def test_a_purge_of_what_its_head_calls_purged_asks_for_a_rebuild(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger, reopen() as other:
        run_something(ledger)
        execute(options, ALL_PURGED)
        with pytest.raises(keyledger.StorageError, match="rebuild the ledger"):
            other.runs.purge_older_than(START.replace(year=2100))
        assert ledger.rebuild().differences
        assert other.runs.purge_older_than(START.replace(year=2100)) == 2


def test_encryption_leaves_nothing_that_a_run_said_in_the_database(
    options: dict[str, str], tmp_path: Path, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen(cipher=cipher(), compressor=ZlibCompressor()) as ledger:
        run_something(ledger)
        assert everything(ledger.runs)[0][1].inputs == {"said": "secret-input"}
        assert ledger.rebuild().differences == ()
        assert found_in(options, tmp_path) == set()
        assert everything(ledger.runs)[0][1].output == "secret-output"


def test_a_purge_leaves_nothing_that_a_run_said_in_the_tables(
    options: dict[str, str], tmp_path: Path, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        run_something(ledger)
        assert found_in(options, tmp_path) == set(SECRETS)
        assert ledger.runs.purge_older_than(START.replace(year=2100)) == 2
        assert rows_with_secrets(options) == set()
    assert found_in(options, tmp_path) == set()


def found_in(options: dict[str, str], folder: Path) -> set[str]:
    """Which of the secrets stand anywhere in the tables, and on SQLite in the files."""
    files = [path.read_bytes() for path in folder.iterdir()]
    return rows_with_secrets(options) | {
        secret for secret in SECRETS if any(secret.encode() in file for file in files)
    }


def rows_with_secrets(options: dict[str, str]) -> set[str]:
    """Which of the secrets stand in some row of some table."""
    rows = sqlite_rows(options["url"]) if options["url"].startswith("sqlite") else postgres_rows(options)
    assert any("r-1" in row for row in rows)
    return {secret for secret in SECRETS for row in rows if secret in row or secret.encode().hex() in row}


def sqlite_rows(url: str) -> list[str]:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = [str(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return rows


def postgres_rows(options: dict[str, str]) -> list[str]:
    with psycopg.connect(options["url"], options=f"-c search_path={options['schema']}") as server:
        tables = server.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        ).fetchall()
        return [
            row
            for (table,) in tables
            for (row,) in server.execute(f"SELECT t::text FROM {table} t".encode()).fetchall()
        ]
