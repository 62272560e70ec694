"""The Storage port on SQLite. Times are integers here: UTC microseconds since 1970."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from sqlite3 import Cursor
from typing import Any

import orjson
from eventsourcing.persistence import IntegrityError

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.rebuild import differing_heads, rebuilt
from keyledger.adapters.sql.reads import SessionReads, StorageReads
from keyledger.adapters.sql.rows import Rows, lease_column
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.sqlite.datastore import Datastore
from keyledger.adapters.sqlite.draft import SQLiteDraft
from keyledger.adapters.sqlite.followers import SQLiteFollower
from keyledger.adapters.sqlite.recorder import Recorder
from keyledger.adapters.sqlite.runs import SQLiteRuns
from keyledger.adapters.sqlite.skills import SQLiteSkills
from keyledger.adapters.sqlite.statements import SQL
from keyledger.adapters.sqlite.wakes import FileLookout
from keyledger.adapters.wakes import Wake
from keyledger.domain.commands import EntryKey
from keyledger.domain.ports import Commit, HeadMovedError, Projector, Slice
from keyledger.domain.quota import Lease

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=4_096)  # one time stands in many columns and rows
def _to_column(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=4_096)
def _to_time(column: int) -> datetime:
    return _EPOCH + timedelta(microseconds=column)


class _Parameters:
    """How this engine takes sequences: as JSON text, for json_each."""

    def _array(self, items: Sequence[Any]) -> str:
        return orjson.dumps(items).decode()

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        return {"keys": self._array(keys)}


class _Locked(_Parameters, SessionReads):
    """A session inside a transaction that holds the write lock."""

    def __init__(self, recorder: Recorder, rows: Rows, cursor: Cursor) -> None:
        super().__init__(SQL, rows)
        self._recorder, self._cursor = recorder, cursor

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._cursor.execute(statement, parameters).fetchall()

    def commit(self, commit: Commit) -> None:
        events = list(map(self._rows.mapper.to_row, commit.events))
        try:
            self._recorder.write(self._cursor, commit, events)
        except sqlite3.IntegrityError as error:
            raise HeadMovedError from error
        self._cursor.execute("COMMIT")


class _Before(_Parameters, SessionReads):
    """What is read before a write, on the connection that will write."""

    def __init__(self, datastore: Datastore, rows: Rows) -> None:
        super().__init__(SQL, rows)
        self._datastore = datastore

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self._datastore.fetch_as_writer(statement, parameters)


class SQLiteStorage(_Parameters, StorageReads):
    """Events and inline read models of a ledger in one SQLite file."""

    def __init__(
        self, path: str, mapper: EventMapper, *, lock_timeout: float = 5.0, synchronous: str = "FULL"
    ) -> None:
        super().__init__(SQL, Rows(mapper, _to_column, _to_time))
        self.mapper = mapper
        self.datastore = Datastore(path, lock_timeout, synchronous)
        self.recorder = Recorder(self.datastore, self._rows)
        self._lookout = FileLookout(self.datastore.new_connection)
        self._before = _Before(self.datastore, self._rows)
        self._run_rows = RunRows(mapper, _to_column, _to_time)
        self.runs = SQLiteRuns(self.datastore, self._run_rows, self._rows)
        self.skills = SQLiteSkills(self.datastore, self._rows)
        if not self._all(SQL.read_seal, {}):
            with self.datastore.writing() as cursor:
                cursor.execute(SQL.insert_seal, {"sealed": mapper.new_seal()})
        mapper.check_seal(self._all(SQL.read_seal, {})[0][0])

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        return self.datastore.fetch(statement, parameters)

    def load(self, stream: str, keys: Sequence[EntryKey], request_ids: Sequence[str] = ()) -> Slice:
        return self._before.load(stream, keys, request_ids)

    def commit(self, commit: Commit) -> None:
        events = list(map(self.mapper.to_row, commit.events))
        try:
            with self.datastore.writing() as cursor:
                self.recorder.write(cursor, commit, events)
        except IntegrityError as error:
            raise HeadMovedError from error

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:  # noqa: ARG002 - one lock for the whole file
        with self.datastore.writing() as cursor:
            yield _Locked(self.recorder, self._rows, cursor)

    # -------------------------------------------------------------------------------- housekeeping

    def forget_requests(self, before: datetime, limit: int) -> int:
        with self.datastore.writing() as cursor:
            parameters = {"before": _to_column(before), "limit": limit}
            return cursor.execute(SQL.forget_requests, parameters).rowcount

    def adopt_usage(self) -> None:
        with self.datastore.writing() as cursor:
            if cursor.execute(SQL.create_global_quota).rowcount:
                for stream, used in cursor.execute(SQL.list_unleased).fetchall():
                    lease = Lease(f"adopted:{stream}", used)
                    cursor.execute(SQL.add_leased_bytes, {"bytes": used})
                    cursor.execute(SQL.insert_lease, _lease_parameters(stream, lease))
                    cursor.execute(SQL.put_leases, {"stream": stream, "leases": lease_column([lease])})

    def take_lease(self, stream: str, lease: Lease, maximum: int) -> int:
        with self.datastore.writing() as cursor:
            ((leased,),) = cursor.execute(SQL.read_leased_bytes).fetchall()
            if cursor.execute(SQL.lease_bytes, {"bytes": lease.size, "maximum": maximum}).rowcount:
                cursor.execute(SQL.insert_lease, _lease_parameters(stream, lease))
            return int(leased)

    def shrink_lease(self, lease_id: str, size: int) -> None:
        with self.datastore.writing() as cursor:
            for (leased,) in cursor.execute(SQL.read_lease, {"lease_id": lease_id}).fetchall():
                if size < leased:
                    shrink = SQL.resize_lease if size else SQL.remove_lease
                    cursor.execute(shrink, {"lease_id": lease_id, "bytes": size})
                    cursor.execute(SQL.add_leased_bytes, {"bytes": size - leased})

    def rebuild(self, stream: str, project: Projector, progress: Callable[[int], None]) -> list[str]:
        with self.datastore.writing() as cursor:
            state, leases, _ = _Locked(self.recorder, self._rows, cursor).load(stream, ())
            draft = SQLiteDraft(self._rows, stream, cursor)
            head, gaps = rebuilt(stream, draft.events(), project, draft, progress)
            raised = leases._replace(
                version=leases.version + 1
            )  # who decided on the former rows has to read again
            expected = {"expected": state.revision, "expected_leases": leases.version}
            cursor.execute(SQL.put_head, self._rows.head_parameters(stream, head, raised) | expected)
            return gaps + differing_heads(stream, project(state, ()).head, head) + draft.settle()

    def follower(self, name: str) -> SQLiteFollower:
        """The tables of a follower of the ledger's runs."""
        return SQLiteFollower(self.datastore, self._run_rows, name)

    def subscribe(self, stream: str, wake: Wake) -> Callable[[], None]:
        return self._lookout.subscribe(stream, wake)

    def hold(self) -> None:
        self.datastore.hold()
        self._lookout.hold()

    def release(self) -> None:
        self._lookout.release()
        self.datastore.release()

    def reset(self) -> None:
        self.datastore.reset()
        self._lookout.reset()

    def close(self) -> None:
        self.datastore.close()
        self._lookout.close()


def _lease_parameters(stream: str, lease: Lease) -> dict[str, Any]:
    return {"lease_id": lease.lease_id, "stream": stream, "bytes": lease.size}
