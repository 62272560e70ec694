from collections.abc import Callable
from functools import partial

import pytest

from keyledger import Ledger
from keyledger.adapters.conformance.contract import LedgerContract
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.opening import ledger_on


class TestMemory(LedgerContract):
    @pytest.fixture
    def reopen(self) -> Callable[..., Ledger]:
        storage = MemoryStorage(EventMapper())
        return partial(ledger_on, lambda: storage)
