"""A ledger whose operations are awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from threading import Event
from types import TracebackType
from typing import Self

from keyledger.adapters.aio.partition import AsyncPartition
from keyledger.adapters.aio.runs import AsyncRuns
from keyledger.adapters.aio.skills import AsyncSkills
from keyledger.adapters.aio.threads import Threads
from keyledger.adapters.aio.tools import AsyncToolset
from keyledger.domain import arguments
from keyledger.domain.audit.ports import LedgerStorage
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.invocation import Invocation
from keyledger.domain.ledger import DEFAULT_SWEEP, Ledger
from keyledger.domain.past.replay_report import ReplayReport
from keyledger.domain.records import ImportReport, Page, PartitionInfo, RebuildReport, SweepReport
from keyledger.domain.sweeper import RUN_KEYS_RETENTION


class _StoppedError(Exception):
    """The task that asked for this was cancelled."""


class AsyncLedger:
    """An open ledger, for asyncio: :class:`Ledger` with the same arguments, results and errors.

    Usable from several event loops and threads, and in a forked child.
    """

    def __init__(self, ledger: Ledger, threads: Threads) -> None:
        self._ledger, self._threads = ledger, threads
        self.runs = AsyncRuns(ledger.runs, threads)
        """The audit of runs."""
        self.skills = AsyncSkills(ledger.skills, threads)
        """What agents run: skills, their versions, and what was granted to them."""

    @property
    def storage(self) -> LedgerStorage:
        """What stands underneath, for adapters and their tests; its shape is no promise."""
        return self._ledger.storage

    def partition(
        self,
        partition_id: str,
        *,
        actor: str | None = None,
        run_id: str | None = None,
        root_run_id: str | None = None,
        tool: str | None = None,
        record_reads: bool = False,
    ) -> AsyncPartition:
        """As ``Ledger.partition``; it is not awaited, as a handle is made without a look at the storage."""
        kv = self._ledger.partition(
            partition_id,
            actor=actor,
            run_id=run_id,
            root_run_id=root_run_id,
            tool=tool,
            record_reads=record_reads,
        )
        return AsyncPartition(kv, self._threads)

    async def partitions(
        self, *, prefix: str = "", limit: int = arguments.DEFAULT_PAGE, after: str = ""
    ) -> Page[PartitionInfo]:
        """As ``Ledger.partitions``."""
        return await self._threads.read(partial(self._ledger.partitions, prefix=prefix, limit=limit, after=after))

    async def delete_partition(
        self, partition_id: str, *, actor: str | None = None, run_id: str | None = None
    ) -> bool:
        """As ``Ledger.delete_partition``."""
        deletion = partial(self._ledger.delete_partition, partition_id, actor=actor, run_id=run_id)
        return await self._threads.work(deletion)

    async def import_lines(
        self,
        lines: Iterable[str],
        *,
        source: str,
        stop: bool = False,
        on_error: Callable[[int, KeyledgerError], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """As ``Ledger.import_lines``; ``lines`` are taken, and the functions called, in another thread.

        Cancelled, it ends before the next batch of 500 lines.
        """
        cancelled = Event()
        importing = partial(
            self._ledger.import_lines,
            _until(cancelled, lines),
            source=source,
            stop=stop,
            on_error=on_error,
            progress=progress,
        )
        return await self._threads.work(importing, cancelled)

    def export_lines(
        self,
        partition_id: str | None = None,
        *,
        current: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> AsyncIterator[str]:
        """As ``Ledger.export_lines``, for ``async for``; ``progress`` is called in another thread."""
        return self._threads.iterate(self._ledger.export_lines(partition_id, current=current, progress=progress))

    def tools(self, invocation: Invocation) -> AsyncToolset:
        """As ``Ledger.tools``; it is not awaited, the calls are."""
        return AsyncToolset(self._ledger.tools(invocation), self._threads)

    def dry_run(self) -> AsyncLedger:
        """As ``Ledger.dry_run``; it is not awaited, and then used with ``async with``."""
        return AsyncLedger(self._ledger.dry_run(), self._threads.others())

    async def sweep(
        self,
        *,
        limit: int = DEFAULT_SWEEP,
        run_keys_after: float | None = RUN_KEYS_RETENTION,
        runs_after: float | None = None,
    ) -> SweepReport:
        """As ``Ledger.sweep``; cancelled, it still does up to ``limit`` of each thing."""
        sweep = partial(self._ledger.sweep, limit=limit, run_keys_after=run_keys_after, runs_after=runs_after)
        return await self._threads.work(sweep)

    async def replay(
        self,
        run_id: str,
        into: str,
        *,
        actor: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReplayReport:
        """As ``Ledger.replay``; ``progress`` is called in another thread. Cancelled, it ends after a step."""
        cancelled = Event()
        step = _step(cancelled, progress)
        replay = partial(self._ledger.replay, run_id, into, actor=actor, progress=step)
        return await self._threads.work(replay, cancelled)

    async def rebuild(self, *, progress: Callable[[int, int], None] | None = None) -> RebuildReport:
        """As ``Ledger.rebuild``; ``progress`` is called in another thread.

        Cancelled, it leaves the partition that it is at as it was; those before it are rebuilt.
        """
        cancelled = Event()
        rebuild = partial(self._ledger.rebuild, progress=_step(cancelled, progress))
        return await self._threads.work(rebuild, cancelled)

    async def close(self) -> None:
        """As ``Ledger.close``: what was begun is finished; who waits for more gets LedgerClosedError."""
        await self._threads.close(self._ledger.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _until(cancelled: Event, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if cancelled.is_set():
            raise _StoppedError
        yield line


def _step(cancelled: Event, progress: Callable[[int, int], None] | None) -> Callable[[int, int], None]:
    """A progress that ends what goes on once it is cancelled."""

    def step(done: int, total: int) -> None:
        if progress is not None and not cancelled.is_set():
            progress(done, total)
        if cancelled.is_set():
            raise _StoppedError

    return step
