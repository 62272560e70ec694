"""The Storage port on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import orjson
from eventsourcing.persistence import IntegrityError

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.rebuild import differing, rebuilt
from keyledger.adapters.sqlite import rows
from keyledger.adapters.sqlite.datastore import DEFAULT_LOCK_TIMEOUT, Datastore
from keyledger.adapters.sqlite.recorder import Recorder, SQLiteCursor
from keyledger.adapters.sqlite.statements import SQL
from keyledger.domain.partition import EntryKey, PartitionEvent, PartitionState, StoredEntry
from keyledger.domain.ports import (
    Commit,
    HeadMovedError,
    Projector,
    ReadEntry,
    ReadModelChanges,
    Slice,
    StoredVersion,
    StreamHead,
    UsageRow,
)
from keyledger.domain.quota import Lease
from keyledger.domain.scope import key_range


class _Reads:
    """The reads of a session, wherever its statements run."""

    def __init__(self, mapper: EventMapper) -> None:
        self._mapper = mapper

    def _all(self, statement: str, **parameters: object) -> list[Any]:
        raise NotImplementedError

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        if len(keys) == 1:
            found = self._all(SQL.load_slice, stream=stream, scope=keys[0][0], key=keys[0][1])
        else:
            found = self._all(SQL.load_slice_many, stream=stream, keys=_json(keys))
        if not found:
            return Slice(PartitionState(stream))
        state, leases = rows.head(stream, found[0][:8])
        entries = [rows.entry(row[8:], self._mapper) for row in found if row[8] is not None]
        known = self._all(SQL.load_requests, stream=stream, request_ids=_json(request_ids)) if request_ids else ()
        return Slice(state.with_entries(entries), leases, tuple(map(rows.request, known)))

    def load_expired(self, stream: str, now: datetime, limit: int) -> list[tuple[EntryKey, StoredEntry]]:
        found = self._all(SQL.load_expired, stream=stream, now=rows.to_column(now), limit=limit)
        return [rows.entry(row, self._mapper) for row in found]

    def events(self, stream: str, after: int, limit: int) -> list[PartitionEvent]:
        found = self._all(SQL.read_events, stream=stream, after=after, limit=limit)
        return [self._mapper.to_event(stream, *row) for row in found]


class _Locked(_Reads):
    """A session inside a transaction that holds the write lock."""

    def __init__(self, recorder: Recorder, mapper: EventMapper, cursor: sqlite3.Cursor) -> None:
        super().__init__(mapper)
        self.recorder, self.cursor = recorder, cursor

    def _all(self, statement: str, **parameters: object) -> list[Any]:
        return self.cursor.execute(statement, parameters).fetchall()

    def commit(self, commit: Commit) -> None:
        stored = [self._mapper.to_stored_event(event) for event in commit.events]
        self.recorder._insert_events(SQLiteCursor(self.cursor), stored, commit=commit)  # noqa: SLF001
        self.cursor.execute("COMMIT")


class SQLiteStorage(_Reads):
    """Events and inline read models of a ledger in one SQLite file."""

    def __init__(self, path: str, mapper: EventMapper, lock_timeout: float = DEFAULT_LOCK_TIMEOUT) -> None:
        super().__init__(mapper)
        self.mapper = mapper
        self.datastore = Datastore(path, lock_timeout)
        self.recorder = Recorder(self.datastore, mapper)

    def _all(self, statement: str, **parameters: object) -> list[Any]:
        with self.datastore.reading() as connection:
            return connection.execute(statement, parameters).fetchall()

    # ------------------------------------------------------------------------------------- writing

    def commit(self, commit: Commit) -> None:
        stored = [self._mapper.to_stored_event(event) for event in commit.events]
        try:
            self.recorder.insert_events(stored, commit=commit)
        except IntegrityError as error:
            raise HeadMovedError from error

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:  # noqa: ARG002 - one lock for the whole file
        with self.datastore.writing() as cursor:
            yield _Locked(self.recorder, self._mapper, cursor)

    # ------------------------------------------------------------------------------------- reading

    def read_entry(self, stream: str, scope: str, key: str) -> ReadEntry | None:
        found = self._all(SQL.read_entry, stream=stream, scope=scope, key=key)
        return rows.read_entry(found[0], self._mapper) if found else None

    def read_entries(self, stream: str, scope: str, keys: Sequence[str]) -> list[ReadEntry]:
        found = self._all(SQL.read_entries, stream=stream, scope=scope, keys=_json(keys))
        return [rows.read_entry(row, self._mapper) for row in found]

    def list_entries(
        self, stream: str, scope: str, prefix: str, after: str, limit: int, now: datetime
    ) -> list[ReadEntry]:
        first, beyond = key_range(prefix, after)
        found = self._all(
            SQL.list_entries,
            stream=stream,
            scope=scope,
            first=first,
            beyond=beyond,
            limit=limit,
            now=rows.to_column(now),
        )
        return [rows.read_entry(row, self._mapper) for row in found]

    def history(self, stream: str, scope: str, key: str, before: int, limit: int) -> list[StoredVersion]:
        found = self._all(SQL.read_history, stream=stream, scope=scope, key=key, before=before, limit=limit)
        return [
            StoredVersion(rows.version(row), self._mapper.to_event(stream, row[2], *row[9:])) for row in found
        ]

    def created(self, stream: str, scope: str, key: str, revision: int) -> tuple[int, datetime]:
        ((first, at),) = self._all(SQL.read_creation, stream=stream, scope=scope, key=key, revision=revision)
        return first, rows.to_time(at)

    def usage(self, stream: str, now: datetime) -> UsageRow:
        found = self._all(SQL.read_usage, stream=stream, now=rows.to_column(now))
        return UsageRow(*found[0]) if found else UsageRow(0, 0, None)

    def streams(self, after: str, limit: int, now: datetime, prefix: str) -> list[StreamHead]:
        first, beyond = key_range(prefix, after)
        found = self._all(
            SQL.list_streams, first=first, beyond=beyond, limit=limit, now=rows.to_column(now)
        )
        return [StreamHead(stream, revision, UsageRow(*usage)) for stream, revision, *usage in found]

    def expiring_streams(self, after: str, limit: int, now: datetime) -> list[str]:
        found = self._all(SQL.list_expiring_streams, after=after, limit=limit, now=rows.to_column(now))
        return [stream for (stream,) in found]

    def all_streams(self) -> Iterator[tuple[str, int]]:
        yield from self._all(SQL.list_all_streams)

    # -------------------------------------------------------------------------------- housekeeping

    def forget_requests(self, before: datetime, limit: int) -> int:
        with self.datastore.writing() as cursor:
            return cursor.execute(
                SQL.forget_requests, {"before": rows.to_column(before), "limit": limit}
            ).rowcount

    def take_lease(self, stream: str, lease: Lease, maximum: int) -> int:
        with self.datastore.writing() as cursor:
            ((leased,),) = cursor.execute(SQL.read_leased_bytes).fetchall()
            if cursor.execute(SQL.lease_bytes, {"bytes": lease.size, "maximum": maximum}).rowcount:
                cursor.execute(
                    SQL.insert_lease, {"lease_id": lease.lease_id, "stream": stream, "bytes": lease.size}
                )
            return int(leased)

    def adopt_usage(self) -> None:
        with self.datastore.writing() as cursor:
            if not cursor.execute(SQL.create_global_quota).rowcount:
                return
            for stream, used in cursor.execute(SQL.list_unleased).fetchall():
                lease = Lease(f"adopted:{stream}", used)
                cursor.execute(SQL.add_leased_bytes, {"bytes": used})
                cursor.execute(
                    SQL.insert_lease, {"lease_id": lease.lease_id, "stream": stream, "bytes": used}
                )
                cursor.execute(SQL.put_leases, {"stream": stream, "leases": rows.lease_column([lease])})

    def lease_rows(self, after: str, limit: int) -> list[tuple[str, Lease]]:
        found = self._all(SQL.list_leases, after=after, limit=limit)
        return [(stream, Lease(lease_id, size)) for stream, lease_id, size in found]

    def return_lease(self, lease_id: str) -> None:
        with self.datastore.writing() as cursor:
            for (size,) in cursor.execute(SQL.remove_lease, {"lease_id": lease_id}).fetchall():
                cursor.execute(SQL.add_leased_bytes, {"bytes": -size})

    def rebuild(self, stream: str, project: Projector, progress: Callable[[int], None]) -> list[str]:
        with self.datastore.writing() as cursor:
            session = _Locked(self.recorder, self._mapper, cursor)
            former = session.load(stream, ())
            of_stream = {"stream": stream}
            expected = {"expected": former.state.revision, "expected_leases": former.leases.version}
            head = project(former.state, ()).head
            cursor.execute(SQL.put_head, rows.head_parameters(stream, head, former.leases) | expected)
            for statement in (
                SQL.copy_entries,
                SQL.copy_versions,
                SQL.remove_all_entries,
                SQL.remove_all_versions,
            ):
                cursor.execute(statement, of_stream)

            def write(changes: ReadModelChanges) -> None:
                self.recorder.write_rows(cursor, stream, changes)

            changes = rebuilt(stream, session, project, write, progress)
            cursor.execute(SQL.put_head, rows.head_parameters(stream, changes.head, former.leases) | expected)

            def former_and_current(copy: str, table: str) -> tuple[sqlite3.Cursor, sqlite3.Cursor]:
                return cursor.connection.execute(copy), cursor.connection.execute(table, of_stream)

            differences = [
                *differing(f"{stream} head", [head], [changes.head], key=0),
                *differing(
                    f"{stream} current_value",
                    *map(self._unsealed, former_and_current(SQL.read_former_entries, SQL.read_all_entries)),
                    key=2,
                ),
                *differing(
                    f"{stream} key_history",
                    *former_and_current(SQL.read_former_versions, SQL.read_all_versions),
                    key=3,
                ),
            ]
            cursor.execute(SQL.drop_former_entries)
            cursor.execute(SQL.drop_former_versions)
        return differences

    def _unsealed(self, entries: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        """Rows whose last column is a value, decrypted: two encryptions of one value differ."""
        return ((*row[:-1], self._mapper.unseal(row[-1])) for row in entries)

    def reset(self) -> None:
        """Start anew in a forked child."""
        self.datastore.reset()

    def close(self) -> None:
        self.datastore.close()


def _json(items: Sequence[object]) -> str:
    return orjson.dumps(items).decode()
