"""Opening for asyncio: awaited or entered, refused, cancelled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import keyledger
from keyledger.adapters.aio.opening import Opening
from tests.aio.running import in_loop, lined_up, turns

Open = Callable[..., Opening]


@in_loop
async def test_it_is_awaited_or_entered_or_both(opening: Open) -> None:
    async with opening() as ledger:
        assert isinstance(ledger, keyledger.AsyncLedger)
        await ledger.partition("p").set("a", 1)
    async with await opening() as ledger:
        await ledger.partition("p").set("a", 1)
    with pytest.raises(keyledger.LedgerClosedError):
        await ledger.partition("p").get("a")
    ledger = await opening()
    await ledger.close()


@pytest.mark.parametrize("options", [{"url": "redis://h"}, {"max_overflow": 0}, {"quota": -1}, {"schema": ""}])
def test_what_open_refuses_is_refused_and_leaves_no_thread(options: dict[str, Any], tmp_path: Path) -> None:
    before = set(threading.enumerate())

    async def opened() -> None:
        await keyledger.open_async(**{"url": f"sqlite:///{tmp_path}/l.db"} | options)

    with pytest.raises(keyledger.InvalidArgumentError):
        asyncio.run(opened())
    assert not list(tmp_path.iterdir())
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


@in_loop
async def test_a_cancelled_opening_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun, go_on, closed = Event(), Event(), Event()
    opened, close = keyledger.Ledger.__init__, keyledger.Ledger.close

    def slow(ledger: keyledger.Ledger, *arguments: Any) -> None:
        begun.set()
        assert go_on.wait(30)
        opened(ledger, *arguments)

    def watched(ledger: keyledger.Ledger) -> None:
        close(ledger)
        closed.set()

    monkeypatch.setattr(keyledger.Ledger, "__init__", slow)
    monkeypatch.setattr(keyledger.Ledger, "close", watched)

    async def enter() -> None:
        async with keyledger.open_async(f"sqlite:///{tmp_path}/l.db"):
            pytest.fail("entered")

    (task,) = await lined_up(enter())
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    await turns()
    assert task.cancelled()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, 30)


def test_who_does_not_use_asyncio_does_not_import_it() -> None:
    code = (
        "import sys, keyledger\n"
        "with keyledger.open('memory://') as ledger: ledger.partition('p').set('a', 1)\n"
        "assert 'asyncio' not in sys.modules\n"
        "keyledger.AsyncLedger\n"
        "assert 'asyncio' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'AsyncNothing'"):
        keyledger.AsyncNothing  # noqa: B018
