"""How much a partition holds: the head row, written with every event and locked by every contended write."""

from __future__ import annotations

from keyledger.domain.partition import PartitionState
from keyledger.domain.ports import HeadRow


def project(after: PartitionState) -> HeadRow:
    """The head as the last event left it."""
    return HeadRow(
        after.revision,
        after.used_bytes,
        after.live_keys,
        after.max_bytes,
        after.last_recorded_at,
        after.deleted,
        after.forking,
    )
