"""The whole contract once more, through the async ledger."""

from asyncio import AbstractEventLoop, run_coroutine_threadsafe
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.threads import Threads
from keyledger.adapters.conformance.contract import LedgerContract
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.opening import ledger_on
from tests.contracts.blocking import Blocking, running_loop


@pytest.fixture(scope="module")
def loop() -> Iterator[AbstractEventLoop]:
    with running_loop() as loop:
        yield loop


class TestAsyncMemory(LedgerContract):
    @pytest.fixture
    def reopen(self, loop: AbstractEventLoop) -> Callable[..., Any]:
        storage = MemoryStorage(EventMapper())

        def reopened(**options: Any) -> Blocking:
            return Blocking(keyledger.AsyncLedger(ledger_on(lambda: storage, **options), Threads(10)), loop)

        return reopened


class _Durable(LedgerContract):
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        raise NotImplementedError

    @pytest.fixture
    def reopen(self, loop: AbstractEventLoop, options: dict[str, Any]) -> Callable[..., Any]:
        async def opened(more: dict[str, Any]) -> keyledger.AsyncLedger:
            return await keyledger.open_async(**options, **more)

        return lambda **more: Blocking(run_coroutine_threadsafe(opened(more), loop).result(60), loop)


class TestAsyncSQLite(_Durable):
    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {"url": f"sqlite:///{tmp_path}/ledger.db"}


class TestAsyncPostgres(_Durable):
    @pytest.fixture
    def options(self, postgres_url: str, empty_schema: str) -> dict[str, Any]:
        return {"url": postgres_url, "schema": empty_schema}
