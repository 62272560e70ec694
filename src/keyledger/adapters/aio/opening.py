"""A ledger that is being opened: ``await`` it, or enter it."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from keyledger.adapters.aio.ledger import AsyncLedger
from keyledger.adapters.aio.threads import Threads, outcome_in
from keyledger.domain.ledger import Ledger


class Opening:
    """What ``open_async`` returns: ``await`` gives the ledger, ``async with`` gives it and closes it."""

    def __init__(self, connect: Callable[[], Ledger], most_threads: Callable[[], int]) -> None:
        self._connect, self._most = connect, most_threads

    async def _open(self) -> AsyncLedger:
        opener = ThreadPoolExecutor(1, "keyledger-open")
        job = opener.submit(self._connect)
        try:
            ledger = await outcome_in(job, lambda: True)
        except CancelledError:
            opener.submit(lambda: job.result().close())  # once it is open, as nobody else will have it
            raise
        finally:
            opener.shutdown(wait=False)
        return AsyncLedger(ledger, Threads(self._most()))

    def __await__(self) -> Generator[Any, None, AsyncLedger]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncLedger:
        self._ledger = await self._open()
        return self._ledger

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._ledger.close()
