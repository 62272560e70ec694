"""Rows of the tables of runs, to and from what the domain speaks of; payloads are sealed where a cipher is on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson

from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.audit.ports import Closed, ReadRow, RunCommit, RunRow, RunStatus
from keyledger.domain.errors import UnreadableError
from keyledger.domain.run import RUNNING, Outcome, RunState

# Columns of the tables, but that the first, run_id, is the parameter ``stream``.
RUN_COLUMNS = (
    "stream",
    "skill_id",
    "caller_id",
    "channel_id",
    "parent_run_id",
    "root_run_id",
    "depth",
    "started_at",
    "traceparent",
    "inputs",
    "finished_at",
    "status",
    "output",
    "error",
    "tool_calls_count",
    "runtime_seconds",
    "input_tokens",
    "output_tokens",
    "thinking_tokens",
)
HEAD_COLUMNS = ("stream", "revision", "last_recorded_at", "sequences", "purged")
READ_COLUMNS = ("stream", "partition_id", "scope", "key", "revision", "recorded_at")
_NOT_ENDED = Outcome(RUNNING)


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Whatever a row raises that somebody wrote past the ledger is UnreadableError."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(what, f"{type(error).__name__}: {error}") from None


class RunRows:
    """Translates rows; the functions take a time to its column and back, None to None.

    Each that reads raises UnreadableError for a row that the ledger has not written like that.
    """

    def __init__(
        self,
        mapper: EventMapper,
        to_column: Callable[[datetime | None], Any],
        to_time: Callable[[Any], datetime],
    ) -> None:
        self.mapper, self.to_column, self.to_time = mapper, to_column, to_time

    def _maybe(self, column: Any) -> datetime | None:
        return None if column is None else self.to_time(column)

    # ------------------------------------------------------------------------------------- reading

    def head(self, row: Sequence[Any]) -> RunState:
        """From the columns of run_head and, where the row goes on, of how the run ended."""
        stream, revision, last, sequences, purged, *ended = row
        with _readable(f"the head of {stream!r}"):
            spans = tuple((int(first), int(last_one)) for first, last_one in orjson.loads(sequences))
            return RunState(stream, revision, self._maybe(last), spans, bool(purged), self._outcome(ended))

    def _outcome(self, row: Sequence[Any]) -> Outcome | None:
        if not row or row[0] is None or row[0] == RUNNING:
            return None
        status, output, error, *rest = row
        return Outcome(status, self._unseal(output).decode(), self._unseal(error).decode(), *rest)

    def run(self, row: Sequence[Any]) -> RunRow:
        """From the columns of runs."""
        stream, skill, caller, channel, parent, root, depth, started_at, trace, inputs, finished_at, *ended = row
        with _readable(f"the summary of {stream!r}"):
            begun = (stream, skill, caller, channel, parent, root, depth, self.to_time(started_at), trace)
            return RunRow(*begun, self._unseal(inputs), self._maybe(finished_at), self._outcome(ended))

    def read(self, row: Sequence[Any]) -> ReadRow:
        """From the columns of run_reads."""
        with _readable(f"a read of {row[0]!r}"):
            return ReadRow(row[0], row[1], row[2], row[3], row[4], self.to_time(row[5]))

    def status(self, row: Sequence[Any]) -> RunStatus:
        """From a run's id, since when it is over, and whether it was purged."""
        return RunStatus(row[0], self._maybe(row[1]), bool(row[2]))

    def _unseal(self, column: bytes) -> bytes:
        return self.mapper.unseal(bytes(column), "what a run said")

    # ------------------------------------------------------------------------------------- writing

    def head_parameters(self, state: RunState) -> dict[str, Any]:
        """The columns of run_head, by name."""
        spans = orjson.dumps(state.sequences).decode()
        last = self.to_column(state.last_recorded_at)
        return dict(zip(HEAD_COLUMNS, (state.id, state.revision, last, spans, state.purged), strict=True))

    def run_parameters(self, row: RunRow) -> dict[str, Any]:
        """The columns of runs, by name."""
        *names, started_at, traceparent, inputs, finished_at, outcome = row
        begun = (*names, self.to_column(started_at), traceparent, self.mapper.seal(inputs))
        ended = (self.to_column(finished_at), *self._outcome_columns(outcome or _NOT_ENDED))
        return dict(zip(RUN_COLUMNS, (*begun, *ended), strict=True))

    def closing_parameters(self, closed: Closed) -> dict[str, Any]:
        """The columns of runs that say how a run ended, and its id, by name."""
        ended = (self.to_column(closed.finished_at), *self._outcome_columns(closed.outcome))
        return {"stream": closed.stream, **dict(zip(RUN_COLUMNS[10:], ended, strict=True))}

    def _outcome_columns(self, outcome: Outcome) -> tuple[Any, ...]:
        status, output, error, *rest = outcome
        return status, self.mapper.seal(output.encode()), self.mapper.seal(error.encode()), *rest

    def marker_parameters(self, commit: RunCommit) -> dict[str, Any]:
        """What replaces the events before a purge's own."""
        assert commit.marker is not None  # noqa: S101 - asked only for a purge
        stream, _, topic, state = self.mapper.to_row(commit.marker)
        return {"stream": stream, "topic": topic, "state": state, "last": commit.expected}

    def read_parameters(self, row: ReadRow) -> dict[str, Any]:
        """The columns of run_reads, by name."""
        return dict(zip(READ_COLUMNS, (*row[:5], self.to_column(row.recorded_at)), strict=True))
