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
_ENTRY_OVERHEAD = 560  # measured: what a process grows by for an entry, less its value


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

    def learn(self, stream: str, loaded: Slice, *, locked: bool = False) -> Slice:
        """Remember what was loaded and, where it has the same head, what was known before; both as one slice.

        ``locked`` says that the stream's lock is held: another head is then another process's doing.
        """
        known = self._slices.get(stream)
        if known is None or not _same_head(known.slice, loaded):
            self._store(stream, Slice(loaded.state, loaded.leases), _size_of_all(loaded), shared=locked)
            return loaded
        entries = known.slice.state.entries
        added = [(key, entry) for key, entry in loaded.state.entries.items() if key not in entries]
        for key, entry in added:
            entries = entries.insert(key, entry)
        merged = loaded.state._replace(entries=entries)
        size = known.bytes + _size(entry for _, entry in added)
        self._store(stream, Slice(merged, loaded.leases), size, shared=False)
        return loaded._replace(state=merged)

    def put(self, stream: str, current: Slice) -> None:
        """Remember a slice that was decided on the one known, and has grown as its head has."""
        known = self._slices.get(stream)
        if known is None:
            size = _size_of_all(current)
        else:
            before, after = known.slice.state, current.state
            size = known.bytes + after.used_bytes - before.used_bytes
            size += _ENTRY_OVERHEAD * (len(after.entries) - len(before.entries))
        self._store(stream, current, size, shared=known is not None and known.shared)

    def _store(self, stream: str, current: Slice, size: int, *, shared: bool) -> None:
        with self._mutex:
            known = self._slices.pop(stream, None)
            self._slices[stream] = _Known(current, size, shared)
            self._bytes += size if known is None else size - known.bytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._slices.popitem(last=False)[1].bytes

    def drop(self, stream: str) -> None:
        """Forget a stream."""
        with self._mutex:
            known = self._slices.pop(stream, None)
            self._bytes -= 0 if known is None else known.bytes


def _same_head(one: Slice, other: Slice) -> bool:
    return one.state.revision == other.state.revision and one.leases.version == other.leases.version


def _size_of_all(slice_: Slice) -> int:
    return _ENTRY_OVERHEAD + _size(slice_.state.entries.values())


def _size(entries: Iterable[StoredEntry]) -> int:
    return sum([len(entry.value) + _ENTRY_OVERHEAD for entry in entries])
