"""What tracing is told of runs and tool calls, and a guard that keeps its failures away from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from keyledger.domain.audit.failures import described
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.run import Outcome

T = TypeVar("T")
_log = logging.getLogger("keyledger")


class TracedRun(NamedTuple):
    """A run as its span shows it, and nothing of what it says; ``parent_run_id`` is empty at the top level."""

    id: str
    skill_id: str
    channel_id: str
    parent_run_id: str
    root_run_id: str
    started_at: datetime


class EndedRun(NamedTuple):
    """How a run ended: ``error_type`` is the class of the exception that ended it, where that is known."""

    outcome: Outcome
    finished_at: datetime
    error_type: str | None = None


class TracedCall(NamedTuple):
    """A tool call as its span shows it; ``store`` is the partition of a key tool, None for any other tool."""

    tool: str
    args: Mapping[str, Any]
    run_id: str | None = None
    store: str | None = None


class BegunRun(NamedTuple):
    """A span that has begun: its W3C trace context, and ``keep`` to call once its run is known to have started."""

    traceparent: str | None
    keep: Callable[[], None]


FindTraceparent: TypeAlias = Callable[[str], str | None]
"""Looks up the trace context of a run that this process did not start."""

EndCall: TypeAlias = Callable[[Any, BaseException | str | None], None]
"""Ends the span of a tool call, with its result or its error."""


class Telemetry(Protocol):
    """Makes spans of runs and tool calls. Whatever a method raises is reported, and nothing else comes of it."""

    def active(self) -> bool:
        """Whether spans go anywhere now."""
        ...

    def begin_run(self, run: TracedRun, parent_traceparent: str | None) -> BegunRun:
        """Begin the span of a run under that of its parent; one that is not kept is never shown."""
        ...

    def is_open(self, run_id: str) -> bool:
        """Whether the span of a run is kept here and has not ended."""
        ...

    def end_run(self, run_id: str, ended: EndedRun) -> None:
        """End the span that is kept here."""
        ...

    def show_run(self, run: TracedRun, ended: EndedRun, traceparent: str) -> None:
        """Show a run that ended here and whose span began elsewhere, as ``traceparent``."""
        ...

    def enter_run(self, run_id: str) -> Callable[[], None]:
        """Make the span of a run the current one, until what comes back is called."""
        ...

    def begin_call(self, call: TracedCall, find: FindTraceparent) -> EndCall:
        """Begin the span of a tool call, and make it the current one until it ends."""
        ...


LoadTelemetry: TypeAlias = Callable[[], Telemetry | None]
"""Answers with what makes spans, once there is such; it is asked until then."""


TOOL_ERROR = "tool_error"
"""The class of an error that is known only by its text."""


def error_type(error: BaseException) -> str:
    """The class of an error: of ours, the word that tools answer with."""
    return error.code if isinstance(error, KeyledgerError) else type(error).__qualname__


def no_telemetry() -> None:
    """There is none."""


class CallResult:
    """What the body of a call says of it: its ``result``, or an ``error`` that it does not raise."""

    result: Any = None
    error: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


class Tracing:
    """Telemetry that cannot break what it watches: its failures are reported, each kind once."""

    def __init__(self, load: LoadTelemetry, find: FindTraceparent) -> None:
        self._load, self._find = load, find
        self._loaded: Telemetry | None = None
        self._reported: set[str] = set()

    def begin_run(self, run: TracedRun, parent_traceparent: str | None) -> BegunRun:
        """Begin the span of a run under that of its parent."""
        return self._safely(lambda telemetry: telemetry.begin_run(run, parent_traceparent), _UNTRACED)

    def keep(self, begun: BegunRun) -> None:
        """Say that the run of a span has started."""
        self._safely(lambda _: begun.keep(), None)

    def ending(
        self, run_id: str, find: Callable[[str], tuple[TracedRun, str] | None]
    ) -> Callable[[EndedRun], None]:
        """What to call when a run has ended; ``find`` looks a run up that another process began.

        It is asked before the end is written, as later nobody could tell the first end from a second.
        """
        if self._safely(lambda telemetry: telemetry.is_open(run_id), default=False):
            return lambda ended: self._safely(lambda telemetry: telemetry.end_run(run_id, ended), None)
        found = self._safely(lambda telemetry: find(run_id) if telemetry.active() else None, None)
        if found is None:
            return _nothing_ended
        run, traceparent = found
        return lambda ended: self._safely(lambda telemetry: telemetry.show_run(run, ended, traceparent), None)

    def enter_run(self, run_id: str) -> Callable[[], None]:
        """Make the span of a run the current one, until what comes back is called."""
        leave = self._safely(lambda telemetry: telemetry.enter_run(run_id), _nothing)
        return lambda: self._safely(lambda _: leave(), None)

    def call(
        self, tool: str, args: Mapping[str, Any], run_id: str | None, store: str | None = None
    ) -> AbstractContextManager[CallResult]:
        """Trace the body as a call of ``tool`` by a run; ``store`` as in :class:`TracedCall`."""
        if self._found() is None or not self._safely(_is_active, default=False):
            return CallResult()
        return self._traced(TracedCall(tool, args, run_id, store))

    @contextmanager
    def _traced(self, call: TracedCall) -> Iterator[CallResult]:
        end = self._safely(lambda telemetry: telemetry.begin_call(call, self._find), _UNTRACED_CALL)
        said, failure = CallResult(), None
        try:
            yield said
        except BaseException as error:
            failure = error
            raise
        finally:
            self._safely(lambda _: end(said.result, failure or said.error), None)

    def _found(self) -> Telemetry | None:
        if self._loaded is None:
            try:
                self._loaded = self._load()
            except Exception as error:  # noqa: BLE001 - whatever tracing raises, runs go on
                self._load = no_telemetry
                self._report(error)
        return self._loaded

    def _safely(self, do: Callable[[Telemetry], T], default: T) -> T:
        telemetry = self._found()
        if telemetry is None:
            return default
        try:
            return do(telemetry)
        except Exception as error:  # noqa: BLE001 - whatever tracing raises, runs go on
            self._report(error)
            return default

    def _report(self, error: Exception) -> None:
        """Tell the log, once for each kind."""
        kind = type(error).__name__
        if kind not in self._reported:
            self._reported.add(kind)
            _log.warning("tracing failed, and the runs go on without it: %s", described(error))


def _is_active(telemetry: Telemetry) -> bool:
    return telemetry.active()


def _nothing() -> None:
    pass


def _nothing_ended(_ended: EndedRun) -> None:
    pass


def _nothing_called(_result: object, _error: object) -> None:
    pass


_UNTRACED = BegunRun(None, _nothing)
_UNTRACED_CALL: EndCall = _nothing_called
