"""Exporting partitions as JSON lines (see :mod:`keyledger.domain.lines`), each as of one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from keyledger.domain.engine import Engine
from keyledger.domain.lines import line_of
from keyledger.domain.partition import (
    KeyIncremented,
    KeySet,
    PartitionEvent,
    PartitionState,
    QuotaChanged,
    StoredEntry,
    keys_touched,
)

_PAGE = 100  # events, as values may be long


class Exporter:
    """One export: of every change, or with ``current`` of what the entries that are live say of themselves."""

    def __init__(self, engine: Engine, *, current: bool, progress: Callable[[int, int], None] | None) -> None:
        self._engine, self._storage = engine, engine.storage
        self._current, self._progress = current, progress
        self._read = self._total = 0

    def lines(self, stream: str | None) -> Iterator[str]:
        """The lines of one stream, or of all, one stream after the other, oldest change first."""
        streams = self._storage.all_streams() if stream is None else [(stream, self._head(stream).revision)]
        self._total = sum(revision for _, revision in streams)
        for name, _ in streams:
            head = self._head(name)
            now = head.effective_now(self._engine.clock.now())
            for page in self._pages(head):
                for event in self._standing(page, head, now) if self._current else page:
                    yield line_of(event, self._engine.codec)

    def _head(self, stream: str) -> PartitionState:
        return self._storage.load(stream, ()).state

    def _pages(self, head: PartitionState) -> Iterator[list[PartitionEvent]]:
        """The events of a stream up to its head."""
        reached = 0
        while reached < head.revision:
            page = self._storage.events(head.id, reached, min(_PAGE, head.revision - reached))
            yield page
            reached = page[-1].originator_version
            self._read += len(page)
            if self._progress is not None:
                self._progress(self._read, max(self._read, self._total))

    def _standing(
        self, page: list[PartitionEvent], head: PartitionState, now: datetime
    ) -> Iterator[PartitionEvent]:
        """Those that made a live entry of ``head``; and each change of the quota, as the entries may need it.

        Nothing of a fork that is not finished.
        """
        if not head.live_keys or head.forking:
            return
        entries = self._storage.load(head.id, keys_touched(page)).state.entries
        for event in page:
            if isinstance(event, KeySet | KeyIncremented):
                live = event.expires_at is None or event.expires_at > now
                if live and self._stands(event, entries.get((event.scope, event.key)), head):
                    yield KeySet(**event.model_dump(exclude={"delta", "restored_from", "copied_from"}))
            elif isinstance(event, QuotaChanged):
                yield event

    def _stands(self, event: KeySet | KeyIncremented, entry: StoredEntry | None, head: PartitionState) -> bool:
        """Whether ``event`` is the key's last as of ``head``; its entry may have moved on since."""
        if entry is not None and entry.revision <= head.revision:
            return entry.revision == event.originator_version
        (last,) = self._storage.history(head.id, event.scope, event.key, head.revision + 1, 1)
        return last.row.revision == event.originator_version
