"""What a partition should do, as a plain dict: the model that the state machine compares a ledger with.

It is written to be obviously right and takes no notice of cost: live entries are counted by counting them.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

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
class Operation:
    """A write of one key: ``what`` is set, increment or delete, ``value`` the value or the delta."""

    what: str
    key: Key
    value: JSONValue = None
    ttl: int | None = None
    if_revision: int | None = None


@dataclass
class Held:
    """What the model holds under a key."""

    value: JSONValue
    revision: int
    expires_at: datetime | None

    @property
    def size(self) -> int:
        """Bytes of JSON text."""
        return len(orjson.dumps(self.value))


class RefusedByModelError(Exception):
    """The model refuses; ``kind`` is the error that the ledger should raise."""

    def __init__(self, kind: type[RefusedError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


@dataclass
class Model:
    """A partition: entries, expired or not, that no event has ended, and the head."""

    configured_bytes: int
    max_value_bytes: int
    own_bytes: int | None = None
    entries: dict[Key, Held] = field(default_factory=dict)
    revision: int = 0
    last: datetime | None = None

    def max_bytes(self) -> int:
        """The quota in force."""
        return self.configured_bytes if self.own_bytes is None else self.own_bytes

    def now(self, clock: datetime) -> datetime:
        """Time never goes back."""
        return clock if self.last is None else max(clock, self.last)

    def live(self, clock: datetime) -> dict[Key, Held]:
        """The entries that have not expired."""
        now = self.now(clock)
        return {
            key: held for key, held in self.entries.items() if held.expires_at is None or held.expires_at > now
        }

    def used(self, clock: datetime) -> int:
        """The bytes of live values."""
        return sum(held.size for held in self.live(clock).values())

    def write(self, operations: list[Operation], clock: datetime) -> list[Any]:
        """Do all ``operations`` or raise; the value and revision of each write, whether each delete found."""
        needed = 0
        while True:
            trial = deepcopy(self)
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
            del self.entries[key]
            self.moved(clock)
        return len(due[:count])

    def moved(self, clock: datetime) -> int:
        """One event more; its revision."""
        self.last = self.now(clock)
        self.revision += 1
        return self.revision

    def do(self, operation: Operation, clock: datetime) -> Any:
        """One operation."""
        held = self.live(clock).get(operation.key)
        if operation.if_revision not in (None, held.revision if held else 0):
            raise RefusedByModelError(RevisionConflictError)
        if held is None and operation.key in self.entries:
            del self.entries[operation.key]
            self.moved(clock)
        if operation.what == "delete":
            if held is not None:
                del self.entries[operation.key]
                self.moved(clock)
            return held is not None
        value = operation.value if operation.what == "set" else self._sum(held, operation.value)
        if len(orjson.dumps(value)) > self.max_value_bytes:
            raise RefusedByModelError(ValueTooLargeError)
        expires_at = held.expires_at if held and operation.what == "increment" else None
        if operation.ttl is not None:
            expires_at = self.now(clock) + timedelta(seconds=operation.ttl)
        self.entries[operation.key] = Held(value, self.moved(clock), expires_at)
        return value, self.revision

    def _sum(self, held: Held | None, delta: Any) -> int:
        value = held.value if held else 0
        if type(value) is not int:
            raise RefusedByModelError(InvalidValueTypeError)
        if not MIN_INTEGER <= value + delta <= MAX_INTEGER:
            raise RefusedByModelError(IntegerOverflowError)
        return int(value + delta)
