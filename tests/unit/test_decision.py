"""Deciding a group: each command on what its predecessor left, expired entries beside the slice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import keyledger
from keyledger.adapters.conformance.clock import ManualClock
from keyledger.adapters.event_mapper import EventMapper
from keyledger.adapters.memory.storage import MemoryStorage
from keyledger.domain.commands import Attribution, KeyAction, PartitionCommand
from keyledger.domain.decision import Decision, Outcome, Request
from keyledger.domain.errors import InvalidArgumentError, NamespaceQuotaExceededError
from keyledger.domain.partition import KeyDeleted, KeyExpired
from keyledger.domain.quota import Limits
from keyledger.opening import ledger_on

from .specs import deleting, setting

STREAM = "partition:p"
NOW = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=10)


@pytest.fixture
def storage() -> MemoryStorage:
    """Two entries of three bytes that have expired at NOW."""
    clock, storage = ManualClock(), MemoryStorage(EventMapper())
    ledger: keyledger.Ledger = ledger_on(lambda: storage, clock=clock)
    for key in ("a", "b"):
        ledger.partition("p").set(key, 123, ttl=1)
    return storage


def decide(storage: MemoryStorage, *actions: KeyAction, locked: bool) -> Decision:
    keys = [(action.scope, action.key) for action in actions]
    decision = Decision(storage, storage.load(STREAM, keys), locked=locked, leased=False)
    for number, action in enumerate(actions):
        command = PartitionCommand(action, Attribution(f"q-{number}"), Limits(max_bytes=6))
        decision.take(Request(command, remember=False), NOW)
    return decision


def test_without_the_lock_a_limit_is_no_reason_to_refuse(storage: MemoryStorage) -> None:
    with pytest.raises(NamespaceQuotaExceededError):
        decide(storage, setting("c", 1234), locked=False)


def test_under_the_lock_expired_entries_make_room(storage: MemoryStorage) -> None:
    decision = decide(storage, setting("c", 1234), locked=True)
    assert [event.key for event in decision.events if isinstance(event, KeyExpired)] == ["a", "b"]
    assert decision.state.used_bytes == 4


def test_what_a_predecessor_ended_is_not_ended_again(storage: MemoryStorage) -> None:
    decision = decide(storage, deleting("a"), setting("b", 1), setting("c", 12345), locked=True)
    told = [(type(event).__name__, getattr(event, "key", "")) for event in decision.events]
    assert told == [("KeyExpired", "a"), ("KeyExpired", "b"), ("KeySet", "b"), ("KeySet", "c")]
    assert (decision.state.used_bytes, decision.state.live_keys) == (6, 2)


def test_a_refusal_leaves_the_others_alone(storage: MemoryStorage) -> None:
    decision = decide(storage, setting("c", 1), setting("d", "far too long"), deleting("c"), locked=True)
    first, refused, last = decision.results
    assert isinstance(first, Outcome)
    assert isinstance(refused, NamespaceQuotaExceededError)
    assert isinstance(last, Outcome)
    assert isinstance(last.events[0], KeyDeleted)
    assert not decision.certain


def test_an_impossible_ttl_fails_only_its_own_command(storage: MemoryStorage) -> None:
    decision = decide(storage, setting("c", 1), setting("d", 1, ttl=1e12), setting("e", 1), locked=True)
    first, refused, last = decision.results
    assert isinstance(first, Outcome)
    assert isinstance(refused, InvalidArgumentError)
    assert isinstance(last, Outcome)
