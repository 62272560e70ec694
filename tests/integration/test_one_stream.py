"""No two partitions share a transaction: each statement of a workload is recorded with its transaction."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, NamedTuple, Self

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.postgres.connections import OwnConnections
from keyledger.adapters.postgres.storage import PostgresStorage
from keyledger.domain.audit.records import RunInfo, RunLog, RunStats
from keyledger.domain.run import Purge, RecordReads, run_stream
from keyledger.domain.scope import partition_stream
from tests.integration.hot_path import EVERY, HOT, LEASING, WAKING, narrowings

NAMES = {text: name for name, text in EVERY.items()}
NAMES |= {text: name for name in HOT for text in narrowings(HOT[name])}
PARTITIONS = 12
THREADS = 8
RUNS = 8
SKILLS = 8


class Statement(NamedTuple):
    """A statement that ran: in which transaction, its name, and the stream that it was given."""

    transaction: Any
    name: str
    stream: str | None


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Statement]:
    """What every connection of every ledger opened from here on executes."""
    recorded: list[Statement] = []
    alone = count()

    class RecordingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
            super().execute(query, params, **options)
            if query != "BEGIN":
                stream = params.get("stream") if isinstance(params, dict) else None
                recorded.append(Statement(self._transaction(), NAMES.get(str(query), str(query)), stream))
            return self

        def _transaction(self) -> Any:
            """The connection and the time at which its transaction began; a number for a statement alone."""
            pgconn = self.connection.pgconn
            if pgconn.transaction_status == TransactionStatus.INTRANS:
                return pgconn.backend_pid, pgconn.exec_(b"SELECT now()").get_value(0, 0)
            return next(alone)

    configure = OwnConnections._configure

    def recording(connections: OwnConnections, connection: psycopg.Connection[Any]) -> None:
        configure(connections, connection)
        connection.cursor_factory = RecordingCursor

    monkeypatch.setattr(OwnConnections, "_configure", recording)
    return recorded


def by_transaction(ran: list[Statement]) -> list[list[Statement]]:
    found: dict[Any, list[Statement]] = {}
    for statement in ran:
        found.setdefault(statement.transaction, []).append(statement)
    return list(found.values())


def check_one_stream_each(ran: list[Statement]) -> None:
    """AssertionError if a transaction names two streams, or none, or does what is not the hot path's."""
    for statements in by_transaction(ran):
        if (
            statements[0].name in WAKING and len(statements) == 1
        ):  # what is asked after a commit, in no transaction
            continue
        assert {each.name for each in statements} <= HOT.keys()
        assert len({each.stream for each in statements}) == 1, statements
        assert statements[0].stream is not None, statements


def use(ledgers: list[keyledger.Ledger], number: int) -> None:
    """Reads and writes of one partition and one dispatch tree, by two ledgers in turn, so that heads move."""
    kvs = [ledger.partition(f"p-{number % PARTITIONS}", actor="ada", run_id="r-1") for ledger in ledgers]
    for turn, kv in enumerate(kvs * 2):
        kv.set("a", turn, ttl=60)
        kv.set("b", number, request_id=f"q-{number}")
        kv.increment("n")
        kv.get("a")
        kv.get_many(["a", "n"])
        kv.delete("a")
        with suppress(keyledger.RevisionConflictError), kv.batch() as batch:
            batch.set("c", turn)
            batch.set("d", turn, if_revision=0)
        kv.set("shared", turn, scope="root_run:r-0")
        kv.list(prefix="a")
        kv.history("n")
        kv.history("n", operation="increment", run_id="r-1")
        kv.usage()


def travel(ledgers: list[keyledger.Ledger], number: int) -> None:
    """Reads of the past, and the way back, in a partition of its own."""
    kv, other = (ledger.partition(f"past-{number}", run_id="r-1") for ledger in ledgers)
    kv.set("a", number)
    other.set("b", [number])
    kv.set_quota(9_000)
    view = kv.at(run="r-1", end=True)
    assert view.get("b")
    assert len(view.list()) == 2
    assert view.usage().max_bytes == 10_000, "its own came later"
    kv.set("b", "other")
    assert [change.key for change in other.diff(view)] == ["b"]
    assert other.restore_all(str(view)) == 1
    assert kv.bisect("b", lambda entry: entry is not None)


def audit(ledgers: list[keyledger.Ledger], number: int) -> None:
    """A run from its start to its purge, written by two ledgers in turn."""
    run_id = f"r-{number}"
    one, other = (ledger.runs for ledger in ledgers)
    one.start(RunInfo(run_id, "weather"))
    for runs in (one, other, one):
        runs.append_log(RunLog(run_id, "step"))
    write = ledgers[0]._run_writer.execute
    write(run_stream(run_id), RecordReads(((partition_stream("p-0"), "skill", "a", number),)))
    other.finish(run_id, RunStats("ok"))
    assert other.get(run_id).status == "ok"
    assert len(one.logs(run_id)) == 3
    assert len(one.reads(run_id)) == 1
    assert write(run_stream(run_id), Purge())
    one.purges()


def manage(ledgers: list[keyledger.Ledger], number: int) -> None:
    """A skill from its first save on, by two ledgers in turn, and its quota in a partition that was used."""
    skill_id = f"p-{number}"
    one, other = (ledger.skills for ledger in ledgers)
    for turn, skills in enumerate((one, other, one)):
        skills.save(skill_id, keyledger.Skill(name=f"n{turn}", system_prompt="Tell it."))
        skills.grant_quota(skill_id, 20_000 + turn)
    other.grant_extended_bounds(skill_id)
    other.archive(skill_id)
    assert len(one.history(skill_id).items) == 8
    assert one.diff(skill_id, 1).patch


def run_out_of_room(ledger: keyledger.Ledger, clock: ManualClock) -> None:
    """Writes that are refused, and one that finds room in what has expired; then the partition goes."""
    with pytest.raises(keyledger.NamespaceQuotaExceededError):
        ledger.partition("full").set("k", "x" * 10_000)
    ledger.partition("full").set("k", "x" * 9_000, ttl=60)
    clock.advance(61)
    ledger.partition("full").set("l", "x" * 9_000)
    ledger.delete_partition("full")


@pytest.fixture
def open_ledger(postgres_url: str, schema: str) -> Callable[..., keyledger.Ledger]:
    return partial(keyledger.open, postgres_url, schema=schema, tier_quotas={"default": 10_000}, quota=10_000)


def work(ledgers: list[keyledger.Ledger], clock: ManualClock) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(use, ledgers), range(2 * PARTITIONS)))
        list(pool.map(partial(audit, ledgers), range(RUNS)))
        list(pool.map(partial(travel, ledgers), range(PARTITIONS)))
        list(pool.map(partial(manage, ledgers), range(SKILLS)))
    run_out_of_room(ledgers[0], clock)


def test_each_transaction_is_of_one_stream(
    ran: list[Statement], open_ledger: Callable[..., keyledger.Ledger]
) -> None:
    clock = ManualClock()
    with open_ledger(clock=clock) as one, open_ledger(clock=clock) as other:
        ran.clear()
        work([one, other], clock)
        check_one_stream_each(ran)
    hot = [each for each in ran if each.name not in WAKING]
    assert {each.name for each in hot} == HOT.keys(), "every hot statement, and nothing else, is executed"
    partitions = 2 * PARTITIONS + 1
    assert len({each.stream for each in hot}) == 2 * partitions + 1 + RUNS + 1, "a skill is asked for by each"
    assert max(map(len, by_transaction(ran))) > 1


def test_a_lease_of_the_global_quota_is_a_transaction_of_its_own(
    ran: list[Statement], open_ledger: Callable[..., keyledger.Ledger]
) -> None:
    clock = ManualClock()
    with open_ledger(clock=clock, global_quota=10_000_000) as one, open_ledger(clock=clock) as other:
        ran.clear()
        work([one, other], clock)
    leasing = [statements for statements in by_transaction(ran) if statements[0].name in LEASING]
    assert leasing
    assert all(each.name in LEASING for statements in leasing for each in statements)
    check_one_stream_each([each for each in ran if each.name not in LEASING])


def test_a_transaction_of_two_streams_is_found_out(
    ran: list[Statement], open_ledger: Callable[..., keyledger.Ledger]
) -> None:
    with open_ledger() as ledger:
        storage = ledger.storage
        assert isinstance(storage, PostgresStorage)
        ran.clear()
        for stream in ("partition:a", "partition:b"):
            storage.usage(stream, ManualClock().now())
        check_one_stream_each(ran)
        with storage.exclusive("partition:a") as session:
            session.load("partition:a", [("skill", "k")])
            check_one_stream_each(ran)
            session.load("partition:b", [("skill", "k")])
            with pytest.raises(AssertionError, match="partition:b"):
                check_one_stream_each(ran)
