"""Runs of random steps come out as they had; and where somebody interfered, a difference is one."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from keyledger import Ledger, Partition, RefusedError, RunInfo
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.audit.reading import Read
from keyledger.domain.run import RecordReads, run_stream
from keyledger.opening import ledger_on

KEYS = st.sampled_from("abc")
SCOPES = st.sampled_from(["skill", "skill", "user:ada", "root_run:r-0"])
TTLS = st.none() | st.sampled_from([1.0, 3.0, 7.0])
VALUES = st.integers(0, 3) | st.sampled_from(["x", {"k": 1}])
Step: TypeAlias = tuple[Any, ...]

WRITES = st.one_of(
    st.tuples(st.just("set"), KEYS, SCOPES, VALUES, TTLS),
    st.tuples(st.just("increment"), KEYS, SCOPES, st.integers(-2, 2), st.integers(0, 5), TTLS),
    st.tuples(st.just("delete"), KEYS, SCOPES),
)
READS = st.one_of(
    st.tuples(st.just("get"), KEYS, SCOPES),
    st.tuples(st.just("list"), SCOPES),
)
MORE = st.one_of(
    st.tuples(st.just("batch"), st.lists(WRITES.filter(lambda step: step[2] != "root_run:r-0"), max_size=4)),
    st.tuples(st.just("restore"), KEYS, SCOPES, st.floats(0, 1)),
    st.tuples(st.just("restore_all"), st.floats(0, 1)),
    st.tuples(st.just("delete_partition")),
)
PASSING = st.tuples(st.just("advance"), st.sampled_from([0.0, 1.0, 2.0, 5.0]))


class World:
    """A ledger in memory in which somebody else and run r-1 of tree r-0 do steps."""

    def __init__(self) -> None:
        self.clock, storage = ManualClock(), MemoryStorage(EventMapper())
        self.ledger: Ledger = ledger_on(lambda: storage, clock=self.clock)
        self.others = [self.ledger.partition(name) for name in ("p", "q")]

    def begin(self) -> list[Partition]:
        """The run's handles."""
        self.ledger.runs.start(RunInfo("r-1", "p", root_run_id="r-0"))
        fields: dict[str, Any] = {"run_id": "r-1", "root_run_id": "r-0", "record_reads": True}
        return [self.ledger.partition(name, **fields) for name in ("p", "q")]

    def do(self, kv: Partition, step: Step) -> Any:
        """What a step gives; None where it is refused."""
        with suppress(RefusedError):
            return getattr(self, f"_{step[0]}")(kv, *step[1:])
        return None

    def _set(self, kv: Partition, key: str, scope: str, value: Any, ttl: float | None) -> Any:
        return kv.set(key, value, scope=scope, ttl=ttl).value

    def _increment(self, kv: Partition, key: str, scope: str, delta: int, first: int, ttl: float | None) -> Any:
        return kv.increment(key, delta, initial_value=first, scope=scope, ttl=ttl).value

    def _delete(self, kv: Partition, key: str, scope: str) -> Any:
        return kv.delete(key, scope=scope)

    def _get(self, kv: Partition, key: str, scope: str) -> Any:
        entry = kv.get(key, scope=scope)
        return None if entry is None else entry.value

    def _list(self, kv: Partition, scope: str) -> Any:
        return {entry.key: entry.value for entry in kv.list(scope=scope)}

    def _batch(self, kv: Partition, steps: list[Step]) -> None:
        with kv.batch() as batch:
            for name, key, scope, *rest in steps:
                if name == "set":
                    batch.set(key, rest[0], scope=scope, ttl=rest[1])
                elif name == "increment":
                    batch.increment(key, rest[0], initial_value=rest[1], scope=scope, ttl=rest[2])
                else:
                    batch.delete(key, scope=scope)

    def _restore(self, kv: Partition, key: str, scope: str, part: float) -> None:
        kv.restore(key, round(kv.at(scope=scope).revision * part), scope=scope)

    def _restore_all(self, kv: Partition, part: float) -> None:
        kv.restore_all(round(kv.at().revision * part))

    def _delete_partition(self, kv: Partition) -> None:
        self.ledger.delete_partition(kv.id, run_id=kv.writes.caller.run_id)

    def _advance(self, _: Partition, seconds: float) -> None:
        self.clock.advance(seconds)
        self.ledger.sweep()


def held(kv: Partition, scope: str) -> list[tuple[str, Any, int | None]]:
    return [(entry.key, entry.value, entry.ttl_seconds) for entry in kv.list(scope=scope)]


STEPS = st.lists(st.tuples(st.integers(0, 1), WRITES | READS | MORE | PASSING), max_size=20)
WRITTEN = st.lists(st.tuples(st.integers(0, 1), WRITES | PASSING), max_size=8)


@settings(deadline=None)
@given(before=WRITTEN, steps=STEPS, after=WRITTEN)
def test_a_run_that_is_alone_comes_out_as_it_had(
    before: list[tuple[int, Step]], steps: list[tuple[int, Step]], after: list[tuple[int, Step]]
) -> None:
    world = World()
    for which, step in before:
        world.do(world.others[which], step)
    run = world.begin()
    for which, step in steps:
        world.do(run[which], step)
    wanted = {
        (kv.id, scope): held(kv, scope) for kv in world.others for scope in ("skill", "user:ada", "root_run:r-0")
    }
    ends = world.clock.now()
    world.clock.advance(1)  # where a run only read, its start tells what it found
    for which, step in after:
        world.do(world.others[which], step)
    report = world.ledger.replay("r-1", "sandbox")
    assert report.difference is None
    assert report.agreed == report.writes + report.reads
    assert world.ledger.runs.count_writes(["r-1"]).get("r-1", 0) == report.writes
    if last_step(world.ledger) == ends:
        assert_alike(world.ledger, wanted, [each.source for each in report.sandboxes])


def last_step(ledger: Ledger) -> datetime | None:
    """When the run wrote last."""
    return max((write.version.recorded_at for write in ledger.runs.writes("r-1", limit=1_000)), default=None)


def assert_alike(ledger: Ledger, wanted: dict[tuple[str, str], Any], sources: list[str]) -> None:
    """The sandboxes hold what the partitions held at the end of the run, lives and all."""
    names = [name for name in ("p", "q") if any(source.startswith(f"{name}@") for source in sources)]
    for name in names:
        sandbox = ledger.partition("sandbox" if name == "p" or "p" not in names else f"sandbox/{name}")
        for scope in ("skill", "user:ada"):
            assert held(sandbox, scope) == wanted[name, scope]
    if any(source.startswith("__root_run__") for source in sources):
        assert held(ledger.partition("p"), "root_run:sandbox") == wanted["p", "root_run:r-0"]


_OWN = st.sampled_from(["skill", "user:ada"])
SHARED = st.lists(
    st.tuples(
        st.sampled_from(["run", "run", "other"]),
        st.one_of(
            st.tuples(st.just("set"), KEYS, _OWN, VALUES, TTLS),
            st.tuples(st.just("increment"), KEYS, _OWN, st.integers(-2, 2), st.just(0), TTLS),
            st.tuples(st.just("delete"), KEYS, _OWN),
            st.tuples(st.just("get"), KEYS, _OWN),
            PASSING,
        ),
    ),
    max_size=16,
)
"""In one stream; increments begin with 0: with what else one would have is not known where there was a value."""


@settings(deadline=None)
@given(before=WRITTEN, steps=SHARED)
def test_a_difference_is_told_only_where_the_run_would_have_seen_one(
    before: list[tuple[int, Step]], steps: list[tuple[str, Step]]
) -> None:
    world = World()
    for _, step in before:
        world.do(world.others[0], step)
    kv = world.begin()[0]
    seen: list[tuple[Step, Any, datetime]] = []
    for who, step in steps:
        given_now = world.do(kv if who == "run" else world.others[0], step)
        if who == "run" and step[0] != "advance":
            seen.append((step, given_now, world.clock.now()))
    report = world.ledger.replay("r-1", "sandbox")
    if not report.sandboxes:
        return
    view = kv.at(run="r-1")
    start = {
        (scope, entry.key): (entry.value, entry.expires_at)
        for scope in ("skill", "user:ada")
        for entry in view.list(scope=scope)
    }
    if not would_differ(start, seen):
        assert report.difference is None
    if report.difference is None:
        assert report.agreed == report.writes + report.reads


def would_differ(start: dict[tuple[str, str], tuple[Any, datetime | None]], seen: list[Any]) -> bool:
    """Whether any step of a run would have given something else, had the run begun at ``start`` and been alone."""
    entries, differs = dict(start), False
    for (name, key, scope, *rest), given_then, now in seen:
        value, expires_at = entries.get((scope, key), (None, None))
        if expires_at is not None and now >= expires_at:
            value = expires_at = None
        match name:
            case "get":
                differs |= not same(given_then, value)
            case "set":
                entries[scope, key] = given_then, later(now, rest[1])
            case "increment" if given_then is not None:
                differs |= not isinstance(value, int | None)
                total = (rest[1] if value is None else value) + rest[0] if not differs else given_then
                differs |= total != given_then
                entries[scope, key] = total, expires_at if rest[2] is None else later(now, rest[2])
            case "delete" if given_then:
                differs |= value is None
                entries.pop((scope, key), None)
    return differs


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def later(now: datetime, ttl: float | None) -> datetime | None:
    return None if ttl is None else now + timedelta(seconds=ttl)


@settings(deadline=None)
@given(before=WRITTEN, steps=STEPS, order=st.randoms(use_true_random=False))
def test_in_whatever_order_several_processes_recorded_what_a_run_read(
    before: list[tuple[int, Step]], steps: list[tuple[int, Step]], order: Random
) -> None:
    world, noted = World(), dict[Read, None]()
    engine = world.others[0].writes.engine
    engine.reads.note = lambda run, reads: noted.update(dict.fromkeys(reads))  # type: ignore[method-assign]  # noqa: ARG005
    for which, step in before:
        world.do(world.others[which], step)
    run = world.begin()
    for which, step in steps:
        world.do(run[which], step)
    shuffled = order.sample(list(noted), len(noted))
    engine.run_writer.execute(run_stream("r-1"), RecordReads(tuple(shuffled)))
    report = world.ledger.replay("r-1", "sandbox")
    assert (report.difference, report.reads) == (None, len(noted))
