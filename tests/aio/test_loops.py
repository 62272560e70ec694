"""Loops that go on while a store waits, and share a ledger; many tasks on few threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.notice import Notice
from keyledger.adapters.aio.opening import Opening
from keyledger.adapters.postgres.connections import OwnConnections
from keyledger.adapters.postgres.storage import PostgresStorage
from keyledger.domain.ports import Commit, ReadEntry
from tests.aio.running import in_loop, lined_up, threads_of_ledgers, turns

Open = Callable[..., Opening]
Options = dict[str, Any]


@in_loop
async def test_the_loop_goes_on_while_a_lock_of_the_database_is_waited_for(options: Options) -> None:
    other = await asyncio.to_thread(keyledger.open, **options)
    async with keyledger.open_async(**options, lock_timeout=60) as ledger:
        kv = ledger.partition("p")
        await kv.set("a", 1)
        with other.storage.exclusive("partition:p") as session:
            session.load("partition:p", ())
            (write,) = await lined_up(kv.set("a", 2))
            for _ in range(100):
                found = await kv.get("a")
                assert found is not None
                assert found.value == 1
            assert not write.done()
        assert (await write).revision == 2
    other.close()


@in_loop
async def test_the_loop_goes_on_while_the_memory_is_locked() -> None:
    locked, unlock = threading.Event(), threading.Event()
    async with keyledger.open_async("memory://") as ledger:
        kv, storage = ledger.partition("p"), ledger.storage

        def hold() -> None:
            storage.hold()
            locked.set()
            assert unlock.wait(30)
            storage.release()

        holding = threading.Thread(target=hold)
        holding.start()
        assert await asyncio.to_thread(locked.wait, 30)
        tasks = await lined_up(kv.set("a", 1), kv.get("a"), ledger.partitions(), ledger.sweep(), kv.increment("n"))
        await turns(100)
        assert not any(task.done() for task in tasks)
        unlock.set()
        await asyncio.gather(*tasks)
        await asyncio.to_thread(holding.join)


@in_loop
async def test_what_a_write_has_to_read_is_read_in_a_thread(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv, created, readers = ledger.partition("p"), ledger.storage.created, list[threading.Thread]()

        def watched(stream: str, scope: str, name: str, revision: int) -> tuple[int, datetime]:
            readers.append(threading.current_thread())
            return created(stream, scope, name, revision)

        monkeypatch.setattr(ledger.storage, "created", watched)
        first = await kv.set("a", 1, request_id="r")
        assert await kv.set("a", 1, request_id="r") == first
        async with kv.batch() as batch:
            batch.set("b", 1)
            batch.delete("b")
            batch.set("b", 2)
            assert not batch.results
        one, deleted, two = batch.results
        assert isinstance(one, keyledger.Entry)
        assert isinstance(two, keyledger.Entry)
        assert (one.value, deleted, two.value) == (1, True, 2)
        assert len(readers) == 2
        assert threading.current_thread() not in readers


@in_loop
async def test_a_scan_is_read_in_threads_and_can_be_left(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        kv, listed, readers = ledger.partition("p"), ledger.storage.list_entries, list[threading.Thread]()
        async with kv.batch() as batch:
            for number in range(250):
                batch.set(f"{number:03}", number)

        def watched(*arguments: Any) -> list[ReadEntry]:
            readers.append(threading.current_thread())
            return listed(*arguments)

        monkeypatch.setattr(ledger.storage, "list_entries", watched)
        assert [entry.value async for entry in kv.scan()] == list(range(250))
        assert len(readers) > 1
        assert threading.current_thread() not in readers
        readers.clear()
        async for entry in kv.scan():
            if entry.value == 7:
                break
        assert len(readers) == 1


@in_loop
async def test_partitions_do_not_wait_for_one_that_is_held(options: Options) -> None:
    """However many tasks wait in one lane, they hold one thread."""
    other = await asyncio.to_thread(keyledger.open, **options)
    async with keyledger.open_async(**options, max_overflow=2, lock_timeout=60) as ledger:
        slow, quick = ledger.partition("slow"), ledger.partition("quick")
        await slow.set("a", 1)
        with other.storage.exclusive("partition:slow") as session:
            session.load("partition:slow", ())
            writes = await lined_up(*(slow.increment("n") for _ in range(50)))
            await quick.get("a")
            if isinstance(ledger.storage, PostgresStorage):  # on SQLite one lock stands for the whole file
                await quick.set("a", 1)
            assert not any(write.done() for write in writes)
        assert [entry.value for entry in await asyncio.gather(*writes)] == list(range(1, 51))
    other.close()


@in_loop
async def test_a_thousand_tasks_share_few_threads_and_connections(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening(max_overflow=3) as ledger:
        before, threads, connections = threads_of_ledgers(), set[threading.Thread](), set[int]()
        commit = ledger.storage.commit

        def counted(what: Commit) -> None:
            threads.update(threads_of_ledgers() - before)
            if isinstance(ledger.storage, PostgresStorage):
                assert isinstance(ledger.storage.datastore.connections, OwnConnections)
                connections.add(ledger.storage.datastore.connections.pool.get_stats()["pool_size"])
            commit(what)

        monkeypatch.setattr(ledger.storage, "commit", counted)

        async def work(number: int) -> int:
            kv = ledger.partition(f"p{number % 20}")
            await kv.set(f"k{number}", number)
            found = await kv.get(f"k{number}")
            assert found is not None
            return int(str(found.value)) + (await ledger.partition("shared").increment("n")).revision

        assert sum(await asyncio.gather(*map(work, range(1_000)))) == sum(range(1_000)) + sum(range(1, 1_001))
        assert len(threads) == 3
        assert max(connections, default=3) <= 3


@in_loop
async def test_what_takes_long_does_not_keep_from_running_what_it_waits_for(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import waits in the lane of a write whose turn to lead comes after it."""
    async with opening(max_overflow=1) as ledger:
        kv, go_on, read = ledger.partition("p"), threading.Event(), ledger.storage.read_entry

        def held(stream: str, scope: str, key: str) -> ReadEntry | None:
            assert go_on.wait(30)
            return read(stream, scope, key)

        monkeypatch.setattr(ledger.storage, "read_entry", held)
        line = '{"partition": "p", "key": "imported", "value": 1}'
        tasks = await lined_up(kv.get("a"), ledger.import_lines([line], source="s"), kv.set("a", 1))
        go_on.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)
        assert [entry.key for entry in await kv.list()] == ["a", "imported"]


@in_loop
async def test_a_cancellation_that_comes_with_the_outcome_does_not_wait_for_another() -> None:
    notice = Notice()
    (waiting,) = await lined_up(notice.wait(lambda: False))
    notice.tell()
    waiting.cancel()
    await turns()
    assert waiting.cancelled()


def test_several_loops_in_several_threads_share_a_ledger(opening: Open) -> None:
    async def count(ledger: keyledger.AsyncLedger) -> None:
        kv = ledger.partition("p")
        await asyncio.gather(*(kv.increment("n") for _ in range(50)))

    async def opened() -> keyledger.AsyncLedger:
        return await opening()

    ledger = asyncio.run(opened())
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(asyncio.run, count(ledger)) for _ in range(4)]:
            future.result(60)

    async def check() -> None:
        async with ledger:
            history = await ledger.partition("p").history("n", limit=1_000)
            assert [version.value for version in history] == list(range(200, 0, -1))

    asyncio.run(check())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_can_use_the_ledger_and_so_can_its_parent(options: Options) -> None:
    async def opened() -> keyledger.AsyncLedger:
        return await keyledger.open_async(**options)

    async def count(ledger: keyledger.AsyncLedger) -> None:
        kv = ledger.partition("p")
        await asyncio.gather(*(kv.increment("n") for _ in range(20)))
        assert await kv.get("n") is not None

    ledger = asyncio.run(opened())
    asyncio.run(count(ledger))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(count(ledger))
            status = 0
        finally:
            os._exit(status)
    asyncio.run(count(ledger))
    assert os.waitpid(child, 0)[1] == 0

    async def check() -> None:
        async with ledger:
            assert (await ledger.partition("p").increment("n")).value == 61

    asyncio.run(check())


@in_loop
async def test_callbacks_and_reads_see_the_context_of_their_task(opening: Open) -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("ada")
    seen: list[str] = []
    async with opening() as ledger:
        report = await ledger.import_lines(["{}"], source="s", on_error=lambda _, __: seen.append(name.get()))
        assert report.failed == 1
        await ledger.rebuild(progress=lambda _, __: seen.append(name.get()))
    assert seen == ["ada"]


@in_loop
async def test_where_no_thread_can_be_started_a_write_is_done_once_and_a_read_refused(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            assert (await kv.increment("n")).value == 1
            with pytest.raises(keyledger.StorageUnavailableError, match="no thread"):
                await kv.get("n")
            with pytest.raises(keyledger.StorageUnavailableError, match="no thread"):
                await ledger.delete_partition("p")
        assert (await kv.increment("n")).value == 2
        assert len(await kv.history("n")) == 2


def no_thread(thread: threading.Thread) -> None:
    del thread
    raise RuntimeError("can't start new thread")
