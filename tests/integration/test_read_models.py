"""Read models beside the log: replay, rebuild after damage, encryption at rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.compressor import ZlibCompressor
from eventsourcing.cryptography import AESCipher
from eventsourcing.utils import Environment

import keyledger
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
    "DELETE FROM current_value WHERE key = 'n'",
    "UPDATE partition_head SET used_bytes = used_bytes + 1",
    "DELETE FROM partition_head",
    "DELETE FROM key_history WHERE revision = 3",
    "UPDATE key_history SET changed_by = 'eve' WHERE revision = 1",
    """INSERT INTO current_value SELECT 'partition:ghost', scope, key, value, size, revision, create_revision,
    created_at, updated_at, expires_at, changed_by, run_id FROM current_value WHERE key = 'a'""",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_rebuild_reports_and_repairs_what_stood_otherwise(damage: str, tmp_path: Path) -> None:
    clock = ManualClock()
    with keyledger.open(f"sqlite:///{tmp_path}/l.db", clock=clock) as ledger:
        write_something(ledger, clock)
        kv = ledger.partition("p")
        before = (kv.get("a"), kv.history("a"), kv.usage(), kv.get("n", scope="user:ada"))
        connection = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        connection.execute(damage)
        report = ledger.rebuild()
        assert report.differences
        assert "stood" in report.differences[0]
        assert ledger.rebuild().differences == ()
        assert (kv.get("a"), kv.history("a"), kv.usage(), kv.get("n", scope="user:ada")) == before
        connection.close()


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
        for number in range(1_500):
            kv.increment("n", number)
        refused = []

        def write(done: int, _: int) -> None:
            try:
                other.partition("p").increment("n")
            except keyledger.LedgerBusyError:
                refused.append(done)

        assert ledger.rebuild(progress=write).differences == ()
        assert refused
        assert other.partition("p").increment("n").revision == 1_501
