"""What is exported and imported into an empty ledger is what was there: every event, in its order."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.conformance.strategies import json_values, keys, scopes
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.opening import ledger_on

_KEYS = st.sampled_from(["a", "b"]) | keys()
_TTLS = st.none() | st.floats(1e-6, 2e11)
_WRITES = st.one_of(
    st.tuples(st.just("set"), _KEYS, scopes(), json_values(), _TTLS),
    st.tuples(st.just("increment"), _KEYS, scopes(), st.integers(-(2**62), 2**62), _TTLS),
    st.tuples(st.just("delete"), _KEYS, scopes()),
    st.tuples(st.just("quota"), st.none() | st.integers(0, 2_000)),
    st.tuples(st.just("advance"), st.floats(0, 1e9)),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("drop")),
    st.tuples(st.just("restore"), _KEYS, scopes(), st.integers(0, 12)),
    st.tuples(st.just("restore_all"), st.integers(0, 12)),
)
_names = count()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledgers(
    request: pytest.FixtureRequest, tmp_path: Path, schema: str
) -> Iterator[tuple[ManualClock, keyledger.Ledger, keyledger.Ledger]]:
    """A clock, and two ledgers on it."""
    clock, open_one = ManualClock(), list[Callable[..., keyledger.Ledger]]()
    for number in range(2):
        if request.param == "memory":
            open_one.append(partial(ledger_on, lambda: MemoryStorage(EventMapper())))
        elif request.param == "sqlite":
            open_one.append(partial(keyledger.open, f"sqlite:///{tmp_path}/{number}.db"))
        else:
            url = request.getfixturevalue("postgres_url")
            open_one.append(partial(keyledger.open, url, schema=f"{schema}_{number}"))
    with ExitStack() as stack:
        one, other = (stack.enter_context(each(clock=clock)) for each in open_one)
        yield clock, one, other


def write(ledger: keyledger.Ledger, name: str, clock: ManualClock, operation: tuple[Any, ...]) -> None:
    kv = ledger.partition(name, actor="ada", run_id="r-1", root_run_id="r-0", tool="kv_set")
    try:
        match operation:
            case ("set", key, scope, value, ttl):
                kv.set(key, value, scope=scope, ttl=ttl)
            case ("increment", key, scope, delta, ttl):
                kv.increment(key, delta, initial_value=5, scope=scope, ttl=ttl)
            case ("delete", key, scope):
                kv.delete(key, scope=scope)
            case ("quota", max_bytes):
                kv.set_quota(max_bytes)
            case ("advance", seconds):
                clock.advance(seconds)
            case ("sweep",):
                ledger.sweep()
            case ("restore", key, scope, back):
                kv.restore(key, max(0, kv.at().revision - back), scope=scope)
            case ("restore_all", back):
                kv.restore_all(max(0, kv.at().revision - back))
            case _:
                ledger.delete_partition(name, actor="root")
    except (keyledger.RefusedError, keyledger.InvalidArgumentError):
        pass


def events_of(ledger: keyledger.Ledger, name: str) -> list[dict[str, Any]]:
    """The events of a partition, less the ids of requests and the tool that an import fills in for none."""
    events = ledger.storage.events(f"partition:{name}", 0, 10**6)
    told = [{"topic": event.TOPIC, **event.model_dump(exclude={"request_id"})} for event in events]
    return [event | {"tool": None if event["tool"] == "import" else event["tool"]} for event in told]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(_WRITES, min_size=1, max_size=12))
def test_an_export_imports_as_the_same_events(
    operations: list[tuple[Any, ...]], ledgers: tuple[ManualClock, keyledger.Ledger, keyledger.Ledger]
) -> None:
    clock, one, other = ledgers
    name = f"p{next(_names)}"
    for operation in operations:
        write(one, name, clock, operation)
    lines = list(one.export_lines(name))
    report = other.import_lines(lines, source=name)
    assert (report.imported, report.repeated, report.failed) == (len(lines), 0, 0)
    assert events_of(other, name) == events_of(one, name)
    for scope in ("skill", "user:ada"):
        assert list(other.partition(name).scan(scope=scope)) == list(one.partition(name).scan(scope=scope))
    assert other.partition(name).usage() == one.partition(name).usage()
    assert list(other.export_lines(name, current=True)) == list(one.export_lines(name, current=True))
    assert other.import_lines(lines, source=name).repeated == len(lines)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operations=st.lists(_WRITES, min_size=1, max_size=8),
    back=st.integers(0, 8),
    more=st.lists(_WRITES, max_size=4),
)
def test_an_export_of_a_fork_imports_as_the_same_events(
    operations: list[tuple[Any, ...]],
    back: int,
    more: list[tuple[Any, ...]],
    ledgers: tuple[ManualClock, keyledger.Ledger, keyledger.Ledger],
) -> None:
    clock, one, other = ledgers
    name = f"p{next(_names)}"
    for operation in operations:
        write(one, name, clock, operation)
    source, fork = one.partition(name), f"{name}-fork"
    source.fork(fork, max(0, source.at().revision - back))
    for operation in more:
        write(one, fork, clock, operation)
    lines = list(one.export_lines(fork))
    assert other.import_lines(lines, source=fork, stop=True).imported == len(lines)
    assert events_of(other, fork) == events_of(one, fork)
    assert other.partition(fork).usage() == one.partition(fork).usage()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(_WRITES, min_size=1, max_size=12))
def test_an_export_of_what_is_current_imports_as_the_same_entries(
    operations: list[tuple[Any, ...]], ledgers: tuple[ManualClock, keyledger.Ledger, keyledger.Ledger]
) -> None:
    clock, one, other = ledgers
    name = f"p{next(_names)}"
    for operation in operations:
        write(one, name, clock, operation)
    report = other.import_lines(one.export_lines(name, current=True), source=name)
    assert report.failed == 0
    for scope in ("skill", "user:ada", "user:bob", "run:r-1"):
        assert said(other, name, scope) == said(one, name, scope)


def said(ledger: keyledger.Ledger, name: str, scope: str) -> list[tuple[Any, ...]]:
    """What a scope's entries say, less the revisions."""
    return [
        (entry.key, repr(entry.value), entry.updated_at, entry.expires_at, entry.changed_by, entry.run_id)
        for entry in ledger.partition(name).scan(scope=scope)
    ]
