"""What this process last knew of the streams it writes: heads and entries, each as of one revision.

It saves a write the round trip that would load them. It is never trusted: the commit checks the head's
revision, and a refusal is decided again on what the database holds. Only what was committed or read gets in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import StoredEntry
from keyledger.domain.ports import Slice

MAX_CACHE_BYTES = 32 * 1_048_576
_ENTRY_OVERHEAD = 400
_NOTHING: tuple[None, int] = (None, 0)


class SliceCache:
    """Slices by stream, the least recently written dropped first."""

    def __init__(self, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._slices: OrderedDict[str, tuple[Slice, int]] = OrderedDict()
        self._bytes = 0
        self._mutex = Lock()

    def get(self, stream: str, keys: Iterable[EntryKey]) -> Slice | None:
        """The slice of a stream, if it knows every one of ``keys``."""
        known = self._slices.get(stream)
        if known is None:
            return None
        for key in keys:
            if key not in known[0].state.entries:
                return None
        return known[0]

    def merged(self, stream: str, loaded: Slice) -> Slice:
        """``loaded`` with the entries known before, where both are of the same revision."""
        known = self._slices.get(stream)
        if known is None or known[0].state.revision != loaded.state.revision:
            self.drop(stream)
            return loaded
        entries = known[0].state.entries
        for key, entry in loaded.state.entries.items():
            entries = entries.insert(key, entry)
        return loaded._replace(state=loaded.state._replace(entries=entries))

    def put(self, stream: str, current: Slice, touched: Iterable[EntryKey]) -> None:
        """Remember a slice; beyond what was known of the stream it may hold entries of ``touched`` only."""
        after = current.state.entries
        with self._mutex:
            known, size = self._slices.pop(stream, _NOTHING)
            grown = 0 if known is not None else _ENTRY_OVERHEAD
            for key in touched:
                grown += _cost(after.get(key))
                if known is not None:
                    grown -= _cost(known.state.entries.get(key))
            self._slices[stream] = (current, size + grown)
            self._bytes += grown
            while self._bytes > self._max_bytes:
                self._bytes -= self._slices.popitem(last=False)[1][1]

    def drop(self, stream: str) -> None:
        """Forget a stream."""
        with self._mutex:
            self._bytes -= self._slices.pop(stream, _NOTHING)[1]


def _cost(entry: StoredEntry | None) -> int:
    return 0 if entry is None else len(entry.value) + _ENTRY_OVERHEAD
