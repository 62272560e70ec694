from collections.abc import Callable, Iterator
from functools import partial
from os import environ

import psycopg
import pytest

import keyledger
from keyledger.adapters.conformance.contract import LedgerContract
from keyledger.adapters.postgres.schema import ddl


class TestCitus(LedgerContract):
    """On the cluster whose coordinator KEYLEDGER_TEST_CITUS names; few shards, as each test makes its own."""

    @pytest.fixture
    def reopen(self, schema: str) -> Iterator[Callable[..., keyledger.Ledger]]:
        url = environ["KEYLEDGER_TEST_CITUS"]
        with psycopg.connect(url, autocommit=True) as coordinator:
            coordinator.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            coordinator.execute(f"CREATE SCHEMA {schema}")
            coordinator.execute(f"SET search_path TO {schema}; SET citus.shard_count TO 4")
            coordinator.execute(ddl("citus"))
            yield partial(keyledger.open, url, schema=schema)
            coordinator.execute(f"DROP SCHEMA {schema} CASCADE")
