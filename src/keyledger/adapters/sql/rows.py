"""Rows of the tables, to and from what the domain speaks of.

How a time stands in a column is the engine's business: integers on SQLite, timestamptz on PostgreSQL.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from keyledger.adapters.event_mapper import EventMapper
from keyledger.domain.commands import EntryKey
from keyledger.domain.errors import UnreadableError
from keyledger.domain.partition import PartitionState, StoredEntry
from keyledger.domain.ports import (
    HeadRow,
    HistoryRow,
    PastRow,
    PastVersion,
    ReadEntry,
    RequestRecord,
    StoredVersion,
)
from keyledger.domain.quota import Lease, Leases

HEAD_COLUMNS = (
    "revision",
    "used_bytes",
    "live_keys",
    "max_bytes",
    "last_recorded_at",
    "deleted",
    "forking",
    "leases",
    "lease_version",
)
ENTRY_COLUMNS = (
    "scope",
    "key",
    "value",
    "size",
    "revision",
    "create_revision",
    "created_at",
    "updated_at",
    "expires_at",
    "changed_by",
    "run_id",
)


class Rows:
    """Translates rows; ``to_column`` and ``to_time`` take a time to its column and back, None to None."""

    def __init__(
        self,
        mapper: EventMapper,
        to_column: Callable[[datetime | None], Any],
        to_time: Callable[[Any], datetime],
    ) -> None:
        self.mapper, self.to_column, self._to_time = mapper, to_column, to_time

    def to_time(self, column: Any) -> datetime:
        """The time that a column holds; it must hold one."""
        return self._to_time(column)

    def _maybe(self, column: Any) -> datetime | None:
        return None if column is None else self._to_time(column)

    # ------------------------------------------------------------------------------------- reading

    def entry(self, row: Sequence[Any]) -> tuple[EntryKey, StoredEntry]:
        """From the columns of current_value less the first and ``size``."""
        (
            scope,
            key,
            value,
            revision,
            create_revision,
            created_at,
            updated_at,
            expires_at,
            changed_by,
            run_id,
        ) = row
        return (scope, key), StoredEntry(
            self.mapper.unseal(value, f"the value of {key!r}"),
            revision,
            create_revision,
            self._to_time(created_at),
            self._to_time(updated_at),
            self._maybe(expires_at),
            changed_by,
            run_id,
        )

    def read_entry(self, row: Sequence[Any]) -> ReadEntry:
        """From the columns of :meth:`entry` and last_recorded_at."""
        return ReadEntry(*self.entry(row[:-1]), self._to_time(row[-1]))

    def head(self, stream: str, row: Sequence[Any]) -> tuple[PartitionState, Leases]:
        """From the columns of partition_head less the first."""
        revision, used_bytes, live_keys, max_bytes, last, deleted, forking, leases, version = row
        state = PartitionState(
            stream,
            revision,
            used_bytes,
            live_keys,
            max_bytes,
            self._maybe(last),
            bool(deleted),
            bool(forking),
        )
        held = tuple(Lease(*lease) for lease in orjson.loads(leases)) if leases != "[]" else ()
        return state, Leases(held, version)

    def version(self, row: Sequence[Any]) -> HistoryRow:
        """From the columns of key_history less the first."""
        scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id = row[:9]
        recorded_at, expires_at = self._to_time(recorded_at), self._maybe(expires_at)
        return HistoryRow(scope, key, revision, operation, size, recorded_at, expires_at, changed_by, run_id)

    def stored_version(self, stream: str, row: Sequence[Any]) -> StoredVersion:
        """From the columns of key_history less the first, and topic and state of the event."""
        return StoredVersion(self.version(row), self.mapper.to_event(stream, row[2], *row[9:]))

    def past_version(self, stream: str, row: Sequence[Any]) -> PastVersion:
        """From the columns of :meth:`stored_version`, and revision and time of the creation."""
        value = self.mapper.to_value(stream, row[2], row[9], row[10])
        return PastVersion(self.version(row), value, (row[11], self._to_time(row[12])))

    def past_row(self, row: Sequence[Any]) -> PastRow:
        """From scope and key, those of :meth:`version`, null where it did not stand, and of the creation."""
        key = (row[0], row[1])
        if row[2] is None:
            return PastRow(key, None, None)
        return PastRow(key, self.version((*key, *row[2:9])), (row[9], self._to_time(row[10])))

    def request(self, row: Sequence[Any]) -> RequestRecord:
        """From the columns of request_log less the first."""
        request_id, fingerprint, first, last, recorded_at = row
        known = self.mapper.unseal(b64decode(fingerprint), f"request {request_id!r}").decode()
        return RequestRecord(request_id, known, first, last, self._to_time(recorded_at))

    def unsealed(self, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """Rows whose last column is a value, decrypted, as two encryptions of one differ; None if it cannot be."""
        return ((*row[:-1], self._unsealed(row[-1])) for row in rows)

    def _unsealed(self, value: bytes) -> bytes | None:
        try:
            return self.mapper.unseal(value)
        except UnreadableError:
            return None

    # ------------------------------------------------------------------------------------- writing

    def head_columns(self, head: HeadRow, leases: Leases) -> tuple[Any, ...]:
        """The columns of partition_head less the first: HEAD_COLUMNS."""
        revision, used_bytes, live_keys, max_bytes, last_recorded_at, deleted, forking = head
        last = self.to_column(last_recorded_at)
        held = lease_column(leases.held)
        return (revision, used_bytes, live_keys, max_bytes, last, deleted, forking, held, leases.version)

    def head_parameters(self, stream: str, head: HeadRow, leases: Leases) -> dict[str, Any]:
        """The columns of partition_head, by name."""
        return {"stream": stream, **dict(zip(HEAD_COLUMNS, self.head_columns(head, leases), strict=True))}

    def entry_columns(self, key: EntryKey, stored: StoredEntry) -> tuple[Any, ...]:
        """The columns of current_value less the first: ENTRY_COLUMNS."""
        return (
            *key,
            self.mapper.seal(stored.value),
            len(stored.value),
            stored.revision,
            stored.create_revision,
            self.to_column(stored.created_at),
            self.to_column(stored.updated_at),
            self.to_column(stored.expires_at),
            stored.changed_by,
            stored.run_id,
        )

    def version_columns(self, row: HistoryRow) -> tuple[Any, ...]:
        """The columns of key_history less the first."""
        return (*row[:5], self.to_column(row.recorded_at), self.to_column(row.expires_at), *row[7:])

    def request_columns(self, record: RequestRecord) -> tuple[Any, ...]:
        """The columns of request_log less the first."""
        sealed = b64encode(self.mapper.seal(record.fingerprint.encode())).decode()  # it could tell a short value
        return (record.request_id, sealed, record.first, record.last, self.to_column(record.recorded_at))


def lease_column(held: Sequence[Lease]) -> str:
    """The leases that a head lists, as its column holds them."""
    return orjson.dumps([tuple(lease) for lease in held]).decode() if held else "[]"
