from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import keyledger
from keyledger.adapters.conformance.contract import LedgerContract


class TestSQLite(LedgerContract):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"sqlite:///{tmp_path}/ledger.db")
