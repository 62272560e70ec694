"""What the tests of runs do again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from keyledger.adapters.conformance.clock import START
from keyledger.domain.audit.records import Run, RunInfo, RunLog, RunStats
from keyledger.domain.audit.runs import Runs
from keyledger.domain.values import JSONValue


def moment(seconds: float) -> datetime:
    """A time on the day before the clock's."""
    return START - timedelta(days=1) + timedelta(seconds=seconds)


def begin(runs: Runs, run_id: str, at: float | None = None, skill_id: str = "weather", **fields: Any) -> Run:
    """Start a run, now or at a moment."""
    return runs.start(RunInfo(run_id, skill_id, started_at=None if at is None else moment(at), **fields))


def begin_and_end(runs: Runs, run_id: str, at: float | None = None, status: str = "ok", **fields: Any) -> None:
    """Start a run and finish it."""
    begin(runs, run_id, at, **fields)
    runs.finish(run_id, RunStats(status))


def step(
    runs: Runs, run_id: str, sequence: int | None = None, payload: Mapping[str, JSONValue] | None = None
) -> RunLog:
    """Append a step."""
    return runs.append_log(RunLog(run_id, "step", payload or {}, sequence))


def ids(found: Iterable[Run]) -> list[str]:
    """The ids of runs, in their order."""
    return [run.id for run in found]
