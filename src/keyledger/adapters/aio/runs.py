"""The audit of runs, awaited. Docstrings say what differs from ``Runs``, method by method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from keyledger.adapters.aio.recording import AsyncRecordedRun, AsyncSink
from keyledger.adapters.aio.threads import Threads
from keyledger.domain import arguments
from keyledger.domain.audit.arguments import DEFAULT_RUNS
from keyledger.domain.audit.purging import PURGE_BATCH
from keyledger.domain.audit.records import Run, RunFilter, RunInfo, RunLog, RunPurge, RunRead, RunStats, RunWrite
from keyledger.domain.audit.runs import Runs
from keyledger.domain.records import Page
from keyledger.domain.values import JSONValue


class AsyncRuns:
    """Every run of a ledger, for asyncio: :class:`Runs` with the same arguments, results and errors.

    A write that is cancelled before a thread has taken it is not done. Cancelled later it is done or refused, and
    the cancellation goes on when that is settled; a second cancellation does not wait for it.
    """

    def __init__(self, runs: Runs, threads: Threads) -> None:
        self._runs, self._threads = runs, threads

    @property
    def failures(self) -> int:
        """As ``Runs.failures``."""
        return self._runs.failures

    @property
    def unrecorded_reads(self) -> int:
        """As ``Runs.unrecorded_reads``."""
        return self._runs.unrecorded_reads

    # ------------------------------------------------------------------------------------- writing

    async def start(self, run: RunInfo) -> Run:
        """As ``Runs.start``."""
        return await self._threads.work(partial(self._runs.start, run))

    async def finish(self, run_id: str, stats: RunStats) -> None:
        """As ``Runs.finish``."""
        await self._threads.work(partial(self._runs.finish, run_id, stats))

    async def append_log(self, log: RunLog) -> RunLog:
        """As ``Runs.append_log``."""
        return await self._threads.work(partial(self._runs.append_log, log))

    def sink(self) -> AsyncSink:
        """As ``Runs.sink``: what it gives is awaited, it is not."""
        return AsyncSink(self._runs.audit, self._threads)

    def record(
        self,
        skill_id: str,
        *,
        run_id: str | None = None,
        caller_id: str = "",
        channel_id: str = "",
        inputs: Mapping[str, JSONValue] | None = None,
        parent_run_id: str = "",
        root_run_id: str = "",
    ) -> AsyncRecordedRun:
        """As ``Runs.record``, for ``async with``."""
        run = self._runs.record(
            skill_id,
            run_id=run_id,
            caller_id=caller_id,
            channel_id=channel_id,
            inputs=inputs,
            parent_run_id=parent_run_id,
            root_run_id=root_run_id,
        )
        return AsyncRecordedRun(run, self._runs.tracing, self._threads)

    async def purge_older_than(self, cutoff: datetime, *, actor: str | None = None) -> int:
        """As ``Runs.purge_older_than``; cancelled, it ends after the batch of 500 runs that it is at."""
        arguments.check_actor(actor)
        before = arguments.moment("cutoff", cutoff)
        total = 0
        while (purged := await self.purge_batch(before, PURGE_BATCH, actor)) is not None:
            total += purged
        return total

    async def purge_batch(self, before: datetime, limit: int, actor: str | None = None) -> int | None:
        """As ``Runs.purge_batch``."""
        return await self._threads.work(partial(self._runs.purge_batch, before, limit, actor))

    # ------------------------------------------------------------------------------------- reading

    async def get(self, run_id: str) -> Run:
        """As ``Runs.get``."""
        return await self._threads.read(partial(self._runs.get, run_id))

    async def exists(self, run_id: str) -> bool:
        """As ``Runs.exists``."""
        return await self._threads.read(partial(self._runs.exists, run_id))

    async def logs(self, run_id: str) -> tuple[RunLog, ...]:
        """As ``Runs.logs``."""
        return await self._threads.read(partial(self._runs.logs, run_id))

    async def by_skill(
        self, skill_id: str, limit: int = DEFAULT_RUNS, *, offset: int = 0, include_dry_run: bool = False
    ) -> tuple[Run, ...]:
        """As ``Runs.by_skill``."""
        found = partial(self._runs.by_skill, skill_id, limit, offset=offset, include_dry_run=include_dry_run)
        return await self._threads.read(found)

    async def count_by_skill(self, skill_id: str, *, include_dry_run: bool = False) -> int:
        """As ``Runs.count_by_skill``."""
        counted = partial(self._runs.count_by_skill, skill_id, include_dry_run=include_dry_run)
        return await self._threads.read(counted)

    async def by_caller(self, caller_id: str, limit: int = DEFAULT_RUNS) -> tuple[Run, ...]:
        """As ``Runs.by_caller``."""
        return await self._threads.read(partial(self._runs.by_caller, caller_id, limit))

    async def filtered(
        self, wanted: RunFilter | None = None, offset: int = 0, limit: int = DEFAULT_RUNS
    ) -> tuple[Run, ...]:
        """As ``Runs.filtered``."""
        return await self._threads.read(partial(self._runs.filtered, wanted, offset, limit))

    async def count_filtered(self, wanted: RunFilter | None = None) -> int:
        """As ``Runs.count_filtered``."""
        return await self._threads.read(partial(self._runs.count_filtered, wanted))

    async def children(self, parent_run_id: str) -> tuple[Run, ...]:
        """As ``Runs.children``."""
        return await self._threads.read(partial(self._runs.children, parent_run_id))

    async def parent_chain(self, run_id: str) -> tuple[Run, ...]:
        """As ``Runs.parent_chain``."""
        return await self._threads.read(partial(self._runs.parent_chain, run_id))

    async def root_of(self, run_id: str) -> str | None:
        """As ``Runs.root_of``."""
        return await self._threads.read(partial(self._runs.root_of, run_id))

    async def tree(self, run_id: str) -> tuple[Run, ...]:
        """As ``Runs.tree``."""
        return await self._threads.read(partial(self._runs.tree, run_id))

    async def last_by_skills(
        self, skill_ids: Iterable[str], *, include_failed: bool = False
    ) -> dict[str, datetime]:
        """As ``Runs.last_by_skills``; ``skill_ids`` are taken in another thread."""
        found = partial(self._runs.last_by_skills, skill_ids, include_failed=include_failed)
        return await self._threads.read(found)

    async def finished_before(self, cutoff: datetime, limit: int) -> tuple[Run, ...]:
        """As ``Runs.finished_before``."""
        return await self._threads.read(partial(self._runs.finished_before, cutoff, limit))

    async def purges(self, *, limit: int = arguments.DEFAULT_PAGE, before: int | None = None) -> Page[RunPurge]:
        """As ``Runs.purges``."""
        return await self._threads.read(partial(self._runs.purges, limit=limit, before=before))

    # ------------------------------------------------------------------------------------- lineage

    async def writes(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunWrite]:
        """As ``Runs.writes``."""
        return await self._threads.read(partial(self._runs.writes, run_id, limit=limit, after=after))

    async def count_writes(self, run_ids: Sequence[str]) -> dict[str, int]:
        """As ``Runs.count_writes``."""
        return await self._threads.read(partial(self._runs.count_writes, run_ids))

    async def reads(self, run_id: str, *, limit: int = arguments.DEFAULT_PAGE, after: str = "") -> Page[RunRead]:
        """As ``Runs.reads``."""
        return await self._threads.read(partial(self._runs.reads, run_id, limit=limit, after=after))
