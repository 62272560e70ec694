"""Ledgers that are closed and loops that end while tasks are under way."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from tests.aio.running import Gate, in_loop, lined_up, threads_of_ledgers, turns

Open = Callable[..., Opening]
Options = dict[str, Any]


@in_loop
async def test_closing_finishes_what_was_begun_and_refuses_the_rest(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ledger = threads_of_ledgers(), await opening()
    await ledger.sweep()
    kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
    writes = await lined_up(*(kv.increment("n") for _ in range(10)))
    await gate.reached()
    first, second = await lined_up(ledger.close(), ledger.close())
    for use in (kv.get, kv.increment):
        with pytest.raises(keyledger.LedgerClosedError):
            await use("n")
    assert not first.done()
    gate.open()
    assert [entry.value for entry in await asyncio.gather(*writes)] == list(range(1, 11))
    await asyncio.gather(first, second)
    await ledger.close()
    with pytest.raises(keyledger.LedgerClosedError):
        await ledger.sweep()
    assert threads_of_ledgers() <= before


@in_loop
async def test_nothing_is_begun_once_close_was_called(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await opening()
    kv, go_on, close = ledger.partition("p"), threading.Event(), keyledger.Ledger.close

    def late(closed: keyledger.Ledger) -> None:
        assert go_on.wait(30)
        close(closed)

    monkeypatch.setattr(keyledger.Ledger, "close", late)
    (closing,) = await lined_up(ledger.close())
    for use in (kv.set("a", 1), kv.get("a"), ledger.sweep()):
        with pytest.raises(keyledger.LedgerClosedError):
            await use
    go_on.set()
    await closing


@in_loop
async def test_a_cancelled_close_is_done_before_the_cancellation_goes_on(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await opening()
    kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
    (write,) = await lined_up(kv.set("a", 1))
    await gate.reached()
    (closing,) = await lined_up(ledger.close())
    closing.cancel()
    await turns()
    assert not closing.done()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (await write).revision == 1
    with pytest.raises(keyledger.LedgerClosedError):
        await kv.get("a")


def test_a_loop_that_ends_settles_its_writes(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """As asyncio.run does: it cancels what is left, and waits for it."""
    ledgers: list[keyledger.AsyncLedger] = []

    async def leave() -> None:
        ledger = await opening()
        ledgers.append(ledger)
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        left.extend(await lined_up(kv.set("a", 1), kv.set("b", 1), gate.open_when_cancelled()))
        await gate.reached()

    left: list[asyncio.Task[Any]] = []
    asyncio.run(leave())
    assert all(task.cancelled() for task in left)
    asyncio.run(find_and_close(ledgers[0], ["a"]))


async def find_and_close(ledger: keyledger.AsyncLedger, keys: list[str]) -> None:
    async with ledger:
        assert [entry.key for entry in await ledger.partition("p").list()] == keys


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_loop_closed_over_a_write_does_not_lose_it(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async def begin() -> tuple[keyledger.AsyncLedger, Gate, list[asyncio.Task[Any]]]:
        ledger = await opening()
        kv, gate = ledger.partition("p"), Gate(ledger, monkeypatch)
        tasks = await lined_up(kv.set("a", 1), kv.set("b", 1))
        await gate.reached()
        return ledger, gate, tasks

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it tells of the tasks that are destroyed here
    ledger, gate, tasks = loop.run_until_complete(begin())
    loop.close()
    gate.open()

    async def go_on() -> None:
        assert (await ledger.partition("p").set("c", 1)).revision == 3

    asyncio.run(go_on())
    asyncio.run(find_and_close(ledger, ["a", "b", "c"]))
    del tasks
    gc.collect()
