"""Connections of a host's pool: borrowed for a step, set up as the ledger needs them, given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import psycopg
from psycopg import Connection, Cursor, ServerCursor
from psycopg.adapt import AdaptersMap
from psycopg.rows import DictRow, dict_row, tuple_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from keyledger.adapters.postgres.connections import CONNECT_TIMEOUT, NOTICING, roll_back, search_path, told
from keyledger.adapters.urls import seen
from keyledger.domain.errors import InvalidArgumentError, LedgerClosedError, StorageUnavailableError

_SWAP = """
WITH former AS MATERIALIZED (
    SELECT name, setting, current_setting(name) AS was
    FROM unnest(%(names)s::text[], %(settings)s::text[]) AS wanted (name, setting)
)
SELECT name, was FROM former WHERE set_config(name, setting, false) IS NOT NULL
"""

_ADAPTERS = AdaptersMap(psycopg.adapters)


class _Plain(Cursor[Any]):
    """Reads and writes values as the driver does by itself, whatever the host taught its connections."""

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class _PlainServer(ServerCursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


_ATTRIBUTES: dict[str, Any] = {
    "autocommit": True,
    "isolation_level": None,
    "read_only": None,
    "deferrable": None,
    "row_factory": dict_row,
    "cursor_factory": _Plain,
    "server_cursor_factory": _PlainServer,
}
"""What the driver keeps of a connection, and what the ledger wants there."""


class HostConnections:
    """Connections from a pool that belongs to somebody else, who goes on using it and closes it.

    None is kept between two steps. What the ledger needs of a session is set as one is borrowed and undone as it
    is given back: two round trips more than on connections of its own.
    """

    def __init__(self, pool: object, schema: str, timeout: float, lock_timeout: float) -> None:
        if not isinstance(pool, ConnectionPool):
            raise InvalidArgumentError("pool", seen(pool), "a psycopg_pool.ConnectionPool")
        self.pool: ConnectionPool[Any] = pool
        self._timeout = timeout
        self._settings = {
            "search_path": search_path(schema),
            "timezone": "UTC",
            "datestyle": "ISO, YMD",
            "lock_timeout": str(ceil(lock_timeout * 1000)),
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "off",
            "default_transaction_deferrable": "off",
        }
        self._former: dict[Connection[Any], tuple[dict[str, Any], dict[str, str], str]] = {}
        self._closed = self._forked = False

    # -------------------------------------------------------------------------------------- borrowing

    def take(self) -> Cursor[Any]:
        """One that broke while it lay in the pool is closed, for the pool to replace, and the next is tried."""
        self._check()
        broken: psycopg.Error | None = None
        for _ in range(self.pool.max_size + 1):
            connection = self._borrowed()
            try:
                return self._set_up(connection)
            except psycopg.Error as error:
                broken = error
                self._discard(connection)
            except BaseException:
                self._discard(connection)
                raise
        raise StorageUnavailableError(f"no connection of the host's pool works: {told(broken)}") from broken

    def _check(self) -> None:
        if self._closed:
            raise LedgerClosedError
        if self._forked:
            raise StorageUnavailableError("a host's pool does not work in a forked child; open a ledger there")

    def _borrowed(self) -> Connection[Any]:
        try:
            connection: Connection[Any] = self.pool.getconn(self._timeout)
        except PoolClosed as error:
            raise StorageUnavailableError(f"the host's pool is not open: {told(error)}") from error
        except (PoolTimeout, TooManyRequests) as error:
            raise StorageUnavailableError(f"the host's pool has no connection to lend: {told(error)}") from error
        return connection

    def _set_up(self, connection: Connection[Any]) -> Cursor[Any]:
        attributes = {name: getattr(connection, name) for name in _ATTRIBUTES}
        _assign(connection, _ATTRIBUTES)
        cursor = connection.cursor(row_factory=tuple_row)
        encoding = _encoding(connection)
        _set_encoding(cursor, "UTF8")  # the first, as what follows is told in it
        self._former[connection] = attributes, dict(_swapped(cursor, self._settings)), encoding
        return cursor

    def _discard(self, connection: Connection[Any]) -> None:
        connection.close()
        self.pool.putconn(connection)

    def give_back(self, cursor: Cursor[Any]) -> None:
        connection = cursor.connection
        attributes, settings, encoding = self._former.pop(connection)
        try:
            roll_back(connection)
            if not connection.closed:
                _swapped(cursor, settings)
                _set_encoding(cursor, encoding)
                _assign(connection, attributes)
        except BaseException as error:
            connection.close()
            if not isinstance(error, psycopg.Error):
                raise
        finally:
            self.pool.putconn(connection)

    @contextmanager
    def first(self) -> Iterator[Connection[DictRow]]:
        cursor = self.take()
        try:
            yield cursor.connection
        except psycopg.Error as error:
            raise StorageUnavailableError(told(error)) from error
        finally:
            self.give_back(cursor)

    # ------------------------------------------------------------------------------ beside the pool

    def own(self) -> Connection[Any]:
        """One made as the pool makes its own, so that it leads to the same database."""
        self._check()
        options = {"connect_timeout": int(CONNECT_TIMEOUT)} | (_called(self.pool.kwargs) or {}) | NOTICING
        connection: Connection[Any] = self.pool.connection_class.connect(
            _called(self.pool.conninfo) or "", **options
        )
        _assign(connection, _ATTRIBUTES | {"row_factory": tuple_row})
        cursor = connection.cursor()
        _set_encoding(cursor, "UTF8")
        _swapped(cursor, self._settings)
        return connection

    def drop_idle(self) -> None:
        """There are none: each is looked at when it is borrowed."""

    def reset(self) -> None:
        self._forked, self._former = True, {}

    def close(self) -> None:
        self._closed = True


def _assign(connection: Connection[Any], attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(connection, name, value)


def _swapped(cursor: Cursor[Any], settings: dict[str, str]) -> list[tuple[str, str]]:
    """Set a session's settings; what they were before."""
    wanted = {"names": list(settings), "settings": list(settings.values())}
    return cursor.execute(_SWAP, wanted).fetchall()


def _encoding(connection: Connection[Any]) -> str:
    return connection.info.parameter_status("client_encoding") or ""


def _set_encoding(cursor: Cursor[Any], name: str) -> None:
    """A round trip only where it differs, which is rare."""
    if _encoding(cursor.connection) != name:
        cursor.execute("SELECT set_config('client_encoding', %s, false)", (name,))


def _called(given: Any) -> Any:
    return given() if callable(given) else given
