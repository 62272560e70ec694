"""The history of every key: one row per event that touched it. The value itself stays in the event."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from keyledger.domain.partition import (
    KeyDeleted,
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
    expires_at: datetime | None = None
    match event:
        case KeySet():
            operation, size, expires_at = "set", len(event.value), event.expires_at
        case KeyIncremented():
            operation, size, expires_at = "increment", len(event.value), event.expires_at
        case KeyDeleted():
            operation, size = "delete", 0
        case KeyExpired():
            operation, size = "expire", 0
        case QuotaChanged() | PartitionDeleted():
            return None
        case _:
            assert_never(event)
    return HistoryRow(
        event.scope,
        event.key,
        event.originator_version,
        operation,
        size,
        event.recorded_at,
        expires_at,
        event.changed_by,
        event.run_id,
    )
