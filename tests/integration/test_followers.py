"""A follower's table: what the ledger's own of runs holds, from the events, exactly once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from eventsourcing.cryptography import AESCipher
from eventsourcing.utils import Environment

import keyledger
from keyledger import RunInfo, RunLog, RunStats
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.sql.run_rows import RUN_COLUMNS
from keyledger.adapters.sqlite.followers import LONGEST_HOLD
from keyledger.opening import follower
from keyledger.projections.comparison import content_hash
from keyledger.projections.follower import Follower

Options = dict[str, Any]
Reopen = Callable[..., keyledger.Ledger]

NAME = "audit_copy"
STATUSES = ("ok", "error", "timeout", "dry_run")


def cipher() -> AESCipher:
    key = AESCipher.create_key(num_bytes=16)
    return AESCipher(Environment(env={AESCipher.CIPHER_KEY: key}))


def fill(ledger: keyledger.Ledger, runs: int, prefix: str = "r") -> int:
    """Runs of all kinds: going on, finished, finished again otherwise; how many events they have."""
    events = 0
    for number in range(runs):
        run_id = f"{prefix}-{number:04}"
        parent = f"{prefix}-{number - 1:04}" if number % 5 else ""
        ledger.runs.start(
            RunInfo(run_id, f"skill-{number % 7}", "ada", inputs={"n": number}, parent_run_id=parent)
        )
        for step in range(number % 4):
            ledger.runs.append_log(RunLog(run_id, "step", {"step": step}))
        events += 1 + number % 4
        if number % 3:
            ledger.runs.finish(
                run_id, RunStats(STATUSES[number % 4], output="done", runtime_seconds=0.25 * number)
            )
            events += 1
        if number % 11 == 1:
            ledger.runs.finish(run_id, RunStats("error", error="late", input_tokens=number))
            events += 1
    return events


def rows_of(ledger: keyledger.Ledger, table: str) -> list[Any]:
    columns = ", ".join(("run_id", *RUN_COLUMNS[1:]))
    storage: Any = ledger.storage
    return [storage._run_rows.run(row) for row in query(ledger, f"SELECT {columns} FROM {table} ORDER BY run_id")]


def query(ledger: keyledger.Ledger, statement: str) -> list[Any]:
    storage: Any = ledger.storage
    return list(storage._all(statement, {}))


def execute(ledger: keyledger.Ledger, statement: str) -> None:
    """Write past the ledger."""
    storage: Any = ledger.storage
    writing = getattr(storage.datastore, "writing", None) or storage.datastore.cursor
    with writing() as cursor:
        cursor.execute(statement)


def check_equal(ledger: keyledger.Ledger, name: str = NAME) -> None:
    ours, inline = rows_of(ledger, name), rows_of(ledger, "runs")
    assert ours == inline
    assert content_hash((row.stream, row) for row in ours) == content_hash((row.stream, row) for row in inline)


def read_in(ledger: keyledger.Ledger, name: str = NAME) -> int:
    """How many events a follower's cursors have passed."""
    ((events,),) = query(ledger, f"SELECT coalesce(sum(revision), 0) FROM follower_cursor WHERE name = '{name}'")
    return int(events)


def caught_up(ledger: keyledger.Ledger, most_events: int = 4_000) -> int:
    """Catch up; how many events there were to read."""
    read: list[int] = []
    small(ledger, read.append, most_events).catch_up()
    return sum(read)


def small(
    ledger: keyledger.Ledger, progress: Callable[[int], None] = lambda _: None, most_events: int = 10
) -> Follower:
    """A follower in small batches."""
    storage: Any = ledger.storage
    return Follower(storage.follower(NAME), ledger._clock, progress, most_events)


@pytest.fixture
def ledger(reopen: Reopen) -> Iterator[keyledger.Ledger]:
    with reopen() as ledger:
        yield ledger


# --------------------------------------------------------------------------------------- catching up


@pytest.mark.parametrize("most_events", [1, 7, 4_000])
def test_a_table_that_has_caught_up_holds_what_the_inline_one_does(
    ledger: keyledger.Ledger, most_events: int
) -> None:
    events = fill(ledger, 40)
    assert caught_up(ledger, most_events) == events
    check_equal(ledger)
    assert len(rows_of(ledger, NAME)) == 40


def test_nothing_is_read_twice(ledger: keyledger.Ledger) -> None:
    fill(ledger, 10)
    caught_up(ledger)
    assert caught_up(ledger) == 0
    ledger.runs.append_log(RunLog("r-0000", "step"))
    ledger.runs.finish("r-0000", RunStats("timeout"))
    assert caught_up(ledger) == 2
    check_equal(ledger)


def test_of_runs_that_said_much_few_are_written_at_once(ledger: keyledger.Ledger) -> None:
    for number in range(10):
        ledger.runs.start(RunInfo(f"r-{number}", "s"))
        ledger.runs.finish(f"r-{number}", RunStats("ok", output="x" * 900_000))
    batches: list[int] = []
    follower(ledger, NAME, progress=batches.append).catch_up()
    assert sum(batches) == 20
    assert max(batches) == 8, "four runs are less than 4 MiB, five are more"
    check_equal(ledger)


def test_a_ledger_without_runs_makes_an_empty_table(ledger: keyledger.Ledger) -> None:
    assert caught_up(ledger) == 0
    assert rows_of(ledger, NAME) == []


def test_what_runs_said_is_sealed_in_the_table_too(reopen: Reopen) -> None:
    with reopen(cipher=cipher()) as ledger:
        ledger.runs.start(RunInfo("r", "s", inputs={"word": "perambulate"}))
        ledger.runs.finish("r", RunStats("ok", output="perambulate", error="perambulate"))
        caught_up(ledger)
        check_equal(ledger)
        ((*texts,),) = query(ledger, f"SELECT inputs, output, error FROM {NAME}")
        assert not any(b"perambulate" in bytes(text) for text in texts)
        assert follower(ledger, NAME).rebuild().equal


def test_a_purged_run_leaves_the_table_and_what_was_said_is_not_missed(ledger: keyledger.Ledger) -> None:
    fill(ledger, 6)
    caught_up(ledger)
    fill(ledger, 6, "later")
    ledger.runs.purge_older_than(datetime.now(UTC) + timedelta(seconds=1))
    fill(ledger, 2, "last")
    caught_up(ledger)
    assert [row.stream for row in rows_of(ledger, NAME)] == ["run:last-0000", "run:last-0001"]
    check_equal(ledger)


def test_an_event_of_a_newer_keyledger_is_not_passed_over(ledger: keyledger.Ledger) -> None:
    fill(ledger, 1)
    execute(ledger, "UPDATE stored_events SET topic = 'run.Unheard' WHERE originator_id = 'run:r-0000'")
    with pytest.raises(keyledger.NewerLedgerError):
        caught_up(ledger)
    assert read_in(ledger) == 0


def test_a_table_that_somebody_dropped_is_made_anew(ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 8)
    caught_up(ledger)
    execute(ledger, f"DROP TABLE {NAME}")
    assert caught_up(ledger) == events
    check_equal(ledger)


# -------------------------------------------------------------------------------- several, and killed


def follow_in_small_batches(options: Options, ready: Any) -> None:
    with keyledger.open(**options) as ledger:
        small(ledger, lambda _: ready.set()).catch_up()


def rebuild_in_small_batches(options: Options, ready: Any) -> None:
    with keyledger.open(**options) as ledger:
        small(ledger, lambda _: ready.set()).rebuild()


def kill_once_begun(work: Callable[[Options, Any], None], options: Options) -> None:
    """Run ``work`` in a process of its own, and kill that once it has written a first batch."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=work, args=(options, ready))
    process.start()
    assert ready.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_follower_goes_on_where_it_was(options: Options, ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 300)
    kill_once_begun(follow_in_small_batches, options)
    done = read_in(ledger)
    assert 0 < done < events, "it was not killed in the middle"
    assert caught_up(ledger) == events - done
    assert read_in(ledger) == events
    check_equal(ledger)


def catch_up_in_small_batches(options: Options, _: int) -> int:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        return caught_up(ledger, most_events=10)


def test_two_who_follow_into_one_table_read_every_event_once(options: Options, ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 150)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert sum(pool.map(partial(catch_up_in_small_batches, options), range(2))) == events
    assert read_in(ledger) == events
    check_equal(ledger)


# ----------------------------------------------------------------------------------------- following


class Rounds:
    """Waits for a follower's next pass until told that it is enough, and then for one more."""

    def __init__(self) -> None:
        self.enough = Event()
        self._last = False

    def __call__(self, seconds: float) -> bool:
        if not seconds:
            return False
        if self._last:
            return True
        self._last = self.enough.is_set()
        return False


def write_runs(options: Options, prefix: str) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        fill(ledger, 60, prefix)


def follow_until(options: Options, rounds: Rounds) -> None:
    with keyledger.open(**options, lock_timeout=60) as ledger:
        small(ledger).follow(0.01, rounds)


def test_a_follower_keeps_up_with_writers(options: Options, ledger: keyledger.Ledger) -> None:
    rounds = Rounds()
    with ThreadPoolExecutor(3) as pool:
        following = pool.submit(follow_until, options, rounds)
        list(pool.map(partial(write_runs, options), ("a", "b")))
        rounds.enough.set()
        following.result()
    check_equal(ledger)
    assert len(rows_of(ledger, NAME)) == 120


def test_following_ends_between_two_batches(ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 20)
    small(ledger).follow(0.01, lambda _: True)
    assert read_in(ledger) == 10
    assert caught_up(ledger) == events - 10


def test_a_change_that_the_hint_misses_is_found_within_a_minute(reopen: Reopen) -> None:
    """A process whose clock is an hour behind."""
    clock = ManualClock(datetime.now(UTC))
    with reopen(clock=clock) as ledger, reopen(clock=ManualClock(clock.now() - timedelta(hours=1))) as behind:
        ledger.runs.start(RunInfo("r", "s"))
        passes = iter(("late", "same minute", "next minute", "end"))

        def wait(seconds: float) -> bool:
            if not seconds:
                return False
            match next(passes):
                case "late":
                    behind.runs.start(RunInfo("late", "s"))
                case "same minute":
                    assert [row.stream for row in rows_of(ledger, NAME)] == ["run:r"]
                    ledger.runs.start(RunInfo("new", "s"))
                case "next minute":
                    assert [row.stream for row in rows_of(ledger, NAME)] == ["run:new", "run:r"]
                    clock.advance(60)
                case _:
                    return True
            return False

        small(ledger).follow(1, wait)
        check_equal(ledger)


def test_a_run_in_the_future_delays_nobody(reopen: Reopen) -> None:
    """A process whose clock is an hour ahead."""
    clock = ManualClock(datetime.now(UTC))
    with reopen(clock=clock) as ledger, reopen(clock=ManualClock(clock.now() + timedelta(hours=1))) as ahead:
        ahead.runs.start(RunInfo("future", "s"))
        passes = iter(("start", "see", "end"))

        def wait(seconds: float) -> bool:
            if not seconds:
                return False
            match next(passes):
                case "start":
                    ledger.runs.start(RunInfo("now", "s"))
                case "see":
                    assert [row.stream for row in rows_of(ledger, NAME)] == ["run:future", "run:now"]
                case _:
                    return True
            return False

        small(ledger).follow(1, wait)


def test_a_storage_that_is_away_is_told_of_and_waited_for(
    ledger: keyledger.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, 3)
    storage: Any = ledger.storage
    store = storage.follower(NAME)
    told: list[keyledger.StorageError] = []
    away = iter((True, False))
    newest = store.newest

    def fails_once() -> Any:
        if next(away, False):
            raise keyledger.StorageUnavailableError("away")
        return newest()

    monkeypatch.setattr(store, "newest", fails_once)
    rounds = Rounds()
    rounds.enough.set()
    Follower(store, ledger._clock).follow(1, rounds, told.append)
    assert [str(error) for error in told] == ["away"]
    check_equal(ledger)


# ---------------------------------------------------------------------------------------- rebuilding


def tables(ledger: keyledger.Ledger) -> set[str]:
    """Every table and index of the follower's, by what it stands for."""
    storage: Any = ledger.storage
    return set(storage.follower(NAME).relations())


def check_only_one_generation(ledger: keyledger.Ledger) -> None:
    assert tables(ledger) == {NAME}
    ((generation,),) = query(ledger, f"SELECT generation FROM follower WHERE name = '{NAME}'")
    found = query(ledger, f"SELECT DISTINCT generation FROM follower_cursor WHERE name = '{NAME}'")
    assert found == [(generation,)]


def test_a_rebuilt_table_is_proved_equal_and_takes_the_place(ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 30)
    caught_up(ledger)
    for _ in range(2):
        rebuilt = follower(ledger, NAME).rebuild()
        assert rebuilt.equal
        assert (rebuilt.events, rebuilt.rows, rebuilt.in_motion, rebuilt.differing) == (events, 30, 0, ())
        assert rebuilt.hash == content_hash((row.stream, row) for row in rows_of(ledger, "runs"))
        check_equal(ledger)
        check_only_one_generation(ledger)
    fill(ledger, 3, "after")
    caught_up(ledger)
    check_equal(ledger)


def test_a_table_that_is_behind_is_caught_up_before_it_is_compared(ledger: keyledger.Ledger) -> None:
    events = fill(ledger, 10)
    caught_up(ledger)
    events += fill(ledger, 5, "later")
    ledger.runs.finish("r-0000", RunStats("ok"))
    rebuilt = follower(ledger, NAME).rebuild()
    assert rebuilt.equal
    assert (rebuilt.events, rebuilt.rows, rebuilt.in_motion) == (events + 1, 15, 0)
    check_equal(ledger)


def test_runs_that_all_went_on_hide_no_row_that_somebody_changed(ledger: keyledger.Ledger) -> None:
    fill(ledger, 10)
    caught_up(ledger)
    execute(ledger, f"UPDATE {NAME} SET skill_id = 'evil'")
    for number in range(10):
        ledger.runs.append_log(RunLog(f"r-{number:04}", "step"))
    rebuilt = follower(ledger, NAME).rebuild()
    assert rebuilt.equal is False
    assert (rebuilt.rows, rebuilt.in_motion, len(rebuilt.differing)) == (10, 0, 10)
    check_equal(ledger)


def test_where_no_row_was_compared_a_rebuild_does_not_say_equal(ledger: keyledger.Ledger) -> None:
    assert follower(ledger, "empty").rebuild().equal is None
    fill(ledger, 4)
    rebuilt = follower(ledger, NAME).rebuild()
    assert (rebuilt.equal, rebuilt.rows, rebuilt.in_motion) == (None, 0, 4)
    check_equal(ledger)
    assert follower(ledger, NAME).rebuild().equal


@pytest.mark.parametrize(
    ("tamper", "differing"),
    [
        ("UPDATE {} SET caller_id = 'eve' WHERE run_id = 'run:r-0002'", ("r-0002",)),
        ("UPDATE {} SET runtime_seconds = 0.125 WHERE run_id = 'run:r-0004'", ("r-0004",)),
        ("DELETE FROM {} WHERE run_id = 'run:r-0001'", ("r-0001",)),
        ("UPDATE {} SET run_id = 'run:made-up' WHERE run_id = 'run:r-0000'", ("made-up", "r-0000")),
        ("DELETE FROM {}", tuple(f"r-{number:04}" for number in range(10))),
    ],
)
def test_a_row_that_somebody_changed_is_found_named_and_put_right(
    ledger: keyledger.Ledger, tamper: str, differing: tuple[str, ...]
) -> None:
    fill(ledger, 12)
    caught_up(ledger)
    execute(ledger, tamper.format(NAME))
    rebuilt = follower(ledger, NAME).rebuild()
    assert not rebuilt.equal
    assert rebuilt.former_hash != rebuilt.hash
    assert rebuilt.differing == differing
    check_equal(ledger)
    assert follower(ledger, NAME).rebuild().equal


def test_a_sealed_column_that_somebody_wrote_over_is_found(reopen: Reopen) -> None:
    with reopen(cipher=cipher()) as ledger:
        fill(ledger, 3)
        caught_up(ledger)
        execute(ledger, f"UPDATE {NAME} SET output = inputs, inputs = output WHERE run_id = 'run:r-0001'")
        execute(ledger, f"UPDATE {NAME} SET error = substr(error, 2) WHERE run_id = 'run:r-0002'")
        assert follower(ledger, NAME).rebuild().differing == ("r-0001", "r-0002")
        check_equal(ledger)


def test_a_rebuild_goes_on_beside_a_follower_and_writers(options: Options, ledger: keyledger.Ledger) -> None:
    fill(ledger, 60, "old")
    caught_up(ledger)
    rounds = Rounds()
    with ThreadPoolExecutor(4) as pool:
        following = pool.submit(follow_until, options, rounds)
        writers = [pool.submit(write_runs, options, prefix) for prefix in ("a", "b")]
        with keyledger.open(**options, lock_timeout=60) as other:
            rebuilt = [small(other).rebuild() for _ in range(3)]
        for writer in writers:
            writer.result()
        rounds.enough.set()
        following.result()
    assert all(each.equal for each in rebuilt)
    check_equal(ledger)
    check_only_one_generation(ledger)


class Meddled:
    """A store in whose way something comes just before the swap."""

    def __init__(self, store: Any, meddle: Callable[[], object]) -> None:
        self._store, self._meddle = store, meddle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def swapping(self, draft: Any) -> Any:
        self._meddle()
        return self._store.swapping(draft)


@pytest.mark.parametrize("runs", [1, 30])
def test_what_the_present_table_has_read_last_is_in_the_one_that_takes_its_place(
    ledger: keyledger.Ledger, runs: int
) -> None:
    """Also where that is more than may be written while others wait."""
    fill(ledger, 5)
    caught_up(ledger)
    prefixes = iter("ab")

    def go_on() -> None:
        with suppress(StopIteration):
            fill(ledger, runs, next(prefixes))
            caught_up(ledger)

    storage: Any = ledger.storage
    Follower(Meddled(storage.follower(NAME), go_on), ledger._clock, most_events=10).rebuild()
    check_equal(ledger)


def test_a_killed_rebuild_leaves_the_table_working_and_the_next_one_clears_up(
    options: Options, ledger: keyledger.Ledger
) -> None:
    fill(ledger, 200)
    caught_up(ledger)
    for generation in (2, 3):
        kill_once_begun(rebuild_in_small_batches, options)
        assert tables(ledger) == {NAME, f"{NAME}#{generation}"}
    fill(ledger, 3, "after")
    caught_up(ledger)
    check_equal(ledger)
    assert follower(ledger, NAME).rebuild().equal
    check_equal(ledger)
    check_only_one_generation(ledger)


def test_a_view_on_sqlite_shows_what_was_rebuilt(tmp_path: Path) -> None:
    with keyledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        fill(ledger, 3)
        caught_up(ledger)
        execute(ledger, f"CREATE VIEW statuses AS SELECT run_id, status FROM {NAME}")
        execute(ledger, f"UPDATE {NAME} SET status = 'lost'")
        follower(ledger, NAME).rebuild()
        check_only_one_generation(ledger)
        expected = query(ledger, "SELECT run_id, status FROM runs ORDER BY run_id")
        assert query(ledger, "SELECT * FROM statuses ORDER BY run_id") == expected


def test_a_view_on_postgresql_is_in_the_way_of_a_swap_which_changes_nothing(
    postgres_url: str, schema: str
) -> None:
    with keyledger.open(postgres_url, schema=schema) as ledger:
        fill(ledger, 3)
        caught_up(ledger)
        execute(ledger, f"CREATE VIEW statuses AS SELECT run_id, status FROM {NAME}")
        with pytest.raises(keyledger.StorageError, match="view statuses depends on table"):
            follower(ledger, NAME).rebuild()
        fill(ledger, 1, "after")
        caught_up(ledger)
        check_equal(ledger)
        assert len(query(ledger, "SELECT * FROM statuses")) == 4
        execute(ledger, "DROP VIEW statuses")
        assert follower(ledger, NAME).rebuild().equal
        check_only_one_generation(ledger)


def test_on_postgresql_no_writer_waits_for_a_swap(postgres_url: str, schema: str) -> None:
    with keyledger.open(postgres_url, schema=schema, lock_timeout=0.2) as ledger:
        fill(ledger, 3)
        caught_up(ledger)
        storage: Any = ledger.storage
        store = storage.follower(NAME)
        draft = store.draft()
        with store.swapping(draft) as swap:
            swap.swap(draft)
            fill(ledger, 3, "meanwhile")
            with pytest.raises(keyledger.LedgerBusyError):
                caught_up(ledger)
        caught_up(ledger)
        check_equal(ledger)


def test_on_sqlite_a_batch_that_held_the_lock_for_long_makes_the_next_ones_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, now = 1.01 * LONGEST_HOLD, 0.0

    def monotonic() -> float:
        nonlocal now
        now += step
        return now

    monkeypatch.setattr("keyledger.adapters.sqlite.followers.monotonic", monotonic)
    with keyledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        storage: Any = ledger.storage
        store, batches = storage.follower(NAME), list[int]()
        following = Follower(store, ledger._clock, batches.append)

        def follow_runs(prefix: str, runs: int) -> list[int]:
            for number in range(runs):
                ledger.runs.start(RunInfo(f"{prefix}-{number}", "s"))
            batches.clear()
            following.catch_up()
            return batches

        for number in range(8):
            follow_runs(f"slow-{number}", 1)
        assert store.share() == 0.02
        assert follow_runs("few", 25) == [10, 10, 5]
        step = 0.49 * LONGEST_HOLD
        assert follow_runs("more", 30) == [10, 12, 8]
        check_equal(ledger)


def test_the_hash_is_the_same_on_every_engine(tmp_path: Path, postgres_url: str, schema: str) -> None:
    hashes = set()
    for url in (f"sqlite:///{tmp_path}/ledger.db", postgres_url):
        with keyledger.open(url, schema=schema, clock=ManualClock()) as ledger:
            fill(ledger, 12)
            caught_up(ledger)
            hashes.add(follower(ledger, NAME).rebuild().hash)
    assert len(hashes) == 1


def test_of_two_rebuilds_the_later_one_goes_on(ledger: keyledger.Ledger) -> None:
    fill(ledger, 20)
    caught_up(ledger)
    later = iter((follower(ledger, NAME),))

    def progress(_: int) -> None:
        for each in later:
            assert each.rebuild().equal

    with pytest.raises(keyledger.LedgerBusyError, match="another rebuild"):
        small(ledger, progress).rebuild()
    check_equal(ledger)
    check_only_one_generation(ledger)


# --------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["", "Runs", "1st", "a-b", "a b", 'a"b', "a" * 42, "sqlite_a", "pg_a", "é", None])
def test_a_name_that_no_table_may_have_is_refused(ledger: keyledger.Ledger, name: Any) -> None:
    with pytest.raises(keyledger.InvalidArgumentError, match="into"):
        follower(ledger, name)


@pytest.mark.parametrize(
    "name", ["runs", "run_head", "stored_events", "follower", "follower_cursor", "runs_started"]
)
def test_a_name_that_the_ledger_has_is_refused(ledger: keyledger.Ledger, name: str) -> None:
    fill(ledger, 2)
    for attempt in (follower(ledger, name).catch_up, follower(ledger, name).rebuild):
        with pytest.raises(keyledger.InvalidArgumentError, match="into"):
            attempt()
    assert len(rows_of(ledger, "runs")) == 2
    assert query(ledger, "SELECT * FROM follower") == []


def test_followers_do_not_meet(ledger: keyledger.Ledger) -> None:
    names = ("a", "a_2", "a2", "select", "b" * 41)
    fill(ledger, 3)
    for name in names:
        follower(ledger, name).catch_up()
    for name in names:
        assert follower(ledger, name).rebuild().equal
    fill(ledger, 1, "new")
    for name in names:
        follower(ledger, name).catch_up()
        check_equal(ledger, f'"{name}"')


def test_a_ledger_in_memory_cannot_be_followed() -> None:
    with keyledger.open("memory://") as ledger, pytest.raises(keyledger.NotConfiguredError, match="SQLite"):
        follower(ledger, NAME)
