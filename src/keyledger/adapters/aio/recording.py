"""Recorders whose lines are awaited. What watches a run never stops it here either."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from keyledger.adapters.aio.partition import AsyncPartition
from keyledger.adapters.aio.threads import Threads
from keyledger.domain.audit.failures import described
from keyledger.domain.audit.recorded_run import RecordedRun
from keyledger.domain.audit.recording import Audit, RunRecorder
from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.audit.telemetry import CallResult, Tracing
from keyledger.domain.errors import StorageError
from keyledger.domain.values import JSONValue

T = TypeVar("T")


class AsyncRunRecorder:
    """Records one run, for asyncio: :class:`RunRecorder` with the same arguments and results.

    Lines come in the order in which they are awaited.
    """

    def __init__(self, recorder: RunRecorder, tracing: Tracing, threads: Threads) -> None:
        self._recorder, self._tracing, self._threads = recorder, tracing, threads

    @property
    def id(self) -> str:
        """The run's id."""
        return self._recorder.id

    @property
    def steps(self) -> int:
        """How many steps were recorded so far."""
        return self._recorder.steps

    @property
    def tool_calls(self) -> int:
        """How many tool calls were recorded so far."""
        return self._recorder.tool_calls

    @property
    def input_tokens(self) -> int:
        """The input tokens of all steps so far."""
        return self._recorder.input_tokens

    @property
    def output_tokens(self) -> int:
        """The output tokens of all steps so far."""
        return self._recorder.output_tokens

    @property
    def thinking_tokens(self) -> int:
        """The thinking tokens of all steps so far."""
        return self._recorder.thinking_tokens

    @property
    def failures(self) -> int:
        """How many times something of this run could not be recorded."""
        return self._recorder.failures

    async def begin(self) -> bool:
        """As ``RunRecorder.begin``; a run that has started although its task was cancelled ends ``preempted``."""
        try:
            return await self._record(self._recorder.begin)
        except CancelledError as error:
            await self._record(partial(self._recorder.close, RunStats("preempted", error=described(error))))
            raise

    async def on_step(
        self,
        payload: Mapping[str, JSONValue] | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        thinking_tokens: int = 0,
    ) -> None:
        """As ``RunRecorder.on_step``."""
        tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens, "thinking_tokens": thinking_tokens}
        await self._record(partial(self._recorder.on_step, payload, **tokens))

    async def on_tool(
        self, tool: str, args: Mapping[str, Any], result: Any = None, error: str | None = None
    ) -> None:
        """As ``RunRecorder.on_tool``."""
        await self._record(partial(self._recorder.on_tool, tool, args, result, error))

    @asynccontextmanager
    async def on_tool_call(self, tool: str, args: Mapping[str, Any]) -> AsyncIterator[CallResult]:
        """As ``RunRecorder.on_tool_call``, with ``async with``."""
        of = await self._record(partial(self._recorder.begin_call, tool, args))
        try:
            with self._tracing.call(tool, args, self.id) as call:
                yield call
        except BaseException as error:
            await self._record(partial(self._recorder.end_call, of, error))
            raise
        await self._record(partial(self._recorder.end_call, of, call))

    async def on_error(self, message: str) -> None:
        """As ``RunRecorder.on_error``."""
        await self._record(partial(self._recorder.on_error, message))

    async def close(self, stats: RunStats | None = None) -> None:
        """As ``RunRecorder.close``."""
        await self._record(partial(self._recorder.close, stats))

    async def _record(self, function: Callable[[], T]) -> T:
        try:
            return await self._threads.work(function)
        except StorageError:  # there is no thread to do it, and a recorder raises none: let it say what is wrong
            return function()


class AsyncRecordedRun(AsyncRunRecorder):
    """A run that begins and ends with an ``async with`` block: otherwise as :class:`RecordedRun`.

    A task's cancellation ends it as ``preempted``, and goes on when that is written.
    """

    def __init__(self, run: RecordedRun, tracing: Tracing, threads: Threads) -> None:
        super().__init__(run, tracing, threads)
        self._run = run

    @property
    def output(self) -> str:
        """What the run came to."""
        return self._run.output

    @output.setter
    def output(self, text: str) -> None:
        self._run.output = text

    @property
    def status(self) -> str:
        """How the run is to end; empty where the end of the block decides."""
        return self._run.status

    @status.setter
    def status(self, status: str) -> None:
        self._run.status = status

    @property
    def root_run_id(self) -> str:
        """The run that the dispatch tree began with."""
        return self._run.root_run_id

    def partition(
        self, partition_id: str, *, tool: str | None = None, record_reads: bool = False
    ) -> AsyncPartition:
        """As ``RecordedRun.partition``; it is not awaited."""
        kv = self._run.partition(partition_id, tool=tool, record_reads=record_reads)
        return AsyncPartition(kv, self._threads)

    async def end(self, error: BaseException | None = None) -> None:
        """As ``RecordedRun.end``."""
        await self._record(partial(self._run.end, error))

    async def __aenter__(self) -> Self:
        await self.begin()
        self._leave = self._tracing.enter_run(self.id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        await self.end(error)


class AsyncSink:
    """What an executor tells of its runs, for asyncio: what ``Runs.sink`` gives, awaited."""

    def __init__(self, audit: Audit, threads: Threads) -> None:
        self._audit, self._threads = audit, threads

    async def start_run(self, info: RunInfo) -> AsyncRunRecorder:
        """As ``Sink.start_run``."""
        recorder = AsyncRunRecorder(RunRecorder(self._audit, info), self._audit.tracing, self._threads)
        await recorder.begin()
        return recorder
