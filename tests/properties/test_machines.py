"""The state machine on every adapter."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

import keyledger
from keyledger.adapters.conformance.machine import ledger_machine
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.opening import ledger_on

_QUICK = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_memory_equals_a_dict() -> None:
    def new_ledger() -> Callable[..., keyledger.Ledger]:
        storage = MemoryStorage(EventMapper())
        return partial(ledger_on, lambda: storage)

    run_state_machine_as_test(ledger_machine(new_ledger), settings=settings(_QUICK, max_examples=100))


def test_sqlite_equals_a_dict(tmp_path: Path) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"sqlite:///{tmp_path}/{next(names)}.db")

    run_state_machine_as_test(ledger_machine(new_ledger), settings=_QUICK)


@pytest.mark.usefixtures("schema")
def test_postgres_equals_a_dict(postgres_url: str, schema: str) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, postgres_url, schema=f"{schema}_{next(names)}", max_overflow=2)

    run_state_machine_as_test(ledger_machine(new_ledger), settings=_QUICK)
