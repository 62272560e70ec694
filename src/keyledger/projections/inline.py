"""The read models that are written in the same transaction as their events, and so never lag behind."""

from __future__ import annotations

from collections.abc import Sequence

from keyledger.domain.partition import PartitionDeleted, PartitionEvent, PartitionState
from keyledger.domain.ports import ReadModelChanges
from keyledger.projections import current_value, key_history, usage_bytes


def project(after: PartitionState, events: Sequence[PartitionEvent]) -> ReadModelChanges:
    """The changes that ``events`` make, given the state ``after`` them.

    At most one PartitionDeleted is expected among them, and as the first: a caller with a longer stretch
    cuts it there.
    """
    cleared = events[0] if events and isinstance(events[0], PartitionDeleted) else None
    history = tuple(filter(None, map(key_history.project, events)))
    return ReadModelChanges(usage_bytes.project(after), current_value.project(after, history), history, cleared)
