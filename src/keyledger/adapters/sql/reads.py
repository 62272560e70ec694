"""The reads of the Storage port, written once for every SQL engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from keyledger.adapters.sql.rows import Rows
from keyledger.adapters.sql.statements import narrowed
from keyledger.domain.commands import EntryKey
from keyledger.domain.partition import PartitionEvent, PartitionState, QuotaChanged, StoredEntry
from keyledger.domain.ports import (
    EVERY_VERSION,
    HistoryFilter,
    PastRow,
    PastVersion,
    ReadEntry,
    RequestRecord,
    Slice,
    StoredVersion,
    StreamHead,
    UsageRow,
)
from keyledger.domain.quota import Lease
from keyledger.domain.scope import key_range


class ReadStatements(Protocol):
    """The statements that the reads below need, under the same names on every engine."""

    @property
    def load_slice(self) -> str: ...
    @property
    def load_slice_many(self) -> str: ...
    @property
    def load_requests(self) -> str: ...
    @property
    def load_expired(self) -> str: ...
    @property
    def read_events(self) -> str: ...
    @property
    def read_version_at(self) -> str: ...
    @property
    def list_rows_at(self) -> str: ...
    @property
    def read_events_at(self) -> str: ...
    @property
    def read_quota_at(self) -> str: ...
    @property
    def read_written_span(self) -> str: ...
    @property
    def read_entry(self) -> str: ...
    @property
    def read_entries(self) -> str: ...
    @property
    def list_entries(self) -> str: ...
    @property
    def read_history(self) -> str: ...
    @property
    def read_creation(self) -> str: ...
    @property
    def read_usage(self) -> str: ...
    @property
    def list_streams(self) -> str: ...
    @property
    def list_expiring_streams(self) -> str: ...
    @property
    def list_all_streams(self) -> str: ...
    @property
    def list_leases(self) -> str: ...


class SessionReads:
    """What a session reads; ``_all`` says where its statements run."""

    def __init__(self, statements: ReadStatements, rows: Rows) -> None:
        self._sql, self._rows = statements, rows

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """All rows of a statement."""
        raise NotImplementedError

    def _array(self, items: Sequence[Any]) -> Any:
        """A sequence as the engine takes it for a parameter."""
        raise NotImplementedError

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        """The parameters of load_slice_many that carry ``keys``."""
        raise NotImplementedError

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        if len(keys) == 1:
            scope, key = keys[0]
            found = self._all(self._sql.load_slice, {"stream": stream, "scope": scope, "key": key})
        else:
            found = self._all(self._sql.load_slice_many, {"stream": stream, **self._keys(keys)})
        if not found:
            return Slice(PartitionState(stream))
        state, leases = self._rows.head(stream, found[0][:9])
        entries = [self._rows.entry(row[9:]) for row in found if row[9] is not None]
        known: tuple[RequestRecord, ...] = ()
        if request_ids:
            asked = {"stream": stream, "request_ids": self._array(request_ids)}
            known = tuple(map(self._rows.request, self._all(self._sql.load_requests, asked)))
        return Slice(state.with_entries(entries), leases, known)

    def load_expired(self, stream: str, now: datetime, limit: int) -> list[tuple[EntryKey, StoredEntry]]:
        parameters = {"stream": stream, "now": self._rows.to_column(now), "limit": limit}
        return [self._rows.entry(row) for row in self._all(self._sql.load_expired, parameters)]

    def events(self, stream: str, after: int, limit: int) -> list[PartitionEvent]:
        parameters = {"stream": stream, "after": after, "limit": limit}
        return [self._rows.mapper.to_event(stream, *row) for row in self._all(self._sql.read_events, parameters)]

    # ------------------------------------------------------------------------------------ the past

    def version_at(self, stream: str, scope: str, key: str, revision: int) -> PastVersion | None:
        parameters = {"stream": stream, "scope": scope, "key": key, "revision": revision}
        found = self._all(self._sql.read_version_at, parameters)
        return self._rows.past_version(stream, found[0]) if found else None

    def rows_at(self, stream: str, revision: int, first: EntryKey, beyond: EntryKey, limit: int) -> list[PastRow]:
        parameters = {
            "stream": stream,
            "revision": revision,
            "first_scope": first[0],
            "first_key": first[1],
            "beyond_scope": beyond[0],
            "beyond_key": beyond[1],
            "limit": limit,
        }
        return list(map(self._rows.past_row, self._all(self._sql.list_rows_at, parameters)))

    def events_at(self, stream: str, revisions: Sequence[int]) -> dict[int, PartitionEvent]:
        parameters = {"stream": stream, "revisions": self._array(revisions)}
        found = self._all(self._sql.read_events_at, parameters)
        return {row[0]: self._rows.mapper.to_event(stream, *row) for row in found}

    def quota_at(self, stream: str, revision: int) -> QuotaChanged | None:
        found = self._all(self._sql.read_quota_at, {"stream": stream, "revision": revision})
        return self._rows.mapper.to_event(stream, *found[0]) if found else None


class StorageReads(SessionReads):
    """What a storage reads beside that."""

    def read_entry(self, stream: str, scope: str, key: str) -> ReadEntry | None:
        found = self._all(self._sql.read_entry, {"stream": stream, "scope": scope, "key": key})
        return self._rows.read_entry(found[0]) if found else None

    def read_entries(self, stream: str, scope: str, keys: Sequence[str]) -> list[ReadEntry]:
        parameters = {"stream": stream, "scope": scope, "keys": self._array(keys)}
        return [self._rows.read_entry(row) for row in self._all(self._sql.read_entries, parameters)]

    def list_entries(
        self, stream: str, scope: str, prefix: str, after: str, limit: int, now: datetime
    ) -> list[ReadEntry]:
        first, beyond = key_range(prefix, after)
        parameters = {
            "stream": stream,
            "scope": scope,
            "first": first,
            "beyond": beyond,
            "limit": limit,
            "now": self._rows.to_column(now),
        }
        return [self._rows.read_entry(row) for row in self._all(self._sql.list_entries, parameters)]

    def history(
        self,
        stream: str,
        scope: str,
        key: str,
        before: int,
        limit: int,
        wanted: HistoryFilter = EVERY_VERSION,
    ) -> list[StoredVersion]:
        given = {name: value for name, value in wanted._asdict().items() if value is not None}
        parameters = {"stream": stream, "scope": scope, "key": key, "before": before, "limit": limit, **given}
        found = self._all(narrowed(self._sql.read_history, frozenset(given)), parameters)
        return [self._rows.stored_version(stream, row) for row in found]

    def created(self, stream: str, scope: str, key: str, revision: int) -> tuple[int, datetime]:
        parameters = {"stream": stream, "scope": scope, "key": key, "revision": revision}
        ((first, at),) = self._all(self._sql.read_creation, parameters)
        return first, self._rows.to_time(at)

    def written_span(self, stream: str, run_id: str) -> tuple[int, int] | None:
        ((first, last),) = self._all(self._sql.read_written_span, {"stream": stream, "run_id": run_id})
        return None if first is None else (first, last)

    def usage(self, stream: str, now: datetime) -> UsageRow:
        found = self._all(self._sql.read_usage, {"stream": stream, "now": self._rows.to_column(now)})
        return _usage(*found[0]) if found else UsageRow(0, 0, None)

    def streams(self, after: str, limit: int, now: datetime, prefix: str) -> list[StreamHead]:
        first, beyond = key_range(prefix, after)
        parameters = {"first": first, "beyond": beyond, "limit": limit, "now": self._rows.to_column(now)}
        return [
            StreamHead(stream, revision, _usage(*usage))
            for stream, revision, *usage in self._all(self._sql.list_streams, parameters)
        ]

    def expiring_streams(self, after: str, limit: int, now: datetime) -> list[str]:
        parameters = {"after": after, "limit": limit, "now": self._rows.to_column(now)}
        return [stream for (stream,) in self._all(self._sql.list_expiring_streams, parameters)]

    def all_streams(self) -> list[tuple[str, int]]:
        return [(stream, revision) for stream, revision in self._all(self._sql.list_all_streams, {})]

    def lease_rows(self, after: str, limit: int) -> list[tuple[str, Lease]]:
        found = self._all(self._sql.list_leases, {"after": after, "limit": limit})
        return [(stream, Lease(lease_id, size)) for stream, lease_id, size in found]


def _usage(used_bytes: Any, live_keys: Any, max_bytes: int | None) -> UsageRow:
    """PostgreSQL's sums are numeric."""
    return UsageRow(int(used_bytes), int(live_keys), max_bytes)
