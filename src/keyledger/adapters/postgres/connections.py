"""Connections of the ledger's own: from a pool, each on autocommit, in UTC, with the ledger's schema to search."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic
from typing import Any, Protocol

import psycopg
from psycopg import Connection, Cursor
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, StorageUnavailableError

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for the server's answer to a connection before it counts as unavailable."""

MAX_IDLE = 600.0
"""Seconds after which a connection beyond ``pool_size`` that nobody needed is closed."""

NOTICING = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000}
"""Seconds, and milliseconds: for a connection that may wait for hours to be told something."""

_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_ISOLATION = r"-c default_transaction_isolation=read\ committed"
_URL = "a PostgreSQL connection URL, with %-codes for what has a meaning in one, as %2F for / in a password"


class Connections(Protocol):
    """Where a datastore has its connections from."""

    def take(self) -> Cursor[Any]:
        """A cursor for tuples of a connection that nobody else has meanwhile; StorageUnavailableError if none."""

    def give_back(self, cursor: Cursor[Any]) -> None:
        """Let others have the connection; a transaction that was left open is rolled back."""

    def first(self) -> AbstractContextManager[Connection[DictRow]]:
        """A context manager: a connection for dicts to open the ledger with, outside a transaction."""

    def own(self) -> Connection[Any]:
        """A connection for whoever asks, to use and to close; it notices a peer that is gone."""

    def drop_idle(self) -> None:
        """Let go of what is broken among the idle: where one broke, others did."""

    def reset(self) -> None:
        """Start without connections, in a forked child: those inherited are not ours to close."""

    def close(self) -> None:
        """Close what is ours; what is in use, when it is given back."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many connections are kept, how many more there may be, and the seconds to wait for one of them."""

    size: int
    max_overflow: int
    timeout: float

    @property
    def most(self) -> int:
        """How many there are at most."""
        return self.size + self.max_overflow


class OwnConnections:
    """Connections from a pool that belongs to the ledger."""

    def __init__(self, url: str, schema: str, size: PoolSize, lock_timeout: float) -> None:
        try:
            options = psycopg.conninfo.conninfo_to_dict(url).get("options") or ""
            settings = f"-c timezone=UTC -c lock_timeout={ceil(lock_timeout * 1000)} {_ISOLATION}"
            self._conninfo = make_conninfo(url, options=f"{options} {settings}".strip())
        except psycopg.ProgrammingError:  # which repeats what it could not read: a piece of a password, perhaps
            raise InvalidArgumentError("url", "…", _URL) from None
        self._schema, self._size = schema, size
        self._inherited: list[object] = []
        self.reset()

    def reset(self) -> None:
        self._inherited += [getattr(self, "pool", None), getattr(self, "_idle", None)]
        self.pool, self._opening = self._new_pool(), Lock()
        self._idle: deque[tuple[Cursor[Any], float]] = deque()
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(self._size.most):
            self._permits.put(None)
        self._closed = False

    def _new_pool(self) -> ConnectionPool[Connection[DictRow]]:
        return ConnectionPool(
            self._conninfo,
            connection_class=Connection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=self._size.size,
            max_size=self._size.most,
            timeout=self._size.timeout,
            max_idle=MAX_IDLE,
            configure=self._configure,
            open=False,
        )

    def _configure(self, connection: Connection[Any]) -> None:
        connection.execute("SELECT set_config('search_path', %s, false)", (search_path(self._schema),))

    @contextmanager
    def first(self) -> Iterator[Connection[DictRow]]:
        """A connection beside the pool, which says at once, and why, that there is none to be had."""
        try:
            timeout = int(CONNECT_TIMEOUT)
            connection = Connection.connect(
                self._conninfo, autocommit=True, row_factory=dict_row, connect_timeout=timeout
            )
            with connection:
                self._configure(connection)
                yield connection
        except psycopg.Error as error:
            raise StorageUnavailableError(told(error)) from error
        if self._size.size:
            try:
                self._open_pool()
            except PoolTimeout as error:
                raise StorageUnavailableError(
                    f"the server gave no {self._size.size} connections: {told(error)}"
                ) from error

    def _open_pool(self) -> None:
        """Have those that are kept in the pool before one is asked for: it would open one more for who asks."""
        with self._opening:
            if self.pool.closed and not self._closed:
                try:
                    self.pool.open(wait=True, timeout=CONNECT_TIMEOUT)
                except PoolTimeout:
                    self.pool = self._new_pool()
                    raise

    def own(self) -> Connection[Any]:
        if self._closed:
            raise LedgerClosedError
        conninfo = make_conninfo(self._conninfo, connect_timeout=int(CONNECT_TIMEOUT), **NOTICING)
        connection = Connection.connect(conninfo, autocommit=True)
        self._configure(connection)
        return connection

    def take(self) -> Cursor[Any]:
        """An idle cursor, or one of a new connection; there are never more than the pool's size at work.

        The pool is not asked for what lies idle here: that would cost a sixth of a read's round trip.
        """
        if self._closed:
            raise LedgerClosedError
        try:
            self._permits.get(timeout=self._size.timeout)
        except Empty:
            raise StorageUnavailableError(
                f"all {self._size.most} connections were busy for {self._size.timeout:g} s; raise max_overflow"
            ) from None
        try:
            return self._idle_or_new()
        except BaseException:
            self._permits.put(None)
            raise

    def _idle_or_new(self) -> Cursor[Any]:
        with suppress(IndexError):
            return self._idle.pop()[0]
        try:
            self._open_pool()
            return self.pool.getconn().cursor(row_factory=tuple_row)
        except (psycopg.Error, PoolTimeout) as error:
            if self._closed:
                raise LedgerClosedError from error
            raise StorageUnavailableError(f"no connection to the server: {told(error)}") from error

    def give_back(self, cursor: Cursor[Any]) -> None:
        """One that was left in the middle of something is not worth saving."""
        connection = cursor.connection
        try:
            roll_back(connection)
        finally:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE and not self._closed:
                self._keep(cursor)
            else:
                connection.close()
                self.pool.putconn(connection)
            self._permits.put(None)

    def _keep(self, cursor: Cursor[Any]) -> None:
        """The last used are at the end, from where they are taken: who is at the start was not needed for long."""
        now = monotonic()
        self._idle.append((cursor, now))
        with suppress(IndexError):
            if len(self._idle) > self._size.size and now - self._idle[0][1] > MAX_IDLE:
                connection = self._idle.popleft()[0].connection
                connection.close()
                self.pool.putconn(connection)

    def drop_idle(self) -> None:
        self._hand_over_idle()
        self.pool.check()

    def _hand_over_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self.pool.putconn(self._idle.pop()[0].connection)

    def close(self) -> None:
        self._closed = True
        self._hand_over_idle()
        self.pool.close()


def search_path(schema: str) -> str:
    """The schema, and temporary tables after it: unnamed, they come first, and may have names of ours."""
    return '"{}", pg_temp'.format(schema.replace('"', '""'))


def roll_back(connection: Connection[Any]) -> None:
    """End a transaction that was left open, or the connection, if that cannot be done."""
    try:
        if connection.pgconn.transaction_status in _IN_TRANSACTION:
            connection.rollback()
    except psycopg.Error:
        connection.close()


def told(error: BaseException | None) -> str:
    """What a driver says, on one line."""
    return " ".join(str(error).split())
