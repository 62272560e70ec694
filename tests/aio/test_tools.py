"""Tool calls that are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from keyledger.adapters.tools.kv import TOOLS
from keyledger.domain.policy import ACCESS_FLAG, WRITE_FLAG
from tests.aio.running import in_loop

Open = Callable[..., Opening]

ADA = keyledger.Invocation(skill_id="weather", caller_id="ada", flags=frozenset({ACCESS_FLAG, WRITE_FLAG}))


@in_loop
async def test_tools_are_called_and_awaited(opening: Open) -> None:
    async with opening() as ledger:
        tools = ledger.tools(ADA)
        assert (await tools["kv_set"](key="k", value=1))["revision"] == 1
        assert (await tools.call("kv_get", '{"key": "k"}'))["value"] == 1
        assert (await tools.call("kv_get", {"key": ""}))["message"] == "kv_get: key required"


@in_loop
async def test_what_is_offered_is_what_the_other_one_offers(opening: Open) -> None:
    async with opening() as ledger:
        with keyledger.open("memory://") as plain:
            awaited, tools = ledger.tools(ADA), plain.tools(ADA)
            assert (list(awaited), len(awaited)) == (list(TOOLS), len(TOOLS))
            assert awaited.openai() == tools.openai()
            assert awaited.anthropic() == tools.anthropic()
            assert awaited.mcp() == tools.mcp()
            ours, theirs = awaited["kv_set"], tools["kv_set"]
            for name in ("name", "description", "permission", "requires_flags", "schema"):
                assert getattr(ours, name) == getattr(theirs, name)
        with pytest.raises(keyledger.InvalidArgumentError):
            awaited["kv_drop"]


@in_loop
async def test_a_ledger_that_is_closed_is_answered_not_raised(opening: Open) -> None:
    async with opening() as ledger:
        tools = ledger.tools(ADA)
    answer = {"error": "closed", "message": "kv_get: the storage is closed; tell an admin"}
    assert await tools.call("kv_get", {"key": "k"}) == answer


@in_loop
async def test_calls_that_wait_let_others_go_on(opening: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, get = Event(), Event(), keyledger.Partition.get

    def held(kv: keyledger.Partition, key: str, **options: Any) -> Any:
        if key == "slow":
            begun.set()
            assert go_on.wait(30)
        return get(kv, key, **options)

    monkeypatch.setattr(keyledger.Partition, "get", held)
    async with opening() as ledger:
        tools = ledger.tools(ADA)
        slow = asyncio.create_task(tools.call("kv_get", {"key": "slow"}))
        await asyncio.to_thread(begun.wait, 30)
        assert (await tools.call("kv_get", {"key": "quick"}))["found"] is False
        assert not slow.done()
        go_on.set()
        assert (await slow)["key"] == "slow"


@in_loop
async def test_a_call_that_is_cancelled_under_way_is_done_before_it_ends(
    opening: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()
    original: Callable[..., Any] = keyledger.Partition.set

    def held(*args: Any, **options: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return original(*args, **options)

    monkeypatch.setattr(keyledger.Partition, "set", held)
    async with opening() as ledger:
        call = asyncio.create_task(ledger.tools(ADA).call("kv_set", {"key": "k", "value": 1}))
        await asyncio.to_thread(begun.wait, 30)
        call.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        entry = await ledger.partition("weather").get("k")
        assert entry is not None
        assert entry.value == 1
