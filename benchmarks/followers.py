"""Followers: how fast a table of summaries catches up, and how long the ledger's writers wait for it meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

import psycopg

import keyledger
from benchmarks.bench import Bench, Result
from benchmarks.crowds import in_a_process
from benchmarks.engines import NAMES, SQLITE, Engine, Place
from benchmarks.tables import Line, Table
from keyledger.adapters.sql.run_rows import HEAD_COLUMNS, RUN_COLUMNS
from keyledger.domain.run import Finish, Log, Outcome, RunCommand, RunEvent, RunState, Start, decide, fold
from keyledger.opening import follower
from keyledger.projections import run_audit, summaries

TARGET = 30_000
TABLE = "bench_copy"
_ALONE = 2_000
START = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_COLUMNS = ("originator_id", "originator_version", "topic", "state")
_INPUTS, _PAYLOAD = b'{"city":"Oslo","units":"C"}', b'{"text":"looked the weather up","n":17}'

_NOTE = (
    "`keyledger project run_audit` from the first event on into an empty table with its eight indexes, and "
    "its rebuild beside it; how long comparing the two took stands apart. Every event counts, also the log lines "
    "that a follower passes over, as they change no summary. The runs are in no order of time."
)
_BESIDE_NOTE = (
    "`set` on one key, alone, and while a follower catches up at full speed in another process: on SQLite both "
    "need the one write lock."
)


class Runs(NamedTuple):
    """So many finished runs, each with so many log lines."""

    runs: int
    lines: int

    @property
    def events(self) -> int:
        """Of all of them."""
        return self.runs * (self.lines + 2)


FULL, QUICK = (Runs(30_000, 8), Runs(100_000, 0)), (Runs(200, 8), Runs(500, 0))


def run(bench: Bench) -> Sequence[Result]:
    """Two tables."""
    headings = ("Engine", "Events", "Runs", "caught up, events/s", "rebuilt, events/s", "compared, s", "target")
    waits = ("Engine", "alone, ms", "99 %", "slowest", "beside it, ms", "99 %", "slowest")
    lines, beside = [], []
    for engine in bench.engines:
        for runs in QUICK if bench.effort.quick else FULL:
            with engine.place() as place:
                bench.tell(f"{engine.name}: loading {runs.events:,} events of {runs.runs:,} runs")
                load(engine, place, runs)
                bench.tell(f"{engine.name}: following {runs.events:,} events")
                line, waiting = _follow(engine, place, runs)
            lines.append(line)
        beside.append(waiting)
    return (
        Table("A follower", headings, lines, _NOTE),
        Table("A writer beside a follower", waits, beside, _BESIDE_NOTE),
    )


def _follow(engine: Engine, place: Place, runs: Runs) -> tuple[Line, Line]:
    """Raises AssertionError if the table is not what the ledger's own is."""
    alone, beside = _waiting(place)
    with closing(keyledger.open(place.url, synchronous="NORMAL")) as ledger:  # as the command does
        began = perf_counter()
        following = follower(ledger, TABLE)
        following.catch_up()
        caught_up = runs.events / (perf_counter() - began)
        began = perf_counter()
        rebuilt = following.rebuild()
        compared = perf_counter() - began - rebuilt.seconds
    assert rebuilt.equal
    assert place.query(f"SELECT count(*) FROM {TABLE}") == [(runs.runs,)]
    rate = rebuilt.events / rebuilt.seconds
    numbers = (f"{caught_up:,.0f}", f"{rate:,.0f}", f"{compared:.1f}", f"≥ {TARGET:,}")
    cells = (NAMES[engine.name], f"{runs.events:,}", f"{runs.runs:,}", *numbers)
    return Line(cells, min(caught_up, rate) >= TARGET), Line((NAMES[engine.name], *_cells(alone), *_cells(beside)))


def catching_up(url: str) -> tuple[float, float]:
    """From when to when a follower caught up into a table of its own: for a process of its own."""
    with keyledger.open(url, synchronous="NORMAL") as ledger:
        begin = perf_counter()
        follower(ledger, f"{TABLE}_beside").catch_up()
        return begin, perf_counter()


def _waiting(place: Place) -> tuple[list[float], list[float]]:
    """The seconds that each set takes alone, and those beside a follower."""
    with closing(keyledger.open(place.url)) as ledger, ThreadPoolExecutor(1) as pool:
        kv = ledger.partition("bench")
        alone = [_set(kv)[1] for _ in range(_ALONE)]
        following = pool.submit(in_a_process, catching_up, place.url)
        found: list[tuple[float, float]] = []
        while not following.done():
            found.append(_set(kv))
    begin, end = following.result()
    return alone, [seconds for start, seconds in found if begin <= start < end]


def _set(kv: keyledger.Partition) -> tuple[float, float]:
    start = perf_counter()
    kv.set("key", start)
    return start, perf_counter() - start


def _cells(seconds: list[float]) -> tuple[str, str, str]:
    """The median in milliseconds, the 99th percentile, and the slowest."""
    times = [1e3 * each for each in sorted(seconds)]
    return f"{times[len(times) // 2]:.2f}", f"{times[len(times) * 99 // 100]:.2f}", f"{times[-1]:.1f}"


# ----------------------------------------------------------------------------------------------- load


def load(engine: Engine, place: Place, runs: Runs) -> None:
    """Make the events of the runs, as many starts and ends as ``runs`` says, and the rows that they make."""
    with closing(keyledger.open(place.url)) as ledger:
        storage: Any = ledger.storage
        rows, mapper = storage._run_rows, storage.mapper  # noqa: SLF001 - what a ledger would write
        numbers = list(range(runs.runs))
        Random(17).shuffle(numbers)
        events, heads, summed = [], [], []
        for number, start in enumerate(numbers):
            made, state = history(f"run:r-{number:08}", START + timedelta(seconds=start), runs.lines)
            events += map(mapper.to_row, made)
            heads.append(tuple(rows.head_parameters(state).values()))
            done = summaries.fold({}, run_audit.project(made)).values()
            summed += [tuple(rows.run_parameters(row).values()) for row in done if row is not None]
    tables = {
        "stored_events": (EVENT_COLUMNS, events),
        "run_head": (("run_id", *HEAD_COLUMNS[1:]), heads),
        "runs": (("run_id", *RUN_COLUMNS[1:]), summed),
    }
    with closing(_connect(engine, place)) as connection:
        for table, (columns, values) in tables.items():
            marks = ", ".join(["?" if engine.name == SQLITE else "%s"] * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            connection.cursor().executemany(statement, values)
        connection.commit()
    place.settle()


def _connect(engine: Engine, place: Place) -> Any:
    return (
        sqlite3.connect(place.url.removeprefix("sqlite:///"))
        if engine.name == SQLITE
        else psycopg.connect(place.url)
    )


def history(stream: str, started_at: datetime, lines: int) -> tuple[list[RunEvent], RunState]:
    """The events of a run that ends well, and its state."""
    number = stream[-8:]
    start = Start(
        f"skill-{int(number) % 100}", f"user-{int(number) % 1_000}", "", "", number, 0, None, None, _INPUTS
    )
    actions = [
        start,
        *[Log("step", _PAYLOAD)] * lines,
        Finish(Outcome("ok", "it rains", "", lines, 1.5, 900, 120)),
    ]
    state, events = RunState(stream), list[RunEvent]()
    for step, action in enumerate(actions):
        command = RunCommand(action, f"bench-{number}-{step}")
        made = decide(command, state, started_at + timedelta(milliseconds=step))
        state, events = fold(state, made), [*events, *made]
    return events, state
