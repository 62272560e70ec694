"""LangGraph's stores, as ``from_conn_string`` opens them."""

from __future__ import annotations

import sqlite3

from langgraph.store.base import BaseStore
from langgraph.store.postgres import PostgresStore
from langgraph.store.sqlite import SqliteStore
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from benchmarks.workload import PARTITION
from keyledger.domain.values import JSONValue

_NAMESPACE = (PARTITION, "skill")


class LangGraph:
    """One of the two stores on its connection."""

    def __init__(self, store: BaseStore, connection: sqlite3.Connection | Connection[DictRow]) -> None:
        self._store, self._connection = store, connection

    def set(self, key: str, value: JSONValue) -> None:
        """As :meth:`Store.set`."""
        assert isinstance(value, dict)  # it takes nothing else
        self._store.put(_NAMESPACE, key, value)

    def get(self, key: str) -> object:
        """As :meth:`Store.get`."""
        item = self._store.get(_NAMESPACE, key)
        return item and item.value

    def close(self) -> None:
        """As :meth:`Store.close`."""
        self._connection.close()


def on_sqlite(url: str) -> LangGraph:
    """``SqliteStore``, whose own choice of journal and synchronous is SQLite's default."""
    path = url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    store = SqliteStore(connection)
    store.setup()
    return LangGraph(store, connection)


def on_postgres(url: str) -> LangGraph:
    """``PostgresStore``."""
    connection = Connection.connect(url, autocommit=True, prepare_threshold=0, row_factory=dict_row)
    store = PostgresStore(connection)
    store.setup()
    return LangGraph(store, connection)
