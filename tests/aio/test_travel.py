"""The past, awaited: what tasks add to the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from tests.aio.running import in_loop

Open = Callable[..., Opening]


@in_loop
async def test_a_view_says_what_moment_is_meant(opening: Open) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        for number in range(3):
            await kv.set("n", number)
        first, second = await kv.at(1), await kv.at(2)
        assert (first.partition_id, first.revision, str(first)) == ("p", 1, "p@1")
        assert repr(first) == "<AsyncView p@1>"
        again = await kv.at(second)
        assert (str(again), again.instant) == (str(second), second.instant)
        (change,) = await kv.diff(first, second)
        assert (change.key, change.patch) == ("n", ({"op": "replace", "path": "", "value": 1},))
        assert (await kv.diff(second))[0].after == await (await kv.at()).get("n")
        restored = await kv.restore("n", first)
        assert restored is not None
        assert (restored.value, restored.revision) == (0, 4)
        assert await kv.restore_all(second) == 1
        assert [entry.value async for entry in (await kv.at()).scan()] == [1]
        fork = await kv.fork("q", first)
        assert (await fork.set("n", 5)).create_revision == 2
        found = await kv.bisect(
            "n", lambda entry: entry is not None and entry.value == 2, after=first, before=await kv.at(3)
        )
        assert found is not None
        assert found.revision == 3


@in_loop
async def test_nothing_is_written_to_a_view(opening: Open) -> None:
    async with opening() as ledger:
        view = await ledger.partition("p").at()
        refused = [view.set("a", 1), view.increment("a"), view.delete("a"), view.set_quota(1)]
        for write in [*refused, view.restore("a", 1), view.restore_all(1)]:
            with pytest.raises(keyledger.ReadOnlyViewError, match="p@0"):
                await write
        with pytest.raises(keyledger.ReadOnlyViewError):
            view.batch()


@in_loop
async def test_other_reads_go_on_while_a_predicate_thinks(opening: Open) -> None:
    async with opening(max_overflow=1) as ledger:
        kv = ledger.partition("p")
        await kv.set("n", 1)
        asked, go_on = Event(), Event()

        def thinks(entry: keyledger.Entry | None) -> bool:
            asked.set()
            assert go_on.wait(30)
            return entry is not None

        bisect = asyncio.create_task(kv.bisect("n", thinks))
        assert await asyncio.to_thread(asked.wait, 30)
        assert await kv.get("n") is not None
        go_on.set()
        found = await bisect
        assert found is not None
        assert found.revision == 1


@in_loop
async def test_a_predicate_may_read_the_view_that_it_is_asked_about(opening: Open) -> None:
    async with opening(max_overflow=1) as ledger:
        kv = ledger.partition("p")
        for name in "abcde":
            await kv.set(name, 1)
        found = await kv.bisect(None, lambda view: len(view.list()) == 4, before=4)
        assert found is not None
        assert (found.key, found.revision) == ("d", 4)


@in_loop
async def test_a_cancelled_bisect_is_let_go_and_asks_no_more(opening: Open) -> None:
    asked, go_on = Event(), Event()
    times: list[keyledger.Entry | None] = []

    def thinks(entry: keyledger.Entry | None) -> bool:
        times.append(entry)
        asked.set()
        assert go_on.wait(30)
        return False

    async with opening() as ledger:
        kv = ledger.partition("p")
        await kv.set("n", 1)
        bisect = asyncio.create_task(kv.bisect("n", thinks))
        assert await asyncio.to_thread(asked.wait, 30)
        bisect.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bisect
        go_on.set()
    assert times == [None]


@in_loop
async def test_a_predicate_is_no_coroutine_function(opening: Open) -> None:
    async def always(_: object) -> bool:
        return True

    async with opening() as ledger:
        with pytest.raises(keyledger.InvalidArgumentError) as caught:
            await ledger.partition("p").bisect("n", always)
        assert caught.value.field == "predicate"
