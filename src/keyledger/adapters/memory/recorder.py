"""The library's in-memory recorder, and the read models that it writes: what a ledger in memory consists of."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import RLock
from typing import Any

from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.commands import EntryKey
from keyledger.domain.errors import LedgerClosedError
from keyledger.domain.partition import StoredEntry
from keyledger.domain.ports import (
    Commit,
    HeadMovedError,
    HeadRow,
    HistoryRow,
    ReadModelChanges,
    RequestRecord,
    UsageRow,
)
from keyledger.domain.quota import Leases

_NO_HEAD = HeadRow(0, 0, 0, None, None, deleted=False, forking=False)


@dataclass
class Rows:
    """The inline read models of one stream."""

    head: HeadRow = _NO_HEAD
    leases: Leases = Leases()  # noqa: RUF009 - a tuple
    entries: dict[EntryKey, StoredEntry] = field(default_factory=dict)
    history: dict[EntryKey, list[HistoryRow]] = field(default_factory=dict)
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    _keys: list[EntryKey] = field(default_factory=list)

    def keys(self, first: EntryKey, beyond: EntryKey) -> list[EntryKey]:
        """The keys that ever were, from ``first`` to before ``beyond``, in their order."""
        if len(self._keys) != len(self.history):
            self._keys = sorted(self.history)
        return self._keys[bisect_left(self._keys, first) : bisect_left(self._keys, beyond)]

    def version_at(self, key: EntryKey, revision: int) -> HistoryRow | None:
        """The last version of a key up to ``revision``."""
        versions = self.history.get(key, [])
        return next((row for row in reversed(versions) if row.revision <= revision), None)

    def write(self, changes: ReadModelChanges) -> None:
        self.head = changes.head
        if changes.cleared is not None:
            event = changes.cleared
            for scope, key in self.entries:
                ended = (
                    scope,
                    key,
                    event.originator_version,
                    "partition_deleted",
                    0,
                    event.recorded_at,
                    None,
                )
                self.history[scope, key].append(HistoryRow(*ended, event.changed_by, event.run_id))
            self.entries.clear()
        for entry_key, entry in changes.entries:
            if entry is not None:
                self.entries[entry_key] = entry
            else:
                self.entries.pop(entry_key, None)
        for row in changes.history:
            self.history.setdefault((row.scope, row.key), []).append(row)

    def load(self, keys: Sequence[EntryKey]) -> list[tuple[EntryKey, StoredEntry]]:
        return [(key, self.entries[key]) for key in keys if key in self.entries]

    def now(self, now: datetime) -> datetime:
        return max(now, self.head.last_recorded_at or now)

    def expired(self, now: datetime) -> list[tuple[EntryKey, StoredEntry]]:
        due = [item for item in self.entries.items() if item[1].is_expired(now)]
        return sorted(due, key=lambda item: (item[1].expires_at, item[0]))

    def usage(self, now: datetime) -> UsageRow:
        expired = self.expired(self.now(now))
        used = self.head.used_bytes - sum(entry.size for _, entry in expired)
        return UsageRow(used, self.head.live_keys - len(expired), self.head.max_bytes)


class Recorder(POPOApplicationRecorder):
    """The library's in-memory recorder, which writes the read models under the same lock."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = RLock()
        self.streams: dict[str, Rows] = {}
        self.closed = False

    @contextmanager
    def locked(self) -> Iterator[dict[str, Rows]]:
        """The rows of every stream, while nobody else has them."""
        if self.closed:
            raise LedgerClosedError
        with self.lock:
            yield self.streams

    def _insert_events(
        self, stored_events: Sequence[StoredEvent], *, commit: Commit | None = None, **kwargs: Any
    ) -> Sequence[int] | None:
        if commit is None:
            return super()._insert_events(stored_events, **kwargs)
        with self.lock:
            rows = self.streams.get(commit.stream, Rows())
            known = any(record.request_id in rows.requests for record in commit.requests)
            if known or (rows.head.revision, rows.leases.version) != (
                commit.expected,
                commit.expected_leases,
            ):
                raise HeadMovedError
            returned = super()._insert_events(stored_events)
            self.streams[commit.stream] = rows
            rows.write(commit.changes)
            rows.leases = commit.leases
            rows.requests.update({record.request_id: record for record in commit.requests})
            return returned

    def replace_events(self, stream: str, last: int, marker: StoredEvent) -> None:
        """Put ``marker`` in the place of each event of a stream up to revision ``last``."""
        with self._database_lock:
            for version, position in self._stored_events_index[stream].items():
                if version <= last:
                    self._stored_events[position] = replace(marker, originator_version=version)

    def stream_ids(self) -> list[str]:
        """Every stream that has events."""
        with self._database_lock:
            return [stream for stream, index in self._stored_events_index.items() if index]


def read_events(recorder: Recorder, mapper: EventMapper, stream: str, after: int, limit: int) -> list[Any]:
    """Events of a stream with revision > ``after``, oldest first."""
    return [mapper.to_domain_event(each) for each in recorder.select_events(stream, gt=after, limit=limit)]
