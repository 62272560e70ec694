"""Given some events, when a command comes, then these events follow, or a refusal, or nothing.

Events are written without what the stream gives them (revision, time, request id); ``at`` moves the time, in
seconds after the first event's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from keyledger.domain.commands import (
    Action,
    Attribution,
    BeginFork,
    Copy,
    Delete,
    Increment,
    PartitionCommand,
    Restore,
    RestoreAll,
    Set,
)
from keyledger.domain.errors import KeyledgerError
from keyledger.domain.event import Event
from keyledger.domain.partition import (
    ForkCompleted,
    KeyDeleted,
    KeyExpired,
    KeyIncremented,
    KeySet,
    PartitionDeleted,
    PartitionEvent,
    PartitionForked,
    PartitionState,
    QuotaChanged,
    decide,
    fold,
)
from keyledger.domain.quota import Limits

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Fact:
    """An event without its place in a stream."""

    kind: type[Event]
    fields: dict[str, Any]

    def event(self, stream: str, revision: int) -> Any:
        placed = {"originator_id": stream, "originator_version": revision, "recorded_at": START}
        return self.kind(**placed, request_id="q", **self.fields)


def was_set(key: str, value: Any, *, expires: float | None = None, scope: str = "skill", **origin: int) -> Fact:
    fields = {"scope": scope, "key": key, "value": orjson.dumps(value), "expires_at": _time(expires)}
    return Fact(KeySet, {**fields, "restored_from": None, "copied_from": None, **origin})


def was_restored(key: str, value: Any, *, to: int, expires: float | None = None) -> Fact:
    return was_set(key, value, expires=expires, restored_from=to)


def was_copied(key: str, value: Any, *, of: int, expires: float | None = None) -> Fact:
    return was_set(key, value, expires=expires, copied_from=of)


def was_incremented(key: str, *, by: int, to: int, expires: float | None = None) -> Fact:
    fields = {"scope": "skill", "key": key, "delta": by, "value": b"%d" % to, "expires_at": _time(expires)}
    return Fact(KeyIncremented, fields)


def was_deleted(key: str, *, restored_from: int | None = None) -> Fact:
    return Fact(KeyDeleted, {"scope": "skill", "key": key, "restored_from": restored_from})


def was_expired(key: str, *, expired: float, scope: str = "skill") -> Fact:
    return Fact(KeyExpired, {"scope": scope, "key": key, "expired_at": _time(expired)})


def quota_was_changed(max_bytes: int | None) -> Fact:
    return Fact(QuotaChanged, {"max_bytes": max_bytes})


def partition_was_deleted() -> Fact:
    return Fact(PartitionDeleted, {})


def was_forked(source: str = "source", revision: int = 7, *, judged: float = 0) -> Fact:
    return Fact(PartitionForked, {"source": source, "revision": revision, "judged_at": _time(judged)})


def fork_was_completed() -> Fact:
    return Fact(ForkCompleted, {})


def setting(key: str, value: Any, **options: Any) -> Set:
    return Set(options.pop("scope", "skill"), key, orjson.dumps(value), **options)


def incrementing(key: str, delta: int = 1, **options: Any) -> Increment:
    return Increment("skill", key, delta, **options)


def deleting(key: str, **options: Any) -> Delete:
    return Delete("skill", key, **options)


def restoring(key: str, value: Any, *, to: int, ttl: float | None = None, **options: Any) -> Restore:
    """Back to a value; ``ABSENT`` is back to none."""
    text = None if value is ABSENT else orjson.dumps(value)
    return Restore("skill", key, text, _life(ttl), to, **options)


def restoring_all(*actions: Restore, to: int) -> RestoreAll:
    return RestoreAll(to, START, None, "", actions)


def copying(key: str, value: Any, *, of: int = 7, ttl: float | None = None) -> Copy:
    return Copy("skill", key, orjson.dumps(value), _life(ttl), of)


def forking(source: str = "source", revision: int = 7, *, judged: float = 0) -> BeginFork:
    return BeginFork(source, revision, START + timedelta(seconds=judged))


ABSENT = object()
"""No value at all."""


def _life(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


class Spec:
    """What follows from a command on a state."""

    revision: int

    def decided(self) -> Sequence[Event]:
        """The events that follow, each as strict validation would have it."""
        events = self._decide()
        assert list(events) == [type(event).model_validate(vars(event), strict=True) for event in events]
        return events

    def _decide(self) -> Sequence[Event]:
        raise NotImplementedError

    def then(self, *facts: Fact) -> None:
        events = self.decided()
        told = [
            (type(event), {name: getattr(event, name) for name in fact.fields})
            for event, fact in _pairs(events, facts)
        ]
        assert told == [(fact.kind, fact.fields) for fact in facts]
        assert [event.originator_version for event in events] == [
            self.revision + number for number in range(1, len(facts) + 1)
        ]

    def then_nothing(self) -> None:
        assert not self.decided()

    def then_refused(self, error: type[KeyledgerError], **attributes: Any) -> None:
        with pytest.raises(error) as refused:
            self.decided()
        assert {name: getattr(refused.value, name) for name in attributes} == attributes


class given(Spec):  # noqa: N801 - reads as a word in a sentence
    """``given(was_set("a", 1)).when(deleting("a")).then(was_deleted("a"))``"""

    def __init__(self, *facts: Fact) -> None:
        events = [fact.event("partition:p", revision) for revision, fact in enumerate(facts, 1)]
        self.state = fold(PartitionState("partition:p"), events)
        self.revision = self.state.revision
        self._command: PartitionCommand | None = None

    def when(
        self,
        action: Action,
        *,
        at: float = 0,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        recorded_at: float | None = None,
    ) -> given:
        by = Attribution("q-1", "ada", "r-1", "r-0", "kv_set", _time(recorded_at))
        self._command = PartitionCommand(action, by, limits)
        self._now = START + timedelta(seconds=at)
        return self

    def _decide(self) -> Sequence[PartitionEvent]:
        assert self._command is not None
        return decide(self._command, self.state, self._now)


def _pairs(events: Sequence[Event], facts: Sequence[Fact]) -> list[tuple[Event, Fact]]:
    assert [type(event) for event in events] == [fact.kind for fact in facts]
    return list(zip(events, facts, strict=True))
