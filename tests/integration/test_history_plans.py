"""A narrowed history reads the versions of its key and no others, on both engines, whatever else was written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import keyledger
from keyledger.adapters.postgres.statements import SQL as POSTGRES
from keyledger.adapters.sql.statements import narrowed
from keyledger.adapters.sqlite.statements import SQL as SQLITE
from tests.integration.hot_path import narrowings

VERSIONS = 60_000
BUSY = 3_000
"""How many of them are of one key, ``busy``; ``calm`` has three. One run wrote every second of all."""

VERSION = """
    'partition:p', 'skill',
    CASE WHEN i % 20 = 0 THEN 'busy' WHEN i IN (7, 701, 7001) THEN 'calm' ELSE 'k-' || i END,
    i, CASE WHEN i % 1000 = 0 THEN 'delete' ELSE 'set' END, 2, {at}, NULL, 'ada',
    CASE WHEN i % 2 = 1 OR i % 40 = 0 THEN 'daemon' ELSE 'r-' || (i / 100) END
"""
EVENT = "'partition:p', i, 'kv.KeySet', {state}"

NARROWED: dict[str, tuple[dict[str, Any], int]] = {
    "by a run that wrote half of all": ({"key": "calm", "run_id": "daemon"}, 3),
    "by that and all else": ({"key": "calm", "run_id": "daemon", "operation": "set", "actor": "ada"}, 3),
    "by what was done": ({"operation": "delete"}, BUSY),
    "by what was never done": ({"operation": "restore"}, BUSY),
    "by what was done in a time": ({"operation": "delete", "first": 30_000, "before": 32_000}, 100),
    "in a run, which is a time": ({"run_id": "r-300", "first": 30_000, "before": 30_100}, 5),
    "not at all": ({"limit": 101}, 102),
}
"""What is asked for, and how many versions may be looked at."""

ASKED = {"stream": "partition:p", "scope": "skill", "key": "busy", "first": 1, "before": 2**62, "limit": 101}


EVENTS = "stored_events_pkey"


class OnSQLite:
    """A file, and how it reads a history."""

    def __init__(self, path: Path) -> None:
        keyledger.open(f"sqlite:///{path}").close()
        self.connection = sqlite3.connect(path)
        numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {VERSIONS})"
        rows = {"key_history": VERSION.format(at="i"), "stored_events": EVENT.format(state="x'7b7d'")}
        for table, row in rows.items():
            self.connection.execute(f"INSERT INTO {table} {numbers} SELECT {row} FROM n")

    def check(self, asked: dict[str, Any], most: int) -> None:
        """AssertionError unless the key's own index is read, in so few steps."""
        statement = narrowed(SQLITE.read_history, frozenset(asked))
        plan = [row[3] for row in self.connection.execute(f"EXPLAIN QUERY PLAN {statement}", asked)]
        within = "(partition_id=? AND scope=? AND key=? AND revision>? AND revision<?)"
        assert plan[0] == f"SEARCH v USING PRIMARY KEY {within}"
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
        steps: list[None] = []
        self.connection.set_progress_handler(lambda: steps.append(None), 1)
        self.connection.execute(statement, asked).fetchall()
        self.connection.set_progress_handler(None, 0)
        assert len(steps) < 100 + 30 * most


class OnPostgres:
    """A schema, and how it reads a history."""

    def __init__(self, url: str, schema: str) -> None:
        keyledger.open(url, schema=schema).close()
        self.connection = psycopg.connect(url, options=f"-c search_path={schema}", autocommit=True)
        self.connection.prepare_threshold = None
        version, event = VERSION.format(at="to_timestamp(1767225600 + i)"), EVENT.format(state="'{}'::bytea")
        rows = {"key_history": version, "stored_events (originator_id, originator_version, topic, state)": event}
        for table, row in rows.items():
            self.connection.execute(
                f"INSERT INTO {table} SELECT {row} FROM generate_series(1, {VERSIONS}) AS n (i)"
            )
        self.connection.execute("ANALYZE key_history, stored_events")

    def check(self, asked: dict[str, Any], most: int) -> None:
        """AssertionError unless the key's own index finds so few versions, planned for these or for any values."""
        statement = narrowed(POSTGRES.read_history, frozenset(asked))
        for number, name in enumerate(asked, 1):
            statement = statement.replace(f"%({name})s", f"${number}")
        values = sql.SQL(", ").join(map(sql.Literal, asked.values()))
        self.connection.execute("DEALLOCATE ALL")
        self.connection.execute(f"PREPARE history AS {statement}")
        for mode in ("force_custom_plan", "force_generic_plan"):
            self.connection.execute(f"SET plan_cache_mode = {mode}")
            explain = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE history ({})").format(values)
            ((found,),) = self.connection.execute(explain).fetchall()
            nodes = list(_nodes(found[0]["Plan"]))
            (read,) = [node for node in nodes if node.get("Relation Name") == "key_history"]
            assert read["Node Type"] in {"Index Scan", "Bitmap Heap Scan"}, (mode, found)
            assert {node.get("Index Name") for node in nodes} <= {None, "key_history_pkey", EVENTS}, (mode, found)
            assert read["Actual Rows"] + read.get("Rows Removed by Filter", 0) <= most, (mode, found)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if request.param == "sqlite":
        made: Any = OnSQLite(tmp_path_factory.mktemp("histories") / "l.db")
    else:
        made = OnPostgres(request.getfixturevalue("postgres_url"), "histories")
    yield made
    made.connection.close()


@pytest.mark.parametrize("name", NARROWED)
def test_a_narrowed_history_reads_versions_of_its_key_only(engine: Any, name: str) -> None:
    given, most = NARROWED[name]
    engine.check(ASKED | given, most)


def test_every_condition_can_be_left_out() -> None:
    for whole in (SQLITE.read_history, POSTGRES.read_history):
        assert len(set(narrowings(whole))) == 8
