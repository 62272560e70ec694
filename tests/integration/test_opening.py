"""What ``keyledger.open`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

import keyledger
from keyledger.adapters.sqlite.storage import SQLiteStorage


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.db",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://u@h/d",
        "redis://h",
        None,
        7,
    ],
)
def test_a_url_of_no_known_form_is_refused(url: Any) -> None:
    with pytest.raises(keyledger.InvalidArgumentError, match=r"url: .*sqlite:///"):
        keyledger.open(url)


def test_a_schema_without_a_ledger_is_left_alone_where_none_is_to_be_created(
    postgres_url: str, schema: str
) -> None:
    with pytest.raises(keyledger.StorageUnavailableError, match="there is no ledger in schema"):
        keyledger.open(postgres_url, schema=schema, create=False)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,)
    keyledger.open(postgres_url, schema=schema).close()
    keyledger.open(postgres_url, schema=schema, create=False).close()


def test_what_a_driver_says_stands_on_one_line() -> None:
    with pytest.raises(keyledger.StorageUnavailableError) as refused:
        keyledger.open("postgresql://ada@127.0.0.1:1/none")
    assert "refused" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_password_is_never_repeated() -> None:
    with pytest.raises(keyledger.InvalidArgumentError) as refused:
        keyledger.open("oracle://user:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("quota", -1),
        ("quota", 1.5),
        ("global_quota", "many"),
        ("max_value_bytes", 0),
        ("max_keys", True),
        ("tree_quota", 0),
        ("lock_timeout", 0),
        ("pool_size", -1),
        ("max_overflow", 0),
        ("pool_timeout", 0),
        ("pool", "a pool"),
        ("schema", ""),
        ("synchronous", "OFF"),
    ],
)
def test_an_option_outside_its_range_is_refused_and_nothing_is_made(
    option: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(keyledger.InvalidArgumentError):
        keyledger.open(f"sqlite:///{tmp_path}/l.db", **{option: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1)])
def test_sqlite_writes_ahead_and_syncs_as_told(tmp_path: Path, synchronous: Any, level: int) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/l.db", synchronous=synchronous) as ledger:
        assert isinstance(ledger.storage, SQLiteStorage)
        with ledger.storage.datastore.writing() as cursor:
            assert cursor.execute("PRAGMA synchronous").fetchone() == (level,)
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_is_not_there_is_made_only_if_wanted(tmp_path: Path) -> None:
    with pytest.raises(keyledger.StorageUnavailableError, match="there is no ledger"):
        keyledger.open(f"sqlite:///{tmp_path}/l.db", create=False)
    keyledger.open(f"sqlite:///{tmp_path}/l.db").close()
    keyledger.open(f"sqlite:///{tmp_path}/l.db", create=False).close()


def test_a_schema_may_stand_in_the_url(postgres_url: str, schema: str) -> None:
    joint = "&" if "?" in postgres_url else "?"
    with keyledger.open(f"{postgres_url}{joint}schema={schema}") as ledger:
        ledger.partition("p").set("a", 1)
    psycopg_url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    with keyledger.open(psycopg_url, schema=schema) as ledger:
        assert ledger.partition("p").get("a") is not None
