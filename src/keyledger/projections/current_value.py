"""The current value of every key: one row per live entry."""

from __future__ import annotations

from collections.abc import Sequence

from keyledger.domain.partition import EntryKey, PartitionEvent, PartitionState, StoredEntry


def project(
    after: PartitionState, events: Sequence[PartitionEvent]
) -> tuple[tuple[EntryKey, StoredEntry | None], ...]:
    """The keys that ``events`` touched, each with the entry to put, or None to remove its row."""
    touched = dict.fromkeys((event.scope, event.key) for event in events if hasattr(event, "key"))
    return tuple((key, after.entries.get(key)) for key in touched)
