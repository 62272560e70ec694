"""The history of every key: one row per event that touched it. The value itself stays in the event."""

from __future__ import annotations

from typing import assert_never

from keyledger.domain.partition import (
    KeyDeleted,
    KeyEvent,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionDeleted,
    PartitionEvent,
    QuotaChanged,
)
from keyledger.domain.ports import HistoryRow


def project(event: PartitionEvent) -> HistoryRow | None:
    """The row that ``event`` adds; None for an event of the partition as a whole."""
    match event:
        case KeySet():
            return _row(event, "set", len(event.value))
        case KeyIncremented():
            return _row(event, "increment", len(event.value))
        case KeyDeleted():
            return _row(event, "delete", 0)
        case KeyExpired():
            return _row(event, "expire", 0)
        case QuotaChanged() | PartitionDeleted():
            return None
        case _:
            assert_never(event)


def _row(event: KeyEvent, operation: str, size: int) -> HistoryRow:
    return HistoryRow(
        event.scope,
        event.key,
        event.originator_version,
        operation,
        size,
        event.recorded_at,
        event.expires_at if isinstance(event, KeySet | KeyIncremented) else None,
        event.changed_by,
        event.run_id,
    )
