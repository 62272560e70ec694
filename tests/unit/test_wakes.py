"""Who is woken, and the thread that looks out: there while somebody waits, and gone afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest

import keyledger
from keyledger.adapters import wakes
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.adapters.wakes import Lookout, Subscribers, Wake
from keyledger.opening import ledger_on

PATIENCE = 30


class Waiter:
    """Something to wake."""

    def __init__(self) -> None:
        self.woken = Event()

    def wake(self) -> None:
        self.woken.set()

    def was_woken(self) -> bool:
        woken = self.woken.is_set()
        self.woken.clear()
        return woken


# ---------------------------------------------------------------------------------------- subscribers


def test_those_who_wait_for_a_stream_are_woken() -> None:
    subscribers, one, other = Subscribers(), Waiter(), Waiter()
    subscribers.add("a", one.wake)
    subscribers.add("b", other.wake)
    subscribers.wake({"a", "c"})
    assert (one.was_woken(), other.was_woken()) == (True, False)
    subscribers.wake_all()
    assert (one.was_woken(), other.was_woken()) == (True, True)
    assert subscribers.streams() == {"a", "b"}


def test_who_subscribes_again_is_one_subscriber() -> None:
    subscribers, waiter = Subscribers(), Waiter()
    first, second = subscribers.add("a", waiter.wake), subscribers.add("a", waiter.wake)
    first()
    assert not subscribers
    second()
    assert not subscribers


def test_who_leaves_while_others_are_woken_is_no_harm() -> None:
    subscribers, waiter, leaves = Subscribers(), Waiter(), list[Callable[[], None]]()

    def leave_all() -> None:
        for leave in leaves:
            leave()

    leaves += [subscribers.add("a", leave_all), subscribers.add("a", waiter.wake)]
    subscribers.wake({"a"})
    assert not subscribers


# -------------------------------------------------------------------------------------------- thread


class Scripted(Lookout):
    """Looks out as the test says: the number of looks that break, then until nobody is left."""

    def __init__(self, breaks: int = 0) -> None:
        self.breaks, self.looks = breaks, SimpleQueue[int]()
        self.tells: SimpleQueue[dict[str, int] | None] = SimpleQueue()
        super().__init__()

    def _look_out(self) -> None:
        self.looks.put(self.breaks)
        if self.breaks:
            self.breaks -= 1
            raise OSError("whatever")
        while self._goes_on() and (told := self.tells.get(timeout=PATIENCE)) is not None:
            self._tell(told)

    @property
    def thread(self) -> Thread | None:
        return self._thread

    def close(self) -> None:
        self._ended.set()
        self.tells.put(None)
        super().close()


@pytest.fixture
def lookout() -> Iterator[Scripted]:
    lookout = Scripted()
    yield lookout
    lookout.close()


def test_there_is_a_thread_only_while_somebody_waits(lookout: Scripted) -> None:
    assert lookout.thread is None
    one, other = Waiter(), Waiter()
    leaves = [lookout.subscribe("a", one.wake), lookout.subscribe("b", other.wake)]
    thread = lookout.thread
    assert thread is not None
    for leave in leaves:
        leave()
    lookout.tells.put({})
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert lookout.thread is None
    lookout.subscribe("a", one.wake)
    lookout.tells.put({"a": 1})
    assert one.woken.wait(PATIENCE)


def test_only_streams_that_moved_are_woken(lookout: Scripted) -> None:
    one, other, third = Waiter(), Waiter(), Waiter()
    lookout.subscribe("a", one.wake)
    lookout.subscribe("b", other.wake)
    lookout.tells.put({"a": 1, "b": 1})
    assert one.woken.wait(PATIENCE)
    assert other.woken.wait(PATIENCE)
    assert (one.was_woken(), other.was_woken()) == (True, True)
    lookout.subscribe("c", third.wake)
    lookout.tells.put({"a": 1, "b": 2})
    assert other.woken.wait(PATIENCE)
    lookout.tells.put({"a": 1, "b": 2, "c": 1})
    assert third.woken.wait(PATIENCE)
    assert not one.was_woken()


def test_one_that_breaks_wakes_everybody_and_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakes, "RETRY", 0)
    lookout, waiter = Scripted(breaks=3), Waiter()
    lookout.subscribe("a", waiter.wake)
    assert [lookout.looks.get(timeout=PATIENCE) for _ in range(4)] == [3, 2, 1, 0]
    assert waiter.woken.is_set()
    lookout.close()


def test_to_close_it_ends_the_thread_and_wakes_everybody() -> None:
    lookout, waiter = Scripted(), Waiter()
    lookout.subscribe("a", waiter.wake)
    thread = lookout.thread
    lookout.close()
    lookout.close()
    assert thread is not None
    assert not thread.is_alive()
    assert waiter.was_woken()
    with pytest.raises(keyledger.LedgerClosedError):
        lookout.subscribe("a", waiter.wake)


def test_where_no_thread_can_be_started_nobody_is_left_subscribed(
    lookout: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(Thread, "start", refuse)
        with pytest.raises(keyledger.StorageUnavailableError, match="can't start new thread"):
            lookout.subscribe("a", Waiter().wake)
    assert not lookout.subscribers


# --------------------------------------------------------------------------------------------- watches


class Eager(MemoryStorage):
    """Writes as soon as somebody subscribes."""

    def __init__(self) -> None:
        super().__init__(EventMapper())
        self.writes: list[Callable[[], object]] = []

    def subscribe(self, stream: str, wake: Wake) -> Callable[[], None]:
        leave = super().subscribe(stream, wake)
        if self.writes:
            self.writes.pop()()
        return leave

    def watched(self) -> set[str]:
        return self._subscribers.streams()


def test_a_watch_subscribes_when_it_has_to_wait_and_a_forgotten_one_is_subscribed_no_more() -> None:
    storage = Eager()
    with ledger_on(lambda: storage) as ledger:
        kv = ledger.partition("p")
        kv.set("a", 1)
        watch: Any = kv.watch(after=0)
        assert (next(watch).value, storage.watched()) == (1, set())
        storage.writes.append(partial(kv.set, "a", 2))
        assert (next(watch).value, storage.watched()) == (2, {"partition:p"})
        storage.writes.append(partial(kv.set, "a", 3))
        assert (next(watch).value, storage.watched()) == (3, {"partition:p"})
        del watch
        gc.collect()
        assert storage.watched() == set()


def test_what_a_slow_watcher_has_not_looked_at_does_not_pile_up() -> None:
    storage = Eager()
    with ledger_on(lambda: storage) as ledger, ledger.partition("p").watch() as watch:
        storage.subscribe("partition:p", watch._bell.ring)
        kv = ledger.partition("p")
        for _ in range(100):
            kv.increment("n")
        assert watch._bell._rings.qsize() == 1
        assert next(watch).value == 1
