"""The history of every key: one row per event that touched it. The value itself stays in the event."""

from __future__ import annotations

from keyledger.domain.partition import KeyEvent, KeyIncremented, KeySet, PartitionEvent, operation_of
from keyledger.domain.ports import HistoryRow


def project(event: PartitionEvent) -> HistoryRow | None:
    """The row that ``event`` adds; None for an event of the partition as a whole."""
    if not isinstance(event, KeyEvent):
        return None
    value = event.value if isinstance(event, KeySet | KeyIncremented) else b""
    expires_at = event.expires_at if isinstance(event, KeySet | KeyIncremented) else None
    return HistoryRow(
        event.scope,
        event.key,
        event.originator_version,
        operation_of(event),
        len(value),
        event.recorded_at,
        expires_at,
        event.changed_by,
        event.run_id,
    )
