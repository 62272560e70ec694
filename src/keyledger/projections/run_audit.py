"""The audit of runs: a summary row for each run, and the versions that it read.

The same handler writes them inline, rebuilds them, and feeds a follower's table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from keyledger.domain.audit.ports import Closed, Forgotten, Noted, Opened, ReadRow, RunChange, RunRow
from keyledger.domain.run import (
    KeysRead,
    Purged,
    RunEvent,
    RunFinished,
    RunLogged,
    RunPurged,
    RunsPurged,
    RunStarted,
    outcome_of,
)


def project(events: Iterable[RunEvent]) -> list[RunChange]:
    """What ``events`` change, in order."""
    return [change for event in events if (change := _change(event)) is not None]


def _change(event: RunEvent) -> RunChange | None:
    match event:
        case RunStarted():
            return Opened(_row(event))
        case RunFinished():
            return Closed(event.originator_id, outcome_of(event), event.recorded_at)
        case KeysRead():
            return Noted(
                tuple(ReadRow(event.originator_id, *read, event.recorded_at) for read in event.reads),
            )
        case RunPurged():
            return Forgotten(event.originator_id)
        case RunLogged() | Purged() | RunsPurged():
            return None
        case _:
            assert_never(event)


def _row(event: RunStarted) -> RunRow:
    return RunRow(
        event.originator_id,
        event.skill_id,
        event.caller_id,
        event.channel_id,
        event.parent_run_id,
        event.root_run_id or "",
        event.depth,
        event.started_at,
        event.traceparent,
        event.inputs,
    )
