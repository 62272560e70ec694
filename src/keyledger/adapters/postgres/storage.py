"""The Storage port on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Cursor

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.postgres.connections import Connections
from keyledger.adapters.postgres.datastore import ConnectionLostError, Datastore, committing, lost_as_moved
from keyledger.adapters.postgres.draft import PostgresDraft
from keyledger.adapters.postgres.followers import PostgresFollower
from keyledger.adapters.postgres.recorder import Recorder
from keyledger.adapters.postgres.runs import PostgresRuns
from keyledger.adapters.postgres.skills import PostgresSkills
from keyledger.adapters.postgres.statements import SQL
from keyledger.adapters.postgres.wakes import Listener, Notifier
from keyledger.adapters.rebuild import differing_heads, rebuilt
from keyledger.adapters.sql.reads import SessionReads, StorageReads
from keyledger.adapters.sql.rows import Rows, lease_column
from keyledger.adapters.sql.run_rows import RunRows
from keyledger.adapters.wakes import Wake
from keyledger.domain.commands import EntryKey
from keyledger.domain.ports import Commit, Projector, ReadModelChanges
from keyledger.domain.quota import Lease


class _Parameters:
    """How this engine takes sequences: as arrays."""

    def _array(self, items: Sequence[Any]) -> list[Any]:
        return list(items)

    def _keys(self, keys: Sequence[EntryKey]) -> dict[str, Any]:
        return {"scopes": [scope for scope, _ in keys], "keys": [key for _, key in keys]}


class _Locked(_Parameters, SessionReads):
    """A session inside a transaction that holds, from its first statement on, the row lock of a stream's head."""

    def __init__(
        self, recorder: Recorder, rows: Rows, notifier: Notifier, cursor: Cursor[Any], stream: str
    ) -> None:
        super().__init__(SQL, rows)
        self._recorder, self._notifier, self._cursor, self._stream = recorder, notifier, cursor, stream
        self._holds = False

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        if self._holds:
            return _rows(self._cursor, statement, parameters)
        found = _rows(self._cursor, SQL.lock_slice, parameters) if statement is SQL.load_slice else []
        if not found:
            _lock(self._cursor, self._stream)
        self._holds = True
        return found or _rows(self._cursor, statement, parameters)

    def commit(self, commit: Commit) -> None:
        events = list(map(self._rows.mapper.to_row, commit.events))
        with committing(self._recorder.datastore, self._cursor):
            self._recorder.write(self._cursor, commit, events)
        self._notifier.written(commit.stream, self._cursor)


class PostgresStorage(_Parameters, StorageReads):
    """Events and inline read models of a ledger in one schema of a PostgreSQL database."""

    def __init__(
        self,
        connections: Connections,
        mapper: EventMapper,
        *,
        schema: str,
        create: bool = True,
    ) -> None:
        super().__init__(SQL, Rows(mapper, _same, _same))
        self.mapper = mapper
        self.datastore = Datastore(connections, schema=schema, create=create)
        self.recorder = Recorder(self.datastore, self._rows)
        self.notifier = Notifier(self.datastore)
        self._listener = Listener(self.datastore)
        self._run_rows = RunRows(mapper, _same, _same)
        self.runs = PostgresRuns(self.datastore, self._run_rows, self._rows, self._all)
        self.skills = PostgresSkills(self.datastore, self._rows, self._all)
        if not self._all(SQL.read_seal, {}):
            with self.datastore.cursor() as cursor:
                _run(cursor, SQL.insert_seal, {"sealed": mapper.new_seal()})
        mapper.check_seal(self._all(SQL.read_seal, {})[0][0])

    def _all(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        try:
            with self.datastore.cursor() as cursor:
                return _rows(cursor, statement, parameters)
        except ConnectionLostError:  # a read can be asked again, on a newer connection
            self.datastore.drop_idle()
            with self.datastore.cursor() as cursor:
                return _rows(cursor, statement, parameters)

    @contextmanager
    def _transaction(self) -> Iterator[Cursor[Any]]:
        with self.datastore.cursor() as cursor, cursor.connection.transaction():
            yield cursor

    def commit(self, commit: Commit) -> None:
        events = list(map(self.mapper.to_row, commit.events))
        with lost_as_moved(self.datastore), self.datastore.cursor() as cursor:
            self.recorder.write(cursor, commit, events)
            self.notifier.written(commit.stream, cursor)

    @contextmanager
    def exclusive(self, stream: str) -> Iterator[_Locked]:
        with self.datastore.begun() as cursor:
            yield _Locked(self.recorder, self._rows, self.notifier, cursor, stream)

    # -------------------------------------------------------------------------------- housekeeping

    def forget_requests(self, before: datetime, limit: int) -> int:
        with self.datastore.cursor() as cursor:
            return _run(cursor, SQL.forget_requests, {"before": before, "limit": limit})

    def adopt_usage(self) -> None:
        with self._transaction() as cursor:
            if _run(cursor, SQL.create_global_quota, {}):
                for (stream,) in _rows(cursor, SQL.list_unleased, {}):
                    _adopt(cursor, stream)

    def take_lease(self, stream: str, lease: Lease, maximum: int) -> int:
        with self._transaction() as cursor:
            granted = _run(cursor, SQL.lease_bytes, {"bytes": lease.size, "maximum": maximum})
            ((leased,),) = _rows(cursor, SQL.read_leased_bytes, {})
            if not granted:
                return int(leased)
            _run(cursor, SQL.insert_lease, _lease_parameters(stream, lease))
            return int(leased) - lease.size

    def shrink_lease(self, lease_id: str, size: int) -> None:
        with self._transaction() as cursor:
            for (leased,) in _rows(cursor, SQL.read_lease, {"lease_id": lease_id}):
                if size < leased:
                    shrink = SQL.resize_lease if size else SQL.remove_lease
                    _run(cursor, shrink, {"lease_id": lease_id, "bytes": size})
                    _run(cursor, SQL.add_leased_bytes, {"bytes": size - leased})

    def rebuild(self, stream: str, project: Projector, progress: Callable[[int], None]) -> list[str]:
        with self._transaction() as cursor:
            state, leases, _ = _Locked(self.recorder, self._rows, self.notifier, cursor, stream).load(stream, ())
            draft = PostgresDraft(self._rows, stream, cursor)
            head, gaps = rebuilt(stream, draft.events(), project, draft, progress)
            raised = leases._replace(
                version=leases.version + 1
            )  # who decided on the former rows has to read again
            changes = ReadModelChanges(head, (), (), None)
            self.recorder.write(
                cursor, Commit(stream, state.revision, leases.version, (), changes, raised, ()), ()
            )
            return gaps + differing_heads(stream, project(state, ()).head, head) + draft.settle()

    def follower(self, name: str) -> PostgresFollower:
        """The tables of a follower of the ledger's runs."""
        return PostgresFollower(self.datastore, self._run_rows, name)

    def subscribe(self, stream: str, wake: Wake) -> Callable[[], None]:
        return self._listener.subscribe(stream, wake)

    def hold(self) -> None:
        """Nothing to hold: a connection belongs to whoever borrowed it."""

    def release(self) -> None:
        """Nothing was held."""

    def reset(self) -> None:
        self.datastore.reset()
        self.notifier.reset()
        self._listener.reset()

    def close(self) -> None:
        self.notifier.close()
        self.datastore.close()
        self._listener.close()


def _same(moment: Any) -> Any:
    """A timestamptz column holds a time as it is."""
    return moment


def _rows(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> list[Any]:
    return cursor.execute(statement, parameters, prepare=True, binary=True).fetchall()


def _run(cursor: Cursor[Any], statement: str, parameters: dict[str, Any]) -> int:
    return cursor.execute(statement, parameters).rowcount


def _lock(cursor: Cursor[Any], stream: str) -> None:
    of_stream = {"stream": stream}
    if not _rows(cursor, SQL.lock_head, of_stream):
        _run(cursor, SQL.insert_head, of_stream)
        _rows(cursor, SQL.lock_head, of_stream)


def _adopt(cursor: Cursor[Any], stream: str) -> None:
    for (used,) in _rows(cursor, SQL.lock_unleased, {"stream": stream}):
        lease = Lease(f"adopted:{stream}", used)
        _run(cursor, SQL.add_leased_bytes, {"bytes": used})
        _run(cursor, SQL.insert_lease, _lease_parameters(stream, lease))
        _run(cursor, SQL.put_leases, {"stream": stream, "leases": lease_column([lease])})


def _lease_parameters(stream: str, lease: Lease) -> dict[str, Any]:
    return {"lease_id": lease.lease_id, "stream": stream, "bytes": lease.size}
