"""The current value of every key: one row per live entry."""

from __future__ import annotations

from collections.abc import Sequence

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import PartitionEvent, PartitionState, StoredEntry, keys_touched


def project(
    after: PartitionState, events: Sequence[PartitionEvent]
) -> tuple[tuple[EntryKey, StoredEntry | None], ...]:
    """The keys that ``events`` touched, each with the entry to put, or None to remove its row."""
    return tuple([(key, after.entries.get(key)) for key in keys_touched(events)])
