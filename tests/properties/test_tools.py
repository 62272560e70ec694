"""Tool calls: whatever is sent, by whomever."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

import keyledger
from keyledger.adapters.conformance.tool_machine import tool_machine
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.opening import ledger_on

_QUICK = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_in_memory_nobody_gets_outside_of_what_is_theirs() -> None:
    def new_ledger() -> Callable[..., keyledger.Ledger]:
        storage = MemoryStorage(EventMapper())
        return partial(ledger_on, lambda: storage)

    run_state_machine_as_test(tool_machine(new_ledger), settings=settings(_QUICK, max_examples=100))


def test_on_sqlite_nobody_gets_outside_of_what_is_theirs(tmp_path: Path) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"sqlite:///{tmp_path}/{next(names)}.db")

    run_state_machine_as_test(tool_machine(new_ledger), settings=_QUICK)


def test_on_postgres_nobody_gets_outside_of_what_is_theirs(postgres_url: str, schema: str) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, postgres_url, schema=f"{schema}_{next(names)}", max_overflow=2)

    run_state_machine_as_test(tool_machine(new_ledger), settings=_QUICK)
