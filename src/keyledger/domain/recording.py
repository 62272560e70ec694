"""Recording a run while it goes on: what an executor plugs in.

What watches a run must never stop it. So nothing here raises what the storage, or a payload that cannot be
written, would: it is told to the log, once for each kind and run, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from keyledger.domain.errors import InvalidArgumentError, RefusedError
from keyledger.domain.kv import Partition
from keyledger.domain.ports import Clock
from keyledger.domain.run_records import Run, RunInfo, RunLog, RunStats
from keyledger.domain.telemetry import CallResult, Tracing
from keyledger.domain.values import JSONValue

T = TypeVar("T")
_log = logging.getLogger("keyledger")


class Recorder(Protocol):
    """What a sink gives an executor for one run. No method of it raises what an audit may run into."""

    @property
    def failures(self) -> int:
        """How many times something of this run could not be recorded."""
        ...

    def on_step(
        self,
        payload: Mapping[str, JSONValue] | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        thinking_tokens: int = 0,
    ) -> None:
        """Log a step with what it used; the tokens are summed up for the run."""
        ...

    def on_tool(
        self, tool: str, args: Mapping[str, JSONValue], result: JSONValue = None, error: str | None = None
    ) -> None:
        """Log a tool call that is over, with its result or its error."""
        ...

    def on_tool_call(self, tool: str, args: Mapping[str, JSONValue]) -> AbstractContextManager[CallResult]:
        """Log a tool call before it is made: the body makes it, and says its ``result`` or its ``error``.

        An exception that leaves the body is logged as the error of the call, and goes on.
        """
        ...

    def on_error(self, message: str) -> None:
        """Log an error of the run. A run that is closed without saying how it ended then ended in that error."""
        ...

    def close(self, stats: RunStats | None = None) -> None:
        """Finish the run, ``ok`` unless ``stats`` or an error says otherwise; once more changes nothing.

        Of ``stats``, the counts and the time that are 0 are those that were recorded.
        """
        ...


class Sink(Protocol):
    """What an executor tells of its runs."""

    def start_run(self, info: RunInfo) -> Recorder:
        """Record that a run begins; where that cannot be written, the recorder records nothing.

        Raises:
            InvalidArgumentError: ``info`` is not of its form.
            RefusedError: the run must not start: its id is in use, or it would be too deep below its root.
        """
        ...


class Failures:
    """Counts what could not be recorded, over all runs of a ledger."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = Lock()

    def count(self) -> None:
        """One more."""
        with self._lock:
            self.total += 1


class Audit(NamedTuple):
    """What recorders write with. ``finish`` takes the class of the exception that ended the run, if one did."""

    start: Callable[[RunInfo], Run]
    append_log: Callable[[RunLog], RunLog]
    finish: Callable[[str, RunStats, str | None], None]
    partition: Callable[..., Partition]
    trace_call: Callable[[str, Mapping[str, Any], str], AbstractContextManager[CallResult]]
    clock: Clock
    tracing: Tracing
    failures: Failures


class RunRecorder:
    """Records one run: its steps, tool calls and errors, what they count up to, and how it ended.

    Safe to share between threads; each line gets its sequence from the transaction that appends it.
    """

    def __init__(self, audit: Audit, info: RunInfo) -> None:
        self._audit, self._info = audit, info
        self._lock = Lock()
        self._run: Run | None = None
        self._counts = {"tool_calls": 0, "input_tokens": 0, "output_tokens": 0, "thinking_tokens": 0}
        self._error = ""
        self._stats: RunStats | None = None
        self._closed = False
        self._reported: set[tuple[str, str]] = set()
        self.failures = 0
        self.steps = 0

    @property
    def id(self) -> str:
        """The run's id."""
        return self._info.id

    def begin(self) -> bool:
        """Start the run; whether that was written. Raises what a :meth:`Sink.start_run` raises."""
        try:
            self._run = self._audit.start(self._info)
        except (InvalidArgumentError, RefusedError):
            raise
        except Exception as error:  # noqa: BLE001 - of an audit's failures no run is to hear
            self._failed("its start", error)
        return self._run is not None

    def on_step(
        self,
        payload: Mapping[str, JSONValue] | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        thinking_tokens: int = 0,
    ) -> None:
        """Log a step with what it used; the tokens are summed up for the run."""
        used = {"input_tokens": input_tokens, "output_tokens": output_tokens, "thinking_tokens": thinking_tokens}
        with self._lock:
            self.steps += 1
        self._count(**used)
        self._append("step", {**(payload or {}), **{name: count for name, count in used.items() if count}})

    def on_tool(
        self, tool: str, args: Mapping[str, JSONValue], result: JSONValue = None, error: str | None = None
    ) -> None:
        """Log a tool call that is over, with its result or its error."""
        with self.on_tool_call(tool, args) as call:
            call.result, call.error = result, error

    def on_tool_call(self, tool: str, args: Mapping[str, JSONValue]) -> AbstractContextManager[CallResult]:
        """Log a tool call before it is made: the body makes it, and says its ``result`` or its ``error``.

        An exception that leaves the body is logged as the error of the call, and goes on.
        """
        return _RecordedCall(self, tool, args)

    def on_error(self, message: str) -> None:
        """Log an error of the run. A run that is closed without saying how it ended then ended in that error."""
        self._error = message
        self._append("error", {"message": message})

    def close(self, stats: RunStats | None = None) -> None:
        """Finish the run, ``ok`` unless ``stats`` or an error says otherwise; once more changes nothing.

        Of ``stats``, the counts and the time that are 0 are those that were recorded. Where it could not be
        written, another call tries again.
        """
        self._close(stats, None)
