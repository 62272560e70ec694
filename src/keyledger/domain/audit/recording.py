"""Recording a run while it goes on.

What watches a run must never stop it: whatever keeps a line from being written is told to the log, once for each
kind and run, and counted, and the run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from keyledger.domain import arguments
from keyledger.domain.audit.failures import Failures, text_of, why
from keyledger.domain.audit.records import Run, RunInfo, RunLog, RunStats
from keyledger.domain.audit.sink import NULL_RECORDER, NULL_SINK, Recorder, Sink
from keyledger.domain.audit.telemetry import TOOL_ERROR, CallResult, Tracing, error_type
from keyledger.domain.errors import (
    InvalidArgumentError,
    KeyledgerError,
    LedgerBusyError,
    OutcomeUnknownError,
    RefusedError,
    RunNotFoundError,
    StorageError,
    StorageUnavailableError,
)
from keyledger.domain.ports import Clock
from keyledger.domain.run import TERMINAL
from keyledger.domain.values import MAX_INTEGER, JSONValue

_log = logging.getLogger("keyledger")


class Audit(NamedTuple):
    """What recorders write with, and those that live.

    ``finish`` takes the class of the exception that ended the run, if one did.
    """

    start: Callable[[RunInfo], Run]
    get: Callable[[str], Run]
    append_log: Callable[[RunLog], RunLog]
    finish: Callable[[str, RunStats, str | None], None]
    clock: Clock
    tracing: Tracing
    failures: Failures
    live: WeakValueDictionary[str, RunRecorder]


class RunRecorder:
    """Records one run: its steps, tool calls and errors, what they come to, and how it ended.

    Safe to share between threads: each line gets its sequence from the transaction that appends it.
    """

    def __init__(self, audit: Audit, info: RunInfo) -> None:
        self.id = getattr(info, "id", "")
        self.steps = self.tool_calls = 0
        self.input_tokens = self.output_tokens = self.thinking_tokens = 0
        self.failures = 0
        """How many times something of this run could not be recorded."""
        self._audit, self._info = audit, info
        self._run: Run | None = None
        self._error = ""
        self._said: RunStats | None = None
        self._seconds = 0.0
        self._closed = False
        self._reported: set[tuple[str, type[Exception]]] = set()

    def begin(self) -> bool:
        """Start the run; whether that could be written. Without it nothing else of the run is recorded.

        Inputs that cannot be written are left out, as what a line says is.

        Raises:
            InvalidArgumentError, RefusedError: the run must not start.
        """
        try:
            self._run = self._begun()
            self._audit.live[self.id] = self
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
        """Log a step and the tokens that it took; they are summed up for the run."""
        used = {"input_tokens": input_tokens, "output_tokens": output_tokens, "thinking_tokens": thinking_tokens}
        with self._audit.failures.lock:
            self.steps += 1

        def said() -> dict[str, Any]:
            tokens = self._add(used)
            return _object("payload", payload or {}) | tokens

        self._append("step", said)

    def on_tool(self, tool: str, args: Mapping[str, Any], result: Any = None, error: str | None = None) -> None:  # noqa: ANN401 - JSON
        """Log a tool call that is over: what it was given, and its result or its error."""
        with self.on_tool_call(tool, args) as call:
            call.result, call.error = result, error

    @contextmanager
    def on_tool_call(self, tool: str, args: Mapping[str, Any]) -> Iterator[CallResult]:
        """Log a tool call that the body makes: what it is given now, the body's ``result`` or ``error`` after it.

        An exception that leaves the body is logged as the call's error, and goes on.
        """
        of = self.begin_call(tool, args)
        try:
            with self._audit.tracing.call(tool, args, self.id) as call:
                yield call
        except BaseException as error:
            self.end_call(of, error)
            raise
        self.end_call(of, call)

    def begin_call(self, tool: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Count and log a tool call that begins; what :meth:`end_call` is to be given of it."""
        self.count_call()
        of: dict[str, Any] = {"tool": tool}
        sequence = self._append("tool_call", lambda: of | {"args": _object("args", args)}, **of)
        return of if sequence is None else of | {"call": sequence}

    def end_call(self, of: dict[str, Any], outcome: CallResult | BaseException) -> None:
        """Log what a tool call came to."""
        said: dict[str, Any]
        if isinstance(outcome, BaseException):
            said = {"ok": False, "error": error_type(outcome), "message": text_of(outcome)}
        elif outcome.error is not None:
            said = {"ok": False, "error": TOOL_ERROR, "message": outcome.error}
        else:
            said = {"ok": True, "result": outcome.result}
        self._append("tool_result", lambda: of | said, **of)

    def count_call(self) -> None:
        """Count a tool call that somebody else has logged in the run."""
        with self._audit.failures.lock:
            self.tool_calls += 1

    def on_error(self, message: str) -> None:
        """Log an error of the run; closed without saying how it ended, it ended in that error."""
        self._error = message
        self._append("error", lambda: {"message": message})

    def close(self, stats: RunStats | None = None) -> None:
        """Finish the run, ``ok`` unless ``stats`` or an error says otherwise; once more changes nothing.

        Of ``stats``, the counts and the time that are 0 are those that were recorded. Where the end could not be
        written, another call tries that again.
        """
        self._close(stats, None)

    # ----------------------------------------------------------------------------------- internals

    def _begun(self) -> Run:
        """Start the run; where its inputs cannot be written, with why in their place; else with none."""
        try:
            return self._start(self._info)
        except InvalidArgumentError as error:
            if not error.field.removeprefix("redacted ").startswith("inputs"):
                raise
            self._failed("what it was given", error)
            omitted = why(error)
        try:
            return self._start(replace(self._info, inputs={"omitted": omitted}))
        except InvalidArgumentError:  # redaction lets that pass no more
            return self._start(replace(self._info, inputs={}))

    def _start(self, info: RunInfo) -> Run:
        try:
            return self._audit.start(info)
        except OutcomeUnknownError as unknown:
            try:
                return self._audit.get(self.id)
            except KeyledgerError:
                raise unknown from None

    def _add(self, used: dict[str, int]) -> dict[str, int]:
        """Add what a step used to the sums; those that are not 0."""
        for name, count in used.items():
            arguments.check_integer(name, count, 0)
        with self._audit.failures.lock:
            for name, count in used.items():
                setattr(self, name, getattr(self, name) + count)
        return {name: count for name, count in used.items() if count}

    def _append(self, event_type: str, payload: Callable[[], dict[str, Any]], **known: Any) -> int | None:  # noqa: ANN401 - JSON
        """Log a line; its sequence. In place of a payload that is none stands what is ``known`` of it, and why."""
        if self._run is None:
            return None
        try:
            try:
                return self._audit.append_log(RunLog(self.id, event_type, payload())).sequence
            except InvalidArgumentError as error:
                self._failed(f"what a {event_type} says", error)
                known["omitted"] = why(error)
                return self._audit.append_log(RunLog(self.id, event_type, known)).sequence
        except Exception as error:  # noqa: BLE001 - of an audit's failures no run is to hear
            self._failed(f"a {event_type}", error)
            return None

    def _close(self, stats: RunStats | None, error_type: str | None) -> None:
        """Finish the run by what the first who closed it said."""
        if self._run is None or self._closed:
            return
        try:
            with self._audit.failures.lock:
                if self._said is None:
                    default = RunStats("error" if self._error else "ok", error=self._error)
                    self._said = default if stats is None else stats
                    passed = self._audit.clock.now() - self._run.started_at
                    self._seconds = max(0.0, passed.total_seconds())
            self._end(self._said, error_type)
            self._closed = True
        except Exception as error:  # noqa: BLE001 - of an audit's failures no run is to hear
            self._failed("its end", error)

    def _end(self, said: RunStats, error_type: str | None) -> None:
        """Finish the run as it was said; where that cannot be written, by why; else by its status alone."""
        try:
            self._finish(said, error_type)
        except (StorageError, RunNotFoundError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is amiss with what was said, the run has ended
            self._failed("what it came to", error)
            status = said.status if isinstance(said, RunStats) and said.status in TERMINAL else "error"
            try:
                self._finish(RunStats(status, error=f"omitted: {why(error)}"), error_type)
            except InvalidArgumentError:  # redaction lets that pass no more
                self._finish(RunStats(status), error_type)

    def _finish(self, said: RunStats, error_type: str | None) -> None:
        """Finish the run, with a second attempt where the storage was away for a moment."""
        stats = self._completed(said)
        try:
            self._audit.finish(self.id, stats, error_type)
        except (LedgerBusyError, OutcomeUnknownError, StorageUnavailableError):
            self._audit.finish(self.id, stats, error_type)

    def _completed(self, said: RunStats) -> RunStats:
        """What was said of the end of the run, and in place of zeros what was recorded."""
        if not isinstance(said, RunStats):
            raise InvalidArgumentError("stats", said, "a RunStats")
        counts: dict[str, Any] = {
            name: getattr(said, name) or min(getattr(self, name), MAX_INTEGER)
            for name in ("tool_calls", "input_tokens", "output_tokens", "thinking_tokens")
        }
        return replace(said, runtime_seconds=said.runtime_seconds or self._seconds, **counts)

    def _failed(self, what: str, error: Exception) -> None:
        kind = (what, type(error))
        with self._audit.failures.lock:
            self.failures += 1
            first = kind not in self._reported
            self._reported.add(kind)
        self._audit.failures.count()
        if first:
            _log.warning("run %r: %s is not recorded: %s", self.id, what, why(error))


class RunSink:
    """Records runs in a ledger."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def start_run(self, info: RunInfo) -> Recorder:
        """Record that a run begins; where that cannot be written, what comes back records nothing.

        Raises:
            InvalidArgumentError: ``info`` is not of its form, its inputs aside.
            RefusedError: the run must not start: its id is in use, or it would be too deep below its root.
        """
        recorder = RunRecorder(self._audit, info)
        return recorder if recorder.begin() else NULL_RECORDER


class _Runs(Protocol):
    def sink(self) -> Sink: ...


def sink_on(runs: _Runs | None) -> Sink:
    """What records runs in ``ledger.runs``; on None, what records nothing and costs nothing."""
    return NULL_SINK if runs is None else runs.sink()


def _object(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(field, value, "a dict of JSON values")
    return dict(value)
