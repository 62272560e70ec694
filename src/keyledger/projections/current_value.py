"""The current value of every key: one row per live entry."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import PartitionState, StoredEntry
from keyledger.domain.ports import HistoryRow

_KEY = itemgetter(slice(2))  # scope and key


def project(
    after: PartitionState, history: Sequence[HistoryRow]
) -> tuple[tuple[EntryKey, StoredEntry | None], ...]:
    """The keys that ``history`` tells of, each with the entry to put, or None to remove its row."""
    keys: tuple[EntryKey, ...] = tuple(dict.fromkeys(map(_KEY, history)))
    return tuple(zip(keys, map(after.entries.get, keys), strict=True))
