"""What this process last knew of the streams it writes: heads and entries, each as of one revision.

It saves a write the round trip that would load them. It is never trusted: the commit checks the head's
revision, and a refusal is decided again on what the database holds. Only what was committed or read gets in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import StoredEntry
from keyledger.domain.ports import Slice

MAX_CACHE_BYTES = 32 * 1_048_576
_ENTRY_OVERHEAD = 400


class _Known(NamedTuple):
    slice: Slice
    bytes: int
    shared: bool


class SliceCache:
    """Slices by stream, the least recently written dropped first."""

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._slices: OrderedDict[str, _Known] = OrderedDict()
        self._bytes = 0
        self._mutex = Lock()

    def get(self, stream: str, keys: Iterable[EntryKey]) -> Slice | None:
        """The slice of a stream, if it knows every one of ``keys``."""
        known = self._slices.get(stream)
        if known is None:
            return None
        entries = known.slice.state.entries
        for key in keys:
            if key not in entries:
                return None
        return known.slice

    def is_shared(self, stream: str) -> bool:
        """Whether another process had moved the stream's head when this one last wrote it."""
        known = self._slices.get(stream)
        return known is not None and known.shared

    def merged(self, stream: str, loaded: Slice) -> Slice:
        """``loaded`` with the entries known before, where both have the same head; else those are forgotten."""
        known = self.at(stream, loaded)
        if known is None:
            self.drop(stream)
            return loaded
        entries = known.state.entries
        for key, entry in loaded.state.entries.items():
            entries = entries.insert(key, entry)
        return loaded._replace(state=loaded.state._replace(entries=entries))

    def at(self, stream: str, loaded: Slice) -> Slice | None:
        """The slice of a stream, if its head is the one that was just loaded."""
        slice_ = self.get(stream, ())
        if slice_ is None or slice_.state.revision != loaded.state.revision:
            return None
        return slice_ if slice_.leases.version == loaded.leases.version else None

    def put(self, stream: str, current: Slice, touched: Iterable[EntryKey], *, shared: bool = False) -> None:
        """Remember a slice; beyond what was known of the stream it may hold entries of ``touched`` only."""
        after = current.state.entries
        with self._mutex:
            known = self._slices.pop(stream, None)
            size = _ENTRY_OVERHEAD if known is None else known.bytes
            for key in touched:
                size += _cost(after.get(key))
                if known is not None:
                    size -= _cost(known.slice.state.entries.get(key))
            self._slices[stream] = _Known(current, size, shared)
            self._bytes += size if known is None else size - known.bytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._slices.popitem(last=False)[1].bytes

    def drop(self, stream: str) -> None:
        """Forget a stream."""
        with self._mutex:
            known = self._slices.pop(stream, None)
            self._bytes -= 0 if known is None else known.bytes


def _cost(entry: StoredEntry | None) -> int:
    return 0 if entry is None else len(entry.value) + _ENTRY_OVERHEAD
