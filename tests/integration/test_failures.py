"""Connections that break, locks that last, closing with writers about."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

import keyledger
from keyledger.adapters.postgres.datastore import ConnectionLostError
from keyledger.adapters.postgres.storage import PostgresStorage
from keyledger.adapters.sqlite.storage import SQLiteStorage
from keyledger.domain.ports import Commit


def test_a_lost_acknowledgement_does_not_write_twice(postgres_url: str, schema: str) -> None:
    with keyledger.open(postgres_url, schema=schema) as ledger:
        kv = ledger.partition("p")
        kv.set("n", 1)
        storage = ledger.storage
        assert isinstance(storage, PostgresStorage)
        write = storage.recorder.write

        def write_and_lose(cursor: psycopg.Cursor[Any], commit: Commit, stored: Any) -> None:
            write(cursor, commit, stored)
            storage.recorder.write = write  # type: ignore[method-assign]
            raise ConnectionLostError("lost")

        storage.recorder.write = write_and_lose  # type: ignore[method-assign,assignment]
        assert kv.increment("n").value == 2
        assert [version.value for version in kv.history("n")] == [2, 1]


def test_a_connection_that_broke_before_the_write_is_replaced(postgres_url: str, schema: str) -> None:
    with (
        keyledger.open(postgres_url, schema=schema, max_overflow=2) as ledger,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        kv = ledger.partition("p")
        for expected in range(1, 4):
            kv.increment("n")
            _terminate_others(admin)
            found = kv.get("n")
            assert found is not None
            assert found.value == expected
        _terminate_others(admin)
        assert kv.increment("n").value == 4


@pytest.mark.parametrize("write", ["save", "grant", "start", "set_under_the_lock"])
def test_a_transaction_begins_anew_where_idle_connections_broke(
    postgres_url: str, schema: str, write: str
) -> None:
    with (
        keyledger.open(postgres_url, schema=schema) as ledger,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        skill = keyledger.Skill(name="Weather", system_prompt="Tell it.")
        ledger.skills.save("weather", skill)
        with ledger.storage.exclusive("partition:a"), ledger.storage.exclusive("partition:b"):
            pass
        _terminate_others(admin)
        if write == "save":
            assert ledger.skills.save("other", skill).revision == 1
        elif write == "grant":
            assert ledger.skills.grant_quota("weather", 9).quota_bytes == 9
        elif write == "start":
            ledger.runs.start(keyledger.RunInfo("r-1", "weather"))
        else:
            with ledger.storage.exclusive("partition:weather") as session:
                assert session.load("partition:weather", ()).state.revision == 0


def _terminate_others(admin: psycopg.Connection[Any]) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def test_a_writer_that_waits_too_long_is_told(
    options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen(lock_timeout=0.2) as ledger, reopen() as other:
        kv = ledger.partition("p")
        kv.set("a", 1)
        with other.storage.exclusive("partition:p") as session:
            session.load("partition:p", ())
            with pytest.raises(keyledger.LedgerBusyError, match="try again"):
                kv.set("a", 2)
        assert kv.set("a", 3).revision == 2
    assert options


def test_close_finishes_what_was_begun(reopen: Callable[..., keyledger.Ledger]) -> None:
    ledger = reopen()
    started = Event()

    def write(thread: int) -> int:
        done = 0
        kv = ledger.partition("p")
        try:
            while True:
                kv.set(f"{thread}", done)
                done += 1
                started.set()
        except keyledger.LedgerClosedError:
            return done

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(write, thread) for thread in range(4)]
        assert started.wait(10)
        ledger.close()
        done = sum(future.result() for future in futures)
    with reopen() as again:
        assert again.partitions()[0].revision == done


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyledger.adapters.postgres.connections.CONNECT_TIMEOUT", 0.5)
    with pytest.raises(keyledger.StorageUnavailableError):
        keyledger.open(f"postgresql://nobody@/none?host={tmp_path}")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is not a database, and long enough to be taken for one" * 20)
    with pytest.raises(keyledger.StorageUnavailableError, match=r"text\.db"):
        keyledger.open(f"sqlite:///{path}")
    with pytest.raises(keyledger.StorageUnavailableError, match=r"no/such/folder\.db"):
        keyledger.open(f"sqlite:///{tmp_path}/no/such/folder.db")


def test_a_newer_schema_is_refused(tmp_path: Path, postgres_url: str, schema: str) -> None:
    keyledger.open(f"sqlite:///{tmp_path}/a.db").close()
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(keyledger.NewerLedgerError, match="99"):
        keyledger.open(f"sqlite:///{tmp_path}/a.db")
    keyledger.open(postgres_url, schema=schema).close()
    with psycopg.connect(postgres_url) as admin:
        admin.execute(f"INSERT INTO {schema}.keyledger_schema (version) VALUES (99)")
    with pytest.raises(keyledger.NewerLedgerError, match="99"):
        keyledger.open(postgres_url, schema=schema)


def test_an_unknown_event_is_never_skipped(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger:
        kv = ledger.partition("p")
        kv.set("a", 1)
        assert isinstance(ledger.storage, SQLiteStorage | PostgresStorage)
        ledger.storage.recorder.insert_events([StoredEvent("partition:p", 2, "kv.FromTheFuture", b"{}")])
        with pytest.raises(keyledger.NewerLedgerError, match="FromTheFuture"):
            kv.set("a", 2)
        with pytest.raises(keyledger.NewerLedgerError):
            ledger.rebuild()
        found = kv.get("a")
        assert found is not None
        assert found.value == 1
