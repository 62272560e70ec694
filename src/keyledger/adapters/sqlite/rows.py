"""Rows of this adapter: times are integers here, UTC microseconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import orjson

from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.partition import EntryKey, PartitionState, StoredEntry
from keyledger.domain.ports import HeadRow, HistoryRow, ReadEntry, RequestRecord
from keyledger.domain.quota import Lease, Leases

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def to_column(moment: datetime) -> int: ...
@overload
def to_column(moment: datetime | None) -> int | None: ...
def to_column(moment: datetime | None) -> int | None:
    """A time as its column holds it."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


@overload
def to_time(column: int) -> datetime: ...
@overload
def to_time(column: int | None) -> datetime | None: ...
def to_time(column: int | None) -> datetime | None:
    """The time that a column holds."""
    return None if column is None else _EPOCH + timedelta(microseconds=column)


def entry(row: Sequence[Any], mapper: EventMapper) -> tuple[EntryKey, StoredEntry]:
    """(scope, key, value, revision, create_revision, created_at, updated_at, expires_at, changed_by, run_id)."""
    scope, key, value, revision, create_revision, created_at, updated_at, expires_at, changed_by, run_id = row
    return (scope, key), StoredEntry(
        mapper.unseal(value),
        revision,
        create_revision,
        to_time(created_at),
        to_time(updated_at),
        to_time(expires_at),
        changed_by,
        run_id,
    )


def read_entry(row: Sequence[Any], mapper: EventMapper) -> ReadEntry:
    """As :func:`entry`, and last_recorded_at."""
    return ReadEntry(*entry(row[:-1], mapper), to_time(row[-1]))


def head(stream: str, row: Sequence[Any]) -> tuple[PartitionState, Leases]:
    """(revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, leases, lease_version)."""
    revision, used_bytes, live_keys, max_bytes, last, deleted, leases, version = row
    state = PartitionState(stream, revision, used_bytes, live_keys, max_bytes, to_time(last), bool(deleted))
    held = tuple(Lease(*lease) for lease in orjson.loads(leases)) if leases != "[]" else ()
    return state, Leases(held, version)


def head_parameters(stream: str, row: HeadRow, leases: Leases) -> dict[str, Any]:
    """The columns of a head, by name."""
    return {
        "stream": stream,
        **row._asdict(),
        "last_recorded_at": to_column(row.last_recorded_at),
        "leases": lease_column(leases.held),
        "lease_version": leases.version,
    }


def lease_column(held: Sequence[Lease]) -> str:
    """The leases that a head lists, as its column holds them."""
    return orjson.dumps(held).decode() if held else "[]"


def entry_columns(stream: str, key: EntryKey, stored: StoredEntry, mapper: EventMapper) -> tuple[Any, ...]:
    """The columns of current_value."""
    return (
        stream,
        *key,
        mapper.seal(stored.value),
        stored.size,
        stored.revision,
        stored.create_revision,
        to_column(stored.created_at),
        to_column(stored.updated_at),
        to_column(stored.expires_at),
        stored.changed_by,
        stored.run_id,
    )


def version_columns(stream: str, row: HistoryRow) -> tuple[Any, ...]:
    """The columns of key_history."""
    return (stream, *row[:5], to_column(row.recorded_at), to_column(row.expires_at), row.changed_by, row.run_id)


def version(row: Sequence[Any]) -> HistoryRow:
    """(scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id)."""
    return HistoryRow(*row[:5], to_time(row[5]), to_time(row[6]), *row[7:9])


def request_columns(stream: str, record: RequestRecord) -> tuple[Any, ...]:
    """The columns of request_log."""
    return (stream, *record[:4], to_column(record.recorded_at))


def request(row: Sequence[Any]) -> RequestRecord:
    """(request_id, fingerprint, first_revision, last_revision, recorded_at)."""
    return RequestRecord(*row[:4], to_time(row[4]))
