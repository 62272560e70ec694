"""The command schema. What its DDL makes is tested on a server, in tests/integration/test_schema.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyledger.adapters.postgres.schema import VERSION, ddl
from tests.e2e.cli import Run


@pytest.mark.parametrize("engine", ["postgres", "citus"])
def test_schema_prints_the_ddl_and_nothing_else(run: Run, engine: str) -> None:
    ended = run("schema", "--for", engine)
    assert (ended.status, ended.out) == (0, ddl(engine))  # type: ignore[arg-type]
    assert run("schema", "--for", engine, "--json").json == {"for": engine, "version": VERSION, "ddl": ended.out}


def test_schema_is_for_postgres_unless_told_otherwise(run: Run) -> None:
    assert run("schema").out == ddl("postgres")


def test_schema_for_an_unknown_engine_says_which_there_are(run: Run) -> None:
    ended = run("schema", "--for", "oracle", "--json")
    assert ended.status == 2
    message = ended.error["message"]
    assert all(word in message for word in ("--for", "'oracle'", "'postgres'", "'citus'"))


def test_schema_opens_no_ledger(run: Run, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    run("schema", KEYLEDGER_URL="sqlite:////no/such/folder/l.db")
    assert sorted(tmp_path.iterdir()) == before
