"""At 1,000,000 runs every list of them is one index read in order, on both engines."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

import keyledger
from keyledger.adapters.postgres.statements import RUN_SQL as POSTGRES
from keyledger.adapters.sql.run_statements import RunStatements, conditions
from keyledger.adapters.sql.statements import narrowed
from keyledger.adapters.sqlite.statements import RUN_SQL as SQLITE
from keyledger.domain.audit.records import RunFilter
from keyledger.domain.run import TERMINAL

RUNS = 1_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)

# Of run number i: four to a tree, one start a second, one in fifty goes on, one failed, one a dry run.
NUMBERED = """
    'run:r-' || i, 'skill-' || (i % 100), 'caller-' || (i % 1000), 'channel-' || (i % 50),
    CASE WHEN i % 4 = 0 THEN '' ELSE 'r-' || (i - i % 4) END, 'r-' || (i - i % 4), i % 4,
    {started}, NULL, {empty}, CASE i / 100 % 50 WHEN 7 THEN NULL ELSE {finished} END,
    CASE i / 100 % 50 WHEN 7 THEN 'running' WHEN 10 THEN 'error' WHEN 9 THEN 'dry_run' ELSE 'ok' END,
    {empty}, {empty}, 0, 1.0, 0, 0, 0
"""

FILTERS = {
    "none": RunFilter(),
    "dry runs too": RunFilter(include_dry_run=True),
    "status": RunFilter(status="error"),
    "skill": RunFilter(skill_id="skill-3"),
    "caller": RunFilter(caller_id="caller-7"),
    "channel": RunFilter(channel_id="channel-3"),
    "top level": RunFilter(top_level_only=True),
    "since and until": RunFilter(since=START + DAY, until=START + 2 * DAY),
    "skill and status": RunFilter(skill_id="skill-8", status="error"),
    "skill and time": RunFilter(skill_id="skill-8", since=START + DAY, until=START + 3 * DAY),
    "caller at the top level": RunFilter(caller_id="caller-8", top_level_only=True),
    "status at the top level": RunFilter(status="ok", top_level_only=True),
    "all": RunFilter("error", "skill-8", "caller-8", "channel-8", True, True, START, START + 10 * DAY),
}
OTHERS: dict[str, dict[str, Any]] = {
    "list_child_runs": {"parent": "r-400000"},
    "list_tree_runs": {"stream": "run:r-400001"},
    "list_finished_runs": {"cutoff": START + DAY, "limit": 50},
    "list_old_runs": {"cutoff": START + DAY, "limit": 50},
    "list_ended_runs": {"statuses": list(TERMINAL), "started": START + DAY, "finished": START + DAY, "limit": 50},
    "list_last_starts": {"skill_ids": ["skill-1", "skill-2", "none"], "statuses": ["ok", "error"]},
}


class Engine(Protocol):
    """A store that is full of runs, and tells how it executes a statement."""

    runs: Any
    statements: RunStatements

    def check(self, statement: str, parameters: dict[str, Any], scans: int) -> None:
        """AssertionError unless it reads few rows, in so many scans by an index."""


def fill(execute: Callable[[str], Any], indexes: str, insert: str) -> None:
    """Insert the runs; the indexes of the table are made again afterwards, which is faster."""
    found = list(execute(indexes))
    for name, _ in found:
        execute(f"DROP INDEX {name}")
    execute(insert)
    for _, definition in found:
        execute(definition)


class SQLite:
    statements: RunStatements = SQLITE

    def __init__(self, path: Path) -> None:
        with keyledger.open(f"sqlite:///{path}") as ledger:
            self.runs: Any = ledger.storage.runs
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA synchronous = OFF")
        row = NUMBERED.format(
            empty="x'7b7d'", started="(1767225600 + i) * 1000000", finished="(1767225660 + i) * 1000000"
        )
        numbers = f"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS - 1})"
        fill(
            self.connection.execute,
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'runs' AND type = 'index' AND sql IS NOT NULL",
            f"INSERT INTO runs {numbers} SELECT {row} FROM n",
        )

    def check(self, statement: str, parameters: dict[str, Any], scans: int) -> None:
        given = {name: self._column(value) for name, value in parameters.items()}
        plan = [row[3] for row in self.connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
        assert len([step for step in plan if re.search(r"\b(runs|r)\b.* INDEX", step)]) == scans, plan
        assert not [step for step in plan if "TEMP B-TREE" in step or re.search(r"SCAN (runs|r)$", step)], plan
        steps: list[None] = []
        self.connection.set_progress_handler(lambda: steps.append(None), 100)
        found = self.connection.execute(statement, given).fetchall()
        self.connection.set_progress_handler(None, 0)
        assert found
        assert len(steps) < 500, f"{len(steps) * 100} steps of SQLite's machine for {len(found)} rows: {plan}"

    def _column(self, value: Any) -> Any:
        if isinstance(value, list):
            return json.dumps(value)
        return int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value


class Postgres:
    statements: RunStatements = POSTGRES

    def __init__(self, url: str, schema: str) -> None:
        with keyledger.open(url, schema=schema) as ledger:
            self.runs: Any = ledger.storage.runs
        self.connection = psycopg.connect(url, options=f"-c search_path={schema}", autocommit=True)
        row = NUMBERED.format(
            empty="'{}'::bytea",
            started="to_timestamp(1767225600 + i)",
            finished="to_timestamp(1767225660 + i)",
        )
        self.connection.execute("ALTER TABLE runs SET UNLOGGED")
        self.connection.execute("SET maintenance_work_mem = '256MB'")
        fill(
            self.connection.execute,
            f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = '{schema}' AND tablename = 'runs'"
            " AND indexdef NOT LIKE '%UNIQUE%'",
            f"INSERT INTO runs SELECT {row} FROM generate_series(0, {RUNS - 1}) AS n (i)",
        )
        self.connection.execute("ANALYZE runs")

    def check(self, statement: str, parameters: dict[str, Any], scans: int) -> None:
        ((found,),) = self.connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchall()
        nodes = list(_nodes(found[0]["Plan"]))
        reads = [node for node in nodes if node.get("Relation Name") == "runs"]
        assert "Seq Scan" not in {node["Node Type"] for node in reads}, found
        assert len(reads) == scans, found
        rows = [
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in reads
        ]
        assert 0 < sum(rows) < 5_000, found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        made: Any = SQLite(tmp_path_factory.mktemp("runs") / "l.db")
    else:
        made = Postgres(request.getfixturevalue("postgres_url"), f"million_{os.getpid()}")
    yield made
    made.connection.close()


@pytest.mark.parametrize("name", FILTERS)
def test_the_filtered_list_is_one_index_scan(engine: Engine, name: str) -> None:
    given = engine.runs._filter(FILTERS[name])
    statement = narrowed(engine.statements.list_runs, conditions(given.keys()))
    engine.check(statement, given | {"offset": 0, "limit": 50}, scans=1)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_list_seeks(engine: Engine, name: str) -> None:
    engine.check(getattr(engine.statements, name), OTHERS[name], scans=2 if name == "list_tree_runs" else 1)
