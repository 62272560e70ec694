"""The contract on connections of a host's pool, whose sessions are as unlike the ledger's own as can be."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

import keyledger
from keyledger.adapters.conformance.contract import LedgerContract

_UNLIKE = (
    r"-c timezone=Asia/Kathmandu -c search_path=pg_catalog -c datestyle=SQL,DMY"
    r" -c default_transaction_isolation=serializable -c default_transaction_read_only=on"
    r" -c client_encoding=LATIN1"
)


@pytest.fixture(scope="module")
def pool(postgres_url: str) -> Iterator[ConnectionPool[Any]]:
    options = {"row_factory": dict_row, "cursor_factory": psycopg.ClientCursor, "options": _UNLIKE}
    with ConnectionPool[Any](postgres_url, kwargs=options, min_size=1, max_size=10, open=True) as pool:
        yield pool


class TestHostPool(LedgerContract):
    @pytest.fixture
    def reopen(self, pool: ConnectionPool[Any], empty_schema: str) -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, "postgresql://", schema=empty_schema, pool=pool)
