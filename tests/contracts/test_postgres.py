from collections.abc import Callable
from functools import partial

import pytest

import keyledger
from keyledger.adapters.conformance.contract import LedgerContract


class TestPostgres(LedgerContract):
    @pytest.fixture
    def reopen(self, postgres_url: str, empty_schema: str) -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, postgres_url, schema=empty_schema)
