"""decide on the loaded slice gives what it gives on the whole replayed state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.commands import (
    Attribution,
    Batch,
    Delete,
    Increment,
    KeyAction,
    PartitionCommand,
    Restore,
    Set,
)
from keyledger.domain.decision import Decision, Outcome, Request
from keyledger.domain.partition import PartitionState, decide, fold
from keyledger.domain.quota import Limits
from keyledger.opening import ledger_on

STREAM = "partition:p"
NOW = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=10)

KEYS = st.sampled_from("abcdef")
TTLS = st.none() | st.sampled_from([1, 3, 3, 9, 60])
VALUES = st.sampled_from([b"1", b"12345", b'"xxxxxxx"'])
LIVES = st.none() | st.sampled_from([timedelta(seconds=1), timedelta(seconds=60)])
REVISIONS = st.integers(0, 12)
ACTIONS: st.SearchStrategy[KeyAction] = (
    st.builds(Set, st.just("skill"), KEYS, VALUES, TTLS)
    | st.builds(Restore, st.just("skill"), KEYS, st.none() | VALUES, LIVES, REVISIONS, REVISIONS)
    | st.builds(Increment, st.just("skill"), KEYS, st.integers(-5, 5_000))
    | st.builds(Delete, st.just("skill"), KEYS)
)


@given(
    history=st.lists(st.tuples(KEYS, st.integers(0, 10**6), TTLS), max_size=12),
    actions=st.lists(ACTIONS, min_size=1, max_size=3),
    limits=st.builds(
        Limits, st.none() | st.integers(0, 25), st.just(65_536), st.integers(1, 7), leased_bytes=st.none()
    ),
)
def test_the_slice_decides_as_the_whole(
    history: list[tuple[str, int, int | None]], actions: list[KeyAction], limits: Limits
) -> None:
    storage = MemoryStorage(EventMapper())
    with ledger_on(lambda: storage, clock=ManualClock()) as ledger:
        for key, value, ttl in history:
            ledger.partition("p").set(key, value, ttl=ttl)
        whole = fold(PartitionState(STREAM), storage.events(STREAM, 0, 10**6))
        command = PartitionCommand(Batch(tuple(actions)), Attribution("q"), limits)
        loaded = storage.load(STREAM, [(action.scope, action.key) for action in actions])
        decision = Decision(storage, loaded, locked=True, leased=False)
        decision.take(Request(command, remember=False), NOW)
        (result,) = decision.results
        if isinstance(result, Outcome):
            assert list(result.events) == list(decide(command, whole, NOW))
        else:
            with pytest.raises(type(result)) as refused:
                decide(command, whole, NOW)
            assert str(refused.value) == str(result)
