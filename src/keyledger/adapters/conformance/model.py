"""What a partition should do, as a plain dict: the model that the state machine compares a ledger with.

It is written to be obviously right and takes no notice of cost: live entries are counted by counting them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from keyledger.domain.errors import (
    IntegerOverflowError,
    InvalidValueTypeError,
    NamespaceQuotaExceededError,
    RefusedError,
    RevisionConflictError,
    ValueTooLargeError,
)
from keyledger.domain.values import MAX_INTEGER, MIN_INTEGER, JSONValue

Key = tuple[str, str]


@dataclass(frozen=True)
class Held:
    """What the model holds under a key."""

    value: JSONValue
    revision: int
    expires_at: datetime | None

    @property
    def size(self) -> int:
        """Bytes of JSON text."""
        return len(orjson.dumps(self.value))

    def equals(self, other: Held) -> bool:
        """Whether both hold the same for good."""
        lives = (self.expires_at, other.expires_at)
        return lives == (None, None) and orjson.dumps(self.value) == orjson.dumps(other.value)


@dataclass(frozen=True)
class Operation:
    """A write of one key: ``what`` is set, increment, delete or restore, ``value`` the value or the delta.

    A restore is to ``then``, of whose life ``left`` was left.
    """

    what: str
    key: Key
    value: JSONValue = None
    ttl: int | None = None
    if_revision: int | None = None
    then: Held | None = None
    left: timedelta | None = None


class Past(NamedTuple):
    """What the model held after one event: its entries, the time, and the quota of its own."""

    entries: Mapping[Key, Held]
    last: datetime | None
    own_bytes: int | None


class RefusedByModelError(Exception):
    """The model refuses; ``kind`` is the error that the ledger should raise."""

    def __init__(self, kind: type[RefusedError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


@dataclass
class Model:
    """A partition: entries, expired or not, that no event has ended, and how it stood after each event."""

    configured_bytes: int
    max_value_bytes: int
    own_bytes: int | None = None
    entries: dict[Key, Held] = field(default_factory=dict)
    revision: int = 0
    last: datetime | None = None
    past: list[Past] = field(default_factory=lambda: [Past({}, None, None)])

    def max_bytes(self) -> int:
        """The quota in force."""
        return self.configured_bytes if self.own_bytes is None else self.own_bytes

    def now(self, clock: datetime) -> datetime:
        """Time never goes back."""
        return clock if self.last is None else max(clock, self.last)

    def live(self, clock: datetime) -> dict[Key, Held]:
        """The entries that have not expired."""
        return _live(self.entries, self.now(clock))

    def used(self, clock: datetime) -> int:
        """The bytes of live values."""
        return sum(held.size for held in self.live(clock).values())

    def write(self, operations: list[Operation], clock: datetime) -> list[Any]:
        """Do all ``operations`` or raise; the value and revision of each write, whether each delete found."""
        needed = 0
        while True:
            trial = replace(self, entries=dict(self.entries), past=list(self.past))
            trial.end_expired(needed, clock, spare={operation.key for operation in operations})
            results = [trial.do(operation, clock) for operation in operations]
            grown = trial.used(clock) > self.used(clock)
            if not grown or sum(held.size for held in trial.entries.values()) <= self.max_bytes():
                self.__dict__.update(trial.__dict__)
                return results
            needed += 1
            if needed > len(self.entries):
                raise RefusedByModelError(NamespaceQuotaExceededError)

    def end_expired(self, count: int, clock: datetime, spare: set[Key] = frozenset()) -> int:  # type: ignore[assignment]
        """End up to ``count`` expired entries, the longest expired first; how many."""
        live = self.live(clock)
        due = [key for key in self.entries if key not in live and key not in spare]
        due.sort(key=lambda key: (self.entries[key].expires_at, key))
        for key in due[:count]:
            self.end(key, clock)
        return len(due[:count])

    def end(self, key: Key, clock: datetime) -> None:
        """Hold a key no longer."""
        del self.entries[key]
        self.moved(clock)

    def put(
        self, key: Key, value: JSONValue, expires_at: datetime | None, clock: datetime
    ) -> tuple[JSONValue, int]:
        """Hold a value under a key; the value and its revision."""
        self.entries[key] = Held(value, self.revision + 1, expires_at)
        return value, self.moved(clock)

    def moved(self, clock: datetime) -> int:
        """One event more, which has left what is held now; its revision."""
        self.last = self.now(clock)
        self.revision += 1
        self.past.append(Past(dict(self.entries), self.last, self.own_bytes))
        return self.revision

    def do(self, operation: Operation, clock: datetime) -> Any:
        """One operation."""
        held = self.live(clock).get(operation.key)
        if operation.if_revision not in (None, held.revision if held else 0):
            raise RefusedByModelError(RevisionConflictError)
        if held is None and operation.key in self.entries:
            self.end(operation.key, clock)
        if operation.what == "delete":
            if held is not None:
                self.end(operation.key, clock)
            return held is not None
        if operation.what == "restore":
            return self._restore(operation, held, clock)
        value = operation.value if operation.what == "set" else self._sum(held, operation.value)
        self._check_size(value)
        expires_at = held.expires_at if held and operation.what == "increment" else None
        if operation.ttl is not None:
            expires_at = self.now(clock) + timedelta(seconds=operation.ttl)
        return self.put(operation.key, value, expires_at, clock)

    def _restore(self, operation: Operation, held: Held | None, clock: datetime) -> Any:
        then = operation.then
        if then is None:
            if held is not None:
                self.end(operation.key, clock)
            return None
        if held is not None and (held.revision == then.revision or held.equals(then)):
            return held.value, held.revision
        self._check_size(then.value)
        expires_at = None if operation.left is None else self.now(clock) + operation.left
        return self.put(operation.key, then.value, expires_at, clock)

    def _check_size(self, value: JSONValue) -> None:
        if len(orjson.dumps(value)) > self.max_value_bytes:
            raise RefusedByModelError(ValueTooLargeError)

    def _sum(self, held: Held | None, delta: Any) -> int:
        value = held.value if held else 0
        if type(value) is not int:
            raise RefusedByModelError(InvalidValueTypeError)
        if not MIN_INTEGER <= value + delta <= MAX_INTEGER:
            raise RefusedByModelError(IntegerOverflowError)
        return int(value + delta)

    # ------------------------------------------------------------------------------------- the past

    def instant_of(self, revision: int) -> datetime | None:
        """The time at which a revision is judged."""
        return self.past[revision].last

    def revision_at(self, instant: datetime) -> int:
        """The last revision not later than ``instant``."""
        return max(r for r, past in enumerate(self.past) if past.last is None or past.last <= instant)

    def stood(self, revision: int, instant: datetime | None = None) -> dict[Key, Held]:
        """What was live at a revision, judged at its own time or at ``instant``."""
        past = self.past[revision]
        return _live(past.entries, instant or past.last)

    def restoring(
        self, keys: Iterable[Key], revision: int, instant: datetime | None = None, if_revision: int | None = None
    ) -> list[Operation]:
        """What restores ``keys`` to a moment."""
        then, instant = self.stood(revision, instant), instant or self.past[revision].last
        operations = []
        for key in keys:
            held = then.get(key)
            left = held.expires_at - instant if held and held.expires_at and instant else None
            operations.append(Operation("restore", key, if_revision=if_revision, then=held, left=left))
        return operations

    def differing(self, revision: int, instant: datetime | None, clock: datetime) -> list[Key]:
        """The keys that do not stand at the version that they stood at, in order."""
        then, now = self.stood(revision, instant), self.live(clock)
        return sorted(
            key
            for key in {**then, **now}
            if key not in then or key not in now or then[key].revision != now[key].revision
        )

    def restore_all(self, keys: Iterable[Key], revision: int, instant: datetime | None, clock: datetime) -> int:
        """Restore ``keys`` at once; how many changed."""
        operations, live, start = self.restoring(keys, revision, instant), self.live(clock), self.revision
        self.write(operations, clock)
        return sum(
            each.key in live if each.then is None else self.entries[each.key].revision > start
            for each in operations
        )

    def forked(self, revision: int, instant: datetime | None, clock: datetime) -> Model:
        """What a fork of a moment is."""
        fork = Model(self.configured_bytes, self.max_value_bytes)
        fork.moved(clock)
        for each in self.restoring(sorted(self.stood(revision, instant)), revision, instant):
            assert each.then is not None
            fork.put(each.key, each.then.value, None if each.left is None else clock + each.left, clock)
        fork.moved(clock)
        if self.past[revision].own_bytes is not None:
            fork.own_bytes = self.past[revision].own_bytes
            fork.moved(clock)
        return fork


def _live(entries: Mapping[Key, Held], now: datetime | None) -> dict[Key, Held]:
    return {
        key: held
        for key, held in entries.items()
        if held.expires_at is None or now is None or held.expires_at > now
    }
