"""Read models beside the log: replay, rebuild after damage, encryption at rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from eventsourcing.compressor import ZlibCompressor
from eventsourcing.cryptography import AESCipher
from eventsourcing.utils import Environment

import keyledger
from keyledger.adapters import rebuild
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.postgres.storage import PostgresStorage
from keyledger.adapters.replay import LedgerApplication, partition
from keyledger.adapters.sqlite.storage import SQLiteStorage
from keyledger.domain.partition import PartitionState
from keyledger.opening import ledger_on


def cipher() -> AESCipher:
    return AESCipher(Environment("test", {"CIPHER_KEY": AESCipher.create_key(32)}))


def write_something(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    kv = ledger.partition("p", actor="ada", run_id="r-1")
    kv.set("a", {"x": 1}, ttl=5)
    kv.increment("n", 3, scope="user:ada")
    kv.set("b", "secret")
    kv.set_quota(1_000)
    kv.delete("b")
    clock.advance(10)
    kv.set("a", "secret")
    kv.set("short", "secret", ttl=5)
    clock.advance(10)


@pytest.mark.parametrize("store", ["memory", "sqlite", "postgres"])
def test_the_librarys_repository_replays_what_the_read_models_say(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, schema: str
) -> None:
    clock = ManualClock()
    if store == "memory":
        ledger = ledger_on(lambda: MemoryStorage(EventMapper()), clock=clock)
    elif store == "sqlite":
        ledger = keyledger.open(f"sqlite:///{tmp_path}/l.db", clock=clock)
    else:
        ledger = keyledger.open(request.getfixturevalue("postgres_url"), schema=schema, clock=clock)
    with ledger:
        write_something(ledger, clock)
        storage = ledger.storage
        assert isinstance(storage, MemoryStorage | SQLiteStorage | PostgresStorage)
        replayed: PartitionState = LedgerApplication(storage).repository.get(
            "partition:p", projector_func=partition
        )
        assert replayed.version == 8
        assert ledger.storage.load("partition:p", tuple(replayed.entries)).state == replayed


DAMAGE = [
    "UPDATE current_value SET revision = 99 WHERE key = 'a'",
    "UPDATE current_value SET value = (SELECT value FROM current_value WHERE key = 'n') WHERE key = 'a'",
    "DELETE FROM current_value WHERE key = 'n'",
    "UPDATE partition_head SET used_bytes = used_bytes + 1",
    "DELETE FROM partition_head",
    "DELETE FROM key_history WHERE revision = 3",
    "UPDATE key_history SET changed_by = 'eve' WHERE revision = 1",
    "UPDATE key_history SET run_id = NULL WHERE revision = 1",
    "UPDATE key_history SET revision = 99 WHERE revision = 1",
    """INSERT INTO key_history SELECT partition_id, scope, 'ghost', revision, operation, size, recorded_at,
    expires_at, changed_by, run_id FROM key_history WHERE revision = 1""",
    """INSERT INTO current_value SELECT 'partition:ghost', scope, key, value, size, revision, create_revision,
    created_at, updated_at, expires_at, changed_by, run_id FROM current_value WHERE key = 'a'""",
]


def execute(options: dict[str, str], statement: str) -> None:
    """A statement behind the ledger's back."""
    if options["url"].startswith("sqlite"):
        connection = sqlite3.connect(options["url"].removeprefix("sqlite:///"), isolation_level=None)
        connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(options["url"], options=f"-c search_path={options['schema']}") as server:
            server.execute(statement.encode())


@pytest.mark.parametrize(("damage", "key"), [*((each, None) for each in DAMAGE), (DAMAGE[1], cipher())])
def test_a_rebuild_reports_and_repairs_what_stood_otherwise(
    damage: str, key: AESCipher | None, options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    clock = ManualClock()
    with reopen(clock=clock, cipher=key) as ledger:
        write_something(ledger, clock)
        kv = ledger.partition("p")
        before = (kv.get("a"), kv.history("a"), kv.usage(), kv.get("n", scope="user:ada"))
        execute(options, damage)
        report = ledger.rebuild()
        assert report.differences
        assert "stood" in report.differences[0]
        assert ledger.rebuild().differences == ()
        assert (kv.get("a"), kv.history("a"), kv.usage(), kv.get("n", scope="user:ada")) == before
        assert kv.history("ghost").items == ()


NO_DELETE = {
    "sqlite": "CREATE TRIGGER touched BEFORE DELETE ON {0} BEGIN SELECT raise(ABORT, 'touched'); END",
    "postgresql": """
        CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'touched'; END$$;
        CREATE TRIGGER touched BEFORE DELETE ON {0} FOR EACH ROW EXECUTE FUNCTION touched()""",
}


@pytest.mark.parametrize("table", ["current_value", "key_history"])
def test_a_rebuild_that_finds_nothing_leaves_the_rows_where_they_are(
    table: str, options: dict[str, str], reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger:
        write_something(ledger, ManualClock())
        execute(options, NO_DELETE[options["url"].partition(":")[0]].format(table))
        assert ledger.rebuild().differences == ()
        execute(options, f"UPDATE {table} SET changed_by = 'eve'")
        with pytest.raises(Exception, match="touched"):
            ledger.rebuild()


@pytest.mark.parametrize("seed", range(4))
def test_a_rebuild_in_many_stretches_finds_what_the_writes_left(
    seed: int, reopen: Callable[..., keyledger.Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    random, clock = Random(seed), ManualClock()
    with reopen(clock=clock) as ledger:
        kv = ledger.partition("p", actor="ada")
        for _ in range(300):
            key, scope = random.choice("abcdefgh"), random.choice(["skill", "user:ada"])
            match random.choices(["set", "delete", "expire", "drop"], [20, 6, 3, 1])[0]:
                case "set":
                    kv.set(key, key * random.randrange(50), scope=scope, ttl=random.choice([None, 1, 100]))
                case "delete":
                    kv.delete(key, scope=scope)
                case "expire":
                    clock.advance(1)
                    ledger.sweep()
                case _:
                    ledger.delete_partition("p")
        for limit, value in {"_STRETCH": 7, "_STRETCH_BYTES": 100, "_ENTRIES_KEPT": 6, "_BYTES_KEPT": 300}.items():
            monkeypatch.setattr(rebuild, limit, value)
        assert ledger.rebuild().differences == ()


def test_encryption_leaves_no_value_in_the_file_and_rebuilds(
    options: dict[str, str], tmp_path: Path, reopen: Callable[..., keyledger.Ledger]
) -> None:
    clock, key = ManualClock(), cipher()
    with reopen(clock=clock, cipher=key, compressor=ZlibCompressor()) as ledger:
        write_something(ledger, clock)
        with ledger.partition("p").batch() as batch:
            batch.set("c", "secret")
            batch.set("d", "secret")
        assert ledger.rebuild().differences == ()
        found = ledger.partition("p").get("c")
        assert found is not None
        assert (found.value, found.size) == ("secret", 8)
        first = ledger.partition("p").set("e", "secret", request_id="q")
        assert ledger.partition("p").set("e", "secret", request_id="q") == first
    if options["url"].startswith("sqlite"):
        assert all(b"secret" not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("began", "went_on"),
    [
        ({"cipher": cipher()}, {"cipher": cipher()}),
        ({"cipher": cipher()}, {}),
        ({}, {"cipher": cipher()}),
        ({"compressor": ZlibCompressor()}, {}),
        ({}, {"compressor": ZlibCompressor()}),
    ],
)
def test_a_ledger_is_opened_only_with_what_it_was_begun_with(
    reopen: Callable[..., keyledger.Ledger], began: dict[str, Any], went_on: dict[str, Any]
) -> None:
    reopen(**began).close()
    with pytest.raises(keyledger.UnreadableError, match="this ledger cannot be read"):
        reopen(**went_on)
    reopen(**began).close()


def test_writes_that_come_during_a_rebuild_are_not_lost(reopen: Callable[..., keyledger.Ledger]) -> None:
    with reopen() as ledger, reopen(lock_timeout=0.2) as other:
        kv = ledger.partition("p")
        for number in range(150):
            kv.increment("n", number)
        refused: list[int] = []

        def write(done: int, _: int) -> None:
            if not refused:
                with pytest.raises(keyledger.LedgerBusyError):
                    other.partition("p").increment("n")
                refused.append(done)

        assert ledger.rebuild(progress=write).differences == ()
        assert refused
        assert other.partition("p").increment("n").revision == 151
