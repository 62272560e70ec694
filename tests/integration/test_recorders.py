"""The eventsourcing library's own tests of recorders, run against ours.

Its aggregate test wants ``insert_events`` to return None, its application test wants notification ids; a
recorder of ours is an application recorder, so the former sees it without its ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import AggregateRecorder, ApplicationRecorder, StoredEvent
from eventsourcing.tests.persistence import AggregateRecorderTestCase, ApplicationRecorderTestCase

from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.postgres.connections import OwnConnections, PoolSize
from keyledger.adapters.postgres.storage import PostgresStorage
from keyledger.adapters.sqlite.storage import SQLiteStorage


class WithoutIds(AggregateRecorder):
    """A recorder that keeps its notification ids to itself."""

    def __init__(self, recorder: ApplicationRecorder) -> None:
        self._recorder = recorder

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        self._recorder.insert_events(stored_events, **kwargs)

    def select_events(self, *args: Any, **kwargs: Any) -> Sequence[StoredEvent]:
        return self._recorder.select_events(*args, **kwargs)


class TextIds:
    """Streams are named by text here."""

    def new_originator_id(self) -> str:
        return f"partition:{uuid4()}"

    def recorder(self) -> ApplicationRecorder:
        raise NotImplementedError


class Aggregate(TextIds, AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self) -> AggregateRecorder:
        return WithoutIds(self.recorder())


class Application(TextIds, ApplicationRecorderTestCase[ApplicationRecorder]):
    __test__ = False

    def create_recorder(self) -> ApplicationRecorder:
        return self.recorder()


class Memory:
    def recorder(self) -> ApplicationRecorder:
        return MemoryStorage(EventMapper()).recorder


class SQLite:
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = f"{tmp_path}/ledger.db"

    def recorder(self) -> ApplicationRecorder:
        return SQLiteStorage(self.path, EventMapper()).recorder


class Postgres:
    @pytest.fixture(autouse=True)
    def _server(self, postgres_url: str, schema: str) -> None:
        self.url, self.schema = postgres_url, schema

    def recorder(self) -> ApplicationRecorder:
        connections = OwnConnections(self.url, self.schema, PoolSize(0, 10, 10.0), lock_timeout=5.0)
        return PostgresStorage(connections, EventMapper(), schema=self.schema).recorder


class TestMemoryAggregate(Memory, Aggregate):
    __test__ = True


class TestMemoryApplication(Memory, Application):
    __test__ = True


class TestSQLiteAggregate(SQLite, Aggregate):
    __test__ = True


class TestSQLiteApplication(SQLite, Application):
    __test__ = True


class TestPostgresAggregate(Postgres, Aggregate):
    __test__ = True


class TestPostgresApplication(Postgres, Application):
    __test__ = True
