"""Every SQL file is a statement that its engine accepts, and the hot ones seek."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

import keyledger
from keyledger.adapters.postgres.statements import FOLLOWER_SQL as POSTGRES_FOLLOWERS
from keyledger.adapters.postgres.statements import RUN_SQL as POSTGRES_RUNS
from keyledger.adapters.postgres.statements import SKILL_SQL as POSTGRES_SKILLS
from keyledger.adapters.postgres.statements import SQL as POSTGRES
from keyledger.adapters.postgres.statements import WAKE_SQL as POSTGRES_WAKES
from keyledger.adapters.sqlite.statements import FOLLOWER_SQL as SQLITE_FOLLOWERS
from keyledger.adapters.sqlite.statements import RUN_SQL as SQLITE_RUNS
from keyledger.adapters.sqlite.statements import SKILL_SQL as SQLITE_SKILLS
from keyledger.adapters.sqlite.statements import SQL as SQLITE
from keyledger.adapters.sqlite.statements import WAKE_SQL as SQLITE_WAKES

ADAPTERS = Path(keyledger.__file__).parent / "adapters"
TABLES = {"table": '"runs"', "other": '"others"'}
"""What stands in place of a follower's table, which has the columns of runs."""

ON_SQLITE = asdict(SQLITE) | asdict(SQLITE_RUNS) | asdict(SQLITE_SKILLS) | asdict(SQLITE_WAKES)
ON_SQLITE |= {name: text.format(**TABLES) for name, text in asdict(SQLITE_FOLLOWERS).items()}
ON_POSTGRES = asdict(POSTGRES) | asdict(POSTGRES_RUNS) | asdict(POSTGRES_SKILLS) | asdict(POSTGRES_WAKES)
ON_POSTGRES |= {name: text.format(**TABLES) for name, text in asdict(POSTGRES_FOLLOWERS).items()}
STATEMENTS = [("sqlite", name, text) for name, text in ON_SQLITE.items()] + [
    ("postgres", name, text) for name, text in ON_POSTGRES.items()
]
DRAFT = ("create_draft_entries", "index_draft_entries", "create_draft_versions")
WHOLE_LEDGER = {
    "list_all_streams",
    "list_unleased",
    "list_leases",
    "list_streams",
    "list_expiring_streams",
    "forget_requests",
    "count_run_events",
    "list_run_streams",
    "count_skill_events",
    "count_in_motion",
    "list_followed_indexes",
    "list_relations",
    "read_runs_ddl",
    "read_settled",
    "trim_followed",
}
NEXT_SCOPE = {"list_rows_at"}
"""What seeks one row, the first of the next scope."""

STEPS = {"n", "subquery"}
"""What a recursive query goes through: the names that it has found itself."""

NOT_PREPARED = {"create_followed", "drop_followed", "lock_followers", "rename_followed"}
"""What PostgreSQL prepares no plan for; the followers' tests execute it."""


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_files_are_the_fields(engine: str) -> None:
    files = {path.stem for path in (ADAPTERS / engine / "sql").rglob("*.sql")}
    assert files == {name for of, name, _ in STATEMENTS if of == engine}


@pytest.mark.parametrize(("engine", "name", "text"), STATEMENTS, ids=[f"{e}-{n}" for e, n, _ in STATEMENTS])
def test_a_file_is_one_statement_that_says_why(engine: str, name: str, text: str) -> None:
    assert text.startswith("-- ")
    assert ";" not in re.sub(r"--.*|'[^']*'", "", text)
    assert re.fullmatch(r"[a-z_]+", name)
    assert engine


@pytest.fixture
def sqlite(tmp_path: Path) -> sqlite3.Connection:
    keyledger.open(f"sqlite:///{tmp_path}/l.db").close()
    return sqlite3.connect(tmp_path / "l.db")


def test_sqlite_accepts_every_statement_and_never_scans_on_the_hot_path(sqlite: sqlite3.Connection) -> None:
    for name in DRAFT:
        sqlite.execute(getattr(SQLITE, name))
    for name, text in ON_SQLITE.items():
        if name in {*DRAFT, "drop_followed_index"}:
            continue
        parameters = dict.fromkeys(re.findall(r":([a-z_]+)", text), 1) or (1,) * text.count("?")
        plan = " / ".join(row[3] for row in sqlite.execute(f"EXPLAIN QUERY PLAN {text}", parameters))
        scans = re.findall(r"SCAN (\w+)", plan)
        if name not in WHOLE_LEDGER:
            draft = {"d", "draft_entries", "draft_versions"} if "draft" in text else set()
            assert "scope>?" not in plan or name in NEXT_SCOPE, f"{name}: {plan}"
            assert set(scans) <= {"wanted", "json_each", "CONSTANT", *draft, *STEPS}, f"{name}: {plan}"
    sqlite.close()


def test_postgres_accepts_every_statement(postgres_url: str, schema: str) -> None:
    keyledger.open(postgres_url, schema=schema).close()
    with psycopg.connect(postgres_url, options=f"-c search_path={schema}") as connection:
        for name in DRAFT:
            connection.execute(getattr(POSTGRES, name))
        for name, text in ON_POSTGRES.items():
            if name in {*DRAFT, *NOT_PREPARED} or name.startswith("copy_"):  # what the rebuild's tests execute
                continue
            names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
            prepared = text
            for number, parameter in enumerate(names, 1):
                prepared = prepared.replace(f"%({parameter})s", f"${number}")
            connection.execute(f"PREPARE {name} AS {prepared}")


@pytest.mark.parametrize(
    "name", ["append_put", "append_group", "append_partition_deleted", "append_run_event", "append_skill_event"]
)
def test_the_append_takes_no_lock_and_sends_no_notification(name: str) -> None:
    text = ON_POSTGRES[name].upper()
    for forbidden in ("LOCK TABLE", "NOTIFY", "NEXTVAL", "NOW()", "ADVISORY"):
        assert forbidden not in text
