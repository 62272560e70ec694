"""What an executor plugs in to have its runs recorded, and what costs nothing where nobody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from keyledger.domain.audit.records import RunInfo, RunStats
from keyledger.domain.audit.telemetry import CallResult
from keyledger.domain.values import JSONValue


class Recorder(Protocol):
    """Records one run. Nothing that an audit may run into is raised by a method of it."""

    def on_step(
        self,
        payload: Mapping[str, JSONValue] | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        thinking_tokens: int = 0,
    ) -> None:
        """Log a step and the tokens that it took; they are summed up for the run."""
        ...

    def on_tool(self, tool: str, args: Mapping[str, Any], result: Any = None, error: str | None = None) -> None:  # noqa: ANN401 - JSON
        """Log a tool call that is over: what it was given, and its result or its error."""
        ...

    def on_tool_call(self, tool: str, args: Mapping[str, Any]) -> AbstractContextManager[CallResult]:
        """Log a tool call that the body makes: what it is given now, the body's ``result`` or ``error`` after it.

        An exception that leaves the body is logged as the call's error, and goes on.
        """
        ...

    def on_error(self, message: str) -> None:
        """Log an error of the run; closed without saying how it ended, it ended in that error."""
        ...

    def close(self, stats: RunStats | None = None) -> None:
        """Finish the run, ``ok`` unless ``stats`` or an error says otherwise; once more changes nothing.

        Of ``stats``, the counts and the time that are 0 are those that were recorded.
        """
        ...


class Sink(Protocol):
    """What an executor tells of its runs."""

    def start_run(self, info: RunInfo) -> Recorder:
        """Record that a run begins; where that cannot be written, what comes back records nothing.

        Raises:
            InvalidArgumentError: ``info`` is not of its form, its inputs aside.
            RefusedError: the run must not start: its id is in use, or it would be too deep below its root.
        """
        ...


class _NullCall(CallResult):
    """A tool call of which nothing is kept."""

    def __setattr__(self, name: str, value: object) -> None:
        pass


_NULL_CALL = _NullCall()


class NullRecorder:
    """Records nothing."""

    def on_step(
        self,
        payload: Mapping[str, JSONValue] | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        thinking_tokens: int = 0,
    ) -> None:
        """Nothing."""

    def on_tool(self, tool: str, args: Mapping[str, Any], result: Any = None, error: str | None = None) -> None:  # noqa: ANN401 - JSON
        """Nothing."""

    def on_tool_call(self, tool: str, args: Mapping[str, Any]) -> AbstractContextManager[CallResult]:  # noqa: ARG002
        """Nothing, around the body."""
        return _NULL_CALL

    def on_error(self, message: str) -> None:
        """Nothing."""

    def close(self, stats: RunStats | None = None) -> None:
        """Nothing."""


NULL_RECORDER = NullRecorder()


class NullSink:
    """Records no run, and checks nothing."""

    def start_run(self, info: RunInfo) -> Recorder:  # noqa: ARG002
        """The one recorder that records nothing."""
        return NULL_RECORDER


NULL_SINK = NullSink()
