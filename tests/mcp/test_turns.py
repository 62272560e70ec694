"""Whose call is next: a skill whose writes wait for the database leaves the others their threads."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from mcp.client import Client

import keyledger
from keyledger.adapters.mcp.server import make_server
from keyledger.adapters.mcp.turns import MOST_CALLS, MOST_CALLS_OF_ONE, Turns
from keyledger.domain.errors import LedgerBusyError
from keyledger.domain.invocation import Invocation
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.mcp.serving import called, in_loop


def invocation(skill_id: str) -> Invocation:
    return Invocation(skill_id=skill_id, caller_id="ada", flags=frozenset({ACCESS_FLAG, WRITE_FLAG}))


class Held:
    """Calls that go on until they are let go, and count those that have begun."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Semaphore(0), Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> None:
        self._loop.call_soon_threadsafe(self.begun.release)
        self.go.wait()

    async def until_begun(self, number: int) -> None:
        for _ in range(number):
            await self.begun.acquire()


@in_loop
async def test_a_skill_has_its_share_of_the_threads_and_no_more() -> None:
    turns, mine, others = Turns.of_many(patience=60), Held(), Held()
    tasks = [asyncio.create_task(turns.take("mine", mine, may_write=True)) for _ in range(MOST_CALLS)]
    await mine.until_begun(MOST_CALLS_OF_ONE)
    tasks += [asyncio.create_task(turns.take("other", others, may_write=True)) for _ in range(MOST_CALLS_OF_ONE)]
    await others.until_begun(MOST_CALLS_OF_ONE)
    assert mine.begun.locked()
    mine.go.set()
    others.go.set()
    await asyncio.gather(*tasks)


@in_loop
async def test_what_reads_does_not_wait_for_what_may_write() -> None:
    turns, writing = Turns.of_many(patience=60), Held()
    names = [str(number) for number in range(MOST_CALLS)]
    tasks = [asyncio.create_task(turns.take(name, writing, may_write=True)) for name in names]
    await writing.until_begun(MOST_CALLS)
    assert await turns.take("mine", lambda: "read", may_write=False) == "read"
    writing.go.set()
    await asyncio.gather(*tasks)


@in_loop
async def test_a_call_whose_turn_does_not_come_is_busy_and_is_never_done() -> None:
    turns, held, done = Turns.of_many(patience=0.01), Held(), list[str]()
    tasks = [asyncio.create_task(turns.take("mine", held, may_write=True)) for _ in range(MOST_CALLS_OF_ONE)]
    await held.until_begun(MOST_CALLS_OF_ONE)
    with pytest.raises(LedgerBusyError):
        await turns.take("mine", lambda: done.append("late"), may_write=True)
    held.go.set()
    await asyncio.gather(*tasks)
    await turns.take("mine", lambda: done.append("next"), may_write=True)
    assert done == ["next"]


@in_loop
async def test_while_the_database_is_locked_others_read_and_afterwards_all_is_written(tmp_path: Path) -> None:
    turns, file = Turns.of_many(patience=60), tmp_path / "ledger.db"
    with keyledger.open(f"sqlite:///{file}", lock_timeout=60) as ledger:
        ledger.partition("bank").set("k", "there")
        weather = Client(make_server(ledger, lambda _: invocation("weather"), turns))
        bank = Client(make_server(ledger, lambda _: invocation("bank"), turns))
        async with weather, bank:
            with closing(sqlite3.connect(file, isolation_level=None)) as another:
                another.execute("BEGIN IMMEDIATE")
                keys = [f"k{number}" for number in range(100)]
                writes = [asyncio.create_task(called(weather, "kv_set", key=key, value=1)) for key in keys]
                assert (await called(bank, "kv_get", key="k"))["value"] == "there"
                assert not any(write.done() for write in writes)
            written: list[Any] = await asyncio.gather(*writes)
    assert [each["ok"] for each in written] == [True] * 100


@in_loop
async def test_a_client_is_told_that_its_turn_did_not_come() -> None:
    turns, held = Turns.of_many(patience=0.01), Held()
    with keyledger.open("memory://") as ledger:
        async with Client(make_server(ledger, lambda _: invocation("weather"), turns)) as client:
            takes = (turns.take("weather", held, may_write=True) for _ in range(MOST_CALLS_OF_ONE))
            tasks = [asyncio.create_task(take) for take in takes]
            await held.until_begun(MOST_CALLS_OF_ONE)
            refused = await called(client, "kv_set", key="k", value=1)
            held.go.set()
            await asyncio.gather(*tasks)
    assert refused == {
        "error": "busy",
        "message": "kv_set: the storage is busy; nothing was written, try again",
    }
