"""What a read of the past costs: some seeks, however many versions a key has and however many there are in all."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import keyledger
from keyledger.adapters.postgres.statements import SQL as POSTGRES
from keyledger.adapters.sqlite.statements import SQL as SQLITE

STREAM = "partition:p"
HOT, KEYS, EACH = 200_000, 100, 1_000
"""Versions of the first key; keys after it, and versions of each of those."""

LAST = HOT + KEYS * EACH
NUMBERED = f"""
    '{STREAM}', 'skill', CASE WHEN i <= {HOT} THEN 'hot' ELSE 'k' || substr(1000 + i % {KEYS}, 2) END, i, 'set', 1,
    {{moment}}, NULL, 'ada', 'r-1'
"""
NUMBERED_POSTGRES = NUMBERED.replace(f"substr(1000 + i % {KEYS}, 2)", f"substr((1000 + i % {KEYS})::text, 2)")
ASKED: dict[str, tuple[dict[str, Any], int, int]] = {
    "read_version_at": ({"stream": STREAM, "scope": "skill", "key": "hot", "revision": HOT // 2}, 1, 1),
    "list_rows_at": (
        {
            "stream": STREAM,
            "revision": LAST - 1,
            "first_scope": "skill",
            "first_key": "k01",
            "beyond_scope": "skill",
            "beyond_key": "k02",
            "limit": 500,
        },
        1,
        10,
    ),
    "read_events_at": ({"stream": STREAM, "revisions": [1, HOT, LAST]}, 3, 3),
    "read_quota_at": ({"stream": STREAM, "revision": LAST}, 0, 1),
    "read_written_span": ({"stream": STREAM, "run_id": "r-1"}, 1, 1),
    "read_creation": ({"stream": STREAM, "scope": "skill", "key": "hot", "revision": HOT}, 1, 1),
}
"""For each statement its parameters, and how many rows and how many keys it goes through."""


def check_sqlite(connection: sqlite3.Connection, name: str) -> None:
    """AssertionError unless the statement finds its rows in few steps of SQLite's machine."""
    parameters, rows, keys = ASKED[name]
    given = {field: str(value) if isinstance(value, list) else value for field, value in parameters.items()}
    steps: list[None] = []
    connection.set_progress_handler(lambda: steps.append(None), 10)
    found = connection.execute(getattr(SQLITE, name), given).fetchall()
    connection.set_progress_handler(None, 0)
    assert len(found) == (keys if name == "list_rows_at" else rows)
    assert len(steps) * 10 < 500 * (keys + 1), f"{len(steps) * 10} steps for {len(found)} rows"


def check_postgres(connection: psycopg.Connection[Any], name: str) -> None:
    """AssertionError unless the statement, planned for any parameters too, goes through few rows."""
    parameters, rows, keys = ASKED[name]
    statement = getattr(POSTGRES, name)
    assert len(connection.execute(statement, parameters).fetchall()) == (keys if name == "list_rows_at" else rows)
    for mode in ("force_custom_plan", "force_generic_plan"):
        connection.execute(f"SET plan_cache_mode = {mode}")
        ((found,),) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchall()
        nodes = [node for node in nodes_of(found[0]["Plan"]) if "Relation Name" in node]
        assert "Seq Scan" not in {node["Node Type"] for node in nodes}, found
        read = sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes
        )
        assert read < 10 * (keys + 1), found


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes_of(part))]


def fill(execute: Callable[[str], object], version: str, numbers: str, empty: str) -> None:
    """Put the versions in place, and an event for each."""
    execute(f"INSERT INTO key_history {numbers.format(version)}")
    event = f"'{STREAM}', i, 'kv.KeySet', {empty}"
    columns = "originator_id, originator_version, topic, state"
    execute(f"INSERT INTO stored_events ({columns}) {numbers.format(event)}")


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("past") / "l.db"
    keyledger.open(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    numbers = (
        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LAST}) SELECT {{}} FROM n"
    )
    fill(connection.execute, NUMBERED.format(moment="i"), numbers, "x'7b7d'")
    connection.commit()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    schema = re.sub(r"\W", "_", tmp_path_factory.mktemp("past").name + tmp_path_factory.getbasetemp().name)
    keyledger.open(postgres_url, schema=schema).close()
    connection = psycopg.connect(postgres_url, options=f"-c search_path={schema}", autocommit=True)
    numbers = f"SELECT {{}} FROM generate_series(1, {LAST}) AS n (i)"
    fill(connection.execute, NUMBERED_POSTGRES.format(moment="to_timestamp(i)"), numbers, "'{}'::bytea")
    yield connection
    connection.close()


@pytest.mark.parametrize("name", ASKED)
def test_a_read_of_the_past_seeks_on_sqlite(sqlite: sqlite3.Connection, name: str) -> None:
    check_sqlite(sqlite, name)


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("name", ASKED)
def test_a_read_of_the_past_seeks_on_postgres(
    postgres: psycopg.Connection[Any], name: str, *, analyzed: bool
) -> None:
    if analyzed:
        postgres.execute("ANALYZE key_history, stored_events")
    check_postgres(postgres, name)
