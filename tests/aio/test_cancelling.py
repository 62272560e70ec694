"""A cancelled write is done as a whole or not at all, and whoever cancelled it can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from keyledger.domain.ports import Slice, UsageRow
from tests.aio.running import Gate, in_loop, lined_up, turns

Open = Callable[..., Opening]


@in_loop
async def test_cancelled_in_line_nothing_is_written(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        first, second, third = await lined_up(kv.set("a", 1), kv.set("b", 1), kv.set("c", 1))
        await gate.reached()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.open()
        assert ((await first).revision, (await third).revision) == (1, 2)
        assert await kv.get("b") is None
        assert not await kv.history("b")


@in_loop
async def test_cancelled_later_it_is_written_before_the_cancellation_goes_on(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        (write,) = await lined_up(kv.set("a", 1))
        await gate.reached()
        write.cancel()
        await turns()
        assert not write.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await write
        found = await kv.get("a")
        assert found is not None
        assert found.revision == 1


@in_loop
async def test_a_second_cancellation_does_not_wait(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        (write,) = await lined_up(kv.set("a", 1))
        await gate.reached()
        for _ in range(2):
            write.cancel()
            await turns()
        assert write.cancelled()
        gate.open()
        assert (await kv.set("b", 1)).revision == 2
        assert await kv.get("a") is not None


@in_loop
async def test_a_cancelled_leader_keeps_nobody_from_being_written(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        leader, *others = await lined_up(*(kv.set(f"k{n}", n) for n in range(6)))
        await gate.reached()
        for task in (leader, others[0], others[3]):
            task.cancel()
        await turns()
        gate.open()
        told = await asyncio.gather(leader, *others, return_exceptions=True)
        kept = [each.key for each in told if isinstance(each, keyledger.Entry)]
        assert kept == ["k2", "k3", "k5"]
        assert [entry.key for entry in await kv.list()] == ["k0", *kept]
        assert gate.commits == [1, 3]


@in_loop
async def test_a_write_refused_after_its_cancellation_is_cancelled(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv = ledger.partition("p")
        load, reached, go_on = ledger.storage.load, Event(), Event()

        def held(*arguments: Any) -> Slice:
            reached.set()
            assert go_on.wait(30)
            return load(*arguments)

        monkeypatch.setattr(ledger.storage, "load", held)
        (write,) = await lined_up(kv.set("a", 1, if_revision=9))
        assert await asyncio.to_thread(reached.wait, 30)
        write.cancel()
        await turns()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await write
        assert not await kv.history("a")


@in_loop
async def test_a_cancelled_batch_is_whole(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)

        async def batched(name: str) -> None:
            async with kv.batch() as batch:
                for number in range(3):
                    batch.set(f"{name}{number}", number)

        taken, waiting = await lined_up(batched("taken"), batched("waiting"))
        await gate.reached()
        taken.cancel()
        waiting.cancel()
        await turns()
        gate.open()
        told = await asyncio.gather(taken, waiting, return_exceptions=True)
        assert [type(each) for each in told] == [asyncio.CancelledError] * 2
        assert [entry.key for entry in await kv.list()] == ["taken0", "taken1", "taken2"]


@in_loop
async def test_a_timeout_tells_when_the_fate_of_the_write_is_known(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)

        async def timed_out(key: str) -> keyledger.Entry | None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await kv.set(key, 1)
            return await kv.get(key)

        taken, waiting = await lined_up(timed_out("taken"), timed_out("waiting"))
        await gate.reached()
        assert await waiting is None
        assert not taken.done()
        gate.open()
        assert await taken is not None


@in_loop
async def test_a_task_group_ends_with_every_write_settled(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)

        async def fail() -> None:
            await gate.reached()
            raise ValueError

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(kv.set("taken", 1))
                group.create_task(kv.set("waiting", 1))
                group.create_task(gate.open_when_cancelled())
                group.create_task(fail())
        assert [entry.key for entry in await kv.list()] == ["taken"]


@in_loop
async def test_a_retry_of_a_cancelled_write_learns_what_became_of_it(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opening() as ledger:
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        (write,) = await lined_up(kv.increment("n", request_id="r"))
        await gate.reached()
        write.cancel()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await write
        assert (await kv.increment("n", request_id="r")).value == 1
        assert len(await kv.history("n")) == 1


@in_loop
async def test_a_cancelled_read_is_let_go_begun_or_not(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opening(max_overflow=1) as ledger:
        kv, usage, reached, go_on = ledger.partition("p"), ledger.storage.usage, Event(), Event()

        def held(*arguments: Any) -> UsageRow:
            reached.set()
            assert go_on.wait(30)
            return usage(*arguments)

        monkeypatch.setattr(ledger.storage, "usage", held)
        begun, queued = await lined_up(kv.usage(), kv.get("a"))
        assert await asyncio.to_thread(reached.wait, 30)
        for read in (begun, queued):
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
        go_on.set()
        assert (await kv.set("a", 1)).revision == 1


@in_loop
async def test_a_cancelled_import_ends_before_its_next_batch(opening: Open) -> None:
    async with opening() as ledger:
        lines = [f'{{"partition": "p", "key": "k{n % 7}", "value": {n}}}' for n in range(3_000)]
        loop = asyncio.get_running_loop()

        def read() -> Iterator[str]:
            for number, line in enumerate(lines):
                if number == 600:
                    asyncio.run_coroutine_threadsafe(cancel(), loop).result(30)
                yield line

        async def cancel() -> None:
            importing.cancel()
            await turns()

        importing = asyncio.create_task(ledger.import_lines(read(), source="s"))
        with pytest.raises(asyncio.CancelledError):
            await importing
        report = await ledger.import_lines(lines, source="s")
        assert (report.repeated, report.imported) == (500, 2_500)


@in_loop
async def test_a_cancelled_rebuild_leaves_each_partition_as_it_was_or_rebuilt(opening: Open) -> None:
    async with opening() as ledger:
        for name in ("a", "b", "c"):
            await ledger.partition(name).set("k", name)
        loop = asyncio.get_running_loop()
        steps: list[int] = []

        def progress(done: int, _: int) -> None:
            steps.append(done)
            asyncio.run_coroutine_threadsafe(cancel(), loop).result(30)

        async def cancel() -> None:
            rebuilding.cancel()
            await turns()

        rebuilding = asyncio.create_task(ledger.rebuild(progress=progress))
        with pytest.raises(asyncio.CancelledError):
            await rebuilding
        assert steps == [1]
        assert (await ledger.rebuild()).differences == ()
        for name in ("a", "b", "c"):
            assert (await ledger.partition(name).set("k", 2)).revision == 2


@in_loop
async def test_a_cancelled_replay_ends_after_the_step_that_it_is_at(opening: Open) -> None:
    async with opening() as ledger:
        kv = ledger.partition("weather", run_id="r-1")
        for _ in range(3):
            await kv.increment("n")
        loop = asyncio.get_running_loop()
        steps: list[int] = []

        def progress(done: int, _: int) -> None:
            steps.append(done)
            asyncio.run_coroutine_threadsafe(cancel(), loop).result(30)

        async def cancel() -> None:
            replaying.cancel()
            await turns()

        replaying = asyncio.create_task(ledger.replay("r-1", "sandbox", progress=progress))
        with pytest.raises(asyncio.CancelledError):
            await replaying
        entry = await ledger.partition("sandbox").get("n")
        assert entry is not None
        assert (entry.value, steps) == (1, [1])
