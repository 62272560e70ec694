"""Watching what other processes write: nothing missed, whatever breaks, and nothing asked of the writers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

import keyledger
from keyledger.adapters.postgres import wakes
from keyledger.adapters.postgres.statements import WAKE_SQL
from keyledger.adapters.postgres.wakes import Listener, Notifier, channel_of

WRITERS, WRITES, PATIENCE = 3, 40, 60
Options = dict[str, Any]


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def admin(postgres_url: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


# -------------------------------------------------------------------------------------- processes


def write(options: Options, number: int) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        kv = ledger.partition("p", actor=f"process-{number}")
        for step in range(WRITES // 2):
            kv.increment("n")
            kv.set(f"{number}/{step}", step)


def tell(options: Options, after: int, to: Any) -> None:
    with keyledger.open(**options) as ledger:
        for version in ledger.partition("p").watch(after=after):
            to.send(version.revision)


def started(target: Callable[..., None], *arguments: Any) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    return process


def test_what_several_processes_write_is_seen_once_in_order(
    options: Options, reopen: Callable[..., keyledger.Ledger]
) -> None:
    with reopen() as ledger, ledger.partition("p").watch() as watch:
        writers = [started(write, options, number) for number in range(WRITERS)]
        seen = list(islice(watch, WRITERS * WRITES))
        for writer in writers:
            writer.join()
    assert [version.revision for version in seen] == list(range(1, WRITERS * WRITES + 1))
    assert [version.value for version in seen if version.key == "n"] == list(range(1, len(seen) // 2 + 1))
    assert {version.changed_by for version in seen} == {f"process-{number}" for number in range(WRITERS)}


def test_a_watcher_that_is_killed_and_started_again_sees_each_change_once(options: Options) -> None:
    keyledger.open(**options).close()
    writers = [started(write, options, number) for number in range(2)]
    seen: list[int] = []
    for more in (1, 7, 20, 2 * WRITES):
        receive, send = multiprocessing.Pipe(duplex=False)
        watcher = started(tell, options, seen[-1] if seen else 0, send)
        send.close()
        goal = min(len(seen) + more, 2 * WRITES)
        while len(seen) < goal:
            assert receive.poll(PATIENCE)
            seen.append(receive.recv())
        os.kill(watcher.pid, signal.SIGKILL)
        watcher.join()
    for writer in writers:
        writer.join()
    assert seen == list(range(1, 2 * WRITES + 1))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_of_the_process_leaves_both_with_a_watch_that_works(
    reopen: Callable[..., keyledger.Ledger], elsewhere: ThreadPoolExecutor
) -> None:
    with reopen() as ledger:
        kv = ledger.partition("p")
        with kv.watch() as watch, kv.watch() as waiting:
            others = elsewhere.submit(lambda: list(islice(waiting, 3)))
            _until_looked_out(ledger, lambda: kv.set("a", 1))
            assert next(watch).value == 1
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    _until_looked_out(ledger, lambda: kv.set("a", 2))
                    assert next(watch).value == 2
                    with kv.watch(after=1) as fresh:
                        assert next(fresh).value == 2
                    os.kill(os.getppid(), 0)
                    status = 0
                finally:
                    os._exit(status)
            assert next(watch).value == 2
            assert os.waitpid(child, 0)[1] == 0
            kv.set("a", 3)
            assert next(watch).value == 3
            assert [version.value for version in others.result(PATIENCE)] == [1, 2, 3]


def _until_looked_out(ledger: keyledger.Ledger, write: Callable[[], object]) -> None:
    """Write, and return when a thread that looks out has found it."""
    told = Event()
    leave = ledger.storage.subscribe("partition:p", told.set)
    write()
    assert told.wait(PATIENCE)
    leave()


def test_a_closed_ledger_leaves_no_thread(reopen: Callable[..., keyledger.Ledger]) -> None:
    before = threads()
    with reopen() as ledger:
        kv = ledger.partition("p")
        with kv.watch() as watch:
            _until_looked_out(ledger, lambda: kv.set("a", 1))
            assert next(watch).value == 1
            assert threads() - before
    assert threads() - before == set()


def threads() -> set[threading.Thread]:
    """The threads of ledgers: those that connect for a pool end when they find that it is closed."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("keyledger")}


# -------------------------------------------------------------------------------------- PostgreSQL


@pytest.fixture
def opened(postgres_url: str, schema: str) -> Iterator[Callable[..., keyledger.Ledger]]:
    """Opens the same ledger on PostgreSQL at each call, and closes all of them in the end."""
    ledgers: list[keyledger.Ledger] = []

    def opened() -> keyledger.Ledger:
        ledgers.append(keyledger.open(postgres_url, schema=schema))
        return ledgers[-1]

    yield opened
    for ledger in ledgers:
        ledger.close()


def _until_heard(admin: Connection[Any], schema: str) -> None:
    """Return when somebody listens, which takes some milliseconds."""
    asked = {"space": wakes._LOCKS, "ledger": wakes._number(schema)}
    deadline = monotonic() + PATIENCE
    while admin.execute(WAKE_SQL.find_listener, asked).fetchall() != [(True,)]:
        assert monotonic() < deadline


def test_without_a_watcher_nothing_is_sent_and_no_thread_runs(
    opened: Callable[..., keyledger.Ledger], admin: Connection[Any], schema: str
) -> None:
    admin.execute(f"LISTEN {channel_of(schema)}")
    before = threads()
    ledger = opened()
    kv = ledger.partition("p")
    for number in range(50):
        kv.set(f"k{number}", number)
    with kv.batch() as batch:
        batch.set("a", 1)
        batch.delete("k1")
    assert threads() - before == set()
    ledger.close()
    assert _notifications(admin, schema) == []


def _notifications(admin: Connection[Any], schema: str) -> list[str]:
    """What came on the ledger's channel since ``admin`` listens to it."""
    last = "that was all"
    with psycopg.connect(admin.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_notify(%s, %s)", (channel_of(schema), last))
    told: list[str] = []
    for each in admin.notifies(timeout=PATIENCE):
        if each.payload == last:
            break
        told.append(each.payload)
    return told


def test_a_writer_never_waits_for_a_notification(
    opened: Callable[..., keyledger.Ledger], admin: Connection[Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, opened_again = Event(), Event()
    tell = Notifier._tell

    def stopped(notifier: Notifier) -> bool:
        reached.set()
        assert opened_again.wait(PATIENCE)
        return tell(notifier)

    monkeypatch.setattr(Notifier, "_tell", stopped)
    opened().storage.subscribe("partition:p", lambda: None)
    _until_heard(admin, schema)
    admin.execute(f"LISTEN {channel_of(schema)}")
    writer = opened()
    kv = writer.partition("p")
    for number in range(30):
        kv.set("a", number)
    assert reached.wait(PATIENCE)
    for number in range(30):
        kv.set("a", number)
    writer.partition("q").set("a", 1)
    opened_again.set()
    writer.close()
    assert sorted(_notifications(admin, schema)) == ["partition:p", "partition:q"]


def test_a_notification_wakes_the_watchers_of_its_stream_and_no_others(
    opened: Callable[..., keyledger.Ledger], admin: Connection[Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "LOOK", 3_600.0)
    woken, other = Event(), Event()
    watching = opened()
    watching.storage.subscribe("partition:p", woken.set)
    watching.storage.subscribe("partition:q", other.set)
    _until_heard(admin, schema)
    opened().partition("p").set("a", 1)
    assert woken.wait(PATIENCE)
    assert not other.is_set()


def test_what_is_written_under_the_lock_of_its_head_is_told_too(
    opened: Callable[..., keyledger.Ledger], admin: Connection[Any], schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "LOOK", 3_600.0)
    watching, woken = opened(), Event()
    for value in (1, 2):
        watching.partition("p").set("a", value)
    monkeypatch.setattr(Listener, "_read", lambda *_: {})
    watching.storage.subscribe("partition:p", woken.set)
    _until_heard(admin, schema)
    assert opened().partition("p").restore_all(1) == 1
    assert woken.wait(PATIENCE)


def test_where_no_notification_comes_a_look_finds_what_was_written(
    opened: Callable[..., keyledger.Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Notifier, "written", lambda *_: None)
    monkeypatch.setattr(wakes, "LOOK", 0.01)
    kv, other = opened().partition("p"), opened().partition("p")
    with kv.watch() as watch:
        _subscribe(watch)
        other.set("a", 1)
        assert next(watch).value == 1


def _subscribe(watch: keyledger.Watch) -> None:
    watch._changes.subscribe(watch._bell.ring)


def test_a_listener_that_loses_its_connection_listens_again(
    opened: Callable[..., keyledger.Ledger],
    admin: Connection[Any],
    schema: str,
    elsewhere: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakes, "LOOK", 3_600.0)
    monkeypatch.setattr("keyledger.adapters.wakes.RETRY", 0.05)
    watching = opened()
    with watching.partition("p").watch() as watch:
        waiting = elsewhere.submit(next, watch)
        for number in range(3):
            _until_heard(admin, schema)
            lost = _listeners(admin)
            admin.execute("SELECT pg_terminate_backend(pid, 1000) FROM unnest(%s::int[]) AS pid", (lost,))
            _until_heard(admin, schema)
            assert not set(_listeners(admin)) & set(lost)
            opened().partition("p").set("a", number)  # a new ledger asks anew whether anybody listens
            assert waiting.result(PATIENCE).value == number
            waiting = elsewhere.submit(next, watch)


def _listeners(admin: Connection[Any]) -> list[int]:
    """The servers of the connections that hold the lock."""
    found = admin.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s::int::oid", (wakes._LOCKS,)
    )
    return [pid for (pid,) in found]


def test_an_engine_that_knows_no_notifications_is_watched_all_the_same(
    opened: Callable[..., keyledger.Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "LOOK", 0.01)
    refused = Event()

    class Refusing(Connection[Any]):
        def execute(self, query: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(query, sql.Composed) and "LISTEN" in query.as_string():
                refused.set()
                raise psycopg.errors.FeatureNotSupported("LISTEN not supported yet")
            return super().execute(query, *rest, **more)

    ledger, other = opened(), opened()
    monkeypatch.setattr("keyledger.adapters.postgres.connections.Connection", Refusing)
    with ledger.partition("p").watch() as watch:
        _subscribe(watch)
        assert refused.wait(PATIENCE)
        other.partition("p").set("a", 1)
        assert next(watch).value == 1


def test_schemas_have_channels_of_their_own_whatever_their_names() -> None:
    names = {channel_of(f"{'é' * 30}_{number}") for number in range(1_000)}
    assert len(names) == 1_000
    assert max(map(len, names)) < 63
