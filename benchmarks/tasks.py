"""The tasks of one event loop: keyledger awaited, keyledger in threads, and psycopg with nothing around it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, RawCursor

import keyledger
from benchmarks.bench import Bench, Filling, Result, check_revision, load
from benchmarks.engines import NAMES, POSTGRES, Engine, Place
from benchmarks.handwritten_postgres import GET, SET_KNOWN
from benchmarks.tables import Line, Table
from benchmarks.workload import ACTOR, RUN, SCOPE, TOPIC, Encoder, key, stream, values

TASKS = 64
CONNECTIONS = 10
PARTITIONS = [f"bench-{number}" for number in range(TASKS)]

_NOTE = (
    f"{TASKS} tasks of one event loop, each setting or getting a known key of its own. By hand is one prepared "
    f"statement and nothing else: no decision, no check, no object made of a row; where tasks share a partition "
    f"they take turns. Where nothing is said there are {CONNECTIONS} threads, and on PostgreSQL connections. "
    "Medians of {rounds} alternating rounds; a latency is that of all calls of all rounds."
)

_P = TypeVar("_P")


class Work(NamedTuple):
    """What the tasks do: set or get, each in a partition of its own or all in one."""

    operation: str
    writes: bool
    shared: bool

    def partition(self, number: int) -> str:
        """Where the task of that number works."""
        return PARTITIONS[0 if self.shared else number]

    def handles(self, handle: Callable[..., _P]) -> list[_P]:
        """A handle on the partition of each task."""
        return [handle(self.partition(number), actor=ACTOR, run_id=RUN) for number in range(TASKS)]


WORKS = (
    Work("set, many partitions", writes=True, shared=False),
    Work("set, one partition", writes=True, shared=True),
    Work("get", writes=False, shared=True),
)

Call: TypeAlias = Callable[[int], Awaitable[object]]
"""What a task does, by its number."""


@dataclass(slots=True)
class Way:
    """One way to do the same, and what was measured of it."""

    name: str
    opened: Callable[[Place], AbstractAsyncContextManager[Call]]
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    async def round(self, call: Call, seconds: float) -> None:
        """All tasks call again and again for so many seconds."""
        begin = perf_counter()
        until = begin + seconds

        async def task(number: int) -> list[float]:
            found, now = [], perf_counter()
            while now < until:
                await call(number)
                before, now = now, perf_counter()
                found.append(now - before)
            return found

        latencies = await asyncio.gather(*map(task, range(TASKS)))
        took = perf_counter() - begin
        self.rates.append(sum(map(len, latencies)) / took)
        self.latencies += [each for some in latencies for each in some]


@asynccontextmanager
async def _awaited(work: Work, place: Place) -> AsyncIterator[Call]:
    async with keyledger.open_async(place.url, quota=None, max_overflow=CONNECTIONS) as ledger:
        kvs = work.handles(ledger.partition)
        some = values()
        if work.writes:
            yield lambda number: kvs[number].set(key(number), next(some))
        else:
            yield lambda number: kvs[number].get(key(number))


@asynccontextmanager
async def _threaded(work: Work, place: Place, threads: int = CONNECTIONS) -> AsyncIterator[Call]:
    loop = asyncio.get_running_loop()
    with (
        keyledger.open(place.url, quota=None, max_overflow=CONNECTIONS) as ledger,
        ThreadPoolExecutor(threads) as pool,
    ):
        kvs = work.handles(ledger.partition)
        some = values()
        if work.writes:
            yield lambda number: loop.run_in_executor(pool, kvs[number].set, key(number), next(some))
        else:
            yield lambda number: loop.run_in_executor(pool, kvs[number].get, key(number))


class _ByHand:
    """The parameters of the hand-written statements, and what they have to remember."""

    def __init__(self, work: Work) -> None:
        self._work, self._encoder, self._values = work, Encoder(), values()
        self._revisions = dict.fromkeys(PARTITIONS, TASKS)
        self._turns = {partition: asyncio.Lock() for partition in PARTITIONS}

    def turn(self, number: int) -> asyncio.Lock:
        return self._turns[self._work.partition(number)]

    def setting(self, number: int) -> list[Any]:
        partition, now = self._work.partition(number), datetime.now(UTC)
        row = self._encoder.row((key(number), next(self._values)), now, self._encoder.request_id())
        expected = self._revisions[partition]
        self._revisions[partition] = revision = expected + 1
        size = len(row.value)
        head = [stream(partition), expected, revision, now, TOPIC, row.state]
        return [*head, SCOPE, row.key, row.value, size, None, ACTOR, RUN, "set", size]

    def getting(self, number: int) -> list[Any]:
        return [stream(self._work.partition(number)), SCOPE, key(number)]


@asynccontextmanager
async def _by_hand_async(work: Work, place: Place) -> AsyncIterator[Call]:
    hand, turns, idle = _ByHand(work), asyncio.Semaphore(CONNECTIONS), list[AsyncRawCursor[Any]]()
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            connecting = AsyncConnection.connect(place.url, autocommit=True)
            idle.append(AsyncRawCursor(await stack.enter_async_context(await connecting)))

        async def execute(statement: str, parameters: list[Any]) -> object:
            async with turns:
                cursor = idle.pop()
                try:
                    await cursor.execute(statement, parameters, prepare=True)
                    return await cursor.fetchall()
                finally:
                    idle.append(cursor)

        async def set_(number: int) -> None:
            async with hand.turn(number):
                assert await execute(SET_KNOWN, hand.setting(number)) == [(1,)]

        yield set_ if work.writes else lambda number: execute(GET, hand.getting(number))


@asynccontextmanager
async def _by_hand_threaded(work: Work, place: Place) -> AsyncIterator[Call]:
    hand, loop = _ByHand(work), asyncio.get_running_loop()
    with ExitStack() as stack:
        connect = partial(psycopg.connect, place.url, autocommit=True)
        idle = [RawCursor(stack.enter_context(connect())) for _ in range(CONNECTIONS)]
        pool = stack.enter_context(ThreadPoolExecutor(CONNECTIONS))

        def execute(statement: str, parameters: list[Any]) -> object:
            cursor = idle.pop()
            try:
                return cursor.execute(statement, parameters, prepare=True).fetchall()
            finally:
                idle.append(cursor)

        async def set_(number: int) -> None:
            async with hand.turn(number):
                found = await loop.run_in_executor(pool, execute, SET_KNOWN, hand.setting(number))
                assert found == [(1,)]

        yield (
            set_ if work.writes else lambda number: loop.run_in_executor(pool, execute, GET, hand.getting(number))
        )


def run(bench: Bench) -> Sequence[Result]:
    """A table: sets in many partitions and in one, and gets."""
    lines = []
    for engine in bench.engines:
        for work in WORKS:
            bench.tell(f"{engine.name}: {TASKS} tasks, {work.operation}")
            ways = _ways(engine, work)
            asyncio.run(_measure(bench, engine, work, ways))
            lines += [_line(engine, work, way) for way in ways]
    headings = ("Engine", "Operation", "Way", "calls/s", "p50, ms", "p99, ms")
    return (Table(f"{TASKS} tasks", headings, lines, _NOTE.format(rounds=bench.effort.rounds), left=3),)


def _ways(engine: Engine, work: Work) -> list[Way]:
    ways = [
        Way("keyledger, open_async", partial(_awaited, work)),
        Way("keyledger, a thread a call", partial(_threaded, work)),
    ]
    if work.writes and work.shared:
        ways.append(Way(f"keyledger, a thread a call, {TASKS} threads", partial(_threaded, work, threads=TASKS)))
    if engine.name == POSTGRES:
        ways.append(Way("by hand, psycopg async", partial(_by_hand_async, work)))
        ways.append(Way("by hand, psycopg in threads", partial(_by_hand_threaded, work)))
    return ways


async def _measure(bench: Bench, engine: Engine, work: Work, ways: Sequence[Way]) -> None:
    """Raises AssertionError if a write was lost."""
    seconds = 2 * bench.effort.seconds
    async with AsyncExitStack() as stack:
        places = [stack.enter_context(engine.place()) for _ in ways]
        for place in places:
            load(place, Filling(TASKS, TASKS), PARTITIONS)
        async with AsyncExitStack() as opened:
            pairs = zip(ways, places, strict=True)
            calls = [await opened.enter_async_context(way.opened(place)) for way, place in pairs]
            for way, call in zip(ways, calls, strict=True):
                await way.round(call, seconds)  # the keys become known
            warm = [len(way.latencies) for way in ways]
            for _ in range(bench.effort.rounds):
                for way, call in zip(ways, calls, strict=True):
                    await way.round(call, seconds)
        for way, place, begin in zip(ways, places, warm, strict=True):
            check_revision(place, TASKS * TASKS + (len(way.latencies) if work.writes else 0))
            del way.latencies[:begin], way.rates[:1]


def _line(engine: Engine, work: Work, way: Way) -> Line:
    percentiles = quantiles(way.latencies, n=100)
    shown = [f"{each * 1e3:.1f}" for each in (percentiles[49], percentiles[98])]
    return Line((NAMES[engine.name], work.operation, way.name, f"{median(way.rates):,.0f}", *shown))
