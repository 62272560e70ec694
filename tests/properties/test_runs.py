"""Runs written by several writers, in any order: numbers without gaps, and read models that a replay gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import keyledger
from keyledger.adapters.conformance.clock import START, ManualClock
from keyledger.adapters.conformance.run_machine import run_machine
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.audit.ports import Closed, Noted, Opened, ReadRow, RunRow
from keyledger.domain.run import RecordReads, RunLogged, RunState, fold, run_stream
from keyledger.opening import ledger_on
from keyledger.projections import run_audit

Operation: TypeAlias = tuple[str, str, int]
"""What is done, to which run, with a number that means something else to each."""

RUNS = ["r-1", "r-2"]
WRITERS = 3

_QUICK = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
_SCRIPTS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "log", "log", "log", "number", "finish", "read", "purge"]),
            st.sampled_from(RUNS),
            st.integers(0, 9),
        ),
        max_size=8,
    ),
    min_size=WRITERS,
    max_size=WRITERS,
)
_LINES = st.lists(st.lists(st.sampled_from(RUNS), max_size=8), min_size=WRITERS, max_size=WRITERS)
_SHARED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_runs_in_memory_equal_dicts() -> None:
    def new_ledger() -> Callable[..., keyledger.Ledger]:
        storage = MemoryStorage(EventMapper())
        return partial(ledger_on, lambda: storage)

    run_state_machine_as_test(run_machine(new_ledger), settings=settings(_QUICK, max_examples=100))


def test_runs_on_sqlite_equal_dicts(tmp_path: Path) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, f"sqlite:///{tmp_path}/{next(names)}.db")

    run_state_machine_as_test(run_machine(new_ledger), settings=_QUICK)


def test_runs_on_postgres_equal_dicts(postgres_url: str, schema: str) -> None:
    names = count()

    def new_ledger() -> Callable[..., keyledger.Ledger]:
        return partial(keyledger.open, postgres_url, schema=f"{schema}_{next(names)}", max_overflow=2)

    run_state_machine_as_test(run_machine(new_ledger), settings=_QUICK)


# ------------------------------------------------------------------------------------ writers at once


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_again(
    request: pytest.FixtureRequest, tmp_path: Path, schema: str
) -> Callable[[], list[keyledger.Ledger]]:
    """A function that makes an empty ledger and opens it once for each writer."""
    names, clock = count(), ManualClock()

    def opened() -> list[keyledger.Ledger]:
        if request.param == "memory":
            storage = MemoryStorage(EventMapper())
            return [ledger_on(lambda: storage, clock=clock) for _ in range(WRITERS)]
        if request.param == "sqlite":
            url, options = f"sqlite:///{tmp_path}/{next(names)}.db", {}
        else:
            url = request.getfixturevalue("postgres_url")
            options = {"schema": f"{schema}_{next(names)}", "max_overflow": 2}
        return [keyledger.open(url, clock=clock, **options) for _ in range(WRITERS)]  # type: ignore[arg-type]

    return opened


@_SHARED
@given(scripts=_SCRIPTS)
def test_whatever_writers_do_at_once_a_replay_gives_what_stands(
    scripts: list[list[Operation]], open_again: Callable[[], list[keyledger.Ledger]]
) -> None:
    ledgers = open_again()
    at_once(ledgers, [partial(follow, script) for script in scripts])
    for run_id in RUNS:
        replay_gives_what_stands(ledgers[0], run_id)
    assert ledgers[1].rebuild().differences == ()
    for run_id in RUNS:
        replay_gives_what_stands(ledgers[2], run_id)
    for ledger in ledgers:
        ledger.close()


@_SHARED
@given(lines=_LINES)
def test_lines_written_at_once_are_numbered_without_gaps(
    lines: list[list[str]], open_again: Callable[[], list[keyledger.Ledger]]
) -> None:
    ledgers = open_again()
    for run_id in RUNS:
        ledgers[0].runs.start(keyledger.RunInfo(run_id, "s"))
    at_once(ledgers, [partial(write_lines, writer, mine) for writer, mine in enumerate(lines)])
    wanted = Counter(run_id for mine in lines for run_id in mine)
    for run_id in RUNS:
        logs = ledgers[0].runs.logs(run_id)
        assert [line.sequence for line in logs] == list(range(1, wanted[run_id] + 1))
        for writer, mine in enumerate(lines):
            told = [line.payload["n"] for line in logs if line.payload["writer"] == writer]
            assert told == [n for n, of in enumerate(mine) if of == run_id]
    for ledger in ledgers:
        ledger.close()


def at_once(ledgers: list[keyledger.Ledger], work: list[Callable[[keyledger.Ledger], None]]) -> None:
    barrier = Barrier(WRITERS)

    def together(ledger: keyledger.Ledger, mine: Callable[[keyledger.Ledger], None]) -> None:
        barrier.wait(30)
        mine(ledger)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(together, ledgers, work))


def write_lines(writer: int, mine: list[str], ledger: keyledger.Ledger) -> None:
    for n, run_id in enumerate(mine):
        ledger.runs.append_log(keyledger.RunLog(run_id, "step", {"writer": writer, "n": n}))


def follow(script: list[Operation], ledger: keyledger.Ledger) -> None:
    for operation in script:
        with suppress(keyledger.RefusedError, keyledger.RunNotFoundError):
            write(ledger, operation)


def write(ledger: keyledger.Ledger, operation: Operation) -> None:
    what, run_id, number = operation
    match what:
        case "start":
            ledger.runs.start(keyledger.RunInfo(run_id, "s", inputs={"n": number}))
        case "log" | "number":
            sequence = number if what == "number" else None
            ledger.runs.append_log(keyledger.RunLog(run_id, "step", {"n": number}, sequence))
        case "finish":
            ledger.runs.finish(run_id, keyledger.RunStats("ok", tool_calls=number % 2))
        case "read":
            reads = tuple(("partition:p", "skill", key, number) for key in "ab")
            ledger._engine.run_writer.execute(run_stream(run_id), RecordReads(reads))
        case _ if number == 0:
            ledger.runs.purge_older_than(START.replace(year=2027))


def replay_gives_what_stands(ledger: keyledger.Ledger, run_id: str) -> None:
    stream, storage = run_stream(run_id), ledger.storage.runs
    events = storage.events(stream, 0, 10**6)
    assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    assert fold(RunState(stream), events) == storage.load(stream)
    row, reads = replayed(stream, ledger)
    assert storage.read_run(stream) == row
    assert storage.reads(stream, ("", "", "", 0), 100) == reads
    sequences = [event.sequence for event in events if isinstance(event, RunLogged)]
    assert len(set(sequences)) == len(sequences)
    if row is not None:
        assert [line.sequence for line in ledger.runs.logs(run_id)] == sorted(sequences)


def replayed(stream: str, ledger: keyledger.Ledger) -> tuple[RunRow | None, list[ReadRow]]:
    """The rows that a run's events make."""
    row: RunRow | None = None
    reads: dict[tuple[str, str, str, int], ReadRow] = {}
    for change in run_audit.project(ledger.storage.runs.events(stream, 0, 10**6)):
        match change:
            case Opened():
                row = change.row
            case Closed():
                assert row is not None
                row = row._replace(outcome=change.outcome, finished_at=change.finished_at)
            case Noted():
                for read in change.rows:
                    reads.setdefault(read[1:5], read)
            case _:
                row, reads = None, {}
    return row, sorted(reads.values())
