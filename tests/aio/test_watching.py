"""Watching from tasks: cancelled, closed, in numbers, and without a thread for each that waits."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from keyledger.adapters.aio.threads import Threads
from tests.aio.running import in_loop, threads_of_ledgers, turns

Open = Callable[..., Opening]
PATIENCE = 60


@in_loop
async def test_changes_come_as_they_are_written(opening: Open) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        await kv.set("a", 1)
        seen: list[Any] = []
        async with kv.watch() as watch:
            assert watch.revision == 1
            for number in range(2, 5):
                await kv.set("a", number)
            async for version in watch:
                seen.append(version.value)
                if len(seen) == 3:
                    break
            assert watch.revision == 4
        assert seen == [2, 3, 4]
        assert [version.value async for version in kv.watch(after=1, follow=False)] == [2, 3, 4]


@in_loop
async def test_many_wait_for_what_few_threads_read(opening: Open) -> None:
    async with opening(max_overflow=2) as ledger:
        kv = ledger.partition("p")
        before = threads_of_ledgers()
        watches = [kv.watch(after=0) for _ in range(100)]
        tasks = [asyncio.create_task(anext(watch)) for watch in watches]
        for number in range(10):
            await kv.set("other", number, scope="root_run:r")
        assert not any(task.done() for task in tasks)
        assert len(threads_of_ledgers() - before) <= 2
        await kv.set("a", 7)
        seen = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        assert [version.value for version in seen] == [7] * 100


@in_loop
async def test_one_that_is_cancelled_while_it_waits_loses_nothing(opening: Open) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        async with kv.watch() as watch:
            for number in range(5):
                waiting = asyncio.create_task(anext(watch))
                await turns(number)
                waiting.cancel()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
                await kv.set("a", number)
                assert (await anext(watch)).value == number


@in_loop
async def test_to_close_it_ends_a_task_that_waits(opening: Open) -> None:
    async with opening() as ledger:
        watch = ledger.partition("p").watch()
        await watch.__aenter__()
        waiting = asyncio.create_task(_all_of(watch))
        await turns(20)
        await watch.aclose()
        await watch.aclose()
        assert await asyncio.wait_for(waiting, PATIENCE) == []
        assert await _all_of(watch) == []


@in_loop
async def test_to_close_the_ledger_ends_tasks_that_wait(opening: Open) -> None:
    ledger = await opening()
    kv = ledger.partition("p")
    await kv.set("a", 1)
    watches = [await kv.watch(after=revision).__aenter__() for revision in (0, 1)]
    assert (await anext(watches[0])).value == 1
    waiting = [asyncio.create_task(_all_of(watch)) for watch in watches]
    await turns(20)
    await ledger.close()
    assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE) == [[], []]
    with pytest.raises(keyledger.LedgerClosedError):
        await anext(kv.watch())


@in_loop
async def test_what_is_not_of_its_form_is_refused_at_once_and_a_revision_when_it_begins(opening: Open) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        with pytest.raises(keyledger.InvalidArgumentError, match="prefix"):
            kv.watch("a\0")
        with pytest.raises(keyledger.RevisionNotFoundError):
            await anext(kv.watch(after=1))


@in_loop
async def test_a_forgotten_watch_is_woken_no_more() -> None:
    async with keyledger.open_async("memory://") as ledger:
        kv = ledger.partition("p")
        watch = kv.watch(after=0)
        waiting = asyncio.create_task(anext(watch))
        while not ledger.storage._subscribers:  # type: ignore[attr-defined]
            await turns(1)
        await kv.set("a", 1)
        assert (await waiting).value == 1
        del watch, waiting
        gc.collect()
        assert not ledger.storage._subscribers  # type: ignore[attr-defined]


def test_a_watch_of_a_loop_that_has_ended_is_in_nobodys_way() -> None:
    with keyledger.open("memory://") as plain:
        ledger = keyledger.AsyncLedger(plain, Threads(2))

        async def begin() -> keyledger.AsyncWatch:
            watch = ledger.partition("p").watch(after=0)
            waiting = asyncio.create_task(anext(watch))
            while not plain.storage._subscribers:  # type: ignore[attr-defined]
                await turns(1)
            waiting.cancel()
            return watch

        left = asyncio.run(begin())
        assert plain.partition("p").set("a", 1).revision == 1
        assert left.revision == 0


async def _all_of(watch: keyledger.AsyncWatch) -> list[keyledger.Version]:
    return [version async for version in watch]
