"""A ledger on the pool of a host, who goes on using it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

import keyledger
from keyledger.adapters.postgres import connections
from keyledger.adapters.postgres.connections import OwnConnections

PATIENCE = 30.0
_OF_SESSION = (
    *("client_encoding", "search_path", "timezone", "datestyle", "lock_timeout"),
    *(f"default_transaction_{name}" for name in ("isolation", "read_only", "deferrable")),
)


@pytest.fixture
def pool(postgres_url: str) -> Iterator[ConnectionPool[Any]]:
    """Two connections, with settings of the host's own."""
    options = "-c timezone=Asia/Tokyo -c search_path=pg_catalog -c lock_timeout=77 -c datestyle=German"
    kwargs = {"row_factory": dict_row, "options": options, "cursor_factory": psycopg.ClientCursor}

    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.read_only = True

    with ConnectionPool[Any](
        postgres_url, kwargs=kwargs, min_size=1, max_size=2, configure=configure, open=True
    ) as pool:
        yield pool


@pytest.fixture
def opened(pool: ConnectionPool[Any], schema: str) -> Callable[..., keyledger.Ledger]:
    return partial(keyledger.open, "postgresql://", schema=schema, pool=pool, pool_timeout=PATIENCE)


def session_of(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """What a host can see of a connection."""
    with psycopg.Cursor(connection, row_factory=dict_row) as cursor:
        settings = {name: cursor.execute(f"SHOW {name}").fetchone() for name in _OF_SESSION}
    connection.rollback()
    kept = ("autocommit", "isolation_level", "read_only", "deferrable", "row_factory", "cursor_factory")
    return settings | {name: getattr(connection, name) for name in kept}


def test_a_connection_comes_back_as_it_was(
    pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger]
) -> None:
    with pool.connection() as connection:
        before = session_of(connection)
    with opened() as ledger:
        kv = ledger.partition("p")
        kv.set("a", 1)
        with kv.batch() as batch:
            batch.set("b", "é")
        with pytest.raises(keyledger.RevisionConflictError):
            kv.set("a", 2, if_revision=9)
        ledger.rebuild()
    with pool.connection() as connection:
        assert session_of(connection) == before
    assert pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"]


def test_the_host_uses_its_pool_while_the_ledger_works(
    pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger]
) -> None:
    with opened() as ledger, pool.connection() as of_host:
        assert of_host.execute("SELECT 1 AS one").fetchone() == {"one": 1}
        for number in range(5):
            assert ledger.partition("p").increment("n").value == number + 1
            assert of_host.execute("SELECT 2 AS two").fetchone() == {"two": 2}
    with pool.connection() as first, pool.connection() as second:
        assert (first.closed, second.closed) == (False, False)


def test_more_threads_than_connections_take_turns(opened: Callable[..., keyledger.Ledger]) -> None:
    with opened() as ledger:
        begun = Barrier(8)

        def write(number: int) -> None:
            begun.wait(PATIENCE)
            for _ in range(10):
                ledger.partition(f"p{number}").increment("n")

        threads = [Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [info.revision for info in ledger.partitions()] == [10] * 8


def test_connections_that_broke_are_replaced(
    postgres_url: str, pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger]
) -> None:
    with opened() as ledger, psycopg.connect(postgres_url, autocommit=True) as admin:
        kv = ledger.partition("p")
        for expected in range(1, 4):
            assert kv.increment("n").value == expected
            for connection in list(pool._pool):
                admin.execute("SELECT pg_terminate_backend(%s, 1000)", (connection.info.backend_pid,))
        assert kv.increment("n").value == 4


def test_a_connection_that_breaks_in_the_middle_is_replaced(
    postgres_url: str, opened: Callable[..., keyledger.Ledger]
) -> None:
    with opened() as ledger, psycopg.connect(postgres_url, autocommit=True) as admin:
        kv, read = ledger.partition("p"), ledger.storage.read_entry
        kv.set("a", 1)
        cursor = ledger.storage.datastore.connections.take()  # type: ignore[attr-defined]
        admin.execute("SELECT pg_terminate_backend(%s, 1000)", (cursor.connection.info.backend_pid,))
        ledger.storage.datastore.connections.give_back(cursor)  # type: ignore[attr-defined]
        assert read("partition:p", "skill", "a") is not None
        assert kv.set("a", 2).revision == 2


def test_a_pool_that_is_exhausted_is_unavailable(
    pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger]
) -> None:
    with opened(pool_timeout=0.01) as ledger:
        ledger.partition("p").set("a", 1)
        with (
            pool.connection(),
            pool.connection(),
            pytest.raises(keyledger.StorageUnavailableError, match="the host's pool has no connection to lend"),
        ):
            ledger.partition("p").get("a")
        assert ledger.partition("p").get("a") is not None


def test_a_pool_is_never_closed_and_a_closed_one_is_unavailable(
    pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger]
) -> None:
    ledger = opened()
    ledger.close()
    assert not pool.closed
    with pytest.raises(keyledger.LedgerClosedError):
        ledger.partition("p").get("a")
    with opened() as ledger:
        pool.close()
        with pytest.raises(keyledger.StorageUnavailableError, match="the host's pool is not open"):
            ledger.partition("p").get("a")


def test_a_pool_that_was_not_opened_is_unavailable(postgres_url: str, opened: Callable[..., Any]) -> None:
    with pytest.raises(keyledger.StorageUnavailableError, match="the host's pool is not open"):
        opened(pool=ConnectionPool[Any](postgres_url, open=False))


@pytest.mark.parametrize("url", ["memory://", "sqlite:///l.db"])
def test_only_postgresql_works_on_a_pool(url: str, pool: ConnectionPool[Any], tmp_path: Any) -> None:
    del tmp_path
    with pytest.raises(keyledger.InvalidArgumentError, match=r"pool: got .*; allowed is a pool with a postgresql"):
        keyledger.open(url, pool=pool)


def test_what_is_no_pool_is_refused() -> None:
    with pytest.raises(keyledger.InvalidArgumentError, match=r"pool: got 7; allowed is a psycopg_pool\.Conn"):
        keyledger.open("postgresql://", pool=7)  # type: ignore[arg-type]


def test_a_configured_ledger_reuses_the_hosts_pool(
    pool: ConnectionPool[Any], schema: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keyledger.yaml").write_text(
        "tools: {kv_store: {default_adapter: postgres, adapters: {postgres: {reuse_conversation_store: true}}}}"
    )
    with keyledger.load_config().open(pool=pool, schema=schema) as ledger:
        ledger.partition("p").set("a", 1)
    with pool.connection() as connection:
        found = connection.execute(f"SELECT count(*) AS events FROM {schema}.stored_events").fetchone()
    assert found == {"events": 1}


def test_watchers_listen_on_a_connection_beside_the_pool(opened: Callable[..., keyledger.Ledger]) -> None:
    with opened() as ledger, opened() as other:
        seen, begun = list[Any](), Event()

        def watch() -> None:
            with ledger.partition("p").watch() as changes:
                begun.set()
                seen.append(next(changes).value)

        watcher = Thread(target=watch)
        watcher.start()
        assert begun.wait(PATIENCE)
        other.partition("p").set("a", 1)
        watcher.join(PATIENCE)
        assert seen == [1]


def test_a_forked_child_is_told_to_open_its_own(opened: Callable[..., keyledger.Ledger]) -> None:
    with opened() as ledger:
        ledger.partition("p").set("a", 1)
        child = os.fork()
        if child == 0:
            told = 1
            try:
                ledger.partition("p").get("a")
            except keyledger.StorageUnavailableError as error:
                told = 0 if "forked child" in str(error) else 2
            finally:
                os._exit(told)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ledger.partition("p").get("a") is not None


def test_tasks_have_as_many_threads_as_the_pool_has_connections(pool: ConnectionPool[Any], schema: str) -> None:
    async def work() -> list[Any]:
        async with keyledger.open_async("postgresql://", schema=schema, pool=pool) as ledger:
            kv = ledger.partition("p")
            await asyncio.gather(*(kv.increment("n") for _ in range(50)))
            assert ledger._threads._most == 2
            return list(await kv.history("n", limit=1))

    assert [version.value for version in asyncio.run(work())] == [50]


@pytest.mark.parametrize("threshold", [0, None])
def test_a_host_may_prepare_everything_or_nothing(postgres_url: str, schema: str, threshold: int | None) -> None:
    with (
        ConnectionPool[Any](postgres_url, kwargs={"prepare_threshold": threshold}, min_size=1, open=True) as pool,
        keyledger.open("postgresql://", schema=schema, pool=pool) as ledger,
    ):
        assert ledger.partition("p").set("a", 1).revision == 1
        with pool.connection() as connection:
            assert connection.prepare_threshold == threshold


def test_a_host_may_have_an_encoding_that_lacks_the_letters_of_our_schema(postgres_url: str, schema: str) -> None:
    kwargs = {"options": "-c client_encoding=LATIN1"}
    with ConnectionPool[Any](postgres_url, kwargs=kwargs, min_size=1, open=True) as pool:
        with keyledger.open("postgresql://", schema=f"日本{schema}", pool=pool) as ledger:
            ledger.partition("p").set("a", "日")
            assert ledger.partition("p").get("a").value == "日"  # type: ignore[union-attr]
            ledger.storage.datastore.own_connection().close()  # type: ignore[attr-defined]
        with pool.connection() as connection:
            assert session_of(connection)["client_encoding"] == {"client_encoding": "LATIN1"}


def test_a_hosts_search_path_may_lack_letters_of_its_encoding(postgres_url: str, schema: str) -> None:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.execute("SET client_encoding TO UTF8")
        connection.execute('SET search_path TO "日"')
        connection.execute("SET client_encoding TO LATIN1")
        connection.commit()

    with ConnectionPool[Any](postgres_url, min_size=1, configure=configure, open=True) as pool:
        with keyledger.open("postgresql://", schema=schema, pool=pool) as ledger:
            ledger.partition("p").set("a", 1)
        with pool.connection() as connection:
            connection.execute("SET client_encoding TO UTF8")
            assert connection.execute("SHOW search_path").fetchone() == ('"日"',)
        assert pool.get_stats().get("connections_num") == 1


def test_temporary_tables_of_the_host_with_our_names_are_not_ours(
    postgres_url: str, pool: ConnectionPool[Any], opened: Callable[..., keyledger.Ledger], schema: str
) -> None:
    tables = ("current_value", "partition_head", "stored_events", "key_history", "request_log", "keyledger_schema")
    with keyledger.open(postgres_url, schema=schema) as ledger:
        ledger.partition("p").set("a", 1)
    with pool.connection() as first, pool.connection() as second:
        for connection in (first, second):
            connection.read_only = False
            for table in tables:
                connection.execute(f"CREATE TEMP TABLE {table} (LIKE {schema}.{table} INCLUDING ALL)")
            connection.commit()
            connection.read_only = True
    with opened() as ledger:
        assert ledger.partition("p").get("a").value == 1  # type: ignore[union-attr]
        assert ledger.partition("p").set("b", 2).revision == 2
    with keyledger.open(postgres_url, schema=schema) as ledger:
        assert ledger.partition("p").get("b").value == 2  # type: ignore[union-attr]


# ----------------------------------------------------------------------------------- its own pool


def own(ledger: keyledger.Ledger) -> OwnConnections:
    found: OwnConnections = ledger.storage.datastore.connections  # type: ignore[attr-defined]
    return found


def test_the_pool_keeps_its_size_and_grows_by_the_overflow(postgres_url: str, schema: str) -> None:
    with keyledger.open(postgres_url, schema=schema, pool_size=2, max_overflow=1, pool_timeout=0.05) as ledger:
        pool = own(ledger).pool
        assert (pool.min_size, pool.max_size) == (2, 3)
        taken = [own(ledger).take() for _ in range(3)]
        with pytest.raises(
            keyledger.StorageUnavailableError, match=r"all 3 .* busy for 0\.05 s; raise max_overflow"
        ):
            ledger.partition("p").get("a")
        for cursor in taken:
            own(ledger).give_back(cursor)
        assert ledger.partition("p").get("a") is None


def test_nothing_beyond_the_size_is_opened_before_it_is_needed(postgres_url: str, schema: str) -> None:
    with keyledger.open(postgres_url, schema=schema, pool_size=3, max_overflow=2) as ledger:
        for number in range(20):
            ledger.partition("p").set("a", number)
        assert own(ledger).pool.get_stats()["connections_num"] == 3
        own(ledger).reset()
        ledger.partition("p").set("a", 20)
        assert own(ledger).pool.get_stats()["connections_num"] == 3
        for pool in own(ledger)._inherited:
            if isinstance(pool, ConnectionPool):
                pool.close()


def test_a_server_that_gives_too_few_connections_is_unavailable(postgres_url: str, schema: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {schema} LOGIN CONNECTION LIMIT 2")
        admin.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {schema}")
    url = psycopg.conninfo.make_conninfo(postgres_url, user=schema)
    parts = psycopg.conninfo.conninfo_to_dict(url)
    own_url = f"postgresql://{schema}@/{parts['dbname']}?host={parts['host']}"
    with pytest.raises(keyledger.StorageUnavailableError, match="the server gave no 3 connections"):
        keyledger.open(own_url, schema=schema, pool_size=3)


def test_what_nobody_needed_for_long_is_closed_down_to_the_size(
    postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(connections, "monotonic", lambda: now)
    with keyledger.open(postgres_url, schema=schema, pool_size=1, max_overflow=3) as ledger:
        taken = [own(ledger).take() for _ in range(4)]
        for cursor in taken:
            own(ledger).give_back(cursor)
        assert len(own(ledger)._idle) == 4
        for passed, left in ((600.0, 4), (601.0, 3), (601.0, 2), (601.0, 1), (9_999.0, 1)):
            now = passed
            own(ledger).give_back(own(ledger).take())
            assert len(own(ledger)._idle) == left
        assert [cursor.connection.closed for cursor in taken] == [True, True, True, False]


def test_a_connection_url_that_cannot_be_read_shows_no_password(schema: str) -> None:
    for url in (
        "postgresql://ada:hun%zzter2@h/d",
        "postgresql://ada:hun/ter2@h/d",
        "postgresql://ada:hun@ter2@h/d",
    ):
        with pytest.raises(keyledger.InvalidArgumentError) as refused:
            keyledger.open(url, schema=schema)
        assert "hun" not in str(refused.value)
        assert "ter2" not in str(refused.value)
