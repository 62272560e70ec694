"""A page of the scopes that a sweep goes through costs its own length, wherever it begins."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

import keyledger
from keyledger.adapters.postgres.statements import RUN_SQL as POSTGRES
from keyledger.adapters.sqlite.statements import RUN_SQL as SQLITE

SCOPES, KEYS, PAGE = 20_000, 5, 100
ROWS = """
    INSERT INTO current_value
        (partition_id, scope, key, value, size, revision, create_revision, created_at, updated_at)
    SELECT 'partition:p', {scope}, 'k' || j, {value}, 1, i, i, {now}, {now}
    FROM {i}, {j}
"""


class Engine(Protocol):
    """A store with the keys of many runs, which tells how much it reads."""

    def page(self, after: str) -> tuple[int, int]:
        """How many rows the page after a scope has, and what it cost: steps of a machine, or blocks."""


class SQLite:
    def __init__(self, path: Path) -> None:
        keyledger.open(f"sqlite:///{path}").close()
        self.connection = sqlite3.connect(path, isolation_level=None)
        numbers = (
            "(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i AS {} FROM n)"
        )
        self.connection.execute(
            ROWS.format(
                scope="printf('run:%06d', i)",
                value="x'31'",
                now=0,
                i=numbers.format(SCOPES, "i"),
                j=numbers.format(KEYS, "j"),
            )
        )

    def page(self, after: str) -> tuple[int, int]:
        given = {"scope": after, "stream": "partition:p", "limit": PAGE}
        steps: list[None] = []
        self.connection.set_progress_handler(lambda: steps.append(None), 10)
        found = self.connection.execute(SQLITE.list_run_scopes, given).fetchall()
        self.connection.set_progress_handler(None, 0)
        return len(found), len(steps)


class Postgres:
    def __init__(self, url: str, schema: str) -> None:
        keyledger.open(url, schema=schema).close()
        self.connection = psycopg.connect(url, options=f"-c search_path={schema}", autocommit=True)
        self.connection.execute(
            ROWS.format(
                scope="'run:' || lpad(i::text, 6, '0')",
                value="'1'::bytea",
                now="now()",
                i=f"generate_series(1, {SCOPES}) AS n (i)",
                j=f"generate_series(1, {KEYS}) AS m (j)",
            )
        )
        self.connection.execute("VACUUM ANALYZE current_value")

    def page(self, after: str) -> tuple[int, int]:
        given: dict[str, Any] = {"scope": after, "stream": "partition:p", "limit": PAGE}
        explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {POSTGRES.list_run_scopes}"
        ((found,),) = self.connection.execute(explained, given).fetchall()
        plan = found[0]["Plan"]
        return plan["Actual Rows"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        made: Any = SQLite(tmp_path_factory.mktemp("scopes") / "l.db")
    else:
        made = Postgres(request.getfixturevalue("postgres_url"), f"scopes_{os.getpid()}")
    yield made
    made.connection.close()


@pytest.mark.parametrize("after", ["root_run:9", "run:000001", "run:010000", "run:019000"])
def test_a_page_of_scopes_costs_its_own_length(engine: Engine, after: str) -> None:
    _, first = engine.page("")
    found, cost = engine.page(after)
    assert found == PAGE
    assert cost < 2 * first
