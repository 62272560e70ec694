"""The Storage port on dicts under one lock. Gone with the process; of the promises, all but durability hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from threading import RLock
from typing import Any

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.recorder import Recorder, Rows, read_events
from keyledger.adapters.memory.runs import MemoryRuns
from keyledger.adapters.memory.skills import MemorySkills
from keyledger.adapters.rebuild import differing, differing_heads, rebuilt
from keyledger.adapters.wakes import Subscribers, Wake
from keyledger.domain.commands import EntryKey
from keyledger.domain.errors import LedgerClosedError
from keyledger.domain.partition import PartitionEvent, PartitionState, QuotaChanged, StoredEntry
from keyledger.domain.ports import (
    EVERY_VERSION,
    Commit,
    HistoryFilter,
    HistoryRow,
    PastRow,
    PastVersion,
    Projector,
    ReadEntry,
    Slice,
    StoredVersion,
    StreamHead,
    UsageRow,
)
from keyledger.domain.quota import Lease, Leases
from keyledger.domain.scope import key_range


class MemoryStorage:
    """Events and inline read models of a ledger in this process's memory."""

    def __init__(self, mapper: EventMapper) -> None:
        self.mapper, self.recorder = mapper, Recorder()
        self._leased: dict[str, tuple[str, Lease]] | None = None
        self.runs = MemoryRuns(mapper, self.recorder)
        self.skills = MemorySkills(mapper, self.recorder)
        self._subscribers = Subscribers()

    # ------------------------------------------------------------------------------------- session

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[MemoryStorage]:  # noqa: ARG002 - one lock for all streams
        with self.recorder.locked():
            yield self

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        with self.recorder.locked() as streams:
            rows = streams.get(stream, Rows())
            known = [rows.requests[each] for each in request_ids if each in rows.requests]
            state = PartitionState(stream, *rows.head).with_entries(rows.load(keys))
            return Slice(state, rows.leases, tuple(known))

    def load_expired(self, stream: str, now: datetime, limit: int) -> list[tuple[EntryKey, StoredEntry]]:
        with self.recorder.locked() as streams:
            return streams.get(stream, Rows()).expired(now)[:limit]

    def events(self, stream: str, after: int, limit: int) -> list[PartitionEvent]:
        with self.recorder.locked():
            return read_events(self.recorder, self.mapper, stream, after, limit)

    def version_at(self, stream: str, scope: str, key: str, revision: int) -> PastVersion | None:
        with self.recorder.locked() as streams:
            row = streams.get(stream, Rows()).version_at((scope, key), revision)
            if row is None or not row.size:
                return None
            (stored,) = self.recorder.select_events(stream, gt=row.revision - 1, limit=1)
            value = self.mapper.to_value(stream, row.revision, stored.topic, stored.state)
            return PastVersion(row, value, self.created(stream, scope, key, row.revision))

    def rows_at(self, stream: str, revision: int, first: EntryKey, beyond: EntryKey, limit: int) -> list[PastRow]:
        with self.recorder.locked() as streams:
            rows = streams.get(stream, Rows())
            keys = rows.keys(first, beyond)[:limit]
            found = []
            for key in keys:
                row = rows.version_at(key, revision)
                stood = row is not None and row.size
                created = self.created(stream, *key, row.revision) if row is not None and stood else None
                found.append(PastRow(key, row if stood else None, created))
            return found

    def events_at(self, stream: str, revisions: Sequence[int]) -> dict[int, PartitionEvent]:
        with self.recorder.locked():
            found = (self.events(stream, revision - 1, 1) for revision in revisions)
            return {event.originator_version: event for events in found for event in events}

    def quota_at(self, stream: str, revision: int) -> QuotaChanged | None:
        with self.recorder.locked():
            newest_first = self.recorder.select_events(stream, lte=revision, desc=True)
            changed = next((each for each in newest_first if each.topic == QuotaChanged.TOPIC), None)
            return None if changed is None else self.mapper.to_domain_event(changed)

    def commit(self, commit: Commit) -> None:
        with self.recorder.locked():
            stored = [self.mapper.to_stored_event(event) for event in commit.events]
            self.recorder.insert_events(stored, commit=commit)
        self._subscribers.wake({commit.stream})

    # ------------------------------------------------------------------------------------- reading

    def read_entry(self, stream: str, scope: str, key: str) -> ReadEntry | None:
        found = self.read_entries(stream, scope, (key,))
        return found[0] if found else None

    def read_entries(self, stream: str, scope: str, keys: Sequence[str]) -> list[ReadEntry]:
        with self.recorder.locked() as streams:
            rows = streams.get(stream, Rows())
            wanted = [(scope, key) for key in keys]
            return [self._read(rows, key) for key in wanted if key in rows.entries]

    def _read(self, rows: Rows, key: EntryKey) -> ReadEntry:
        entry = rows.entries[key]
        return ReadEntry(key, entry, rows.head.last_recorded_at or entry.updated_at)

    def list_entries(
        self, stream: str, scope: str, prefix: str, after: str, limit: int, now: datetime
    ) -> list[ReadEntry]:
        with self.recorder.locked() as streams:
            rows = streams.get(stream, Rows())
            first, beyond = ((scope, key) for key in key_range(prefix, after))
            found = ((key, rows.entries.get(key)) for key in rows.keys(first, beyond))
            live = (key for key, entry in found if entry is not None and not entry.is_expired(rows.now(now)))
            return [self._read(rows, key) for key in islice(live, limit)]

    def history(
        self,
        stream: str,
        scope: str,
        key: str,
        before: int,
        limit: int,
        wanted: HistoryFilter = EVERY_VERSION,
    ) -> list[StoredVersion]:
        with self.recorder.locked() as streams:
            versions = streams.get(stream, Rows()).history.get((scope, key), [])
            asked = (
                row for row in reversed(versions) if wanted.first <= row.revision < before and _is(row, wanted)
            )
            found = list(islice(asked, limit))
            return [StoredVersion(row, self.events(stream, row.revision - 1, 1)[0]) for row in found]

    def created(self, stream: str, scope: str, key: str, revision: int) -> tuple[int, datetime]:
        with self.recorder.locked() as streams:
            created = None
            for row in streams[stream].history[scope, key]:
                if row.revision <= revision:
                    created = None if not row.size else created or (row.revision, row.recorded_at)
            assert created is not None  # noqa: S101 - asked only for a revision that wrote the key
            return created

    def written_span(self, stream: str, run_id: str) -> tuple[int, int] | None:
        with self.recorder.locked() as streams:
            versions = streams.get(stream, Rows()).history.values()
            revisions = [row.revision for rows in versions for row in rows if row.run_id == run_id]
            return (min(revisions), max(revisions)) if revisions else None

    def usage(self, stream: str, now: datetime) -> UsageRow:
        with self.recorder.locked() as streams:
            return streams.get(stream, Rows()).usage(now)

    def streams(self, after: str, limit: int, now: datetime, prefix: str) -> list[StreamHead]:
        with self.recorder.locked() as streams:
            used = {name: rows for name, rows in streams.items() if rows.head.revision and not rows.head.deleted}
            names = sorted(name for name in used if name.startswith(prefix) and name > after)
            return [StreamHead(name, used[name].head.revision, used[name].usage(now)) for name in names[:limit]]

    def expiring_streams(self, after: str, limit: int, now: datetime) -> list[str]:
        with self.recorder.locked() as streams:
            due = sorted(name for name, rows in streams.items() if name > after and rows.expired(rows.now(now)))
            return due[:limit]

    def all_streams(self) -> list[tuple[str, int]]:
        with self.recorder.locked() as streams:
            return sorted((name, rows.head.revision) for name, rows in streams.items())

    # -------------------------------------------------------------------------------- housekeeping

    def forget_requests(self, before: datetime, limit: int) -> int:
        with self.recorder.locked() as streams:
            old = [
                (rows.requests, record)
                for rows in streams.values()
                for record in rows.requests.values()
                if record.recorded_at < before
            ]
            for requests, record in old[:limit]:
                del requests[record.request_id]
            return len(old[:limit])

    def adopt_usage(self) -> None:
        with self.recorder.locked() as streams:
            if self._leased is None:
                self._leased = {}
                for stream, rows in streams.items():
                    lease = Lease(f"adopted:{stream}", rows.head.used_bytes)
                    rows.leases = Leases((lease,), rows.leases.version + 1)
                    self._leased[lease.lease_id] = (stream, lease)

    def take_lease(self, stream: str, lease: Lease, maximum: int) -> int:
        with self.recorder.locked():
            assert self._leased is not None  # noqa: S101 - adopt_usage comes first
            leased = sum(each.size for _, each in self._leased.values())
            if leased + lease.size <= maximum:
                self._leased[lease.lease_id] = (stream, lease)
            return leased

    def lease_rows(self, after: str, limit: int) -> list[tuple[str, Lease]]:
        with self.recorder.locked():
            found = sorted((self._leased or {}).items())
            return [row for lease_id, row in found if lease_id > after][:limit]

    def shrink_lease(self, lease_id: str, size: int) -> None:
        with self.recorder.locked():
            stream, lease = (self._leased or {}).pop(lease_id, ("", Lease(lease_id, 0)))
            if self._leased is not None and lease.size and size:
                self._leased[lease_id] = (stream, Lease(lease_id, min(size, lease.size)))

    def rebuild(self, stream: str, project: Projector, progress: Callable[[int], None]) -> list[str]:
        with self.recorder.locked() as streams:
            former = streams[stream]
            leases = former.leases._replace(version=former.leases.version + 1)
            current = Rows(leases=leases, requests=former.requests)
            events = map(self.mapper.to_domain_event, self.recorder.select_events(stream))
            _, gaps = rebuilt(stream, events, project, current, progress)
            streams[stream] = current
            return [
                *gaps,
                *differing_heads(stream, former.head, current.head),
                *differing(f"{stream} current_value", _entry_rows(former), _entry_rows(current), key=2),
                *differing(f"{stream} key_history", _history_rows(former), _history_rows(current), key=3),
            ]

    def subscribe(self, stream: str, wake: Wake) -> Callable[[], None]:
        if self.recorder.closed:
            raise LedgerClosedError
        return self._subscribers.add(stream, wake)

    def hold(self) -> None:
        self.recorder.lock.acquire()

    def release(self) -> None:
        self.recorder.lock.release()

    def reset(self) -> None:
        """Start anew in a forked child, with a copy of what the parent held."""
        self.recorder.lock = RLock()
        self._subscribers = Subscribers()

    def close(self) -> None:
        self.recorder.closed = True
        self._subscribers.wake_all()


def _entry_rows(rows: Rows) -> list[tuple[Any, ...]]:
    return [(*key, entry) for key, entry in sorted(rows.entries.items(), key=lambda item: item[0])]


def _is(row: HistoryRow, wanted: HistoryFilter) -> bool:
    _, *given = wanted
    found = (row.operation, row.changed_by, row.run_id)
    return all(value in {None, there} for value, there in zip(given, found, strict=True))


def _history_rows(rows: Rows) -> list[HistoryRow]:
    return [row for _, versions in sorted(rows.history.items()) for row in versions]
